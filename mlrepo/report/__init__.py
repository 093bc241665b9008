"""Reports over recorded runs."""
