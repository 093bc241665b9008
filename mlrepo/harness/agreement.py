"""Check before LoadGen starts that a backend computes the model, against a reference.

A backend that drops an attribute, uses a library compiled from other weights, or mixes up the
samples of a batch is as fast as a correct one, and LoadGen's performance runs ignore the answers.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlrepo.backends import Array, Backend, BackendOptions
from mlrepo.backends.capabilities import said_by
from mlrepo.errors import UserError, telling_line
from mlrepo.harness import child
from mlrepo.harness.distance import BOUNDS, farthest, loosest
from mlrepo.harness.feed import Feed, Samples
from mlrepo.harness.reference import ReferenceRequest, framework_of, read_answer, write_request
from mlrepo.workloads.task import Task, comparable, why_unreadable
from mlrepo.workloads.weights import read_facts

# The number of samples compared; a batch repeats them, so that every row is checked.
SAMPLES = 4
WAIVED = "--no-agreement-check"
_HINT = (
    "The backend does not compute this model: use another one, and report this to its authors. "
    f"{WAIVED} runs it anyway, and the record says so."
)


@dataclass(frozen=True)
class Expected:
    """What the outputs for some samples should be.

    Attributes
    ----------
    framework:
        The framework that computed them, with its version; '' if none did.
    why:
        Why none did; '' if the backend itself is the reference.
    waived:
        Whether a possible comparison was skipped: by choice, or because the reference process died.
    outputs:
        Arrays [samples, ...].
    """

    framework: str = ""
    why: str = ""
    waived: bool = False
    outputs: Sequence[Array] = ()


@contextmanager
def expectation(
    model: Path,
    backend: Backend,
    options: BackendOptions,
    request: ReferenceRequest,
    samples: Callable[[], Samples],
    *,
    check: bool,
) -> Iterator[Callable[[], Expected]]:
    """Start computing the expected outputs of ``backend``; yield a function that waits for them.

    The process has ended once the outputs are available, and in any case after the block.
    """
    if said_by(backend).reference and backend.is_reference(options):  # type: ignore[attr-defined]
        yield Expected
        return
    computes = said_by(backend).computes
    if not (check and computes and framework_of(model)):
        why = WAIVED if computes else "this backend does not compute a model"
        if check and computes:
            why = f"no other framework here reads {model.name}"
        yield lambda: Expected(why=why, waived=not (check and computes))
        return
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as said,
    ):
        write_request(request, samples(), given)
        process = subprocess.Popen(
            child.command(child.REFERENCE), stdin=given, stdout=answer, stderr=said, process_group=0
        )
        try:
            yield lambda: _answer(process, answer, said)
        finally:
            process.kill()
            process.wait()


def _answer(process: subprocess.Popen[bytes], answer: IO[bytes], said: IO[bytes]) -> Expected:
    code = process.wait()
    try:
        report, outputs = read_answer(answer)
    except (ValueError, OSError, EOFError, KeyError):
        said.seek(0, os.SEEK_END)
        said.seek(max(0, said.tell() - 4096))
        last = telling_line(said.read().decode("utf-8", "replace"))
        why = f"the process that computes the right scores ended with code {code}: {last}"
        # Nothing is known about the model then, as without a check: memory may have run out.
        return Expected(why=why, waived=True)
    return Expected(report.get("framework", ""), report.get("problem", ""), outputs=outputs)


@dataclass(frozen=True)
class AgreementCheck:
    """The comparison of one loaded backend.

    Attributes
    ----------
    predict:
        Returns the backend's outputs for samples of the library by index.
    samples:
        The indices of the samples whose outputs are expected.
    kind:
        The type whose rounding is allowed, a key of :data:`~mlrepo.harness.distance.BOUNDS`.
    task:
        What has to read answers from the outputs.
    """

    name: str
    predict: Callable[[Sequence[int]], Sequence[Array]]
    samples: Sequence[int]
    kind: str
    task: Task

    def run(self, expected: Expected, batches: Sequence[int]) -> Mapping[str, object]:
        """Compare batches of some sizes; return what the record says about the comparison.

        Raises
        ------
        UserError
            The backend's outputs differ or are unusable.
        """
        begin = time.perf_counter()
        largest = 0.0
        wanted = comparable(self.task, expected.outputs)
        if expected.framework and not any(map(len, wanted)):
            why = "no output of the model has the samples as its first dimension"
            expected = Expected(why=why)
        for size in batches:
            for rows in _rows(len(self.samples), size):
                indices = [self.samples[row] for row in rows]
                outputs = self.predict(indices)
                largest = max(largest, self._compare(outputs, wanted, expected, rows, size))
                self._refuse_unreadable(outputs, indices)
        about = {"reference": expected.framework, "why": expected.why, "waived": expected.waived}
        if not expected.framework:
            return about
        return {
            **about,
            "samples": list(self.samples),
            "batches": list(batches),
            "distance": largest,
            "bound": BOUNDS[self.kind],
            "type": self.kind,
            "seconds": round(time.perf_counter() - begin, 3),
        }

    def _compare(
        self,
        outputs: Sequence[Array],
        wanted: Sequence[Array],
        expected: Expected,
        rows: Sequence[int],
        size: int,
    ) -> float:
        try:
            worst = farthest(comparable(self.task, outputs), wanted, rows, self.kind)
        except ValueError as error:
            raise UserError(
                f"The outputs of {self.name} differ from {expected.framework}'s: {error}.",
                hint=_HINT,
            ) from error
        if worst.distance <= BOUNDS[self.kind]:
            return worst.distance
        raise UserError(
            f"The backend {self.name} gives {worst.found:.6g} where {expected.framework} gives "
            f"{worst.wanted:.6g}: sample {self.samples[rows[worst.row]]}, row {worst.row} of a "
            f"batch of {size}, score {worst.position} of output {worst.output}. The scores of that "
            f"sample are {worst.distance:.2g} apart; {self.kind} allows {BOUNDS[self.kind]:g}.",
            hint=_HINT,
        )

    def _refuse_unreadable(self, outputs: Sequence[Array], indices: Sequence[int]) -> None:
        """Refuse outputs from which the task can read no answer, whatever computed them."""
        if problem := why_unreadable(self.task, outputs, indices):
            raise UserError(
                f"{problem} (backend {self.name}).",
                hint="Check the model's weights, and whether it was made for this benchmark.",
            )


def _rows(samples: int, size: int) -> list[list[int]]:
    """Return batches of one size that contain each sample at least once."""
    if size == 1:
        return [[sample] for sample in range(samples)]
    starts = range(0, samples, size)
    return [[(start + row) % samples for row in range(size)] for start in starts]


def spread(loaded: Sequence[int]) -> list[int]:
    """Return the samples to compare, spread evenly over those that are loaded."""
    step = max(1, len(loaded) // SAMPLES)
    return list(loaded[::step][:SAMPLES])


def allowed_type(model: Path, precision: str, feed: Feed) -> str:
    """Return the coarsest of the model's types and the requested one: its rounding is allowed."""
    return loosest([precision, *feed.float_types, *read_facts(model).weights])
