"""What each backend supports: generated models through the harness, against ONNX Runtime.

Each cell is an accuracy run of LoadGen over 8 samples in a separate process, whose log has all
scores. The reference is ONNX Runtime without any optimization, batch by batch. A cell is

- *equal*: no score is further away than the bound of the model's precision;
- *refused*: the run ended with a sentence for the user before anything was measured;
- *wrong*: it ran, and a score differs, or no float32 image fits the model at all;
- *hang* (over ``--timeout``) or *crash* (a signal, or an exception that nobody expected).

Usage::

    python -m benchmarks.models [--only "TEXT;…"] [--backend NAME,…] [--json FILE]
                                [--agreement-check] [--timeout 300] [--markdown] [--keep DIR]
                                [--list] [--merge JSON …]

``--only`` takes models whose names contain one of the texts. Without ``--agreement-check``, the
table shows what the backends do by themselves; with it, what users get: differing models are
refused. The exit code is 1 if a cell is wrong, hangs or crashes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import child
from mlrepo.markdown import code
from mlrepo.record import AccuracyEntry
from mlrepo.workloads import Accuracy, Dataset, VariableResponses
from mlrepo.workloads.classification import Classification
from mlrepo.workloads.weights.graph import Tensor
from tests.architectures import architecture_models
from tests.form_models import form_models
from tests.onnx_builder import GeneratedModel, reference_scores
from tests.operator_models import operator_models

BACKENDS = ("onnx", "openvino", "pytorch", "tvm-onnx", "tvm-pytorch")
EQUAL, REFUSED, WRONG, HANG, CRASH = "equal", "refused", "wrong", "hang", "crash"
_KINDS = (EQUAL, REFUSED, WRONG, HANG, CRASH)
SAMPLES = 8
# Characters of a reason that the table shows.
_LONGEST = 220
# Frameworks that a backend's server imports once, before it forks a process per cell.
_FRAMEWORKS = {
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
    "pytorch": ("torch", "onnx"),
    "tvm-onnx": ("tvm", "onnx"),
    "tvm-pytorch": ("tvm", "torch", "onnx"),
}


@dataclass(frozen=True)
class Cell:
    """What a backend did with a model, why, and how many seconds it took."""

    model: str
    backend: str
    outcome: str
    why: str
    seconds: float


def all_models() -> Iterator[GeneratedModel]:
    """Yield architectures, forms and operators."""
    yield from architecture_models()
    yield from form_models()
    yield from operator_models()


@dataclass(frozen=True)
class _Images:
    """The samples of one model, as a data set."""

    samples: npt.NDArray[np.float32]

    @property
    def total(self) -> int:
        return len(self.samples)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.samples.shape[1:]

    def load(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        return np.ascontiguousarray(self.samples[list(indices)])

    def describe(self) -> dict[str, Any]:
        return {"name": "generated", "samples": self.total}


class AllScores:
    """Answers with all numbers of the first output; nobody judges them."""

    name = "scores"
    responses = VariableResponses()
    unreadable = Classification().unreadable

    def postprocess(
        self, outputs: Sequence[npt.NDArray[Any]], indices: Sequence[int]
    ) -> list[bytes]:
        """Return the bytes of each sample's scores, float32."""
        return [scores.astype("<f4").tobytes() for scores in np.asarray(outputs[0])]

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Dataset) -> Accuracy:
        """Judge nothing: :func:`_compared` reads the log."""
        raise NotImplementedError

    def misfit(self, outputs: Sequence[Tensor]) -> str:
        """Take any outputs."""
        return ""


def run_cell(backend_name: str, directory: Path) -> None:
    """In a child process: one accuracy run through the harness, logged in ``directory``."""
    from mlrepo.harness.events import Reporter
    from mlrepo.harness.execution import execute
    from mlrepo.harness.spec import RunSpec
    from mlrepo.plugins import BACKENDS as GROUP
    from mlrepo.plugins import load_plugin
    from mlrepo.workloads import Workload

    reporter = Reporter(directory)
    try:
        given = json.loads((directory / "cell.json").read_text())
        images = _Images(np.load(directory / "images.npy"))
        (directory / "user.conf").write_text("*.Offline.target_qps = 10\n")
        workload = Workload(
            "generated",
            AllScores(),
            "resnet",
            "resnet50",
            images.total,
            None,
            lambda: images,
        )
        spec = RunSpec(
            "generated",
            backend_name,
            "Offline",
            "accuracy",
            given["model"],
            threads=1,
            max_batch=images.total,
            estimate=False,
            precision=given["precision"],
            agreement_check=given["agreement_check"],
        )
        execute(spec, workload, load_plugin(GROUP, backend_name)(), directory, reporter)
    except BaseException as error:
        reporter.fail(error)


def serve(backend: str) -> None:
    """Run the cells named on standard input, each in a process forked from this one."""
    for framework in _FRAMEWORKS.get(backend, ()):
        try:
            __import__(framework)
        except ImportError:  # the backend itself says how to install it
            continue
    for line in sys.stdin:
        directory, seconds = json.loads(line)
        print(json.dumps(_in_process(backend, Path(directory), seconds)), flush=True)


def _in_process(backend: str, directory: Path, seconds: float) -> int | None:
    """Return the exit status of a cell's process; None if it was still running at the end."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.chdir(directory)
        console = os.open("console.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(console, 1)
        os.dup2(console, 2)
        run_cell(backend, directory)
        os._exit(0)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


class Server:
    """The process that runs a backend's cells one after the other."""

    def __init__(self, backend: str, options: argparse.Namespace) -> None:
        self.backend, self._options = backend, options
        self._process = subprocess.Popen(
            child("models", "--serve", backend),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, model: GeneratedModel, path: Path, directory: Path) -> Cell:
        """Run one cell in ``directory`` and judge its files."""
        assert self._process.stdin and self._process.stdout
        directory.mkdir()
        images = model.images(SAMPLES)
        np.save(directory / "images.npy", images)
        given = {
            "model": str(path),
            "precision": model.precision,
            "agreement_check": self._options.agreement_check,
        }
        (directory / "cell.json").write_text(json.dumps(given))
        begin = time.monotonic()
        self._process.stdin.write(json.dumps([str(directory), self._options.timeout]) + "\n")
        self._process.stdin.flush()
        status = json.loads(self._process.stdout.readline())
        outcome, why = judge(model, path, images, directory, status)
        took = round(time.monotonic() - begin, 2)
        return Cell(model.name, self.backend, outcome, why, took)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def judge(
    model: GeneratedModel,
    path: Path,
    images: npt.NDArray[np.float32],
    directory: Path,
    status: int | None,
) -> tuple[str, str]:
    """Return the outcome of a cell, and why, from the files of its run."""
    from mlrepo.harness.spec import read_events

    if status is None:
        return HANG, "it was still running at the end of its time"
    last = list(read_events(directory))[-1:]
    if not last or last[0]["event"] not in ("finished", "failed"):
        return CRASH, f"the process ended with {status}"
    if last[0]["event"] == "failed":
        said = str(last[0]["message"])
        return (REFUSED if last[0]["expected"] else CRASH), said
    if model.refused:
        return WRONG, "it ran, although no float32 image fits the model"
    return _compared(model, path, images, directory)


def _compared(
    model: GeneratedModel, path: Path, images: npt.NDArray[np.float32], directory: Path
) -> tuple[str, str]:
    from mlrepo.logs.accuracy import parse_accuracy_log

    wanted = reference_scores(path, images)
    wanted = wanted.reshape(len(wanted), -1)
    entries = list(parse_accuracy_log((directory / "mlperf_log_accuracy.json").read_bytes()))
    found = np.full_like(wanted, np.nan)
    for entry in entries:
        scores = np.frombuffer(entry.data, "<f4")
        if len(scores) != wanted.shape[1]:
            return WRONG, f"it gave {len(scores)} scores where there are {wanted.shape[1]}"
        found[entry.sample_index] = scores
    apart = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    said = f"{apart:.1e} of the largest score away"
    return (EQUAL if apart <= model.bound else WRONG), said


def measure(options: argparse.Namespace, home: Path) -> Iterator[Cell]:
    """Yield the requested cells, model by model."""
    servers = [Server(name, options) for name in options.backend]
    try:
        for number, model in enumerate(chosen_models(options.only)):
            directory = home / f"{number:03}"
            directory.mkdir(parents=True)
            path = model.write(directory)
            for server in servers:
                cell = server.run(model, path, directory / server.backend)
                print(
                    f"{cell.model:<44} {cell.backend:<12} {cell.outcome:<8} {cell.seconds:6.1f} s"
                    f"  {cell.why}",
                    file=sys.stderr,
                )
                yield cell
    finally:
        for server in servers:
            server.close()


def chosen_models(only: Sequence[str]) -> Iterator[GeneratedModel]:
    """Yield the models whose names contain one of the texts; all if there are no texts."""
    for model in all_models():
        if not only or any(text.lower() in model.name.lower() for text in only):
            yield model


def markdown(cells: Sequence[Cell], backends: Sequence[str]) -> str:
    """Return the counts, the models that are not equal everywhere, and why."""
    rows: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.model, {})[cell.backend] = cell
    counts = Counter((cell.backend, cell.outcome) for cell in cells)
    lines = _row("backend", _KINDS) + _row("---", ["---:"] * len(_KINDS))
    for name in backends:
        lines += _row(name, [str(counts[name, kind]) for kind in _KINDS])
    equal = [m for m, found in rows.items() if all(c.outcome == EQUAL for c in found.values())]
    lines += [
        "",
        f"Equal wherever it was run ({len(equal)} of {len(rows)}): {'; '.join(equal)}.",
        "",
    ]
    lines += _row("not equal", backends) + _row("---", ["---"] * len(backends))
    reasons: dict[str, list[str]] = {}
    for model, found in rows.items():
        if model in equal:
            continue
        words = [found[name].outcome if name in found else "-" for name in backends]
        lines += _row(model, [w if w in (EQUAL, "-") else f"**{w}**" for w in words])
        for cell in found.values():
            if cell.outcome != EQUAL:
                said = code(cell.why if len(cell.why) <= _LONGEST else f"{cell.why[:_LONGEST]}…")
                reasons.setdefault(f"{cell.backend} {cell.outcome}: {said}", []).append(model)
    lines += ["", *(f"- {why} ({'; '.join(models)})" for why, models in sorted(reasons.items()))]
    return "\n".join(lines)


def _row(first: str, rest: Sequence[str]) -> list[str]:
    return [f"| {' | '.join((first, *rest))} |"]


def summary(cells: Iterable[Cell], backends: Sequence[str]) -> str:
    """Return how many cells of each kind each backend has, one line per backend."""
    counts = Counter((cell.backend, cell.outcome) for cell in cells)
    head = f"{'backend':<12}" + "".join(f"{kind:>9}" for kind in _KINDS)
    rows = (f"{name:<12}" + "".join(f"{counts[name, k]:>9}" for k in _KINDS) for name in backends)
    return "\n".join([head, *rows])


def _texts(text: str) -> list[str]:
    return [part for part in text.split(";") if part]


def main() -> int:
    """Print the table; return 1 if a cell is wrong, hangs or crashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("--only", type=_texts, default=[])
    parser.add_argument("--backend", type=lambda text: text.split(","), default=list(BACKENDS))
    parser.add_argument("--agreement-check", action="store_true")
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--json", type=Path, help="write the cells to this file")
    parser.add_argument("--markdown", action="store_true", help="print the whole table")
    parser.add_argument("--keep", type=Path, help="keep models and logs in this new directory")
    parser.add_argument("--list", action="store_true", help="print the names of the models")
    parser.add_argument("--merge", type=Path, nargs="+", help="print what --json wrote instead")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    if options.list:
        print("\n".join(model.name for model in chosen_models(options.only)))
        return 0
    if options.merge:
        # If several files have the same cell, the last one counts.
        read = (Cell(**c) for path in options.merge for c in json.loads(path.read_text()))
        cells = list({(cell.model, cell.backend): cell for cell in read}.values())
        print(markdown(cells, options.backend))
        return 0
    with tempfile.TemporaryDirectory() as directory:
        cells = list(measure(options, options.keep or Path(directory)))
    if options.json:
        options.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n")
    print(markdown(cells, options.backend) if options.markdown else summary(cells, options.backend))
    return int(any(cell.outcome in (WRONG, HANG, CRASH) for cell in cells))


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    sys.exit(main())
