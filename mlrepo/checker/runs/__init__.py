"""Judges of performance runs: what the logs say, and whether that can be true."""
