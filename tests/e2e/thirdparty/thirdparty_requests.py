"""Third-party backends that take requests and answer later, and benchmarks of Python objects."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo.backends import Answers, BackendOptions, Capabilities, SampleRequest
from mlrepo.record import AccuracyEntry, Metric
from mlrepo.workloads import Accuracy, Response, VariableResponses, Workload
from mlrepo.workloads.digits import DIGITS


class Words:
    """Texts of two to six words: LoadGen takes no answer of a single token."""

    total = 60
    objects = True

    def load(self, indices: Sequence[int]) -> list[str]:
        """Return the texts."""
        return [" ".join([f"word{index}"] * (2 + index % 5)) for index in indices]

    def describe(self) -> Mapping[str, object]:
        """Return what every data set says."""
        return {"name": "words", "samples": self.total, "fingerprint": "0" * 64}


@dataclass(frozen=True)
class Echo:
    """Answers with the text itself, and judges whether it came back for the right sample."""

    tokens: bool = False
    name: str = "echo"

    @property
    def responses(self) -> VariableResponses:
        """Texts, or tokens."""
        return VariableResponses(tokens=self.tokens)

    def postprocess(self, outputs: Sequence[Any], indices: Sequence[int]) -> list[Any]:
        """Encode them; a number among the outputs is no answer."""
        if self.tokens:
            return [Response(text.encode(), len(text.split())) for text in outputs]
        return [text.encode() if isinstance(text, str) else text for text in outputs]

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        """Count the texts that came back."""
        good = words = judged = 0
        for entry in entries:
            wanted = dataset.load([entry.sample_index])[0].encode()
            good += entry.data == wanted
            words += len(entry.data.split())
            judged += 1
        percent = 100.0 * good / judged
        metrics = {"echo": Metric(percent, "%"), "words": Metric(float(words), "words")}
        return Accuracy(percent, "%", judged, f"echo={percent:.2f}%\n", metrics=metrics)

    def misfit(self, outputs: Sequence[Any]) -> str:
        """Take any model."""
        return ""


ECHOES = Workload(
    name="echoes",
    task=Echo(),
    follows="resnet",
    loadgen_model="echoes",
    performance_samples=60,
    model=DIGITS.model,
    open_dataset=Words,
)
# LoadGen measures tokens under this name.
TOKEN_ECHOES = replace(ECHOES, name="token-echoes", task=Echo(True), loadgen_model="llama3_1-8b")


@dataclass(frozen=True)
class Streamed(Echo):
    """The text comes back, a word a token; judged under the names of Llama 3.1 8B."""

    tokens: bool = True
    name: str = "text generation"

    def judge(self, entries: Iterable[AccuracyEntry], dataset: Any) -> Accuracy:
        """Return the share of texts that came back, under all names, and their length."""
        judged = super().judge(entries, dataset)
        words = int(judged.metrics["words"].value or 0)
        scores = dict.fromkeys(("rouge1", "rouge2", "rougeL", "rougeLsum"), judged.value)
        return replace(
            judged,
            unit="ROUGE1",
            text=f"{scores | {'gen_len': words, 'gen_num': judged.judged}}\n",
            metrics={name.upper(): Metric(value, name.upper()) for name, value in scores.items()}
            | {"GEN_LEN": Metric(float(words), "GEN_LEN")},
        )


TOKEN_STREAM = replace(
    TOKEN_ECHOES, name="token-stream", task=Streamed(), follows="llama3.1-8b-edge"
)


class Delayed:
    """Answers from a thread of its own after a delay, out of order and in pieces.

    Its options: ``delay`` in milliseconds, ``pause`` those between the first tokens and the rest,
    and ``fault``, what it does wrong.
    """

    capabilities = Capabilities(computes=False, options=("delay", "pause", "fault"))
    stall_seconds = 1.0

    def load(self, model: Path, options: BackendOptions) -> None:
        """Start the thread."""
        self._delay = float(options.extra.get("delay", "1")) / 1e3
        self._pause = float(options.extra.get("pause", "0")) / 1e3
        self._fault = options.extra.get("fault", "")
        self._waiting: list[tuple[float, SampleRequest, Answers]] = []
        self._wake = threading.Condition()
        self._closed = False
        self._random = random.Random(1)
        self._seen = 0
        threading.Thread(target=self._work, daemon=True, name="delayed").start()

    def submit(self, requests: Sequence[SampleRequest], answers: Answers) -> None:
        """Queue the requests."""
        with self._wake:
            due = time.monotonic() + self._delay
            self._waiting += [(due, one, answers) for one in requests]
            self._wake.notify()

    def close(self) -> None:
        """Stop the thread; the file says that it was told to."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        Path("closed").write_text(f"{len(self._waiting)}")

    def describe(self) -> Mapping[str, Any]:
        """Return what every backend says."""
        return {"name": "delayed", "framework": "Delay 1.0", "device": "cpu", "options": {}}

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                taken, self._waiting = self._waiting, []
            time.sleep(max(0.0, taken[-1][0] - time.monotonic()))
            self._random.shuffle(taken)
            size = self._random.randint(1, 7)
            for start in range(0, len(taken), size):
                self._answer(taken[start : start + size])

    def _answer(self, piece: Sequence[tuple[float, SampleRequest, Answers]]) -> None:
        answers = piece[0][2]
        mine = [one for one in piece if one[2] is answers]
        keys = [request.key for _, request, _ in mine]
        outputs: list[Any] = [request.sample for _, request, _ in mine]
        self._seen += len(keys)
        if self._fault and '"started"' in Path("events.jsonl").read_text():
            fault: Callable[[Answers, list[int], list[Any]], None] = getattr(self, self._fault)
            return fault(answers, keys, outputs)
        for key, output in zip(keys, outputs, strict=True):
            answers.first_token(key, output.split()[0])
        if self._pause:
            time.sleep(self._pause)
        answers.complete(keys, outputs)
        others = [one for one in piece if one[2] is not answers]
        if others:
            self._answer(others)
        return None

    def twice(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Answer twice."""
        answers.complete(keys, outputs)
        answers.complete(keys, outputs)

    def never(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Lose requests."""

    def unknown(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Answer for a sample that nobody asked for."""
        answers.complete([keys[0] + 1_000_000], outputs[:1])

    def fewer(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Lose an output."""
        answers.complete(keys, outputs[:-1])

    def raising(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Raise in the thread."""
        raise RuntimeError("the queue is on fire")

    def refusing(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Say that it cannot answer."""
        answers.fail(keys[0], RuntimeError("out of tokens"))

    def numbers(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Answer with what is no text."""
        answers.complete(keys, [np.zeros(3)] * len(keys))

    def unmarked(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Mark no first token."""
        answers.complete(keys, outputs)

    def marking(self, answers: Answers, keys: list[int], outputs: list[Any]) -> None:
        """Mark the first token twice."""
        answers.first_token(keys[0], outputs[0])
        answers.first_token(keys[0], outputs[0])


class Neither:
    """Has neither predict nor submit."""

    capabilities = Capabilities(computes=False)

    def load(self, model: Path, options: BackendOptions) -> None:
        """Load nothing."""

    def describe(self) -> Mapping[str, Any]:
        """Return what every backend says."""
        return {"name": "neither", "device": "cpu"}
