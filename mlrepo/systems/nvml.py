"""NVIDIA devices through NVML (``nvidia-ml-py``), each missing answer with its reason.

NVML functions fail one by one: a device in a MIG slice has no PCIe width, a board without NVLink
refuses every link. A question that a device refuses leaves its field empty.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

_MAX_LINKS = 18


@dataclass(frozen=True)
class Gpu:
    """One device.

    Attributes
    ----------
    memory:
        Bytes; 0 if the device does not report it.
    graphics_mhz, memory_mhz:
        The highest clocks.
    pcie:
        Such as ``PCIe Gen5 x16``: what the device can do at most.
    links:
        Active NVLinks.
    ecc:
        ``enabled``, ``disabled`` or empty.
    firmware:
        The VBIOS version.
    """

    name: str
    memory: int = 0
    graphics_mhz: int = 0
    memory_mhz: int = 0
    pcie: str = ""
    links: int = 0
    ecc: str = ""
    firmware: str = ""


@dataclass(frozen=True)
class Gpus:
    """The driver's version and all its devices, or why there is no answer."""

    driver: str = ""
    devices: tuple[Gpu, ...] = ()
    problem: str = ""


def read_gpus() -> Gpus:
    """Ask NVML; without package, library or driver the problem says which is missing."""
    try:
        import pynvml
    except ImportError:
        return Gpus(problem="nvidia-ml-py is not installed (pip install 'mlrepo[nvidia]')")
    return read_gpus_from(pynvml)


def read_gpus_from(library: Any) -> Gpus:
    """Ask a module with NVML's functions."""
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        return Gpus(problem=f"NVML: {error}")
    try:
        driver = _text(library.nvmlSystemGetDriverVersion())
        handles = map(library.nvmlDeviceGetHandleByIndex, range(library.nvmlDeviceGetCount()))
        return Gpus(driver, tuple(_gpu(library, handle) for handle in handles))
    except library.NVMLError as error:
        return Gpus(problem=f"NVML: {error}")
    finally:
        library.nvmlShutdown()


class RecordedNvml:
    """NVML's functions as a recorded machine answered them; what is not recorded refuses.

    ``answers`` holds ``nvmlSystemGetDriverVersion`` and ``devices``, a mapping for each by the name
    of the function; where a function takes a further argument, its answers by that argument.
    """

    NVML_CLOCK_GRAPHICS, NVML_CLOCK_MEM = 0, 2

    class NVMLError(Exception):
        """What NVML raises."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(self._answer, name)

    def _answer(self, name: str, handle: int | None = None, argument: int | None = None) -> Any:
        if name in ("nvmlInit", "nvmlShutdown"):
            return None
        if name == "nvmlDeviceGetCount":
            return len(self._answers["devices"])
        if name == "nvmlDeviceGetHandleByIndex":
            return handle
        given = self._answers if handle is None else self._answers["devices"][handle]
        found = given.get(name)
        if argument is not None and found is not None:
            found = found.get(str(argument))
        if found is None:
            raise self.NVMLError("Not Supported")
        return SimpleNamespace(**found) if isinstance(found, dict) else found


def _gpu(library: Any, handle: Any) -> Gpu:
    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(handle, *arguments)
        except library.NVMLError:
            return None

    memory = ask(library.nvmlDeviceGetMemoryInfo)
    generation = ask(library.nvmlDeviceGetMaxPcieLinkGeneration)
    width = ask(library.nvmlDeviceGetMaxPcieLinkWidth)
    ecc = ask(library.nvmlDeviceGetEccMode)  # [current, pending]
    links = [ask(library.nvmlDeviceGetNvLinkState, link) for link in range(_MAX_LINKS)]
    return Gpu(
        name=_text(ask(library.nvmlDeviceGetName)),
        memory=int(memory.total) if memory else 0,
        graphics_mhz=ask(library.nvmlDeviceGetMaxClockInfo, library.NVML_CLOCK_GRAPHICS) or 0,
        memory_mhz=ask(library.nvmlDeviceGetMaxClockInfo, library.NVML_CLOCK_MEM) or 0,
        pcie=f"PCIe Gen{generation} x{width}" if generation and width else "",
        links=sum(1 for state in links if state),
        ecc={1: "enabled", 0: "disabled"}.get(ecc[0], "") if ecc else "",
        firmware=_text(ask(library.nvmlDeviceGetVbiosVersion)),
    )


def _text(value: Any) -> str:
    """Return a text; older releases of the package answer in bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
