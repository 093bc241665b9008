"""Processors, caches, NUMA nodes and memory of a machine."""

from __future__ import annotations

import json
import re
from collections import Counter

from mlrepo.systems.machine import Fact, Machine
from mlrepo.systems.processor_names import INSTRUCTION_SETS

_CPU = "sys/devices/system/cpu"


def processor_facts(machine: Machine) -> tuple[dict[str, Fact], dict[str, str]]:
    """Return facts and reasons for what is unknown, by field."""
    facts: dict[str, Fact] = {}
    unknown: dict[str, str] = {}
    _model(machine, facts, unknown)
    _topology(machine, facts, unknown)
    _frequency(machine, facts, unknown)
    caches = _caches(machine)
    if caches:
        facts["host_processor_caches"] = Fact(caches, f"/{_CPU}/cpu*/cache")
    else:
        unknown["host_processor_caches"] = f"/{_CPU}/cpu*/cache is not there"
    _numa(machine, facts)
    sockets = facts.get("host_processors_per_node")
    if sockets and sockets.value == "1":
        facts["host_processor_interconnect"] = Fact("N/A (one processor)", sockets.source)
    else:
        unknown["host_processor_interconnect"] = "no file names the link between processors"
    return facts, unknown


def _model(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    cpuinfo = machine.text("proc/cpuinfo")
    found = re.search(r"^model name[ \t]*:[ \t]*(\S.*)$", cpuinfo, re.MULTILINE)
    if found:
        facts["host_processor_model_name"] = Fact(found[1].strip(), "/proc/cpuinfo")
        flags = re.search(r"^flags[ \t]*:(.*)$", cpuinfo, re.MULTILINE)
        has = [name for name in INSTRUCTION_SETS if flags and name in flags[1].split()]
        if has:
            facts["instruction_sets"] = Fact(" ".join(has), "/proc/cpuinfo flags")
        return
    # Arm kernels give numbers only; lscpu knows the names. big.LITTLE has several models.
    answer = machine.ask("lscpu", "-J")
    names = lscpu_values(answer.text, "Model name:")
    if names:
        facts["host_processor_model_name"] = Fact(" + ".join(dict.fromkeys(names)), "lscpu -J")
        return
    unknown["host_processor_model_name"] = (
        f"/proc/cpuinfo has no model name; {answer.problem or 'lscpu -J gives none'}"
    )


def lscpu_values(text: str, wanted: str) -> list[str]:
    """Return the values of a field of ``lscpu -J``, nested or flat as its version has them."""
    found: list[str] = []

    def walk(rows: object) -> None:
        for row in rows if isinstance(rows, list) else ():
            if row.get("field") == wanted and row.get("data") not in (None, "", "-"):
                found.append(str(row["data"]))
            walk(row.get("children"))

    try:
        walk(json.loads(text)["lscpu"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return found


def _topology(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    cores: dict[str, Counter[str]] = {}
    is_board = machine.has("proc/device-tree/model") and not machine.has("sys/class/dmi/id")
    for topology in machine.glob(f"{_CPU}/cpu[0-9]*/topology"):
        package = machine.text(f"{topology}/physical_package_id")
        core = machine.text(f"{topology}/core_id")
        # Dies and clusters restart the numbering of cores; the siblings distinguish them.
        siblings = machine.text(f"{topology}/thread_siblings_list")
        if package and core:
            # An Arm kernel without firmware tables calls its only package -1, or calls each
            # cluster a package: a board with a device tree is one system on a chip.
            package = "0" if is_board else package
            cores.setdefault(package, Counter())[siblings or core] += 1
    source = f"/{_CPU}/*/topology"
    if not cores:
        for field in ("host_processors_per_node", "host_processor_core_count"):
            unknown[field] = f"{source} is not there"
        return
    facts["host_processors_per_node"] = Fact(str(len(cores)), source)
    threads = sum(sum(counter.values()) for counter in cores.values())
    facts["host_processor_vcpu_count"] = Fact(str(threads), source)
    per_core = {n for counter in cores.values() for n in counter.values()}
    if len(per_core) == 1:
        facts["threads_per_core"] = Fact(str(per_core.pop()), source)
    per_package = {len(counter) for counter in cores.values()}
    if len(per_package) == 1:
        facts["host_processor_core_count"] = Fact(str(per_package.pop()), source)
    else:
        unknown["host_processor_core_count"] = (
            f"the processors differ: {', '.join(str(len(c)) for c in cores.values())} cores"
        )
    present, online = machine.text(f"{_CPU}/present"), machine.text(f"{_CPU}/online")
    if present and online and present != online:
        facts["cpus_online"] = Fact(f"{online} of {present}", f"/{_CPU}/online")


def _frequency(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    bounds = []
    for name in ("cpuinfo_min_freq", "cpuinfo_max_freq"):
        values = {machine.number(p) for p in machine.glob(f"{_CPU}/cpu[0-9]*/cpufreq/{name}")}
        bounds.append(sorted(v for v in values if v))
    if bounds[1]:
        tops = " / ".join(f"{value / 1000:.0f}" for value in bounds[1])
        low = f", minimum {bounds[0][0] / 1000:.0f} MHz" if bounds[0] else ""
        facts["host_processor_frequency"] = Fact(
            f"{tops} MHz maximum{low}", f"/{_CPU}/cpu*/cpufreq/cpuinfo_*_freq"
        )
        governors = {
            machine.text(p) for p in machine.glob(f"{_CPU}/cpu[0-9]*/cpufreq/scaling_governor")
        }
        if governors - {""}:
            facts["power_management"] = Fact(
                f"governor {', '.join(sorted(governors - {''}))}",
                f"/{_CPU}/cpu*/cpufreq/scaling_governor",
            )
        return
    unknown["host_processor_frequency"] = f"no cpufreq below /{_CPU}: the host or firmware sets it"


def _caches(machine: Machine) -> str:
    """Return ``L1d: 48 KiB × 2, …``: size and number of each cache of all online CPUs."""
    found: dict[str, dict[str, str]] = {}
    for index in machine.glob(f"{_CPU}/cpu[0-9]*/cache/index[0-9]*"):
        level, kind, size = (machine.text(f"{index}/{n}") for n in ("level", "type", "size"))
        shared = machine.text(f"{index}/shared_cpu_list") or index
        if level and size:
            suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
            found.setdefault(f"L{level}{suffix}", {})[shared] = size
    texts = []
    for name, instances in sorted(found.items()):
        sizes = Counter(instances.values())
        texts.append(f"{name}: " + " + ".join(f"{_kib(s)} × {n}" for s, n in sizes.items()))
    return ", ".join(texts)


def _kib(text: str) -> str:
    match = re.fullmatch(r"(\d+)K", text)
    if not match:
        return text
    kib = int(match[1])
    return f"{kib / 1024:g} MiB" if kib >= 1024 and kib % 64 == 0 else f"{kib} KiB"


def _numa(machine: Machine, facts: dict[str, Fact]) -> None:
    nodes = []
    for node in machine.glob("sys/devices/system/node/node[0-9]*"):
        cpus = machine.text(f"{node}/cpulist")
        memory = re.search(r"MemTotal:\s+(\d+) kB", machine.text(f"{node}/meminfo"))
        size = f", {int(memory[1]) / 1024**2:.1f} GiB" if memory else ""
        nodes.append(f"{node.rpartition('/')[2]}: CPUs {cpus or 'none'}{size}")
    if nodes:
        facts["numa_nodes"] = Fact(
            f"{len(nodes)} ({'; '.join(nodes)})", "/sys/devices/system/node/node*"
        )
