"""TEST05: other seeds give the same result. LoadGen and the rounds dropped it in v5.0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlrepo.compliance import scores
from mlrepo.compliance.evidence import VERIFY_PERFORMANCE, AuditedRun, TextFault, Verification
from mlrepo.compliance.protocol import ComplianceTest

if TYPE_CHECKING:
    from mlrepo.rounds import Round


class OtherSeeds(ComplianceTest):
    """A run like the performance run with other seeds."""

    name = "TEST05"
    tolerance = 0.05
    performance_text = VERIFY_PERFORMANCE
    runs_performance = True

    def seeds(self, round_: Round) -> Mapping[str, int] | None:
        """Return its seeds in the round; None if the round does not have it.

        mlrepo sets them explicitly, so that any LoadGen can run it.
        """
        if self.name not in round_.asked_tests():
            return None
        return round_.test05_seeds() or round_.test05_config_seeds

    def is_recognized(self, values: Mapping[str, object], round_: Round, benchmark: str) -> bool:
        """Say whether a run has its seeds."""
        seeds = self.seeds(round_) or round_.test05_config_seeds
        return all(values.get(f"effective_{name}") == seed for name, seed in seeds.items())

    def verify(self, run: AuditedRun) -> Verification:
        """Compare the score; since v3.1 a faster run passes."""
        if run.reference is None or run.score is None:
            return Verification()
        pair = (("reference", run.reference), ("test", run.score))
        low, high = self.score_range(run.scenario, run.reference, run.round)
        return scores.verification(self.name, run, scores.outside(run, low, high), pair)

    def setting_faults(self, values: Mapping[str, object], round_: Round) -> Iterator[TextFault]:
        """Judge the seeds up to v2.0, whose checkers do not; later rounds judge every run's."""
        if round_.test05_seeds():
            return
        ours, own = round_.seeds(), round_.test05_config_seeds
        logged = {name: values.get(f"effective_{name}") for name in own}
        same = [name for name, seed in logged.items() if seed == ours.get(name)]
        if same or None in logged.values():
            yield TextFault(
                f"The run is not {self.name}.",
                same[0] if same else next(iter(own)),
                expected="other seeds than the round's",
                actual=", ".join(same) or "no seeds",
                rule="compliance-settings",
            )
        elif logged != own:
            yield TextFault(
                f"{self.name} ran with seeds of its own.",
                "qsl_rng_seed",
                expected=", ".join(f"{name} = {seed}" for name, seed in own.items()),
                rule="compliance-older-audit",
            )

    def score_range(self, scenario: str, reference: float, round_: Round) -> tuple[float, float]:
        """Return a range around the reference; in later rounds only a slower run fails."""
        slack = scores.allowed(self.tolerance, scenario, reference)
        low, high = 1 - slack, 1 + slack
        if not round_.test05_may_be_faster:
            return low, high
        return (0.0, high) if scores.is_stream(scenario) else (low, float("inf"))


TESTS = (OtherSeeds(),)
