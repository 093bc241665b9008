"""What is recorded of a sweep. Git is the journal: a run belongs to a cell by its tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlrepo.bench.run import Bench
from mlrepo.bench.sweep.cells import CELL_TAG
from mlrepo.errors import UserError
from mlrepo.record import FAILED, INVALID, SWEEP_TAG, VALID, RunRecord
from mlrepo.record.first_requests import request_of
from mlrepo.record.plans import SweepPlan
from mlrepo.record.request import AnyRequest, argv
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import RecordedRun, readable_record, recorded_runs

# A run with one of these verdicts is a measurement; a Server that is too slow is one, too.
MEASURED = (VALID, INVALID)


@dataclass
class SweepJournal:
    """The runs of a sweep, by the key of their cell; newest first.

    Attributes
    ----------
    unreadable:
        Why the record of a run cannot be read, by run.
    """

    repository: ResultsRepository
    runs: Mapping[str, Sequence[RecordedRun]]
    unreadable: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, repository: ResultsRepository, name: str) -> SweepJournal:
        """Return the recorded runs of the sweep ``name``, from any machine."""
        found: dict[str, list[RecordedRun]] = {}
        for run in runs_of_sweep(repository, name):
            found.setdefault(_cell_of(run), []).append(run)
        return cls(repository, found)

    def measured(self, key: str) -> list[RecordedRun]:
        """Return the runs of a cell that are measurements."""
        return [run for run in self.runs.get(key, ()) if run.trailer("Validity") in MEASURED]

    def failed(self, key: str) -> list[RecordedRun]:
        """Return the runs of a cell that failed."""
        return [run for run in self.runs.get(key, ()) if run.trailer("Validity") == FAILED]

    def record(self, run: RecordedRun) -> RunRecord | None:
        """Return the record of a run; None if it cannot be read, noted in ``unreadable``."""
        return readable_record(self.repository, run, self.unreadable)


def runs_of_sweep(repository: ResultsRepository, name: str) -> Iterator[RecordedRun]:
    """Yield the runs of a sweep, newest first; those that were withdrawn count no longer."""
    tag = f"{SWEEP_TAG}-{name}"
    for run in recorded_runs(repository):
        if tag in _tags(run):
            yield run


def refuse_another(bench: Bench, name: str) -> None:
    """Raise :class:`UserError` if the sweep of this name was recorded with another plan."""
    asked = bench.request.redacted(bench.redactor)
    for run in runs_of_sweep(bench.repository, name):
        record = readable_record(bench.repository, run, {})
        recorded = request_of(record) if record is not None else None
        if recorded is None or not isinstance(recorded.plan, SweepPlan):
            continue  # a cell that ran by a command of its own
        if asked.same_as(recorded):
            return
        was, now = _only(recorded, asked), _only(asked, recorded)
        raise UserError(
            f"The sweep {name} was recorded with another plan: {was or 'less'} there, "
            f"{now or 'less'} here.",
            hint="Choose another name with --name, or repeat the plan: `mlrepo show "
            f"{run.run[-6:]}` prints its command.",
        )


def _only(request: AnyRequest, other: AnyRequest) -> str:
    """Return the options of a request that another one does not have."""
    others = set(_options(other))
    return " ".join(one for one in _options(request) if one not in others)


def _options(request: AnyRequest) -> Iterator[str]:
    option = ""
    for word in argv(request)[3:]:
        if word.startswith("--"):
            if option:
                yield option
            option = word
        else:
            yield f"{option} {word}".strip()
            option = ""
    if option:
        yield option


def _tags(run: RecordedRun) -> Sequence[str]:
    """Return the tags that a run was recorded with: nobody can take these away later."""
    return run.committed_trailers.get("MLRepo-Tags", "").split(",")


def _cell_of(run: RecordedRun) -> str:
    tags = (tag for tag in _tags(run) if tag.startswith(CELL_TAG))
    return next(tags, "").removeprefix(CELL_TAG)
