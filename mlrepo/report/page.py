"""A report as one HTML file, which asks for nothing from elsewhere and runs no script of others."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlrepo.errors import UserError
from mlrepo.record import format_number
from mlrepo.report.drawing import vega_script
from mlrepo.repository.trailers import parse_result

if TYPE_CHECKING:
    from jinja2 import Environment

_PAGES = Path(__file__).with_name("pages")
# Inside an element `script`, these would end it or begin a comment (HTML standard, 4.12.1.3).
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
# How many disturbed runs the page names before it refers to the table.
_MOST_DISTURBED = 20
# What the states of the matrix mean, beside the verdicts.
_STATES = {
    "done": "VALID, and as long as the round asks",
    "short": "VALID, but shorter than the round asks",
    "stale": "VALID, but of another configuration than the newest run of the result",
    "missing": "no run yet",
    "inferred": "needs no run: the round takes it from another scenario",
    "impossible": "mlrepo cannot run this test",
}


def report_json(document: Mapping[str, object]) -> str:
    """Return the document as JSON in one line; the same for the same document."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def report_page(document: Mapping[str, object], cache: Path) -> bytes:
    """Return the HTML of a report.

    Parameters
    ----------
    document:
        As :func:`mlrepo.report.document.report_document` returns it.
    cache:
        Where the joined script of Vega is kept.

    Raises
    ------
    UserError
        The extra ``report`` is not installed.
    """
    pages = _environment()
    data = report_json(document).translate(_ESCAPES)
    scripts = [
        # The end tag of the element would end it, wherever it is.
        vega_script(cache).replace("</script", "<\\/script"),
        (_PAGES / "report.js").read_text(encoding="utf-8"),
    ]
    style = (_PAGES / "report.css").read_text(encoding="utf-8")
    hashes = " ".join(map(_hash, scripts))
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    html = pages.get_template("report.html").render(
        document=document,
        policy=policy,
        style=style,
        scripts=scripts,
        data=data,
        digest=hashlib.sha256(data.encode("utf-8", "backslashreplace")).hexdigest(),
        matrix=_matrix(document),
        states=_states(document),
        several_machines=_has_several_machines(document),
        disturbed=_disturbed(document),
        verdicts=_verdicts(document),
    )
    return html.encode("utf-8", "backslashreplace")


def _environment() -> Environment:
    try:
        import jinja2
    except ImportError as error:
        raise UserError(
            "An HTML report needs the package Jinja2, which is not installed.",
            hint="pip install 'mlrepo[report]'",
        ) from error
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["metric"] = lambda text: str(parse_result(text))
    return pages


def _hash(text: str) -> str:
    """Return the source expression of an element's content (Content Security Policy 3, 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _matrix(document: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the rows of the round's matrix: by scenario, with a cell for each kind of run."""
    found = document["round"]
    if not isinstance(found, Mapping):
        return []
    rows = []
    for row in cast("Sequence[Mapping[str, object]]", found["results"]):
        scenarios: dict[str, list[dict[str, str]]] = {}
        for cell in cast("Sequence[Mapping[str, str]]", row["cells"]):
            metric = parse_result(cell["result"])
            shown = "" if metric.value is None else f"{format_number(metric.value)} {metric.unit}"
            name = cell["test"] or cell["mode"]
            scenarios.setdefault(cell["scenario"], []).append(
                {"name": name, "state": cell["state"], "run": cell["run"], "result": shown}
            )
        rows.append(
            {**row, "scenarios": scenarios, "most": max(map(len, scenarios.values()), default=0)}
        )
    return rows


def _states(document: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the states that the matrix has, with what they mean."""
    found = document["round"]
    if not isinstance(found, Mapping):
        return []
    seen = {cell["state"] for row in found["results"] for cell in row["cells"]}
    return [(state, meaning) for state, meaning in _STATES.items() if state in seen]


def _has_several_machines(document: Mapping[str, object]) -> bool:
    """Say whether machines can be ranked: with one, the matrix has it all."""
    found = document["round"]
    machines = found.get("machines") if isinstance(found, Mapping) else None
    if not isinstance(machines, Mapping):
        return False
    standing = {one["system"] for board in machines["best"] for one in board["standings"]}
    return len(standing | {one["system"] for one in machines["missing"]}) > 1


def _verdicts(document: Mapping[str, object]) -> list[str]:
    """Return how many runs have which verdict, the most frequent first."""
    columns = cast("Sequence[Mapping[str, str]]", document["columns"])
    place = [column["name"] for column in columns].index("verdict")
    rows = cast("Sequence[Sequence[object]]", document["runs"])
    number = Counter(str(row[place]) for row in rows if row[place])
    ordered = sorted(number, key=lambda verdict: (-number[verdict], verdict))
    return [f"{number[verdict]} {verdict}" for verdict in ordered]


def _disturbed(document: Mapping[str, object]) -> dict[str, object]:
    """Return how many runs were disturbed, and the newest of them with what did it."""
    columns = cast("Sequence[Mapping[str, str]]", document["columns"])
    place = {column["name"]: number for number, column in enumerate(columns)}
    rows = cast("Sequence[Sequence[object]]", document["runs"])
    found = [
        {"run": row[place["run"]], "disturbances": row[place["disturbances"]]}
        for row in reversed(rows)
        if row[place["disturbances"]]
    ]
    return {"number": len(found), "newest": found[:_MOST_DISTURBED]}
