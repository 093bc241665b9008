"""The servers that host official repositories: their APIs, and the credentials for them."""
