"""Accelerators of a machine: NVIDIA through NVML, AMD and Intel through their own tools, NPUs
through the kernel.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from mlrepo.systems.machine import Fact, Machine

_DEVICE_NODES = (
    "nvidia[0-9]*",
    "kfd",
    "accel/*",
    "dri/render*",
    "habanalabs*",
    "davinci*",
    "neuron[0-9]*",
)
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
# Drivers of the kernel's class for accelerators, and what they drive.
_DRIVERS = {
    "intel_vpu": "Intel NPU",
    "amdxdna": "AMD NPU",
    "habanalabs": "Intel Gaudi",
    "qaic": "Qualcomm Cloud AI",
}
_FIELDS = (
    "accelerator_model_name",
    "accelerator_memory_capacity",
    "accelerator_memory_configuration",
    "accelerator_frequency",
    "accelerator_host_interconnect",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
    "accelerator_on-chip_memories",
)


def accelerator_facts(machine: Machine) -> tuple[dict[str, Fact], dict[str, str]]:
    """Return facts and reasons for what is unknown, by field."""
    problems: list[str] = []
    for read in (_nvidia, _amd, _intel, _compute_class):
        found = read(machine, problems)
        if found:
            _count_bus(machine, found)
            reason = f"{found['accelerators_per_node'].source} does not say"
            return found, {field: reason for field in _FIELDS if field not in found}
    present = _pci_accelerators(machine)
    nodes = [path for pattern in _DEVICE_NODES for path in machine.glob(f"dev/{pattern}")]
    if not present and not nodes:
        source = "no accelerator in /sys/bus/pci/devices, no " + ", ".join(
            f"/dev/{pattern}" for pattern in ("nvidia*", "kfd", "accel", "dri/render*")
        )
        nothing = {field: Fact("N/A", source) for field in _FIELDS}
        return {"accelerators_per_node": Fact("0", source), **nothing}, {}
    seen = ", ".join(f"{number} × {vendor}" for vendor, number in present.items())
    what = f"/sys/bus/pci/devices shows {seen}" if seen else f"there is /{nodes[0]}"
    reason = f"{what}, but {'; '.join(dict.fromkeys(problems))}"
    return {}, dict.fromkeys(("accelerators_per_node", *_FIELDS), reason)


def _nvidia(machine: Machine, problems: list[str]) -> dict[str, Fact]:
    gpus = machine.nvidia()
    if gpus.problem:
        problems.append(gpus.problem)
    if not gpus.devices:
        return _nvidia_driver(machine)
    facts = _counted([gpu.name for gpu in gpus.devices], "NVML")
    first = gpus.devices[0]
    details = {
        "accelerator_memory_capacity": f"{first.memory / 1024**3:.0f} GiB" if first.memory else "",
        "accelerator_frequency": f"{first.graphics_mhz} MHz maximum" if first.graphics_mhz else "",
        "accelerator_memory_configuration": _nvidia_memory(first.memory_mhz, first.ecc),
        "accelerator_host_interconnect": first.pcie,
        "accelerator_interconnect": f"NVLink, {first.links} links" if first.links else "",
        "accelerator_firmware": first.firmware,
        "accelerator_driver": f"NVIDIA driver {gpus.driver}",
    }
    return facts | {field: Fact(text, "NVML") for field, text in details.items() if text}


def _nvidia_memory(clock: int, ecc: str) -> str:
    parts = [f"{clock} MHz" if clock else "", f"ECC {ecc}" if ecc else ""]
    return ", ".join(part for part in parts if part)


def _nvidia_driver(machine: Machine) -> dict[str, Fact]:
    """Return names and number from the kernel driver's own files, which need no library."""
    names = []
    for path in machine.glob("proc/driver/nvidia/gpus/*/information"):
        for line in machine.text(path).splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "Model":
                names.append(value.strip())
    return _counted(names, "/proc/driver/nvidia/gpus/*/information") if names else {}


def _amd(machine: Machine, problems: list[str]) -> dict[str, Fact]:
    answer = machine.ask("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json")
    cards = [
        card
        for name, card in _json(answer.text).items()
        if name.startswith("card") and isinstance(card, dict)
    ]
    if not cards:
        problems.append(answer.problem or "rocm-smi lists no card")
        return {}
    names = [
        str(card.get("Card Series") or card.get("Card series") or card.get("Card model") or "AMD")
        for card in cards
    ]
    facts = _counted(names, "rocm-smi")
    total = str(cards[0].get("VRAM Total Memory (B)", ""))
    if total.isdecimal():
        facts["accelerator_memory_capacity"] = Fact(f"{int(total) / 1024**3:.0f} GiB", "rocm-smi")
    return facts


def _intel(machine: Machine, problems: list[str]) -> dict[str, Fact]:
    answer = machine.ask("xpu-smi", "discovery", "-j")
    listed = _json(answer.text).get("device_list")
    devices = listed if isinstance(listed, list) else []
    names = [str(d.get("device_name", "Intel")) for d in devices if isinstance(d, Mapping)]
    if not names:
        problems.append(answer.problem or "xpu-smi lists no device")
        return {}
    return _counted(names, "xpu-smi discovery -j")


def _compute_class(machine: Machine, problems: list[str]) -> dict[str, Fact]:
    """Return the devices of the kernel's class for accelerators, such as NPUs.

    They are all only where the PCI bus shows no more: a GPU without a driver is in no class.
    """
    names = []
    for path in machine.glob("sys/class/accel/accel*/device/uevent"):
        lines = (line.partition("=") for line in machine.text(path).splitlines())
        driver = {key: value for key, _, value in lines}.get("DRIVER", "")
        names.append(_DRIVERS.get(driver, f"accelerator of the driver {driver or 'unknown'}"))
    if not names or sum(_pci_accelerators(machine).values()) > len(names):
        return {}
    return _counted(names, "/sys/class/accel")


def _counted(names: list[str], source: str) -> dict[str, Fact]:
    kinds = Counter(names)
    text = (
        next(iter(kinds))
        if len(kinds) == 1
        else " + ".join(f"{number} × {name}" for name, number in kinds.items())
    )
    return {
        "accelerators_per_node": Fact(str(len(names)), source),
        "accelerator_model_name": Fact(text, source),
    }


def _pci_accelerators(machine: Machine) -> dict[str, int]:
    """Return the number of accelerators on the PCI bus by vendor.

    Classes: 0x0302 3D controller, 0x1200 processing accelerator, 0x0300 VGA of vendors that make
    accelerators (a board's VGA console is of another vendor), and 0x0b40 coprocessor, but not
    Intel's for cryptography (of Intel's, only Xeon Phi with device ids 0x225_).
    """
    found: Counter[str] = Counter()
    for device in machine.glob("sys/bus/pci/devices/*/class"):
        kind = machine.text(device)[:6]
        vendor = machine.text(device.removesuffix("class") + "vendor")
        phi = machine.text(device.removesuffix("class") + "device").startswith("0x225")
        if (
            kind in ("0x0302", "0x1200")
            or (kind == "0x0300" and vendor in ("0x10de", "0x1002"))
            or (kind == "0x0b40" and (vendor != "0x8086" or phi))
        ):
            found[_VENDORS.get(vendor, f"PCI vendor {vendor or 'unknown'}")] += 1
    return dict(found)


def _count_bus(machine: Machine, found: dict[str, Fact]) -> None:
    """Add how many accelerators the bus has if that is more: a container may be given a few."""
    number = sum(_pci_accelerators(machine).values())
    if number > int(found["accelerators_per_node"].value):
        found["accelerators_on_bus"] = Fact(str(number), "/sys/bus/pci/devices")


def _json(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
