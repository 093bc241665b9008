"""A small set in SQuAD's form, with sentences of its own, and a vocabulary for it."""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np
import onnx

from mlrepo.workloads.onnx_graph import OnnxGraph
from tests.squad_definition import tokens_of

_BAKERS = "Adam Berta Cyril Dora Emil Frida Georg Hanna Ivo Jana Karl Lena Max Nora"
# Each paragraph with its questions, and their answers.
_TEXTS: list[tuple[str, list[tuple[str, list[str]]]]] = [
    (
        "The harbour of Lindö was dredged in 1894, and again in 1921 by the engineer Marta Olsen. "
        'Her "second channel" is 14.5 metres deep; ships of up to 9,000 tonnes use it.',
        [
            ("When was the harbour first dredged?", ["1894", "in 1894"]),
            ("Who dredged the harbour in 1921?", ["Marta Olsen", "the engineer Marta Olsen"]),
            ("How deep is the second channel?", ["14.5 metres"]),
            ("Which ships use the channel?", ["ships of up to 9,000 tonnes"]),
            ("What was dredged?", ["The harbour of Lindö", "harbour"]),
        ],
    ),
    (
        "Bees of the hill farms (mostly black bees) gather heather honey in August.\n"
        "A hive gives about 18 kg; in wet years it's 6 kg or less.",
        [
            ("What do bees gather in August?", ["heather honey"]),
            ("How much honey does a hive give?", ["about 18 kg", "18 kg"]),
            ("How much does a hive give in wet years?", ["6 kg or less"]),
            ("Which bees live on the hill farms?", ["black bees", "mostly black bees"]),
        ],
    ),
    (
        "Café Zürich's owner, Éva Kovács, paid $1.2 million for the house\u202fin\u00a0May 2003. "
        "The façade—built by ΟΔΥΣΣΕΥΣ & Sons—is protected.",
        [
            ("Who owns the café?", ["Éva Kovács"]),
            ("What did the house cost?", ["$1.2 million"]),
            ("When was the house bought?", ["May 2003", "in May 2003"]),
            ("Who built the façade?", ["ΟΔΥΣΣΕΥΣ & Sons"]),
            ("What is protected?", ["The façade"]),
        ],
    ),
    (
        "中文 lessons are given on Tuesdays. They cost 25\u00a0€ each[SEP]or 20 € for members…",
        [
            ("On which day are lessons given?", ["Tuesdays"]),
            ("What does a lesson cost for members?", ["20 €"]),
            ("What is taught?", ["中文"]),
        ],
    ),
    (
        " ".join(
            f"In the year {1700 + number} the mill of valley {number} ground {number * 7} sacks of "
            f"rye for the baker {name}, who sold bread, rolls and zwieback at the bridge."
            for number, name in enumerate(_BAKERS.split())
        ),
        [
            ("For whom did the mill grind in 1712?", ["Max", "the baker Max"]),
            ("How many sacks were ground in 1701?", ["7", "7 sacks"]),
            ("Who was the baker in 1713?", ["Nora"]),
            ("What did the baker sell?", ["bread, rolls and zwieback"]),
            ("Where did " + "the very old and very kind " * 30 + "baker sell?", ["at the bridge"]),
        ],
    ),
    (
        "An unpronounceablelongwordwithoutanyspace" + "x" * 120 + " ends here.",
        [("What ends?", ["word"]), ("Where does it end?", ["here"])],
    ),
    ("", [("What is written here?", ["nothing"])]),
    (
        "The choir sings at 7 pm. The choir's rooms are in the old school, and the choir has 31 "
        "members; a third of them are over 60.",
        [
            ("When does the choir sing?", ["7 pm", "at 7 pm"]),
            ("Where are the choir's rooms?", ["the old school", "in the old school"]),
            ("How many members has the choir?", ["31", "31 members"]),
            ("How many are over 60?", ["a third", "a third of them"]),
        ],
    ),
]
_WORDS = (
    "the a an of in and was is by it for who what when where how which did does do harbour "
    "dredged engineer channel second deep metres ships tonnes use bees hill farms black gather "
    "honey heather august hive gives about kg wet years less owner paid million house may facade "
    "built sons cafe protected lessons given cost each members year mill valley ground sacks rye "
    "baker sold bread rolls bridge choir sings at pm rooms old school third them over 1894 1921 "
    "marta olsen ends here"
)
_ENDINGS = "s ed ing er es ly or ch th ab in on 00 01 12 21"


def squad_json() -> bytes:
    """Return the set as the bytes of a file: two articles, 29 questions."""
    paragraphs = [
        {
            "context": text,
            "qas": [
                {
                    "id": f"{place}-{number}",
                    "question": question,
                    "answers": [
                        {"text": answer, "answer_start": max(0, text.find(answer))}
                        for answer in answers
                    ],
                }
                for number, (question, answers) in enumerate(asked)
            ],
        }
        for place, (text, asked) in enumerate(_TEXTS)
    ]
    articles = [
        {"title": "first", "paragraphs": paragraphs[:3]},
        {"title": "second", "paragraphs": paragraphs[3:]},
    ]
    return json.dumps({"version": "1.1", "data": articles}, ensure_ascii=False).encode()


def vocabulary() -> list[str]:
    """Return word pieces: special ones, letters, digits and signs, some words and endings."""
    letters = [*string.ascii_lowercase, *string.digits, *"πουσδεςßφ"]
    signs = [*string.punctuation, "—", "€", "中", "文"]
    return list(
        dict.fromkeys(
            [
                *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
                *letters,
                *signs,
                *(f"##{letter}" for letter in letters),
                *_WORDS.split(),
                *(f"##{ending}" for ending in _ENDINGS.split()),
            ]
        )
    )


def write_squad(directory: Path) -> Path:
    """Write the set and its vocabulary into a directory under their usual names; return it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "dev-v1.1.json").write_bytes(squad_json())
    (directory / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    return directory


def write_answering_model(path: Path, tokens: int | None = 384) -> Path:
    """Write a model that answers most of the questions; return its path.

    The more pieces of a question that it knows are in the sample's question, the more it likes the
    first and the last piece of that question's answer. Pieces that occur twice mislead it.
    ``tokens`` is the length of a sample, None for any.
    """
    pieces = vocabulary()
    ids = {piece: number for number, piece in enumerate(pieces)}
    known = [(question, answers[0]) for _, asked in _TEXTS for question, answers in asked]
    clues = np.zeros((len(pieces), len(known)), np.float32)
    likes = np.zeros((2, len(pieces), len(known)), np.float32)
    for number, (question, answer) in enumerate(known):
        clues[[ids[piece] for piece in set(tokens_of(question, ids))], number] = 1
        found = tokens_of(answer, ids)
        likes[0, ids[found[0]], number] = likes[1, ids[found[-1]], number] = 1
    # A piece of few questions says more.
    clues /= np.maximum(1, clues.sum(axis=1, keepdims=True))
    clues /= clues.sum(axis=0)
    graph = OnnxGraph()
    for name, values in (("clues", clues), ("start", likes[0]), ("end", likes[1])):
        graph.weight(name, values)
    for name, axis in (("tokens", 1), ("last", -1)):
        graph.weight(name, np.array([axis], np.int64))
    graph.weight("one", np.array(1, np.float32))
    seen, inside = (
        graph.add("Cast", (name,), f"{name}.float", to=onnx.TensorProto.FLOAT)
        for name in ("input_mask", "segment_ids")
    )
    question = graph.add("Sub", (seen, inside), "question")
    question = graph.add("Unsqueeze", (question, "last"), "question.wide")
    hints = graph.add("Gather", ("clues", "input_ids"), "hints")
    hints = graph.add("Mul", (hints, question), "hints.question")
    hints = graph.add("ReduceSum", (hints, "tokens"), "hints.sum", keepdims=1)
    outside = graph.add("Sub", (inside, "one"), "outside")
    for name in ("start", "end"):
        liked = graph.add("Gather", (name, "input_ids"), f"{name}.rows")
        liked = graph.add("Mul", (liked, hints), f"{name}.liked")
        liked = graph.add("ReduceSum", (liked, "last"), f"{name}.sum", keepdims=0)
        graph.add("Add", (liked, outside), f"{name}.inside", f"output_{name}_logits")
    sizes = ("batch", tokens or "tokens")
    # In another order than the samples' tensors.
    inputs = [
        (x, onnx.TensorProto.INT64, sizes) for x in ("segment_ids", "input_ids", "input_mask")
    ]
    outputs = [(f"output_{x}_logits", onnx.TensorProto.FLOAT, sizes) for x in ("start", "end")]
    onnx.save(graph.model("answers", inputs, outputs), path)
    return path
