"""mlrepo: an MLPerf Inference results repository that is a Git repository and the tool at once."""

from pathlib import Path

# A literal, not importlib.metadata: reading it must not cost start-up time.
__version__ = "0.1.0"

# In the sources, hooks and templates lie beside the package and not inside: with their directory
# on PYTHONPATH, and nothing installed, they are found all the same.
if (_sources := Path(__file__).parents[1] / "pyproject.toml").is_file():
    __path__.append(str(_sources.parent))
