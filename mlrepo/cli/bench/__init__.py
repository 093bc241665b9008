"""The commands of ``mlrepo bench``."""
