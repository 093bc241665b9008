"""Exchanging recorded runs with the other clones of a team."""
