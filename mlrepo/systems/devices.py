"""Storage and network cards of a machine."""

from __future__ import annotations

import re
from collections import Counter

from mlrepo.systems.machine import Fact, Machine

_PORTS = ("number_of_type_nics_installed", "nics_enabled_os", "nics_enabled_connected")
# PCI Code and ID Assignment Specification, base class 01h.
_CONTROLLERS = {
    "0x0100": "SCSI",
    "0x0101": "IDE",
    "0x0104": "RAID",
    "0x0106": "SATA",
    "0x0107": "SAS",
    "0x0108": "NVMe",
}
_NO_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd|mtdblock)")


def device_facts(machine: Machine) -> tuple[dict[str, Fact], dict[str, str]]:
    """Return facts and reasons for what is unknown, by field."""
    facts: dict[str, Fact] = {}
    unknown: dict[str, str] = {}
    _storage(machine, facts, unknown)
    _network(machine, facts, unknown)
    _controllers(machine, facts, unknown)
    _power_supplies(machine, facts, unknown)
    unknown["host_networking_topology"] = "no file says how the machine is wired"
    unknown["cooling"] = "no file says how the machine is cooled"
    return facts, unknown


def _storage(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    disks: Counter[str] = Counter()
    total = 0
    virtual = False
    for path in machine.glob("sys/block/*"):
        name = path.rpartition("/")[2]
        # An eMMC shows its boot and replay areas as disks of their own.
        if _NO_DISK.match(name) or re.search(r"(boot\d|rpmb)$", name):
            continue
        size = machine.number(f"{path}/size") or 0  # in sectors of 512 bytes, always
        if not size or machine.text(f"{path}/removable") == "1":
            continue
        total += size * 512
        if name.startswith(("vd", "xvd")):
            virtual = True
            continue
        if name.startswith("nvme"):
            disks["NVMe SSD"] += 1
        elif name.startswith("mmcblk"):
            disks["eMMC or SD card"] += 1
        else:
            spins = machine.text(f"{path}/queue/rotational") == "1"
            disks["hard disk" if spins else "SSD"] += 1
    source = "/sys/block/*/size"
    if total:
        facts["host_storage_capacity"] = Fact(_bytes(total), source)
    else:
        unknown["host_storage_capacity"] = "/sys/block shows no disk"
    if disks and not virtual:
        texts = (f"{number} × {kind}" if number > 1 else kind for kind, number in disks.items())
        storage = Fact(" + ".join(texts), "/sys/block/*/queue/rotational")
        facts |= {"host_storage_type": storage, "disk_drives": storage}
    else:
        unknown["host_storage_type"] = unknown["disk_drives"] = (
            "the disk is virtual: what lies below it only the host knows"
            if virtual
            else "/sys/block shows no disk"
        )
    # The last one mounted on / is what is seen there.
    mounted = re.findall(r"^\S+ / (\S+) ", machine.text("proc/mounts"), re.MULTILINE)
    if mounted:
        facts["filesystem"] = Fact(mounted[-1], "/proc/mounts")
    else:
        unknown["filesystem"] = "/proc/mounts names none for /"


def _bytes(size: int) -> str:
    """Return a size in decimal units, as disks are sold."""
    if size >= 10**12:
        return f"{size / 10**12:.2f}".rstrip("0").rstrip(".") + " TB"
    return f"{size / 10**9:.0f} GB"


def _network(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    cards: Counter[str] = Counter()
    fastest = enabled = connected = 0
    # Only what has a device below it is a card; bridges and tunnels have none.
    for path in machine.glob("sys/class/net/*/device"):
        port = path.removesuffix("/device")
        kind = "Wi-Fi" if machine.has(f"{port}/wireless") else "Ethernet"
        if machine.text(f"{port}/type") == "32":
            kind = "InfiniBand"
        # IFF_UP of netdevice(7); the carrier is unreadable while the port is disabled.
        enabled += int(machine.text(f"{port}/flags") or "0", 16) & 1
        connected += machine.text(f"{port}/carrier") == "1"
        speed = machine.number(f"{port}/speed")  # unreadable or -1 while the link is down
        if speed and speed > 0:
            fastest = max(fastest, speed)
            cards[f"{speed / 1000:g} Gbit/s {kind}"] += 1
        else:
            cards[f"{kind}, speed not told"] += 1
    source = "/sys/class/net/*/device, speed"
    if not cards:
        for field in ("host_networking", "host_network_card_count", *_PORTS):
            unknown[field] = "/sys/class/net shows no card (a container sees none)"
        return
    texts = [f"{number} × {kind}" for kind, number in cards.items()]
    facts["host_network_card_count"] = Fact(", ".join(texts), source)
    facts["host_networking"] = Fact(", ".join(cards), source)
    facts["number_of_type_nics_installed"] = facts["host_network_card_count"]
    facts["nics_enabled_os"] = Fact(str(enabled), "/sys/class/net/*/flags")
    facts["nics_enabled_connected"] = Fact(str(connected), "/sys/class/net/*/carrier")
    unknown["nics_enabled_firmware"] = "only the firmware's own menu shows it"
    if fastest:
        facts["network_speed_mbit"] = Fact(str(fastest), source)
    else:
        unknown["network_speed_mbit"] = "no card reports its speed (virtual, or the link is down)"


def _controllers(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    """Name the controllers of mass storage by their class on the PCI bus (base class 01)."""
    found: Counter[str] = Counter()
    for device in machine.glob("sys/bus/pci/devices/*/class"):
        kind = _CONTROLLERS.get(machine.text(device)[:6])
        if kind:
            found[kind] += 1
    if found:
        texts = (f"{number} × {kind}" if number > 1 else kind for kind, number in found.items())
        facts["disk_controllers"] = Fact(" + ".join(texts), "/sys/bus/pci/devices/*/class")
    else:
        unknown["disk_controllers"] = "/sys/bus/pci shows none of a kind that has a name"


def _power_supplies(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    answer = machine.ask("dmidecode", "-t", "39")
    found: Counter[str] = Counter()
    makers: dict[str, None] = {}
    for block in re.split(r"\n\s*\n", answer.text):
        fields = dict(re.findall(r"^[ \t]+([^\s:][^:\n]*):[ \t]*(\S.*)$", block, re.MULTILINE))
        rating = re.fullmatch(r"(\d+) W", fields.get("Max Power Capacity", "").strip())
        if not rating or "Not Present" in fields.get("Status", ""):
            continue
        found[rating[1]] += 1
        maker = [fields.get(key, "").strip() for key in ("Manufacturer", "Model Part Number")]
        makers[" ".join(part for part in maker if part and "Not Specified" not in part)] = None
    if found:
        text = " + ".join(f"{number} × {watts} W" for watts, number in found.items())
        source = "dmidecode -t 39"
        facts["power_supply_quantity_and_rating_watts"] = Fact(text, source)
        if details := ", ".join(filter(None, makers)):
            facts["power_supply_details"] = Fact(details, source)
        return
    reason = answer.problem or "dmidecode -t 39 names no power supply and its rating"
    unknown["power_supply_quantity_and_rating_watts"] = unknown["power_supply_details"] = reason
