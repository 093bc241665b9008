"""Whether a description can be of a machine, in different words and views of the hardware."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.record import HostFacts
from mlrepo.systems.detect import host_facts
from mlrepo.systems.hardware import hardware_facts, match_hardware, recorded_facts, sizes
from mlrepo.systems.machine import Fact, Machine
from mlrepo.systems.past import past_systems
from mlrepo.systems.processor_names import can_be_one, hides_model
from tests import machines


def _facts(**values: object) -> dict[str, Fact]:
    return {field: Fact(str(value), "here") for field, value in values.items()}


def _contradicted(description: dict[str, object], **facts: object) -> list[str]:
    match = match_hardware(description, _facts(**facts))
    return [one.field for one in match.contradictions]


@pytest.mark.parametrize(
    ("written", "detected"),
    [
        ("AMD EPYC 7763 (Milan, Zen3)", "AMD EPYC 7763 64-Core Processor"),
        ("2xAMD EPYC 9655", "AMD EPYC 9655 96-Core Processor"),
        ("Intel Xeon Platinum 8480", "Intel(R) Xeon(R) Platinum 8480+"),
        ("Intel Core i7-12700 2.1GHz", "12th Gen Intel(R) Core(TM) i7-12700"),
        ("Xeon Platinum 8273CL", "Intel(R) Xeon(R) CPU @ 2.20GHz"),
        ("Intel Xeon Gold 6148", "Intel Xeon Processor (Skylake, IBRS)"),
        ("AMD EPYC 7763", "AMD EPYC-Milan Processor"),
        ("AMD EPYC 7763", "QEMU Virtual CPU version 2.5+"),
        ("Ampere Altra Q80-30", "Neoverse-N1"),
        ("NVIDIA Grace CPU", "Neoverse-V2"),
        ("BCM2712", "Cortex-A76"),
        ("Arm Cortex-A72 MP2 (big); Arm Cortex-A53 MP4 (LITTLE)", "Cortex-A53 + Cortex-A72"),
        ("NVIDIA A100-SXM-80GB-500W", "NVIDIA A100-SXM4-80GB"),
        ("NVIDIA H200-SXM-141GB", "NVIDIA H200"),
        ("Nvidia T4", "Tesla T4"),
        ("AMD Instinct MI300X 192GB HBM3", "AMD Instinct MI300X OAM"),
    ],
)
def test_names_of_one_device(written: str, detected: str) -> None:
    """Makers, kernels and people write the same processor in many ways."""
    assert can_be_one(written, detected)


@pytest.mark.parametrize(
    ("written", "detected"),
    [
        ("Intel Xeon Platinum 8480+", "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz"),
        ("Intel Xeon E5-2680 v4", "Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz"),
        ("AMD Ryzen 9 7950X", "AMD Ryzen 9 7900X 12-Core Processor"),
        ("AMD EPYC 7763", "Intel(R) Xeon(R) Processor"),
        ("Imaginary 9000", "Intel(R) Xeon(R) Processor"),
        ("Another CPU", "Intel(R) Xeon(R) Processor"),
        ("Intel Core i9-9900K", "Intel(R) Xeon(R) Processor"),
        ("Intel Core i7-8700", "Neoverse-N1"),
        ("Apple M2", "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz"),
        ("Cortex-A72", "Cortex-A76"),
        ("NVIDIA H100", "NVIDIA H200"),
        ("NVIDIA A100-PCIE-80GB", "NVIDIA A100-SXM4-80GB"),
    ],
)
def test_names_of_two_devices(written: str, detected: str) -> None:
    """Another model number, maker or architecture is another device."""
    assert not can_be_one(written, detected)


def test_a_hidden_model_is_remarked_on() -> None:
    """A hypervisor that hides the model proves neither the description nor another machine."""
    shown = "Intel(R) Xeon(R) Processor"
    match = match_hardware(
        {"host_processor_model_name": "Intel Xeon Platinum 8380"},
        _facts(host_processor_model_name=shown),
    )
    assert match.contradictions == ()
    assert len(match.remarks) == 1
    assert shown in match.remarks[0]
    assert not hides_model(shown, shown)


@pytest.mark.parametrize(
    ("written", "sets", "older"),
    [
        ("Intel(R) Xeon(R) CPU E5-2680 0 @ 2.70GHz", "avx2", True),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "avx2", False),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "avx2 avx512f", True),
        ("Intel Xeon Platinum 8168", "avx2 avx512f", False),
        ("Intel Xeon Platinum 8168", "avx2 avx512f avx512_vnni", True),
        ("Intel Xeon Gold 6248R", "avx2 avx512f avx512_vnni", False),
        ("Intel Xeon Platinum 8380", "avx2 avx512f avx512_vnni avx512_vbmi2", False),
        ("Intel Xeon Platinum 8380", "avx2 amx_tile", True),
        ("Intel Xeon Platinum 8480+", "avx2 avx512f amx_tile avx_vnni", False),
        ("AMD EPYC 7763", "avx2 avx512f", True),
        ("AMD EPYC 7H12", "avx2", False),
        ("AMD EPYC 9654", "avx2 avx512f avx512_vnni", False),
        ("AMD EPYC 9654", "avx2 avx512f avx_vnni", True),
        ("AMD EPYC 9655", "avx2 avx512f avx_vnni", False),
        ("Xeon", "avx2 amx_tile", False),
    ],
)
def test_a_hidden_model_may_be_known_to_be_newer(written: str, sets: str, older: bool) -> None:
    """A hypervisor hides what a processor has, and cannot give it what it has not."""
    hidden = {"Intel": "Intel(R) Xeon(R) Processor", "AMD": "AMD EPYC Processor"}
    shown = hidden["AMD" if "AMD" in written else "Intel"]
    found = _contradicted(
        {"host_processor_model_name": written},
        host_processor_model_name=shown,
        instruction_sets=sets,
    )
    assert bool(found) is older


@pytest.mark.parametrize(
    ("written", "detected", "agrees"),
    [
        ("512 GB", "512 GiB", True),
        ("16 x 32 GB", "503.5 GiB usable", True),
        ("12x 64GB + 4 x 32GB", "880 GiB usable", True),
        ("512GB", "1007.5 GiB usable", False),
        ("512 GB", "251.6 GiB usable", False),
        ("23.5 GiB usable", "24 GiB", True),
        ("23.5 GiB usable", "23.4 GiB usable", True),
        ("23.5 GiB usable", "31.2 GiB usable", False),
        ("32 GB", "23.5 GiB usable", False),
        ("24 GB", "23.5 GiB usable", True),
        ("2.16TB", "2015.6 GiB usable", True),
        ("plenty", "23.5 GiB usable", True),
        ("", "23.5 GiB usable", True),
    ],
)
def test_memory_is_that_of_the_machine_but_for_what_is_not_usable(
    written: str, detected: str, agrees: bool
) -> None:
    """Firmware and kernel take a part; what is missing beyond that is another machine's."""
    found = _contradicted({"host_memory_capacity": written}, host_memory_capacity=detected)
    assert bool(found) is not agrees


def test_sizes_in_all_spellings() -> None:
    """Units with and without i and B, products and sums."""
    assert sizes("128G") == sizes("128 GiB") == sizes("4x 32 GB") == (128.0,)
    assert sizes("1.5TiB (2 × 768 GB)") == (1536.0, 1536.0, 3072.0)
    assert sizes("DDR5-4800, 2400 MHz") == ()


@pytest.mark.parametrize(
    ("described", "detected", "used", "contradicted"),
    [
        ("8", "0", False, ["accelerators_per_node"]),
        ("8", "4", False, ["accelerators_per_node"]),
        ("1", "8", True, []),  # a part of the machine, as published rounds have it
        ("0", "1", False, []),
        ("0", "1", True, ["accelerators_per_node"]),
        ("N/A", "1", True, ["accelerators_per_node"]),
        ("N/A", "0", False, []),
        (0, "0", False, []),
        ("several", "0", False, []),
    ],
)
def test_accelerators(
    described: object, detected: str, used: bool, contradicted: list[str]
) -> None:
    """More than there are, or none although the run is on one, is another machine."""
    given = {"accelerators_per_node": described}
    facts = _facts(accelerators_per_node=detected)
    match = match_hardware(given, facts, on_accelerator=used)
    assert [one.field for one in match.contradictions] == contradicted


def test_the_model_and_memory_of_accelerators() -> None:
    """They are compared where both have some."""
    described: dict[str, object] = {
        "accelerators_per_node": "1",
        "accelerator_model_name": "NVIDIA H100",
        "accelerator_memory_capacity": "80 GB",
    }
    here: dict[str, object] = {
        "accelerators_per_node": "1",
        "accelerator_model_name": "NVIDIA H200",
        "accelerator_memory_capacity": "140 GiB",
    }
    assert _contradicted(described, **here) == [
        "accelerator_model_name",
        "accelerator_memory_capacity",
    ]
    assert _contradicted({**here, "accelerator_memory_capacity": "141 GB"}, **here) == []
    # A container was given one of eight.
    eight: dict[str, object] = {"accelerators_per_node": 8}
    assert _contradicted(eight, accelerators_per_node=1, accelerators_on_bus=8) == []


@pytest.mark.parametrize("system", past_systems(), ids=lambda system: system.name)
def test_every_published_description_fits_its_own_machine(system: object) -> None:
    """In whatever way a submitter wrote it."""
    description = system.description  # type: ignore[attr-defined]
    facts = {field: Fact(str(value), "") for field, value in description.items()}
    assert match_hardware(description, facts).contradictions == ()


@pytest.mark.parametrize("make", [machines.xeon, machines.epyc, machines.arm_board])
def test_what_was_detected_fits_the_machine(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """A description that `system add` made is never refused on the machine that it is of."""
    facts = hardware_facts(Machine(make(tmp_path)))
    description = {field: fact.value for field, fact in facts.items()}
    assert match_hardware(description, facts).contradictions == ()


def test_the_machines_differ(tmp_path: Path) -> None:
    """Each contradicts the descriptions of the others, by hardware alone."""
    made = {
        make.__name__: hardware_facts(Machine(make(tmp_path / make.__name__)))
        for make in (machines.xeon, machines.epyc, machines.arm_board)
    }
    for name, facts in made.items():
        description = {field: fact.value for field, fact in facts.items()}
        for other, there in made.items():
            found = {c.field for c in match_hardware(description, there).contradictions}
            assert bool(found) is (name != other)
            assert not found & {"host_storage_capacity", "operating_system", "host_networking"}


_LXCFS = "90 80 0:42 {path} {path} rw - fuse.lxcfs lxcfs rw"


def test_a_container_that_shows_its_share_is_not_another_machine(tmp_path: Path) -> None:
    """With lxcfs ``/proc`` has the container's CPUs and memory: less is a remark, more is not."""
    root = machines.xeon(tmp_path)
    whole = {field: fact.value for field, fact in hardware_facts(Machine(root)).items()}
    larger = {**whole, "host_processor_core_count": "64", "host_memory_capacity": "2 TB"}
    fields = {"host_processor_core_count", "host_memory_capacity"}
    bare = match_hardware(larger, hardware_facts(Machine(root)))
    assert {one.field for one in bare.contradictions} == fields
    lines = "\n".join(_LXCFS.format(path=path) for path in ("/proc/cpuinfo", "/proc/meminfo"))
    machines.write(root, {"proc/self/mountinfo": lines})
    facts = hardware_facts(Machine(root))
    inside = match_hardware(larger, facts)
    assert inside.contradictions == ()
    assert all(any(word in text for text in inside.remarks) for word in ("64", "2 TB"))
    smaller = {**whole, "host_processor_core_count": "8", "host_memory_capacity": "64 GB"}
    assert {one.field for one in match_hardware(smaller, facts).contradictions} == fields


def test_offline_cpus_and_wsl_are_a_share_too(tmp_path: Path) -> None:
    """Fewer cores than described, for a reason that can be read."""
    described: dict[str, object] = {"host_processor_core_count": 8}
    assert _contradicted(described, host_processor_core_count=4) != []
    assert _contradicted(described, host_processor_core_count=4, cpus_online="0-3 of 0-7") == []
    root = machines.xeon(tmp_path)
    kernel = "5.15.153.1-microsoft-standard-WSL2"
    machines.write(root, {"proc/sys/kernel/osrelease": kernel})
    larger: dict[str, object] = {"host_processor_core_count": "64", "host_memory_capacity": "2 TB"}
    assert match_hardware(larger, hardware_facts(Machine(root))).contradictions == ()


def test_a_quota_is_a_remark(tmp_path: Path) -> None:
    """It limits the process, and the machine is the described one."""
    facts = _facts(
        host_processor_vcpu_count=64,
        host_processor_core_count=32,
        cpus_usable=8,
        cpu_quota="8 CPUs",
        memory_usable="503.5 GiB usable",
        memory_limit="32.0 GiB",
    )
    match = match_hardware({"host_processor_core_count": 32}, facts)
    assert match.contradictions == ()
    assert [text.split()[4] for text in match.remarks] == ["8", "32.0"]


def test_a_record_is_compared_as_the_machine_is(tmp_path: Path) -> None:
    """Its host has the same fields, so that runs of before are judged, too."""
    host = HostFacts.from_dict(host_facts(machines.xeon(tmp_path)).to_dict())
    facts = recorded_facts(host, "the record")
    description: dict[str, object] = {field: fact.value for field, fact in facts.items()}
    assert match_hardware(description, facts).contradictions == ()
    description["host_processor_model_name"] = "Intel Xeon Platinum 8480+"
    [one] = match_hardware(description, facts).contradictions
    assert (one.field, one.source) == ("host_processor_model_name", "the record")
    assert match_hardware(description, recorded_facts(HostFacts(), "")).contradictions == ()
