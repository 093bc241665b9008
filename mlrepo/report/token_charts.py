"""Charts of language models: what one user sees against how many tokens the system generates."""

from __future__ import annotations

from collections.abc import Sequence

from mlrepo.record import format_number
from mlrepo.record.latencies import latency_ms, loadgen_limits
from mlrepo.report.chart import Chart, ChartNames, counted
from mlrepo.report.measures import labels_of
from mlrepo.report.reported import ReportedRun

_TOKEN_RATES = ("completed_tokens_per_second", "tokens_per_second")
_PER_USER = ("tokens", "per_user", "configuration", "verdict", "run")
_LATENCY = ("tokens", "latency", "median", "limit", "configuration", "verdict", "run")
_TITLES = {"ttft": "time to first token (TTFT)", "tpot": "time per output token (TPOT)"}
_Rows = Sequence[tuple[object, ...]]


def token_charts(runs: Sequence[ReportedRun], names: ChartNames) -> list[Chart]:
    """Return charts of TTFT, TPOT and tokens/s per user against tokens/s.

    Latencies are 99th percentiles, as LoadGen's limits are; tokens/s per user are 1 ÷ the median
    time per output token. A point is a run, whatever its verdict.
    """
    groups: dict[tuple[str, str], list[ReportedRun]] = {}
    for run in runs:
        if run.record is not None and _token_rate(run) is not None:
            key = (run.run.trailer("Benchmark"), run.run.trailer("Scenario"))
            groups.setdefault(key, []).append(run)
    charts = []
    for key, group in sorted(groups.items()):
        labels = labels_of(group)
        if rows := _user_rows(group, labels):
            charts.append(_per_user(key, rows, names))
        for name in _TITLES:
            if rows := _latency_rows(name, group, labels):
                charts.append(_latency(key, name, rows, names))
    return charts


def _user_rows(runs: Sequence[ReportedRun], labels: Sequence[str]) -> _Rows:
    rows: list[tuple[object, ...]] = []
    for run, label in zip(runs, labels, strict=True):
        median = _percentile(run, "tpot", 50)
        if median:
            said = run.run.trailer("Validity")
            rows.append((_token_rate(run), 1e3 / median, label, said, run.run.run))
    return rows


def _per_user(key: tuple[str, str], rows: _Rows, names: ChartNames) -> Chart:
    return Chart(
        names.give("tokens", *key),
        "tokens",
        f"{' '.join(key)}: tokens/s per user against tokens/s",
        _about(rows),
        "tokens/s",
        "tokens/s per user (median)",
        _PER_USER,
        tuple(rows),
    )


def _latency_rows(name: str, runs: Sequence[ReportedRun], labels: Sequence[str]) -> _Rows:
    rows: list[tuple[object, ...]] = []
    for run, label in zip(runs, labels, strict=True):
        tail = _percentile(run, name, 99)
        if tail and run.record is not None:
            limit = loadgen_limits(run.record).get(name)
            said = run.run.trailer("Validity")
            median = _percentile(run, name, 50)
            rows.append((_token_rate(run), tail, median, limit, label, said, run.run.run))
    return rows


def _latency(key: tuple[str, str], name: str, rows: _Rows, names: ChartNames) -> Chart:
    limits = sorted({float(str(row[3])) for row in rows if row[3]})
    said = f" The limit is {' or '.join(map(format_number, limits))} ms." if limits else ""
    return Chart(
        names.give("tokens", *key, name),
        "token-latency",
        f"{' '.join(key)}: {_TITLES[name]} against tokens/s",
        _about(rows) + said,
        "tokens/s",
        f"{name.upper()}, 99th percentile (ms)",
        _LATENCY,
        tuple(rows),
    )


def _about(rows: _Rows) -> str:
    best = max(rows, key=lambda row: float(str(row[0])))
    most = format_number(float(str(best[0])))
    return f"{counted(len(rows), 'run')}; most tokens/s: {most} in the run {best[-1]}."


def _percentile(run: ReportedRun, name: str, percent: float) -> float | None:
    return latency_ms(run.record, name, percent) if run.record else None


def _token_rate(run: ReportedRun) -> float | None:
    return next((rate for name in _TOKEN_RATES if (rate := run.metric(name))), None)
