"""The files that belong to a model, and one digest over all of them.

An ONNX file names the files with its weights; for OpenVINO IR, sharded GGUF and safetensors, naming
conventions determine them; a model that is a directory consists of all files in it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from mlrepo.digest import sha256_bytes, sha256_file
from mlrepo.errors import UserError
from mlrepo.onnx_tensors import BadExternalData, NotOnnx, onnx_tensors

TORCH_SUFFIXES = (".pt", ".pt2", ".pth", ".safetensors")
"""How the names of PyTorch's own files end, in lower case."""
# Formats whose weights are in a second file beside the named one: OpenVINO IR, PaddlePaddle.
_IR = ".xml"
_COMPANIONS = {_IR: ".bin", ".pdmodel": ".pdiparams"}
# An IR without these bytes has no constants and needs no weights.
_IR_CONSTANT = b'type="Const"'
# OpenVINO recognizes its IR by the first bytes, whatever the file is called.
_IR_HEADS = (b"<?xml", b"<net")
_INDEX = ".index.json"
# The graph of a TensorFlow checkpoint; the files beside it hold its variables.
_CHECKPOINT = ".meta"
_VARIABLES = re.compile(r"\.index|\.data-[0-9]{5}-of-[0-9]{5}")
_SHARD = re.compile(r"(?P<stem>.*)-(?P<number>[0-9]{5})-of-(?P<total>[0-9]{5})(?P<suffix>\.\w+)\Z")
# Internal directories of Git and of the Hugging Face downloader in a model's directory.
_BOOKKEEPING = (".git", ".cache")
# A file modified more recently than this can change again without a new timestamp.
_SETTLED_NS = 2_000_000_000

FileState = tuple[int, ...]


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: its POSIX name relative to the model's directory, bytes, SHA-256.

    ``state`` is what :func:`file_states` returned before it was read; empty if the file had been
    modified so recently that it could change again without a new timestamp.
    """

    name: str
    size: int
    sha256: str
    state: FileState = field(default=(), compare=False)

    def listed(self) -> dict[str, object]:
        """Return name, size and SHA-256 as plain values."""
        return {"name": self.name, "size": self.size, "sha256": self.sha256}


@dataclass(frozen=True)
class ModelFiles:
    """All files of a model.

    Attributes
    ----------
    entry:
        The file or directory passed to backends.
    root:
        The directory that the names of the files are relative to.
    files:
        Sorted by name.
    """

    entry: Path
    root: Path
    files: tuple[ModelFile, ...]

    @property
    def size(self) -> int:
        """The total size of all files in bytes."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """The identity of the model: the SHA-256 of its only file, or of the list of its files.

        It is empty for a model without files, which an endpoint serves.

        The list has a line ``<sha256>  <name>`` for each file, as ``sha256sum`` prints it, sorted
        by name. The files of a directory are listed even if there is only one.
        """
        if not self.files:
            return ""
        if len(self.files) == 1 and self.root != self.entry:
            return self.files[0].sha256
        text = "".join(f"{file.sha256}  {file.name}\n" for file in self.files)
        return sha256_bytes(text.encode("utf-8", "surrogateescape"))

    def paths(self) -> list[Path]:
        """Return the paths of the files, in the same order."""
        return [self.root / file.name for file in self.files]

    @property
    def states(self) -> dict[str, FileState]:
        """The state of each file by name, to compare with :func:`file_states`."""
        return {file.name: file.state for file in self.files}

    def listed(self) -> list[dict[str, object]]:
        """Return the files as plain values, one object for each."""
        return [file.listed() for file in self.files]


def find_model_files(entry: Path) -> ModelFiles:
    """Return all files of a model with their SHA-256.

    ``entry`` is a file or a directory. A file that was hashed before and has not changed since is
    not read again.

    Raises
    ------
    UserError
        The model or a file that it needs is missing, too short, cannot be read, or is outside of
        the model's directory.
    """
    entry = entry.absolute()
    try:
        names, root = model_file_names(entry), _root(entry)
        return ModelFiles(entry, root, tuple(_described(root, name) for name in names))
    except OSError as error:
        raise _unreadable(entry, error) from error


def model_file_names(entry: Path) -> tuple[str, ...]:
    """Return the sorted names of a model's files without hashing them; see find_model_files."""
    try:
        if entry.is_dir():
            names = set(_directory(entry))
            for name in list(names):
                names.update(_with_parts(entry, name))
        else:
            if not entry.exists():
                raise _absent(entry)
            names = set(_with_parts(entry.parent, entry.name))
    except OSError as error:
        raise _unreadable(entry, error) from error
    for name in names:
        # The list from which the digest is made has one line per file.
        if any(ord(char) < 32 for char in name):
            raise UserError(
                f"The model {entry} has a file whose name contains a control character: {name!r}.",
                hint="Rename the file.",
            )
    return tuple(sorted(names))


def file_states(entry: Path) -> dict[str, FileState]:
    """Return the state of each file of a model by name; any change to a file changes its state.

    Nothing is hashed. Raises :class:`UserError` as :func:`find_model_files` does.
    """
    entry = entry.absolute()
    names, root = model_file_names(entry), _root(entry)
    try:
        return {name: _state(root / name) for name in names}
    except OSError as error:
        raise _unreadable(entry, error) from error


def refuse_changed(entry: Path, states: Mapping[str, FileState]) -> None:
    """Raise :class:`UserError` if the files of a model are no longer in these states."""
    if file_states(entry) != states:
        raise UserError(
            f"The model {entry} was changed while it was read.",
            hint="Run again once nothing writes to the model's files.",
        )


def _root(entry: Path) -> Path:
    return entry if entry.is_dir() else entry.parent


def _state(path: Path) -> FileState:
    """Return device, inode, size, and the times of the last changes of content and inode."""
    found = path.stat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _described(root: Path, name: str) -> ModelFile:
    path = root / name
    state = _state(path)
    if _settled(state):
        return ModelFile(name, state[2], _remembered(path, state), state)
    return ModelFile(name, state[2], sha256_file(path))


def _settled(state: FileState) -> bool:
    return time.time_ns() - max(state[-2:]) > _SETTLED_NS


@lru_cache(maxsize=4096)
def _remembered(path: Path, state: FileState) -> str:
    return sha256_file(path)


def _directory(root: Path) -> Iterator[str]:
    """Yield the names of all files below a directory; every link must lead to a file inside."""
    found = False
    for above, directories, files in os.walk(root, onerror=_raise):
        directories[:] = sorted(d for d in directories if d not in _BOOKKEEPING)
        for name in (*files, *(d for d in directories if (Path(above) / d).is_symlink())):
            path = Path(above) / name
            relative = path.relative_to(root).as_posix()
            _check_file(root, path, f"The model {root} holds {relative}, which")
            found = True
            yield relative
    if not found:
        raise UserError(f"The model {root} is an empty directory.", hint="Check the path.")


def _raise(error: OSError) -> None:
    raise error


def _with_parts(root: Path, name: str) -> Iterator[str]:
    """Yield the name of a file below the root, and those of the files that it needs."""
    path = root / name
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise UserError(f"The model file {path} is not a regular file.", hint="Check the path.")
    yield name
    folder = PurePosixPath(name).parent
    suffix = _IR if is_openvino_ir(path) else path.suffix.lower()
    shard = _SHARD.match(path.name)
    if suffix in _COMPANIONS:
        parts: Iterable[str] = _companion(path, _COMPANIONS[suffix])
    elif suffix == _CHECKPOINT:
        parts = sorted(
            beside.name
            for beside in path.parent.iterdir()
            if _VARIABLES.fullmatch(beside.name.removeprefix(path.stem))
        )
    elif path.name.endswith(_INDEX):
        parts = _indexed(path)
    elif shard:
        parts = _shards(path, shard)
    else:
        parts = _external(path)
    for part in parts:
        yield str(folder / part)


def is_openvino_ir(path: Path) -> bool:
    """Return whether a file is OpenVINO's IR, by its name or as OpenVINO sees it.

    Raises :class:`OSError` where it cannot be read.
    """
    if path.suffix.lower() == _IR:
        return True
    with path.open("rb") as stream:
        head = stream.read(64)
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_IR_HEADS)


def _companion(path: Path, suffix: str) -> Iterator[str]:
    weights = path.with_suffix(suffix)
    if weights.exists() or weights.is_symlink():
        _check_file(path.parent, weights, f"The model {path} has its weights in {weights}, which")
        yield weights.name
    elif suffix != ".bin" or _IR_CONSTANT in path.read_bytes():
        raise UserError(
            f"The model {path} has its weights in {weights.name}, and there is no such file "
            "beside it.",
            hint="Copy both files into one directory.",
        )


def _indexed(path: Path) -> Iterator[str]:
    """Yield the files that a Hugging Face index names (``weight_map``: tensor to file)."""
    try:
        weights: Any = json.loads(path.read_bytes())["weight_map"]
        named = {str(file): str(tensor) for tensor, file in weights.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # some other index
    for file, tensor in sorted(named.items()):
        yield _inside(path, tensor, file, 0)


def _shards(path: Path, shard: re.Match[str]) -> Iterator[str]:
    total = int(shard["total"])
    for number in range(1, total + 1):
        name = f"{shard['stem']}-{number:05d}-of-{shard['total']}{shard['suffix']}"
        what = f"The model {path} is one of {total} files; {name}"
        _check_file(path.parent, path.with_name(name), what)
        yield name


def _external(path: Path) -> Iterator[str]:
    """Yield the files that an ONNX file names; nothing for other kinds of files."""
    state = _state(path)
    needed = _needed(path, state) if _settled(state) else _needed.__wrapped__(path, state)
    for location, (end, tensor) in sorted(needed.items()):
        yield _inside(path, tensor, location, end)


@lru_cache(maxsize=256)
def _needed(path: Path, state: FileState) -> Mapping[str, tuple[int, str]]:
    """Return the bytes needed of each weights file, and the tensor that ends there."""
    needed: dict[str, tuple[int, str]] = {}
    try:
        for tensor in onnx_tensors(path):
            end = tensor.offset + max(tensor.length or 0, tensor.size)
            if tensor.external and end > needed.get(tensor.location, (-1, ""))[0]:
                needed[tensor.location] = (end, tensor.name)
    except NotOnnx:
        return {}  # not ONNX: the backend says what it is
    except BadExternalData as error:
        raise UserError(
            f"The model {path} has weights in another file, but does not say where: {error}.",
            hint="Save the model again with the package onnx.",
        ) from error
    return needed


def _inside(path: Path, tensor: str, location: str, end: int) -> str:
    """Return the name of a weights file relative to the model's directory.

    ONNX (docs/ExternalData.md) allows relative POSIX paths without ``..`` only.
    """
    what = f"The model {path} has the weights {tensor!r} in {location!r}, which"
    parts = PurePosixPath(location).parts
    bad = not parts or location.startswith("/") or ".." in parts or "\\" in location
    if bad or "\0" in location or re.match(r"[A-Za-z]:", location):
        raise UserError(
            f"{what} is not a path below the model's directory.",
            hint="Save the model again with all its files in one directory.",
        )
    data = path.parent.joinpath(*parts)
    _check_file(path.parent, data, what, beside=path)
    size = data.stat().st_size
    if size < end:
        raise UserError(
            f"{what} is too short: {size} bytes, but it needs {end}.",
            hint="Copy or export the model again; a file was cut, or belongs to another model.",
        )
    return "/".join(parts)


def _check_file(root: Path, path: Path, what: str, beside: Path | None = None) -> None:
    """Raise UserError if the path, links followed, is not a regular file inside the root.

    If the model's own file (``beside``) is a link too, both may lead into another directory.
    """
    hint = "Copy all files of the model into its directory."
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        gone = "is a broken link" if path.is_symlink() else "does not exist"
        if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.ENOTDIR):
            gone = f"cannot be read: {error.strerror}"
        raise UserError(f"{what} {gone}.", hint=hint) from error
    roots = [root.resolve(), *_blobs(root)] + ([beside.resolve().parent] if beside else [])
    if not any(real.is_relative_to(one) for one in roots):
        raise UserError(f"{what} is a link out of the model's directory.", hint=hint)
    if not real.is_file():
        raise UserError(f"{what} is not a regular file.", hint=hint)


def _blobs(root: Path) -> Iterator[Path]:
    """Yield the directory to whose files a snapshot in the Hugging Face cache links.

    The cache has ``<model>/snapshots/<revision>/…`` and ``<model>/blobs/<hash>``.
    """
    for above in root.resolve().parents:
        if above.name == "snapshots":
            yield above.with_name("blobs")


def _absent(entry: Path) -> UserError:
    if entry.is_symlink():
        return UserError(
            f"The model file {entry} is a broken link.", hint="Check where the link leads."
        )
    return UserError(f"The model file {entry} does not exist.", hint="Check the path.")


def _unreadable(entry: Path, error: OSError) -> UserError:
    return UserError(
        f"The model file {error.filename or entry} cannot be read: {error.strerror or error}.",
        hint="Check the path and its permissions.",
    )
