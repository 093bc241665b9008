"""Describe a run's model and its preprocessing for the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mlrepo.record import DatasetFacts


class _DescribedModel(Protocol):
    @property
    def weight_data_types(self) -> str: ...
    @property
    def input_data_types(self) -> str: ...
    @property
    def preprocessing(self) -> str: ...
    @property
    def layout(self) -> str: ...


def model_words(model: _DescribedModel, data: DatasetFacts, precision: str) -> tuple[str, str]:
    """Return the types of weights and inputs, and how samples are prepared ('' if they are not).

    Records of mlrepo before 0.2 name the preparation only with the data set.
    """
    weights = model.weight_data_types or "unknown"
    types = f"weights {weights}, inputs {model.input_data_types or 'unknown'}"
    if precision and precision != weights:
        types += f", run as {precision}"
    way = model.preprocessing or data.preprocessing
    parts = [f"prepared in the way {way}"] if way else []
    if isinstance(size := data.size, int):
        parts.append(f"{size} by {size} cut from a short side of {data.resized}")
    elif isinstance(size, list):
        parts.append(" by ".join(map(str, size)))
    if model.layout:
        parts.append(model.layout)
    return types, ", ".join(parts)
