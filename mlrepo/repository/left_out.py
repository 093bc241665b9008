"""What of runs this mlrepo leaves out, because it does not know it: a newer one wrote it.

It is noted in :attr:`ResultsRepository.left_out`, by what it is, and told once when a command ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlrepo import __version__
from mlrepo.harmless import harmless
from mlrepo.repository.discovery import ResultsRepository

_MOST_KEYS, _MOST_RUNS, _LONGEST = 8, 3, 80


def note_left_out(repository: ResultsRepository, run: str, what: str) -> None:
    """Note what of a run is left out, as a sentence without its run and full stop."""
    repository.left_out.setdefault(what, {})[run] = None


def note_unknown_keys(
    repository: ResultsRepository, run: str, tool: str, unknown: Sequence[str]
) -> None:
    """Note the keys of a record that this mlrepo does not know; it was written by ``tool``."""
    if not unknown:
        return
    named = ", ".join(_short(key) for key in sorted(unknown)[:_MOST_KEYS])
    more = f" and {len(unknown) - _MOST_KEYS} more" if len(unknown) > _MOST_KEYS else ""
    note_left_out(
        repository,
        run,
        f"run.json of {_short(tool) or 'an unnamed tool'} has keys that mlrepo {__version__} does "
        f"not know and leaves out: {named}{more}",
    )


def left_out_words(repository: ResultsRepository) -> list[str]:
    """Return a sentence for each thing that is left out, with the runs that have it."""
    found = []
    for what, runs in repository.left_out.items():
        ids = list(runs)
        more = f" and {len(ids) - _MOST_RUNS} more" if len(ids) > _MOST_RUNS else ""
        found.append(f"{', '.join(ids[:_MOST_RUNS])}{more}: {what.rstrip('.')}.")
    return found


def _short(text: str) -> str:
    return harmless(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
