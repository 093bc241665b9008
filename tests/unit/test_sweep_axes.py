"""Axes of a sweep: what values and ranges mean, and what is refused in which words."""

from __future__ import annotations

import json

import pytest

from mlrepo.bench.request import BenchRequest
from mlrepo.bench.sweep.axes import SweepAxis, axes_of, excluded_of, load_axis
from mlrepo.bench.sweep.cells import combinations, count_of, key_of, make_cell
from mlrepo.bench.sweep.limits import limits_of
from mlrepo.errors import UserError
from mlrepo.record.plans import SweepPlan


def _values(**words: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    plan = SweepPlan(**words)  # type: ignore[arg-type]
    return {axis.name: axis.values() for axis in axes_of(plan)}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2,4", "1 2 4"),
        ("10:400:log3", "10 63.25 400"),
        ("10:400:lin3", "10 205 400"),
        ("10:400:100", "10 110 210 310"),
        ("0.1:0.3:0.1", "0.1 0.2 0.3"),
        ("1e3,2.5E-1", "1000 0.25"),
        ("5,10:20:lin2", "5 10 20"),
    ],
)
def test_numbers_are_lists_and_ranges(text: str, values: str) -> None:
    """Both ends of a range belong to it; its ends are as typed, the others have four digits."""
    assert _values(rates=(text,))["qps"] == tuple(values.split())


def test_ranges_of_whole_numbers_are_rounded() -> None:
    """Threads come whole."""
    assert _values(threads=("1:16:log5",))["threads"] == ("1", "2", "4", "8", "16")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"rates": ("10:5:log4",)}, "end above its beginning"),
        ({"rates": ("10:x",)}, "neither a number nor a range"),
        ({"rates": ("10:20:log1",)}, "two values at least"),
        ({"rates": ("10:20:0",)}, "must not be 0"),
        ({"rates": ("0:20:lin3",)}, "positive"),
        ({"rates": ("-5",)}, "neither a number nor a range"),
        ({"rates": ("nan",)}, "neither a number nor a range"),
        ({"rates": ("9e99,1e400",)}, "neither a number nor a range"),
        ({"rates": ("1:999999999:1",)}, "no axis may have more"),
        ({"rates": ("",)}, "empty value"),
        ({"rates": ("1,,2",)}, "empty value"),
        ({"threads": ("1.5",)}, "whole number"),
        ({"threads": ("99999999999",)}, "whole number"),
        ({"threads": ("1:4:log8",)}, "threads has 1 twice"),
        ({"threads": ("1", "2,1")}, "threads has 1 twice"),
        ({"rates": ("10", "10.0")}, "qps has 10 twice"),
        ({"backends": ("onnx", "onnx")}, "backend has onnx twice"),
        ({"backends": (" ",)}, "empty value"),
        ({"settings": ("target_latency",)}, "not KEY=VALUE"),
        ({"options": ("streams=1", "streams=1")}, "streams has 1 twice"),
    ],
)
def test_what_is_malformed_is_refused(words: dict[str, tuple[str, ...]], said: str) -> None:
    """Before anything is made of it, and in words."""
    with pytest.raises(UserError) as refused:
        _values(**words)
    assert said in refused.value.message
    assert refused.value.hint


def test_a_million_values_are_counted_and_not_made() -> None:
    """The number of cells is known from the ranges alone."""
    axes = axes_of(SweepPlan(threads=("1:1000:1",), rates=("1:1000:lin1000",)))
    assert count_of(axes) == 1_000_000


def test_settings_and_options_of_one_key_are_one_axis() -> None:
    """LoadGen's settings may be ranges; what a backend's own options mean is its own affair."""
    found = _values(
        settings=("target_latency=5:20:lin4", "min_query_count=100"),
        options=("body=1:4:2", "body=a,b"),
    )
    assert found == {
        "set.target_latency": ("5", "10", "15", "20"),
        "set.min_query_count": ("100",),
        "backend-opt.body": ("1:4:2", "a,b"),
    }


def test_the_load_changes_first_whatever_the_order_of_options() -> None:
    """Curves are measured along it, so it is the innermost axis."""
    plan = SweepPlan(rates=("1,2",), backends=("a", "b"), options=("x=1",))
    assert [axis.name for axis in axes_of(plan)] == ["backend", "backend-opt.x", "qps"]
    cells = [tuple(cell.values()) for cell in combinations(axes_of(plan), ())]
    assert cells == [("a", "1", "1"), ("a", "1", "2"), ("b", "1", "1"), ("b", "1", "2")]


def test_combinations_are_left_out_by_all_of_their_values() -> None:
    """Numbers are compared as numbers; an unknown axis or value is a mistake."""
    plan = SweepPlan(
        backends=("onnx", "null"), rates=("10,20",), exclude=("backend=null,qps=20.0",)
    )
    axes = axes_of(plan)
    kept = [tuple(cell.values()) for cell in combinations(axes, excluded_of(plan, axes))]
    assert kept == [("onnx", "10"), ("onnx", "20"), ("null", "10")]
    for text, said in (
        ("backnd=null", "Did you mean backend"),
        ("backend=nul", "Did you mean null"),
        ("backend", "is not AXIS=VALUE"),
        ("", "is not AXIS=VALUE"),
    ):
        with pytest.raises(UserError) as refused:
            excluded_of(SweepPlan(backends=("onnx", "null"), exclude=(text,)), axes)
        assert said in f"{refused.value.message} {refused.value.hint}"


def test_one_axis_is_that_of_the_curve() -> None:
    """A load comes before other numbers; two of them are too many, and two values too few."""
    axis = load_axis(axes_of(SweepPlan(threads=("1,2,3",), rates=("1,2,3",))))
    assert axis.name == "qps"
    assert load_axis(axes_of(SweepPlan(threads=("1,2,3",), rates=("1,2",)))).name == "threads"
    for plan in (
        SweepPlan(threads=("1,2",)),
        SweepPlan(threads=("1,2,3",), batches=("1,2,3",)),
        SweepPlan(rates=("1,2,3",), concurrency=("1,2,3",)),
    ):
        with pytest.raises(UserError):
            load_axis(axes_of(plan))


def test_a_cell_is_a_request_with_tags_that_name_it() -> None:
    """Each value reaches its field with its type; the key depends on the values alone."""
    values = {
        "benchmark": "digits",
        "scenario": "Server",
        "backend": "null",
        "threads": "2",
        "time": "1.5",
        "qps": "63.25",
        "set.min_query_count": "100",
        "backend-opt.x": "y",
    }
    base = BenchRequest("", "", "", "", tags=("mine",))
    cell = make_cell(base, "first", values)
    request = cell.request
    assert (request.benchmark, request.scenario, request.mode) == (
        "digits",
        "Server",
        "performance",
    )
    assert (request.threads, request.time, request.qps) == (2, 1.5, 63.25)
    assert request.extra == {"min_query_count": "100"}
    assert request.backend_options == {"x": "y"}
    key = key_of(dict(reversed(list(values.items()))))
    assert request.tags == ("mine", "sweep", "sweep-first", f"cell-{key}")
    assert cell.words([SweepAxis("qps", "number", ("1", "2"), 2)]) == "qps 63.25"


def test_limits_are_milliseconds_by_name() -> None:
    """A misspelled one is suggested; one that says nothing is refused."""
    assert limits_of(SweepPlan(limits=("latency=15", "ttft=200ms"))) == {
        "latency": 15.0,
        "ttft": 200.0,
    }
    for text in ("ttf=1", "ttft=", "ttft=-1", "ttft=inf", "latency=x"):
        with pytest.raises(UserError) as refused:
            limits_of(SweepPlan(limits=(text,)))
        assert refused.value.hint
    with pytest.raises(UserError, match="twice"):
        limits_of(SweepPlan(limits=("tpot=1", "tpot=2")))


def test_the_plan_of_a_record_is_the_typed_value() -> None:
    """It is read back from JSON as it was; malformed words of others are refused."""
    plan = SweepPlan(benchmarks=("digits",), rates=("10:400:log8",), options=("a=b",), repeat=2)
    assert SweepPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    with pytest.raises(ValueError, match="rates"):
        SweepPlan.from_dict({"command": "sweep", "rates": "10"})
