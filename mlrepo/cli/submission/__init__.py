"""Commands about submissions, one's own and those of others."""
