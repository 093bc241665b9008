"""Describe and locate the errors that LoadGen logged."""

from __future__ import annotations

from mlrepo.checker.scope import Scope
from mlrepo.logs.scan import DetailScan


def errors_in(scope: Scope, path: str, scan: DetailScan) -> str:
    """Return the message: how many lines are errors, for if all are, a single one says little."""
    if not scan.errors or not scope.round.has_detail_log():
        return "LoadGen logged errors."
    lines = scope.count(path, b":::MLLOG")
    return f"{len(scan.errors)} of {lines} lines are flagged as errors; the first is shown."


def first_error_line(scope: Scope, path: str, scan: DetailScan) -> int:
    """Return the line of the log's first error, or else of its error count."""
    if not scope.round.has_detail_log():
        return scope.line_of(path, scan.errors[0])
    return scope.line_of(path, '"is_error": true' if scan.errors else '"num_errors"')
