"""Suggestions for misspelled names."""

from __future__ import annotations

from collections.abc import Iterable

_MOST = 8


def meant(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the names nearest to ``name``, or with all of them; '' for none.

    Case is ignored: ``Gateoverflow`` is close to ``GATEOverflow``.
    """
    names = sorted(set(known))
    if suggestion := suggested(name, names):
        return suggestion
    more = f" … ({len(names)} in all)" if len(names) > _MOST else ""
    return f"There are: {', '.join(names[:_MOST])}{more}." if names else ""


def suggested(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the names nearest to ``name``; '' if none is like it."""
    found = nearest(name, known)
    return f"Did you mean {' or '.join(found)}?" if found else ""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return at most three names like ``name``, whatever its case; the most similar first."""
    import difflib  # takes longer to import than most commands to run

    by_case: dict[str, list[str]] = {}
    for one in sorted(set(known)):
        by_case.setdefault(one.lower(), []).append(one)
    near = difflib.get_close_matches(name.lower(), by_case, n=3)
    return [one for each in near for one in by_case[each] if one != name]
