"""Record the files that detection reads from a machine, as one JSON file of paths and texts.

    python tests/record_machine.py tests/recorded/NAME.json            # this machine
    python tests/record_machine.py tests/recorded/NAME.json --root DIR  # a tree of its files

Nothing that identifies the machine is recorded: no serial number, address or name, and only the
mount `/`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlrepo.systems.machine import Machine
from mlrepo.systems.nvml import read_gpus_from

_CPU = "sys/devices/system/cpu"
FILES = (
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/stat",
    "proc/loadavg",
    "proc/mounts",
    "proc/1/cgroup",
    "proc/sys/kernel/osrelease",
    "proc/device-tree/model",
    "proc/driver/nvidia/gpus/*/information",
    "etc/os-release",
    ".dockerenv",
    "run/.containerenv",
    "run/systemd/container",
    f"{_CPU}/present",
    f"{_CPU}/online",
    f"{_CPU}/smt/control",
    f"{_CPU}/cpufreq/boost",
    f"{_CPU}/intel_pstate/no_turbo",
    f"{_CPU}/cpu[0-9]*/topology/physical_package_id",
    f"{_CPU}/cpu[0-9]*/topology/core_id",
    f"{_CPU}/cpu[0-9]*/topology/thread_siblings_list",
    *(f"{_CPU}/cpu[0-9]*/cache/index*/{n}" for n in ("level", "type", "size", "shared_cpu_list")),
    f"{_CPU}/cpu[0-9]*/cpufreq/cpuinfo_*_freq",
    f"{_CPU}/cpu[0-9]*/cpufreq/scaling_governor",
    f"{_CPU}/cpufreq/policy*/scaling_*",
    f"{_CPU}/cpufreq/policy*/cpuinfo_*_freq",
    f"{_CPU}/cpu[0-9]*/thermal_throttle/*_throttle_count",
    "sys/class/thermal/thermal_zone*/temp",
    "sys/devices/system/node/node[0-9]*/cpulist",
    "sys/devices/system/node/node[0-9]*/meminfo",
    "sys/devices/system/edac/mc/mc[0-9]*/ce_count",
    "sys/block/*/size",
    "sys/block/*/removable",
    "sys/block/*/queue/rotational",
    *(f"sys/class/net/*/{name}" for name in ("type", "speed", "flags", "carrier")),
    *(
        f"sys/class/dmi/id/{name}"
        for name in ("bios_vendor", "bios_version", "bios_date", "sys_vendor", "product_name")
    ),
    "sys/bus/pci/devices/*/class",
    "sys/bus/pci/devices/*/vendor",
    "sys/bus/pci/devices/*/device",
    "sys/hypervisor/type",
    "sys/fs/cgroup/cpu.max",
    "sys/fs/cgroup/cpu/cpu.cfs_*_us",
    "sys/module/nvidia/version",
    "sys/kernel/mm/transparent_hugepage/enabled",
    "proc/sys/vm/swappiness",
)
DIRECTORIES = ("sys/class/net/*/device", "sys/class/net/*/wireless", "sys/class/dmi/id")
NODES = ("dev/nvidia[0-9]*", "dev/kfd", "dev/accel/*", "dev/dri/render*")
COMMANDS = (
    ("lscpu", "-J"),
    ("dmidecode", "-t", "16"),
    ("dmidecode", "-t", "17"),
    ("dmidecode", "-t", "39"),
    ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json"),
    ("xpu-smi", "discovery", "-j"),
)
_IDENTITY = re.compile(r"^(\s*(?:Serial Number|Serial|Asset Tag|GPU UUID)\s*:).*$", re.MULTILINE)


def record(machine: Machine) -> dict[str, str]:
    """Return the text of every file by path; a path that ends in / is a directory."""
    found = {path: machine.text(path) for pattern in FILES for path in machine.glob(pattern)}
    for path, keep in {"proc/stat": r"\Acpu .*", "proc/mounts": r"^\S+ / .*"}.items():
        if path in found:
            found[path] = "\n".join(re.findall(keep, found[path], re.MULTILINE))
    found |= {f"{path}/": "" for pattern in DIRECTORIES for path in machine.glob(pattern)}
    found |= {path: "" for pattern in NODES for path in machine.glob(pattern)}
    for command in COMMANDS if machine.is_this else ():
        if text := machine.ask(*command).text:
            found["commands/" + "_".join(command)] = text
    if machine.is_this:
        with contextlib.suppress(ImportError):
            import pynvml

            if answers := nvml_answers(pynvml):
                found["commands/nvml.json"] = json.dumps(answers)
    return {path: _IDENTITY.sub(r"\1 removed", text) for path, text in sorted(found.items())}


def nvml_answers(library: Any) -> dict[str, Any]:
    """Return what NVML answers to the questions that detection asks; empty without a driver."""
    log: dict[str, Any] = {"devices": []}
    read_gpus_from(_Listener(library, log))
    return log if "nvmlSystemGetDriverVersion" in log else {}


class _Listener:
    def __init__(self, library: Any, log: dict[str, Any]) -> None:
        self._library, self._log = library, log
        self._handles: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._library, name)
        return value if not name.startswith("nvml") else self._heard(name, value)

    def _heard(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            answer = function(*arguments)
            if name == "nvmlDeviceGetHandleByIndex":
                self._handles.append(answer)
                self._log["devices"].append({})
            elif name.startswith("nvmlDeviceGet") and arguments:
                device = self._log["devices"][self._handles.index(arguments[0])]
                if len(arguments) == 1:
                    device[name] = _plain(answer)
                else:
                    device.setdefault(name, {})[str(arguments[1])] = answer
            elif name.startswith("nvmlSystem"):
                self._log[name] = _plain(answer)
            return answer

        return call


def _plain(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.decode(errors="replace")
    return {"total": answer.total} if hasattr(answer, "total") else answer


def main() -> None:
    """Write the recording."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--root", type=Path, default=Path("/"))
    given = parser.parse_args()
    given.target.write_text(
        json.dumps(record(Machine(given.root)), indent=0, ensure_ascii=False) + "\n"
    )


if __name__ == "__main__":
    main()
