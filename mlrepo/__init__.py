"""mlrepo: an MLPerf Inference results repository that is a Git repository and the tool at once."""

# A literal, not importlib.metadata: reading it must not cost start-up time.
__version__ = "0.2.0"
