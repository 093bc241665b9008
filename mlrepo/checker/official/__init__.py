"""What only the official checkers do: how they load files, and what they crash on."""
