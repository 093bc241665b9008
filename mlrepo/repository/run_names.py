"""How people name a recorded run: its id, a part of it, its commit, ``latest`` or ``latest~N``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlrepo.errors import UserError

if TYPE_CHECKING:
    from mlrepo.repository.history import RecordedRun

_LATEST = re.compile(r"latest(?:~([0-9]{0,9}))?\Z")
_LEAST_OF_COMMIT = 6


def named_run(runs: Sequence[RecordedRun], text: str) -> RecordedRun:
    """Return the run that ``text`` names.

    ``latest`` is the newest run that counts, ``latest~2`` the second before it. After the "…" with
    which tables shorten ids comes the end of one.

    Parameters
    ----------
    runs:
        All runs, newest first, the withdrawn ones too: these are found by their ids only.

    Raises
    ------
    UserError
        No run or several runs match.
    """
    counting = [run for run in runs if not run.curation.hidden]
    if latest := _LATEST.match(text):
        return _before_latest(counting, text, int(latest[1] or "~" in text), any_run=bool(runs))
    wanted = text.lower().removeprefix("…")
    if wanted != text.lower():
        found = [run for run in runs if run.run.endswith(wanted)]
    else:
        found = [
            run
            for run in runs
            if wanted in run.run.lower()
            or (len(wanted) >= _LEAST_OF_COMMIT and run.commit.startswith(wanted))
        ]
    exact = [run for run in found if run.run.lower() == wanted]
    if len(exact) == 1 or len(found) == 1:
        return (exact or found)[0]
    if not found:
        raise UserError(
            f"No recorded run matches {text!r}.", hint=_no_run(counting, any_run=bool(runs))
        )
    listed = ", ".join(run.run for run in found[:5])
    raise UserError(
        f"{len(found)} runs match {text!r}: {listed}{' …' if len(found) > 5 else ''}",
        hint="Give more of the run id.",
    )


def _before_latest(
    counting: Sequence[RecordedRun], text: str, back: int, *, any_run: bool
) -> RecordedRun:
    if back < len(counting):
        return counting[back]
    if not counting:
        raise UserError(
            f"No recorded run matches {text!r}.", hint=_no_run(counting, any_run=any_run)
        )
    raise UserError(
        f"There is no run {text!r}: only {_number(len(counting))} recorded.",
        hint=f"The oldest one is latest~{len(counting) - 1}; `mlrepo log` lists the runs.",
    )


def _number(runs: int) -> str:
    return "1 run is" if runs == 1 else f"{runs} runs are"


def _no_run(counting: Sequence[RecordedRun], *, any_run: bool) -> str:
    if counting:
        return "`mlrepo log` lists the runs; `latest` is the newest one."
    if any_run:
        return "All runs are withdrawn; `mlrepo log --withdrawn` lists them."
    return "Nothing is recorded yet; `mlrepo bench suite --benchmark digits --quick` begins."
