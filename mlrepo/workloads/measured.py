"""As which official benchmark the results of a benchmark are measured: in tokens, in samples."""

from __future__ import annotations

from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.rounds import Round


def measured_as(round_: Round, benchmark: str) -> str:
    """Return the name under which the round has the key and the unit of a benchmark's results.

    It is the benchmark itself if the round has it; for another one, what it says of itself, if it
    is installed here.
    """
    if round_.official_benchmark(benchmark):
        return benchmark
    try:
        return str(load_plugin(WORKLOADS, benchmark).measured_as) or benchmark
    except UserError:
        return benchmark
