"""One report in five formats, each well-formed whatever names and texts contain."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.checker.report import Report, Result
from mlrepo.checker.rules import RULES
from mlrepo.cli.screen import unstyled
from mlrepo.cli.submission.rendering import FORMATS, renderer
from mlrepo.findings import Finding, Severity
from mlrepo.rounds import SHIPPED

_SARIF = json.loads(
    (Path(__file__).parents[1] / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")
)
_RULE = next(iter(RULES))
_PLACE = "closed/Acme/results/alpha/resnet50"
_NASTY = 'a "b", c\n::error::\r%0A \x1b[31m\udcff é'


def _finding(path: str, **values: object) -> Finding:
    return Finding(_RULE, Severity.ERROR, path, "The run is INVALID", **values)  # type: ignore[arg-type]


def _result(scenario: str = "Offline", **values: object) -> Result:
    given_ = {"official": True, "strict": True, "value": 2600.25, "unit": "Samples/s", **values}
    path = f"{_PLACE}/{scenario}"
    return Result(path, "closed", "Acme", "alpha", "resnet50", scenario, **given_)  # type: ignore[arg-type]


_COLUMNS = tuple(SHIPPED["v1.1"].tables["summary_columns"])


def _row(notes: str) -> dict[str, object]:
    return {**dict.fromkeys(_COLUMNS, "x"), "Result": 2600.25, "notes": notes}


_FAULTY = Report(
    "v1.1",
    (
        _result(
            "Offline",
            strict=False,
            findings=(
                _finding(
                    f"{_PLACE}/Offline/log.txt",
                    line=7,
                    expected="VALID",
                    actual=_NASTY,
                    hint="Run again",
                    breaks_official=False,
                ),
            ),
        ),
        _result("SingleStream", rows=(_row(_NASTY),), accuracy="76.456"),
    ),
    (
        Finding(_RULE, Severity.WARNING, f"closed/{_NASTY}", _NASTY, breaks_strict=False),
        _finding("", breaks_strict=True),
    ),
    _COLUMNS,
)


def _text(report: Report, profile: str = "strict") -> str:
    return unstyled(renderer("text")(report, profile))


def test_the_text_has_results_then_errors_then_warnings_then_the_verdict() -> None:
    """The order of the page is that of a tired reader's questions."""
    text = _text(_FAULTY)
    table, verdict = text.index("SUT"), text.index("INVALID: 1 of 2")
    error, warning = text.index("error "), text.index("warning ")
    assert table < error < warning < verdict
    assert f"at {_PLACE}/Offline/log.txt:7" in text
    assert "expected: VALID; actual:" in text
    assert "hint: Run again" in text
    assert text.splitlines()[-1].startswith("INVALID")


def test_the_table_shows_result_unit_accuracy_and_verdict() -> None:
    """A row tells what was reached and whether it counts."""
    lines = _text(_FAULTY).splitlines()
    assert lines[0].split() == [
        "SUT",
        "BENCHMARK",
        "SCENARIO",
        "RESULT",
        "UNIT",
        "ACCURACY",
        "VERDICT",
    ]
    assert lines[1].split() == [
        "alpha",
        "resnet50",
        "Offline",
        "2600.25",
        "Samples/s",
        "-",
        "INVALID",
    ]
    assert lines[2].split()[-2:] == ["76.456", "valid"]


def test_latencies_of_tokens_are_a_column_where_a_result_has_them() -> None:
    """And a value in JSON; a table of images stays as narrow as it was."""
    timed = _result(token_latencies="TTFT p99 412 ms, TPOT p99 31.2 ms")
    report = Report("v6.1", (timed, _result("Server")))
    header, first, second = _text(report).splitlines()[:3]
    assert "LATENCY OF TOKENS" in header and "TTFT p99 412 ms, TPOT p99 31.2 ms" in first
    assert second.split()[-2:] == ["-", "valid"]
    written = json.loads(renderer("json")(report, "strict"))
    assert [one["token_latencies"] for one in written["results"]] == [timed.token_latencies, ""]


def test_submitters_are_told_apart_where_there_are_several() -> None:
    """A published repository has a hundred submitters."""
    other = Result("p", "open", "Other", "s", "m", "Offline", official=True, strict=True)
    text = _text(Report("v1.1", (_result(), other)))
    assert "closed/Acme" in text
    assert "open/Other" in text


@pytest.mark.parametrize("profile", ["strict", "official"])
def test_the_last_line_agrees_with_the_verdict(profile: str) -> None:
    """What is only a warning for the official checker leaves its verdict alone."""
    report = Report("v1.1", (_FAULTY.results[0],))
    valid = report.valid(profile)
    assert valid == (profile == "official")
    for format_ in ("text", "github"):
        last = unstyled(renderer(format_)(report, profile)).splitlines()[-1]
        assert last.startswith("VALID" if valid else "INVALID")


def test_no_name_and_no_note_adds_a_line_or_an_escape_sequence() -> None:
    """A file name with a newline cannot forge a verdict, nor colour the terminal."""
    text = _text(_FAULTY)
    assert "\x1b" not in text
    assert "\r" not in text
    assert not re.search("^::error", text, re.MULTILINE)


def test_the_json_is_of_its_schema_and_counts_what_it_lists() -> None:
    """Programs find the two verdicts of each result, and the findings of the tree apart."""
    document = json.loads(renderer("json")(_FAULTY, "strict"))
    assert document["schema"] == "mlrepo.check/1"
    assert (document["round"], document["profile"], document["valid"]) == ("v1.1", "strict", False)
    assert document["counts"] == {"results": 2, "valid": 1, "errors": 2, "warnings": 1}
    first = document["results"][0]
    assert (first["official"], first["strict"]) == ("valid", "invalid")
    assert first["findings"][0]["line"] == 7
    assert first["findings"][0]["breaks"] == ["strict"]
    assert len(document["findings"]) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_result_that_json_cannot_hold_is_null(value: float) -> None:
    """NaN is not JSON; every reader must be able to read the report of a broken log."""
    text = renderer("json")(Report("v1.1", (_result(value=value, strict=False),)), "strict")
    document = json.loads(text, parse_constant=pytest.fail)
    assert document["results"][0]["result"] is None


def test_the_sarif_is_valid_by_its_schema() -> None:
    """As published by OASIS (tests/data)."""
    log = json.loads(renderer("sarif")(_FAULTY, "strict"))
    jsonschema.Draft4Validator(_SARIF).validate(log)
    results = log["runs"][0]["results"]
    assert [result["level"] for result in results].count("error") == 2
    place = results[1]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 7}
    assert place["artifactLocation"]["uri"] == f"{_PLACE}/Offline/log.txt"
    assert "%FF" in json.dumps(log)  # the byte that is not UTF-8


def test_an_annotation_is_one_line_whose_message_github_restores() -> None:
    """The escapes are those of the runner: % first, then the line ends; properties also : and ,."""
    report = Report("v1.1", findings=(Finding(_RULE, Severity.ERROR, "a:b,c%", "1\n2\r,:%"),))
    lines = renderer("github")(report, "strict").splitlines()
    assert len(lines) == 2
    assert lines[0] == f"::error file=a%3Ab%2Cc%25,line=1,title={_RULE}::1%0A2%0D,:%25"


def test_the_csv_survives_notes_with_quotes_commas_and_newlines() -> None:
    """A reader gets the note back that stands in the system description."""
    rows = list(csv.DictReader(io.StringIO(renderer("csv")(_FAULTY, "strict"), newline="")))
    assert len(rows) == 1
    assert rows[0]["notes"] == _NASTY.replace("\udcff", "\\udcff")
    assert rows[0]["Result"] == "2600.25"
    assert tuple(rows[0]) == _COLUMNS


def test_the_strict_csv_holds_no_result_that_the_rules_forbid() -> None:
    """The official profile writes the official rows; the strict one only what stands."""
    report = Report("v1.1", (_result(strict=False, rows=(_row("n"),)),), columns=_COLUMNS)
    assert len(renderer("csv")(report, "official").splitlines()) == 2
    assert len(renderer("csv")(report, "strict").splitlines()) == 1


def test_a_finding_shared_by_results_is_told_once() -> None:
    """A system description belongs to every result of the system."""
    shared = _finding("closed/Acme/systems/alpha.json")
    report = Report(
        "v1.1", tuple(_result(s, strict=False, findings=(shared,)) for s in ("Offline", "Server"))
    )
    assert _text(report).count("The run is INVALID") == 1


_ANY = st.text(st.characters(codec=None), max_size=30)


@given(
    path=_ANY, message=_ANY, line=st.integers(0, 3), expected=_ANY, format_=st.sampled_from(FORMATS)
)
def test_no_text_breaks_a_rendering(
    path: str, message: str, line: int, expected: str, format_: str
) -> None:
    """Whatever stands in a tree, the output is UTF-8 and of its format."""
    finding = Finding(_RULE, Severity.ERROR, path, message, line, expected, message, expected)
    rendered = renderer(format_)(Report("v6.1", findings=(finding,)), "strict")
    rendered.encode("utf-8")
    if format_ in ("json", "sarif"):
        json.loads(rendered)
    if format_ == "github":
        assert len(rendered.splitlines()) == 2
    if format_ == "text":
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", unstyled(rendered))
