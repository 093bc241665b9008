"""Judges of results measured against an endpoint (v6.1 and later)."""
