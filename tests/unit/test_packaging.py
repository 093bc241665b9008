"""`pip install` includes every package; a forgotten one would only work in a checkout."""

from __future__ import annotations

import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_MAPPED = {"mlrepo.hooks": "hooks", "mlrepo.templates": "templates"}


def test_all_rooms_are_installed() -> None:
    """Every folder with Python files is a package of the distribution, and no other."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    rooms = {path.parent for path in (_ROOT / "mlrepo").rglob("*.py")}
    names = {".".join(room.relative_to(_ROOT).parts) for room in rooms}
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted({*names, *_MAPPED})
    assert project["tool"]["setuptools"]["package-dir"] == {"mlrepo": "mlrepo"} | _MAPPED
