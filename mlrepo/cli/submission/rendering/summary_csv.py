"""The round's own ``summary.csv``: the columns and values of the official checker of the round.

Cells are quoted as in RFC 4180, so that a note with quotes, commas or newlines stays one cell; the
official checkers before v6.0 break such rows. Like theirs, lines end with a newline.
"""

from __future__ import annotations

import csv
import io

from mlrepo.checker.report import Report
from mlrepo.cli.submission.rendering.reading import encodable


def render(report: Report, profile: str) -> str:
    """Return the header, and the rows in the order of the report.

    The official profile has the rows that the official checker writes (including one for a result
    of 0, which it then does not count); the strict profile has the rows of valid results.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(report.columns)
    for result in report.results:
        if profile == "official" or result.strict:
            for row in result.rows:
                writer.writerow([encodable(str(row.get(column, ""))) for column in report.columns])
    return text.getvalue()
