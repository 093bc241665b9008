"""Properties of a model read from its own files, which decide how a run feeds and judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlrepo.errors import UserError
from mlrepo.record import BY_LENGTH
from mlrepo.workloads import Model, Workload
from mlrepo.workloads.forms import LAYOUTS, NHWC, form_of
from mlrepo.workloads.task import why_unjudged
from mlrepo.workloads.weights import MIXED, UNKNOWN, WeightFacts, precision_of, read_facts
from mlrepo.workloads.weights.graph import Tensor

BF16, FP16 = "bf16", "fp16"
# The types that a backend may convert the floats of a model to.
CONVERTED = (BF16, FP16)
# Models that a backend may compute in bf16; others already have less precision.
FLOATS = ("fp32", FP16, BF16)


def described(model: Model, workload: Workload, layout: str = "") -> Model:
    """Return the model with the types, the layout and the size found in its files.

    Properties that the files do not give remain as they are: as claimed by the catalog. A model
    without any description has ``unknown`` weights.

    Raises
    ------
    UserError
        The requested layout contradicts the model's input.
    """
    facts = read_facts(model.path)
    layout, size = _form(facts, workload, layout.upper(), model)
    return replace(
        model,
        weight_data_types=",".join(facts.weights) or model.weight_data_types or UNKNOWN,
        input_data_types=facts.input_data_types or model.input_data_types,
        # An entry of an older mlrepo names a way for generated images, too.
        preprocessing=model.preprocessing
        if workload.dataset or model.preprocessing == BY_LENGTH
        else "",
        layout=layout,
        size=size,
    )


def run_precision(
    model: Model,
    asked: str,
    hint: str = "",
    *,
    device: str = "cpu",
    quantized: Sequence[str] = (),
) -> str:
    """Return the precision of a run: that of the model, or one that the backend converts to.

    That is bf16, on other devices than the CPU fp16, and what the backend itself quantizes to.

    Raises
    ------
    UserError
        The model has another precision than the requested one.
    """
    own = model.precision
    if not asked or asked == own:
        return own
    if model.weight_data_types == UNKNOWN or (
        own in FLOATS
        and (asked == BF16 or (asked == FP16 and device != "cpu") or asked in quantized)
    ):
        return asked
    parts = [precision_of(word) for word in model.weight_data_types.split(",")]
    if own == MIXED and asked in parts and asked not in FLOATS:
        return own
    kinds = f" ({model.weight_data_types})" if own == MIXED else ""
    raise UserError(
        f"--precision {asked}: the model {model.name} is {own}{kinds}.",
        hint=f"Leave out --precision, or name another model (`mlrepo model list`). {hint}".strip(),
    )


def refuse_unjudged(model: Model, workload: Workload) -> None:
    """Raise :class:`UserError` if the file says that an accuracy run could not be judged."""
    if outputs := read_facts(model.path).outputs:
        refuse_outputs(model.name, workload, outputs)


def refuse_outputs(name: str, workload: Workload, outputs: Sequence[Tensor]) -> None:
    """Raise :class:`UserError` if answers from such outputs of a model could not be judged."""
    if problem := why_unjudged(workload.task, outputs):
        raise UserError(
            f"The accuracy of {name} on {workload.name} cannot be judged. {problem}",
            hint="Use --mode performance, or a model that was made for this benchmark.",
        )


def _form(
    facts: WeightFacts, workload: Workload, layout: str, model: Model
) -> tuple[str, tuple[int, ...]]:
    """Return the layout and size of the model's images where they differ from the data set's."""
    if layout and layout not in LAYOUTS:
        raise UserError(
            f"There is no layout {layout!r}.", hint=f"Use one of: {', '.join(LAYOUTS)}."
        )
    given = facts.inputs[0] if len(facts.inputs) == 1 else None
    images = given is not None and len(given.shape) == 4
    native = workload.shape_of_samples() if images or layout else ()
    if len(native) != 3 or given is None or not images:
        if layout == NHWC and native and len(native) != 3:
            raise UserError(
                f"The layout {layout} is for images, but samples of {workload.name} have "
                f"{len(native)} dimensions.",
                hint="Leave out --layout.",
            )
        return layout, ()
    if not layout and _fits(given.shape[1:], native):
        return "", ()
    found, size = form_of(given, layout)
    channels = given.shape[3 if found == NHWC else 1]
    if channels not in (None, native[0]):
        if layout:
            raise UserError(
                f"{model.path.name} takes {list(given.shape[1:])}: with the layout {layout} that "
                f"would be {channels} channels, and images of {workload.name} have {native[0]}.",
                hint="Leave out --layout, or use the other one.",
            )
        return "", ()  # the common check of shapes refuses it and names both sides
    return found, () if size == native[1:] else size


def _fits(shape: tuple[int | None, ...], wanted: tuple[int, ...]) -> bool:
    return all(have in (None, want) for have, want in zip(shape, wanted, strict=True))
