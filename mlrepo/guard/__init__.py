"""Checks of what may leave the laboratory: truncated logs, no secrets, nothing under embargo."""
