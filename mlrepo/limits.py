"""The CPUs and the memory that this process may use: those of the machine, within every limit.

Control groups limit a container, a systemd slice or a Slurm job: each group from the process's own
up to the root may set a limit, and the smallest counts. ``/proc/self/cgroup`` names the group, and
``/proc/self/mountinfo`` the location of its files; in version 1 each controller has its own tree
(cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the kernel).

``root`` is ``/``, or a directory with the ``proc`` and ``sys`` of another machine.
"""

from __future__ import annotations

import math
import os
import re
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")
# Without a limit, version 1 reports the largest number of pages; no machine has 2^60 bytes.
_UNLIMITED = 1 << 60
_KIB, _MIB = 1024, 1024**2


@dataclass(frozen=True)
class Limit:
    """A number of bytes or CPUs, and the file, call or variable that it comes from."""

    value: float
    source: str


def usable_cpus(root: Path = _ROOT, environ: Mapping[str, str] | None = None) -> int:
    """Return how many CPUs this process may use: affinity, control groups, Slurm's allocation."""
    cpus = len(os.sched_getaffinity(0)) if root == _ROOT else _online_cpus(root)
    quota = cpu_quota(root)
    if quota is not None:
        cpus = min(cpus, math.ceil(quota.value))
    given = _variables(root, environ).get("SLURM_CPUS_ON_NODE", "")
    if given.isdecimal():
        cpus = min(cpus, int(given))
    return max(1, cpus)


def machine_cpus() -> int:
    """Return how many CPUs the machine has, whether or not this process may use them."""
    return os.cpu_count() or 1


def cpu_quota(root: Path = _ROOT) -> Limit | None:
    """Return how many CPUs the control groups allow in total, or None without a limit."""
    found = []
    for group in _groups(root, "cpu"):
        if group.version == 2:
            quota, _, period = group.text("cpu.max").partition(" ")
            name = "cpu.max"
        else:
            quota, period = group.text("cpu.cfs_quota_us"), group.text("cpu.cfs_period_us")
            name = "cpu.cfs_quota_us"
        if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
            found.append(Limit(round(int(quota) / int(period), 3), group.source(name)))
    return min(found, key=_by_value, default=None)


def memory_limit(root: Path = _ROOT, environ: Mapping[str, str] | None = None) -> Limit | None:
    """Return the smallest limit in bytes that control groups or Slurm set, or None."""
    found = []
    for group in _groups(root, "memory"):
        found += [Limit(value, group.source(name)) for name, value in group.memory_limits()]
    given = _variables(root, environ).get("SLURM_MEM_PER_NODE", "")
    if given.isdecimal() and int(given):  # 0 is all of the node's memory
        found.append(Limit(int(given) * _MIB, "SLURM_MEM_PER_NODE"))
    return min(found, key=_by_value, default=None)


def available_memory(root: Path = _ROOT) -> Limit | None:
    """Return how many more bytes this process can allocate now, or None if unknown.

    The minimum of the memory available on the machine, of that left by the control groups (page
    cache can be dropped and does not count as used), and of that left by ``ulimit -v`` and ``-d``.
    """
    found = []
    available = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    if available:
        found.append(Limit(int(available[1]) * _KIB, "/proc/meminfo MemAvailable"))
    for group in _groups(root, "memory"):
        used = group.memory_used()
        found += [
            Limit(max(0, value - used), group.source(name)) for name, value in group.memory_limits()
        ]
    if root == _ROOT:
        found += _left_of_process_limits()
    return min(found, key=_by_value, default=None)


def memory_kills(root: Path = _ROOT) -> int:
    """Return how many processes the kernel is known to have killed because memory ran out.

    This adds the counters of the control group and of the machine, so only a change is meaningful.
    """
    counts = []
    for group in _groups(root, "memory"):
        name = "memory.events" if group.version == 2 else "memory.oom_control"
        found = re.search(r"^oom_kill (\d+)$", group.text(name), re.MULTILINE)
        counts.append(int(found[1]) if found else 0)
    # In version 2 a group's counter includes the groups below it.
    machine = re.search(r"^oom_kill (\d+)$", _text(root / "proc/vmstat"), re.MULTILINE)
    return max(counts, default=0) + (int(machine[1]) if machine else 0)


def _variables(root: Path, environ: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the given variables; by default this process's own, unless ``root`` is another one."""
    if environ is not None:
        return environ
    return os.environ if root == _ROOT else {}


def _by_value(limit: Limit) -> float:
    return limit.value


def _left_of_process_limits() -> Iterator[Limit]:
    pages = _text(Path("/proc/self/statm")).split()
    for kind, field, source in (
        (resource.RLIMIT_AS, 0, "ulimit -v"),
        (resource.RLIMIT_DATA, 5, "ulimit -d"),
    ):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY and len(pages) > field:
            yield Limit(max(0, soft - int(pages[field]) * resource.getpagesize()), source)


@dataclass(frozen=True)
class _Group:
    """A control group: its location below the machine's root, and its version."""

    root: Path
    path: Path
    version: int

    def text(self, name: str) -> str:
        return _text(self.path / name)

    def source(self, name: str) -> str:
        return f"/{(self.path / name).relative_to(self.root)}"

    def memory_limits(self) -> Iterator[tuple[str, int]]:
        """Yield limits with their file names; version 2 also throttles a group above ``high``."""
        names = ("memory.max", "memory.high") if self.version == 2 else ("memory.limit_in_bytes",)
        for name in names:
            text = self.text(name)
            if text.isdecimal() and int(text) < _UNLIMITED:
                yield name, int(text)

    def memory_used(self) -> int:
        """Return the bytes in use, without the page cache that the kernel drops first."""
        used = self.text("memory.current" if self.version == 2 else "memory.usage_in_bytes")
        name = "inactive_file" if self.version == 2 else "total_inactive_file"
        cache = re.search(rf"^{name} (\d+)$", self.text("memory.stat"), re.MULTILINE)
        return max(0, int(used) - (int(cache[1]) if cache else 0)) if used.isdecimal() else 0


def _groups(root: Path, controller: str) -> Iterator[_Group]:
    """Yield the process's groups for a controller, from its own up to the highest visible one."""
    mounts = list(_mounts(root)) or _USUAL_MOUNTS
    for line in _text(root / "proc/self/cgroup").splitlines() or _USUAL_GROUPS:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = 1 if controllers else 2
        if version == 1 and controller not in controllers.split(","):
            continue
        for mount in mounts:
            if mount.version != version or (version == 1 and controller not in mount.controllers):
                continue
            top = root / mount.point.lstrip("/")
            lowest = top / mount.inside(path)
            for directory in (lowest, *lowest.parents):
                yield _Group(root, directory, version)
                if directory == top:
                    break
            break


@dataclass(frozen=True)
class _Mount:
    """A mounted control group tree: the part that is mounted, and the mount point."""

    version: int
    shown: str
    point: str
    controllers: frozenset[str]

    def inside(self, path: str) -> str:
        """Return a group's path below the mount point, '' if the mount does not include it.

        A container sees its own group as the root of the mount, while the process's path is that
        of the machine; for a process outside its cgroup namespace the path contains ``..``.
        """
        shown = self.shown.rstrip("/")
        if ".." in path.split("/") or not (path == shown or path.startswith(f"{shown}/")):
            return ""
        return path[len(shown) :].lstrip("/")


# What containers see if /proc does not say.
_USUAL_GROUPS = ["0::/", "1:cpu:/", "2:memory:/"]
_USUAL_MOUNTS = [
    _Mount(2, "/", "/sys/fs/cgroup", frozenset()),
    _Mount(1, "/", "/sys/fs/cgroup/cpu", frozenset({"cpu"})),
    _Mount(1, "/", "/sys/fs/cgroup/memory", frozenset({"memory"})),
]


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind or kind[0] not in ("cgroup", "cgroup2"):
            continue
        shown, point = (_unescaped(text) for text in fields[3:5])
        controllers = frozenset(kind[-1].split(","))
        yield _Mount(2 if kind[0] == "cgroup2" else 1, shown, point, controllers)


def _unescaped(text: str) -> str:
    """Decode a path of mountinfo, where spaces and backslashes are octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _online_cpus(root: Path) -> int:
    """Return the number of online CPUs, from a list such as ``0-3,8``; 1 without a list."""
    count = 0
    for part in _text(root / "sys/devices/system/cpu/online").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            count += int(last or first) - int(first) + 1
    return max(1, count)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (OSError, ValueError):
        return ""


def openable_files(wanted: int) -> int:
    """Return how many files this process may have open, after raising its limit if that is needed.

    A process may raise its soft limit up to the hard one (setrlimit(2)).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
