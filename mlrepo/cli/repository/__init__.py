"""Commands about the results repository itself."""
