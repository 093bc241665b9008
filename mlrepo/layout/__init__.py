"""What a result is made of: which runs may be part of it, and which files it gets from them."""
