"""Judges of performance runs: what the logs say, and whether it can be true."""
