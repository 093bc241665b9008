"""Which results a selection decides anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import RecordedRun


@dataclass(frozen=True)
class Wanted:
    """Which results are decided anew; empty values do not restrict.

    Attributes
    ----------
    benchmark, scenario, system, division, submitter:
        As in the trailers of the runs; ``scenario`` in LoadGen's spelling.
    runs:
        Runs that must be taken, in any form that :func:`find_run` accepts; only their results are
        decided.
    experiments:
        Only runs of these branches are considered.
    drop:
        Results to remove from the selection, by path or by the end of one.
    ready_made:
        Whether the results come from a tree of another harness, and no runs are considered.
    only:
        Whether the last selection is forgotten; without any restriction it always is.
    quick:
        Whether the selection is for a rehearsal, see :class:`Chooser`.
    infer:
        Whether results that the round infers from others are taken.
    """

    benchmark: str = ""
    scenario: str = ""
    system: str = ""
    division: str = ""
    submitter: str = ""
    runs: tuple[str, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    drop: tuple[str, ...] = ()
    ready_made: bool = False
    only: bool = False
    quick: bool = False
    infer: bool = False

    @property
    def is_partial(self) -> bool:
        """Return whether other results are kept from the last selection."""
        return bool(self.is_restricted or self.drop) and not self.only

    @property
    def is_restricted(self) -> bool:
        """Return whether only some results are decided anew."""
        return any(
            (
                *self.names().values(),
                self.runs,
                self.experiments,
                self.ready_made,
            )
        )

    @property
    def only_drops(self) -> bool:
        """Return whether results are only to be dropped, and none decided anew."""
        return self.is_partial and not self.is_restricted

    def names(self) -> dict[str, str]:
        """Return the requested value of each trailer; '' where any value matches."""
        return {
            "Benchmark": self.benchmark,
            "Scenario": self.scenario,
            "System": self.system,
            "Division": self.division,
            "Submitter": self.submitter,
        }

    def matches(self, run: RecordedRun) -> bool:
        """Return whether a run belongs to a result that is decided anew."""
        return all(value in ("", run.trailer(name)) for name, value in self.names().items())


def ends_with(path: str, text: str) -> bool:
    """Return whether ``text`` names a result by the end of its path."""
    return f"/{path}".endswith(f"/{text.strip('/')}")


def dropped_paths(drop: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths whose ends are named in ``drop``; raise if one names no result."""
    known = sorted(paths)
    for text in drop:
        matching = [path for path in known if ends_with(path, text)]
        if not matching:
            raise UserError(
                f"No result {text!r} is selected.",
                hint=f"Selected are: {', '.join(known[:5]) or 'none'}"
                f"{' …' if len(known) > 5 else ''}.",
            )
        yield from matching
