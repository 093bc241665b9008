"""What a result is made of: which runs may stand in it, and which files they give it."""
