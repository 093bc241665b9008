"""Judges of accuracy runs."""
