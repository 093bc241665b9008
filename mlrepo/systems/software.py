"""Operating system, firmware, frameworks, and any virtual machine or container."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator

from mlrepo.distributions import LOADGEN, installed_name, installed_version
from mlrepo.limits import cpu_quota, memory_limit
from mlrepo.systems.machine import Fact, Machine
from mlrepo.systems.processors import lscpu_values

# Distributions that a system description names when they are there.
_STACK = (
    "onnxruntime",
    "torch",
    "tensorflow",
    "jax",
    "apache-tvm",
    "openvino",
    "tensorrt",
    "vllm",
    "numpy",
    LOADGEN,
)
_HYPERVISORS = (
    "KVM",
    "QEMU",
    "VMware",
    "VirtualBox",
    "Xen",
    "Microsoft Corporation",
    "Amazon EC2",
    "Google Compute Engine",
    "Bochs",
    "Parallels",
    "Firecracker",
)

# What may show a container's share of the machine, by the fact that says so.
_VIEWS = {
    "cpus_shown": ("/proc/cpuinfo", "/sys/devices/system/cpu", "/sys/devices/system/cpu/online"),
    "memory_shown": ("/proc/meminfo",),
}


def software_facts(machine: Machine) -> tuple[dict[str, Fact], dict[str, str]]:
    """Return facts and reasons for what is unknown, by field."""
    facts: dict[str, Fact] = {}
    unknown: dict[str, str] = {}
    _operating_system(machine, facts, unknown)
    _firmware(machine, facts, unknown)
    _virtualisation(machine, facts)
    _container(machine, facts)
    _python(machine, facts)
    return facts, unknown


def _operating_system(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    pattern = r'^(\w+)="?([^"\n]*)"?$'
    release = dict(re.findall(pattern, machine.text("etc/os-release"), re.MULTILINE))
    kernel = machine.text("proc/sys/kernel/osrelease")
    if kernel:
        facts["kernel"] = Fact(f"Linux {kernel}", "/proc/sys/kernel/osrelease")
    name = release.get("PRETTY_NAME")
    if name:
        source = "/etc/os-release" + (", /proc/sys/kernel/osrelease" if kernel else "")
        facts["operating_system"] = Fact(f"{name}, Linux {kernel}" if kernel else name, source)
    else:
        unknown["operating_system"] = "/etc/os-release names none"


def _firmware(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    identity = "sys/class/dmi/id"
    parts = [machine.text(f"{identity}/bios_{name}") for name in ("vendor", "version", "date")]
    if any(parts):
        facts["boot_firmware_version"] = Fact(
            " ".join(part for part in parts if part), f"/{identity}/bios_*"
        )
    else:
        unknown["boot_firmware_version"] = f"/{identity} is not there (a board or a small VM)"
    model = [machine.text(f"{identity}/{name}") for name in ("sys_vendor", "product_name")]
    board = machine.text("proc/device-tree/model").strip("\0")
    if any(model):
        if model[1].casefold().startswith(model[0].casefold()):
            model = model[1:]  # "HP HP EliteBook"
        facts["machine_model"] = Fact(" ".join(filter(None, model)), f"/{identity}")
    elif board:
        facts["machine_model"] = Fact(board, "/proc/device-tree/model")
    unknown["management_firmware_version"] = "needs the management controller (ipmitool, as root)"


def _virtualisation(machine: Machine, facts: dict[str, Fact]) -> None:
    kind, source = machine.text("sys/hypervisor/type"), "/sys/hypervisor/type"
    if not kind:
        model = facts.get("machine_model")
        text = model.value if model else ""
        kind = next((name for name in _HYPERVISORS if name.lower() in text.lower()), "")
        source = "/sys/class/dmi/id"
    cpuinfo = machine.text("proc/cpuinfo")
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    if flags is None:  # an Arm processor has no such flag: only a name tells
        if kind:
            facts["virtualisation"] = Fact(kind, source)
    elif "hypervisor" in flags[1].split():
        if not kind:  # a VM without firmware tables; lscpu asks the processor
            vendor = lscpu_values(machine.ask("lscpu", "-J").text, "Hypervisor vendor:")
            kind, source = (vendor[0], "lscpu -J") if vendor else ("", "nothing names it")
        name = kind or "a hypervisor that does not name itself"
        facts["virtualisation"] = Fact(name, f"/proc/cpuinfo flags, {source}")
    else:  # a cloud's bare metal has the vendor's name, but not the flag
        facts["virtualisation"] = Fact("none", "/proc/cpuinfo flags")


def _container(machine: Machine, facts: dict[str, Fact]) -> None:
    marks = {
        ".dockerenv": "Docker",
        "run/.containerenv": "Podman",
        "singularity": "Singularity",
        ".singularity.d": "Apptainer",
    }
    for path, name in marks.items():
        if machine.has(path):
            facts["container"] = Fact(name, f"/{path}")
            break
    else:
        named = machine.text("run/systemd/container")
        groups = re.search(r"(docker|kubepods|lxc|containerd)", machine.text("proc/1/cgroup"))
        if named or groups:
            text = named or (groups[1] if groups else "")
            facts["container"] = Fact(text, "/run/systemd/container" if named else "/proc/1/cgroup")
    quota, memory = cpu_quota(machine.root), memory_limit(machine.root)
    if quota is not None:
        facts["cpu_quota"] = Fact(f"{quota.value:g} CPUs", quota.source)
    if memory is not None:
        facts["memory_limit"] = Fact(f"{memory.value / 1024**3:.1f} GiB", memory.source)
    _views(machine, facts)


def _views(machine: Machine, facts: dict[str, Fact]) -> None:
    """Name the files that show a share of the machine and not the machine.

    lxcfs mounts files of a container's own; the kernel of WSL runs in a virtual machine that
    Windows gives a share of the processors and the memory.
    """
    lines = (line.split() for line in machine.text("proc/self/mountinfo").splitlines())
    mounted = {fields[4] for fields in lines if len(fields) > 4}
    is_wsl = "microsoft" in machine.text("proc/sys/kernel/osrelease").casefold()
    for field, paths in _VIEWS.items():
        own = next((path for path in paths if path in mounted), "")
        if own:
            facts[field] = Fact("the container's share", f"{own} is a mount of its own")
        elif is_wsl:
            facts[field] = Fact("the share of WSL", "/proc/sys/kernel/osrelease")


def _python(machine: Machine, facts: dict[str, Fact]) -> None:
    driver = machine.text("sys/module/nvidia/version")
    parts = [f"NVIDIA driver {driver}"] if driver else []
    if machine.is_this:
        parts.append(f"Python {platform.python_version()}")
        parts += list(_stack())
    if parts:
        source = "installed Python distributions" if machine.is_this else ""
        source += (", " if source and driver else "") + ("/sys/module/nvidia" if driver else "")
        facts["other_software_stack"] = Fact(", ".join(parts), source)


def _stack() -> Iterator[str]:
    for name in _STACK:
        version = installed_version(name)
        if version is not None:
            yield f"{installed_name(name)} {version or 'of unknown version'}"
