"""What disturbs a measurement: other processes, stolen time, heat, throttling, changing clocks.

Counters are read before and after a run and sampled now and then during it; the readings cost
milliseconds. What counts as quiet is in :data:`LIMITS`. A process sees neither those
of another container nor those that came and went, so the machine's own counter is compared with
what is accounted for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from mlrepo.limits import machine_cpus
from mlrepo.record import LoadReading
from mlrepo.systems import neighbours
from mlrepo.systems.machine import Machine

_CPU = "sys/devices/system/cpu"
# Shares of the time of all CPUs, except the single process, a share of one CPU.
LIMITS: Mapping[str, float] = {"others": 0.05, "process": 0.25, "unseen": 0.05, "steal": 0.01}
_SAMPLE_SECONDS = 5.0
# A machine has thousands of processes; looking at them may take a hundredth of one CPU.
_COST = 100
_GLANCE_SECONDS = 1.0
_LISTED = 5
# What the command line of a running benchmark names (mlrepo.harness.child).
BENCHMARK = "mlrepo.harness.child"


def load_now(machine: Machine | None = None) -> LoadReading:
    """Return load averages and the counters of CPU time."""
    machine = machine or Machine()
    fields = [int(x) for x in machine.text("proc/stat").partition("\n")[0].split()[1:9]]
    # user, nice, system, idle, iowait, irq, softirq, steal
    idle = sum(fields[3:5]) if len(fields) >= 5 else 0
    loads = machine.text("proc/loadavg").split()[:3]
    return LoadReading(
        loadavg=tuple(round(float(load), 2) for load in loads),
        busy_ticks=sum(fields) - idle,
        total_ticks=sum(fields),
        steal_ticks=fields[7] if len(fields) >= 8 else 0,
    )


class ProcessLoad(TypedDict):
    """A process and the CPUs that it used on average."""

    name: str
    cpus: float


class NoiseReading(TypedDict):
    """What was seen beside the own processes; shares are of one, clocks in MHz, heat in Celsius.

    None where the machine has no such sensor.
    """

    seconds: float
    loadavg: list[float]
    steal_share: float
    throttle_events: int | None
    mhz: Mapping[str, object] | None
    celsius: Mapping[str, object] | None
    others: list[ProcessLoad]
    others_cpus: float
    unseen_cpus: float
    benchmarks: list[str]


class NoiseReport(NoiseReading):
    """The same, with one sentence per thing that was not quiet."""

    disturbances: list[str]


@dataclass(frozen=True)
class Reading:
    """Clocks in MHz, the highest temperature in degrees Celsius, throttle events since boot.

    None where the machine has no such sensor.
    """

    mhz: tuple[float, float] | None
    celsius: float | None
    throttled: int | None


def read_sensors(machine: Machine) -> Reading:
    """Read clocks (lowest and highest of all CPUs), temperature and throttle counters."""
    clocks = [
        value / 1000
        for path in machine.glob(f"{_CPU}/cpufreq/policy[0-9]*/scaling_cur_freq")
        if (value := machine.number(path))
    ]
    heat = [
        value / 1000
        for path in machine.glob("sys/class/thermal/thermal_zone[0-9]*/temp")
        if (value := machine.number(path)) and 0 < value < 200_000
    ]
    counters = [
        value
        for path in machine.glob(f"{_CPU}/cpu[0-9]*/thermal_throttle/*_throttle_count")
        if (value := machine.number(path)) is not None
    ]
    return Reading(
        (min(clocks), max(clocks)) if clocks else None,
        max(heat) if heat else None,
        sum(counters) if counters else None,
    )


@dataclass
class NoiseMeter:
    """Watches one run; :meth:`sample` is called often and reads seldom."""

    machine: Machine = field(default_factory=Machine)

    def __post_init__(self) -> None:
        self._begin = time.monotonic()
        self._since = neighbours.now()
        self._processes = _process_seconds()
        self._seen = dict(self._processes)  # as last read; some of them have ended since
        self._benchmarks = dict.fromkeys(other_benchmarks())
        self._own = sum(os.times()[:4])
        self._load = load_now(self.machine)
        self._readings = [read_sensors(self.machine)]
        self._next = time.monotonic() + _SAMPLE_SECONDS

    def sample(self) -> None:
        """Read sensors and processes, at most every five seconds."""
        begin = time.monotonic()
        if begin >= self._next:
            self._read()
            end = time.monotonic()
            self._next = end + max(_SAMPLE_SECONDS, _COST * (end - begin))

    def _read(self) -> None:
        self._readings.append(read_sensors(self.machine))
        self._seen |= _process_seconds()
        self._benchmarks |= dict.fromkeys(other_benchmarks(self._since))

    def report(self) -> NoiseReport:
        """Return what was seen until now, and under ``disturbances`` what was not quiet."""
        seconds = max(time.monotonic() - self._begin, 1e-3)
        self._read()
        load = load_now(self.machine)
        own = sum(os.times()[:4]) - self._own
        others = _others(self._processes, self._seen, seconds)
        others_cpus = sum(cpus for _, cpus in others)
        unseen = _busy_seconds(self._load, load) - own - others_cpus * seconds
        ticks = load.total_ticks - self._load.total_ticks
        stolen = load.steal_ticks - self._load.steal_ticks
        first, last = self._readings[0], self._readings[-1]
        throttled = (
            last.throttled - first.throttled
            if last.throttled is not None and first.throttled is not None
            else None
        )
        clocks = [reading.mhz for reading in self._readings if reading.mhz]
        heat = [reading.celsius for reading in self._readings if reading.celsius is not None]
        found: NoiseReading = {
            "seconds": round(seconds, 2),
            "loadavg": list(load.loadavg),
            "steal_share": round(stolen / ticks, 4) if ticks > 0 else 0.0,
            "throttle_events": throttled,
            "mhz": {
                "before": first.mhz,
                "lowest": min(low for low, _ in clocks),
                "highest": max(high for _, high in clocks),
                "after": last.mhz,
            }
            if clocks
            else None,
            "celsius": {"before": first.celsius, "highest": max(heat), "after": last.celsius}
            if heat
            else None,
            "others": [{"name": name, "cpus": cpus} for name, cpus in others[:_LISTED]],
            "others_cpus": round(others_cpus, 3),
            "unseen_cpus": round(max(0.0, unseen) / seconds, 3),
            "benchmarks": list(self._benchmarks),
        }
        return {**found, "disturbances": disturbances(found)}


def disturbances(report: NoiseReading) -> list[str]:
    """Return one sentence per thing that was beyond :data:`LIMITS`."""
    found = []
    if names := report["benchmarks"]:
        what = "another benchmark" if len(names) == 1 else f"{len(names)} other benchmarks"
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        found.append(f"{what} of mlrepo ran: {', '.join(names[:_LISTED])}{more}")
    cpus = machine_cpus()
    if report["others_cpus"] > LIMITS["others"] * cpus:
        found.append(f"other processes used {report['others_cpus']:.2f} of {cpus} CPUs")
    busy = [other for other in report["others"] if other["cpus"] > LIMITS["process"]]
    if busy:
        used = (f"{other['name']} used {other['cpus']:.2f} of a CPU" for other in busy)
        found.append(f"the process{'es' if len(busy) > 1 else ''} {', '.join(used)}")
    if report["unseen_cpus"] > LIMITS["unseen"] * cpus:
        found.append(
            f"{report['unseen_cpus']:.2f} of {cpus} CPUs were used by no process here: by another "
            "container, short-lived processes or the kernel"
        )
    if report["steal_share"] > LIMITS["steal"]:
        found.append(f"the host took away {report['steal_share']:.1%} of the CPU time")
    if report["throttle_events"]:
        found.append(f"processors were throttled {report['throttle_events']} times")
    return found


def other_benchmarks(since: float | None = None) -> list[str]:
    """Return the benchmarks of mlrepo on this machine that are not ours: process and user.

    With ``since`` (:func:`neighbours.now`) also those that ended after it. Versions of mlrepo that
    announce no benchmark are found by their command line.
    """
    announced = neighbours.neighbours(since)
    return [*map(str, announced), *_unannounced({one.pid for one in announced})]


def _unannounced(announced: Collection[int]) -> Iterator[str]:
    import psutil

    ours = _own_processes()
    for process in psutil.process_iter():
        if process.pid in ours:
            continue
        try:
            if (
                process.name().startswith("python")
                and BENCHMARK in process.cmdline()
                and not any(parent.pid in announced for parent in process.parents())
            ):
                yield f"process {process.pid} of {process.username()}"
        except psutil.Error:  # ended meanwhile, or hidden from this user
            continue


def glance(machine: Machine | None = None) -> list[str]:
    """Watch the machine for a second and return what is not quiet now."""
    meter = NoiseMeter(machine or Machine())
    time.sleep(_GLANCE_SECONDS)
    return list(meter.report()["disturbances"])


def _busy_seconds(before: LoadReading, after: LoadReading) -> float:
    """Return the CPU seconds that the machine worked: for us, for others, for its kernel."""
    ticks = after.busy_ticks - before.busy_ticks
    stolen = after.steal_ticks - before.steal_ticks
    return float(ticks - stolen) / os.sysconf("SC_CLK_TCK")


def _process_seconds() -> dict[tuple[int, float], tuple[str, float]]:
    """Return name and CPU seconds of every process that is not ours, by id and start."""
    import psutil

    ours = _own_processes()
    found = {}
    for process in psutil.process_iter(["name", "cpu_times", "create_time"]):
        times = process.info["cpu_times"]
        if process.pid in ours or times is None:
            continue
        key = (process.pid, process.info["create_time"])
        found[key] = (str(process.info["name"]), times.user + times.system)
    return found


def _own_processes() -> set[int]:
    import psutil

    own = os.getpid()
    return {own, *(child.pid for child in psutil.Process(own).children(recursive=True))}


def _others(
    before: Mapping[tuple[int, float], tuple[str, float]],
    after: Mapping[tuple[int, float], tuple[str, float]],
    seconds: float,
) -> list[tuple[str, float]]:
    """Return (name, CPUs used) of the processes that worked meanwhile, the busiest first."""
    used = [
        (name, round((now - before.get(key, ("", 0.0))[1]) / seconds, 3))
        for key, (name, now) in after.items()
    ]
    return sorted((entry for entry in used if entry[1] > 0), key=lambda entry: -entry[1])
