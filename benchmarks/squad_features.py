"""Measure how long the samples of a SQuAD-like set take, here and with the reference's script.

The reference is ``language/bert/create_squad_data.py`` of a checkout of ``mlcommons/inference`` and
the ``BertTokenizer`` of ``transformers`` in Python, as ``squad_QSL.py`` uses them. Nothing of them
is contained in or copied to this repository: they run as a subprocess, in an interpreter of their
own, which needs ``pip install 'transformers<5' six numpy`` (from version 5 on, ``BertTokenizer`` is
the library ``tokenizers``).

The set is generated: as many paragraphs and questions as dev-v1.1.json has, of about the same
lengths, words of a skewed distribution, and a vocabulary of 30,522 word pieces. Both make the
samples of the same file; that they are equal is checked.

Usage::

    python -m benchmarks.squad_features --inference CHECKOUT --python VENV/bin/python
        [--questions 10570] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from mlrepo.workloads.squad.prepared import PIECES, QUESTIONS, SquadSamples, SquadStore
from mlrepo.workloads.squad.vocabulary import BERT_PIECES, SPECIAL

_QUESTIONS_OF_A_PARAGRAPH = 5
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Run by the reference's interpreter: prints the seconds, and keeps the numbers of the word pieces.
_REFERENCE = """
import sys, time, types
questions, vocabulary, script, out = sys.argv[1:]
sys.path.insert(0, script)
# Of NVIDIA's module, which imports TensorFlow, making samples uses nothing.
sys.modules["tokenization"] = types.ModuleType("tokenization")
import numpy as np
from create_squad_data import convert_examples_to_features, read_squad_examples
from transformers import BertTokenizer
start, cpu = time.perf_counter(), time.process_time()
features = []
convert_examples_to_features(
    examples=read_squad_examples(questions, False, False),
    tokenizer=BertTokenizer(vocabulary),
    max_seq_length=384,
    doc_stride=128,
    max_query_length=64,
    is_training=False,
    output_fn=features.append,
)
print(time.perf_counter() - start, time.process_time() - cpu)
np.save(out, np.array([[f.input_ids, f.input_mask, f.segment_ids] for f in features]))
"""


def _word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(list(_LETTERS), int(rng.integers(2, 10))))


def write_set(directory: Path, questions: int) -> None:
    """Write a generated set and its vocabulary."""
    rng = np.random.default_rng(0)
    words = list(dict.fromkeys(_word(rng) for _ in range(40_000)))
    pieces = [*SPECIAL[2:3], *(one for one in SPECIAL if one != "[PAD]"), *_LETTERS]
    pieces += [f"##{letter}" for letter in _LETTERS] + list(".,()'\"-?0123456789")
    pieces += [f"##{word[:3]}" for word in words[:4000]] + words
    pieces = list(dict.fromkeys(pieces))[:BERT_PIECES]
    (directory / PIECES).write_text("\n".join(pieces) + "\n")

    def text(length: int) -> str:
        # The frequent words are in the vocabulary, most of the rare ones are not.
        picked = np.minimum(rng.zipf(1.2, length) - 1, len(words) - 1)
        return " ".join(
            words[at].capitalize() + "," if place % 11 == 0 else words[at]
            for place, at in enumerate(picked)
        )

    paragraphs = []
    for first in range(0, questions, _QUESTIONS_OF_A_PARAGRAPH):
        context = text(int(25 + rng.gamma(3.4, 29)))
        answers = [{"text": context.split()[0], "answer_start": 0}]
        count = min(_QUESTIONS_OF_A_PARAGRAPH, questions - first)
        asked = [
            {"id": f"{first + n}", "question": f"{text(10)}?", "answers": answers}
            for n in range(count)
        ]
        paragraphs.append({"context": context, "qas": asked})
    data = {"version": "1.1", "data": [{"title": "generated", "paragraphs": paragraphs}]}
    (directory / QUESTIONS).write_text(json.dumps(data))


def _here(directory: Path, home: Path) -> tuple[float, float, SquadSamples]:
    """Register and prepare the set anew; return seconds, seconds of CPU, and the samples."""
    store = SquadStore(home)
    start, cpu = time.perf_counter(), time.process_time()
    store.add({name: directory / name for name in (QUESTIONS, PIECES)})
    path = store.prepare(lambda done, total: None)
    return time.perf_counter() - start, time.process_time() - cpu, SquadSamples(path)


def main() -> None:
    """Print both times, their ratio, and that of the CPU times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inference", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=10570)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    script = args.inference.absolute() / "language" / "bert"
    walls, cpus = [], []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_set(work, args.questions)
        for number in range(args.rounds):
            wall, cpu, samples = _here(work, work / f"home-{number}")
            out = work / "reference.npy"
            command = [args.python, "-c", _REFERENCE, work / QUESTIONS, work / PIECES, script, out]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=work)
            other_wall, other_cpu = map(float, done.stdout.split())
            own = samples.load(range(samples.total))
            same = np.array_equal(np.load(out), np.stack(list(own.values()), axis=1))
            walls.append(wall / other_wall)
            cpus.append(cpu / other_cpu)
            print(
                f"{samples.total} samples of {args.questions} questions: {wall:.2f} s (CPU "
                f"{cpu:.2f} s), the reference {other_wall:.1f} s (CPU {other_cpu:.1f} s); "
                + ("equal" if same else "NOT EQUAL"),
                flush=True,
            )
    print(f"ratio {median(walls):.4f}, of CPU times {median(cpus):.4f}")


if __name__ == "__main__":
    main()
