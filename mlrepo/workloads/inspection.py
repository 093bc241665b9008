"""Check, before a model is added, that the benchmark can feed it and judge its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.model_kinds import ONNX, kind_of
from mlrepo.workloads import Workload
from mlrepo.workloads.forms import LAYOUTS, NCHW, NHWC, form_of
from mlrepo.workloads.tensors import FLOAT32, SampleTensor, matched
from mlrepo.workloads.weights import WeightFacts, read_facts
from mlrepo.workloads.weights.graph import Tensor

_FLOATS = {"tensor(float)": "fp32", "tensor(float16)": "fp16", "tensor(double)": "fp64"}
_FED = tuple(_FLOATS.values())


@dataclass(frozen=True)
class Inspected:
    """A model that fits: the names of its tensors, its layout and its files."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layout: str
    facts: WeightFacts


def inspect_model(file: Path, workload: Workload, layout: str = "") -> Inspected:
    """Return the properties of a model file; refuse one that does not fit the benchmark.

    Parameters
    ----------
    layout:
        The position of the channels in its input; '' to derive it from the shape.

    Raises
    ------
    UserError
        The file cannot be loaded, or does not map the benchmark's samples to scores.
    """
    kind = kind_of(file)
    facts = read_facts(file)
    if kind == ONNX:
        given, made = _opened(file)
    else:
        given, made = facts.inputs, facts.outputs
        if not (facts.weights or given):
            raise UserError(
                f"{file} has no weights that can be read as those of {kind}.",
                hint="Save the model again, or export it to ONNX.",
            )
    asked = layout.upper()
    if asked and asked not in LAYOUTS:
        raise UserError(f"There is no layout {layout!r}.", hint=f"Use: {', '.join(LAYOUTS)}.")
    found = asked or NCHW
    if given or kind == ONNX:
        tensors = workload.known_tensors()
        if _are_images(tensors):
            found = _layout(file, given, asked, tensors[0].shape) or NCHW
        elif tensors:
            _refuse_other_inputs(file, given, tensors)
            found = ""
        else:  # objects, or data that are not here: the run checks the inputs
            found = asked
    if made or kind == ONNX:
        _refuse_misfit(file, made, workload)
    names = tuple(one.name for one in given), tuple(one.name for one in made)
    return Inspected(*names, found, facts)


def _are_images(tensors: Sequence[SampleTensor]) -> bool:
    """Return whether samples are one float32 tensor, which can have a layout."""
    return len(tensors) == 1 and tensors[0].dtype == FLOAT32


def _opened(file: Path) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return inputs and outputs as ONNX Runtime sees them: it infers missing shapes."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT's exceptions have no common base class of their own
        raise UserError.caused_by(
            f"ONNX Runtime cannot load {file}",
            error,
            hint="Export the model again; PyTorch models are exported with torch.onnx.export.",
        ) from error
    given, made = (
        tuple(
            Tensor(
                value.name,
                _FLOATS.get(value.type, value.type.removeprefix("tensor(").removesuffix(")")),
                tuple(size if isinstance(size, int) else None for size in value.shape),
            )
            for value in values
        )
        for values in (session.get_inputs(), session.get_outputs())
    )
    return given, made


def _refuse_other_inputs(
    file: Path, given: Sequence[Tensor], tensors: Sequence[SampleTensor]
) -> None:
    """Raise :class:`UserError` if the inputs do not take the samples' tensors."""
    found = matched(tensors, [one.name for one in given])
    wrong = [
        f"{one.name} {one.type}"
        for one, tensor in zip(given, found or (), strict=False)
        if _is_float(one.type) != tensor.dtype.startswith("float")
        or (one.shape and len(one.shape) != len(tensor.shape) + 1)
        or any(a not in (None, b) for a, b in zip(one.shape[1:], tensor.shape, strict=False))
    ]
    if found is not None and not wrong:
        return
    names = "; ".join(
        f"{one.name} (also {', '.join(one.aliases)})" if one.aliases else one.name
        for one in tensors
    )
    raise UserError(
        f"{file} takes {', '.join(_text(one) for one in given) or 'nothing'}; the benchmark gives "
        f"{'; '.join(map(str, tensors))}.",
        hint=f"Export the model with inputs of these types and shapes, named {names}.",
    )


def _is_float(name: str) -> bool:
    return name.startswith(("f", "bf", "double"))


def _layout(file: Path, given: tuple[Tensor, ...], asked: str, samples: tuple[int, ...]) -> str:
    """Return the position of the model's channels, '' if its samples are not images.

    ``samples`` is the shape of a sample, the channels first; () if it is unknown.
    """
    images = len(samples) in (0, 3)
    if len(given) == 1 and given[0].type in _FED:
        shape = given[0].shape
        if not images and all(a in (None, b) for a, b in zip_longest(shape[1:], samples)):
            return ""
        if images and len(shape) == 4:
            layout, _ = form_of(given[0], asked)
            channels = shape[3 if layout == NHWC else 1]
            if not samples or channels in (None, samples[0]):
                return layout
    found = ", ".join(_text(one) for one in given) or "nothing"
    raise UserError(
        f"{file} takes {found}; the benchmark gives float32 {_wanted(samples, asked)}.",
        hint="Export the model with one image input of floats; --layout says where its channels "
        "are, if its shape does not."
        if images
        else "Export the model with one input of floats of that shape.",
    )


def _wanted(samples: tuple[int, ...], asked: str) -> str:
    if len(samples) not in (0, 3):
        return f"[{', '.join(map(str, ('n', *samples)))}]"
    channels = samples[0] if samples else "channels"
    last = asked == NHWC
    return f"[n, height, width, {channels}]" if last else f"[n, {channels}, height, width]"


def _refuse_misfit(file: Path, made: tuple[Tensor, ...], workload: Workload) -> None:
    if problem := workload.task.misfit(made):
        raise UserError(
            f"{file} does not fit {workload.name}. {problem}",
            hint="Export the model with the outputs that the benchmark reads.",
        )


def _text(one: Tensor) -> str:
    return f"{one.name} {one.type} {['n' if size is None else size for size in one.shape]}"
