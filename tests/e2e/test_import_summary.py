"""The summary of a published round: results without logs, and what they can and cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.driver import all_bytes, everything, mlrepo
from tests.samples import git
from tests.submissions import write_submission
from tests.summaries import Row, checker_row, table_row, write_summary

_BERT = {"benchmark": "bert-99", "Accuracy": "F1: 90.123  EM: 80.5"}


def _imported(root: Path, *arguments: str, code: int = 0) -> list[dict[str, object]]:
    done = mlrepo(root, "import", *arguments, "--json", code=code).json
    return [run["record"] for run in done["runs"]]


def test_a_row_is_a_published_result_and_says_that_its_logs_are_not_here(
    root: Path, tmp_path: Path
) -> None:
    """A record of its performance and one of its accuracy; no start, no seeds, no command."""
    path = write_summary(tmp_path / "theirs", [checker_row(), checker_row(**_BERT, result=5)])
    done = mlrepo(root, "import", str(path), "--round", "v6.1")
    done.says("PUBLISHED", "4 results and accuracies of a summary, without logs", "exp/import-v6.1")
    assert "today:" not in done.out
    logged = mlrepo(root, "log", "--json").json["runs"]
    found = {(run["benchmark"], run["mode"]): run for run in logged}
    offline = found["resnet50", "performance"]
    assert offline["result"] == {"value": 1000.5, "unit": "samples/s"}
    assert (offline["validity"], offline["start"]) == ("PUBLISHED", None)
    assert offline["tags"] == ["imported", "from-summary"]
    assert offline["command"] == ""
    score = found["bert-99", "accuracy"]
    assert score["result"] == {"value": 90.123, "unit": "F1"}
    assert score["metrics"]["EM"] == {"value": 80.5, "unit": "EM"}
    shown = mlrepo(root, "show", offline["run"])
    shown.says("the row of a summary", "not here: start, settings, seeds", "Box One (2x Chip)")
    shown.says("summary.json, closed/Other/results/box_1/resnet50/Offline", "its logs are not here")
    row = mlrepo(root, "show", offline["run"], "--log", "row").out
    assert json.loads(row) == [checker_row()]
    record = mlrepo(root, "show", offline["run"], "--json").json["record"]
    assert (record["loadgen"]["seeds"], record["logs"]) == ({}, {})
    for option in ("--valid", "--invalid"):
        assert mlrepo(root, "log", option, "--json").json["runs"] == []
    before = everything(root)
    mlrepo(root, "import", str(path), "--round", "v6.1")
    assert everything(root) == before


def test_a_published_result_is_never_selected_and_no_run_of_the_round(
    root: Path, tmp_path: Path
) -> None:
    """Not even a submitter's own; `status` says that it is done by nobody here."""
    path = write_summary(tmp_path / "theirs", [checker_row("Acme", Platform="alpha")])
    mlrepo(root, "import", str(path), "--round", "v6.1")
    missing = mlrepo(root, "status", "--json").json
    mlrepo(root, "select", code=1).says("the run is PUBLISHED", "nothing can be selected")
    [run] = mlrepo(root, "log", "--mode", "performance", "--json").json["runs"]
    mlrepo(root, "run", "move", run["run"], "--system", "alpha", code=2)
    mlrepo(root, "run", "tag", run["run"], "-from-summary", code=2).says("from-summary")
    mlrepo(root, "bench", "replay", run["run"], code=2).says("a summary")
    states = {cell["state"] for row in missing["results"] for cell in row["cells"]}
    assert "done" not in states


@pytest.mark.parametrize("logs_first", [False, True])
def test_a_result_with_its_logs_counts_instead_of_its_row(
    root: Path, tmp_path: Path, logs_first: bool
) -> None:
    """Whichever is imported first; the row is still found by its id, and says why."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    place = submission.result("Offline").relative_to(submission.root)
    division, submitter, _, system, benchmark, _ = place.parts
    row = checker_row(submitter, benchmark, Division=division, Platform=system)
    path = write_summary(tmp_path / "rows", [row, checker_row()])
    sources = [str(path), str(submission.root)]
    for source in reversed(sources) if logs_first else sources:
        mlrepo(root, "import", source, "--round", "v6.1")
    logged = mlrepo(root, "log", "--json")
    same = [run for run in logged.json["runs"] if run["scenario"] == "Offline" and not run["test"]]
    assert sorted((run["submitter"], run["mode"], run["validity"]) for run in same) == [
        (submitter, "accuracy", "VALID"),
        (submitter, "performance", "VALID"),
        ("Other", "accuracy", "PUBLISHED"),
        ("Other", "performance", "PUBLISHED"),
    ]
    assert logged.err.count("2 of the rows of summaries read here are also known with logs") == 1
    hidden = mlrepo(root, "log", "--withdrawn", "--json").json["runs"]
    assert {run["tags"][1] for run in hidden} == {"from-summary"}
    mlrepo(root, "show", hidden[0]["run"]).says("gives way to", "same published result")
    mlrepo(root, "run", "restore", hidden[0]["run"]).says("is not withdrawn")
    report = mlrepo(root, "report", "--format", "json").json
    assert len(report["runs"]) == len(logged.json["runs"])
    assert "2 of the rows" in " ".join(report["known_twice"])


def test_a_corrected_summary_replaces_what_it_corrects(root: Path, tmp_path: Path) -> None:
    """The row that was imported last counts, in either form of the file."""
    for name, value in (("summary.json", 1.5), ("summary_results.json", 2.5)):
        row: Row = table_row(result=value, version="v6.1")
        path = write_summary(tmp_path / "theirs", [row], name)
        mlrepo(root, "import", str(path), "--round", "v6.1")
    logged = mlrepo(root, "log", "--mode", "performance", "--json").json["runs"]
    assert [run["result"]["value"] for run in logged] == [2.5]


def test_a_repository_without_logs_is_read_from_its_summary(root: Path, tmp_path: Path) -> None:
    """By itself where there is nothing else; --summary passes over the logs."""
    write_summary(tmp_path / "bare", [table_row()], "summary_results.json")
    assert len(_imported(root, str(tmp_path / "bare"), "--round", "v5.1")) == 2
    submission = write_submission(tmp_path / "theirs", "v6.1")
    without = mlrepo(root, "import", str(submission.root), "--round", "v6.1", "--summary", code=2)
    without.says("no summary.json and no summary_results.json")
    write_summary(submission.root, [checker_row(), checker_row("Acme")])
    git(submission.root, "init", "--quiet", "--initial-branch=main")
    git(submission.root, "add", ".")
    git(submission.root, "commit", "--quiet", "--message", "Publish")
    url = submission.root.as_uri()
    chosen = _imported(root, url, "--round", "v6.1", "--summary", "--submitter", "Acme")
    assert {record["submitter"] for record in chosen} == {"Acme"}
    assert {record["validity"] for record in chosen} == {"PUBLISHED"}
    logs = _imported(root, url, "--round", "v6.1", "--dry-run")
    assert {record["validity"] for record in logs} == {"VALID"}


def test_the_report_has_a_line_over_rounds_and_the_front_from_summaries(
    root: Path, tmp_path: Path
) -> None:
    """Of both forms, and a benchmark by one name although its directory had another."""
    older = [
        table_row("Acme", "llama3_1-8b", result=10.0, Model="llama3.1-8b"),
        table_row("Other", "llama3_1-8b", result=20.0, Model="llama3.1-8b"),
    ]
    newer = [
        checker_row("Acme", "llama3.1-8b", result=40.0, Units="Tokens/s"),
        checker_row("Other", "llama3.1-8b", result=30.0, Units="Tokens/s"),
    ]
    for row, score in zip((*older, *newer), (38.0, 39.0, 38.5, 38.9), strict=True):
        row["Accuracy"] = f"ROUGE1: {score}"
    for name, rows, version in (("a", older, "v5.1"), ("b", newer, "v6.1")):
        path = write_summary(tmp_path / name, rows, "summary_results.json")
        mlrepo(root, "import", str(path), "--round", version)
    charts = {c["name"]: c for c in mlrepo(root, "report", "--format", "json").json["charts"]}
    line = charts["rounds-llama3.1-8b-Offline-closed"]
    assert [row[:6] for row in line["rows"]] == [
        ["v5.1", 20.0, "Other", 0, 1, 2],
        ["v5.1", 10.0, "Acme", 1, 2, 2],
        ["v6.1", 40.0, "Acme", 1, 1, 2],
        ["v6.1", 30.0, "Other", 0, 2, 2],
    ]
    front = charts["pareto-llama3.1-8b-Offline-accuracy"]
    assert front["about"].endswith("; 2 of them of Acme, 1 on the front.")
    per = charts["pareto-llama3.1-8b-Offline-accuracy-per-accelerator"]
    assert sorted(row[1] for row in per["rows"]) == [30.0 / 8, 40.0 / 8]


def test_rows_are_compared_and_say_what_they_are(root: Path, tmp_path: Path) -> None:
    """With each other and with a run; the gate judges neither."""
    rows = [checker_row(), checker_row("Acme", result=2001.0)]
    path = write_summary(tmp_path / "theirs", rows)
    one, _, other, _ = _imported(root, str(path), "--round", "v6.1")
    compared = mlrepo(root, "compare", str(one["run"]), str(other["run"]))
    compared.says("2.000:", "A is from a summary", "B is from a summary")
    sides = (str(one["run"]), str(other["run"]))
    judged = mlrepo(root, "compare", *sides, "--gate", "3%", code=2)
    judged.says("is PUBLISHED")
    mlrepo(root, "compare", "exp/import-v6.1", str(one["run"])).says("0.500:")


def test_a_review_has_the_summary_s_result_as_the_earlier_one(root: Path, tmp_path: Path) -> None:
    """A reviewer needs no logs of the round before."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    _, submitter, _, _, benchmark, _ = (
        submission.result("Offline").relative_to(submission.root).parts
    )
    row = table_row(submitter, benchmark, result=1300.125)
    path = write_summary(tmp_path / "rows", [row], "summary_results.json")
    mlrepo(root, "import", str(path), "--round", "v5.1")
    reviewed = mlrepo(root, "review", str(submission.root), "--round", "v6.1")
    reviewed.says("1300.1", "v5.1")


_HOSTILE = "\x1b[31m</script><img src=x>\u202e\ud800, a\nMLRepo-Run: 1"


def test_hostile_and_bad_rows_harm_nothing(root: Path, tmp_path: Path) -> None:
    """Texts are only texts, names stay in their directory, and what is left out is told."""
    rows = [
        checker_row(SystemName=_HOSTILE, notes=_HOSTILE, framework=_HOSTILE, errors=2),
        checker_row("../../etc", benchmark="bert-99"),
        checker_row(Platform=".git", benchmark="bert-99"),
        checker_row(_HOSTILE, benchmark="bert-99"),
        checker_row(result=float("nan"), benchmark="3d-unet-99"),
    ]
    path = write_summary(tmp_path / "theirs", rows)
    done = mlrepo(root, "import", str(path), "--round", "v6.1", "--json").json
    assert {run["record"]["submitter"] for run in done["runs"]} == {"Other"}
    assert {one["path"][-1] for one in done["left_out"]} == {"1", "3", "4"}
    text = mlrepo(root, "import", str(path), "--round", "v6.1")
    text.says("Left out: ", "which is not a result")
    assert "\x1b[31m" not in text.out
    run = next(one for one in done["runs"] if one["record"]["mode"] == "performance")
    shown = mlrepo(root, "show", run["record"]["run"])
    shown.says("The summary counts 2 errors.")
    assert "\x1b[31m" not in shown.out
    message = git(root, "log", "-1", "--format=%B", run["commit"])
    assert message.count("\nMLRepo-Run: ") == 1
    mlrepo(root, "doctor")
    assert mlrepo(root, "log", "--json").json["runs"]


def test_what_is_no_summary_of_the_round_is_refused(root: Path, tmp_path: Path) -> None:
    """And nothing is recorded."""
    path = write_summary(tmp_path / "theirs", [checker_row()])
    before = everything(root)
    done = mlrepo(root, "import", str(path), "--round", "v6.0", code=2)
    done.says("summary.json is not of v6.0", "Use --round v6.1")
    mlrepo(root, "import", str(path), "--round", "v6.1", "--submitter", "other", code=2).says(
        "Did you mean Other?"
    )
    path.write_bytes(path.read_bytes()[:-100])
    mlrepo(root, "import", str(path), "--round", "v6.1", code=2).says("not JSON", "cut short")
    mlrepo(root, "import", "mlrepo.toml", "--round", "v6.1", code=2).says("not JSON")
    assert everything(root) == before


def test_a_secret_in_a_row_is_masked_and_one_in_a_name_refused(root: Path, tmp_path: Path) -> None:
    """As in what is imported with logs."""
    token = "ghp_" + "a1B2" * 9
    path = write_summary(tmp_path / "theirs", [checker_row(notes=f"token {token}")])
    records = _imported(root, str(path), "--round", "v6.1")
    assert all(record["redactions"] for record in records)
    write_summary(tmp_path / "theirs", [checker_row(Platform=token)])
    mlrepo(root, "import", str(path), "--round", "v6.1", code=2).says("looks like a secret")
    assert token.encode() not in all_bytes(root)
