"""Whether a system's description can be of this machine, and what of it cannot be seen here.

Only hardware is compared: processor, sockets, cores, memory, accelerators. A machine stays the same
with other disks, networks and software.

A process may see less than the machine has: in a container with files of its own in ``/proc``
(lxcfs), in the virtual machine of WSL, while CPUs are offline. Less than what is described is then
a remark and no contradiction. Quotas and CPU sets limit a process, but not what it sees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from mlrepo.limits import usable_cpus
from mlrepo.rounds.system_schema import coerced_count
from mlrepo.systems.accelerators import accelerator_facts
from mlrepo.systems.agreement import FieldMismatch, is_nothing
from mlrepo.systems.machine import Fact, Machine
from mlrepo.systems.memory import memory_facts
from mlrepo.systems.processor_names import can_be_one, hides_model, too_new_for
from mlrepo.systems.processors import processor_facts
from mlrepo.systems.software import software_facts

if TYPE_CHECKING:
    from mlrepo.record import HostFacts, RunRecord

_PROCESSOR = "host_processor_model_name"
# The smallest share of installed memory that is usable: firmware, integrated graphics and a crash
# kernel take the rest.
_USABLE = 0.85
# An accelerator's memory is written in either unit, and error correction takes a part.
_ROUNDING = 0.12
# Another kernel may leave a little more of the same memory.
_SLACK = 1.02
_GIB = {"m": 1 / 1024, "g": 1.0, "t": 1024.0}
_SIZE = re.compile(
    r"(?:(?<!\d)(\d{1,4}) ?[x×*] ?)?(?<![\d.,])(\d{1,9}(?:[.,]\d{1,20})?) ?([mgt])(?:i?b)?(?![a-z])"
)


@dataclass(frozen=True)
class HardwareMatch:
    """How a description fits a machine.

    Attributes
    ----------
    contradictions:
        What cannot be true of this machine.
    remarks:
        What is described and cannot be seen here, one sentence each.
    """

    contradictions: tuple[FieldMismatch, ...] = ()
    remarks: tuple[str, ...] = ()


def hardware_facts(machine: Machine) -> dict[str, Fact]:
    """Return what is known of a machine's hardware, and of what limits this process."""
    found: dict[str, Fact] = {}
    for read in (processor_facts, memory_facts, accelerator_facts, software_facts):
        found |= read(machine)[0]
    if machine.is_this:
        found["cpus_usable"] = Fact(str(usable_cpus()), "affinity, control groups or Slurm")
    return found


def recorded_facts(host: HostFacts, source: str) -> dict[str, Fact]:
    """Return the hardware that a record holds; ``source`` says which one."""
    known = {each.name: getattr(host, each.name) for each in fields(host)}
    texts = {**host.others, **known}
    return {
        name: Fact(str(value), source)
        for name, value in texts.items()
        if isinstance(value, str | int) and value != ""
    }


def unlike_record(description: Mapping[str, object], record: RunRecord) -> tuple[str, ...]:
    """Return how a description contradicts the host of a recorded run, one text each.

    The description may have been edited after the run, or overruled by ``--any-system``.
    """
    facts = recorded_facts(record.host, f"the record of {record.run}")
    # The name of a device, which mlrepo.backends parses: it imports numpy.
    on_accelerator = record.backend.device.partition(":")[0] not in ("", "cpu")
    match = match_hardware(description, facts, on_accelerator=on_accelerator)
    return tuple(
        f"{one.field} is {one.written!r} there and {one.detected!r} in the record"
        for one in match.contradictions
    )


def match_hardware(
    description: Mapping[str, object], facts: Mapping[str, Fact], *, on_accelerator: bool = False
) -> HardwareMatch:
    """Compare a description with what is known of a machine.

    Parameters
    ----------
    description:
        As in ``system.json``; empty fields are not compared.
    on_accelerator:
        Whether the run is on one, which contradicts a description without any.
    """
    texts = {name: str(value).strip() for name, value in description.items() if value is not None}
    found = _Comparing(texts, facts)
    found.names(_PROCESSOR)
    found.counts("host_processors_per_node")
    found.counts("host_processor_core_count")
    found.memory()
    found.accelerators(used=on_accelerator)
    found.limits()
    return HardwareMatch(tuple(found.contradictions), tuple(found.remarks))


@dataclass
class _Comparing:
    """A comparison on its way."""

    written: Mapping[str, str]
    facts: Mapping[str, Fact]
    contradictions: list[FieldMismatch] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def _pair(self, name: str) -> tuple[str, str] | None:
        """Return the written and the detected value, or None if one is missing."""
        text, fact = self.written.get(name, ""), self.facts.get(name)
        return (text, fact.value) if text and fact else None

    def _contradict(self, name: str) -> None:
        fact = self.facts[name]
        self.contradictions.append(FieldMismatch(name, self.written[name], fact.value, fact.source))

    def names(self, name: str) -> None:
        pair = self._pair(name)
        if pair is None or any(map(is_nothing, pair)):
            return
        sets = self.facts.get("instruction_sets")
        newer = too_new_for(pair[0], sets.value.split()) if sets and name == _PROCESSOR else ""
        if not can_be_one(*pair):
            self._contradict(name)
        elif newer and sets:
            seen = f"{pair[1]} with {newer}"
            self.contradictions.append(FieldMismatch(name, pair[0], seen, sets.source))
        elif hides_model(*pair):
            self.remarks.append(
                f"Whether the processor is the described {pair[0]!r} cannot be checked: the "
                f"hypervisor shows it as {pair[1]!r}."
            )

    def counts(self, name: str) -> None:
        pair = self._pair(name)
        if pair is None:
            return
        own, seen = map(coerced_count, pair)
        if not (isinstance(own, int) and isinstance(seen, int)) or own == seen:
            return
        view = self.facts.get("cpus_shown") or self.facts.get("cpus_online")
        if seen > own or view is None:
            self._contradict(name)
            return
        self.remarks.append(
            f"{name} is described as {own}; {seen} can be seen here ({view.value}: {view.source})."
        )

    def memory(self) -> None:
        name = "host_memory_capacity"
        pair = self._pair(name)
        own = sizes(pair[0]) if pair else ()
        seen = [
            (size, "usable" in fact.value)
            for fact in (self.facts.get(name), self.facts.get("memory_usable"))
            if fact
            for size in sizes(fact.value)
        ]
        if pair is None or not own or not seen:
            return
        as_usable = "usable" in pair[0]
        if any(_same_memory(one, *two, as_usable=as_usable) for one in own for two in seen):
            return
        view = self.facts.get("memory_shown")
        if view is None or max(size for size, _ in seen) > max(own):
            self._contradict(name)
            return
        self.remarks.append(
            f"The described memory is {pair[0]}; {pair[1]} can be seen here ({view.value}: "
            f"{view.source})."
        )

    def accelerators(self, *, used: bool) -> None:
        name = "accelerators_per_node"
        pair = self._pair(name)
        if pair is None:
            return
        own, seen = (0 if is_nothing(text) else coerced_count(text) for text in pair)
        if not (isinstance(own, int) and isinstance(seen, int)):
            return
        on_bus = self.facts.get("accelerators_on_bus")
        there = coerced_count(on_bus.value) if on_bus else seen
        if own > seen and not (isinstance(there, int) and there >= own):
            self._contradict(name)
        elif own > seen:
            self.remarks.append(f"{own} accelerators are described; this process can use {seen}.")
        elif own == 0 and seen and used:
            self._contradict(name)
        elif own < seen:
            self.remarks.append(f"{own} of this machine's {seen} accelerators are described.")
        if own and seen:
            self.names("accelerator_model_name")
            self._accelerator_memory()

    def _accelerator_memory(self) -> None:
        name = "accelerator_memory_capacity"
        pair = self._pair(name)
        own, seen = (sizes(text) for text in pair) if pair else ((), ())
        close = (abs(a - b) <= _ROUNDING * max(a, b) for a in own for b in seen)
        if own and seen and not any(close):
            self._contradict(name)

    def limits(self) -> None:
        """Remark on what this process may not use of the described machine."""
        cpus, usable = (
            coerced_count(fact.value) if (fact := self.facts.get(name)) else None
            for name in ("host_processor_vcpu_count", "cpus_usable")
        )
        if isinstance(cpus, int) and isinstance(usable, int) and usable < cpus:
            quota = self.facts.get("cpu_quota")
            source = quota.source if quota else self.facts["cpus_usable"].source
            self.remarks.append(
                f"This process may use {usable} of the machine's {cpus} CPUs ({source})."
            )
        limit, memory = (self.facts.get(name) for name in ("memory_limit", "memory_usable"))
        if limit and memory and max(sizes(limit.value)) < _USABLE * max(sizes(memory.value)):
            self.remarks.append(
                f"This process may use {limit.value} of the machine's memory, {memory.value} "
                f"({limit.source})."
            )


def sizes(text: str) -> tuple[float, ...]:
    """Return the sizes that a text names, in GiB, and their sum; ``4 x 32 GB`` is one of 128.

    GB counts as GiB: memory is written in either, and means the same modules.
    """
    found = [
        int(number or 1) * float(size.replace(",", ".")) * _GIB[unit]
        for number, size, unit in _SIZE.findall(text.casefold())
    ]
    return (*found, sum(found)) if len(found) > 1 else tuple(found)


def _same_memory(own: float, seen: float, usable: bool, *, as_usable: bool) -> bool:
    """Return whether a written and a detected size can be of the same memory."""
    least = own * (_USABLE if usable else 1 / _SLACK)
    # What is usable is less than what is installed, and that may be detected now.
    most = own / _USABLE if as_usable else own * _SLACK
    return least <= seen <= most
