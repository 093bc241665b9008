"""Small data sets in the forms of BFCL and of MLPerf's articles and clips, with own texts."""

from __future__ import annotations

import importlib.util
import json
import math
import struct
import sys
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

RATE = 16_000
# Where pip finds the wheels of the models in tests, and nowhere else.
WHEELS = Path(sys.prefix) / "wheels"
QUESTIONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "simple_python": (
        ("How much is two and three?", "add(a=2, b=3)"),
        ("Add ten to four.", "add(a=4, b=10)"),
    ),
    "multiple": (("Take one from six.", "subtract(a=6, b=1)"),),
    "parallel": (("Add 1 and 2, and add 3 and 4.", "add(a=1, b=2), add(a=3, b=4)"),),
    "parallel_multiple": (("Add 1 and 2, take 1 from 2.", "add(a=1, b=2), subtract(a=2, b=1)"),),
}
_NAMES = {"add": "The sum of two numbers.", "subtract": "One number taken from another."}


def write_bfcl(root: Path) -> Path:
    """Write the files of the four categories below ``root``; return it."""
    from mlrepo.workloads.language.calls import parse_calls

    (root / "possible_answer").mkdir(parents=True)
    number = {"type": "integer", "description": "A number."}
    functions = [
        {
            "name": name,
            "description": about,
            "parameters": {
                "type": "dict",
                "properties": {"a": number, "b": number},
                "required": ["a", "b"],
            },
        }
        for name, about in _NAMES.items()
    ]
    for category, questions in QUESTIONS.items():
        asked, answers = [], []
        for count, (text, calls) in enumerate(questions):
            name = f"{category}_{count}"
            turns = [[{"role": "user", "content": text}]]
            asked.append({"id": name, "question": turns, "function": functions})
            truth = [
                {called: {key: [value] for key, value in given.items()}}
                for called, given in parse_calls(calls)
            ]
            answers.append({"id": name, "ground_truth": truth})
        for place, lines in ((root, asked), (root / "possible_answer", answers)):
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (place / f"BFCL_v4_{category}.json").write_text(text, encoding="utf-8")
    return root


def write_articles(file: Path, articles: Sequence[tuple[Sequence[int], str]]) -> Path:
    """Write articles, their token ids and summaries, as MLPerf does; return the file."""
    file.write_text(
        json.dumps(
            [
                {"input": f"Summarize: {number}", "tok_input": list(ids), "output": summary}
                for number, (ids, summary) in enumerate(articles)
            ]
        ),
        encoding="utf-8",
    )
    return file


def write_clip(file: Path, seconds: float, hertz: float = 440.0, rate: int = RATE) -> Path:
    """Write a tone as WAV; return the file."""
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        values = (
            round(8000 * math.sin(2 * math.pi * hertz * n / rate))
            for n in range(int(seconds * rate))
        )
        sound.writeframes(b"".join(struct.pack("<h", value) for value in values))
    return file


def write_manifest(root: Path, clips: Sequence[tuple[str, float, str]]) -> Path:
    """Write clips and MLPerf's manifest below ``root``; return it."""
    (root / "wav").mkdir(parents=True)
    entries = []
    for name, seconds, transcript in clips:
        write_clip(root / "wav" / f"{name}.wav", seconds)
        files = [{"fname": f"wav/{name}.wav", "speed": 1}]
        entries.append({"files": files, "original_duration": seconds, "transcript": transcript})
    (root / "dev-all-repack.json").write_text(json.dumps(entries), encoding="utf-8")
    return root


def needs_engine(module: str, *wheels: str) -> pytest.MarkDecorator:
    """Skip tests where an engine or the wheels of a model are not here: `make test` gets them."""
    lacking = [name for name in wheels if not list(WHEELS.glob(f"{name}-*.whl"))]
    if importlib.util.find_spec(module) is None:
        lacking.append(module)
    return pytest.mark.skipif(bool(lacking), reason=f"not installed: {', '.join(lacking)}")
