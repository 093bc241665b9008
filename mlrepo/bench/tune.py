"""Find the threads, batch and streams with which a backend is fastest here.

Candidates run in separate processes with the backend loaded. They take turns of a fraction of a
second, so that other load on the machine affects all alike. Slower ones are dropped early.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from mlrepo.backends import Capabilities
from mlrepo.backends.capabilities import STREAMS, capabilities_of
from mlrepo.errors import MlrepoError, UserError
from mlrepo.harness import child
from mlrepo.harness.probe import ProbeSpec, spec_line
from mlrepo.scenarios import SCENARIOS

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# The default if nothing fixes the batch; compiling backends use it for Offline.
DEFAULT_BATCH = 4
_TURN_SECONDS = 0.4
_MOST_ROUNDS = 12
# A candidate is dropped if its median is below this share of the best one's.
_HOPELESS = 0.85
# A smaller gain over the default than this is noise: the default is kept.
WORTH = 1.02
# Batches so small that they cost nothing to try.
_FEW = 8


@dataclass(frozen=True)
class TuneSetting:
    """One way to run a model."""

    threads: int
    batch: int
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = "".join(f" {key}={value}" for key, value in self.options.items())
        return f"{self.threads} threads, batch {self.batch}{options}"


@dataclass
class Measured:
    """A candidate and the samples per second of its turns."""

    candidate: TuneSetting
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median rate of the turns."""
        return median(self.rates) if self.rates else 0.0


def fixed_batch(scenario: str) -> int | None:
    """Return the samples per query, which fix the batch; None if the scenario does not fix it."""
    known = SCENARIOS[scenario]
    return None if known.at_once else known.samples_per_query


def candidates(
    able: Capabilities, scenario: str, threads: int, batch: int | None
) -> list[TuneSetting]:
    """Return the settings worth trying, the backend's default first.

    Fewer threads than CPUs are tried too: two hardware threads share one core's arithmetic.
    """
    fixed = batch or fixed_batch(scenario)
    batches = (fixed,) if fixed else _BATCHES
    counts = sorted({threads, max(1, threads // 2)}, reverse=True)
    found = [TuneSetting(count, size) for count in counts for size in batches]
    if STREAMS in able.options:
        found += [
            TuneSetting(threads, size, {"streams": str(streams)})
            for streams in range(2, threads + 1)
            if threads % streams == 0
            for size in batches
            if size >= streams
        ]
    default = TuneSetting(threads, fixed or DEFAULT_BATCH)
    return [default, *(candidate for candidate in found if candidate != default)]


class ProbeProcess:
    """One :mod:`mlrepo.harness.probe` process and the communication with it."""

    def __init__(self, spec: ProbeSpec, environ: Mapping[str, str]) -> None:
        self.spec = spec
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            child.command(child.PROBE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=dict(environ),
            text=True,
            start_new_session=True,
        )
        self._send(spec_line(spec))

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def wait(self) -> None:
        """Wait until the backend is loaded; raise :class:`UserError` if it cannot be."""
        self._receive()

    def ask(
        self, kind: str, on_progress: Callable[..., None] = lambda **values: None, **request: Any
    ) -> dict[str, Any]:
        """Return the answer to a request."""
        self._send(json.dumps({"do": kind, **request}) + "\n")
        while "progress" in (answer := self._receive()):
            on_progress(**answer["progress"])
        return answer

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the answer says why
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()
            raise UserError(
                f"The backend {self.spec.backend} ended (exit code {self._process.wait()}): "
                f"{said[-1] if said else 'it said nothing'}.",
                hint="A run with the same options (bench run) records what it says.",
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise UserError(answer["error"], hint=answer["hint"], detail=answer["detail"])
        return answer


@contextlib.contextmanager
def probes(specs: Sequence[ProbeSpec], environ: Mapping[str, str]) -> Iterator[list[ProbeProcess]]:
    """Start probes one by one, and end them all afterwards."""
    started: list[ProbeProcess] = []
    try:
        for spec in specs:
            started.append(ProbeProcess(spec, environ))
            started[-1].wait()
        yield started
    finally:
        for process in started:
            process.close()


def search(
    base: ProbeSpec,
    tried: Sequence[TuneSetting],
    environ: Mapping[str, str],
    budget: float,
    on_progress: Callable[[str, float], None] = lambda best, left: None,
) -> list[Measured]:
    """Measure candidates in turns until the budget (seconds) is spent; the fastest comes first.

    Candidates that differ in the batch alone share a process, unless the backend compiles for one
    batch size. The first candidate, the default, is never dropped; those that get no turn within
    the budget are left out.

    Raises
    ------
    UserError
        The default cannot be loaded. Others that cannot be loaded are left out.
    """
    deadline = time.monotonic() + budget
    groups: dict[tuple[int, int, str], ProbeProcess] = {}
    compiles = capabilities_of(base.backend).compiles
    alive: list[tuple[Measured, ProbeProcess]] = []
    all_: list[Measured] = []
    with contextlib.ExitStack() as stack:
        for candidate in tried:
            if alive and time.monotonic() > deadline:
                break
            batch = candidate.batch if compiles else 0
            key = (candidate.threads, batch, json.dumps(dict(candidate.options)))
            if key not in groups:
                spec = replace(
                    base,
                    threads=candidate.threads,
                    batch=candidate.batch,
                    backend_options={**base.backend_options, **candidate.options},
                )
                process = ProbeProcess(spec, environ)
                stack.callback(process.close)
                try:
                    process.wait()
                except MlrepoError:
                    if not alive:
                        raise
                    continue
                groups[key] = process
            all_.append(Measured(candidate))
            alive.append((all_[-1], groups[key]))
        for number in range(_MOST_ROUNDS):
            for measured, process in alive:
                batch = measured.candidate.batch
                if number == 0 and _is_useless(batch, [m for m, p in alive if p is process]):
                    continue
                answer = process.ask("measure", batch=batch, seconds=_TURN_SECONDS)
                measured.rates.append(answer["rate"])
                if time.monotonic() > deadline:
                    break
            best = max((measured for measured, _ in alive), key=lambda measured: measured.rate)
            on_progress(f"{best.candidate}: {best.rate:.1f} samples/s", deadline - time.monotonic())
            alive = [
                (measured, process)
                for measured, process in alive
                if measured is all_[0] or measured.rate >= _HOPELESS * best.rate
            ]
            if len(alive) == 1 or time.monotonic() > deadline:
                break
    known = [measured for measured in all_ if measured.rates]
    return sorted(known, key=lambda measured: (-len(measured.rates), -measured.rate))


def _is_useless(batch: int, others: Sequence[Measured]) -> bool:
    """Say whether doubling the batch already brought no gain below ``batch``."""
    rates = {measured.candidate.batch: measured.rate for measured in others}
    half, quarter = rates.get(batch // 2, 0.0), rates.get(batch // 4, 0.0)
    return batch > _FEW and half <= WORTH * quarter


def choose(found: Sequence[Measured], default: TuneSetting) -> Measured:
    """Return the best candidate; the default unless another is faster by more than noise."""
    own = next(measured for measured in found if measured.candidate == default)
    best = found[0]
    return best if best.rate > WORTH * own.rate else own
