"""Published results in a report: lines over the rounds, and where a submitter's own stand."""

from __future__ import annotations

from typing import Any

from mlrepo.record import Metric
from mlrepo.report.chart import ChartNames
from mlrepo.report.measures import pareto_fronts
from mlrepo.report.reported import ReportedRun
from mlrepo.report.rounds import round_lines
from mlrepo.repository.history import RecordedRun
from mlrepo.repository.trailers import run_trailers
from mlrepo.rounds import SHIPPED
from tests.samples import sample_record, sample_run_id


def _run(number: int, value: float, unit: str = "samples/s", **changes: Any) -> ReportedRun:
    record = sample_record(sample_run_id(number), result=Metric(value, unit), **changes)
    return ReportedRun(RecordedRun(record.run, f"{number:040x}", run_trailers(record)), record)


def _published() -> list[ReportedRun]:
    """Return results of two submitters in three rounds, and one in a round of its own."""
    table = (
        ("v0.7", "Acme", "resnet", 90.0),
        ("v0.7", "Other", "resnet", 70.0),
        ("v1.1", "Acme", "resnet50", 100.0),
        ("v1.1", "Acme", "resnet50", 80.0),
        ("v1.1", "Other", "resnet50", 150.0),
        ("v6.1", "ACME", "resnet50", 300.0),
        ("v6.1", "Acme", "bert-99", 5.0),
    )
    return [
        _run(
            number,
            value,
            round=round_,
            submitter=submitter,
            benchmark=benchmark,
            tags=("imported",),
        )
        for number, (round_, submitter, benchmark, value) in enumerate(table)
    ]


def test_published_rounds_are_a_line_for_each_submitter() -> None:
    """The best of each round, with its place; the oldest rounds called a benchmark otherwise."""
    runs = [*_published(), _run(50, 900.0, round="v6.1", tags=("probe",))]
    [chart] = round_lines(runs, SHIPPED, ChartNames(), "Acme")
    assert chart.title == "resnet50 Offline, closed: best results over the rounds"
    assert [row[:6] for row in chart.rows] == [
        ("v0.7", 90.0, "Acme", 1, 1, 2),
        ("v0.7", 70.0, "Other", 0, 2, 2),
        ("v1.1", 150.0, "Other", 0, 1, 2),
        ("v1.1", 100.0, "Acme", 1, 2, 2),
        ("v6.1", 300.0, "ACME", 1, 1, 1),
    ]
    assert "Acme in v1.1: 100, 2 of 2" in chart.about
    [others] = round_lines(runs, SHIPPED, ChartNames(), "Nobody")
    assert "best in v6.1: ACME with 300" in others.about


def test_a_front_says_where_the_submitters_own_stand() -> None:
    """Two submitters may call their systems alike, and a published round is no configuration."""
    runs = []
    for number, (who, rate, score) in enumerate((("Acme", 10.0, 76.0), ("Other", 9.0, 77.0))):
        published: dict[str, Any] = {"submitter": who, "tags": ("imported",), "round": "v1.1"}
        runs.append(_run(2 * number, rate, **published))
        runs.append(_run(2 * number + 1, score, mode="accuracy", unit="%", **published))
    chart = next(
        one for one in pareto_fronts(runs, SHIPPED, ChartNames(), "acme") if " per " not in one.y
    )
    assert len(chart.rows) == 2
    assert str(chart.rows[0][chart.columns.index("configuration")]).startswith("Acme v1.1: alpha")
    assert chart.about.endswith("; 1 of them of acme, 1 on the front.")
