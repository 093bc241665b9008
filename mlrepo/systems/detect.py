"""What this machine is, from its own files and tools; what cannot be read is named, not guessed."""

from __future__ import annotations

import platform
from pathlib import Path

from mlrepo.limits import usable_cpus
from mlrepo.record import HostFacts
from mlrepo.systems.accelerators import accelerator_facts
from mlrepo.systems.devices import device_facts
from mlrepo.systems.machine import Detection, Fact, Machine
from mlrepo.systems.memory import memory_facts
from mlrepo.systems.processors import processor_facts
from mlrepo.systems.software import software_facts

# What people decide or write is not in any file of the machine.
_NEVER_READ = {
    "status": "only you know whether it can be bought: available, preview or rdi",
    "hw_notes": "for what the other fields have no place for",
    "sw_notes": "for what the other fields have no place for",
    "system_type_detail": "what kind of edge or datacenter system it is, if you want to say it",
    "framework": "each run fills it in from its backend",
}


def detect(root: Path = Path("/"), *, tools: bool = True) -> Detection:
    """Return everything that can be read of a machine, and why the rest cannot.

    Parameters
    ----------
    root:
        ``/``, or the directory of a recorded machine (see :mod:`mlrepo.systems.machine`).
    tools:
        Whether programs and NVML may be asked too; files alone take milliseconds.
    """
    machine = Machine(root, tools)
    facts = {"number_of_nodes": Fact("1", "this machine")}
    unknown: dict[str, str] = {}
    for read in (processor_facts, memory_facts, device_facts, accelerator_facts, software_facts):
        found, missing = read(machine)
        facts |= found
        unknown |= missing
    unknown = {key: why for key, why in (_NEVER_READ | unknown).items() if key not in facts}
    driver, stack = facts.get("accelerator_driver"), facts.get("other_software_stack")
    if driver and not (stack and driver.value in stack.value):
        whole = f"{driver.value}, {stack.value}" if stack else driver.value
        source = f"{driver.source}, {stack.source}" if stack else driver.source
        facts["other_software_stack"] = Fact(whole, source)
    return Detection(facts, unknown)


def host_facts(root: Path = Path("/")) -> HostFacts:
    """Return what a run record keeps of the host: no name, no serial number, no address."""
    detected = detect(root, tools=False).facts
    return HostFacts.from_dict(
        {
            **{field: fact.value for field, fact in sorted(detected.items())},
            "cpus_usable": usable_cpus(),
            "machine": platform.machine(),
            "python": platform.python_version(),
        }
    )
