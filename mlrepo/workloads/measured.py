"""As which official benchmark the results of a benchmark are measured: in tokens, in samples."""

from __future__ import annotations

from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.rounds import Round
from mlrepo.scenarios import named
from mlrepo.workloads import Workload


def measured_as(round_: Round, benchmark: str, scenario: str) -> str:
    """Return the name under which the round has the key and the unit of a benchmark's results.

    It is the benchmark itself if the round has it. Another one that is installed here and says as
    what it is measured is the official benchmark that it follows, or that one: the first that has
    a key of its own for the scenario. LoadGen's usual key would be of the first token where tokens
    are timed.
    """
    if round_.official_benchmark(benchmark):
        return benchmark
    try:
        workload: Workload = load_plugin(WORKLOADS, benchmark)
    except UserError:
        return benchmark
    keys = round_.tables.get("result_field_per_model") or {}
    names = {scenario, named(scenario).loadgen}
    for official in (workload.follows, workload.measured_as) if workload.measured_as else ():
        if names & set(keys.get(official) or {}):
            return official
    return benchmark
