"""Storage and network cards of a machine."""

from __future__ import annotations

import re
from collections import Counter

from mlrepo.systems.machine import Fact, Machine

_NO_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd|mtdblock)")


def device_facts(machine: Machine) -> tuple[dict[str, Fact], dict[str, str]]:
    """Return facts and reasons for what is unknown, by field."""
    facts: dict[str, Fact] = {}
    unknown: dict[str, str] = {}
    _storage(machine, facts, unknown)
    _network(machine, facts, unknown)
    unknown["host_networking_topology"] = "how the machine is wired stands in no file"
    unknown["cooling"] = "no file tells how the machine is cooled"
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
        facts["host_storage_type"] = Fact(" + ".join(texts), "/sys/block/*/queue/rotational")
    else:
        unknown["host_storage_type"] = (
            "the disk is virtual: what lies below it only the host knows"
            if virtual
            else "/sys/block shows no disk"
        )


def _bytes(size: int) -> str:
    """Return a size in decimal units, as disks are sold."""
    if size >= 10**12:
        return f"{size / 10**12:.2f}".rstrip("0").rstrip(".") + " TB"
    return f"{size / 10**9:.0f} GB"


def _network(machine: Machine, facts: dict[str, Fact], unknown: dict[str, str]) -> None:
    cards: Counter[str] = Counter()
    fastest = 0
    # Only what has a device below it is a card; bridges and tunnels have none.
    for path in machine.glob("sys/class/net/*/device"):
        port = path.removesuffix("/device")
        kind = "Wi-Fi" if machine.has(f"{port}/wireless") else "Ethernet"
        if machine.text(f"{port}/type") == "32":
            kind = "InfiniBand"
        speed = machine.number(f"{port}/speed")  # unreadable or -1 while the link is down
        if speed and speed > 0:
            fastest = max(fastest, speed)
            cards[f"{speed / 1000:g} Gbit/s {kind}"] += 1
        else:
            cards[f"{kind}, speed not told"] += 1
    source = "/sys/class/net/*/device, speed"
    if not cards:
        for field in ("host_networking", "host_network_card_count"):
            unknown[field] = "/sys/class/net shows no card (a container sees none)"
        return
    texts = [f"{number} × {kind}" for kind, number in cards.items()]
    facts["host_network_card_count"] = Fact(", ".join(texts), source)
    facts["host_networking"] = Fact(", ".join(cards), source)
    if fastest:
        facts["network_speed_mbit"] = Fact(str(fastest), source)
    else:
        unknown["network_speed_mbit"] = "no card tells its speed (virtual, or the link is down)"
