"""Third-party backends and workloads, found through the entry points of their own package.

They imitate what happens on other people's machines: a backend that hangs, raises, crashes or
prints too much, and a damaged data set.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mlrepo.backends import Array, BackendOptions, Capabilities
from mlrepo.model_kinds import ONNX
from mlrepo.record import AccuracyEntry
from mlrepo.workloads import Accuracy, FixedResponses, VariableResponses, Workload
from mlrepo.workloads.classification import Classification
from mlrepo.workloads.digits import DIGITS, DigitsDataset


class Patient:
    """Takes 20 ms for each batch, so that a test has time to disturb the run."""

    name = "patient"
    calls = 0
    computes = False

    def load(self, model: Path, options: BackendOptions) -> None:
        """Remember nothing."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Any batch of digits."""
        return (None, 1, 8, 8)

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return zeros."""
        time.sleep(0.02)
        return [np.zeros((len(batch), 10), np.float32)]

    def describe(self) -> Mapping[str, Any]:
        """Return what every backend tells."""
        return {
            "name": self.name,
            "framework": "Patience 1.0",
            "framework_name": "patience",
            "target": "cpu",
            "options": {},
        }


class Steady(Patient):
    """Takes a millisecond for each batch."""

    name = "steady"

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return zeros."""
        time.sleep(0.001)
        return [np.zeros((len(batch), 10), np.float32)]


class Tiring(Patient):
    """Is quick for the first 2700 batches, then slow, as hardware that throttles."""

    name = "tiring"

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return zeros, the later the slower."""
        self.calls += 1
        time.sleep(0.001 if self.calls < 2700 else 0.006)
        return [np.zeros((len(batch), 10), np.float32)]


class _Quick(Patient):
    """Answers at once until the run is under way: the 20th batch is beyond the warm-up's start."""

    last = 0

    def predict(self, batch: Array) -> Sequence[Array]:
        self.calls += 1
        if self.calls > self.last:
            self.fail(batch)
        return [np.zeros((len(batch), 10), np.float32)]

    def fail(self, batch: Array) -> None:
        """Do what the backend is named after."""


class RaisingOnLoad(_Quick):
    """Cannot open any model."""

    def load(self, model: Path, options: BackendOptions) -> NoReturn:
        """Raise as a framework does."""
        raise RuntimeError("the accelerator is on fire")


class Raising(_Quick):
    """Raises in the first batch."""

    def fail(self, batch: Array) -> None:
        """Raise as a framework does."""
        raise RuntimeError("kernel launch failed\nsecond line of the message")


class RaisingLater(Raising):
    """Raises in the middle of LoadGen's run, once LoadGen has loaded its samples."""

    def fail(self, batch: Array) -> None:
        """Raise when more than half a second of queries was answered."""
        if _measuring():
            super().fail(batch)


class ShortBatch(_Quick):
    """Loses one sample of every larger batch."""

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return too few outputs."""
        return [np.zeros((max(1, len(batch) - 1), 10), np.float32)]


class Dying(_Quick):
    """Is killed by the kernel while LoadGen measures."""

    def fail(self, batch: Array) -> None:
        """Kill the own process as the kernel does when memory runs out."""
        if _measuring():
            os.kill(os.getpid(), signal.SIGKILL)


class Leaving(_Quick):
    """Ends the process from within, as a license check or a failed assertion in C does."""

    def load(self, model: Path, options: BackendOptions) -> NoReturn:
        """Print the reason and leave."""
        print("license server not found", file=sys.stderr, flush=True)
        os._exit(7)


class Chatty(_Quick):
    """Says aloud whatever the test put into the variable THIRDPARTY_SAYS, then may raise."""

    def load(self, model: Path, options: BackendOptions) -> None:
        """Print to both streams; raise when THIRDPARTY_RAISES is set."""
        said = os.environ.get("THIRDPARTY_SAYS", "")
        print(f"connecting with {said}", flush=True)
        print(f"warning: {said} expires soon", file=sys.stderr, flush=True)
        if os.environ.get("THIRDPARTY_RAISES"):
            raise RuntimeError(f"401 Unauthorized for {said}")

    def describe(self) -> Mapping[str, Any]:
        """Tell too much."""
        said = os.environ.get("THIRDPARTY_SAYS", "")
        return {
            **super().describe(),
            "options": {"url": f"https://{said}@models.example", "home": os.environ["HOME"]},
        }


class Writing(_Quick):
    """Writes to the file that its option names, as one that loads a plugin would run it."""

    name = "writing"

    def load(self, model: Path, options: BackendOptions) -> None:
        """Write what was asked for."""
        if "file" in options.extra:
            Path(options.extra["file"]).write_text(f"{options.threads}")


class OddlyNamed(_Quick):
    """Has a name that cannot be a directory."""

    def describe(self) -> Mapping[str, Any]:
        """Return a name with a slash, a colon and a letter beyond ASCII."""
        return {**super().describe(), "framework_name": "C:/Tür.", "framework": "C:/Tür 2"}


class WithoutFramework(_Quick):
    """Describes nothing but its name."""

    def describe(self) -> Mapping[str, Any]:
        """Return the least."""
        return {"name": "without-framework"}


class Right(Patient):
    """Computes the model with ONNX Runtime, as any backend of a third party might."""

    name = "right"
    computes = True

    def load(self, model: Path, options: BackendOptions) -> None:
        """Open a session."""
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(model), settings, providers=["CPUExecutionProvider"]
        )

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return the scores, which a subclass makes wrong."""
        name = self._session.get_inputs()[0].name
        (scores,) = self._session.run(None, {name: batch})
        return [self.change(scores)]

    def change(self, scores: Array) -> Array:
        """Leave the scores as they are."""
        return scores


class Placed(Right):
    """Computes on whichever of its devices it is asked for: here, all of them are the CPU."""

    name = "placed"
    capabilities = Capabilities(
        reads=(ONNX,),
        devices={"cpu": ("fp32",), "npu": ("fp32",)},
        options=("level",),
        requirements=("onnxruntime>=1.20",),
    )

    def load(self, model: Path, options: BackendOptions) -> None:
        """Remember the device."""
        self.device = str(self.capabilities.check(self.name, options))
        super().load(model, options)

    def describe(self) -> Mapping[str, Any]:
        """Say where it runs."""
        return {**super().describe(), "device": self.device, "target": self.device}


class FallingBack(Placed):
    """Runs on the CPU, whatever it is asked for."""

    name = "falling-back"

    def describe(self) -> Mapping[str, Any]:
        """Admit it."""
        return {**super().describe(), "device": "cpu"}


class Tunable(Placed):
    """Has code to search for: what it finds stands in its cache, and makes it faster."""

    name = "tunable"

    def load(self, model: Path, options: BackendOptions) -> None:
        """Look for what was found before."""
        super().load(model, options)
        self._found = options.cache / "tunable.json" if options.cache else None
        self._slow = self._found is None or not self._found.exists()

    def predict(self, batch: Array) -> Sequence[Array]:
        """Take five milliseconds more where nothing was found."""
        time.sleep(0.005 if self._slow else 0)
        return super().predict(batch)

    def tune(
        self, seconds: float, on_progress: Callable[..., None], database: Path | None = None
    ) -> Mapping[str, int]:
        """Find something at once, and say so."""
        assert self._found is not None
        on_progress(done=1, total=2, left=seconds, best="level 3")
        self._found.parent.mkdir(parents=True, exist_ok=True)
        self._found.write_text(json.dumps({"seconds": seconds}))
        if database is not None:
            database.write_text("found")
        return {"layers": 2, "unmeasured": 1}

    def adopt(self, better: bool) -> None:
        """Keep it or not."""
        assert self._found is not None
        if not better:
            self._found.unlink()


class Seeing(Patient):
    """Reads a format of its own."""

    name = "seeing"
    computes = True

    def predict(self, batch: Array) -> Sequence[Array]:
        """Return scores of a kind."""
        return [batch.reshape(len(batch), -1)[:, :10]]


class Scaled(Right):
    """Gives scores that are a tenth too large."""

    name = "scaled"

    def change(self, scores: Array) -> Array:
        """Multiply."""
        return scores * np.float32(1.1)


class Swapped(Right):
    """Mixes up two classes."""

    name = "swapped"

    def change(self, scores: Array) -> Array:
        """Exchange the columns."""
        return scores[:, [0, 1, 2, 4, 3, 5, 6, 7, 8, 9]]


class OneWrong(Right):
    """Gives the last sample of a batch the scores of the one before."""

    name = "one-wrong"

    def change(self, scores: Array) -> Array:
        """Copy a row."""
        scores[-1] = scores[-2] if len(scores) > 1 else scores[-1]
        return scores


class NotNumbers(Right):
    """Gives no number where it should be largest."""

    name = "not-numbers"

    def change(self, scores: Array) -> Array:
        """Write over one class of each sample."""
        scores[:, 0] = np.nan
        return scores


class _OtherLabels(DigitsDataset):
    """Ten samples only."""

    @property
    def total(self) -> int:
        return 10

    @property
    def labels(self) -> Any:
        return super().labels[:10]


class _TwoTensors(DigitsDataset):
    """Gives named tensors, as a benchmark of several inputs would."""

    def load(self, indices: Sequence[int]) -> Any:
        return {"image": super().load(indices), "mask": np.ones(len(indices), np.float32)}


class _OtherType(DigitsDataset):
    """Gives integers, which a gather would cast in silence."""

    def load(self, indices: Sequence[int]) -> Any:
        return super().load(indices).astype(np.int64)


class _Fewer(DigitsDataset):
    """Loses a sample."""

    def load(self, indices: Sequence[int]) -> Any:
        return super().load(indices)[:-1]


_INT32 = FixedResponses("<i4")


@dataclass(frozen=True)
class _Answers(Classification):
    """Answers with whatever a function makes of the outputs."""

    answer: Callable[[Sequence[Array]], Any] = lambda outputs: outputs
    form: FixedResponses | VariableResponses = _INT32

    @property
    def responses(self) -> Any:
        return self.form

    def postprocess(self, outputs: Sequence[Array], indices: Sequence[int]) -> Any:
        return self.answer(outputs)


@dataclass(frozen=True)
class _Unjudgeable(Classification):
    """Cannot judge."""

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        raise ZeroDivisionError("division by zero")


def _objects(outputs: Sequence[Array]) -> Array:
    """Return a text per sample: in the buffer stand pointers."""
    answers = np.empty(len(outputs[0]), object)
    answers[:] = ["a" * (1 + number % 3) for number in range(len(answers))]
    return answers


def _texts(outputs: Sequence[Array]) -> Array:
    """Return texts, filled up to the longest one of the batch."""
    return np.array(["a" * (1 + number % 3) for number in range(len(outputs[0]))])


def _list(outputs: Sequence[Array]) -> Any:
    """Return no array."""
    return [0 for _ in outputs[0]]


def _growing(outputs: Sequence[Array]) -> Array:
    """Return numbers whose size depends on how many there are."""
    count = len(outputs[0])
    return np.zeros(count, np.int32 if count < 4 else np.int64)


def _measuring() -> bool:
    return '"started"' in Path("events.jsonl").read_text()


def _data_file() -> Path:
    return Path(os.environ.get("THIRDPARTY_DATA", "/nonexistent/digits.npz"))


NO_DATA: Workload = replace(
    DIGITS, name="no-data", open_dataset=lambda: DigitsDataset(Path("/nonexistent/digits.npz"))
)
DAMAGED_DATA: Workload = replace(
    DIGITS, name="damaged-data", open_dataset=lambda: DigitsDataset(_data_file())
)
OTHER_LABELS: Workload = replace(
    DIGITS, name="other-labels", performance_samples=10, open_dataset=_OtherLabels
)
UNJUDGEABLE: Workload = replace(DIGITS, name="unjudgeable", task=_Unjudgeable())


def _answering(
    name: str,
    answer: Callable[[Sequence[Array]], Any],
    form: FixedResponses | VariableResponses = _INT32,
) -> Workload:
    return replace(DIGITS, name=name, task=_Answers(answer=answer, form=form))


OBJECTS = _answering("objects", _objects)
OBJECTS_DECLARED = _answering("objects-declared", _objects, FixedResponses("O"))
TEXTS = _answering("texts", _texts)
GROWING = _answering("growing", _growing)
SEVERAL = _answering("several", lambda outputs: outputs[0])
LISTS = _answering("lists", _list)
NO_BYTES = _answering("no-bytes", _list, VariableResponses())
FEWER_ANSWERS = _answering("fewer-answers", lambda o: [b"a"] * (len(o[0]) - 1), VariableResponses())
ONE_ANSWER = _answering("one-answer", lambda o: b"a" * len(o[0]), VariableResponses())
WITHOUT_TOKENS = _answering(
    "without-tokens", lambda o: [b"a"] * len(o[0]), VariableResponses(tokens=True)
)
TWO_TENSORS: Workload = replace(DIGITS, name="two-tensors", open_dataset=_TwoTensors)
OTHER_TYPE: Workload = replace(DIGITS, name="other-type", open_dataset=_OtherType)
FEWER: Workload = replace(DIGITS, name="fewer", open_dataset=_Fewer)


class Stripes(DigitsDataset):
    """Grey images of 12 by 20 pixels with three to twelve white rows: another shape, four classes.

    The class of an image is how many times three rows are white, less one.
    """

    @property
    def total(self) -> int:
        """Sixteen of each class."""
        return 64

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """One channel, and neither the size of digits nor of ImageNet."""
        return (1, 12, 20)

    @property
    def labels(self) -> Any:
        """In turns."""
        return np.arange(64) % 4

    def load(self, indices: Sequence[int]) -> Any:
        """Paint the rows."""
        images = np.zeros((len(indices), *self.sample_shape), np.float32)
        for image, index in zip(images, indices, strict=True):
            image[0, : 3 * (index % 4) + 3] = 1
        return images

    def describe(self) -> Mapping[str, Any]:
        """Return what every data set tells."""
        return {"name": "stripes", "samples": 64, "fingerprint": "0" * 64}


STRIPES: Workload = replace(
    DIGITS,
    name="stripes",
    model=None,
    performance_samples=64,
    open_dataset=Stripes,
    task=Classification(classes=(4,)),
)
TWO_WORDS: Workload = replace(DIGITS, name="two words")
