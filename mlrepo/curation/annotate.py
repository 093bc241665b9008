"""Notes on runs, and tags added to them and removed from them."""

from __future__ import annotations

from collections.abc import Sequence

from mlrepo.curation.decide import Decision, clean_text, decide
from mlrepo.errors import UserError
from mlrepo.record import EXPERIMENT_TAG, IMPORTED_TAG, PROBE_TAG, SUMMARY_TAG, SWEEP_TAG
from mlrepo.repository.acts import NOTE, TAG
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.identity import Identity

# What mlrepo says of a run by a tag, and decides by: nobody else gives or takes it.
_OWN = frozenset(
    {EXPERIMENT_TAG, IMPORTED_TAG, PROBE_TAG, SUMMARY_TAG, SWEEP_TAG, "replay", "suite"}
)
_OWN_BEGINNINGS = ("suite-", "sweep-", "cell-", "job-")


def note(
    repository: ResultsRepository, identity: Identity, runs: Sequence[RecordedRun], text: str
) -> Decision:
    """Put a note on the runs: the last one is shown, and all are kept."""
    said = " ".join(clean_text(text, "The note").split())
    values = {run.run: {"note": said} for run in runs}
    return decide(repository, identity, runs, NOTE, "Note on", values, why="")


def tag(
    repository: ResultsRepository,
    identity: Identity,
    runs: Sequence[RecordedRun],
    add: Sequence[str],
    remove: Sequence[str],
) -> Decision:
    """Add tags to the runs and remove others; what is so already makes no commit.

    Raises
    ------
    UserError
        A tag is not a word, or is one that mlrepo itself gives.
    """
    for each in (*add, *remove):
        _refuse_tag(each)
    values = {}
    for run in runs:
        new = [each for each in dict.fromkeys(add) if each not in run.tags]
        gone = [each for each in dict.fromkeys(remove) if each in run.tags]
        if new or gone:
            values[run.run] = {"add": ",".join(new), "remove": ",".join(gone)}
    return decide(repository, identity, runs, TAG, "Tag", values)


def _refuse_tag(text: str) -> None:
    if not text.strip() or "," in text or any(ord(char) < 32 for char in text):
        raise UserError(
            f"The tag {text!r} is empty or holds a comma or a control character.",
            hint="A tag is a word: `mlrepo run tag RUN +tuned -first`.",
        )
    if text in _OWN or text.startswith(_OWN_BEGINNINGS):
        raise UserError(
            f"The tag {text!r} is one that mlrepo itself gives: it says what a run is, and decides "
            "whether it counts.",
            hint="Use another word; `mlrepo run withdraw RUN --why TEXT` lets a run "
            "count no longer.",
        )
    clean_text(text, "The tag")
