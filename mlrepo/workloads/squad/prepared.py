"""SQuAD on this machine: the user's two files, and one file with the samples made from them.

``<home>/datasets/squad`` holds ``files.json`` (where the user's files are, their SHA-256, and how
many questions they have), ``features.npz`` (the samples, and both files' content, so that runs need
nothing else) and ``features.json`` (its SHA-256, and those of the files it was made from).
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.digest import sha256_bytes, sha256_file
from mlrepo.errors import InvalidResult, UserError
from mlrepo.workloads.squad.features import LENGTH, Features, OnProgress, make_features
from mlrepo.workloads.squad.questions import Paragraph, read_questions
from mlrepo.workloads.squad.vocabulary import Vocabulary, read_vocabulary
from mlrepo.workloads.tensors import SampleTensor

NAME = "squad"
QUESTIONS, PIECES = "dev-v1.1.json", "vocab.txt"
PARTS = (QUESTIONS, PIECES)
# The number of questions of dev-v1.1.json, and of samples that the reference makes of them.
ALL_QUESTIONS, ALL_SAMPLES = 10570, 10833
# Changes when other samples are made of the same files: what an older mlrepo prepared is stale.
_FORM = 1
_FILES, _FEATURES, _NOTE = "files.json", "features.npz", "features.json"
_AGAIN = f"`mlrepo dataset prepare {NAME}` makes it again."

# The inputs of a BERT, by the names of MLPerf's models and those of other exports.
TENSORS = (
    SampleTensor("input_ids", "int64", (LENGTH,), ("input_ids:0", "input_ids.1", "ids")),
    SampleTensor(
        "input_mask", "int64", (LENGTH,), ("attention_mask", "input_mask:0", "attention_mask.1")
    ),
    SampleTensor(
        "segment_ids",
        "int64",
        (LENGTH,),
        ("token_type_ids", "segment_ids:0", "token_type_ids.1", "input_type_ids"),
    ),
)


@dataclass(frozen=True)
class Files:
    """The user's files: how many questions, and path and SHA-256 by the names of :data:`PARTS`."""

    questions: int
    paths: Mapping[str, Path]
    sha256: Mapping[str, str]

    def unchanged(self, name: str) -> bytes:
        """Return the content of a file; raise :class:`UserError` if that is another by now."""
        content = _content(self.paths[name])
        if sha256_bytes(content) != self.sha256[name]:
            raise UserError(
                f"{self.paths[name]} was changed since it was registered as {name}.",
                hint=f"Put the old file back, or `mlrepo dataset add {NAME} --path DIR` again.",
            )
        return content


@dataclass(frozen=True)
class SquadStore:
    """The registered files below ``<home>/datasets``, and what was prepared from them."""

    home: Path

    @property
    def directory(self) -> Path:
        """Where the files of the set are kept; the user's own stay where they are."""
        return self.home / "datasets" / NAME

    @property
    def features(self) -> Path:
        """The file with the samples."""
        return self.directory / _FEATURES

    def add(self, files: Mapping[str, Path]) -> None:
        """Register the user's files, by the names of :data:`PARTS`.

        What was prepared from other files is removed.

        Raises
        ------
        UserError
            A file cannot be read or is not what it should be.
        """
        contents = {name: _content(files[name]) for name in PARTS}
        paragraphs = read_questions(contents[QUESTIONS], str(files[QUESTIONS]))
        read_vocabulary(contents[PIECES], str(files[PIECES]))
        found = Files(
            sum(len(paragraph.questions) for paragraph in paragraphs),
            {name: files[name].resolve() for name in PARTS},
            {name: sha256_bytes(contents[name]) for name in PARTS},
        )
        paths = {name: str(path) for name, path in found.paths.items()}
        values = {"questions": found.questions, "paths": paths, "sha256": found.sha256}
        self.directory.mkdir(parents=True, exist_ok=True)
        _write(self.directory / _FILES, json.dumps(values, indent=2).encode())
        if self.problem():
            for name in (_NOTE, _FEATURES):
                (self.directory / name).unlink(missing_ok=True)

    def files(self) -> Files | None:
        """Return the registered files; None if there are none."""
        path = self.directory / _FILES
        try:
            raw = json.loads(path.read_bytes())
            paths = {name: Path(raw["paths"][name]) for name in PARTS}
            return Files(
                int(raw["questions"]), paths, {name: str(raw["sha256"][name]) for name in PARTS}
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is damaged: {error!r}.",
                hint=f"`mlrepo dataset add {NAME} --path DIR` writes it.",
            ) from error

    def require_files(self) -> Files:
        """Return :meth:`files`; raise :class:`UserError` if there are none."""
        found = self.files()
        if found is None:
            raise UserError(
                f"The data set {NAME} is not registered.",
                hint=f"`mlrepo dataset add {NAME} --path DIR` registers a directory with "
                f"{QUESTIONS} of SQuAD v1.1 and {PIECES} of BERT-Large uncased.",
            )
        return found

    def problem(self) -> str:
        """Return why there are no complete samples of the registered files; '' if there are."""
        files = self.require_files()
        try:
            note = _note(self.features)
        except UserError as error:
            return str(error)
        if note is None:
            return "it is not prepared"
        if note.get("form") != _FORM:
            return "it was prepared by another version of mlrepo"
        if note.get("files") != files.sha256:
            return "it was prepared from other files"
        if not self.features.is_file():
            return f"{self.features} is missing"
        return ""

    def pieces(self) -> int:
        """Return the number of word pieces that the samples were made with."""
        note = _note(self.features)
        return int(note["pieces"]) if note else 0

    def prepare(self, on_progress: OnProgress) -> Path:
        """Make the samples unless they are there; return their file.

        Raises
        ------
        UserError
            The files were changed since they were registered, the package ``tokenizers`` is
            missing, or the disk is full. Nothing is left half-written.
        """
        files = self.require_files()
        if not self.problem() and _sound(self.features):
            return self.features
        contents = {name: files.unchanged(name) for name in PARTS}
        paragraphs = read_questions(contents[QUESTIONS], QUESTIONS)
        vocabulary = read_vocabulary(contents[PIECES], PIECES)
        try:
            features = make_features(paragraphs, vocabulary, on_progress)
        except ImportError as error:
            raise UserError(
                f"Preparing {NAME} needs the package {error.name}: {error}.",
                hint="`mlrepo bench prereq --model bert-99` installs it.",
            ) from error
        arrays = {one.name: getattr(features, one.name) for one in fields(features)}
        arrays |= {name: np.frombuffer(content, np.uint8) for name, content in contents.items()}
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        data = stream.getvalue()
        note = {
            "form": _FORM,
            "sha256": sha256_bytes(data),
            "samples": len(features.ids),
            "pieces": len(vocabulary),
            "files": files.sha256,
        }
        # Without its note the file is not used: a process that is killed here leaves no wrong one.
        (self.directory / _NOTE).unlink(missing_ok=True)
        _write(self.features, data)
        _write(self.directory / _NOTE, json.dumps(note, indent=2).encode())
        return self.features

    def verify(self) -> str:
        """Compare the user's files and the samples with their hashes; return the fingerprint.

        Raises
        ------
        UserError
            Nothing is registered or prepared.
        InvalidResult
            A file has changed or disappeared since; the message names it.
        """
        files = self.require_files()
        if problem := self.problem():
            raise UserError(f"The data set {NAME} is incomplete: {problem}.", hint=_AGAIN)
        for name in PARTS:
            try:
                files.unchanged(name)
            except UserError as error:
                raise InvalidResult(str(error), hint=error.hint) from error
        if not _sound(self.features):
            raise InvalidResult(f"{self.features} was changed since it was made.", hint=_AGAIN)
        return SquadSamples(self.features).fingerprint


@dataclass(frozen=True)
class SquadSamples:
    """The prepared samples: three int64 arrays [n, 384] by the names of :data:`TENSORS`.

    Attributes
    ----------
    path:
        The file of :attr:`SquadStore.features`.
    """

    path: Path

    @cached_property
    def _arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        if not _sound(self.path):
            raise UserError(
                f"The prepared data set {self.path} is damaged or was changed.", hint=_AGAIN
            )
        with np.load(self.path, allow_pickle=False) as data:
            return dict(data)

    @cached_property
    def features(self) -> Features:
        """The samples with what is known of their tokens."""
        return Features(**{one.name: self._arrays[one.name] for one in fields(Features)})

    @cached_property
    def paragraphs(self) -> Sequence[Paragraph]:
        """The paragraphs with their questions and answers."""
        return read_questions(self._arrays[QUESTIONS].tobytes(), QUESTIONS)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The word pieces."""
        return read_vocabulary(self._arrays[PIECES].tobytes(), PIECES)

    @property
    def total(self) -> int:
        """The number of samples; long paragraphs make several of a question."""
        return len(self.features.ids)

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """The number of tokens of each sample before its padding, shape [total]."""
        return self.features.lengths

    @property
    def tensors(self) -> Sequence[SampleTensor]:
        """The tokens, whether they are tokens or padding, and the segment they are in."""
        return TENSORS

    def load(self, indices: Sequence[int]) -> Mapping[str, npt.NDArray[np.int64]]:
        """Return the samples, three int64 arrays [len(indices), 384]."""
        rows = np.asarray(indices, np.int64)
        features = self.features
        return as_tensors(features.ids[rows], features.lengths[rows], features.starts[rows])

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the file with the samples."""
        note = _note(self.path)
        return str(note["sha256"]) if note else ""

    def describe(self) -> Mapping[str, object]:
        """Return name, numbers, completeness, the hashes of the files, and the fingerprint."""
        note = _note(self.path) or {}
        return {
            "name": "SQuAD v1.1 development set",
            "samples": self.total,
            "complete": self.total == ALL_SAMPLES,
            "questions": sum(len(paragraph.questions) for paragraph in self.paragraphs),
            "sequence_length": LENGTH,
            "vocabulary": len(self.vocabulary),
            "files": note.get("files", {}),
            "fingerprint": self.fingerprint,
        }


def as_tensors(
    ids: npt.NDArray[Any], lengths: npt.NDArray[Any], starts: npt.NDArray[Any]
) -> Mapping[str, npt.NDArray[np.int64]]:
    """Return samples as the tensors of :data:`TENSORS`, int64 [n, LENGTH] each.

    Parameters
    ----------
    ids:
        The numbers of the word pieces, [n, LENGTH], 0 after the end.
    lengths, starts:
        The number of tokens, and the position of the first token of the second segment, [n].
    """
    place = np.arange(LENGTH)
    mask = place < lengths[:, None]
    values = (ids, mask, mask & (place >= starts[:, None]))
    return {one.name: value.astype(np.int64) for one, value in zip(TENSORS, values, strict=True)}


def _note(features: Path) -> dict[str, Any] | None:
    """Return what is noted of a file with samples; None if it was not completed."""
    path = features.with_name(_NOTE)
    try:
        note = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}.", hint=_AGAIN) from error
    return note if isinstance(note, dict) else None


def _sound(features: Path) -> bool:
    """Return whether a file with samples is as it was made."""
    note = _note(features)
    try:
        return note is not None and sha256_file(features) == note.get("sha256")
    except (OSError, zipfile.BadZipFile):
        return False


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint=f"Check the path; `mlrepo dataset add {NAME} --path DIR` names a new place.",
        ) from error


def _write(path: Path, data: bytes) -> None:
    """Write a whole file or none."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Make room, or make the directory writable, then run the same command.",
        ) from error
