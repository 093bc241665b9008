"""What only the official checkers do: what they load, and what they die of."""
