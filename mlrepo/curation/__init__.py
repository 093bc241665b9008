"""What is decided about recorded runs afterwards: withdrawn, tagged, moved or pruned."""
