"""The flat table of runs as CSV, Markdown and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from mlrepo.errors import UserError
from mlrepo.markdown import plain
from mlrepo.record import format_number
from mlrepo.report.run_table import FlatTable

# A cell that begins with one of these is a formula to a spreadsheet, which may start programs
# (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# A README has no room for more.
_MARKDOWN = (
    *("run", "system", "backend", "benchmark", "scenario", "mode"),
    *("result", "verdict", "tags", "commit"),
)
_COMMIT = 10


def csv_text(rows: Iterable[Sequence[str | float | int | None]]) -> str:
    """Return rows as CSV (RFC 4180, with line feeds).

    Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers, also
    negative ones, do not.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def table_csv(table: FlatTable) -> str:
    """Return a flat table as CSV with a header."""
    return csv_text([[column.name for column in table.columns], *table.rows])


def table_markdown(table: FlatTable) -> str:
    """Return the columns for people as a table of Markdown."""
    places = {column.name: place for place, column in enumerate(table.columns)}
    lines = [
        _line(_MARKDOWN),
        _line("---:" if name == "result" else "---" for name in _MARKDOWN),
    ]
    for row in table.rows:
        values = {name: row[places[name]] for name in (*_MARKDOWN, "test", "unit")}
        result = values["result"]
        if isinstance(result, int | float):
            values["result"] = f"{format_number(result)} {values['unit']}"
        values["mode"] = values["test"] or values["mode"]
        values["commit"] = str(values["commit"])[:_COMMIT]
        lines.append(
            _line("" if values[name] is None else plain(values[name]) for name in _MARKDOWN)
        )
    return "\n".join(lines) + "\n"


def table_parquet(table: FlatTable) -> bytes:
    """Return a flat table as Parquet; a metric's column has its unit as metadata.

    Raises
    ------
    UserError
        The extra ``parquet`` is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(
            "Parquet needs the package pyarrow, which is not installed.",
            hint="pip install 'mlrepo[parquet]'; CSV needs nothing: --format csv",
        ) from error
    kinds = {"text": pa.string(), "number": pa.float64(), "integer": pa.int64()}
    fields = [
        pa.field(
            column.name, kinds[column.kind], metadata={"unit": column.unit} if column.unit else None
        )
        for column in table.columns
    ]
    arrays = [
        pa.array([row[place] for row in table.rows], type=field.type)
        for place, field in enumerate(fields)
    ]
    data = io.BytesIO()
    written = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    parquet.write_table(written, data, compression="zstd")
    return data.getvalue()


def _cell(value: str | float | int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
