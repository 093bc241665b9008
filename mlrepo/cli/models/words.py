"""What a run's model is and how it takes its samples, in the words of the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_words(
    model: Mapping[str, Any], data: Mapping[str, Any], precision: str
) -> tuple[str, str]:
    """Return two texts: the types of weights and inputs, and how images are prepared ('' if not).

    Records of mlrepo before 0.2 name the way with the data set only.
    """
    weights = f"{model.get('weight_data_types') or 'unknown'}"
    types = f"weights {weights}, inputs {model.get('input_data_types') or 'unknown'}"
    if precision and precision != weights:
        types += f", run as {precision}"
    way = model.get("preprocessing") or data.get("preprocessing")
    parts = [f"prepared in the way {way}"] if way else []
    if isinstance(size := data.get("size"), int):
        parts.append(f"{size} by {size} cut from a short side of {data.get('resized')}")
    elif isinstance(size, list):
        parts.append(" by ".join(map(str, size)))
    if layout := model.get("layout"):
        parts.append(str(layout))
    return types, ", ".join(parts)
