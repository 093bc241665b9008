"""The TVM backends: import a model, compile it once for a batch size, keep the library, run it."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo.backends import Array, BackendOptions, available_threads
from mlrepo.backends.inputs import (
    FLOAT32,
    TensorSpec,
    compiled_shape,
    only_input,
    onnx_inputs,
)
from mlrepo.digest import sha256_file
from mlrepo.distributions import installed_version
from mlrepo.errors import UserError
from mlrepo.model_files import find_model_files

# Part of a compiled model's name: raise it with every change of the pipeline or the schedules.
_PIPELINE = 6
_OPTIONS = ("mcpu", "winograd")


class _TvmBackend(ABC):
    """What both share; a subclass turns a model file into a Relax module."""

    name = ""
    _precisions: tuple[str, ...] = ("fp32",)

    def load(self, model: Path, options: BackendOptions) -> None:
        """Compile the model for ``options.batch`` samples, or load what was compiled before.

        Options: ``mcpu``, LLVM's name of the CPU to compile for (default: this one); ``winograd``,
        on (default) or off: convolutions of 3 by 3 with fewer multiplications where that is faster.
        """
        options.check(self.name, precisions=self._precisions, keys=_OPTIONS)
        self._precision = options.precision
        self._threads = options.threads or available_threads()
        # TVM reads it when its thread pool starts; its default is half of the CPUs.
        os.environ["TVM_NUM_THREADS"] = str(self._threads)
        try:
            import tvm
            from tvm import relax

            from mlrepo.backends.tvm import pipeline
        except ImportError as error:
            raise UserError(
                f"Apache TVM cannot be used here: {error}.",
                hint=f"`mlrepo bench prereq --backend {self.name}` installs it.",
            ) from error
        self._target = pipeline.target(options.extra.get("mcpu"), self._threads)
        self._winograd = options.choice("winograd", ("on", "off"))
        self._batch = options.batch
        self._type = FLOAT32
        self._unscheduled: list[str] = []
        self._model, self._cache = model, options.cache
        database = self._database()
        tiles = database.read() if database is not None and database.adopted else {}
        self._tiles = sha256_file(database.path) if database is not None and tiles else ""
        path = self._library(model, options.cache)
        if path is not None and path.is_file():
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            self._shape, self._unscheduled = tuple(about["shape"]), about["unscheduled"]
            self._type = about.get("type", FLOAT32)
            library = tvm.runtime.load_module(str(path))
        else:
            module, shape = self._import(model, self._batch)
            self._shape = shape
            compiled, self._unscheduled = pipeline.compile_module(
                module, self._target, tiles, winograd=self._winograd == "on"
            )
            library = compiled if path is None else self._keep(compiled, path)
        for name in self._unscheduled:
            warnings.warn(f"TVM runs {name} without a schedule of ours: slow", stacklevel=2)
        self._tensor, self._cpu = tvm.runtime.tensor, tvm.cpu()
        self._main = relax.VirtualMachine(library, self._cpu)["main"]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape that the model was compiled for."""
        return self._shape

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What the model was compiled for."""
        return [TensorSpec("", self._type, self._shape)]

    def predict(self, batch: Array) -> Sequence[Array]:
        """Run a batch of exactly the size compiled for."""
        found = self._main(self._tensor(np.ascontiguousarray(batch), self._cpu))
        return [found.numpy()] if hasattr(found, "numpy") else [part.numpy() for part in found]

    def describe(self) -> Mapping[str, Any]:
        """Return framework, versions, target, batch and what had no schedule."""
        version = installed_version("apache-tvm") or ""
        return {
            "name": self.name,
            "framework": f"TVM {version}",
            "framework_name": self.name,
            "framework_version": version,
            "versions": {"apache-tvm-ffi": installed_version("apache-tvm-ffi") or ""},
            "target": "cpu",
            "precision": self._precision,
            "options": {
                "target": str(self._target),
                "threads": self._threads,
                "compiled_batch": self._batch,
                "pipeline": _PIPELINE,
                "winograd": self._winograd,
                "tiles": self._tiles,
                "unscheduled": self._unscheduled,
            },
        }

    def tune(
        self, seconds: float, on_progress: Callable[..., None], database: Path | None = None
    ) -> Mapping[str, Any]:
        """Search for the tiles of the model that is loaded, for so many seconds at most.

        What was found before is kept, and the next :meth:`load` uses all. ``database`` is a file
        that is read first, where there is one, and gets a copy of the result.

        Raises
        ------
        UserError
            There is no cache directory to keep the result in, or ``database`` is of another model.
        """
        from mlrepo.backends.tvm import pipeline, tuning

        own = self._database()
        if own is None:
            raise UserError("There is no place to keep what tuning finds.")
        if database is not None:
            own.take(database)
        own.adopt(True)
        module, _ = self._import(self._model, self._batch)
        layers = pipeline.layers_of(module, self._target, winograd=self._winograd == "on")
        lanes = pipeline.lanes(self._target)
        left = tuning.search(layers, own, self._target, lanes, seconds, on_progress)
        if database is not None:
            own.give(database)
        return {"layers": len(layers), "unmeasured": left, "database": str(own.path)}

    def adopt(self, better: bool) -> None:
        """Compile with what :meth:`tune` found from now on, or without it."""
        database = self._database()
        if database is not None:
            database.adopt(better)

    def _database(self) -> Any:
        """Return the database of tiles for this model, batch and target; None without a cache."""
        from mlrepo.backends.tvm.tuning import Database

        if self._cache is None:
            return None
        about = " ".join(self._identity(self._model))
        name = hashlib.sha256(about.encode()).hexdigest()[:24]
        return Database(self._cache / f"tiles-{name}.json", about)

    @abstractmethod
    def _import(self, model: Path, batch: int) -> tuple[Any, tuple[int, ...]]:
        """Return the Relax module and the shape of its input."""

    def _library(self, model: Path, cache: Path | None) -> Path | None:
        """Return where the compiled model belongs: its name holds all that it depends on.

        A library must never change under one name: loading it again in one process gives the old.
        """
        if cache is None:
            return None
        parts = [*self._identity(model), self._tiles]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
        return cache / f"{model.stem}-b{self._batch}-{digest}.so"

    def _identity(self, model: Path) -> list[str]:
        """Return all that the code of a compiled model depends on, besides its tiles."""
        parts = [self.name, find_model_files(model).digest, str(self._batch), str(self._target)]
        parts += [installed_version(name) or "" for name in ("apache-tvm", "apache-tvm-ffi")]
        return [*parts, str(_PIPELINE), str(self._threads), f"winograd={self._winograd}"]

    def _keep(self, compiled: Any, path: Path) -> Any:
        """Export the compiled model; return the library as later runs will load it."""
        import tvm

        part = path.with_name(f"{path.stem}.{os.getpid()}.so")
        about = {"shape": self._shape, "type": self._type, "unscheduled": self._unscheduled}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            compiled.export_library(str(part))
            path.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UserError(
                f"The compiled model {path} cannot be written: {error.strerror}.",
                hint="Make room, then run the same command.",
            ) from error
        return tvm.runtime.load_module(str(path))


class TvmOnnxBackend(_TvmBackend):
    """ONNX models through TVM's own importer."""

    name = "tvm-onnx"
    _precisions = ("fp32", "int8")

    def _import(self, model: Path, batch: int) -> tuple[Any, tuple[int, ...]]:
        import onnx
        from tvm.relax.frontend.onnx import from_onnx

        try:
            proto = onnx.load(str(model))
        except Exception as error:  # protobuf's errors differ with its implementation
            raise UserError(f"{model.name} is no ONNX model: {error}.") from error
        spec = only_input(onnx_inputs(proto), model)
        shape = compiled_shape(spec, batch, model)
        self._type = spec.dtype
        self._batch = shape[0]
        try:
            module = from_onnx(
                proto, shape_dict={spec.name: list(shape)}, keep_params_in_input=False
            )
        except Exception as error:  # TVM raises what its importer met, of any kind
            raise UserError(
                f"TVM cannot import {model.name}: {_last_line(error)}.",
                hint="Use another opset of the model (mlrepo model list) or another backend.",
            ) from error
        return module, shape


class TvmPytorchBackend(_TvmBackend):
    """PyTorch models through torch.export."""

    name = "tvm-pytorch"

    def _import(self, model: Path, batch: int) -> tuple[Any, tuple[int, ...]]:
        from mlrepo.backends.torch_models import load_torch_model

        loaded = load_torch_model(model, batch)
        if loaded.kind == "script":
            raise UserError(
                f"{model.name} is TorchScript, which TVM cannot import.",
                hint="Export the model with torch.export, or use the backend pytorch.",
            )
        shape = loaded.shape(batch, model)
        self._batch, self._type = shape[0], loaded.spec.dtype
        import torch
        from tvm.relax.frontend.torch import from_exported_program

        example = torch.zeros(shape, dtype=getattr(torch, self._type))
        try:
            with torch.no_grad():
                program = torch.export.export(loaded.module, (example,))
            module = from_exported_program(
                program, keep_params_as_input=False, unwrap_unit_return_tuple=True
            )
        except Exception as error:  # torch and TVM raise what they met, of any kind
            raise UserError(
                f"TVM cannot import {model.name}: {_last_line(error)}.",
                hint="Use the backend pytorch, or an ONNX model with tvm-onnx.",
            ) from error
        return module, shape


def _last_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[-1][:300]
