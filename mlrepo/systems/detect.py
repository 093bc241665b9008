"""Facts of this machine, read from /proc and /sys; what cannot be read is left out, not guessed."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fact:
    """A detected value and the file or call it was read from."""

    value: str
    source: str


def detect(root: Path = Path("/")) -> dict[str, Fact]:
    """Return the fields of a system description that can be read, by the checker's field names.

    Parameters
    ----------
    root:
        Where ``proc`` and ``sys`` lie: another directory for the recorded files of a machine.
    """
    facts: dict[str, Fact] = {}
    cpuinfo = _read(root / "proc/cpuinfo")
    model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if model:
        facts["host_processor_model_name"] = Fact(model[1].strip(), "/proc/cpuinfo")
    cores = _cores_by_package(root)
    if cores:
        source = "/sys/devices/system/cpu/*/topology"
        facts["host_processors_per_node"] = Fact(str(len(cores)), source)
        per_package = {len(ids) for ids in cores.values()}
        if len(per_package) == 1:
            facts["host_processor_core_count"] = Fact(str(per_package.pop()), source)
    frequency = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").strip()
    if frequency.isdecimal():
        facts["host_processor_frequency"] = Fact(
            f"{int(frequency) / 1000:.0f} MHz (maximum)", "cpufreq/cpuinfo_max_freq"
        )
    caches = _caches(root)
    if caches:
        facts["host_processor_caches"] = Fact(caches, "/sys/devices/system/cpu/cpu0/cache")
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    if memory:
        facts["host_memory_capacity"] = Fact(
            f"{int(memory[1]) / 1024**2:.1f} GiB usable", "/proc/meminfo MemTotal"
        )
    release = dict(
        re.findall(r'^(\w+)="?([^"\n]*)"?$', _read(root / "etc/os-release"), re.MULTILINE)
    )
    if "PRETTY_NAME" in release:
        kernel = platform.release() if root == Path("/") else ""
        name = release["PRETTY_NAME"] + (f", Linux {kernel}" if kernel else "")
        facts["operating_system"] = Fact(name, "/etc/os-release, uname")
    if not _accelerator_devices(root):
        source = "no /dev/nvidia*, /dev/kfd, /dev/accel, /dev/dri/render*"
        facts["accelerators_per_node"] = Fact("0", source)
    facts["number_of_nodes"] = Fact("1", "this machine")
    return facts


def host_facts(root: Path = Path("/")) -> dict[str, object]:
    """Return what a run record keeps of the host: no name, no serial number, no address."""
    detected = detect(root)
    return {
        "cpus_usable": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{field: fact.value for field, fact in sorted(detected.items())},
    }


def load_now() -> dict[str, object]:
    """Return load averages and CPU time counters (clock ticks: busy and total since boot)."""
    fields = [int(x) for x in _read(Path("/proc/stat")).partition("\n")[0].split()[1:9]]
    # user, nice, system, idle, iowait, irq, softirq, steal
    idle = sum(fields[3:5]) if len(fields) >= 5 else 0
    return {
        "loadavg": [round(x, 2) for x in os.getloadavg()],
        "busy_ticks": sum(fields) - idle,
        "total_ticks": sum(fields),
        "steal_ticks": fields[7] if len(fields) >= 8 else 0,
    }


def _cores_by_package(root: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for topology in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology"):
        package = _read(topology / "physical_package_id").strip()
        core = _read(topology / "core_id").strip()
        if package and core:
            found.setdefault(package, set()).add(core)
    return found


def _caches(root: Path) -> str:
    levels: dict[str, str] = {}
    for index in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(index / name).strip() for name in ("level", "type", "size"))
        if level and size:
            suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
            shared = _read(index / "shared_cpu_list").strip()
            levels[f"L{level}{suffix}"] = f"{size} (cpu0 shares it with CPUs {shared})"
    return ", ".join(f"{name}: {size}" for name, size in sorted(levels.items()))


def _accelerator_devices(root: Path) -> bool:
    device = root / "dev"
    patterns = ("nvidia[0-9]*", "kfd", "accel/*", "dri/render*", "habanalabs*", "davinci*")
    return any(True for pattern in patterns for _ in device.glob(pattern))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
