"""The name of a system, made of what the machine is, for nodes that nobody has named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from mlrepo.systems.machine import Fact

# Nodes that differ in one of these are different systems.
_HARDWARE = (
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "host_memory_capacity",
    "accelerator_model_name",
    "accelerators_per_node",
    "accelerator_memory_capacity",
)
# Words of processors' names that tell none from another.
_NOISE = re.compile(
    r"\((?:R|TM|C)\)|\b(?:CPU|Processor|Core|Cores|with|Radeon|Graphics|Intel|AMD|NVIDIA|Genuine|"
    r"GPU|Series|Family|[0-9]+-Core)\b|@.*$",
    re.IGNORECASE,
)
_LONGEST = 24


def name_of_hardware(facts: Mapping[str, Fact]) -> str:
    """Return a name such as ``xeon-platinum-8480c-8x-h100-3f2a``: hardware, and its digest.

    Nodes have one name only if all that :data:`_HARDWARE` names is the same; the digest tells kinds
    from each other that have the same processor.
    """
    values = {name: facts[name].value for name in _HARDWARE if name in facts}
    text = "\n".join(f"{name}={value}" for name, value in sorted(values.items()))
    digest = hashlib.sha256(text.encode()).hexdigest()[:4]
    number = values.get("accelerators_per_node", "")
    accelerator = _short(values.get("accelerator_model_name", ""))
    several = f"{number}x" if number not in ("", "0", "1") else ""
    parts = (
        _short(values.get("host_processor_model_name", "")) or "machine",
        *((several, accelerator) if accelerator else ()),
        digest,
    )
    return "-".join(part for part in parts if part)


def _short(text: str) -> str:
    words = re.findall(r"[a-z0-9.]+", _NOISE.sub(" ", text.replace("N/A", "")).lower())
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word
        if len(longer) > _LONGEST:
            break
        name = longer
    return name.strip("-.")
