"""Choosing the tile of each blocked convolution by measuring, and keeping what was found.

The space is small: how many pixels and blocks of channels stay in registers, and how far the sum
over input channels is unrolled. Each layer is compiled by itself with every tile, and all take
turns. The database is written after each layer, so that a search can be stopped at any time and
resumed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.s_tir import ScheduleError

from mlrepo.backends.tvm.rewrites import tensor_shape, tensor_type
from mlrepo.backends.tvm.schedules import Tile
from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError

_SCHEMA = "mlrepo.tvm-tiles/1"
_ROUNDS = 5
_TURN_SECONDS = 0.01
# A smaller gain over the default tile is noise: the default is kept.
_WORTH = 0.97


@dataclass(frozen=True)
class Tiled:
    """A schedule with a selectable tile.

    Attributes
    ----------
    schedule:
        Schedules a function for vectors of so many lanes with a tile.
    tiles:
        Returns the tiles worth measuring for a function and so many lanes, the default first.
    """

    schedule: Callable[..., Any]
    tiles: Callable[[Any, int], list[Tile]]


@dataclass(frozen=True)
class Layer:
    """A fused convolution of a model.

    Attributes
    ----------
    key:
        An identifier that is stable across processes: the hash of its function's text.
    arguments:
        Shape and type of its inputs and, last, its output.
    schedule:
        Schedules it with a tile.
    tiles:
        Those worth measuring, the default first.
    count:
        How often the model calls it.
    """

    key: str
    name: str
    function: Any
    arguments: tuple[tuple[tuple[int, ...], str], ...]
    schedule: Callable[..., Any]
    tiles: list[Tile]
    count: int


@dataclass(frozen=True)
class Database:
    """The tiles found for one model, batch and target.

    Attributes
    ----------
    about:
        What they are for: compared when a database is imported.
    """

    path: Path
    about: str

    def read(self) -> dict[str, Tile]:
        """Return the tile of each layer that was measured, by its key; none without a file."""
        return {key: Tile(**entry["tile"]) for key, entry in self._layers(self.path).items()}

    @property
    def adopted(self) -> bool:
        """Whether to compile with the tiles found: they made the model faster, or are untried.

        A tile that is faster when its layer runs alone may not be faster in the model.
        """
        return not self._rejected.is_file()

    def adopt(self, better: bool) -> None:
        """Record whether the model as a whole is faster with the tiles found."""
        try:
            if better:
                self._rejected.unlink(missing_ok=True)
            else:
                self._rejected.touch()
        except OSError as error:
            raise UserError(
                f"{self._rejected} cannot be written: {error.strerror}.",
                hint="Make room, then tune again.",
            ) from error

    @property
    def _rejected(self) -> Path:
        return self.path.with_suffix(".rejected")

    def add(self, layer: Layer, tile: Tile, seconds: float, default: float) -> None:
        """Record the tile of a layer with its time and the default's."""
        entry = {"name": layer.name, "tile": asdict(tile), "us": round(seconds * 1e6, 1)}
        entry["default_us"] = round(default * 1e6, 1)
        self._write(self.path, {**self._layers(self.path), layer.key: entry})

    def take(self, file: Path) -> None:
        """Add what another database holds that this one lacks; raise :class:`UserError` if alien"""
        self._write(self.path, {**self._layers(file), **self._layers(self.path)})

    def give(self, file: Path) -> None:
        """Write a copy to ``file``."""
        self._write(file, self._layers(self.path))

    def _layers(self, path: Path) -> dict[str, Any]:
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            layers: dict[str, Any] = raw["layers"]
            known = raw["schema"] == _SCHEMA and all(Tile(**e["tile"]) for e in layers.values())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} is not a database of tiles: {error!r}.", hint="Remove it, then tune again."
            ) from error
        if not known or raw["about"] != self.about:
            raise UserError(
                f"{path} has the tiles of another model, batch, target or version: "
                f"{raw.get('about')}.",
                hint=f"It needs those of {self.about}.",
            )
        return layers

    def _write(self, path: Path, layers: Mapping[str, Any]) -> None:
        text = json.dumps({"schema": _SCHEMA, "about": self.about, "layers": layers}, indent=1)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text + "\n", encoding="utf-8")
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UserError(
                f"{path} cannot be written: {error.strerror}.", hint="Make room, then tune again."
            ) from error


def layer_key(function: Any) -> str:
    """Return an identifier of a function that is stable across processes."""
    return sha256_bytes(function.script(show_meta=False).encode())[:24]


def find_layers(module: Any, tiled: Mapping[str, Tiled], vector: int) -> list[Layer]:
    """Return the distinct functions that a fused module calls and that have a schedule with tiles.

    ``tiled`` has the schedule by a part of the function's name.
    """
    found: dict[str, Layer] = {}
    for block in module["main"].body.blocks:
        for binding in block.bindings:
            call = binding.value
            if not isinstance(call, relax.Call) or call.op.name != "relax.call_tir":
                continue
            variable = call.args[0]
            kind = next((kind for kind in tiled if kind in variable.name_hint), None)
            if kind is None:
                continue
            key = layer_key(module[variable])
            arguments = tuple(
                (tuple(tensor_shape(value)), str(tensor_type(value).dtype))
                for value in (*call.args[1].fields, call)
            )
            count = found[key].count + 1 if key in found else 1
            function = module[variable]
            schedule, tiles = tiled[kind].schedule, tiled[kind].tiles(function, vector)
            name = variable.name_hint
            found[key] = Layer(key, name, function, arguments, schedule, tiles, count)
    return list(found.values())


def search(
    layers: list[Layer],
    database: Database,
    target: Any,
    vector: int,
    seconds: float,
    on_progress: Callable[..., None],
) -> int:
    """Measure the layers that the database lacks until the budget is spent.

    Returns
    -------
    How many layers are still unmeasured.
    """
    deadline = time.monotonic() + seconds
    begin = time.monotonic()
    known = database.read()
    waiting = [layer for layer in layers if layer.key not in known]
    for number, layer in enumerate(waiting):
        if time.monotonic() > deadline:
            return len(waiting) - number
        times = _measure(layer, target, vector)
        default = layer.tiles[0]
        if default not in times:
            continue  # its schedule does not fit, and another without tiles takes its place
        best = min(times, key=lambda tile: times[tile])
        if times[best] > _WORTH * times[default]:
            best = default
        database.add(layer, best, times[best], times[default])
        done = number + 1
        spent = time.monotonic() - begin
        on_progress(
            done=len(layers) - len(waiting) + done,
            total=len(layers),
            left=max(0, min(spent / done * (len(waiting) - done), deadline - time.monotonic())),
            best=f"{layer.name}: {times[best] / times[default]:.2f} of its default time",
        )
    return 0


def _measure(layer: Layer, target: Any, vector: int) -> dict[Tile, float]:
    """Return the least time of a call in seconds for each tile that compiles."""
    rng = np.random.default_rng(0)
    arguments = [
        # Of small numbers all types have.
        tvm.runtime.tensor(rng.integers(0, 4, shape).astype(dtype))
        for shape, dtype in layer.arguments
    ]
    runs: dict[Tile, Any] = {}
    for tile in layer.tiles:
        try:
            function = layer.schedule(layer.function, vector, tile)
            module = tvm.IRModule({"main": function.with_attr("global_symbol", "main")})
            runs[tile] = tvm.compile(module, target=target)["main"]
        except (ScheduleError, ValueError, RuntimeError):
            continue  # a tile that does not fit the layer
    times = dict.fromkeys(runs, float("inf"))
    for _ in range(_ROUNDS):
        for tile, run in runs.items():
            run(*arguments)
            turn = time.perf_counter()
            while time.perf_counter() - turn < _TURN_SECONDS:
                start = time.perf_counter()
                run(*arguments)
                times[tile] = min(times[tile], time.perf_counter() - start)
    return times
