"""Whether a model file is an image classifier that the benchmarks can feed, before it is added."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.workloads.forms import LAYOUTS, NCHW, NHWC, form_of
from mlrepo.workloads.weights import ModelFacts, read_facts
from mlrepo.workloads.weights.graph import Tensor

# Which framework's a file is, by its name; all others are ONNX.
_FRAMEWORKS = {
    ".pt2": "pytorch",
    ".pth": "pytorch",
    ".safetensors": "pytorch",
    ".pt": "torchscript",
    ".xml": "openvino",
}
_CHANNELS = 3
_FLOATS = {"tensor(float)": "fp32", "tensor(float16)": "fp16", "tensor(double)": "fp64"}
_FED = tuple(_FLOATS.values())


@dataclass(frozen=True)
class Inspected:
    """What is known of a model that fits: framework, names of its tensors, layout, its files."""

    framework: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layout: str
    facts: ModelFacts


def inspect_model(file: Path, layout: str = "") -> Inspected:
    """Return what a model file says of an image classifier; refuse any other model.

    Parameters
    ----------
    layout:
        Where its input has the channels; '' takes what the shape says.

    Raises
    ------
    UserError
        The file cannot be loaded, or does not map images of three channels to scores.
    """
    endings = (_FRAMEWORKS.get(ending.lower()) for ending in file.suffixes)
    framework = next(filter(None, endings), "onnx")
    facts = read_facts(file)
    if framework == "onnx":
        given, made = _opened(file)
    else:
        given, made = facts.inputs, facts.outputs
        if not (facts.weights or given):
            raise UserError(
                f"{file} holds no weights that can be read as those of {framework}.",
                hint="Save the model again, or export it to ONNX.",
            )
    asked = layout.upper()
    if asked and asked not in LAYOUTS:
        raise UserError(f"There is no layout {layout!r}.", hint=f"Use: {', '.join(LAYOUTS)}.")
    found = asked
    if given or framework == "onnx":
        found = _layout(file, given, asked)
    if made or framework == "onnx":
        _require_scores(file, made)
    names = tuple(one.name for one in given), tuple(one.name for one in made)
    return Inspected(framework, *names, found or NCHW, facts)


def _opened(file: Path) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return inputs and outputs as ONNX Runtime finds them: it infers shapes that none wrote."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # ORT's exceptions share no base class of their own
        raise UserError.caused_by(
            f"ONNX Runtime cannot load {file}",
            error,
            hint="Export the model again; models of PyTorch are exported by torch.onnx.export.",
        ) from error
    given, made = (
        tuple(
            Tensor(
                value.name,
                _FLOATS.get(value.type, value.type),
                tuple(size if isinstance(size, int) else None for size in value.shape),
            )
            for value in values
        )
        for values in (session.get_inputs(), session.get_outputs())
    )
    return given, made


def _layout(file: Path, given: tuple[Tensor, ...], asked: str) -> str:
    if len(given) == 1 and len(given[0].shape) == 4 and given[0].type in _FED:
        layout, _ = form_of(given[0], asked)
        if given[0].shape[3 if layout == NHWC else 1] in (None, _CHANNELS):
            return layout
    found = ", ".join(_text(one) for one in given) or "nothing"
    shape = "[n, height, width, 3]" if asked == NHWC else "[n, 3, height, width]"
    raise UserError(
        f"{file} takes {found}; the benchmark gives float32 {shape}.",
        hint="Export the model with one image input of floats; --layout says where its channels "
        "are, if its shape does not.",
    )


def _require_scores(file: Path, made: tuple[Tensor, ...]) -> None:
    from mlrepo.workloads.classification import class_count

    floats = [one for one in made if not one.type.startswith("tensor(")]
    # A shape that nobody could infer is seen when the model runs.
    if any(class_count(one.shape) > 1 or None in one.shape[1:] or not one.shape for one in floats):
        return
    found = ", ".join(_text(one) for one in made)
    raise UserError(
        f"{file} gives {found}; scores of its classes are needed, for its accuracy scores of 1000 "
        "or 1001.",
        hint="Export the model with its scores as an output; a class alone does not tell whether "
        "it is counted from 0 or, with a background class, from 1.",
    )


def _text(one: Tensor) -> str:
    return f"{one.name} {one.type} {['n' if size is None else size for size in one.shape]}"
