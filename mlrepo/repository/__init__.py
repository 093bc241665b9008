"""The only package that knows Git: discovery, recording, history, the spool, the raw store."""
