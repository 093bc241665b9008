"""The records' own writer of JSON, which must agree with Python's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.record.indented import indented

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from([10**400, -0.0, 1e16, 5e-324, '\x7f\u2028\ud800"\\\n'])
)
_VALUES = st.recursive(
    _LEAVES,
    lambda below: (
        st.lists(below)
        | st.lists(below).map(tuple)
        | st.dictionaries(st.text(), below)
        | st.dictionaries(st.integers(), below)
    ),
    max_leaves=20,
)


def _by_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)


@given(_VALUES)
def test_what_is_written_is_what_json_writes(value: object) -> None:
    """Byte for byte: records are compared by their digests."""
    assert indented(value) == _by_json(value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    """As :mod:`json` refuses it, however deep it is."""
    with pytest.raises(ValueError, match="Out of range"):
        indented({"a": [number]})
