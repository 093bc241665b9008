"""How charts are drawn: Vega-Lite specifications, and their images.

One specification per kind serves the page, where Vega draws it in the browser, and the images,
which vl-convert makes with the same Vega. In a specification the texts ``@x`` and ``@y`` are the
titles of a chart's axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlrepo.errors import UserError
from mlrepo.report.chart import Chart

if TYPE_CHECKING:
    from types import ModuleType

Image = Literal["svg", "png"]
_Spec = Mapping[str, object]
_WIDTH, _HEIGHT = 640, 300
# Colours that people with any colour vision distinguish (Okabe and Ito, 2008).
_VERDICTS = ["VALID", "INVALID", "INTERRUPTED", "FAILED"]
_COLOURS = ["#0072b2", "#d55e00", "#cc79a7", "#7f7f7f"]


def _of(field: str, kind: str = "quantitative", **more: object) -> _Spec:
    return {"field": field, "type": kind, **more}


def _verdict() -> dict[str, object]:
    """Return the encoding of verdicts: by colour and by shape."""
    domain = {"domain": _VERDICTS}
    return {
        "color": _of("verdict", "nominal", scale={**domain, "range": _COLOURS}, title="verdict"),
        "shape": _of(
            "verdict",
            "nominal",
            scale={**domain, "range": ["circle", "cross", "diamond", "square"]},
            title="verdict",
        ),
    }


def _where(condition: str) -> list[_Spec]:
    return [{"filter": condition}]


def _fields(*names: str) -> list[_Spec]:
    return [{"field": name} for name in names]


# A legend of hundreds of configurations would hide the chart; tooltips and tables have them all.
_FEW: _Spec = {"columns": 1, "symbolLimit": 12}
_FROM_ZERO: _Spec = {"zero": True}
_ANYWHERE: _Spec = {"zero": False, "nice": True}
_OWN: dict[str, object] = {"test": "datum.own == 1"}
_LOG: _Spec = {"type": "log", "nice": False}


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
                "mark": {"type": "line", "opacity": 0.5},
                "encoding": {"y": _of("mean", title="@y")},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50},
                "encoding": {"y": value, **_verdict(), "tooltip": tooltip},
            },
            {
                "transform": _where("datum.environment != ''"),
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {"tooltip": _fields("environment", "run")},
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


# By kind of chart. Data, width and height are added when a chart is drawn.
SPECIFICATIONS: Mapping[str, _Spec] = {
    "history": _history(_of("start", "temporal", scale={"type": "utc"}, title=None)),
    "history-commits": _history(_of("order", "ordinal", title="run, in the order of commits")),
    "rounds": {
        "encoding": {"x": _of("round", "ordinal", sort=None, title="@x")},
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
                "mark": {"type": "point", "filled": True, "size": 50},
                "encoding": {
                    "y": _of("value", scale=_LOG, title="@y"),
                    "color": _of("submitter", "nominal", legend=_FEW),
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
            {
                "transform": _where("datum.front == 1"),
                "mark": {"type": "line", "opacity": 0.5, "interpolate": "linear"},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {
                    "color": _of("configuration", "nominal", legend=_FEW),
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
        "encoding": {"x": _of("offered", scale=_ANYWHERE, title="@x")},
        "layer": [
            {
                "mark": {"type": "line", "opacity": 0.5},
                "encoding": {
                    "y": _of("latency", scale=_LOG, title="@y"),
                    "strokeDash": _of("percentile", "nominal"),
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50},
                "encoding": {
                    "y": _of("latency", scale=_LOG, title="@y"),
                    **_verdict(),
                    "tooltip": _fields("offered", "latency", "percentile", "verdict", "run"),
                },
            },
            {
                "transform": _where("isValid(datum.limit)"),
                "mark": {"type": "line", "strokeDash": [6, 4], "strokeWidth": 2},
                "encoding": {
                    "y": _of("limit", scale=_LOG, title="@y"),
                    "tooltip": _fields("limit"),
                },
            },
        ],
    },
    "achieved": {
        "encoding": {"x": _of("offered", scale=_ANYWHERE, title="@x")},
        "layer": [
            {
                "mark": {"type": "line", "strokeDash": [6, 4], "opacity": 0.6},
                "encoding": {"y": _of("offered", title="@y")},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50},
                "encoding": {
                    "y": _of("achieved", scale=_ANYWHERE, title="@y"),
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
            {"mark": {"type": "line", "opacity": 0.5}},
            {
                "mark": {"type": "point", "filled": True, "size": 50},
                "encoding": {
                    **_verdict(),
                    "tooltip": _fields("concurrency", "throughput", "verdict", "run"),
                },
            },
        ],
    },
    "latency": {
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": _of("latency", scale=_LOG, title="@x"),
            "y": _of("slower", scale=_LOG, title="@y", axis={"format": "~%"}),
            "order": _of("slower"),
            "color": _of("run", "nominal", legend=_FEW),
            "strokeDash": _of("run", "nominal"),
            "tooltip": _fields("run", "share", "latency"),
        },
    },
    "trace": {
        "mark": {"type": "line"},
        "encoding": {
            "x": _of("seconds", scale=_FROM_ZERO, title="@x"),
            "y": _of("value", scale=_ANYWHERE, title="@y"),
            "color": _of("run", "nominal", legend=_FEW),
            "strokeDash": _of("run", "nominal"),
            "tooltip": _fields("run", "seconds", "value"),
        },
    },
    "tokens": {
        "mark": {"type": "point", "filled": True, "size": 70},
        "encoding": {
            "x": _of("per_user", scale=_ANYWHERE, title="@x"),
            "y": _of("tokens", scale=_FROM_ZERO, title="@y"),
            "color": _of("configuration", "nominal", legend=_FEW),
            "shape": _verdict()["shape"],
            "tooltip": _fields("configuration", "per_user", "tokens", "verdict", "run"),
        },
    },
}


def specification(chart: Chart) -> dict[str, object]:
    """Return the whole Vega-Lite specification of a chart, with its data."""
    spec = _titled(SPECIFICATIONS[chart.kind], {"@x": chart.x, "@y": chart.y})
    assert isinstance(spec, dict)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": chart.title, "anchor": "start"},
        "description": chart.about,
        "background": "white",
        "config": {"legend": {"orient": "bottom", "labelLimit": 600}},
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": chart.values()},
        **spec,
    }


def draw(chart: Chart, image: Image) -> bytes:
    """Return a chart as an SVG or a PNG (of twice as many pixels as its size).

    Raises
    ------
    UserError
        The extra ``report`` is not installed.
    """
    vega = vega_library()
    spec = specification(chart)
    if image == "svg":
        svg: str = vega.vegalite_to_svg(spec, allowed_base_urls=[])
        return svg.encode()
    png: bytes = vega.vegalite_to_png(spec, scale=2.0, allowed_base_urls=[])
    return png


def vega_script(cache: Path) -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script.

    Joining them takes some seconds, so that the script is kept in ``cache``, by its versions.

    Raises
    ------
    UserError
        The extra ``report`` is not installed.
    """
    from mlrepo.repository.files import write_atomically

    vega = vega_library()
    versions = (vega.__version__, vega.get_vega_version(), vega.get_vega_embed_version())
    kept = cache / f"vega-{'-'.join(versions)}.js"
    try:
        return kept.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    script: str = vega.javascript_bundle()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, script.encode())
    except OSError:
        return script  # it is only slower without a cache
    return script


def vega_library() -> ModuleType:
    """Return vl-convert, which brings Vega.

    Raises
    ------
    UserError
        It is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise UserError(
            "Charts need the package vl-convert-python, which is not installed.",
            hint="pip install 'mlrepo[report]'",
        ) from error
    library: ModuleType = vl_convert
    return library


def _titled(value: object, titles: Mapping[str, str]) -> object:
    """Return a specification with the titles of its axes."""
    if isinstance(value, str):
        return titles.get(value, value)
    if isinstance(value, Mapping):
        return {key: _titled(item, titles) for key, item in value.items()}
    if isinstance(value, list):
        return [_titled(item, titles) for item in value]
    return value
