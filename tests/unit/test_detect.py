"""Detecting a machine from recorded files; unreadable facts are named, not guessed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlrepo.systems.detect import detect, host_facts
from mlrepo.systems.machine import Detection, Machine
from mlrepo.systems.noise import load_now
from mlrepo.systems.nvml import Gpu, RecordedNvml, read_gpus_from
from tests import machines
from tests.record_machine import nvml_answers, record


def _values(found: Detection) -> dict[str, str]:
    return {field: fact.value for field, fact in found.facts.items()}


def test_a_two_socket_xeon_as_root(tmp_path: Path) -> None:
    """Physical cores of one processor, modules, disks, cards: each with the place it was read."""
    found = detect(machines.xeon(tmp_path))
    values = _values(found)
    assert values["host_processor_model_name"] == "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz"
    assert values["host_processors_per_node"] == "2"
    assert values["host_processor_core_count"] == "40"
    assert values["host_processor_vcpu_count"] == "160"
    assert values["threads_per_core"] == "2"
    assert values["host_processor_frequency"] == "3400 MHz maximum, minimum 800 MHz"
    assert values["power_management"] == "governor powersave"
    assert values["host_processor_caches"] == (
        "L1d: 48 KiB × 80, L1i: 32 KiB × 80, L2: 1.25 MiB × 80, L3: 60 MiB × 2"
    )
    assert values["host_memory_capacity"] == "512 GiB"
    assert values["host_memory_configuration"] == "16 × 32 GiB DDR4-3200"
    assert values["memory_ecc"] == "Multi-bit ECC"
    assert values["host_storage_capacity"] == "11.84 TB"
    assert values["host_storage_type"] == "NVMe SSD + hard disk"
    assert (
        values["host_network_card_count"] == "1 × 25 Gbit/s Ethernet, 1 × Ethernet, speed not told"
    )
    assert values["network_speed_mbit"] == "25000"
    assert values["boot_firmware_version"] == "Dell Inc. 1.8.2"
    assert values["virtualisation"] == "none"
    assert values["operating_system"] == "Ubuntu 22.04.5 LTS, Linux 5.15.0-126-generic"
    assert values["accelerators_per_node"] == "0"
    assert "host_processor_interconnect" in found.unknown
    assert found.facts["host_memory_configuration"].source == "dmidecode -t 17"
    assert all(fact.source for fact in found.facts.values())
    assert not set(found.facts) & set(found.unknown)


def test_an_epyc_with_two_numa_nodes_without_root(tmp_path: Path) -> None:
    """Nodes are told apart; what needs dmidecode says so."""
    found = detect(machines.epyc(tmp_path))
    values = _values(found)
    assert values["numa_nodes"] == ("2 (node0: CPUs 0-31, 755.1 GiB; node1: CPUs 32-63, 755.1 GiB)")
    assert values["host_processor_model_name"] == "AMD EPYC 9375F 32-Core Processor"
    assert values["host_processors_per_node"] == "2"
    assert values["host_processor_core_count"] == "32"
    assert values["host_processor_vcpu_count"] == "64"
    assert "L3: 32 MiB × 16" in values["host_processor_caches"]
    assert values["host_memory_capacity"] == "1511.0 GiB usable"
    assert values["memory_ecc"] == "on (2 controllers watched)"
    assert found.unknown["host_memory_configuration"] == "dmidecode is not installed"


def test_an_arm_board(tmp_path: Path) -> None:
    """The name of its cores comes from lscpu, its own name from the device tree."""
    values = _values(detect(machines.arm_board(tmp_path)))
    assert values["host_processor_model_name"] == "Cortex-A76"
    assert values["machine_model"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert values["host_storage_type"] == "eMMC or SD card"
    assert values["host_storage_capacity"] == "64 GB"
    assert values["host_networking"] == "Wi-Fi, speed not told"
    assert values["host_processor_caches"].endswith("L2: 512 KiB × 4, L3: 2 MiB × 1")
    assert values["filesystem"] == "ext4"
    assert values["nics_enabled_connected"] == "1"
    assert "virtualisation" not in values


def test_clusters_of_a_system_on_a_chip_are_no_processors(tmp_path: Path) -> None:
    """Kernels with a device tree call them packages; the board has one chip with all cores."""
    values = _values(detect(machines.clusters(tmp_path)))
    assert values["host_processors_per_node"] == "1"
    assert values["host_processor_core_count"] == "8"


def test_a_container_with_a_quota(tmp_path: Path) -> None:
    """The quota stands beside the cores of the machine around it."""
    found = detect(machines.container(tmp_path))
    assert found.facts["container"].value == "Docker"
    assert found.facts["cpu_quota"].value == "2.5 CPUs"
    assert found.facts["host_processor_core_count"].value == "8"
    assert "container" in found.unknown["host_networking"]
    assert "cpufreq" in found.unknown["host_processor_frequency"]


def test_a_recorded_xeon(tmp_path: Path) -> None:
    """Two sockets of a Dell with dmidecode's answer, three cards and a coprocessor."""
    found = detect(machines.recorded(tmp_path, "xeon"))
    values = _values(found)
    assert values["host_processor_model_name"] == "Intel(R) Xeon(R) CPU E5-2680 0 @ 2.70GHz"
    assert values["host_processors_per_node"] == "2"
    assert values["host_processor_core_count"] == "8"
    assert values["threads_per_core"] == "1"
    assert values["host_processor_frequency"] == "2701 MHz maximum, minimum 1200 MHz"
    assert values["host_processor_caches"] == (
        "L1d: 32 KiB × 16, L1i: 32 KiB × 16, L2: 256 KiB × 16, L3: 20 MiB × 2"
    )
    assert values["numa_nodes"] == "2 (node0: CPUs 0-7, 16.0 GiB; node1: CPUs 8-15, 16.0 GiB)"
    assert values["host_memory_capacity"] == "32 GiB"
    assert values["memory_usable"] == "31.3 GiB usable"
    assert values["host_memory_configuration"] == "8 × 4 GiB DDR3-1600"
    assert values["host_storage_capacity"] == "250 GB"
    assert values["host_storage_type"] == "hard disk"
    assert values["disk_controllers"] == "SATA + NVMe"
    assert values["host_network_card_count"] == (
        "1 × 1 Gbit/s Ethernet, 1 × Ethernet, speed not told, 1 × InfiniBand, speed not told"
    )
    assert (values["nics_enabled_os"], values["nics_enabled_connected"]) == ("2", "2")
    assert values["boot_firmware_version"] == "Dell Inc. 1.0.30 08/06/2012"
    assert values["machine_model"] == "Dell DCS8000Z"
    assert values["virtualisation"] == "none"
    assert "1 × Intel" in found.unknown["accelerators_per_node"]
    assert found.unknown["memory_ecc"] == "dmidecode is not installed"


def test_a_recorded_arm_machine(tmp_path: Path) -> None:
    """Fast and slow cores with caches of their own; its GPU is in no recorded file."""
    found = detect(machines.recorded(tmp_path, "gb10"))
    values = _values(found)
    assert values["machine_model"] == "NVIDIA_DGX_Spark"
    assert values["host_processors_per_node"] == "1"
    assert values["host_processor_core_count"] == "20"
    assert values["host_processor_frequency"] == "2808 / 3900 MHz maximum, minimum 338 MHz"
    assert values["host_processor_caches"] == (
        "L1d: 64 KiB × 20, L1i: 64 KiB × 20, L2: 512 KiB × 10 + 2 MiB × 10, "
        "L3: 8 MiB × 1 + 16 MiB × 1"
    )
    assert values["host_memory_capacity"] == "119.7 GiB usable"
    assert "virtualisation" not in values
    assert "lscpu" in found.unknown["host_processor_model_name"]


@pytest.mark.parametrize(("name", "quota"), [("vm", None), ("container", "1.5 CPUs")])
def test_a_recorded_virtual_machine_and_a_container_in_it(
    tmp_path: Path, name: str, quota: str | None
) -> None:
    """No firmware tables name the hypervisor, lscpu does; the container's group has a quota."""
    found = detect(machines.recorded(tmp_path, name))
    values = _values(found)
    assert found.facts["virtualisation"].source == "/proc/cpuinfo flags, lscpu -J"
    assert values["virtualisation"] == "KVM"
    assert values["container"] == "Docker"
    assert values.get("cpu_quota") == quota
    assert values["host_processor_vcpu_count"] == "2"
    assert values["host_storage_capacity"] == "275 GB"
    assert values["filesystem"] == "ext4"
    assert values["accelerators_per_node"] == "0"
    assert "virtual" in found.unknown["host_storage_type"]
    assert "cpufreq" in found.unknown["host_processor_frequency"]
    load = load_now(Machine(tmp_path))
    assert 0 < load.steal_ticks < load.total_ticks


@pytest.mark.parametrize("name", machines.RECORDED)
def test_recording_a_recording_gives_the_same(tmp_path: Path, name: str) -> None:
    """What the recorder takes is what detection needs: both see the same machine."""
    first = machines.recorded(tmp_path / "first", name)
    taken = record(Machine(first))
    machines.write(tmp_path / "second", {k: v for k, v in taken.items() if not k.endswith("/")})
    for path in taken:
        if path.endswith("/"):
            (tmp_path / "second" / path).mkdir(parents=True, exist_ok=True)
    for command in (first / "commands").glob("*"):
        machines.write(tmp_path / "second", {f"commands/{command.name}": command.read_text()})
    assert detect(tmp_path / "second") == detect(first)
    assert "Serial Number: removed" in "".join(taken.values()) or "Serial" not in str(taken)


def test_nvml_s_answers_are_recorded_as_they_are_read(tmp_path: Path) -> None:
    """The recording of a recording is the same; without a driver there is nothing to record."""
    answers = json.loads((machines.eight_gpus(tmp_path) / "commands/nvml.json").read_text())
    assert nvml_answers(RecordedNvml(answers)) == answers
    assert nvml_answers(_nvml()) == {}


def test_older_dmidecode_has_other_names(tmp_path: Path) -> None:
    """Its clock speed in MHz is what the modules run at, not what they could."""
    block = (
        "Handle 0x1117, DMI type 17, 40 bytes\nMemory Device\n\tSize: 4096 MB\n\tType: DDR3\n"
        "\tSpeed: 1333 MHz\n\tManufacturer: HP\n\tConfigured Clock Speed: 1067 MHz"
    )
    values = _values(detect(machines.write(tmp_path, {"commands/dmidecode_-t_17": block})))
    assert values["host_memory_configuration"] == "1 × 4 GiB DDR3-1067"


def test_power_supplies_as_dmidecode_tells_them(tmp_path: Path) -> None:
    """Number and rating of those that are there, maker and model beside them."""
    block = (
        "Handle 0x{0:04X}, DMI type 39, 22 bytes\nSystem Power Supply\n\tPower Unit Group: 1\n"
        "\tLocation: PSU{0}\n\tManufacturer: DELL\n\tModel Part Number: 0CMPGMA01\n"
        "\tMax Power Capacity: 1400 W\n\tStatus: {1}\n\tType: Switching"
    )
    states = ("Present, OK", "Present, OK", "Not Present")
    text = "\n\n".join(block.format(n, state) for n, state in enumerate(states))
    values = _values(detect(machines.write(tmp_path, {"commands/dmidecode_-t_39": text})))
    assert values["power_supply_quantity_and_rating_watts"] == "2 × 1400 W"
    assert values["power_supply_details"] == "DELL 0CMPGMA01"


def test_a_coprocessor_is_an_accelerator_unless_it_does_cryptography(tmp_path: Path) -> None:
    """NEC's vector engines count, Intel's QuickAssist does not."""
    device = "sys/bus/pci/devices/0000:1b:00.0"
    files = {
        f"{device}/class": "0x0b4000",
        f"{device}/vendor": "0x1bcf",
        f"{device}/device": "0x001c",
    }
    found = detect(machines.write(tmp_path / "ve", files))
    assert "1 × PCI vendor 0x1bcf" in found.unknown["accelerators_per_node"]
    files |= {f"{device}/vendor": "0x8086", f"{device}/device": "0x4940"}
    found = detect(machines.write(tmp_path / "qat", files))
    assert found.facts["accelerators_per_node"].value == "0"


def test_an_npu_is_an_accelerator_and_what_has_no_driver_is_not_left_out(tmp_path: Path) -> None:
    """The kernel names its driver; a GPU beside it that no driver shows keeps the number open."""
    npu, gpu = (f"sys/bus/pci/devices/0000:0{number}:00.0" for number in (1, 2))
    files = {
        f"{npu}/class": "0x120000",
        f"{npu}/vendor": "0x8086",
        "sys/class/accel/accel0/device/uevent": "DRIVER=intel_vpu\nPCI_ID=8086:7D1D\n",
    }
    values = _values(detect(machines.write(tmp_path / "npu", files)))
    assert values["accelerators_per_node"] == "1"
    assert values["accelerator_model_name"] == "Intel NPU"
    files |= {f"{gpu}/class": "0x030200", f"{gpu}/vendor": "0x10de"}
    found = detect(machines.write(tmp_path / "both", files))
    assert "1 × NVIDIA" in found.unknown["accelerators_per_node"]


def test_a_virtual_machine(tmp_path: Path) -> None:
    """A hypervisor is named; of a virtual disk the kind is not guessed."""
    found = detect(machines.virtual(tmp_path))
    assert found.facts["virtualisation"].value == "QEMU"
    assert found.facts["host_storage_capacity"].value == "21 GB"
    assert "virtual" in found.unknown["host_storage_type"]


def test_eight_gpus(tmp_path: Path) -> None:
    """NVML's answers become the fields of accelerators."""
    found = detect(machines.eight_gpus(tmp_path))
    values = _values(found)
    assert values["accelerators_per_node"] == "8"
    assert values["accelerator_model_name"] == "NVIDIA H100 80GB HBM3"
    assert values["accelerator_memory_capacity"] == "80 GiB"
    assert values["accelerator_host_interconnect"] == "PCIe Gen5 x16"
    assert values["accelerator_interconnect"] == "NVLink, 18 links"
    assert values["other_software_stack"] == "NVIDIA driver 550.90.07"
    assert values["accelerator_frequency"] == "1980 MHz maximum"
    assert values["accelerator_memory_configuration"] == "2619 MHz, ECC enabled"
    assert values["accelerator_firmware"] == "96.00.5E.00.01"
    assert found.unknown["accelerator_on-chip_memories"] == "NVML does not say"


@pytest.mark.long
def test_gpus_without_nvml_are_named_by_the_bus(tmp_path: Path) -> None:
    """Their number is left to the user, and both what was seen and what is missing are told."""
    machines.eight_gpus(tmp_path)
    (tmp_path / "commands/nvml.json").unlink()
    found = detect(tmp_path)
    assert "accelerators_per_node" not in found.facts
    reason = found.unknown["accelerators_per_node"]
    assert "8 × NVIDIA" in reason
    assert "NVML" in reason


def test_gpus_without_nvml_are_named_by_their_driver(tmp_path: Path) -> None:
    """The kernel driver's own files need no library."""
    for number in range(2):
        name = f"proc/driver/nvidia/gpus/0000:0{number}:00.0/information"
        machines.write(tmp_path, {name: "Model: \t\t NVIDIA L4\nIRQ:   24"})
    values = _values(detect(tmp_path))
    assert values["accelerators_per_node"] == "2"
    assert values["accelerator_model_name"] == "NVIDIA L4"


def test_amd_and_intel_devices_are_told_by_their_tools(tmp_path: Path) -> None:
    """rocm-smi and xpu-smi answer in JSON."""
    rocm = '{"card0": {"Card Series": "MI300X", "VRAM Total Memory (B)": "206158430208"}}'
    amd = machines.write(
        tmp_path / "amd", {"commands/rocm-smi_--showproductname_--showmeminfo_vram_--json": rocm}
    )
    values = _values(detect(amd))
    assert values["accelerator_model_name"] == "MI300X"
    assert values["accelerator_memory_capacity"] == "192 GiB"
    xpu = '{"device_list": [{"device_name": "Max 1550"}, {"device_name": "Max 1100"}]}'
    intel = machines.write(tmp_path / "intel", {"commands/xpu-smi_discovery_-j": xpu})
    assert _values(detect(intel))["accelerator_model_name"] == "1 × Max 1550 + 1 × Max 1100"


@pytest.mark.parametrize(
    "device", ["nvidia0", "kfd", "accel/accel0", "dri/renderD128", "habanalabs0"]
)
def test_an_accelerator_is_not_counted_as_none(tmp_path: Path, device: str) -> None:
    """With a device node of an accelerator, their number is left to the user."""
    found = detect(machines.write(tmp_path, {f"dev/{device}": ""}))
    assert "accelerators_per_node" not in found.facts
    assert f"/dev/{device}" in found.unknown["accelerators_per_node"]


def test_uneven_sockets_have_no_core_count(tmp_path: Path) -> None:
    """One number cannot describe processors that differ."""
    topology = "sys/devices/system/cpu/cpu160/topology"
    machines.xeon(tmp_path)
    machines.write(tmp_path, {f"{topology}/physical_package_id": "1", f"{topology}/core_id": "99"})
    found = detect(tmp_path)
    assert found.facts["host_processors_per_node"].value == "2"
    assert found.unknown["host_processor_core_count"] == "the processors differ: 40, 41 cores"


@pytest.mark.parametrize("text", ["", "garbage", "model name:", "MemTotal: many kB", "{}", "[1]"])
def test_files_of_another_form_are_no_facts(tmp_path: Path, text: str) -> None:
    """An empty or strange file is no fact and no crash; each lost field has its reason."""
    names = (
        "proc/cpuinfo",
        "proc/meminfo",
        "etc/os-release",
        "commands/lscpu_-J",
        "commands/dmidecode_-t_17",
        "sys/block/sda/size",
        "sys/fs/cgroup/cpu.max",
        "commands/xpu-smi_discovery_-j",
    )
    found = detect(machines.write(tmp_path, dict.fromkeys(names, text)))
    told = {field for field, fact in found.facts.items() if fact.value not in ("N/A", "0", "1")}
    assert told == set()
    for field in (
        "host_processor_model_name",
        "host_memory_capacity",
        "operating_system",
        "host_storage_capacity",
        "host_memory_configuration",
    ):
        assert found.unknown[field]


def test_this_machine_is_detected() -> None:
    """On the machine of the tests the important facts are found, and nothing identifies it."""
    found = detect()
    assert {"host_memory_capacity", "operating_system", "host_processors_per_node"} <= set(
        found.facts
    )
    assert (host_facts().cpus_usable or 0) >= 1
    host = host_facts().to_dict()
    assert not {"hostname", "node", "serial", "user"} & set(host)
    assert os.uname().nodename not in " ".join(map(str, host.values())).split()


def test_a_tool_that_is_absent_or_fails_is_named() -> None:
    """The answer says which tool and what it said."""
    machine = Machine()
    assert machine.ask("no-such-tool-here").problem == "no-such-tool-here is not installed"
    assert machine.ask("false").problem == "false: exit 1"
    assert "cannot access" in machine.ask("ls", "/no/such/path").problem
    assert machine.ask("echo", "yes").text == "yes"
    denied = machine.ask("sh", "-c", "echo /dev/mem: Permission denied >&2; exit 1")
    assert denied.problem == "sh: /dev/mem: Permission denied (needs root)"
    assert "not asked" in Machine(tools=False).ask("echo").problem


class _NvmlError(Exception):
    pass


def _nvml(**answers: Any) -> Any:
    """A module with NVML's functions; a function without an answer refuses, as NVML does."""

    def function(name: str) -> Any:
        def call(*_: Any) -> Any:
            if name not in answers:
                raise _NvmlError("Not Supported")
            return answers[name]

        return call

    names = (
        "Init",
        "Shutdown",
        "SystemGetDriverVersion",
        "DeviceGetCount",
        "DeviceGetHandleByIndex",
        "DeviceGetName",
        "DeviceGetMemoryInfo",
        "DeviceGetMaxPcieLinkGeneration",
        "DeviceGetMaxPcieLinkWidth",
        "DeviceGetEccMode",
        "DeviceGetNvLinkState",
        "DeviceGetMaxClockInfo",
        "DeviceGetVbiosVersion",
    )
    functions = {f"nvml{name}": function(name) for name in names}
    return SimpleNamespace(
        NVMLError=_NvmlError, NVML_CLOCK_GRAPHICS=0, NVML_CLOCK_MEM=2, **functions
    )


def test_nvml_functions_that_refuse_leave_their_field_empty() -> None:
    """A device may refuse any question; names may be bytes."""
    base = {
        "Init": None,
        "Shutdown": None,
        "SystemGetDriverVersion": b"550.1",
        "DeviceGetCount": 1,
        "DeviceGetHandleByIndex": "h",
        "DeviceGetName": b"T4",
    }
    found = read_gpus_from(_nvml(**base))
    assert found.driver == "550.1"
    assert found.devices == (Gpu("T4"),)
    full = read_gpus_from(
        _nvml(
            **base,
            DeviceGetMemoryInfo=SimpleNamespace(total=16),
            DeviceGetEccMode=[1, 1],
            DeviceGetMaxPcieLinkGeneration=3,
            DeviceGetMaxPcieLinkWidth=16,
            DeviceGetNvLinkState=1,
            DeviceGetMaxClockInfo=1590,
        )
    )
    assert full.devices == (Gpu("T4", 16, 1590, 1590, "PCIe Gen3 x16", 18, "enabled"),)


def test_without_a_driver_nvml_says_why() -> None:
    """The problem is NVML's own word."""
    assert read_gpus_from(_nvml()).problem == "NVML: Not Supported"
