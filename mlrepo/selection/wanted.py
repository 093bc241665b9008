"""Which results a selection decides anew."""

from __future__ import annotations

from dataclasses import dataclass

from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import RecordedRun


@dataclass(frozen=True)
class Wanted:
    """Which results are decided anew; empty values do not restrict.

    Attributes
    ----------
    benchmark, scenario, system, division, submitter:
        As the trailers of the runs have them; ``scenario`` in LoadGen's spelling.
    runs:
        Runs that must be taken, as :func:`find_run` takes them; only their results are decided.
    experiments:
        Only runs of these branches are looked at.
    drop:
        Results that leave the selection, by path or by the end of one.
    only:
        Whether the last selection is forgotten; without any restriction it always is.
    quick:
        Whether runs shorter than the round asks are taken.
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
    only: bool = False
    quick: bool = False
    infer: bool = False

    @property
    def is_partial(self) -> bool:
        """Return whether results besides those wanted are kept from the last selection."""
        restricted = (
            self.benchmark,
            self.scenario,
            self.system,
            self.division,
            self.submitter,
            self.runs,
            self.experiments,
            self.drop,
        )
        return any(restricted) and not self.only

    @property
    def only_drops(self) -> bool:
        """Return whether results are only to be dropped, and none decided anew."""
        return self.is_partial and not any(
            (
                self.benchmark,
                self.scenario,
                self.system,
                self.division,
                self.submitter,
                self.runs,
                self.experiments,
            )
        )

    def names(self) -> dict[str, str]:
        """Return what is wanted by the trailers of the runs; '' where anything is."""
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
