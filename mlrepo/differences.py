"""Differences between recorded runs: in configuration, system and LoadGen settings.

Values are compared as text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlrepo.record.codec import said_text
from mlrepo.scenarios import SCENARIOS

if TYPE_CHECKING:
    from mlrepo.record import EndpointFacts, HostFacts, RunRecord

# Effective settings that repeat other ones.
_DERIVED = frozenset({"scenario", "test_mode", "min_sample_count", "target_duration_ms"})


@dataclass(frozen=True)
class Difference:
    """A property that differs; ``values`` has one text per run or side."""

    name: str
    values: tuple[str, ...]


def configuration(record: RunRecord) -> dict[str, str]:
    """Return the parts of a run's configuration digest, by human-readable names."""
    backend = record.backend
    # A third-party backend may describe itself in any way.
    said = backend.options
    options: Mapping[str, object] = said if isinstance(said, dict) else {"": said} if said else {}
    return {
        "round": record.round,
        "division": record.division,
        "submitter": record.submitter,
        "result name": record.sut,
        "model": record.model.sha256,
        "data set": record.dataset.fingerprint,
        "preparation": record.dataset.preprocessing,
        "layout": record.model.layout,
        **_endpoint(backend.endpoint),
        "backend": backend.name,
        "framework": backend.framework,
        "precision": backend.precision,
        **{f"option {name}": said_text(value) for name, value in options.items()},
        "threads": said_text(backend.threads),
        "batch size": said_text(backend.max_batch),
        "command prefix": said_text(backend.prefix),
        "platform profile": record.platform,
    }


def _endpoint(found: EndpointFacts | None) -> dict[str, str]:
    if found is None:
        return {}
    return {"endpoint": found.url, "endpoint model": found.model, "endpoint kind": found.kind}


def machine(record: RunRecord) -> dict[str, str]:
    """Return the name of the system and the facts about its host."""
    return {"system": record.system, **machine_facts(record.host)}


def machine_facts(host: HostFacts) -> dict[str, str]:
    """Return the facts about a host that identify the machine.

    Others, such as free memory, change from run to run.
    """
    return {
        "machine": host.machine,
        "number_of_nodes": host.number_of_nodes,
        "host_processor_model_name": host.host_processor_model_name,
        "host_processors_per_node": host.host_processors_per_node,
        "host_processor_core_count": host.host_processor_core_count,
        "host_processor_vcpu_count": host.host_processor_vcpu_count,
        "threads_per_core": host.threads_per_core,
        "cpus_usable": said_text(host.cpus_usable),
        "host_processor_caches": host.host_processor_caches,
        "host_memory_capacity": host.host_memory_capacity,
        "accelerators_per_node": host.accelerators_per_node,
        "accelerator_model_name": host.accelerator_model_name,
        "accelerator_memory_capacity": host.accelerator_memory_capacity,
        "virtualisation": host.virtualisation,
        "container": host.container,
        "operating_system": host.operating_system,
    }


def settings(record: RunRecord) -> dict[str, str]:
    """Return configuration, software and LoadGen's effective settings."""
    effective = record.loadgen.effective.by_name()
    return {
        **configuration(record),
        "software": record.host.other_software_stack,
        "LoadGen": record.loadgen.version,
        **{key: said_text(value) for key, value in effective.items() if key not in _DERIVED},
    }


def estimated_settings(record: RunRecord) -> frozenset[str]:
    """Return the effective settings that come from the warm-up, which differ from run to run.

    LoadGen reports the expected latency of a stream as a rate, and issues more samples in Offline
    if it expects a higher rate.
    """
    known = SCENARIOS.get(record.scenario)
    if known is None:
        return frozenset()
    keys = ("target_qps", "samples_per_query") if known.at_once else ("target_qps",)
    names = {key.rpartition(".")[2] for key in asked_settings(record)}
    return frozenset() if known.setting in names else frozenset(keys)


def asked_settings(record: RunRecord) -> dict[str, str]:
    """Return the LoadGen settings that the user set, in flags or files, without estimates."""
    text = record.setting("user.conf") or "{}"
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):  # redaction has broken the value
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(key): str(value) for key, value in values.items()}


def differing(
    sides: Sequence[Iterable[Mapping[str, str]]], ignored: Collection[str] = ()
) -> tuple[Difference, ...]:
    """Return what differs between the sides, except the ``ignored`` names.

    A side is one or more runs; several values of one side are joined into one text.
    """
    rows = [list(side) for side in sides]
    names = dict.fromkeys(name for side in rows for values in side for name in values)
    found = []
    for name in names:
        texts = tuple(
            " or ".join(dict.fromkeys(values.get(name, "") for values in side)) for side in rows
        )
        if len(set(texts)) > 1 and name not in ignored:
            found.append(Difference(name, texts))
    return tuple(found)
