"""Judges of compliance tests."""
