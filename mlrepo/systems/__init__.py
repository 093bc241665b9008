"""System descriptions: what this machine is, and the description that a round wants."""
