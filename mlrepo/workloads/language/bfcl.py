"""The Berkeley Function Calling Leaderboard, version 4: questions, functions, possible answers.

The single turns in Python are used: one call of one function (``simple_python``), of several
functions to choose from (``multiple``), several calls (``parallel``), and both. The files are those
of the package bfcl-eval (Apache-2.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import Metric
from mlrepo.workloads.converted import ConvertedDataset, ConvertedSamples, fingerprint
from mlrepo.workloads.language.calls import calls_right, parse_calls
from mlrepo.workloads.task import Accuracy

NAME = "bfcl-v4"
FULL_SET = 1000
# MLPerf lets summaries have 128 tokens; no possible answer needs as many.
MAX_NEW_TOKENS = 128
_CATEGORIES = ("simple_python", "multiple", "parallel", "parallel_multiple")
_ANSWERS = "possible_answer"
_FILE = "questions.jsonl"
_WHEEL = (
    "bfcl-eval==2026.3.23 "
    "--hash=sha256:3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a"
)
# A small model writes calls only after examples.
_INSTRUCTION = "Turn the request into function calls. Write only the calls."
_EXAMPLES: Sequence[tuple[Sequence[str], str, str]] = (
    (
        ("math.gcd(a: integer, b: integer): Greatest common divisor of two numbers.",),
        "What is the greatest common divisor of 12 and 18?",
        "[math.gcd(a=12, b=18)]",
    ),
    (
        (
            "get_weather(city: string, unit: string): Current weather of a city.",
            "get_time(city: string): Local time of a city.",
        ),
        "How warm is it in Paris and in Rome, in Celsius?",
        "[get_weather(city='Paris', unit='celsius'), get_weather(city='Rome', unit='celsius')]",
    ),
)


class Bfcl(ConvertedDataset):
    """The questions of BFCL v4 that the benchmarks ask."""

    name = NAME
    about = "questions that function calls answer (Berkeley Function Calling Leaderboard v4)"
    unit = "questions"
    full_set = FULL_SET
    wheels = (_WHEEL,)

    def convert(self, path: Path, files: Mapping[str, Path], target: Path) -> ConvertedSamples:
        """Join the questions of the four files with their possible answers."""
        lines: list[str] = []
        sources: list[Path] = []
        missing = []
        for category in _CATEGORIES:
            file = f"BFCL_v4_{category}.json"
            found = next(iter(sorted(path.rglob(f"{_ANSWERS}/{file}"))), None)
            if found is None or not (questions := found.parent.parent / file).is_file():
                missing.append(file)
                continue
            sources += [questions, found]
            answers = {one["id"]: one["ground_truth"] for one in _objects(found, "ground_truth")}
            for one in _objects(questions, "question", "function"):
                if one["id"] not in answers:
                    raise UserError(
                        f"{questions} has the question {one['id']}, and {found} has no answer to "
                        "it.",
                        hint="Both files must be of the same version of BFCL.",
                    )
                kept = {key: one[key] for key in ("id", "question", "function")}
                lines.append(json.dumps({**kept, "ground_truth": answers[one["id"]]}))
        if not lines:
            raise UserError(
                f"{path} has no questions of BFCL v4: {', '.join(missing)} are missing, or their "
                f"answers in {_ANSWERS}/.",
                hint="Name the directory `bfcl_eval/data` of the package bfcl-eval.",
            )
        (target / _FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        warning = ""
        if len(lines) != FULL_SET:
            warning = f"The whole set has {FULL_SET} questions, this one {len(lines)}."
        return ConvertedSamples(len(lines), tuple(sources), warning)


@dataclass(frozen=True)
class BfclQuestions:
    """The converted questions; a sample is the messages of a chat."""

    directory: Path
    objects: bool = True

    @cached_property
    def questions(self) -> Sequence[Mapping[str, Any]]:
        """Each question with its functions and the possible answers."""
        return list(_objects(self.directory / _FILE, "question", "function", "ground_truth"))

    @property
    def total(self) -> int:
        """The number of questions."""
        return len(self.questions)

    def load(self, indices: Sequence[int]) -> list[dict[str, object]]:
        """Return the samples: ``messages`` and ``max_new_tokens``."""
        return [self._sample(self.questions[index]) for index in indices]

    def name_of(self, index: int) -> str:
        """Return the name of a sample."""
        return str(self.questions[index]["id"])

    def describe(self) -> Mapping[str, object]:
        """Return name, number of questions and fingerprint."""
        return {
            "name": "BFCL v4, single turns in Python",
            "samples": self.total,
            "fingerprint": fingerprint(self.directory),
        }

    @staticmethod
    def _sample(question: Mapping[str, Any]) -> dict[str, object]:
        messages = [_message("system", _INSTRUCTION)]
        for functions, request, calls in _EXAMPLES:
            messages += [_message("user", _asked(functions, request)), _message("assistant", calls)]
        functions = [_signature(one) for one in question["function"]]
        request = "\n".join(turn["content"] for turn in question["question"][0])
        messages.append(_message("user", _asked(functions, request)))
        return {"messages": messages, "max_new_tokens": MAX_NEW_TOKENS}


class CallAccuracy:
    """The share of questions whose calls are right by BFCL's comparison of syntax trees."""

    def preflight(self) -> None:
        """Need nothing: the comparison is mlrepo's own."""

    def judge(self, texts: Iterable[tuple[int, str]], dataset: BfclQuestions) -> Accuracy:
        """Return the share; an answer that is not calls is wrong.

        Raises
        ------
        InvalidResult
            The log belongs to another data set, or has no answer.
        """
        questions = dataset.questions
        right = judged = calls = 0
        for index, text in texts:
            if not 0 <= index < len(questions):
                raise InvalidResult(
                    f"The accuracy log has sample {index}, but the data set has {len(questions)} "
                    "samples.",
                    hint="The log belongs to another data set.",
                )
            judged += 1
            try:
                found = parse_calls(text)
            except ValueError:
                continue
            calls += 1
            one = questions[index]
            right += calls_right(found, one["function"], one["ground_truth"])
        if not judged:
            raise InvalidResult("The accuracy log contains no response.", hint="Run it again.")
        percent, readable = 100 * right / judged, 100 * calls / judged
        return Accuracy(
            value=round(percent, 3),
            unit="%",
            judged=judged,
            text=f"accuracy={percent:.3f}%, good={right}, calls={calls}, total={judged}\n",
            details={"good": right, "calls": calls, "total": judged},
            metrics={
                "ACCURACY": Metric(round(percent, 3), "%"),
                "CALLS": Metric(round(readable, 3), "%"),
            },
        )


def _objects(file: Path, *keys: str) -> Iterable[Mapping[str, Any]]:
    """Yield the objects of a file with one in each line; each has an id and the keys.

    Raises
    ------
    UserError
        The file cannot be read, or a line is no such object; the message names it.
    """
    try:
        with file.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                found = json.loads(line)
                if not isinstance(found, dict) or any(key not in found for key in ("id", *keys)):
                    raise ValueError(f"line {number} has no {', '.join(('id', *keys))}")
                yield found
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is not a file of BFCL v4: {error}.") from error


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _asked(functions: Iterable[str], request: str) -> str:
    return "Functions:\n" + "\n".join(functions) + f"\n\nRequest: {request}"


def _signature(function: Mapping[str, Any]) -> str:
    """Return a function on one line: ``area(base: integer, height: integer): What it does.``"""
    properties = function["parameters"].get("properties") or {}
    parameters = ", ".join(f"{name}: {one.get('type')}" for name, one in properties.items())
    return f"{function['name']}({parameters}): {function['description']}"
