"""An ONNX model as a PyTorch module: constants are computed once, the rest node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
import torch

from mlrepo.backends.inputs import (
    NO_SAMPLES,
    TensorSpec,
    compiled_shape,
    fed_inputs,
    fixed_batch,
    onnx_inputs,
    sized,
)
from mlrepo.backends.torch_onnx import (  # noqa: F401 - they register their operators
    elementwise,
    indexing,
    layers,
    quantized,
    reductions,
    resize,
    shapes,
    windows,
)
from mlrepo.backends.torch_onnx.nodes import HINT, TorchNode, read_nodes, refused, to_tensor
from mlrepo.backends.torch_onnx.registry import Unsupported, decisions
from mlrepo.errors import UserError


@dataclass(frozen=True)
class _Step:
    """A node as the module runs it.

    A source is ``("value", name)``, ``("buffer", name)``, or ``("number", the argument itself)``.
    After the step the values in ``last`` are no longer needed.
    """

    run: Callable[..., Any]
    keywords: Mapping[str, Any]
    sources: tuple[tuple[str, Any], ...]
    outputs: tuple[str, ...]
    last: tuple[str, ...]


@dataclass(frozen=True)
class _Pass:
    """The results of one batch size: constants made from shapes, decisions, output shapes."""

    shaped: Mapping[str, Any]
    decisions: Sequence[Any]
    outputs: Sequence[tuple[int, ...]]


class OnnxModule(torch.nn.Module):
    """The nodes of a graph, executed in order.

    Attributes
    ----------
    specs:
        The inputs; their batch is None if the module runs every batch size as ONNX specifies.
    """

    def __init__(
        self,
        nodes: Sequence[TorchNode],
        constants: Mapping[str, Any],
        specs: Sequence[TensorSpec],
        results: Sequence[str],
    ) -> None:
        super().__init__()
        self.specs = tuple(specs)
        self._buffer_of: dict[str, str] = {}
        self._constants = constants
        last: dict[str, int] = {name: i for i, node in enumerate(nodes) for name in node.inputs}
        self.steps = []
        for i, node in enumerate(nodes):
            sources = tuple(self._source(node, k, name) for k, name in enumerate(node.inputs))
            done = tuple(
                {n for n in node.inputs if n and last[n] == i} - set(results) - set(constants)
            )
            self.steps.append(
                _Step(node.operator.run, node.keywords(), sources, node.outputs, done)
            )
        self._results = tuple(
            ("buffer", self._keep(name)) if name in constants else ("value", name)
            for name in results
        )
        del self._constants

    def _source(self, node: TorchNode, index: int, name: str) -> tuple[str, Any]:
        if not name:
            return "number", None
        if name not in self._constants:
            return "value", name
        given = node.argument(index, self._constants[name], constant=True)
        return (
            ("buffer", self._keep(name)) if isinstance(given, torch.Tensor) else ("number", given)
        )

    def _keep(self, name: str) -> str:
        if name not in self._buffer_of:
            self._buffer_of[name] = f"constant{len(self._buffer_of)}"
            self.register_buffer(self._buffer_of[name], self._constants[name].contiguous())
        return self._buffer_of[name]

    def forward(self, *inputs: Any) -> Any:
        """Return the output for a batch, or a tuple if there are several."""
        values: dict[str, Any] = {
            spec.name: tensor for spec, tensor in zip(self.specs, inputs, strict=True)
        }
        for step in self.steps:
            given = [self._read(values, *source) for source in step.sources]
            found = step.run(*given, **step.keywords)
            results = found if isinstance(found, tuple) else (found,)
            values.update(zip(step.outputs, results, strict=False))
            for name in step.last:
                values.pop(name, None)
        found = tuple(self._read(values, *source) for source in self._results)
        return found[0] if len(found) == 1 else found

    def _read(self, values: Mapping[str, Any], kind: str, what: Any) -> Any:
        if kind == "value":
            return values[what]
        return getattr(self, what) if kind == "buffer" else what


def read_onnx(
    path: Path, batch: int, samples: Mapping[str, tuple[int, ...]] = NO_SAMPLES
) -> OnnxModule:
    """Return a model as a module, made for ``batch`` samples if the model leaves the batch open.

    ``samples`` are the shapes for its other open sizes (``BackendOptions.samples``).

    Raises
    ------
    UserError
        The file is not an ONNX model, leaves a size open, or has a node that cannot be run exactly
        as ONNX specifies: then the message names operator, version and node.
    """
    model = _load(path)
    specs = [sized(spec, samples) for spec in fed_inputs(onnx_inputs(model), path)]
    fixed = fixed_batch(specs)
    sizes = [compiled_shape(spec, fixed or batch, path) for spec in specs]
    try:
        constants = {one.name: to_tensor(one) for one in model.graph.initializer}
    except Unsupported as error:
        raise UserError(f"{path.name}: PyTorch cannot run it: {error}.") from error
    nodes = read_nodes(path, model)
    results = [value.name for value in model.graph.output]
    graph = _Graph(path, specs, nodes, constants, results)
    first = graph.try_batch(sizes)
    is_open = fixed is None and graph.takes_any(sizes, first)
    rest = [n for n in graph.nodes if not first.shaped.keys() >= set(filter(None, n.outputs))]
    made = [
        replace(spec, shape=(None if is_open else shape[0], *shape[1:]))
        for spec, shape in zip(specs, sizes, strict=True)
    ]
    module = OnnxModule(rest, {**constants, **first.shaped}, made, results)
    module.eval()
    return module


def _load(path: Path) -> Any:
    try:
        model = onnx.load(str(path), format="protobuf")
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # protobuf's errors differ with its implementation
        raise UserError.caused_by(f"{path.name} cannot be read as an ONNX model", error) from error
    if model.graph.sparse_initializer:
        raise UserError(f"{path.name}: PyTorch cannot run it: its weights are sparse tensors.")
    if not model.graph.output:
        raise UserError(f"{path.name} is not an ONNX model: its graph has no output.")
    return model


class _Graph:
    """A graph before it runs; nodes that depend only on constants are computed.

    Their results are added to ``constants``.
    """

    def __init__(
        self,
        path: Path,
        specs: Sequence[TensorSpec],
        nodes: Sequence[TorchNode],
        constants: dict[str, Any],
        results: Sequence[str],
    ) -> None:
        self._path, self._specs, self._constants, self._results = path, specs, constants, results
        self.nodes = []
        for node in nodes:
            if all(name in constants for name in filter(None, node.inputs)):
                constants.update(self._run(node, constants, constants))
            else:
                self.nodes.append(node)

    def try_batch(self, sizes: Sequence[tuple[int, ...]]) -> _Pass:
        """Run the nodes with the shapes and types of the inputs, without values.

        Raises
        ------
        UserError
            A node cannot be run.
        """
        given = {
            spec.name: torch.empty(shape, dtype=getattr(torch, spec.dtype), device="meta")
            for spec, shape in zip(self._specs, sizes, strict=True)
        }
        values = {**self._constants, **given}
        known = dict.fromkeys(self._constants)
        shaped: dict[str, Any] = {}
        with decisions() as taken:
            for node in self.nodes:
                found = self._run(node, values, known)
                values.update(found)
                if not any(tensor.is_meta for tensor in found.values()):
                    shaped.update(found)
                    known.update(dict.fromkeys(found))
        for name in self._results:
            if name not in values:
                raise UserError(f"{self._path.name}: nothing computes its output {name!r}.")
        return _Pass(shaped, taken, [tuple(values[name].shape) for name in self._results])

    def takes_any(self, sizes: Sequence[tuple[int, ...]], first: _Pass) -> bool:
        """Return whether what was computed for one batch size holds for every other one."""
        own = sizes[0][0]
        for batch in sorted({1, own + 1, 2 * own + 17, 1009} - {own}):
            try:
                other = self.try_batch([(batch, *shape[1:]) for shape in sizes])
            except UserError:
                return False
            same = all(torch.equal(one, other.shaped[name]) for name, one in first.shaped.items())
            if not same or other.decisions != first.decisions:
                return False
            if any(shape[:1] != (batch,) for shape in other.outputs):
                return False
        return True

    def _run(
        self, node: TorchNode, values: Mapping[str, Any], known: Mapping[str, Any]
    ) -> dict[str, Any]:
        absent = [name for name in filter(None, node.inputs) if name not in values]
        if absent:
            raise refused(self._path, node.label, f"nothing computes its input {absent[0]!r}")
        tensors = [values[name] if name else None for name in node.inputs]
        try:
            found = node.run(tensors, [not name or name in known for name in node.inputs])
        except Unsupported as error:
            raise refused(self._path, node.label, error) from error
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
            tried = f"{self._path.name}: PyTorch cannot run its {node.label}"
            raise UserError.caused_by(tried, error, hint=HINT) from error
        return {name: tensor for name, tensor in zip(node.outputs, found, strict=False) if name}
