"""Read the summary of a published round: a row for each result, and no logs.

There are two forms. ``summary.json`` is what the official checker writes: an object of rows by
number. ``summary_results.json`` is the table that MLCommons publishes from it: a list of rows with
other names of columns. Rows say the same in both. A summary is written by others: a row that
contradicts itself, or says less than a result needs, is left out with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlrepo.errors import UserError
from mlrepo.exchange.imported_run import SkippedLogs
from mlrepo.exchange.summary_columns import (
    BadRowError,
    Row,
    as_number,
    as_text,
    column,
    described,
    measured,
    positive,
    refuse_long_texts,
    text,
)
from mlrepo.nearest import suggested
from mlrepo.record import Metric
from mlrepo.rounds import Place, Round
from mlrepo.scenarios import SCENARIOS, spelled

SUMMARIES = ("summary_results.json", "summary.json")
"""What a published repository calls its summary."""
LARGEST = 64 << 20
_UNITS = ("samples/s", "queries/s", "tokens/s", "tasks/s", "ms", "s", "streams")
_RATES = ("samples/s", "queries/s")
_POWER_UNITS = ("watts", "joules", "millijoules")
_RUN = "/performance/run_1"
_SCORE = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,63}): (\S{1,40})(?:\s{1,8}|\Z)")
# The scripts of benchmarks with these metrics print a percent sign after the number.
_PERCENTAGES = ("acc", "ACCURACY")


@dataclass(frozen=True)
class SummaryRow:
    """One published result, as far as a summary knows it.

    Attributes
    ----------
    place, path:
        The result, and its directory in the published repository.
    official:
        The official name of its benchmark.
    result:
        In the unit that the round's results have.
    power:
        What was measured of power; None if nothing was.
    scores:
        The metrics of its accuracy, by the round's names.
    system:
        Fields of the system's description, as text.
    weights:
        The types of the model's weights.
    remarks:
        What the summary holds against the result.
    rows:
        The rows as they are in the file: one, or a second with the power.
    """

    place: Place
    path: str
    category: str
    official: str
    result: Metric
    power: Metric | None
    scores: Mapping[str, Metric]
    system: Mapping[str, str]
    weights: str
    remarks: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Summary:
    """What is read of a summary.

    Attributes
    ----------
    rows:
        One for each result, in the order of the file.
    left_out:
        Rows, and accuracies, that are not read, with the reason.
    """

    rows: tuple[SummaryRow, ...]
    left_out: tuple[SkippedLogs, ...] = ()


@dataclass
class _SummaryReader:
    """Reads the rows of one file."""

    round: Round
    name: str
    left_out: list[SkippedLogs] = field(default_factory=list)

    def skip(self, number: str, why: str) -> None:
        self.left_out.append(SkippedLogs(f"{self.name}, row {number}", why))


def read_summary(data: bytes, name: str, round_: Round, submitter: str = "") -> Summary:
    """Return the results of a summary, of one submitter or all.

    Parameters
    ----------
    name:
        The file, for messages.

    Raises
    ------
    UserError
        It is no summary, it is of another round, or no row can be read.
    """
    reader = _SummaryReader(round_, name)
    numbered = _rows_in(data, name)
    _refuse_other_round(numbered, round_, name)
    if submitter:
        numbered = _of_submitter(numbered, submitter, name)
    found: list[tuple[str, SummaryRow]] = []
    power: dict[str, tuple[str, Metric, Row]] = {}
    for number, raw in numbered:
        try:
            row = _read(reader, number, raw)
        except BadRowError as error:
            reader.skip(number, str(error))
            continue
        if row.result.unit not in _POWER_UNITS:
            found.append((number, row))
        elif row.path in power:
            reader.skip(number, f"it has the power of {row.path} a second time")
        else:
            power[row.path] = (number, row.result, raw)
    rows = tuple(_with_power(reader, _once(reader, found), power))
    if not rows:
        first = f" The first reason: {reader.left_out[0].why}." if reader.left_out else ""
        raise UserError(
            f"No row of {name} can be read as a result of {round_.name}.{first}",
            hint="A summary is the summary.json or summary_results.json of a published repository.",
        )
    return Summary(rows, tuple(reader.left_out))


def _rows_in(data: bytes, name: str) -> list[tuple[str, Row]]:
    """Return the rows by what the file calls them; a row that is no object is empty."""
    hint = "A summary is the summary.json or summary_results.json of a published repository."
    if len(data) > LARGEST:
        raise UserError(
            f"{name} has {len(data)} bytes; a summary has less than {LARGEST}.", hint=hint
        )
    try:
        # NaN and Infinity, which are no JSON, are texts then, and no results.
        values = json.loads(data, parse_constant=str)
    except RecursionError:
        raise UserError(f"{name} is nested too deeply to be a summary.", hint=hint) from None
    except ValueError as error:
        raise UserError(
            f"{name} is not JSON: {error}. Perhaps it is cut short.", hint=hint
        ) from error
    numbered: list[tuple[str, object]] = []
    if isinstance(values, dict):
        numbered = [(_shown(number), row) for number, row in values.items()]
    elif isinstance(values, list):
        numbered = [(str(number), row) for number, row in enumerate(values)]
    objects: list[tuple[str, Row]] = [
        (number, row if isinstance(row, dict) else {}) for number, row in numbered
    ]
    if not any(column(row, "submitter") is not None for _, row in objects):
        raise UserError(f"{name} is not a summary of results: no row names a submitter.", hint=hint)
    return objects


def _shown(number: str) -> str:
    return number if number.isdecimal() and len(number) < 10 else repr(number[:20])


def _refuse_other_round(numbered: Sequence[tuple[str, Row]], round_: Round, name: str) -> None:
    said = [version for _, row in numbered if isinstance(version := row.get("version"), str)]
    others = [version for version in said if version != round_.name]
    if others:
        known = re.fullmatch(r"v[0-9]{1,3}\.[0-9]{1,3}", others[0])
        raise UserError(
            f"{name} is not of {round_.name}: {len(others)} of its {len(numbered)} rows say "
            f"{others[0][:40]!r}.",
            hint=f"Use --round {others[0]}." if known else "Nothing was recorded.",
        )


def _of_submitter(
    numbered: Sequence[tuple[str, Row]], submitter: str, name: str
) -> list[tuple[str, Row]]:
    mine = [(number, row) for number, row in numbered if column(row, "submitter") == submitter]
    if not mine:
        names = {who for _, row in numbered if isinstance(who := column(row, "submitter"), str)}
        raise UserError(
            f"There is no result of {submitter} in {name}. {suggested(submitter, names)}".rstrip(),
            hint="--submitter is spelled as the summary spells it; without it, all are imported.",
        )
    return mine


def _read(reader: _SummaryReader, number: str, raw: Row) -> SummaryRow:
    """Return a row; that of a power has the power as its result."""
    refuse_long_texts(raw)
    division, submitter, system, benchmark, scenario, version = (
        text(raw, name)
        for name in ("division", "submitter", "system", "benchmark", "scenario", "version")
    )
    if version != reader.round.name:
        raise BadRowError(f"it is of {version}")
    category = text(raw, "category")
    # v6.1 also has words that are no benchmark, such as VLM.
    official = reader.round.official_benchmark(benchmark) or text(raw, "official")
    if division not in reader.round.tables["divisions"]:
        raise BadRowError(f"there is no division {division!r}")
    if category not in (reader.round.tables["system_types"] or (category,)):  # v0.5 has none
        raise BadRowError(f"there is no category {category!r}")
    if spelled(scenario) not in SCENARIOS:
        raise BadRowError(f"there is no scenario {scenario!r}")
    place = Place(division, submitter, system, benchmark, spelled(scenario))
    path = _path(raw, place, scenario)
    unit = _unit(reader.round, official, place, text(raw, "unit").lower())
    return SummaryRow(
        place,
        path,
        category,
        official,
        Metric(measured(raw, "result"), unit),
        _power(raw),
        _scores(reader, number, raw, place, official),
        described(raw),
        as_text(raw.get("weight_data_types")),
        tuple(_remarks(raw)),
        (raw,),
    )


def _path(raw: Row, place: Place, scenario: str) -> str:
    """Return the directory of the result; its Location, if it has one, must be of the place."""
    said = raw.get("Location")
    parts = [place.division, place.submitter, "results", place.system, place.benchmark, scenario]
    if said is None:
        return "/".join(parts)
    if not isinstance(said, str):
        raise BadRowError("its Location is not a text")
    location = said.removeprefix("./").removesuffix(_RUN).split("/")
    same = location[:-1] == parts[:-1] and spelled(location[-1]) == place.scenario
    if not same:
        raise BadRowError(f"its Location, {said[:200]!r}, is not {'/'.join(parts)}")
    return "/".join(location)


def _unit(round_: Round, official: str, place: Place, unit: str) -> str:
    """Return the unit of the result, as records have it.

    The checkers call some rates of tokens samples or queries: see :meth:`Round.unit`.
    """
    short = unit.removeprefix("latency (").removesuffix(")")
    if short not in (*_UNITS, *_POWER_UNITS):
        raise BadRowError(f"its unit {unit[:40]!r} is unknown")
    counted = round_.unit(official, place.scenario)
    return counted if short in _RATES and counted == "tokens/s" else short


def _power(raw: Row) -> Metric | None:
    value, unit = positive(raw.get("Power_Result")), raw.get("Power_Units")
    known = isinstance(unit, str) and unit.lower() in _POWER_UNITS
    return Metric(value, str(unit).lower()) if value is not None and known else None


def _scores(
    reader: _SummaryReader, number: str, raw: Row, place: Place, official: str
) -> dict[str, Metric]:
    """Return the metrics of the accuracy; what cannot be read is noted as left out."""
    said = raw.get("Accuracy")
    if said is None or said == "":
        return {}
    words = as_text(said)
    bare = as_number(words)
    if bare is not None:  # an endpoint's score has no name
        targets = reader.round.accuracy_targets(official, place.scenario)
        metric = str(targets[0]["metric"]) if len(targets) == 1 else "score"
        return {metric: Metric(bare, metric)}
    found: dict[str, Metric] = {}
    at = 0
    while score := _SCORE.match(words, at):
        name, value = score[1], as_number(score[2])
        if value is None or name in found:
            break
        found[name] = Metric(value, "%" if name in _PERCENTAGES else name)
        at = score.end()
    if at < len(words) or not found:
        reader.skip(number, f"its Accuracy, {words[:80]!r}, cannot be read; its result is imported")
        return {}
    patterns = reader.round.accuracy_patterns(place.benchmark, place.scenario)
    order = [name for name in patterns if name in found]
    return {name: found[name] for name in dict.fromkeys([*order, *found])}


def _remarks(raw: Row) -> Iterator[str]:
    errors = raw.get("errors")
    if isinstance(errors, int) and not isinstance(errors, bool) and errors > 0:
        yield f"The summary counts {errors} errors."
    # Since v6.0 the column has the division instead.
    if raw.get("compliance") == 0 and not isinstance(raw.get("compliance"), bool):
        yield "The summary says that its compliance tests are not passed."


def _once(
    reader: _SummaryReader, found: Sequence[tuple[str, SummaryRow]]
) -> list[tuple[str, SummaryRow]]:
    """Return one row for each result: of two that disagree, neither."""
    by_place: dict[Place, list[tuple[str, SummaryRow]]] = {}
    for number, row in found:
        by_place.setdefault(row.place, []).append((number, row))
    kept = []
    for (number, row), *others in by_place.values():
        agree = all((o.result, o.scores) == (row.result, row.scores) for _, o in others)
        for other, _ in others:
            same = "repeats" if agree else "has other figures than"
            reader.skip(other, f"it {same} row {number}, which is of the same result")
        if agree:
            kept.append((number, row))
        else:
            reader.skip(number, "other rows of the same result have other figures")
    return kept


def _with_power(
    reader: _SummaryReader,
    rows: Sequence[tuple[str, SummaryRow]],
    power: Mapping[str, tuple[str, Metric, Row]],
) -> Iterator[SummaryRow]:
    """Yield the rows with the power that the checker's form has in rows of their own."""
    used = set()
    for _, row in rows:
        _, metric, raw = power.get(row.path, ("", None, {}))
        if metric is None:
            yield row
            continue
        used.add(row.path)
        yield replace(row, power=metric, rows=(*row.rows, raw))
    for path, (number, _, _) in power.items():
        if path not in used:
            reader.skip(number, f"it has the power of {path} and no row has its performance")
