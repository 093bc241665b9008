"""Machines that detection and platform profiles are tested on: trees of the kernel's own files.

``recorded`` lays out what was recorded on a real machine (``tests/recorded/README.md`` says where
each comes from). The others are composed of what owners of such machines published (`lscpu`,
`/proc/cpuinfo`, `numactl`, `nvidia-smi -q`) in the formats of the kernel, dmidecode and NVML.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

_CPU = "sys/devices/system/cpu"
_RECORDED = Path(__file__).parent / "recorded"
RECORDED = tuple(sorted(path.stem for path in _RECORDED.glob("*.json")))


def recorded(root: Path, name: str) -> Path:
    """Lay out a machine that ``record_machine.py`` recorded."""
    for path, text in json.loads((_RECORDED / f"{name}.json").read_text()).items():
        target = root / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text + "\n")
    return root


def write(root: Path, files: dict[str, str]) -> Path:
    """Write files below ``root``."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def files_of(root: Path) -> dict[str, bytes]:
    """Return what the kernel's files below ``root`` say: of several choices the one in brackets."""
    contents = {path: path.read_bytes().strip() for path in root.rglob("*") if path.is_file()}
    return {
        str(path): re.sub(rb".*\[(\w+)\].*", rb"\1", content) for path, content in contents.items()
    }


def processors(
    *,
    sockets: int,
    cores: int,
    threads: int,
    caches: dict[str, tuple[str, int]],
    top: str = "3500000",
    nodes: int = 1,
    node_kib: int = 131_000_000,
) -> dict[str, str]:
    """Return the CPU files of a machine; ``caches``: by ``1 Data``, size and CPUs sharing one."""
    files: dict[str, str] = {}
    total = sockets * cores
    for cpu in range(total * threads):
        core = cpu % total  # second threads are numbered after all first ones
        base = f"{_CPU}/cpu{cpu}"
        siblings = ",".join(str(core + total * t) for t in range(threads))
        files |= {
            f"{base}/topology/physical_package_id": str(core // cores),
            f"{base}/topology/core_id": str(core % cores),
            f"{base}/topology/thread_siblings_list": siblings,
        }
        for index, (kind, (size, sharing)) in enumerate(caches.items()):
            level, _, word = kind.partition(" ")
            cache = f"{base}/cache/index{index}"
            files |= {
                f"{cache}/level": level,
                f"{cache}/type": word,
                f"{cache}/size": size,
                f"{cache}/shared_cpu_list": f"group {core // sharing}",
            }
        if top:
            files[f"{base}/cpufreq/cpuinfo_max_freq"] = top
            files[f"{base}/cpufreq/cpuinfo_min_freq"] = "800000"
            files[f"{base}/cpufreq/scaling_governor"] = "powersave"
    each = total // nodes
    for node in range(nodes):
        files[f"sys/devices/system/node/node{node}/cpulist"] = (
            f"{node * each}-{(node + 1) * each - 1}"
        )
        files[f"sys/devices/system/node/node{node}/meminfo"] = (
            f"Node {node} MemTotal:       {node_kib} kB"
        )
    return files


def _common(model: str, flags: str, release: str, kernel: str, kib: int) -> dict[str, str]:
    return {
        "proc/cpuinfo": f"processor\t: 0\nmodel name\t: {model}\nflags\t\t: fpu vme {flags}",
        "proc/meminfo": f"MemTotal:       {kib} kB\nMemFree:   1 kB",
        "etc/os-release": f'NAME="x"\nPRETTY_NAME="{release}"',
        "proc/sys/kernel/osrelease": kernel,
    }


def _modules(number: int, size: str, kind: str, speed: int) -> str:
    block = (
        "Handle 0x{0:04X}, DMI type 17, 92 bytes\nMemory Device\n\tSize: {1}\n\tForm Factor: DIMM\n"
        "\tType: {2}\n\tSpeed: {3} MT/s\n\tConfigured Memory Speed: {3} MT/s\n"
    )
    empty = "Handle 0x00FF, DMI type 17, 92 bytes\nMemory Device\n\tSize: No Module Installed\n"
    return "\n".join([*(block.format(n, size, kind, speed) for n in range(number)), empty])


def xeon(root: Path) -> Path:
    """Two sockets of Xeon Platinum 8380 as root: dmidecode answers."""
    caches = {
        "1 Data": ("48K", 1),
        "1 Instruction": ("32K", 1),
        "2 Unified": ("1280K", 1),
        "3 Unified": ("61440K", 40),
    }
    files = processors(sockets=2, cores=40, threads=2, caches=caches, top="3400000", nodes=2)
    files |= _common(
        "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz",
        "avx512f",
        "Ubuntu 22.04.5 LTS",
        "5.15.0-126-generic",
        527_000_000,
    )
    files |= {
        "commands/dmidecode_-t_17": _modules(16, "32 GB", "DDR4", 3200),
        "commands/dmidecode_-t_16": "Physical Memory Array\n\tError Correction Type: Multi-bit ECC",
        "sys/block/nvme0n1/size": "7501476528",
        "sys/block/sda/size": "15628053168",
        "sys/block/sda/queue/rotational": "1",
        "sys/block/loop0/size": "100",
        "sys/class/net/eno1/device/vendor": "0x8086",
        "sys/class/net/eno1/speed": "25000",
        "sys/class/net/eno2/device/vendor": "0x8086",
        "sys/class/net/eno2/speed": "-1",
        "sys/class/net/docker0/speed": "10000",
        "sys/class/dmi/id/bios_vendor": "Dell Inc.",
        "sys/class/dmi/id/bios_version": "1.8.2",
        "sys/class/dmi/id/sys_vendor": "Dell Inc.",
        "sys/class/dmi/id/product_name": "PowerEdge R750",
    }
    return write(root, files)


def epyc(root: Path) -> Path:
    """Two EPYC 9375F without SMT, one NUMA node each, not root: 755 GiB a node as numactl told."""
    caches = {
        "1 Data": ("48K", 1),
        "1 Instruction": ("32K", 1),
        "2 Unified": ("1024K", 1),
        "3 Unified": ("32768K", 4),
    }
    files = processors(
        sockets=2, cores=32, threads=1, caches=caches, top="4819336", nodes=2, node_kib=791_829_504
    )
    files |= _common(
        "AMD EPYC 9375F 32-Core Processor",
        "avx512f",
        "Debian GNU/Linux 13 (trixie)",
        "6.17.2-1-pve",
        1_584_432_000,
    )
    for controller in range(2):
        files[f"sys/devices/system/edac/mc/mc{controller}/ce_count"] = "0"
    return write(root, files)


def arm_board(root: Path) -> Path:
    """A Raspberry Pi 5: no model name in cpuinfo, lscpu knows it; an SD card, no firmware."""
    caches = {
        "1 Data": ("64K", 1),
        "1 Instruction": ("64K", 1),
        "2 Unified": ("512K", 1),
        "3 Unified": ("2048K", 4),
    }
    files = processors(sockets=1, cores=4, threads=1, caches=caches, top="2400000")
    features = (
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm "
        "lrcpc dcpop asimddp"
    )
    cpus = [
        f"processor\t: {cpu}\nBogoMIPS\t: 108.00\nFeatures\t: {features}\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\n"
        "CPU revision\t: 1\n"
        for cpu in range(4)
    ]
    board = "Raspberry Pi 5 Model B Rev 1.0"
    lscpu = {
        "lscpu": [
            {
                "field": "Architecture:",
                "data": "aarch64",
                "children": [
                    {"field": "CPU op-mode(s):", "data": "32-bit, 64-bit"},
                    {"field": "Byte Order:", "data": "Little Endian"},
                ],
            },
            {
                "field": "CPU(s):",
                "data": "4",
                "children": [{"field": "On-line CPU(s) list:", "data": "0-3"}],
            },
            {
                "field": "Vendor ID:",
                "data": "ARM",
                "children": [
                    {
                        "field": "Model name:",
                        "data": "Cortex-A76",
                        "children": [
                            {"field": "Model:", "data": "1"},
                            {"field": "Stepping:", "data": "r4p1"},
                            {"field": "CPU max MHz:", "data": "2400.0000"},
                        ],
                    }
                ],
            },
        ]
    }
    files |= {
        "proc/cpuinfo": "\n".join([*cpus, f"Revision\t: d04170\nModel\t\t: {board}"]),
        "proc/meminfo": "MemTotal:        8245536 kB",
        "proc/mounts": "/dev/mmcblk0p2 / ext4 rw,noatime 0 0",
        "proc/device-tree/model": f"{board}\0",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"',
        "proc/sys/kernel/osrelease": "6.6.20+rpt-rpi-2712",
        "commands/lscpu_-J": json.dumps(lscpu),
        "sys/block/mmcblk0/size": "124735488",
        "sys/block/mmcblk0boot0/size": "8192",
        "sys/class/net/wlan0/device/x": "",
        "sys/class/net/wlan0/wireless/x": "",
        "sys/class/net/wlan0/flags": "0x1003",
        "sys/class/net/wlan0/carrier": "1",
    }
    return write(root, files)


def clusters(root: Path) -> Path:
    """An RK3588 board: its kernel calls each cluster of cores a package, lscpu says 3 sockets."""
    files = {"proc/device-tree/model": "Radxa ROCK 5B\0", "proc/cpuinfo": "processor\t: 0"}
    for cpu in range(8):
        files |= {
            f"{_CPU}/cpu{cpu}/topology/physical_package_id": str((0, 0, 0, 0, 1, 1, 2, 2)[cpu]),
            f"{_CPU}/cpu{cpu}/topology/core_id": str((0, 1, 2, 3, 0, 1, 0, 1)[cpu]),
            f"{_CPU}/cpu{cpu}/topology/thread_siblings_list": str(cpu),
        }
    return write(root, files)


def container(root: Path) -> Path:
    """A container with two and a half CPUs of a larger machine, and no network card."""
    caches = {"1 Data": ("32K", 1)}
    files = processors(sockets=1, cores=8, threads=2, caches=caches, top="")
    files |= _common("AMD EPYC 9354", "avx2", "Debian GNU/Linux 12", "6.1.0", 65_000_000)
    files |= {".dockerenv": "", "sys/fs/cgroup/cpu.max": "250000 100000"}
    return write(root, files)


def virtual(root: Path) -> Path:
    """A virtual machine: a flag, a virtual disk and card, and time that the host takes away."""
    files = processors(sockets=1, cores=2, threads=1, caches={"1 Data": ("32K", 1)}, top="")
    files |= _common(
        "Intel(R) Xeon(R) Processor", "hypervisor avx2", "Alpine Linux v3.20", "6.6.1", 4_000_000
    )
    files |= {
        "proc/stat": "cpu  1000 0 500 8000 0 0 0 500 0 0",
        "proc/loadavg": "0.50 0.40 0.30 1/100 1234",
        "sys/class/dmi/id/sys_vendor": "QEMU",
        "sys/class/dmi/id/product_name": "Standard PC (Q35)",
        "sys/block/vda/size": "41943040",
        "sys/class/net/eth0/device/vendor": "0x1af4",
    }
    return write(root, files)


def eight_gpus(root: Path) -> Path:
    """Two Xeon 8480C and eight H100 SXM, of which NVML answers as they do."""
    gpu = {
        "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
        "nvmlDeviceGetMemoryInfo": {"total": 85520809984},
        "nvmlDeviceGetMaxPcieLinkGeneration": 5,
        "nvmlDeviceGetMaxPcieLinkWidth": 16,
        "nvmlDeviceGetEccMode": [1, 1],
        "nvmlDeviceGetNvLinkState": {str(link): 1 for link in range(18)},
        "nvmlDeviceGetMaxClockInfo": {"0": 1980, "2": 2619},
        "nvmlDeviceGetVbiosVersion": "96.00.5E.00.01",
    }
    caches = {
        "1 Data": ("48K", 1),
        "1 Instruction": ("32K", 1),
        "2 Unified": ("2048K", 1),
        "3 Unified": ("107520K", 56),
    }
    files = processors(
        sockets=2,
        cores=56,
        threads=2,
        caches=caches,
        top="3800000",
        nodes=2,
        node_kib=1_056_000_000,
    )
    files |= _common(
        "Intel(R) Xeon(R) Platinum 8480C",
        "amx_int8",
        "Ubuntu 22.04.4 LTS",
        "5.15.0-1053-nvidia",
        2_113_000_000,
    )
    answers = {"nvmlSystemGetDriverVersion": "550.90.07", "devices": [gpu] * 8}
    files["commands/nvml.json"] = json.dumps(answers)
    for number in range(8):
        device = f"sys/bus/pci/devices/0000:{number:02x}:00.0"
        files |= {f"{device}/class": "0x030200", f"{device}/vendor": "0x10de"}
        files[f"dev/nvidia{number}"] = ""
    return write(root, files)


def tunable(root: Path, cpus: int = 4) -> Path:
    """The writable files of a machine with as many frequency policies as CPUs."""
    files = {
        f"{_CPU}/online": f"0-{cpus - 1}",
        f"{_CPU}/smt/control": "on",
        f"{_CPU}/intel_pstate/no_turbo": "0",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "proc/sys/vm/swappiness": "60",
        "proc/sys/kernel/random/boot_id": "11111111-2222-3333-4444-555555555555",
        "sys/devices/system/node/node0/cpulist": f"0-{cpus - 1}",
    }
    for cpu in range(cpus):
        policy = f"{_CPU}/cpufreq/policy{cpu}"
        files |= {
            f"{policy}/scaling_governor": "powersave",
            f"{policy}/scaling_available_governors": "performance powersave",
            f"{policy}/cpuinfo_max_freq": "3500000",
            f"{policy}/cpuinfo_min_freq": "800000",
            f"{policy}/scaling_max_freq": "2000000",
            f"{policy}/scaling_min_freq": "800000",
        }
        if cpu:
            files[f"{_CPU}/cpu{cpu}/online"] = "1"
    return write(root, files)
