"""The servers that official repositories are on: their API, and the credentials for it."""
