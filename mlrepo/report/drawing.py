"""How charts become images, and the script that draws them in a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlrepo.errors import UserError
from mlrepo.report.chart import Chart
from mlrepo.report.specifications import SCALES, SPECIFICATIONS, VERDICTS

if TYPE_CHECKING:
    from types import ModuleType

Image = Literal["svg", "png"]
_WIDTH, _HEIGHT = 640, 300


def specification(chart: Chart) -> dict[str, object]:
    """Return the whole Vega-Lite specification of a chart, with its data."""
    place = chart.columns.index("verdict") if "verdict" in chart.columns else None
    seen = set() if place is None else {row[place] for row in chart.rows}
    spec = _filled(
        SPECIFICATIONS[chart.kind],
        {
            "@x": chart.x,
            "@y": chart.y,
            "@scale": SCALES[chart.scale],
            "@verdicts": [verdict for verdict in VERDICTS if verdict in seen],
        },
    )
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


def _filled(value: object, own: Mapping[str, object]) -> object:
    """Return a specification with what is a chart's own."""
    if isinstance(value, str):
        return own.get(value, value)
    if isinstance(value, Mapping):
        return {key: _filled(item, own) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, own) for item in value]
    return value
