"""The data sets that users provide: each benchmark brings its own, and the commands ask it.

``mlrepo dataset list``, ``add``, ``prepare`` and ``verify`` know no data set by name: they ask the
benchmarks that are installed (entry points) for theirs.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin, plugin_names

if TYPE_CHECKING:
    from mlrepo.workloads import Model

# Called with how many samples are done, and how many there are.
OnSamples = Callable[[int, int], None]
_SHOWN = 5


@dataclass(frozen=True)
class DatasetPart:
    """A file of a data set that can be elsewhere than in its directory.

    Attributes
    ----------
    name:
        Its usual name in the directory, and what ``--file NAME=PATH`` calls it.
    about:
        What it contains, in a few words.
    optional:
        Whether the data set can do without it.
    """

    name: str
    about: str
    optional: bool = False


@dataclass(frozen=True)
class Registered:
    """What is on this machine of a registered data set.

    Attributes
    ----------
    samples:
        How many samples are here.
    path:
        Where the user has them.
    prepared:
        The names of the complete preparations.
    warning:
        What the user should know about these files, such as that they are a part of the set.
    """

    samples: int
    path: Path
    prepared: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True)
class Prepared:
    """A finished preparation.

    Attributes
    ----------
    path:
        What :meth:`RegisteredDataset.find` returns for it.
    file:
        The file with the samples.
    words:
        How the samples were prepared, after "is prepared"; '' if there is one way only.
    way, size:
        The way and the size that were used; '' and None if the data set has none.
    """

    path: Path
    file: Path
    words: str = ""
    way: str = ""
    size: int | None = None


@dataclass(frozen=True)
class CalibrationList:
    """Samples by name, in order.

    Attributes
    ----------
    source:
        The name used in documents: ``mlperf-1``, or the name of a file.
    """

    source: str
    files: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The hash over the names, one per line."""
        return sha256_bytes("".join(f"{name}\n" for name in self.files).encode())

    def indices(self, files: Sequence[str]) -> list[int]:
        """Return the sample indices of the names in ``files``, the order of a data set.

        Raises
        ------
        UserError
            Some samples are missing; the message names them.
        """
        stems = {PurePosixPath(file).stem: row for row, file in enumerate(files)}
        rows = {name: stems.get(PurePosixPath(name).stem, -1) for name in self.files}
        absent = [name for name, row in rows.items() if row < 0]
        if absent:
            shown = ", ".join(absent[:_SHOWN]) + (", …" if len(absent) > _SHOWN else "")
            raise UserError(
                f"{len(absent)} of the {len(self.files)} samples of the calibration list "
                f"{self.source} are not in the registered data set: {shown}.",
                hint="Register the full set, or give a list of samples that are in it.",
            )
        return [rows[name] for name in self.files]


class RegisteredDataset(ABC):
    """A data set that the user must provide and prepare, below the user's directory ``home``.

    Attributes
    ----------
    name:
        Its name on the command line.
    about:
        What it is, in a few words.
    requirements:
        The Python packages that preparing and judging it need, as pip requirements.
    unit:
        What its samples are, in the plural.
    full_set:
        How many samples the whole set has; None if any number is whole.
    parts:
        The files that it consists of, beside those that are found in its directory.
    ways:
        The ways in which it can be prepared, the default first; empty if there is only one.
    sizes, size:
        The sizes that a preparation can have, and the default; empty if there is only one.
    """

    name: str
    about: str
    requirements: tuple[str, ...] = ()
    unit: str = "samples"
    full_set: int | None = None
    parts: tuple[DatasetPart, ...] = ()
    ways: tuple[str, ...] = ()
    sizes: range = range(0)
    size: int = 0

    @abstractmethod
    def add(self, home: Path, path: Path, files: Mapping[str, Path]) -> Registered:
        """Register the user's files; those that were prepared from other files are removed.

        ``path`` is what the user gave with ``--path``, ``files`` the parts given with ``--file``;
        :meth:`find_parts` finds the others.

        Raises
        ------
        UserError
            Files are missing or are not what they should be; the message names them.
        """

    @abstractmethod
    def prepare(
        self, home: Path, way: str, size: int, threads: int, progress: OnSamples
    ) -> Prepared:
        """Prepare the registered files for runs; an interrupted preparation continues.

        ``way`` and ``size`` are among :attr:`ways` and :attr:`sizes`; '' and 0 if there are none.

        Raises
        ------
        UserError
            The data set is not registered, samples cannot be used, or the disk is full.
        """

    @abstractmethod
    def verify(self, home: Path, threads: int, progress: OnSamples) -> str:
        """Compare the user's files, and what was prepared, again; return the fingerprint.

        Raises
        ------
        UserError
            Nothing is registered or prepared.
        InvalidResult
            Something has changed or disappeared since; the message names it.
        """

    @abstractmethod
    def status(self, home: Path) -> Registered | None:
        """Return what is registered, None if nothing is."""

    @abstractmethod
    def find(self, home: Path, model: Model) -> Path:
        """Return the path of the data prepared for a model, the argument of ``open_dataset``.

        Raises
        ------
        UserError
            It has to be registered or prepared first; the hint says how.
        """

    @abstractmethod
    def needed(self, home: Path, model: Model) -> tuple[str, ...]:
        """Return the commands that would make :meth:`find` succeed; none if it already does."""

    def sample_names(self, home: Path) -> Sequence[str]:
        """Return the names of its samples in calibration lists, in the order of their indices.

        Raises
        ------
        UserError
            It has to be registered first, or its samples have no names.
        """
        raise self._without_names()

    def calibration(self, text: str) -> CalibrationList:
        """Return the calibration list ``text``: the name of one that the data set knows, or a file.

        Raises
        ------
        UserError
            There is no such list, or its samples have no names.
        """
        raise self._without_names()

    def _without_names(self) -> UserError:
        return UserError(
            f"The samples of {self.name} have no names that a calibration list could contain.",
            hint="Quantize the model elsewhere, and register it with `mlrepo model add NAME FILE`.",
        )

    def find_parts(self, path: Path, files: Mapping[str, Path]) -> dict[str, Path]:
        """Return where each part is: as given in ``files``, else in the directory ``path``.

        An optional part that is not there is left out.

        Raises
        ------
        UserError
            Parts are missing; the message names all of them.
        """
        found = {part.name: files.get(part.name, path / part.name) for part in self.parts}
        lost = [
            part
            for part in self.parts
            if not found[part.name].is_file() and (part.name in files or not part.optional)
        ]
        if lost:
            raise UserError(
                f"Files of {self.name} are missing: "
                + ", ".join(f"{found[part.name]} ({part.about})" for part in lost)
                + ".",
                hint="Check --path, or say where a file is: --file "
                + " --file ".join(f"{part.name}=PATH" for part in lost),
            )
        return {name: file for name, file in found.items() if file.is_file()}


def registered_datasets() -> dict[str, RegisteredDataset]:
    """Return the data sets of the installed benchmarks, by name, sorted.

    A benchmark that cannot be imported here has none.
    """
    found: dict[str, RegisteredDataset] = {}
    for name in plugin_names(WORKLOADS):
        with contextlib.suppress(UserError):
            dataset: RegisteredDataset | None = load_plugin(WORKLOADS, name).dataset
            if dataset is not None:
                found.setdefault(dataset.name, dataset)
    return dict(sorted(found.items()))


def dataset_of(benchmark: str) -> RegisteredDataset | None:
    """Return the data set that a benchmark's users register; None if it has none, or is unknown."""
    with contextlib.suppress(UserError):
        dataset: RegisteredDataset | None = load_plugin(WORKLOADS, benchmark).dataset
        return dataset
    return None


def registered_dataset(name: str) -> RegisteredDataset:
    """Return the data set with a name; raise :class:`UserError` if no benchmark brings it."""
    found = registered_datasets()
    if name not in found:
        raise UserError(f"There is no data set {name!r}.", hint=f"Use one of: {', '.join(found)}.")
    return found[name]


def refuse_oblong(model: Model, dataset: str) -> None:
    """Raise :class:`UserError` if a model takes images that are not square: prepared ones are."""
    if len(set(model.size)) > 1:
        raise UserError(
            f"{model.name} takes images of {model.size[0]} by {model.size[1]}, and those of "
            f"{dataset} are prepared as squares.",
            hint="Export the model for square images.",
        )
