"""SQuAD as its benchmarks need it: registered, prepared, and checked against a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.workloads import Model
from mlrepo.workloads.registered import (
    DatasetPart,
    OnSamples,
    Prepared,
    Registered,
    RegisteredDataset,
)
from mlrepo.workloads.squad.prepared import (
    ALL_QUESTIONS,
    NAME,
    PIECES,
    QUESTIONS,
    SquadStore,
)
from mlrepo.workloads.squad.vocabulary import BERT_PIECES
from mlrepo.workloads.weights import read_facts

# A table of embeddings may be longer than the vocabulary: to a multiple of so many rows.
_PADDING = 128


class Squad(RegisteredDataset):
    """The development set of SQuAD v1.1, which the user registers with the model's vocabulary."""

    name = NAME
    about = "questions about paragraphs of Wikipedia, for bert-99 and bert-99.9"
    requirements = ("tokenizers>=0.20",)
    unit = "questions"
    full_set = ALL_QUESTIONS
    parts = (
        DatasetPart(QUESTIONS, "the development set of SQuAD v1.1"),
        DatasetPart(PIECES, "the word pieces of BERT-Large uncased"),
    )

    def add(self, home: Path, path: Path, files: Mapping[str, Path]) -> Registered:
        """Register the two files; see :class:`RegisteredDataset`."""
        store = SquadStore(home)
        store.add(self.find_parts(path, files))
        return self._registered(store)

    def prepare(
        self, home: Path, way: str, size: int, threads: int, progress: OnSamples
    ) -> Prepared:
        """Make the samples; ``tokenizers`` itself spreads the work over the processors."""
        path = SquadStore(home).prepare(progress)
        return Prepared(path, path)

    def verify(self, home: Path, threads: int, progress: OnSamples) -> str:
        """Compare the files and the samples with their hashes; return the fingerprint."""
        return SquadStore(home).verify()

    def status(self, home: Path) -> Registered | None:
        """Return what is registered; see :class:`RegisteredDataset`."""
        store = SquadStore(home)
        return None if store.files() is None else self._registered(store)

    def find(self, home: Path, model: Model) -> Path:
        """Return the file with the samples.

        Raises
        ------
        UserError
            It has to be registered or prepared first, or the vocabulary is not the model's.
        """
        store = SquadStore(home)
        if problem := store.problem():
            raise UserError(
                f"The data set {NAME} is not ready: {problem}.",
                hint=f"`mlrepo dataset prepare {NAME}` takes some seconds.",
            )
        _require_same_vocabulary(store.pieces(), model)
        return store.features

    def needed(self, home: Path, model: Model) -> tuple[str, ...]:
        """Return the commands that register and prepare the set."""
        store = SquadStore(home)
        prepare = f"mlrepo dataset prepare {NAME}"
        if store.files() is None:
            return (f"mlrepo dataset add {NAME} --path DIR", prepare)
        return (prepare,) if store.problem() else ()

    def _registered(self, store: SquadStore) -> Registered:
        files = store.require_files()
        warning = ""
        if files.questions != ALL_QUESTIONS:
            warning = (
                f"The whole set has {ALL_QUESTIONS} questions, this file has {files.questions}: "
                "results of it are not those of the benchmark."
            )
        prepared = () if store.problem() else ("features",)
        return Registered(files.questions, files.paths[QUESTIONS].parent, prepared, warning)


def _require_same_vocabulary(pieces: int, model: Model) -> None:
    """Refuse a model whose table of embeddings is not for the registered vocabulary.

    A model whose table cannot be read is taken for one of BERT-Large uncased.
    """
    rows = read_facts(model.path).embeddings
    if rows and pieces <= rows < pieces + _PADDING:
        return
    if not rows and pieces == BERT_PIECES:
        return
    found = f"has embeddings of {rows} word pieces" if rows else "is a BERT with 30522 word pieces"
    raise UserError(
        f"The registered {PIECES} does not fit the model {model.name}: it has {pieces} word "
        f"pieces, and the model {found}.",
        hint=f"`mlrepo dataset add {NAME} --path DIR --file {PIECES}=PATH` registers the "
        "vocabulary that came with the model; then prepare the set again.",
    )
