"""What can run here, and what is missing for the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.backends.requirements import BACKEND_REQUIREMENTS, MODEL_REQUIREMENTS, missing
from mlrepo.bench.inputs import READERS, can_read
from mlrepo.errors import MlrepoError, UserError
from mlrepo.plugins import BACKENDS, WORKLOADS, load_plugin, plugin_names
from mlrepo.workloads import Workload
from mlrepo.workloads.catalog import ReferenceModel
from mlrepo.workloads.described import described
from mlrepo.workloads.imagenet.prepared import NAME as IMAGENET
from mlrepo.workloads.imagenet.prepared import ImageNetStore
from mlrepo.workloads.imagenet.preprocess import prepared_name
from mlrepo.workloads.model_store import ModelStore


@dataclass(frozen=True)
class Combination:
    """A benchmark, a model and a backend.

    Attributes
    ----------
    needed:
        The commands that get what is missing; empty when it can run.
    """

    benchmark: str
    model: str
    backend: str
    needed: tuple[str, ...]


def combinations(home: Path) -> list[Combination]:
    """Return every combination of installed benchmarks, known models and backends."""
    found: list[Combination] = []
    store = ModelStore(home)
    backends = [name for name in plugin_names(BACKENDS) if name != "null"]
    packages = {
        name: missing(BACKEND_REQUIREMENTS.get(name, ())) if name != "onnx" else []
        for name in backends
    }
    for name in plugin_names(WORKLOADS):
        try:
            workload: Workload = load_plugin(WORKLOADS, name)
        except MlrepoError as error:
            found.append(Combination(name, "", "", (error.message,)))
            continue
        models = [model for model in store.known() if model.benchmark == name]
        if workload.model is not None:
            readers = [b for b in backends if b in READERS["onnx"]]
            found += [
                Combination(name, workload.model.name, backend, _prereq(backend, packages[backend]))
                for backend in readers
            ]
            continue
        found += [
            Combination(
                name,
                model.variant,
                backend,
                _prereq(backend, packages[backend]) + _inputs(home, store, workload, model),
            )
            for model in models
            for backend in backends
            if can_read(backend, model)
        ]
    return found


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
            hint="Its messages stand above; `--dry-run` prints the command.",
        )


def _prereq(backend: str, lacking: Sequence[str]) -> tuple[str, ...]:
    return (f"mlrepo bench prereq --backend {backend}",) if lacking else ()


def _inputs(
    home: Path, store: ModelStore, workload: Workload, model: ReferenceModel
) -> tuple[str, ...]:
    needed: tuple[str, ...] = ()
    stored = store.get(model)
    if stored is None:
        if not model.made_here:
            needed += (f"mlrepo model fetch {model.name}",)
        elif missing(MODEL_REQUIREMENTS.get(model.benchmark, ())):
            needed += (f"mlrepo bench prereq --model {model.benchmark}",)
    if workload.dataset == IMAGENET:
        images = ImageNetStore(home)
        if images.images() is None:
            needed += (f"mlrepo dataset add {IMAGENET} --path DIR",)
        name, other = model.preprocessing, ""
        if stored is not None:
            size = described(stored.model_file(), workload, stored.model_file().layout).size
            if size:
                name, other = prepared_name(name, size[0]), f" --size {size[0]}"
        if images.prepared(name) is None:
            needed += (f"mlrepo dataset prepare {IMAGENET} --way {model.preprocessing}{other}",)
    return needed
