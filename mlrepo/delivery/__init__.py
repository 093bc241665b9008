"""From a selection to an open pull request."""
