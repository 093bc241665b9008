"""Whether any run of a benchmark can be a valid result of a round."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mlrepo.errors import MlrepoError
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.rounds import Round
from mlrepo.rounds.naming import official_model
from mlrepo.workloads import Workload


def why_never_valid(
    round_: Round,
    division: str,
    category: str,
    benchmark: str,
    workload: Workload | None,
    mapping: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """Return why no run of a benchmark can be a valid result, however long it is, or ''.

    What the benchmark alone decides is judged: its name and the size of its data set.

    Parameters
    ----------
    workload:
        The benchmark; None if it is not installed here (:func:`installed_workload`), and its data
        set is unknown.
    mapping:
        The submitter's own ``model_mapping.json`` (open division).
    """
    official = round_.official_benchmark(benchmark)
    if division != "open":
        if round_.scenario_rules(category, official or benchmark) is None:
            return f"{round_.name} has no benchmark {benchmark} in {division} ({category})"
    elif not official:
        follows = {benchmark: workload.follows} if workload else {}
        official = official_model(round_, benchmark, {**follows, **mapping})
        if official not in round_.tables["models"]:
            # Somebody who has the benchmark may know what it follows.
            return f"{benchmark} follows no benchmark of {round_.name}" if workload else ""
    least = round_.tables["performance_sample_count_min"].get(official, 0)
    if workload is not None and workload.performance_samples < least:
        return (
            f"{benchmark} has {workload.performance_samples:,} samples, and {round_.name} requires "
            f"{least:,} of a result of {official}"
        )
    return ""


def installed_workload(benchmark: str) -> Workload | None:
    """Return a benchmark by its name, or None if it is not installed here."""
    try:
        workload: Workload = load_plugin(WORKLOADS, benchmark)
    except MlrepoError:
        return None
    return workload
