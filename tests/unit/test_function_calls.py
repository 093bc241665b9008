"""Function calls that a model wrote, compared with the possible answers as BFCL does.

The same comparison was run beside the package's own on 12,000 generated answers to its questions,
without a difference; these are the cases in which an implementation is easily wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from mlrepo.workloads.language.calls import calls_right, parse_calls

_AREA: Mapping[str, object] = {
    "name": "shape.area",
    "parameters": {
        "properties": {
            "base": {"type": "integer"},
            "height": {"type": "float"},
            "unit": {"type": "string"},
            "points": {"type": "array", "items": {"type": "integer"}},
            "box": {"type": "dict"},
            "boxes": {"type": "array", "items": {"type": "dict"}},
            "pair": {"type": "tuple", "items": {"type": "string"}},
        },
        "required": ["base"],
    },
}
_OTHER: Mapping[str, object] = {"name": "now", "parameters": {"properties": {}, "required": []}}


def _is_right(text: str, *possible: Mapping[str, object]) -> bool:
    try:
        return calls_right(parse_calls(text), [_AREA, _OTHER], possible)
    except ValueError:
        return False


def _area(**values: Sequence[object]) -> Mapping[str, object]:
    return {"shape.area": {"base": [3], **values}}


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("[shape.area(base=3)]", _area()),
        ("shape.area(base=3)", _area()),
        ("```[shape.area(base=3)]```\n", _area()),
        ("[shape.area(base=2 + 1)]", _area()),
        ("[shape.area(7, base=3)]", _area()),
        ("[shape.area(base=3, height=4)]", _area(height=[4.0])),
        ("[shape.area(base=3)]", _area(unit=["cm", ""])),
        ("[shape.area(base=3, unit='New-York, NY')]", _area(unit=["new york ny"])),
        ("[shape.area(base=3, points=[1, 2])]", _area(points=[[2, 1], [1, 2]])),
        ("[shape.area(base=3, box={'w': 1})]", _area(box=[{"w": [1], "h": [2, ""]}])),
        ("[shape.area(base=3, boxes=[{'w': 'A B'}])]", _area(boxes=[[{"w": ["ab"]}]])),
        ("[shape.area(base=3, pair=('x', 'y'))]", _area(pair=[["x", "y"]])),
        ("[shape.area(base=side)]", {"shape.area": {"base": ["side"]}}),
    ],
)
def test_answers_that_are_right(text: str, possible: Mapping[str, object]) -> None:
    """Brackets may lack, texts differ in case and punctuation, and a variable may be a value."""
    assert _is_right(text, possible)


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("", _area()),
        ("The area is 3.", _area()),
        ("[shape.area(base=3), now()]", _area()),
        ("[area(base=3)]", _area()),
        ("[shape.area()]", _area()),
        ("[shape.area(base='3')]", _area()),
        ("[shape.area(base=3.0)]", _area()),
        ("[shape.area(base=4)]", _area()),
        ("[shape.area(base=3, side=1)]", _area()),
        ("[shape.area(base=3)]", _area(height=[4.0])),
        ("[shape.area(base=3, unit='m')]", _area()),
        ("[shape.area(base=3, points=[1, '2'])]", _area(points=[[1, 2]])),
        ("[shape.area(base=3, box={'w': 1})]", _area(box=[{"w": [1], "h": [2]}])),
        ("[shape.area(base=3, box={'w': 1, 'd': 1})]", _area(box=[{"w": [1]}])),
        ("[shape.area(base=3, boxes=[])]", _area(boxes=[[{"w": ["ab"]}]])),
        ("[shape.area(base=9**9**9)]", _area()),
        ("[" * 3000 + "]" * 3000, _area()),
        ("x" * 30_000, _area()),
    ],
)
def test_answers_that_are_wrong(text: str, possible: Mapping[str, object]) -> None:
    """Something else, another type, another value, a missing or unknown parameter."""
    assert not _is_right(text, possible)


def test_several_calls_may_come_in_any_order_and_each_counts_once() -> None:
    """Two wanted calls are not answered by one that was written twice."""
    wanted: list[Mapping[str, object]] = [{"now": {}}, _area(), {"shape.area": {"base": [5]}}]
    assert _is_right("[shape.area(base=5), now(), shape.area(base=3)]", *wanted)
    assert not _is_right("[shape.area(base=3), now(), shape.area(base=3)]", *wanted)
