"""Commands about submissions: ours and those of others."""
