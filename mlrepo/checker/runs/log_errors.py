"""What is said of the errors that LoadGen logged, and where the first one is."""

from __future__ import annotations

from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import DetailScan


def errors_in(scope: Scope, path: str, scan: DetailScan) -> str:
    """Return how many of a log's lines are errors: where all are, no single one says what is."""
    if not scan.errors or not scope.round.has_detail_log():
        return "LoadGen logged errors."
    lines = scope.count(path, b":::MLLOG")
    return f"{len(scan.errors)} of {lines} lines are flagged as errors; the first is shown."


def first_error_line(scope: Scope, path: str, scan: DetailScan) -> int:
    """Return where the log's first error stands, or else the count that says there are some."""
    if not scope.round.has_detail_log():
        return scope.line_of(path, scan.errors[0])
    return scope.line_of(path, '"is_error": true' if scan.errors else '"num_errors"')
