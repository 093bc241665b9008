"""What can run here, and what is missing for the rest."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.backends.capabilities import Capabilities, backends_that, capabilities_of
from mlrepo.backends.requirements import missing
from mlrepo.errors import MlrepoError, UserError
from mlrepo.model_kinds import kind_of
from mlrepo.plugins import WORKLOADS, backend_name, load_plugin, plugin_names
from mlrepo.workloads import Model, Workload
from mlrepo.workloads.catalog import ReferenceModel
from mlrepo.workloads.described import described
from mlrepo.workloads.model_store import ModelStore
from mlrepo.workloads.registered import registered_dataset
from mlrepo.workloads.tensors import has_objects

_NO_BACKEND = "No installed backend takes it."


@dataclass(frozen=True)
class Combination:
    """A benchmark, a model and a backend.

    Attributes
    ----------
    needed:
        The commands that install what is missing; empty if nothing is.
    """

    benchmark: str
    model: str
    backend: str
    needed: tuple[str, ...]


def combinations(home: Path) -> list[Combination]:
    """Return every combination of installed benchmarks, known models and backends."""
    found: list[Combination] = []
    store = ModelStore(home)
    names = sorted(backends_that(lambda one: one.computes))
    backends = {name: capabilities_of(name) for name in names}
    lacking = {name: _prereq(name, missing(one.requirements)) for name, one in backends.items()}
    for name in plugin_names(WORKLOADS):
        try:
            workload: Workload = load_plugin(WORKLOADS, name)
        except MlrepoError as error:
            found.append(Combination(name, "", "", (error.message,)))
            continue
        models = [model for model in store.known() if model.benchmark == name]
        able = {key: one for key, one in backends.items() if _can_run(one, workload)}
        if workload.model is None and not models:
            found.append(Combination(name, "", "", _of_a_users_model(home, workload)))
            continue
        found += _with_backends(home, store, workload, models, able, lacking) or [
            Combination(name, "", "", (_NO_BACKEND,))
        ]
    return found


def _with_backends(
    home: Path,
    store: ModelStore,
    workload: Workload,
    models: Sequence[ReferenceModel],
    backends: Mapping[str, Capabilities],
    lacking: Mapping[str, tuple[str, ...]],
) -> list[Combination]:
    """Return the models of a benchmark with each of the backends that reads them."""
    if workload.model is not None:
        kind = kind_of(workload.model.path)
        own = _own_packages(workload)
        return [
            Combination(workload.name, workload.model.name, name, lacking[name] + own)
            for name, one in backends.items()
            if one.declared and one.can_read(kind)
        ]
    return [
        Combination(
            workload.name,
            model.variant,
            name,
            lacking[name] + _inputs(home, store, workload, model),
        )
        for model in models
        for name, one in backends.items()
        if one.can_read(model.framework)
    ]


def _can_run(backend: Capabilities, workload: Workload) -> bool:
    """Return whether a backend takes what the benchmark gives: batches, or requests."""
    if backend.one_input and len(workload.known_tensors()) > 1:
        return False
    return backend.takes_requests or (backend.predicts and _gives_batches(workload))


def _gives_batches(workload: Workload) -> bool:
    """Return whether batches can be made of a benchmark's samples."""
    objects = getattr(workload.open_dataset, "objects", None)
    if not isinstance(objects, bool):
        objects = False
        with contextlib.suppress(Exception):  # a third-party data set may raise anything
            objects = workload.dataset is None and has_objects(workload.open(""))
    return not objects or hasattr(workload.task, "collate")


def _of_a_users_model(home: Path, workload: Workload) -> tuple[str, ...]:
    """Return the commands for a benchmark of which no model is known: users bring their own."""
    data = workload.dataset
    commands: tuple[str, ...] = (f"mlrepo model add {workload.name}/NAME FILE",)
    if data is not None:
        ways = next(iter(data.ways), "")
        commands += data.needed(home, Model(workload.name, Path(), "", preprocessing=ways))
    packages = (*workload.requirements, *(data.requirements if data is not None else ()))
    prereq = (f"mlrepo bench prereq --model {workload.name}",) if missing(packages) else ()
    return prereq + commands


def requirements_of_backend(name: str) -> tuple[str, ...]:
    """Return what a backend needs; raise :class:`UserError` if it does not exist."""
    found = capabilities_of(backend_name(name))
    return (*found.requirements, *found.extras)


def requirements_of_dataset(name: str) -> tuple[str, ...]:
    """Return what preparing a data set needs; raise :class:`UserError` if it does not exist."""
    return registered_dataset(name).requirements


def requirements_of_benchmark(name: str) -> tuple[str, ...]:
    """Return what a benchmark's runs, models and data set need, each once.

    Raises
    ------
    UserError
        There is no such benchmark.
    """
    workload: Workload = load_plugin(WORKLOADS, name)
    of_models = workload.model_requirements if _made_here(workload) else ()
    of_data = workload.dataset.requirements if workload.dataset is not None else ()
    return tuple(dict.fromkeys((*of_models, *of_data, *workload.requirements)))


def _made_here(workload: Workload) -> bool:
    return any(model.made_here for model in workload.models)


def install_command(requirements: Sequence[str]) -> list[str]:
    """Return the command that installs requirements into the current environment."""
    return [sys.executable, "-m", "pip", "install", *requirements]


def install(requirements: Sequence[str]) -> None:
    """Install requirements; raise :class:`UserError` when pip cannot."""
    command = install_command(requirements)
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError as error:
        raise UserError(f"pip cannot be started: {error}.") from error
    if code != 0:
        raise UserError(
            f"pip could not install {', '.join(requirements)} (exit code {code}).",
            hint="Its messages are above; `--dry-run` prints the command.",
        )


def _prereq(backend: str, lacking: Sequence[str]) -> tuple[str, ...]:
    return (f"mlrepo bench prereq --backend {backend}",) if lacking else ()


def _own_packages(workload: Workload) -> tuple[str, ...]:
    lacking = missing(workload.requirements)
    return (f"mlrepo bench prereq --model {workload.name}",) if lacking else ()


def _inputs(
    home: Path, store: ModelStore, workload: Workload, model: ReferenceModel
) -> tuple[str, ...]:
    needed: tuple[str, ...] = ()
    packages = workload.requirements
    stored = store.get(model)
    if stored is None and model.made_here:
        packages += workload.model_requirements
    elif stored is None:
        needed += (f"mlrepo model fetch {model.name}",)
    if workload.dataset is not None:
        file = Model(model.name, Path(model.file_name), "", preprocessing=model.preprocessing)
        if stored is not None:
            file = described(stored.model_file(), workload, stored.model_file().layout)
        commands = workload.dataset.needed(home, file)
        needed += commands
        packages += workload.dataset.requirements if commands else ()
    if missing(packages):
        needed = (f"mlrepo bench prereq --model {model.benchmark}", *needed)
    return needed
