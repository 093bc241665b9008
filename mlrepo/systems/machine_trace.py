"""The machine over the time of a run: load, clocks, temperature and throttling, now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mlrepo.latencies.documents import Series
from mlrepo.systems.gpu_sensors import GpuReading, GpuSensors
from mlrepo.systems.machine import Machine
from mlrepo.systems.noise import Reading, load_now, read_sensors

_FIRST_SECONDS = 0.5
# When there are so many readings, every second one goes, and the next ones are half as dense.
_MOST = 240
# Reading may take a hundredth of one CPU; a machine with hundreds of them has thousands of files.
_COST = 100


class _Moment(NamedTuple):
    time: float
    busy: int
    total: int
    sensors: Reading
    gpus: GpuReading


@dataclass
class MachineTrace:
    """Reads the machine during one run; :meth:`sample` is called often and reads seldom.

    ``gpus`` are read for a run on such devices.
    """

    machine: Machine = field(default_factory=Machine)
    gpus: GpuSensors | None = None

    def __post_init__(self) -> None:
        self._moments: list[_Moment] = []
        self._interval, self._next = _FIRST_SECONDS, 0.0

    def sample(self) -> None:
        """Read the machine if it is time to."""
        begin = time.monotonic()
        if begin < self._next:
            return
        self._read()
        end = time.monotonic()
        self._next = begin + max(self._interval, _COST * (end - begin))

    def close(self) -> None:
        """Leave the devices' library."""
        if self.gpus is not None:
            self.gpus.close()

    def _read(self) -> None:
        load, sensors = load_now(self.machine), read_sensors(self.machine)
        gpus = self.gpus.read() if self.gpus else GpuReading()
        self._moments.append(_Moment(time.time(), load.busy_ticks, load.total_ticks, sensors, gpus))
        if len(self._moments) >= _MOST:
            self._moments = self._moments[::2]
            self._interval *= 2

    def series(self) -> Series:
        """Return what was read, by the time of day in seconds since 1970.

        ``busy`` (a share of all CPUs) and ``throttle_events`` are since the reading before. What
        the machine has no sensor for has no column.
        """
        moments = self._moments
        sensors = [moment.sensors for moment in moments]
        columns: dict[str, Sequence[float | None]] = {
            "busy": [None, *map(_busy, moments, moments[1:])] if moments else [],
            "lowest_mhz": [one.mhz[0] if one.mhz else None for one in sensors],
            "highest_mhz": [one.mhz[1] if one.mhz else None for one in sensors],
            "celsius": [one.celsius for one in sensors],
            "throttle_events": [None, *map(_throttled, sensors, sensors[1:])] if sensors else [],
            "gpu_busy": [moment.gpus.busy for moment in moments],
            "gpu_mhz": [moment.gpus.mhz for moment in moments],
            "gpu_celsius": [moment.gpus.celsius for moment in moments],
            "gpus_held_back": [moment.gpus.held_back for moment in moments],
        }
        return Series(
            tuple(moment.time for moment in moments),
            {
                name: tuple(values)
                for name, values in columns.items()
                if any(value is not None for value in values)
            },
        )


def _busy(before: _Moment, after: _Moment) -> float | None:
    ticks = after.total - before.total
    return (after.busy - before.busy) / ticks if ticks > 0 else None


def _throttled(before: Reading, after: Reading) -> float | None:
    if before.throttled is None or after.throttled is None:
        return None
    return max(0.0, after.throttled - before.throttled)
