"""Renderings of one :class:`~mlrepo.checker.report.Report`: text, JSON, SARIF, GitHub, CSV."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from mlrepo.checker.report import Report

# The module of each format; it has one function `render(report, profile) -> str`.
_MODULES = {
    "text": "mlrepo.cli.submission.rendering.text",
    "json": "mlrepo.cli.submission.rendering.document",
    "sarif": "mlrepo.cli.submission.rendering.sarif",
    "github": "mlrepo.cli.submission.rendering.github",
    "csv": "mlrepo.cli.submission.rendering.summary_csv",
}
FORMATS = tuple(_MODULES)


def renderer(name: str) -> Callable[[Report, str], str]:
    """Return the function that renders a report for a profile in the format ``name``."""
    render: Callable[[Report, str], str] = importlib.import_module(_MODULES[name]).render
    return render
