"""A process that holds one loaded backend and measures it on request, for tuning.

The first line on standard input is a :class:`ProbeSpec`, each further one a request; each answer is
one JSON line on standard output. Between requests the process sleeps, so that several can take
turns.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from mlrepo.backends import Backend, BackendOptions
from mlrepo.errors import MlrepoError, UserError, error_line
from mlrepo.harness import agreement
from mlrepo.harness.device_guard import described_on
from mlrepo.harness.feed import described_outputs, outputs_of, plan_feed, rows_of
from mlrepo.harness.reference import ReferenceRequest
from mlrepo.harness.samples import source_of, tensors_in
from mlrepo.plugins import BACKENDS, WORKLOADS, load_plugin
from mlrepo.workloads import Task, Workload
from mlrepo.workloads.responses import bytes_of
from mlrepo.workloads.task import task_of_run
from mlrepo.workloads.tensors import shapes_of

# The number of inputs in the loop; enough that they do not stay in the CPU's cache.
SAMPLES = 256


@dataclass(frozen=True)
class ProbeSpec:
    """What a probe loads; the fields are those of a run's specification."""

    workload: str
    backend: str
    model_file: str
    threads: int
    batch: int
    device: str = "cpu"
    precision: str = "fp32"
    backend_options: Mapping[str, str] = field(default_factory=dict)
    dataset: str = ""
    layout: str = ""
    size: Sequence[int] = ()
    model_precision: str = ""
    cache: str = ""


class Probe:
    """A loaded backend and inputs for it."""

    def __init__(self, spec: ProbeSpec) -> None:
        self._spec = spec
        self._workload: Workload = load_plugin(WORKLOADS, spec.workload).of_model(spec.model_file)
        self._dataset = self._workload.open(spec.dataset, spec.layout, spec.size)
        self._backend: Backend = load_plugin(BACKENDS, spec.backend)()
        source = source_of(self._dataset, self._workload)
        self._count = min(SAMPLES, self._dataset.total)
        self._given = source.load(range(self._count))
        self._collates = source.collate is not None
        self._tensors = tensors_in(self._given, source.tensors)
        self._load()
        self._feed = plan_feed(self._backend, self._tensors, Path(spec.model_file))
        self._samples = self._feed.cast(self._given)

    @cached_property
    def _task(self) -> Task:
        """The task of a run with this model."""
        first = rows_of(self._samples, slice(0, self._batch(1)))
        outputs = outputs_of(self._backend, first, self._feed.static_batch)
        described = described_outputs(outputs, Path(self._spec.model_file))
        return task_of_run(self._workload.task, self._dataset, described)

    def _load(self) -> None:
        spec = self._spec
        self._options = BackendOptions(
            threads=spec.threads,
            device=spec.device,
            precision=spec.precision,
            model_precision=spec.model_precision,
            batch=spec.batch,
            extra=spec.backend_options,
            cache=Path(spec.cache) if spec.cache else None,
            samples={} if self._collates else shapes_of(self._tensors),
        )
        self._backend.load(Path(spec.model_file), self._options)
        described_on(self._backend, spec.backend, spec.device)

    def measure(self, batch: int, seconds: float, answers: bool = False) -> dict[str, float]:
        """Measure a loop of about ``seconds`` without LoadGen; with ``answers`` it also reads them.

        ``rate`` is in samples per second, ``samples`` how many it computed, and ``p90`` the 90th
        percentile of the seconds that a batch took.
        """
        batch = self._batch(batch)
        times: list[float] = []
        done, position = 0, 0
        begin = now = time.perf_counter()
        while done == 0 or now - begin < seconds:
            outputs = self._backend.predict(
                rows_of(self._samples, slice(position, position + batch))
            )
            if answers:
                self._task.postprocess(outputs, range(position, position + batch))
            before, now = now, time.perf_counter()
            times.append(now - before)
            done += batch
            position += batch
            if position + batch > self._count:
                position = 0
        p90 = float(np.quantile(times, 0.9))
        return {"rate": done / (now - begin), "samples": done, "p90": p90}

    def answers(self) -> dict[str, object]:
        """Return the answer to each input, as hexadecimal digits of what LoadGen would log."""
        batch = self._batch(self._spec.batch)
        found: list[str] = []
        for start in range(0, self._count - batch + 1, batch):
            outputs = self._backend.predict(rows_of(self._samples, slice(start, start + batch)))
            indices = range(start, start + batch)
            answers = self._task.postprocess(outputs, indices)
            found += [bytes_of(answer).hex() for answer in answers]
        return {"answers": found}

    def check(self) -> dict[str, object]:
        """Compare the backend's scores with the reference, as a run does.

        Raises
        ------
        UserError
            They differ too much.
        """
        spec, static = self._spec, self._feed.static_batch
        model = Path(spec.model_file)
        compared = agreement.spread(range(self._count))
        names = {one.name: one.aliases for one in self._tensors}
        request = ReferenceRequest(
            spec.model_file, spec.threads, static or agreement.SAMPLES, names
        )
        with agreement.expectation(
            model,
            self._backend,
            self._options,
            request,
            lambda: {name: array[compared] for name, array in self._given.items()},
            check=True,
        ) as wait:
            expected = wait()

        def predict(indices: Sequence[int]) -> list[npt.NDArray[Any]]:
            return outputs_of(self._backend, rows_of(self._samples, list(indices)), static)

        kind = agreement.allowed_type(model, spec.precision, self._feed)
        check = agreement.AgreementCheck(spec.backend, predict, compared, kind, self._task)
        return {"agreement": check.run(expected, sorted({1, self._batch(spec.batch)}))}

    def describe(self) -> dict[str, object]:
        """Return the backend's description."""
        return {"backend": dict(self._backend.describe())}

    def tune(self, seconds: float, database: str, out: TextIO) -> dict[str, object]:
        """Let the backend search for better code and load the result; progress goes to ``out``.

        Raises
        ------
        UserError
            The backend does not support tuning.
        """
        search = getattr(self._backend, "tune", None)
        if search is None:
            raise UserError(f"The backend {self._spec.backend} has nothing to tune.")
        file = Path(database) if database else None
        summary = dict(search(seconds, lambda **values: _say(out, {"progress": values}), file))
        self._load()
        return {"summary": summary}

    def adopt(self, better: bool) -> dict[str, object]:
        """Tell the backend, if it wants to know, whether what it found is faster as a whole."""
        keep = getattr(self._backend, "adopt", None)
        if keep is not None:
            keep(better)
        return {}

    def _batch(self, batch: int) -> int:
        return self._feed.static_batch or min(batch, self._count)


def main() -> None:
    """Answer requests until standard input ends."""
    # Frameworks print; what the parent reads must be ours alone.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        probe = Probe(ProbeSpec(**json.loads(sys.stdin.readline())))
        _say(out, {"ready": True})
        for line in sys.stdin:
            request = json.loads(line)
            kind = request.pop("do")
            if kind == "tune":
                request["out"] = out
            _say(out, getattr(probe, kind)(**request))
    except MlrepoError as error:
        _say(out, {"error": error.message, "hint": error.hint, "detail": error.detail})
    except Exception as error:
        _say(out, {"error": error_line(error), "hint": "", "detail": ""})


def spec_line(spec: ProbeSpec) -> str:
    """Return the first line of a probe's standard input."""
    return json.dumps(dataclasses.asdict(spec)) + "\n"


def _say(out: TextIO, values: Mapping[str, object]) -> None:
    out.write(json.dumps(values) + "\n")
    out.flush()
