"""Judges of power measurements."""
