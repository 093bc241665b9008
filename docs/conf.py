"""The site: `make docs` builds it from these Markdown files with Sphinx, without a network."""

from __future__ import annotations

from mlrepo import __version__

project = "mlrepo"
author = "The mlrepo authors"
release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
# Headings down to this level can be linked to, as on a forge: `tutorial.md#hooks`.
myst_heading_anchors = 4
# Fenced blocks are transcripts and files of several kinds; none is worth a failed build.
highlight_language = "none"
nitpicky = True

html_theme = "furo"
html_title = f"mlrepo {release}"
# Everything is served from the site itself.
html_copy_source = False
