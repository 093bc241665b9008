"""The round's own ``summary.csv``: the columns and values of the official checker of the round.

Quoted as RFC 4180 says, so that a note with quotes, commas or newlines stays one cell; the
official checkers before v6.0 break such rows. Lines end as theirs do, with a newline.
"""

from __future__ import annotations

import csv
import io

from mlrepo.checker.report import Report
from mlrepo.cli.submission.rendering.reading import encodable


def render(report: Report, profile: str) -> str:
    """Return the rows in the order of the report; the header stands even where there is none.

    In the official profile they are the rows that the official checker writes (it writes one for
    a result of 0, which it then counts as none); in the strict one those of valid results.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(report.columns)
    for result in report.results:
        if profile == "official" or result.strict:
            for row in result.rows:
                writer.writerow([encodable(str(row.get(column, ""))) for column in report.columns])
    return text.getvalue()
