"""Find contradictions in a system description, which no official checker looks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlrepo.rounds.field_problem import FieldProblem, shortened
from mlrepo.rounds.system_schema import COUNT_FIELDS, coerced_count

_NOTHING = re.compile(r"(?i)(none|no|n/?a|not applicable|-|null|0)?\Z")
# "AMD EPYC 7742 64-Core Processor": vendors give the physical cores of one processor.
_CORES_IN_NAME = re.compile(r"(?i)\b([0-9]{1,4})[ -]cores?\b")
_THREADS_PER_CORE = (1, 2, 4, 8)


def contradictions(description: Mapping[str, object]) -> list[FieldProblem]:
    """Return contradictions; no official checker looks for them, so all are warnings."""
    found = []
    counts = {field: _count(description, field) for field in COUNT_FIELDS}
    number = counts["accelerators_per_node"]
    named = not _NOTHING.match(str(description.get("accelerator_model_name") or "").strip())
    if number is not None and (number > 0) != named:
        found.append(
            FieldProblem(
                "system-accelerators",
                "accelerators_per_node",
                "The number of accelerators and their model contradict each other.",
                "a model if there are accelerators, otherwise none",
                f"{number} × {shortened(description.get('accelerator_model_name'))}",
                "Correct one of the two.",
                breaks_strict=False,
            )
        )
    sockets, cores = counts["host_processors_per_node"], counts["host_processor_core_count"]
    in_name = _CORES_IN_NAME.search(str(description.get("host_processor_model_name") or ""))
    if in_name and cores and cores != int(in_name[1]):
        found.append(
            FieldProblem(
                "system-cores",
                "host_processor_core_count",
                "The number of cores differs from the one in the processor's name.",
                in_name[1],
                str(cores),
                _what_was_counted(cores, int(in_name[1]), sockets or 1),
                breaks_strict=False,
            )
        )
    threads = _count(description, "host_processor_vcpu_count")
    if sockets and cores and threads:
        possible = [sockets * cores * each for each in _THREADS_PER_CORE]
        if threads not in possible:
            found.append(
                FieldProblem(
                    "system-vcpus",
                    "host_processor_vcpu_count",
                    "The logical CPUs are not processors × cores × threads per core.",
                    f"{sockets} × {cores} × 1 or 2",
                    str(threads),
                    "host_processor_core_count counts the physical cores of one processor.",
                    breaks_strict=False,
                )
            )
    return found


def _what_was_counted(cores: int, of_one: int, sockets: int) -> str:
    if cores == of_one * sockets:
        return f"{cores} is the sum over all processors: give the cores of one."
    if cores in (of_one * 2, of_one * sockets * 2):
        return f"{cores} counts logical CPUs: give the physical cores of one processor."
    return "Give the physical cores of one processor."


def _count(description: Mapping[str, object], field: str) -> int | None:
    number = coerced_count(description.get(field))
    return number if isinstance(number, int) and not isinstance(number, bool) else None
