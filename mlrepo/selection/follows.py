"""Which official benchmark each benchmark follows."""

from __future__ import annotations

from mlrepo.plugins import WORKLOADS, load_plugin, plugin_names
from mlrepo.rounds import Round
from mlrepo.workloads import Workload


class Follows:
    """Which official benchmark each benchmark follows, by the round's tables or its plugin."""

    def __init__(self, round_: Round) -> None:
        self.round = round_
        self._known: dict[str, str] = {}

    def official(self, benchmark: str) -> str:
        """Return the official benchmark whose rules it follows, or ''."""
        if benchmark not in self._known:
            name = self.round.official_benchmark(benchmark)
            if not name and benchmark in plugin_names(WORKLOADS):
                workload: Workload = load_plugin(WORKLOADS, benchmark)
                name = workload.follows
            self._known[benchmark] = name
        return self._known[benchmark]

    def tests_of(self, benchmark: str, scenario: str) -> tuple[str, ...]:
        """Return the compliance tests that a benchmark needs in a scenario."""
        return self.round.compliance_tests(self.official(benchmark), scenario)
