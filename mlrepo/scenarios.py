"""The scenarios of MLPerf Inference, and what each requires of a run.

Source: ``inference_rules.adoc`` of mlcommons/inference_policies, and LoadGen's ``FromConfig``
(test_settings_internal.cc) and ``PerformanceSummary`` (results.cc). Records, data files and layouts
contain the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from mlrepo.errors import UserError


class Issue(Enum):
    """When LoadGen sends the queries."""

    ALL_AT_ONCE = "all samples in one query"
    ONE_BY_ONE = "the next query when the last one is answered"
    POISSON = "queries at random times, on average at the target rate"


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes
    ----------
    name:
        As in records and directories.
    loadgen:
        LoadGen's name for it; LoadGen runs Interactive as Server with tighter limits.
    issue:
        When queries are sent; None if this is not a scenario.
    bounded:
        Whether a latency bound decides if a run is VALID.
    samples_per_query:
        How many samples a query has by the rules; 1 if the number is free.
    lower_is_better:
        Whether the result is a latency.
    least_queries:
        The minimum number of queries that can satisfy early stopping (v2.0 and later).
    setting:
        The setting in ``user.conf`` that defines the load: ``target_qps`` or ``target_latency``
        (milliseconds).
    unit:
        The unit of the result in most benchmarks and rounds.
    field:
        The field of LoadGen's ``TestSettings`` for it: a rate per second, or nanoseconds.
    suffix:
        The suffix of a benchmark's name in LoadGen's mlperf.conf for this scenario.
    needs_tokens:
        Whether only benchmarks with token latencies have the scenario.
    """

    name: str
    loadgen: str
    issue: Issue | None
    bounded: bool
    samples_per_query: int
    lower_is_better: bool
    least_queries: int
    setting: str
    field: str
    unit: str
    suffix: str = ""
    needs_tokens: bool = False

    @property
    def scale(self) -> float:
        """The factor from setting to field: for streams, from milliseconds to nanoseconds."""
        return 1e6 if self.is_stream else 1.0

    def loadgen_model(self, benchmark: str) -> str:
        """Return the name of a benchmark in LoadGen's mlperf.conf for this scenario."""
        return benchmark + self.suffix

    @property
    def is_stream(self) -> bool:
        """Whether each query is sent when the previous one is answered."""
        return self.issue is Issue.ONE_BY_ONE

    @property
    def at_random(self) -> bool:
        """Whether queries arrive at random times, however busy the system is."""
        return self.issue is Issue.POISSON

    @property
    def at_once(self) -> bool:
        """Whether all samples are in one query."""
        return self.issue is Issue.ALL_AT_ONCE


_SERVER = Scenario(
    name="Server",
    loadgen="Server",
    issue=Issue.POISSON,
    bounded=True,
    samples_per_query=1,
    lower_is_better=False,
    least_queries=662,
    setting="target_qps",
    field="server_target_qps",
    unit="queries/s",
)
_ALL = (
    Scenario(
        name="Offline",
        loadgen="Offline",
        issue=Issue.ALL_AT_ONCE,
        bounded=False,
        samples_per_query=1,
        lower_is_better=False,
        least_queries=1,
        setting="target_qps",
        field="offline_expected_qps",
        unit="samples/s",
    ),
    Scenario(
        name="SingleStream",
        loadgen="SingleStream",
        issue=Issue.ONE_BY_ONE,
        bounded=False,
        samples_per_query=1,
        lower_is_better=True,
        least_queries=64,
        setting="target_latency",
        field="single_stream_expected_latency_ns",
        unit="ms",
    ),
    Scenario(
        name="MultiStream",
        loadgen="MultiStream",
        issue=Issue.ONE_BY_ONE,
        bounded=False,
        samples_per_query=8,
        lower_is_better=True,
        least_queries=662,
        setting="target_latency",
        field="multi_stream_expected_latency_ns",
        unit="ms",
    ),
    _SERVER,
    # LoadGen runs it as a Server, with the limits of its own section of mlperf.conf.
    replace(_SERVER, name="Interactive", suffix="-interactive", needs_tokens=True),
)
# By name, in the usual order.
SCENARIOS: Mapping[str, Scenario] = MappingProxyType({each.name: each for each in _ALL})
# The scenarios of LoadGen itself, by LoadGen's names.
LOADGEN_SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {each.name: each for each in _ALL if each.name == each.loadgen}
)


def scenario(name: str) -> Scenario:
    """Return a scenario by its name; case, ``-`` and ``_`` do not matter.

    Raises
    ------
    UserError
        There is no such scenario.
    """
    wanted = name.lower().replace("-", "").replace("_", "")
    for known in _ALL:
        if known.name.lower() == wanted:
            return known
    raise UserError(f"{name!r} is not a scenario.", hint=f"Use one of: {', '.join(SCENARIOS)}.")


_NONE = Scenario("", "", None, False, 1, False, 1, "", "", "")


def named(text: object) -> Scenario:
    """Return the scenario that a log or a directory names exactly.

    If it names none, the result has an empty name and no property of a scenario.
    """
    return SCENARIOS.get(text, _NONE) if isinstance(text, str) else _NONE


def spelled(directory: str) -> str:
    """Return the scenario that a directory is named after; any other name is returned unchanged.

    Older layouts use lower-case names.
    """
    return next((name for name in SCENARIOS if name.lower() == directory.lower()), directory)
