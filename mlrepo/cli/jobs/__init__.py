"""The commands of ``mlrepo jobs``."""
