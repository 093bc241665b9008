"""CPUs and memory of this process, from control-group trees of different systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.limits import (
    available_memory,
    cpu_quota,
    memory_kills,
    memory_limit,
    usable_cpus,
)
from tests import machines

_V2 = "31 23 0:28 {shown} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
_V1 = "\n".join(
    f"{number} 31 0:{number} {{shown}} /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}"
    for number, name in ((32, "cpu,cpuacct"), (33, "memory"))
)
_MEMINFO = "MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable:   8000000 kB"
_GIB = 1024**3


def _machine(root: Path, groups: str, mounts: str, files: dict[str, str], shown: str = "/") -> Path:
    base = {
        "proc/self/cgroup": groups,
        "proc/self/mountinfo": mounts.format(shown=shown),
        "proc/meminfo": _MEMINFO,
        "sys/devices/system/cpu/online": "0-7",
    }
    return machines.write(
        root, base | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    )


def test_without_limits_the_machine_is_the_limit(tmp_path: Path) -> None:
    """Eight CPUs, and what the kernel calls available."""
    root = _machine(tmp_path, "0::/", _V2, {"cpu.max": "max 100000", "memory.max": "max"})
    assert usable_cpus(root) == 8
    assert cpu_quota(root) is None
    assert memory_limit(root) is None
    found = available_memory(root)
    assert found is not None
    assert (found.value, found.source) == (8_000_000 * 1024, "/proc/meminfo MemAvailable")


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    """No /proc, no /sys: one CPU, and no word about memory."""
    assert usable_cpus(tmp_path) == 1
    assert cpu_quota(tmp_path) is None
    assert memory_limit(tmp_path) is None
    assert available_memory(tmp_path) is None
    assert memory_kills(tmp_path) == 0


def test_the_smallest_limit_on_the_way_to_the_root_counts(tmp_path: Path) -> None:
    """systemd: the quota is the slice's, the memory limit its user's, the scope has none."""
    scope = "user.slice/user-1000.slice/session-2.scope"
    root = _machine(
        tmp_path,
        f"0::/{scope}",
        _V2,
        {
            f"{scope}/cpu.max": "max 100000",
            f"{scope}/memory.max": "max",
            "user.slice/user-1000.slice/cpu.max": "600000 100000",
            "user.slice/user-1000.slice/memory.max": str(4 * _GIB),
            "user.slice/user-1000.slice/memory.high": str(3 * _GIB),
            "user.slice/user-1000.slice/memory.current": str(2 * _GIB),
            "user.slice/user-1000.slice/memory.stat": f"anon 1\ninactive_file {_GIB}",
            "user.slice/cpu.max": "150000 100000",
            "user.slice/memory.max": str(8 * _GIB),
        },
    )
    quota, memory, left = cpu_quota(root), memory_limit(root), available_memory(root)
    assert quota is not None
    assert (quota.value, quota.source) == (1.5, "/sys/fs/cgroup/user.slice/cpu.max")
    assert usable_cpus(root) == 2
    assert memory is not None
    assert memory.value == 3 * _GIB
    assert memory.source.endswith("user-1000.slice/memory.high")
    assert left is not None
    assert left.value == 2 * _GIB  # the page cache of a group can be dropped


@pytest.mark.parametrize(
    ("group", "shown"),
    [
        ("/slurm/uid_7/job_9/step_0", "/"),
        ("/docker/0f3a", "/docker/0f3a"),  # the container sees its own group as the root
        ("/../../system.slice", "/"),  # a process outside its namespace of groups
    ],
    ids=["Slurm", "Docker", "outside"],
)
def test_the_first_version_of_control_groups(tmp_path: Path, group: str, shown: str) -> None:
    """Each controller has a tree of its own; a job's limit is above its step."""
    job = "slurm/uid_7/job_9/" if group.startswith("/slurm") else ""
    root = _machine(
        tmp_path,
        f"4:memory:{group}\n3:cpu,cpuacct:{group}\n1:name=systemd:/x\n0::/",
        _V1,
        {
            f"cpu,cpuacct/{job}cpu.cfs_quota_us": "250000",
            f"cpu,cpuacct/{job}cpu.cfs_period_us": "100000",
            f"memory/{job}memory.limit_in_bytes": str(_GIB),
            f"memory/{job}memory.usage_in_bytes": str(_GIB // 2),
            f"memory/{job}memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
            "memory/slurm/memory.limit_in_bytes": "9223372036854771712",
        },
        shown,
    )
    quota, memory, left = cpu_quota(root), memory_limit(root), available_memory(root)
    assert quota is not None
    assert quota.value == 2.5
    assert usable_cpus(root) == 3
    assert memory is not None
    assert memory.value == _GIB
    assert memory.source == f"/sys/fs/cgroup/memory/{job}memory.limit_in_bytes"
    assert left is not None
    assert left.value == _GIB // 2
    assert memory_kills(root) == 3


def test_both_versions_side_by_side(tmp_path: Path) -> None:
    """The hybrid layout: the second version is mounted, and limits nothing."""
    unified = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
    root = _machine(
        tmp_path,
        "4:memory:/a\n3:cpu,cpuacct:/a\n0::/a",
        f"{_V1}\n{unified}",
        {"memory/a/memory.limit_in_bytes": "4096", "unified/a/cgroup.procs": ""},
    )
    memory = memory_limit(root)
    assert memory is not None
    assert memory.value == 4096
    assert cpu_quota(root) is None


def test_a_mount_point_with_a_blank(tmp_path: Path) -> None:
    """The kernel writes it in octal."""
    root = _machine(tmp_path, "0::/", _V2.replace("/sys/fs/cgroup", r"/sys/fs/c\040g"), {})
    machines.write(tmp_path, {"sys/fs/c g/memory.max": "5000"})
    memory = memory_limit(root)
    assert memory is not None
    assert memory.value == 5000


def test_what_slurm_gave_counts_where_the_site_does_not_enforce_it(tmp_path: Path) -> None:
    """SLURM_CPUS_ON_NODE and SLURM_MEM_PER_NODE (MiB); 0 is all of the memory."""
    root = _machine(tmp_path, "0::/", _V2, {})
    slurm = {"SLURM_CPUS_ON_NODE": "3", "SLURM_MEM_PER_NODE": "2048"}
    assert usable_cpus(root, slurm) == 3
    memory = memory_limit(root, slurm)
    assert memory is not None
    assert (memory.value, memory.source) == (2 * _GIB, "SLURM_MEM_PER_NODE")
    assert memory_limit(root, {"SLURM_MEM_PER_NODE": "0"}) is None


def test_of_this_machine() -> None:
    """Whatever it is: at least one CPU, and some memory."""
    assert usable_cpus() >= 1
    found = available_memory()
    assert found is not None
    assert found.value > 0
