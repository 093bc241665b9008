"""Judges of the documents beside the logs: descriptions, measurements, files."""
