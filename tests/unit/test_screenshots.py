"""The README's picture is there, and the script that takes it knows the page."""

from __future__ import annotations

import re
from pathlib import Path

from docs import screenshots

_ROOT = Path(__file__).parents[2]
_PAGES = _ROOT / "mlrepo" / "report" / "pages"


def test_the_readme_shows_the_picture_that_the_script_takes() -> None:
    """A PNG that is small enough for a repository."""
    [shown] = re.findall(r"!\[.+\]\((\S+)\)", (_ROOT / "README.md").read_text(encoding="utf-8"))
    assert _ROOT / shown == screenshots.PICTURE
    data = screenshots.PICTURE.read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) < 250_000


def test_what_the_picture_leaves_out_is_on_the_page() -> None:
    """A part that was renamed would stay in the picture."""
    page = "".join((_PAGES / name).read_text("utf-8") for name in ("report.html", "report.js"))
    for name in re.findall(r"#([\w-]+)", screenshots.HIDDEN):
        there = f'id="{name}"' in page or ("charts-${kind}" in page and name == "charts-latency")
        assert there, name
    assert 'body.dataset.state = "ready"' in page
