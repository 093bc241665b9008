"""Results known from a summary only: each counts once, and not where its logs are recorded, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlrepo.record import IMPORTED_TAG, PUBLISHED

_Trailers = Mapping[str, str]
# What a result is published as, and the kind of its run.
_RESULT = tuple(
    f"MLRepo-{name}"
    for name in ("Round", "Division", "Submitter", "System", "Benchmark", "Scenario", "Mode")
)


def superseded(committed: Iterable[tuple[str, _Trailers]]) -> dict[str, str]:
    """Return the rows of summaries that count no longer, each with the run that it gives way to.

    That is the imported run of the same result, which has logs, or else the same row of a summary
    that was imported later: published tables are corrected.

    Parameters
    ----------
    committed:
        All runs with the trailers of their commits, newest first.
    """
    rows: dict[tuple[str, ...], list[str]] = {}
    logged: dict[tuple[str, ...], str] = {}
    for run, trailers in committed:
        result = tuple(trailers.get(name, "") for name in _RESULT)
        if trailers.get("MLRepo-Validity") == PUBLISHED:
            rows.setdefault(result, []).append(run)
        elif IMPORTED_TAG in trailers.get("MLRepo-Tags", "").split(","):
            logged.setdefault(result, run)
    return {
        run: kept
        for result, runs in rows.items()
        for kept in (logged.get(result, runs[0]),)
        for run in runs
        if run != kept
    }
