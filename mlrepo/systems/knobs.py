"""Where the kernel keeps what a profile asks for, and reading, writing and verifying it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.systems.machine import Machine
from mlrepo.systems.profiles import cpu_numbers

_CPU = "sys/devices/system/cpu"
_HUGE_PAGES = "sys/kernel/mm/transparent_hugepage/enabled"


@dataclass(frozen=True)
class Knob:
    """One file of the kernel and the text that it is wanted to hold.

    ``path`` is relative to the root; ``wanted`` is empty where the machine has no such file, and
    ``problem`` then says so.
    """

    key: str
    path: str
    wanted: str = ""
    problem: str = ""


def knobs(machine: Machine, state: Mapping[str, object]) -> list[Knob]:
    """Return the knobs for a wanted state, in the order to write them."""
    found: list[Knob] = []
    for key, expand in _EXPAND.items():
        if key in state:
            own = list(expand(machine, key, state[key]))
            found += own or [Knob(key, "", problem="this machine has no such switch")]
    return found


def read_knob(machine: Machine, path: str) -> str | None:
    """Return what a knob holds, in the form in which it is written; None where unreadable."""
    text = machine.text(path)
    if not text:
        return None
    chosen = re.search(r"\[([^\s\[\]]+)\]", text)  # always [madvise] never
    return chosen[1] if chosen else text


def write_knob(machine: Machine, path: str, text: str) -> str:
    """Write a knob; return why that failed, or an empty string."""
    try:
        # The kernel's files are there already and take the text in one write.
        descriptor = os.open(machine.root / path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"{error.strerror} (needs root on the machine itself)"
        return error.strerror or str(error)
    return ""


def _online(machine: Machine, key: str, value: str) -> Iterator[Knob]:
    wanted = set(cpu_numbers(value))
    for path in machine.glob(f"{_CPU}/cpu[0-9]*/online"):  # cpu0 often cannot go offline
        number = int(re.findall(r"\d+", path)[-1])
        yield Knob(key, path, "1" if number in wanted else "0")


def _smt(machine: Machine, key: str, value: bool) -> Iterator[Knob]:
    control = machine.text(f"{_CPU}/smt/control")
    if control in ("notsupported", "notimplemented", "forceoff"):
        yield Knob(key, f"{_CPU}/smt/control", problem=f"the kernel says {control}")
    elif control:
        yield Knob(key, f"{_CPU}/smt/control", "on" if value else "off")


def _policies(machine: Machine, name: str) -> Iterator[tuple[str, str]]:
    """Yield (directory, path) for each frequency policy that has the file ``name``."""
    for path in machine.glob(f"{_CPU}/cpufreq/policy[0-9]*/{name}"):
        yield path.rpartition("/")[0], path


def _governor(machine: Machine, key: str, value: str) -> Iterator[Knob]:
    for directory, path in _policies(machine, "scaling_governor"):
        offered = machine.text(f"{directory}/scaling_available_governors").split()
        if offered and value not in offered:
            yield Knob(key, path, problem=f"{value} is not offered, only {', '.join(offered)}")
        else:
            yield Knob(key, path, value)


def _frequency(machine: Machine, key: str, value: str | int) -> Iterator[Knob]:
    bound = key.removeprefix("frequency_")
    for directory, path in _policies(machine, f"scaling_{bound}_freq"):
        limit = machine.text(f"{directory}/cpuinfo_{value}_freq")
        text = limit if isinstance(value, str) else str(value * 1000)  # in kHz
        yield Knob(key, path, text, "" if text else "the frequency limits are unknown")


def _turbo(machine: Machine, key: str, value: bool) -> Iterator[Knob]:
    intel, boost = f"{_CPU}/intel_pstate/no_turbo", f"{_CPU}/cpufreq/boost"
    if machine.has(intel):
        yield Knob(key, intel, "0" if value else "1")
    elif machine.has(boost):
        yield Knob(key, boost, "1" if value else "0")


def _huge_pages(machine: Machine, key: str, value: str) -> Iterator[Knob]:
    if machine.has(_HUGE_PAGES):
        yield Knob(key, _HUGE_PAGES, value)


def _swappiness(machine: Machine, key: str, value: int) -> Iterator[Knob]:
    if machine.has("proc/sys/vm/swappiness"):
        yield Knob(key, "proc/sys/vm/swappiness", str(value))


# CPUs first: only those online have frequency files. Turbo moves the frequency limits.
_EXPAND: Mapping[str, Callable[[Machine, str, Any], Iterator[Knob]]] = {
    "smt": _smt,
    "online": _online,
    "turbo": _turbo,
    "governor": _governor,
    "frequency_max": _frequency,
    "frequency_min": _frequency,
    "transparent_hugepages": _huge_pages,
    "swappiness": _swappiness,
}
