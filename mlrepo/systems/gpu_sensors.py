"""What NVIDIA devices do at a moment: load, clock, temperature, and whether they are held back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Reasons for which a device runs slower than it could (nvml.h, nvmlClocksThrottleReason…): power
# cap, hardware slowdown, temperature by software and by hardware, power brake.
HELD_BACK = 0x4 | 0x8 | 0x20 | 0x40 | 0x80

# NVML_CLOCK_GRAPHICS and NVML_TEMPERATURE_GPU.
_GRAPHICS = _CHIP = 0


@dataclass(frozen=True)
class GpuReading:
    """All devices of a machine at a moment; None for what none of them answers.

    Attributes
    ----------
    busy:
        The mean share of the time in which they worked.
    mhz:
        The lowest clock.
    celsius:
        The highest temperature.
    held_back:
        How many are slowed down by power or temperature.
    """

    busy: float | None = None
    mhz: float | None = None
    celsius: float | None = None
    held_back: float | None = None


class GpuSensors:
    """The devices that NVML knows; none without package, library or driver.

    ``library`` is a module with NVML's functions; the installed one if absent.
    """

    def __init__(self, library: Any = None) -> None:
        self._library: Any = library
        self._handles: Sequence[Any] = ()
        try:
            if library is None:
                import pynvml

                self._library = pynvml
            self._library.nvmlInit()
        except Exception:  # detection says why; a run must not end for want of a sensor
            return
        with contextlib.suppress(self._library.NVMLError):
            count = self._library.nvmlDeviceGetCount()
            self._handles = [self._library.nvmlDeviceGetHandleByIndex(n) for n in range(count)]

    def read(self) -> GpuReading:
        """Return what the devices do now; each question takes less than a millisecond."""
        busy = self._ask("UtilizationRates")
        clocks = self._ask("ClockInfo", _GRAPHICS)
        heat = self._ask("Temperature", _CHIP)
        reasons = self._ask("CurrentClocksThrottleReasons")
        return GpuReading(
            sum(one.gpu for one in busy) / len(busy) / 100 if busy else None,
            min(clocks, default=None),
            max(heat, default=None),
            sum(bool(one & HELD_BACK) for one in reasons) if reasons else None,
        )

    def close(self) -> None:
        """Leave NVML."""
        if self._handles:
            self._handles = ()
            with contextlib.suppress(self._library.NVMLError):
                self._library.nvmlShutdown()

    def _ask(self, question: str, *arguments: Any) -> list[Any]:
        """Return the answers of the devices that answer; a release may lack a question."""
        function: Any = getattr(self._library, f"nvmlDeviceGet{question}", None)
        found = []
        for handle in self._handles if function is not None else ():
            with contextlib.suppress(self._library.NVMLError):
                found.append(function(handle, *arguments))
        return found
