"""Which submissions hold given runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlrepo.proposal.selected import listed_in
from mlrepo.repository.damage import reference_names
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.submission_branch import read_submission

_SUBMISSION = re.compile(r"refs/(?:heads|remotes/[^/]+)/submission/([^/]+)")


def rounds_that_select(repository: ResultsRepository, runs: Iterable[str]) -> dict[str, list[str]]:
    """Return the rounds whose selection holds one of the runs, each with these runs' ids."""
    wanted = set(runs)
    names = {
        found[1]
        for name in (reference_names(repository) if wanted else ())
        if (found := _SUBMISSION.fullmatch(name))
    }
    selected: dict[str, list[str]] = {}
    for name in sorted(names):
        last = read_submission(repository, name)
        listed = listed_in(last.message, name) if last is not None else None
        ids = sorted({one.run for one in listed.runs} & wanted) if listed is not None else []
        if ids:
            selected[name] = ids
    return selected
