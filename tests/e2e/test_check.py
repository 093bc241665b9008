"""`mlrepo check` on directories, commits and the index, as a user calls it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from mlrepo.checker.check import check
from mlrepo.checker.rules import RULES
from mlrepo.cli.main import main
from mlrepo.cli.submission.rendering import FORMATS
from mlrepo.guard.changed import judge_index
from mlrepo.guard.contents import settings_for_hooks
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.e2e.driver import mlrepo
from tests.samples import git
from tests.submissions import SUBMITTER, Submission, write_submission


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    """A valid submission of v6.1 outside any Git repository."""
    return write_submission(tmp_path / "submission", "v6.1")


def _spoil(submission: Submission) -> None:
    log = submission.result("Offline") / "performance" / "run_1" / "mlperf_log_detail.txt"
    log.write_text(log.read_text().replace('"VALID"', '"INVALID"'))


def _check(*arguments: object) -> int:
    return main(["check", *map(str, arguments)])


def test_the_last_line_and_the_exit_code_agree(
    submission: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    """A valid tree ends with 0 and VALID, a spoilt one with 1 and the rule."""
    assert _check(submission.root, "--round", "v6.1", "--workers", 1) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("VALID: 3 of 3")
    _spoil(submission)
    assert _check(submission.root, "--round", "v6.1", "--workers", 1) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("INVALID: 2 of 3")
    assert any("performance-validity" in line for line in lines)


def test_the_official_checker_of_v6_1_accepts_what_strict_rejects(submission: Submission) -> None:
    """It never looks at the validity of a run."""
    _spoil(submission)
    assert _check(submission.root, "--round", "v6.1", "--profile", "official") == 0


def test_a_commit_and_the_index_are_judged_as_they_are(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round is that of mlrepo.toml; what is not staged does not count."""
    monkeypatch.chdir(results.root)
    submission = write_submission(results.root, "v6.1")
    git(results.root, "add", ".")
    git(results.root, "commit", "--quiet", "--message", "Submit")
    _spoil(submission)
    assert _check("--rev", "HEAD") == 0
    assert _check("--staged") == 0
    assert _check() == 1
    git(results.root, "add", ".")
    assert _check("--staged") == 1
    assert _check("--rev", "HEAD") == 0


def test_the_files_of_a_results_repository_are_no_strays(
    submission: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `mlrepo init` lays down and runs add is known; everything else in the root is named."""
    (submission.root / "runs").mkdir()
    for name in ("stray.txt", ".gitattributes"):
        (submission.root / name).write_text("")
    _check(submission.root, "--round", "v6.1", "--workers", 1)
    before = capsys.readouterr().out
    assert all(f"\n{name}\n" in before for name in ("runs", "stray.txt", ".gitattributes"))
    (submission.root / "mlrepo.toml").write_text("")
    _check(submission.root, "--round", "v6.1", "--workers", 1)
    after = capsys.readouterr().out
    assert "\nstray.txt\n" in after
    assert not any(f"\n{n}\n" in after for n in ("runs", ".gitattributes", "mlrepo.toml"))


def test_only_a_part_is_judged_when_asked(submission: Submission) -> None:
    """A spoilt scenario does not matter to another one, nor to another submitter."""
    _spoil(submission)
    other = submission.result("SingleStream").relative_to(submission.root)
    assert _check(submission.root, "--round", "v6.1", "--only", other, "--quiet") == 0
    assert _check(submission.root, "--round", "v6.1", "--submitter", SUBMITTER, "--quiet") == 1


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--json",),
        ("--quiet",),
        ("--profile", "official"),
        *(("--format", name) for name in FORMATS),
    ],
)
@pytest.mark.parametrize(
    ("selected", "message"),
    [
        (("--submitter", "acme"), "Did you mean Acme?"),
        (("--submitter", "Acmee"), "Did you mean Acme?"),
        (("--submitter", "Nobody"), "There are: Acme, Empty."),
        (("--submitter", "Empty"), "no result of Empty"),
        (("--only", "closed/acme"), "Did you mean Acme?"),
        (("--only", "closed/Acme/results/alpha/resnet50/offline"), "Did you mean Offline?"),
        (("--only", "closed/Acme/results/alpha/resnet"), "Did you mean resnet50?"),
        (("--only", "closed/Acme/results/beta"), "There are: alpha."),
        (("--only", "closed/Acme/systems/alpha.json"), "no result to judge"),
        (("--only", "README.md"), "not in a submitter's directory"),
        (("--only", "../elsewhere"), "no such path"),
        (("--only", "closed/Acme", "--submitter", "Empty"), "not in a submitter's directory"),
    ],
)
def test_a_selection_that_matches_nothing_is_no_success(
    submission: Submission,
    capsys: pytest.CaptureFixture[str],
    selected: tuple[str, ...],
    message: str,
    more: tuple[str, ...],
) -> None:
    """Exit code 2, the nearest names, and no verdict that a script could take for one."""
    (submission.root / "README.md").write_text("# Results\n")
    (submission.root / "open" / "Empty" / "code").mkdir(parents=True)
    (submission.root / "open" / "Empty" / "code" / "README.md").write_text("later\n")
    assert _check(submission.root, "--round", "v6.1", "--workers", 1, *selected, *more) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


def test_a_tree_without_results_is_no_success(tmp_path: Path) -> None:
    """Whatever else lies in it."""
    for name in ("closed", "open/Acme/code"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "stray.txt").write_text("x")
    (tmp_path / "open/Acme/code/README.md").write_text("x")
    assert _check(tmp_path, "--round", "v5.1") == 2
    # To the official checker of the round the stray file is an error: that is a verdict.
    assert _check(tmp_path, "--round", "v5.1", "--profile", "official") == 1


@pytest.mark.parametrize("profile", ["strict", "official"])
def test_only_a_path_finds_nothing_outside_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    """Neither the other scenarios that are missing nor files of others; what is below counts."""
    submission = write_submission(tmp_path, "v5.1")
    shutil.rmtree(submission.result("SingleStream"))
    (tmp_path / "closed/Acme/code/a b.txt").write_text("x")
    only = submission.result("Offline").relative_to(tmp_path)
    asked = ("--round", "v5.1", "--workers", 1, "--profile", profile)
    assert _check(tmp_path, *asked) == 1
    assert _check(tmp_path, *asked, "--only", only.parent) == 1
    capsys.readouterr()
    for spelled in (only, f"./{only}/", submission.result("Offline"), only / "performance/run_1"):
        assert _check(tmp_path, *asked, "--only", spelled, "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert [one["scenario"] for one in report["results"]] == ["Offline"]
        assert report["findings"] == []
    _spoil(submission)
    assert _check(tmp_path, *asked, "--only", only) == 1


def test_why_a_result_is_invalid_is_told_wherever_it_lies(
    submission: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    """The description of its system is not below the result."""
    description = submission.root / "closed/Acme/systems/alpha.json"
    description.write_text(description.read_text().replace('"closed"', '"open"'))
    only = submission.result("Offline").relative_to(submission.root)
    assert _check(submission.root, "--round", "v6.1", "--only", only) == 1
    assert "systems/alpha.json" in capsys.readouterr().out


def test_the_round_of_a_published_repository_stands_in_its_title(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No option is needed to judge a clone of what MLCommons publishes."""
    submission = write_submission(tmp_path, "v5.1")
    (submission.root / "README.md").write_text("# MLPerf™ Inference v5.1 results\n")
    assert _check(tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["round"] == "v5.1"


def test_the_settings_of_a_results_repository_go_before_the_title(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README that `mlrepo init` wrote names the first round; round and profile may change."""
    monkeypatch.chdir(results.root)
    write_submission(results.root, "v6.1")
    (results.root / "README.md").write_text("# MLPerf Inference v5.1 results of Acme\n")
    assert _check("--json") == 0
    assert json.loads(capsys.readouterr().out)["round"] == "v6.1"
    with results.settings_file.open("a") as stream:
        stream.write('profile = "official"\n')
    _check("--json")
    assert json.loads(capsys.readouterr().out)["profile"] == "official"
    _check("--json", "--profile", "strict")
    assert json.loads(capsys.readouterr().out)["profile"] == "strict"


def test_a_round_that_the_repository_holds_itself_is_honoured(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`mlrepo round import` wrote the rules of a round that this mlrepo does not know."""
    monkeypatch.chdir(results.root)
    write_submission(results.root, "v6.1")
    tables = json.loads(json.dumps(SHIPPED["v6.1"].tables))
    tables["seeds"]["qsl_rng_seed"] += 1
    (results.root / "rounds").mkdir()
    (results.root / "rounds" / "v7.0.json").write_text(json.dumps(tables))
    assert _check("--round", "v7.0", "--workers", 2) == 1
    out, err = capsys.readouterr()
    assert "performance-seeds" in out
    assert "in round v7.0" in out
    assert "rules of v7.0 are this repository's own, from rounds/v7.0.json" in err
    # What breaks the newest official checker known is taken to break the next one too.
    assert _check("--round", "v7.0", "--profile", "official", "--format", "csv") == 1
    assert capsys.readouterr().out.splitlines()[0].startswith("Organization,")


def test_a_repository_never_replaces_the_rules_of_a_shipped_round(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of its own that allows anything changes no verdict, and that it lies there is said."""
    monkeypatch.chdir(results.root)
    submission = write_submission(results.root, "v6.1")
    (submission.result("Offline") / "accuracy" / "accuracy.txt").write_text("accuracy=1.000%\n")
    before = _check("--workers", 1), capsys.readouterr().out
    tables = json.loads(json.dumps(SHIPPED["v6.1"].tables))
    tables["accuracy_target"]["resnet"] = {"*": [{"metric": "acc", "min": 0.0}]}
    (results.root / "rounds").mkdir()
    (results.root / "rounds" / "v6.1.json").write_text(json.dumps(tables))
    after = _check("--workers", 1), capsys.readouterr()
    assert (after[0], after[1].out) == before and before[0] == 1
    assert "rounds/v6.1.json is ignored" in after[1].err
    paths = [
        path.relative_to(results.root).as_posix()
        for path in submission.result("Offline").rglob("*")
        if path.is_file()
    ]
    git(results.root, "add", "closed")
    settings = settings_for_hooks(results.root, {"MLREPO_ROUND": "v6.1"})
    assert any(
        "accuracy-target" in line
        for line in judge_index(results.root, paths, index_file="", settings=settings)
    )
    assert "rounds/v6.1.json is ignored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "does not exist"),
        (["."], "no submission"),
        (["submission"], "--round"),
        (["submission", "--round", "v9.9"], "mlrepo round import"),
        (["submission/closed/Acme", "--round", "v6.1"], "--only closed/Acme"),
        (["submission", "--staged"], "exclude each other"),
        (["--explain", "performance-validty"], "performance-validity"),
        (["submission", "--round", "v6.1", "--submitter", "Nobody"], "no result"),
        (["submission", "--round", "v6.1", "--output", "no/such/file"], "does not exist"),
    ],
)
def test_what_cannot_be_judged_is_a_usage_error_that_names_the_way_out(
    submission: Submission,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """Exit code 2 and one message."""
    monkeypatch.chdir(submission.root.parent)
    assert _check(*arguments) == 2
    assert message in capsys.readouterr().err


def test_an_output_file_is_written_whole_and_holds_no_colour(
    submission: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report goes to the file; nothing to standard output."""
    target = submission.root.parent / "report.txt"
    assert _check(submission.root, "--round", "v6.1", "--output", target) == 0
    assert target.read_text().splitlines()[-1].startswith("VALID")
    assert "\x1b" not in target.read_text()
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in target.parent.iterdir()) == ["report.txt", "submission"]


def test_a_pipe_can_be_the_output(submission: Submission) -> None:
    """`--output /dev/null` is no file to rename over."""
    assert _check(submission.root, "--round", "v6.1", "--output", os.devnull) == 0
    assert not Path(os.devnull).is_file()


def test_every_rule_is_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """What the rule asks, where it is written, how to mend a breach, what the officials do."""
    assert _check("--list-rules") == 0
    assert len(capsys.readouterr().out.splitlines()) == len(RULES)
    for name, rule in RULES.items():
        assert _check("--explain", name) == 0
        text = capsys.readouterr().out
        assert rule.title in text
        assert rule.hint in text
        assert "v6.1" in text


def test_a_finding_names_the_line_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a detail log of JSON lines, and in the text summary of v0.7."""
    for round_name, name, before, after in (
        ("v0.7", "mlperf_log_summary.txt", "min_query_count : 1024", "min_query_count : 1023"),
        (
            "v5.1",
            "mlperf_log_detail.txt",
            '"early_stopping_met", "value": true',
            '"early_stopping_met", "value": false',
        ),
    ):
        submission = write_submission(tmp_path / round_name, round_name)
        log = submission.result("SingleStream") / "performance" / "run_1" / name
        text = log.read_text()
        assert before in text
        log.write_text(text.replace(before, after))
        assert _check(submission.root, "--round", round_name, "--json", "--workers", 1) == 1
        results = json.loads(capsys.readouterr().out)["results"]
        found = [f for result in results for f in result["findings"] if f["line"]]
        line = text[: text.index(before)].count("\n") + 1
        assert {(Path(f["path"]).name, f["line"]) for f in found} == {(name, line)}


def test_a_compliance_log_that_is_no_json_is_found_where_the_official_checker_reads_none(
    tmp_path: Path,
) -> None:
    """A SUT's name with a NUL byte, as in published logs of v1.1: no checker before v2.1 saw it.

    There it is a warning: those rounds judge a test by its texts.
    """
    for round_name, valid in (("v1.1", True), ("v2.1", False)):
        submission = write_submission(tmp_path / round_name, round_name)
        log = submission.compliance("Offline", "TEST01") / "performance/run_1/mlperf_log_detail.txt"
        before = log.read_bytes()
        log.write_bytes(before.replace(b'"PySUT"', b'"PySUT\0"'))
        report = check(DirectoryTree(submission.root), submission.round)
        found = [f for r in report.results for f in r.findings if f.path.endswith("detail.txt")]
        line = before.count(b"\n", 0, before.index(b'"PySUT"')) + 1
        assert [finding.line for finding in found] == [line]
        assert report.valid("strict") == valid
        assert report.valid("official") == valid


@pytest.mark.parametrize("round_name", ["v5.1", "v6.1"])
def test_an_open_submitter_may_name_models_by_a_mapping(tmp_path: Path, round_name: str) -> None:
    """`model_mapping.json` says which benchmark a model of one's own stands for."""
    submission = write_submission(tmp_path, round_name)
    closed, home = tmp_path / "closed", tmp_path / "open"
    closed.rename(home)
    description = home / SUBMITTER / "systems" / "alpha.json"
    description.write_text(description.read_text().replace('"closed"', '"open"'))
    for kind in ("results", "measurements", "code"):
        for path in home.glob(f"{SUBMITTER}/{kind}/**/resnet50"):
            path.rename(path.with_name("my-net"))
    mapping = home / SUBMITTER / "model_mapping.json"
    for text, valid in (
        ('{"my-net": "resnet"}', True),
        ('{"other": "resnet"}', False),
        ("[]", False),
        ("{", False),
        ('{"my-net": 7}', False),
    ):
        mapping.write_text(text)
        report = check(DirectoryTree(tmp_path), submission.round)
        assert report.valid("official") == report.valid("strict") == valid, text


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", ".", "--submitter", ""),
        ("check", ".", "--only", " "),
        ("truncate", ".", "--submitter", ""),
        ("review", ".", "--submitter", ""),
        ("import", ".", "--round", "v5.1", "--submitter", ""),
        ("select", "--system", ""),
    ],
    ids=" ".join,
)
def test_an_empty_selection_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """An unset variable of a shell script would select everything."""
    (tmp_path / "open" / "Acme").mkdir(parents=True)
    mlrepo(tmp_path, *arguments, code=2).says("it is empty", arguments[-2])


@pytest.mark.parametrize("workers", ["0", "-1", "100000"])
def test_a_number_of_workers_that_no_machine_has_is_refused(tmp_path: Path, workers: str) -> None:
    """A hundred thousand processes would end everything else on the machine."""
    (tmp_path / "open" / "Acme").mkdir(parents=True)
    done = mlrepo(tmp_path, "check", ".", "--round", "v5.1", "--workers", workers, code=2)
    done.says("--workers", "1<=x<=256")
