"""The profile ``official`` follows the official checkers where they decide unexpectedly.

Each behaviour was observed with the official checker of its round; the submissions are our own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.docket import Docket
from mlrepo.checker.documents.measurements import judge_measurements
from mlrepo.checker.official.rows import Figures, rows
from mlrepo.checker.report import Report, Result
from mlrepo.checker.runs.equal_issue import KEY, damaged_configuration, judge_equal_issue
from mlrepo.checker.scope import Scope
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Place
from tests.submissions import SUBMITTER, SYSTEM, Submission, write_submission

_DETAIL = "performance/run_1/mlperf_log_detail.txt"


def _judged(submission: Submission) -> Report:
    return check(DirectoryTree(submission.root), submission.round)


def _of(report: Report, scenario: str) -> Result:
    return next(result for result in report.results if result.scenario == scenario)


def _set(path: Path, key: str, value: str) -> None:
    """Give a key of a detail log a value, as JSON text."""
    lines = path.read_text().splitlines(keepends=True)
    (at,) = (number for number, line in enumerate(lines) if f'"key": "{key}"' in line)
    head, _, rest = lines[at].partition('"value": ')
    lines[at] = f'{head}"value": {value}, "time_ms"' + rest.partition('"time_ms"')[2]
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    "key",
    [
        "effective_performance_sample_count",
        "effective_min_query_count",
        "effective_samples_per_query",
        "effective_min_duration_ms",
    ],
)
@pytest.mark.parametrize("value", ['"99999999"', "null", "[1]"])
def test_what_is_compared_must_be_a_number(key: str, value: str, tmp_path: Path) -> None:
    """A number in quotes ends the official comparison in an error: there is no result."""
    submission = write_submission(tmp_path, "v5.0")
    _set(submission.result("Offline") / _DETAIL, key, value)
    result = _of(_judged(submission), "Offline")
    assert (result.official, result.strict, result.value) == (False, False, None)


@pytest.mark.parametrize("key", ["effective_performance_sample_count", "effective_min_duration_ms"])
def test_nan_passes_where_less_than_is_asked(key: str, tmp_path: Path) -> None:
    """NaN is not less than anything: only strict refuses it."""
    submission = write_submission(tmp_path, "v5.0")
    _set(submission.result("Offline") / _DETAIL, key, "NaN")
    result = _of(_judged(submission), "Offline")
    assert (result.official, result.strict, result.value) == (True, False, 2600.25)


def test_a_result_in_quotes_is_a_number(tmp_path: Path) -> None:
    """The result itself is converted."""
    submission = write_submission(tmp_path, "v5.0")
    _set(submission.result("Offline") / _DETAIL, "result_samples_per_second", '"157"')
    result = _of(_judged(submission), "Offline")
    assert (result.official, result.value) == (True, 157.0)
    assert [row["Result"] for row in result.rows] == [157.0]


@pytest.mark.parametrize("round_name", ["v2.1", "v5.1", "v6.0"])
def test_an_inferred_rate_is_printed_as_the_log_has_it(round_name: str, tmp_path: Path) -> None:
    """Offline from SingleStream: LoadGen's 157 is not 157.0 in the summary."""
    submission = write_submission(tmp_path, round_name)
    source, target = (submission.result(name) / _DETAIL for name in ("SingleStream", "Offline"))
    target.write_text(source.read_text())
    _set(target, "result_qps_without_loadgen_overhead", "157")
    result = _of(_judged(submission), "Offline")
    assert (result.official, [str(row["Result"]) for row in result.rows]) == (True, ["157"])


@pytest.mark.parametrize(
    ("round_name", "printed"),
    [("v3.0", "76.456"), ("v3.1", "76.456"), ("v4.1", "76.456"), ("v5.0", "acc: 76.456")],
)
def test_the_accuracy_column_has_names_since_v5_0(
    round_name: str, printed: str, tmp_path: Path
) -> None:
    """Up to v4.1 it is the number of the first metric alone; people read its unit."""
    report = _judged(write_submission(tmp_path, round_name))
    assert {result.measured for result in report.results} == {"76.456 %"}
    assert {row["Accuracy"] for result in report.results for row in result.rows} == {printed}


@pytest.mark.parametrize(
    ("path", "rounds"),
    [("submission.zip", ("v3.1", "v5.1")), ("closed/notes.txt", ("v3.1", "v5.1"))],
)
def test_stray_files_decide_from_v3_1_to_v5_1(
    path: str, rounds: tuple[str, ...], tmp_path: Path
) -> None:
    """The official checker stops at a file in the root, and skips a division with one in it."""
    for round_name in ("v3.0", *rounds, "v6.0"):
        submission = write_submission(tmp_path / round_name, round_name)
        (submission.root / path).write_text("notes")
        report = _judged(submission)
        verdicts = {result.official for result in report.results}
        assert verdicts == {round_name not in rounds}
        assert all(bool(result.rows) is result.official for result in report.results)


def test_an_open_division_is_not_rejected_with_closed(tmp_path: Path) -> None:
    """Files beside the submitters of one division leave the other alone."""
    submission = write_submission(tmp_path, "v5.1")
    (submission.root / "open" / "Other").mkdir(parents=True)
    (submission.root / "open" / "notes.txt").write_text("notes")
    assert all(result.official for result in _judged(submission).results)


@pytest.mark.parametrize("what", ["results", f"results/{SYSTEM}", "scenario"])
def test_links_are_followed_and_refused_by_strict(what: str, tmp_path: Path) -> None:
    """The official verdict is that of what a link leads to; strict wants it at its place."""
    submission = write_submission(tmp_path / "tree", "v5.0")
    home = submission.root / "closed" / SUBMITTER
    place = submission.result("Offline") if what == "scenario" else home / what
    elsewhere = home / "code" / "moved"
    place.rename(elsewhere)
    place.symlink_to(os.path.relpath(elsewhere, place.parent))
    result = _of(_judged(submission), "Offline")
    assert (result.official, result.strict, result.value) == (True, False, 2600.25)
    assert "tree-symlink" in {finding.rule for finding in result.findings}


@pytest.mark.parametrize("target", ["/etc", "../../../../..", "Offline", "nowhere"])
def test_links_out_of_the_tree_in_circles_and_into_nothing_lead_nowhere(
    target: str, tmp_path: Path
) -> None:
    """No file outside is read, and no circle is walked."""
    submission = write_submission(tmp_path / "a" / "b" / "c" / "tree", "v5.0")
    place = submission.result("Offline")
    place.rename(tmp_path / "moved")
    place.symlink_to(target)
    report = _judged(submission)
    assert "Offline" not in {result.scenario for result in report.results if result.official}
    assert not report.valid("strict")


@pytest.mark.parametrize(("broken", "official"), [("TEST04", True), ("TEST01", False)])
def test_a_test_that_cannot_be_computed_keeps_the_verdict_before(
    broken: str, official: bool, tmp_path: Path
) -> None:
    """Up to v5.1; before the first test there is none, and the official checker dies."""
    submission = write_submission(tmp_path, "v5.0")
    log = submission.compliance("Offline", broken) / _DETAIL
    log.write_text(":::MLLOG {broken\n")
    report = _judged(submission)
    result = _of(report, "Offline")
    dies = "official-crash" in {finding.rule for finding in report.all_findings()}
    assert (result.official, result.strict, dies) == (official, False, not official)


def test_an_empty_accuracy_log_covers_no_data_set(tmp_path: Path) -> None:
    """The modular checker (v6.0) finds no count in it."""
    submission = write_submission(tmp_path, "v6.0")
    (submission.result("Offline") / "accuracy/mlperf_log_detail.txt").write_text("")
    result = _of(_judged(submission), "Offline")
    assert (result.official, result.strict) == (False, False)


def test_v0_5_knows_no_categories(tmp_path: Path) -> None:
    """Its checker asks neither for a system type nor for scenarios, queries or a duration."""
    submission = write_submission(tmp_path, "v0.7")
    for file in submission.root.glob("closed/*/systems/*.json"):
        file.write_text(file.read_text().replace('"system_type"', '"kind"'))
    seeds = SHIPPED["v0.5"].seeds()
    for log in submission.root.rglob("mlperf_log_summary.txt"):
        text = log.read_text()
        for name, seed in submission.round.seeds().items():
            text = text.replace(f"{name} : {seed}", f"{name} : {seeds[name]}")
        log.write_text(text)
    report = check(DirectoryTree(submission.root), SHIPPED["v0.5"])
    assert report.results and all(result.official for result in report.results)
    assert {row["SystemType"] for result in report.results for row in result.rows} == {None}


def _lose_measurements(submission: Submission) -> None:
    place = submission.place("Offline")
    directory = submission.root / str(submission.round.layout.measurements_directory(place))
    (directory / "user.conf").unlink()


def _lose_accuracy(submission: Submission) -> None:
    (submission.result("Offline") / "accuracy" / "accuracy.txt").unlink()


def _lose_summary(submission: Submission) -> None:
    (submission.result("Offline") / "performance/run_1/mlperf_log_summary.txt").unlink()


def _lose_validity(submission: Submission) -> None:
    _set(submission.result("Offline") / _DETAIL, "result_validity", '"INVALID"')


def _misname(submission: Submission) -> None:
    directory = submission.result("Offline")
    directory.rename(directory.with_name("Elsewhere"))


@pytest.mark.parametrize(
    ("lose", "counts"),
    [
        (_lose_measurements, {"v3.0": 1, "v3.1": 1, "v5.0": 1}),
        (_lose_accuracy, {"v3.0": 0, "v4.0": 0, "v4.1": 1, "v5.0": 1}),
        (_lose_summary, {"v3.0": 0, "v3.1": 0, "v5.0": 0}),
        (_lose_validity, {"v3.0": 1, "v3.1": 1, "v5.0": 1}),
        (_misname, {"v3.0": 0, "v3.1": 1, "v5.0": 1}),
    ],
)
def test_errors_are_counted_as_each_official_checker_does(
    lose: Callable[[Submission], None], counts: dict[str, int], tmp_path: Path
) -> None:
    """The rows of the scenarios after it in the alphabet have their number in a column."""
    for round_name, count in counts.items():
        submission = write_submission(tmp_path / round_name, round_name)
        lose(submission)
        result = _of(_judged(submission), "SingleStream")
        assert [row["errors"] for row in result.rows] == [count], round_name


def test_a_system_of_both_categories_is_so_in_either_order(tmp_path: Path) -> None:
    """``edge,datacenter`` is ``datacenter,edge``."""
    submission = write_submission(tmp_path, "v5.0")
    for file in submission.root.glob("closed/*/systems/*.json"):
        file.write_text(file.read_text().replace('"edge"', '"edge,datacenter"'))
    report = _judged(submission)
    assert {finding.rule for finding in report.all_findings()}.isdisjoint(
        {"scenario-unknown", "benchmark-unknown"}
    )


@pytest.fixture
def scope(tmp_path: Path) -> Callable[..., Scope]:
    """Make a scope of a closed 3d-unet-99 result of the round, with a directory of its own."""

    def make(round_name: str, **fields: Any) -> Scope:
        place = Place("closed", "Acme", "alpha", "3d-unet-99", "Offline")
        found = Scope(
            DirectoryTree(tmp_path),
            SHIPPED[round_name],
            place,
            model="3d-unet-99",
            scenario="Offline",
            **fields,
        )
        (tmp_path / found.below("measurements")).mkdir(parents=True, exist_ok=True)
        return found

    return make


_ON = "3d-unet.*.sample_concatenate_permutation = 1\n"


@pytest.mark.parametrize(
    ("logged", "conf", "official", "strict"),
    [
        (None, "", False, False),
        (None, _ON, True, True),
        (None, "*.Offline.sample_concatenate_permutation=1", True, True),
        (None, _ON.replace("= 1", "= 0"), False, False),
        (None, _ON.replace("*", "Server"), False, False),
        (True, "", False, True),
        (False, _ON, True, False),
        ("true", "", True, True),
    ],
)
def test_equal_issue_of_v4_1_stands_in_the_configuration(
    scope: Callable[..., Scope],
    tmp_path: Path,
    logged: object,
    conf: str,
    official: bool,
    strict: bool,
) -> None:
    """Its LoadGen logs no such key, and its checker takes no log that has one for it."""
    for name in ("mlperf.conf", "user.conf"):
        here = scope("v4.1")
        directory = tmp_path / here.below("measurements")
        for file in directory.iterdir():
            file.unlink()
        (directory / name).write_text(f"# settings\n{conf}")
        values = {} if logged is None else {KEY: logged}
        Docket(here).record(judge_equal_issue(here, "log", values, test=""))
        assert any(f.breaks_official for f in here.findings) is not official
        assert any(f.breaks_strict for f in here.findings) is not strict


@pytest.mark.parametrize(
    ("logged", "official"), [(True, True), (1, True), (False, False), (None, False)]
)
def test_equal_issue_since_v5_0_stands_in_the_log(
    scope: Callable[..., Scope], logged: object, official: bool
) -> None:
    """Whatever the configuration says."""
    here = scope("v5.0")
    Docket(here).record(judge_equal_issue(here, "log", {KEY: logged}, test=""))
    assert any(f.breaks_official for f in here.findings) is not official


@pytest.mark.parametrize("line", ["no equals sign", "a.b = 1", "a.b.c = 1 = 2"])
def test_v4_1_dies_of_a_line_that_is_no_setting(
    scope: Callable[..., Scope], tmp_path: Path, line: str
) -> None:
    """The file is named; other rounds read none."""
    file = tmp_path / scope("v4.1").below("measurements") / "user.conf"
    file.write_text(f"{line}\n")
    assert damaged_configuration(scope("v4.1")).endswith("3d-unet-99/Offline/user.conf")
    assert damaged_configuration(scope("v5.0")) == ""


@pytest.mark.parametrize("above", [0, 1, 2, 3])
def test_a_power_result_describes_its_analyzer(
    scope: Callable[..., Scope], tmp_path: Path, above: int
) -> None:
    """v3.1 to v5.1 ask for two files, by the result or up to three levels above."""
    patterns = SHIPPED["v3.1"].tables["required_files"]["power_measurements_regex"]
    before, after = scope("v3.1"), scope("v3.1")
    judge_measurements(Docket(before), with_power=True)
    directory = tmp_path / before.below("measurements")
    place = directory if above == 0 else directory.parents[above - 1]
    for pattern in patterns:
        (place / pattern.replace(".*", ".md")).write_text("range: auto")
    judge_measurements(Docket(after), with_power=True)
    named = [
        [f for f in each.findings if "is missing" in f.message and ".*" in f.message]
        for each in (before, after)
    ]
    assert [len(each) for each in named] == [len(patterns), 0]
    assert all(finding.breaks_official for finding in named[0])
    (place / patterns[1].replace(".*", ".md")).write_text("")
    empty = scope("v3.1")
    judge_measurements(Docket(empty), with_power=True)
    assert [f.breaks_official for f in empty.findings if f.rule == "measurements-empty"] == [True]


def test_units_of_v5_0_go_by_the_name_of_the_directory() -> None:
    """A model that is mapped to llama has another name, so its unit is that of all others."""
    for round_name, unit in (("v5.0", "Samples/s"), ("v5.1", "Tokens/s")):
        place = Place("open", "Acme", "alpha", "my-llama", "Offline")
        round_ = SHIPPED[round_name]
        tree = DirectoryTree(Path(__file__).parent)
        here = Scope(tree, round_, place, model="llama2-70b-99", scenario="Offline")
        figures = Figures(1.0, "", 0, 1, 0, inferred=False, weight_data_types="fp8")
        assert [row["Units"] for row in rows(here, figures)] == [unit]


def test_the_availability_is_as_the_description_has_it_since_v6_0(tmp_path: Path) -> None:
    """Up to v5.1 the checker puts it in lower case."""
    for round_name, printed in (("v5.1", "available"), ("v6.0", "Available")):
        submission = write_submission(tmp_path / round_name, round_name)
        for file in submission.root.glob("closed/*/systems/*.json"):
            file.write_text(file.read_text().replace('"available"', '"Available"'))
        rows_ = [row for result in _judged(submission).results for row in result.rows]
        assert {row["Availability"] for row in rows_} == {printed}


def test_no_design_power_before_v6_1(tmp_path: Path) -> None:
    """v6.0 has no file for it: the column is empty, not None."""
    for round_name, printed in (("v6.0", ""), ("v6.1", "None")):
        report = _judged(write_submission(tmp_path / round_name, round_name))
        cells = {str(row["design_power_watts"]) for r in report.results for row in r.rows}
        assert cells == {printed}
