"""Detecting a machine from the files of another one; what cannot be read is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.systems.detect import detect, host_facts, load_now


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Two sockets of two cores with two threads each."""
    files = {
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Platinum 8375C @ 2.90GHz\n",
        "proc/meminfo": "MemTotal:       65536000 kB\nMemFree:   1 kB\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "3500000\n",
    }
    for cpu in range(8):
        topology = f"sys/devices/system/cpu/cpu{cpu}/topology"
        files[f"{topology}/physical_package_id"] = f"{cpu // 4}\n"
        files[f"{topology}/core_id"] = f"{cpu % 2}\n"
    for index, (level, kind, size) in enumerate(
        [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "1280K")]
    ):
        cache = f"sys/devices/system/cpu/cpu0/cache/index{index}"
        files |= {
            f"{cache}/level": level, f"{cache}/type": kind, f"{cache}/size": size,
            f"{cache}/shared_cpu_list": "0,2",
        }  # fmt: skip
    _write(tmp_path, files)
    return tmp_path


def test_a_machine_is_described_by_its_files(machine: Path) -> None:
    """Each field of the description with the place it was read from."""
    facts = detect(machine)
    assert {name: fact.value for name, fact in facts.items()} == {
        "host_processor_model_name": "Intel(R) Xeon(R) Platinum 8375C @ 2.90GHz",
        "host_processors_per_node": "2",
        "host_processor_core_count": "2",
        "host_processor_frequency": "3500 MHz (maximum)",
        "host_processor_caches": "L1d: 48K (cpu0 shares it with CPUs 0,2), "
        "L1i: 32K (cpu0 shares it with CPUs 0,2), L2: 1280K (cpu0 shares it with CPUs 0,2)",
        "host_memory_capacity": "62.5 GiB usable",
        "operating_system": "Debian GNU/Linux 12 (bookworm)",
        "accelerators_per_node": "0",
        "number_of_nodes": "1",
    }
    assert facts["host_memory_capacity"].source == "/proc/meminfo MemTotal"
    assert all(fact.source for fact in facts.values())


@pytest.mark.parametrize(
    ("remove", "lost"),
    [
        ("proc/cpuinfo", {"host_processor_model_name"}),
        ("proc/meminfo", {"host_memory_capacity"}),
        ("etc/os-release", {"operating_system"}),
        ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", {"host_processor_frequency"}),
    ],
)
def test_what_cannot_be_read_is_left_out(machine: Path, remove: str, lost: set[str]) -> None:
    """A field without a source is for the user to fill in, not to be guessed."""
    whole = set(detect(machine))
    (machine / remove).unlink()
    assert whole - set(detect(machine)) == lost


@pytest.mark.parametrize(
    "device", ["nvidia0", "kfd", "accel/accel0", "dri/renderD128", "habanalabs0"]
)
def test_an_accelerator_is_not_counted_as_none(machine: Path, device: str) -> None:
    """With a device node of an accelerator, their number is left to the user."""
    _write(machine, {f"dev/{device}": ""})
    assert "accelerators_per_node" not in detect(machine)


def test_uneven_sockets_have_no_core_count(machine: Path) -> None:
    """One number cannot describe sockets that differ."""
    _write(machine, {"sys/devices/system/cpu/cpu8/topology/physical_package_id": "1",
                     "sys/devices/system/cpu/cpu8/topology/core_id": "7"})  # fmt: skip
    facts = detect(machine)
    assert facts["host_processors_per_node"].value == "2"
    assert "host_processor_core_count" not in facts


@pytest.mark.parametrize("text", ["", "garbage\n", "model name:\n", "MemTotal: many kB\n"])
def test_files_of_another_form_are_left_out(tmp_path: Path, text: str) -> None:
    """An empty or strange file is no fact and no crash."""
    _write(tmp_path, dict.fromkeys(("proc/cpuinfo", "proc/meminfo", "etc/os-release"), text))
    assert set(detect(tmp_path)) == {"accelerators_per_node", "number_of_nodes"}


def test_this_machine_has_a_processor_and_memory() -> None:
    """On the machine of the tests the important facts are found."""
    facts = detect()
    assert {"host_memory_capacity", "operating_system", "host_processors_per_node"} <= set(facts)
    host = host_facts()
    assert int(str(host["cpus_usable"])) >= 1
    assert not {"hostname", "node", "serial", "user"} & set(host)


def test_load_is_counted_in_ticks_that_only_grow() -> None:
    """Busy and stolen time are shares of the total."""
    first, second = load_now(), load_now()
    for name in ("busy_ticks", "total_ticks", "steal_ticks"):
        assert 0 <= first[name] <= second[name]  # type: ignore[operator]
    assert first["busy_ticks"] <= first["total_ticks"]  # type: ignore[operator]
    assert len(first["loadavg"]) == 3  # type: ignore[arg-type]
