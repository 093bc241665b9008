"""How much disk a repository takes, and how much is left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_below(path: Path) -> int:
    """Return the bytes of all files at or below a path, without following links; 0 if none is.

    What cannot be read, or goes away meanwhile, does not count.
    """
    total = 0
    unread = [str(path)]
    while unread:
        try:
            with os.scandir(unread.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        unread.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def free_space(path: Path) -> int:
    """Return the free bytes of the file system that a path, or its nearest parent, is on."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def readable_size(size: int) -> str:
    """Return a number of bytes for people: ``12 MB``."""
    value, power = float(size), 0
    while value >= 999.5 and power < len(_UNITS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g} {_UNITS[power]}"


def disk_words(sizes: Mapping[str, int], free: int) -> str:
    """Return what takes how much, without what takes nothing, and what is free."""
    parts = [f"{readable_size(size)} of {what}" for what, size in sizes.items() if size]
    return f"{', '.join(parts) or 'nothing'}; {readable_size(free)} free"
