"""Memory of a machine: size, modules and error correction."""

from __future__ import annotations

import re
from collections import Counter

from mlrepo.systems.machine import Fact, Machine


def memory_facts(machine: Machine) -> tuple[dict[str, Fact], dict[str, str]]:
    """Return facts and reasons for what is unknown, by field."""
    facts: dict[str, Fact] = {}
    unknown: dict[str, str] = {}
    total = re.search(r"^MemTotal:\s+(\d+) kB", machine.text("proc/meminfo"), re.MULTILINE)
    modules = machine.ask("dmidecode", "-t", "17")
    installed = _modules(modules.text)
    if installed:
        gib = sum(size * number for (size, _, _), number in installed.items()) / 1024
        facts["host_memory_capacity"] = Fact(f"{gib:g} GiB", "dmidecode -t 17")
        facts["host_memory_configuration"] = Fact(
            " + ".join(
                f"{number} × {size / 1024:g} GiB {kind}{speed}"
                for (size, kind, speed), number in installed.items()
            ),
            "dmidecode -t 17",
        )
    else:
        unknown["host_memory_configuration"] = (
            modules.problem or "dmidecode -t 17 names no module (a virtual machine has none)"
        )
    if total:
        usable = Fact(f"{int(total[1]) / 1024**2:.1f} GiB usable", "/proc/meminfo MemTotal")
        facts.setdefault("host_memory_capacity", usable)
        facts["memory_usable"] = usable
    elif "host_memory_capacity" not in facts:
        unknown["host_memory_capacity"] = "/proc/meminfo has no MemTotal"
    _error_correction(machine, facts, unknown)
    return facts, unknown


def _modules(text: str) -> dict[tuple[int, str, str], int]:
    """Return the number of modules by size in MiB, kind and speed (dmidecode's type 17)."""
    found: Counter[tuple[int, str, str]] = Counter()
    for block in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^[ \t]+([^\s:][^:\n]*):[ \t]*(\S.*)$", block, re.MULTILINE))
        size = re.fullmatch(r"(\d+) (MB|GB|TB|MiB|GiB|TiB)", fields.get("Size", "").strip())
        if not size:
            continue
        mib = int(size[1]) * {"M": 1, "G": 1024, "T": 1024**2}[size[2][0]]
        if not mib:
            continue
        # dmidecode before 3.2 says "Clock", and MHz for what are transfers.
        names = ("Configured Memory Speed", "Configured Clock Speed", "Speed")
        rates = (re.match(r"(\d+) M", fields.get(name, "")) for name in names)
        rate = next(filter(None, rates), None)
        kind = fields.get("Type", "")
        kind = "" if kind in ("Unknown", "RAM", "Other") else kind
        found[mib, kind or "memory", f"-{rate[1]}" if rate else ""] += 1
    return dict(found)


def _error_correction(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    controllers = list(machine.glob("sys/devices/system/edac/mc/mc[0-9]*"))
    if controllers:
        facts["memory_ecc"] = Fact(
            f"on ({len(controllers)} controllers watched)", "/sys/devices/system/edac/mc"
        )
        return
    answer = machine.ask("dmidecode", "-t", "16")
    found = re.search(r"Error Correction Type:\s*(\S.*)$", answer.text, re.MULTILINE)
    if found and found[1].strip() not in ("Unknown", "Other"):
        facts["memory_ecc"] = Fact(found[1].strip(), "dmidecode -t 16")
    else:
        unknown["memory_ecc"] = answer.problem or "dmidecode -t 16 does not say"
