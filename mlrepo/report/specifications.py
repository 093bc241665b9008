"""Vega-Lite specifications, one for each kind of chart.

They serve the page, where Vega draws them in the browser, and the images, which vl-convert makes
with the same Vega. The texts ``@x`` and ``@y`` are the titles of a chart's axes, ``@scale`` is its
scale, and ``@verdicts`` are those that its rows have.
"""

from __future__ import annotations

from collections.abc import Mapping

_Spec = Mapping[str, object]
# Colours that people with any colour vision distinguish (Okabe and Ito, 2008), without black and
# yellow: each is seen on white and on a dark page.
VERDICTS = ["VALID", "INVALID", "INTERRUPTED", "FAILED", "PUBLISHED"]
_COLOURS = ["#0072b2", "#d55e00", "#cc79a7", "#7f7f7f", "#009e73"]
_CATEGORIES = ["#0072b2", "#d55e00", "#009e73", "#b65fa0", "#7f7f7f", "#a6761d", "#3f9fd8"]
_POINT: _Spec = {"type": "point", "filled": True, "size": 60, "opacity": 0.9}
_SOFT_LINE: _Spec = {"type": "line", "opacity": 0.5}
# Vega writes times with twelve hours and no a.m.; dates as people in all countries read them.
_TIMES: _Spec = {
    "year": "%Y",
    "quarter": "%Y-%m",
    "month": "%Y-%m",
    "week": "%m-%d",
    "date": "%m-%d",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": "%S.%L s",
}


def _of(field: str, kind: str = "quantitative", **more: object) -> _Spec:
    return {"field": field, "type": kind, **more}


def _verdict() -> dict[str, object]:
    """Return the encoding of verdicts, by colour and by shape; the legend has those there are."""
    domain = {"domain": VERDICTS}
    shapes = ["circle", "cross", "diamond", "square", "triangle-up"]
    more: _Spec = {
        "field": "verdict",
        "type": "nominal",
        "title": "verdict",
        "legend": {"values": "@verdicts"},
    }
    return {
        "color": {**more, "scale": {**domain, "range": _COLOURS}},
        "shape": {**more, "scale": {**domain, "range": shapes}},
    }


def _category(field: str, symbol: str) -> _Spec:
    """Return the encoding of names by colour; ``symbol`` is what the legend shows."""
    return _of(
        field,
        "nominal",
        scale={"range": _CATEGORIES},
        # A legend of hundreds would hide the chart; tooltips and tables have them all.
        legend={"columns": 1, "symbolLimit": 12, "symbolType": symbol},
    )


def _where(condition: str) -> list[_Spec]:
    return [{"filter": condition}]


def _fields(*names: str) -> list[_Spec]:
    return [{"field": name} for name in names]


_FROM_ZERO: _Spec = {"zero": True}
# Points at the ends are not cut by the frame.
_ANYWHERE: _Spec = {"zero": False, "nice": True, "padding": 10}
_OWN: dict[str, object] = {"test": "datum.own == 1"}
_LOG: _Spec = {"type": "log", "nice": False, "padding": 10}
# By the scale of a chart; `ownOf` in the page's script has the same.
SCALES: Mapping[str, _Spec] = {"linear": _ANYWHERE, "log": _LOG}


# The layer that has a dashed line for each limit.
_LIMITS: _Spec = {
    "transform": [{"filter": "isValid(datum.limit)"}, {"aggregate": [], "groupby": ["limit"]}],
    "mark": {"type": "rule", "strokeDash": [6, 4], "strokeWidth": 2},
    "encoding": {"y": _of("limit", scale=_LOG, title="@y"), "tooltip": _fields("limit")},
}


def _history(x: _Spec) -> _Spec:
    tooltip = _fields("run", "start", "commit", "value", "verdict")
    value = _of("value", scale=_ANYWHERE, title="@y")
    return {
        "encoding": {"x": x},
        "layer": [
            {
                "transform": _where("isValid(datum.low)"),
                "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.5},
                "encoding": {
                    "y": _of("low", scale=_ANYWHERE, title="@y"),
                    "y2": {"field": "high"},
                    "tooltip": _fields("mean", "low", "high", "runs"),
                },
            },
            {
                "transform": _where("isValid(datum.mean)"),
                "mark": _SOFT_LINE,
                "encoding": {"y": _of("mean", title="@y")},
            },
            {
                "mark": _POINT,
                "encoding": {"y": value, **_verdict(), "tooltip": tooltip},
            },
            {
                "transform": _where("datum.environment != ''"),
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {"tooltip": _fields("environment", "run")},
            },
            {
                "transform": _where("datum.environment != ''"),
                "mark": {
                    "type": "text",
                    "angle": 270,
                    "align": "right",
                    "baseline": "bottom",
                    "dx": -4,
                    "dy": -3,
                    "limit": 200,
                },
                "encoding": {
                    "y": {"value": 0},
                    "text": {"field": "changed"},
                    "tooltip": _fields("environment", "run"),
                },
            },
            {
                "transform": _where("datum.change != ''"),
                "mark": {"type": "text", "dy": -14, "fontWeight": "bold"},
                "encoding": {
                    "y": _of("mean", title="@y"),
                    "text": {"field": "change"},
                    "tooltip": _fields("change", "run", "mean", "low", "high"),
                },
            },
        ],
    }


_OFFERED = _of("offered", scale="@scale", title="@x")

# By kind of chart. Data, width and height are added when a chart is drawn.
SPECIFICATIONS: Mapping[str, _Spec] = {
    "history": _history(
        _of(
            "start",
            "temporal",
            scale={"type": "utc", "padding": 12},
            axis={"format": _TIMES},
            title=None,
        )
    ),
    "history-commits": _history(_of("order", "ordinal", title="run, in the order of commits")),
    "rounds": {
        "encoding": {"x": _of("round", "ordinal", sort=None, title="@x", axis={"labelAngle": 0})},
        "layer": [
            {
                "mark": {"type": "line"},
                "encoding": {
                    "y": _of("value", scale=_LOG, title="@y"),
                    "detail": _of("submitter", "nominal"),
                    "opacity": {"condition": _OWN | {"value": 1}, "value": 0.25},
                    "strokeWidth": {"condition": _OWN | {"value": 3}, "value": 1},
                },
            },
            {
                "mark": _POINT,
                "encoding": {
                    "y": _of("value", scale=_LOG, title="@y"),
                    "color": _category("submitter", "circle"),
                    "shape": {"condition": _OWN | {"value": "diamond"}, "value": "circle"},
                    "size": {"condition": _OWN | {"value": 120}, "value": 40},
                    "tooltip": _fields(
                        "submitter", "round", "value", "place", "of", "system", "run"
                    ),
                },
            },
        ],
    },
    "pareto": {
        "encoding": {
            "x": _of("x", scale=_ANYWHERE, title="@x"),
            "y": _of("y", scale=_FROM_ZERO, title="@y"),
        },
        "layer": [
            {"transform": _where("datum.front == 1"), "mark": _SOFT_LINE},
            {
                "mark": _POINT,
                "encoding": {
                    "color": _category("configuration", "circle"),
                    "shape": {
                        "condition": {"test": "datum.front == 1", "value": "circle"},
                        "value": "cross",
                    },
                    "tooltip": _fields("configuration", "x", "y", "run"),
                },
            },
        ],
    },
    "load": {
        "layer": [
            {
                # A rate may be measured more than once.
                "transform": [
                    {
                        "aggregate": [{"op": "mean", "field": "latency", "as": "latency"}],
                        "groupby": ["offered", "percentile"],
                    }
                ],
                "mark": _SOFT_LINE,
                "encoding": {
                    "x": _OFFERED,
                    "y": _of("latency", scale=_LOG, title="@y"),
                    "strokeDash": _of("percentile", "nominal", sort=None),
                },
            },
            {
                "mark": _POINT,
                "encoding": {
                    "x": _OFFERED,
                    "y": _of("latency", scale=_LOG, title="@y"),
                    **_verdict(),
                    "tooltip": _fields("offered", "latency", "percentile", "verdict", "run"),
                },
            },
            _LIMITS,
        ],
    },
    "achieved": {
        "encoding": {"x": _OFFERED},
        "layer": [
            {
                "mark": {"type": "line", "strokeDash": [6, 4], "opacity": 0.6},
                "encoding": {"y": _of("offered", scale="@scale", title="@y")},
            },
            {
                "mark": _POINT,
                "encoding": {
                    "y": _of("achieved", scale="@scale", title="@y"),
                    **_verdict(),
                    "tooltip": _fields("offered", "achieved", "verdict", "run"),
                },
            },
        ],
    },
    "throughput": {
        "encoding": {
            "x": _of("concurrency", scale=_ANYWHERE, title="@x"),
            "y": _of("throughput", scale=_FROM_ZERO, title="@y"),
        },
        "layer": [
            {"mark": _SOFT_LINE},
            {
                "mark": _POINT,
                "encoding": {
                    **_verdict(),
                    "tooltip": _fields("concurrency", "throughput", "verdict", "run"),
                },
            },
        ],
    },
    "latency": {
        "mark": {"type": "line", "point": {"size": 16}},
        "encoding": {
            "x": _of("latency", scale=_LOG, title="@x"),
            "y": _of("slower", scale=_LOG, title="@y", axis={"format": "~%"}),
            "order": _of("slower"),
            "color": _category("run", "stroke"),
            "strokeDash": _of("run", "nominal"),
            "tooltip": _fields("run", "share", "latency"),
        },
    },
    "trace": {
        "mark": {"type": "line"},
        "encoding": {
            "x": _of("seconds", scale=_FROM_ZERO, title="@x"),
            "y": _of("value", scale=_ANYWHERE, title="@y"),
            "color": _category("run", "stroke"),
            "strokeDash": _of("run", "nominal"),
            "tooltip": _fields("run", "seconds", "value"),
        },
    },
    "tokens": {
        "mark": _POINT,
        "encoding": {
            "x": _of("tokens", scale=_ANYWHERE, title="@x"),
            "y": _of("per_user", scale=_FROM_ZERO, title="@y"),
            "color": _category("configuration", "circle"),
            "shape": _verdict()["shape"],
            "tooltip": _fields("configuration", "tokens", "per_user", "verdict", "run"),
        },
    },
    "token-latency": {
        "layer": [
            {
                "mark": _POINT,
                "encoding": {
                    "x": _of("tokens", scale=_ANYWHERE, title="@x"),
                    "y": _of("latency", scale=_LOG, title="@y"),
                    "color": _category("configuration", "circle"),
                    "shape": _verdict()["shape"],
                    "tooltip": _fields(
                        "configuration", "tokens", "latency", "median", "verdict", "run"
                    ),
                },
            },
            _LIMITS,
        ],
    },
}
