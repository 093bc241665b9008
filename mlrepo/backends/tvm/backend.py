"""The TVM backends: import a model, compile it once per batch size, cache the library, run it."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo import model_kinds as kinds
from mlrepo.backends import Array, BackendOptions, Capabilities, available_threads, requirements
from mlrepo.backends.devices import CPU
from mlrepo.backends.inputs import (
    TensorSpec,
    compiled_shape,
    onnx_inputs,
    single_input,
)
from mlrepo.backends.tvm.compiling import Died, OutOfTime, Report, work_within
from mlrepo.backends.tvm.library import keep, kept, not_written, workplace
from mlrepo.digest import sha256_file
from mlrepo.distributions import installed_version
from mlrepo.errors import Unusable, UserError
from mlrepo.model_files import file_states, find_model_files, refuse_changed

# Part of a compiled model's name: increase it with every change of the pipeline or the schedules.
_PIPELINE = 7
_BUDGET = "compile_budget"
_OPTIONS = ("mcpu", "winograd", _BUDGET)
# Seconds that compiling may take before falling back to TVM's own pipeline, with the same limit.
_DEFAULT_BUDGET = 600


@dataclass(frozen=True)
class ImportedModel:
    """A model as a Relax module, with the shape and the type of its input.

    Attributes
    ----------
    widened:
        Whether float16 or bfloat16 was converted to float32.
    """

    module: Any
    shape: tuple[int, ...]
    type: str
    widened: bool


class _TvmBackend(ABC):
    """The base of both backends; a subclass turns a model file into a Relax module."""

    name = ""
    capabilities: Capabilities
    # Packages besides TVM that affect how a model is read.
    _readers: tuple[str, ...] = ()

    def load(self, model: Path, options: BackendOptions) -> None:
        """Compile the model for ``options.batch`` samples, or load the library compiled earlier.

        Options: ``mcpu``, LLVM's name for the CPU to compile for (default: this one); ``winograd``,
        on (default) or off: 3x3 convolutions with fewer multiplications if that is faster;
        ``compile_budget``, seconds after which TVM's own pipeline compiles the model instead: it
        compiles quickly, but its code is slow.
        """
        self.capabilities.check(self.name, options)
        self._precision = options.precision
        self._threads = options.threads or available_threads()
        # TVM reads this when its thread pool starts; the default is half of the CPUs.
        os.environ["TVM_NUM_THREADS"] = str(self._threads)
        try:
            import tvm
            from tvm import relax

            from mlrepo.backends.tvm import pipeline
        except ImportError as error:
            raise Unusable(
                f"Apache TVM cannot be used here: {error}.",
                hint=f"`mlrepo bench prereq --backend {self.name}` installs it.",
            ) from error
        self._mcpu = options.extra.get("mcpu")
        self._target = pipeline.target(self._mcpu, self._threads)
        self._winograd = options.choice("winograd", ("on", "off"))
        self._budget = options.positive(_BUDGET, _DEFAULT_BUDGET)
        self._asked_batch = options.batch
        self._model, self._cache = model, options.cache
        self._states = file_states(model)
        database = self._database()
        tiles = database.read() if database is not None and database.adopted else {}
        self._tiles = sha256_file(database.path) if database is not None and tiles else ""
        with tempfile.TemporaryDirectory(prefix="mlrepo-tvm-") as nowhere:
            path = self._library(options.cache or Path(nowhere))
            about = kept(path) or self._compile(path, tiles, options.on_step)
            library = tvm.runtime.load_module(str(path))
        self._shape: tuple[int, ...] = tuple(about["shape"])
        self._type: str = about["type"]
        self._about = {name: about[name] for name in ("unscheduled", "fallback", "widened")}
        if self._about["fallback"]:
            warnings.warn(f"TVM's fallback runs the model: {self._about['fallback']}", stacklevel=2)
        for name in self._about["unscheduled"]:
            warnings.warn(f"TVM runs {name} without one of mlrepo's schedules: slow", stacklevel=2)
        self._tensor, self._cpu = tvm.runtime.tensor, tvm.cpu()
        self._main = relax.VirtualMachine(library, self._cpu)["main"]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state that the compiling process needs: everything except TVM's objects."""
        own = ("_target", "_tensor", "_cpu", "_main")
        return {name: value for name, value in self.__dict__.items() if name not in own}

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape that the model was compiled for."""
        return self._shape

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The input that the model was compiled for."""
        return [TensorSpec("", self._type, self._shape)]

    def predict(self, batch: Array) -> Sequence[Array]:
        """Run a batch of exactly the compiled size."""
        found = self._main(self._tensor(np.ascontiguousarray(batch), self._cpu))
        return [found.numpy()] if hasattr(found, "numpy") else [part.numpy() for part in found]

    def describe(self) -> Mapping[str, Any]:
        """Return framework, versions, target, batch and how the model was compiled.

        Of the options, ``unscheduled`` lists the functions without one of our schedules,
        ``fallback`` names the pipeline that was used instead of the usual one, with the reason, and
        ``widened`` says whether float16 or bfloat16 is computed in float32.
        """
        version = installed_version("apache-tvm") or ""
        return {
            "name": self.name,
            "framework": f"TVM {version}",
            "framework_name": self.name,
            "framework_version": version,
            "versions": {"apache-tvm-ffi": installed_version("apache-tvm-ffi") or ""},
            "device": CPU,
            "target": CPU,
            "precision": self._precision,
            "options": {
                "target": str(self._target),
                "threads": self._threads,
                "compiled_batch": self._shape[0],
                "pipeline": _PIPELINE,
                "winograd": self._winograd,
                "tiles": self._tiles,
                **self._about,
            },
        }

    def tune(
        self, seconds: float, on_progress: Callable[..., None], database: Path | None = None
    ) -> Mapping[str, Any]:
        """Search for the best tiles of the loaded model, for at most ``seconds``.

        Earlier results are kept, and the next :meth:`load` uses all of them. ``database`` is a file
        that is read first if it exists, and gets a copy of the result.

        Raises
        ------
        UserError
            There is no cache directory for the result, or ``database`` is for another model.
        """
        from mlrepo.backends.tvm import pipeline, tuning

        own = self._database()
        if own is None:
            raise UserError("There is no file to save what tuning finds.")
        if database is not None:
            own.take(database)
        own.adopt(True)
        found = self._import(self._model, self._asked_batch)
        layers = pipeline.layers_of(found.module, self._target, winograd=self._winograd == "on")
        lanes = pipeline.lanes(self._target)
        left = tuning.search(layers, own, self._target, lanes, seconds, on_progress)
        if database is not None:
            own.give(database)
        return {"layers": len(layers), "unmeasured": left, "database": str(own.path)}

    def adopt(self, better: bool) -> None:
        """Compile with the results of :meth:`tune` from now on, or without them."""
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
    def _import(self, model: Path, batch: int) -> ImportedModel:
        """Return the model as a Relax module."""

    def _library(self, directory: Path) -> Path:
        """Return the path of the compiled model; its name is a digest of all that it depends on.

        This includes the budget: with more time the result might not be the cached slow fallback.
        """
        parts = [*self._identity(self._model), self._tiles, f"{_BUDGET}={self._budget}"]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
        return directory / f"{self._model.stem}-b{self._asked_batch}-{digest}.so"

    def _identity(self, model: Path) -> list[str]:
        """Return everything that the compiled code depends on, except tiles and budget."""
        parts = [self.name, find_model_files(model).digest]
        parts += [str(self._asked_batch), str(self._target)]
        packages = ("apache-tvm", "apache-tvm-ffi", *self._readers)
        parts += [installed_version(name) or "" for name in packages]
        return [*parts, str(_PIPELINE), str(self._threads), f"winograd={self._winograd}"]

    def _compile(
        self, path: Path, tiles: Mapping[str, Any], on_step: Callable[[int, int], None]
    ) -> Mapping[str, Any]:
        """Compile the model within the budget and cache it; return its metadata.

        Raises
        ------
        UserError
            TVM cannot compile it, not even with its own pipeline, or both take too long.
        """
        because = ""
        with workplace(path) as part:
            while True:
                work = partial(self._compiled, part, tiles, because)
                try:
                    about = work_within(self._budget, work, on_step)
                    break
                except OutOfTime:
                    again = f"the compile budget of {self._budget} s was spent"
                except Died as died:
                    again = str(died)
                if because:
                    raise UserError(
                        f"TVM cannot compile {self._model.name}: {because}, and then {again} by "
                        f"TVM's own pipeline, too.",
                        hint=f"Give more time (--backend-opt {_BUDGET}=SECONDS), or use another "
                        f"backend.",
                    )
                because = again
            # The library is named by the digest of the files as they were at the beginning.
            refuse_changed(self._model, self._states)
            keep(part, path, about)
        return about

    def _compiled(
        self, part: Path, tiles: Mapping[str, Any], because: str, on_step: Report
    ) -> Mapping[str, Any]:
        """Import and compile the model, in a separate process, and export it to ``part``."""
        from mlrepo.backends.tvm import pipeline

        found = self._import(self._model, self._asked_batch)
        compiled = pipeline.compile_module(
            found.module,
            pipeline.target(self._mcpu, self._threads),
            tiles,
            winograd=self._winograd == "on",
            because=because,
            on_step=on_step,
        )
        try:
            compiled.executable.export_library(str(part))
        except OSError as error:
            raise not_written(part, error) from error
        return {
            "shape": found.shape,
            "type": found.type,
            "widened": found.widened,
            "unscheduled": compiled.unscheduled,
            "fallback": compiled.fallback,
        }


class TvmOnnxBackend(_TvmBackend):
    """ONNX models through TVM's own importer."""

    name = "tvm-onnx"
    capabilities = Capabilities(
        reads=(kinds.ONNX,),
        devices={CPU: ("fp32", "int8")},
        options=_OPTIONS,
        compiles=True,
        one_input=True,
        requirements=(*requirements.TVM, *requirements.ONNX),
        frameworks=("tvm",),
    )
    _readers = ("onnx",)

    def _import(self, model: Path, batch: int) -> ImportedModel:
        import onnx

        from mlrepo.backends.tvm.onnx_graph import import_onnx

        try:
            proto = onnx.load(str(model), format="protobuf")
        except Exception as error:  # protobuf's errors depend on its implementation
            raise UserError.caused_by(f"{model.name} is not an ONNX model", error) from error
        spec = single_input(onnx_inputs(proto), model, self.name)
        shape = compiled_shape(spec, batch, model)
        module, widened = import_onnx(proto, spec.name, shape, model)
        return ImportedModel(module, shape, spec.dtype, widened)


class TvmPytorchBackend(_TvmBackend):
    """PyTorch models through torch.export."""

    name = "tvm-pytorch"
    capabilities = Capabilities(
        reads=(kinds.ONNX, kinds.PYTORCH),
        devices={CPU: ("fp32",)},
        options=_OPTIONS,
        compiles=True,
        one_input=True,
        requirements=(*requirements.TVM, *requirements.TORCH, *requirements.ONNX),
        frameworks=("tvm",),
    )
    _readers = ("torch",)

    def _import(self, model: Path, batch: int) -> ImportedModel:
        try:
            import torch
        except ImportError as error:
            raise UserError(
                f"PyTorch cannot be used here: {error}.",
                hint=f"`mlrepo bench prereq --backend {self.name}` installs it.",
            ) from error
        from tvm.relax.frontend.torch import from_exported_program

        from mlrepo.backends.torch_models import load_torch_model

        # OpenMP's threads do not survive a fork, which would wait for them forever.
        torch.set_num_threads(1)
        loaded = load_torch_model(model, batch)
        if loaded.kind == "script":
            raise UserError(
                f"{model.name} is TorchScript, which TVM cannot import.",
                hint="Export the model with torch.export, or use the backend pytorch.",
            )
        spec = single_input(loaded.specs, model, self.name)
        (shape,), kind = loaded.shapes(batch, model), spec.dtype
        example = torch.zeros(shape, dtype=getattr(torch, kind))
        try:
            with torch.no_grad():
                program = torch.export.export(loaded.module, (example,))
            module = from_exported_program(
                program, keep_params_as_input=False, unwrap_unit_return_tuple=True
            )
        except Exception as error:  # torch and TVM raise errors of any kind
            raise UserError.caused_by(
                f"TVM cannot import {model.name}",
                error,
                hint="Use the backend pytorch, or an ONNX model with tvm-onnx.",
            ) from error
        return ImportedModel(module, shape, kind, False)
