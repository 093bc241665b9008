"""TEST05: other seeds give the same result. LoadGen dropped it in v5.0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlrepo.compliance import scores
from mlrepo.compliance.evidence import VERIFY_PERFORMANCE, AuditedRun, TextFault, Verification
from mlrepo.compliance.protocol import ComplianceTest

if TYPE_CHECKING:
    from mlrepo.rounds import Round

# The seeds up to v2.0; later rounds have their own in their data.
_OLD_SEEDS: Mapping[str, int] = {
    "qsl_rng_seed": 313588358309856706,
    "sample_index_rng_seed": 471397156132239067,
    "schedule_rng_seed": 413914573387865862,
}


class OtherSeeds(ComplianceTest):
    """A run like the performance run with other seeds."""

    name = "TEST05"
    tolerance = 0.05
    performance_text = VERIFY_PERFORMANCE
    runs_performance = True

    def seeds(self, round_: Round) -> Mapping[str, int]:
        """Return the seeds of the round's data, which has none up to v2.0."""
        return round_.test05_seeds()

    def is_recognized(self, values: Mapping[str, object], round_: Round, benchmark: str) -> bool:
        """Say whether a run has its seeds."""
        seeds = self.seeds(round_) or _OLD_SEEDS
        return all(values.get(f"effective_{name}") == seed for name, seed in seeds.items())

    def refusal(self, round_: Round) -> tuple[str, str] | None:
        """Return a refusal if the round's data has no seeds for it."""
        if self.seeds(round_):
            return None
        return (
            f"the seeds that {round_.name} asks for are not in the rules",
            "Use --test for the other tests. LoadGen has dropped TEST05 since v5.0.",
        )

    def verify(self, run: AuditedRun) -> Verification:
        """Compare the score."""
        if run.reference is None or run.score is None:
            return Verification()
        pair = (("reference", run.reference), ("test", run.score))
        return scores.verification(self.name, run, scores.near(run, self.tolerance), pair)

    def setting_faults(self, values: Mapping[str, object], round_: Round) -> Iterator[TextFault]:
        """Judge the seeds up to v2.0, whose checkers do not; later rounds judge every run's."""
        if self.seeds(round_):
            return
        ours = round_.seeds()
        logged = {name: values.get(f"effective_{name}") for name in _OLD_SEEDS}
        same = [name for name, seed in logged.items() if seed == ours.get(name)]
        if same or None in logged.values():
            yield TextFault(
                f"The run is not {self.name}.",
                same[0] if same else next(iter(_OLD_SEEDS)),
                expected="other seeds than the round's",
                actual=", ".join(same) or "no seeds",
                rule="compliance-settings",
            )
        elif logged != _OLD_SEEDS:
            yield TextFault(
                f"{self.name} ran with seeds of its own.",
                "qsl_rng_seed",
                expected=", ".join(f"{name} = {seed}" for name, seed in _OLD_SEEDS.items()),
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
