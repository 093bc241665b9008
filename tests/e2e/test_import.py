"""Published results and bare logs as records: what `mlrepo import` reads and prints."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from mlrepo.repository.locks import locked
from tests.e2e.driver import all_bytes, everything, finish, mlrepo, start, until
from tests.outside import CORPUS, needs_shared
from tests.samples import git
from tests.submissions import write_submission

OCTOML = CORPUS / "v1.1"


@needs_shared(OCTOML)
def test_octoml_s_submission_of_2021_is_read_with_its_command_of_today(root: Path) -> None:
    """885.05 samples/s, and the command with its model, load and batch; what has no equivalent."""
    done = mlrepo(root, "import", str(OCTOML), "--round", "v1.1", "--submitter", "OctoML")
    done.says("885.05 samples/s", "75.844 %")
    command = next(line.strip() for line in done.out.splitlines() if "--qps 900" in line)
    assert command.startswith("mlrepo bench run --benchmark resnet50 --backend pytorch")
    for words in (
        "--scenario Offline --mode performance",
        "--model-variant v1.5-pytorch-int8",
        "--time 610",
        "--max-batchsize 1",
        "--system aws-m5zn.6xlarge-tvm",
    ):
        assert words in command
    done.says("MLPERF_TVM_USE_DNNL=YES has no equivalent", "TVM v0.8-dev (DNNL) ran it then")
    logged = mlrepo(root, "log", "--benchmark", "resnet50", "--mode", "performance", "--json").json
    values = {run["system"]: run["result"]["value"] for run in logged["runs"]}
    assert values["aws-m5zn.6xlarge-tvm"] == pytest.approx(885.048)
    mlrepo(root, "status", "--round", "v1.1").says("OctoML", "aws-m5zn.6xlarge-tvm")


def test_a_submission_becomes_one_record_for_each_run(root: Path, tmp_path: Path) -> None:
    """Performance, accuracy and every compliance test, with LoadGen's settings and all files."""
    submission = write_submission(tmp_path / "theirs", "v5.1")
    done = mlrepo(root, "import", str(submission.root), "--round", "v5.1", "--json").json
    assert done["branch"] == "exp/import-v5.1"
    kinds = {
        (run["record"]["scenario"], run["record"]["test"] or run["record"]["mode"])
        for run in done["runs"]
    }
    assert kinds == {
        (scenario, kind)
        for scenario in submission.scenarios
        for kind in ("performance", "accuracy", *submission.tests(scenario))
    }
    [offline] = [
        run["record"]
        for run in done["runs"]
        if run["record"]["scenario"] == "Offline" and run["record"]["mode"] == "performance"
    ]
    assert offline["result"] == {"value": 2600.25, "unit": "samples/s"}
    assert offline["validity"] == "VALID"
    assert offline["started"] == "2026-03-01T12:00:00Z"
    assert offline["loadgen"]["seeds"]["qsl_rng_seed"] == submission.round.seeds()["qsl_rng_seed"]
    detail = submission.result("Offline") / "performance/run_1/mlperf_log_detail.txt"
    shown = mlrepo(root, "show", offline["run"], "--log", "detail")
    assert shown.out == detail.read_text()


_TOKEN = "ghp_" + "a1B2" * 9


def _write_in(path: Path, text: str) -> None:
    path.write_bytes(path.read_bytes() + text.encode())


def test_secrets_in_what_is_imported_are_masked_and_counted(root: Path, tmp_path: Path) -> None:
    """In texts, descriptions and confs of others; the runs are the same runs."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    top = submission.root
    for path in top.rglob("user.conf"):
        _write_in(path, f"# \x1b[31m{_TOKEN}\n")
    for path in top.rglob("accuracy.txt"):
        path.write_bytes(path.read_bytes() + f"\ntoken {_TOKEN}\n".encode())
    for path in top.glob("*/*/systems/*.json"):
        values = json.loads(path.read_text())
        values["sw_notes"] = f"first\n{_TOKEN}"
        path.write_text(json.dumps(values))
    for path in top.rglob("measurements.json"):
        values = json.loads(path.read_text())
        values["starting_weights_filename"] = f"https://ada:{_TOKEN}@example.org/x.onnx"
        path.write_text(json.dumps(values))
    runs = mlrepo(root, "import", str(top), "--round", "v6.1", "--json").json["runs"]
    assert runs
    assert _TOKEN.encode() not in all_bytes(root)
    assert all(run["record"]["redactions"]["GitHub token"] >= 1 for run in runs)
    shown = mlrepo(root, "show", runs[0]["record"]["run"])
    shown.says("GitHub token")


def test_a_log_with_a_secret_is_not_imported(root: Path, tmp_path: Path) -> None:
    """Logs are kept as they are or not at all; file and line are named."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    for path in submission.root.rglob("mlperf_log_summary.txt"):
        _write_in(path, f"{_TOKEN}\n")
    done = mlrepo(root, "import", str(submission.root), "--round", "v6.1", code=2)
    done.says("mlperf_log_summary.txt:", "GitHub token")
    assert _TOKEN not in done.out + done.err
    assert _TOKEN.encode() not in all_bytes(root)


def test_a_name_that_is_a_secret_is_not_imported(root: Path, tmp_path: Path) -> None:
    """A directory's name would be in the record and its commit."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    source = tmp_path / _TOKEN
    submission.root.rename(source)
    done = mlrepo(root, "import", str(source), "--round", "v6.1", code=2)
    done.says("looks like a secret")
    assert _TOKEN.encode() not in all_bytes(root)


def test_importing_again_changes_nothing(root: Path, tmp_path: Path) -> None:
    """The ids come from the logs: a copy elsewhere, or a second time, is the same runs."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    first = mlrepo(root, "import", str(submission.root), "--round", "v6.1", "--json").json
    before = everything(root)
    copy = write_submission(tmp_path / "copy", "v6.1")
    again = mlrepo(root, "import", str(copy.root), "--round", "v6.1", "--json").json
    assert [run["commit"] for run in again["runs"]] == [run["commit"] for run in first["runs"]]
    assert everything(root) == before


def test_of_many_runs_their_numbers_are_printed(root: Path, tmp_path: Path) -> None:
    """By submitter and benchmark, what was left out and why, and what comes next."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    offline = submission.result("Offline")
    [acme] = (submission.root / "closed").iterdir()
    for number in range(12):
        shutil.copytree(acme, acme.with_name(f"Beta{number}"))
    for number in range(5):
        result = acme.with_name(f"Beta{number}") / offline.relative_to(acme)
        for log in result.rglob("mlperf_log_detail.txt"):
            log.unlink()
    command = ("import", str(submission.root), "--round", "v6.1")
    done = mlrepo(root, *command)
    done.says("They are on exp/import-v6.1.", "`mlrepo log --experiment import-v6.1`")
    done.says("Left out, 5 times: it holds no mlperf_log_detail.txt.", "… and 2 more")
    names, *rows = (line.split() for line in done.out.split("\n\n")[0].splitlines())
    assert [name for name, *_ in rows] == sorted(
        ["closed/Acme", *(f"closed/Beta{number}" for number in range(12))]
    )
    whole = dict(zip(names[1:], rows[-1][1:], strict=True))
    assert whole == {"SUTS": "1", "RESULTS": "3", "RUNS": "12", "VALID": "12"}
    total = sum(int(row[names.index("RUNS")]) for row in rows)
    done.says(f"{total} runs. ")
    names, benchmark = (line.split() for line in done.out.split("\n\n")[1].splitlines())
    assert (names[0], benchmark[0]) == ("BENCHMARK", offline.parent.name)
    assert benchmark[names.index("RUNS")] == str(total)
    again = mlrepo(root, *command, "--all")
    again.says(f"{total} runs. All of them were on exp/import-v6.1 already.")
    assert sum(line.startswith("2026") for line in again.out.splitlines()) == total


def test_an_import_that_is_interrupted_is_completed_by_the_same_command(
    root: Path, tmp_path: Path
) -> None:
    """Ctrl-C reaches its processes as well; nothing is left of what was not recorded."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    command = ("import", str(submission.root), "--round", "v6.1")
    store = root / ".git" / "mlrepo"
    with locked(store / "record.lock", timeout=10):  # so that it cannot end before
        process = start(root, *command)
        until(lambda: list((store / "quarantine").glob("*/bulk/marks")), "the runs to be written")
        os.killpg(process.pid, signal.SIGINT)
        done = finish(process)
    assert done.code == 130
    done.says("0 runs were recorded on exp/import-v6.1", "Run the command again")
    assert git(root, "branch", "--list", "exp/*") == ""
    assert list((store / "quarantine").iterdir()) == []
    mlrepo(root, *command).says("12 runs. They are on exp/import-v6.1.")


def test_a_repository_is_imported_by_its_url(root: Path, tmp_path: Path) -> None:
    """Fetched into a temporary copy; its objects stay out of ours but for the runs' files."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    git(submission.root, "init", "--quiet", "--initial-branch=main")
    git(submission.root, "add", ".")
    git(submission.root, "commit", "--quiet", "--message", "Publish")
    commit = git(submission.root, "rev-parse", "HEAD").strip()
    url = submission.root.as_uri()
    done = mlrepo(root, "import", url, "--round", "v6.1", "--json").json
    assert len(done["runs"]) == 12
    assert commit[:10] in done["runs"][0]["record"]["source"]["imported"]
    assert "unknown" in git(root, "cat-file", "-t", commit, ok=False) or commit not in git(
        root, "rev-list", "--all"
    )
    secret = "https://ada:hunter2secret@localhost:9/results.git"
    done = mlrepo(root, "import", secret, "--round", "v6.1", code=69)
    done.says("https://localhost:9/results.git could not be fetched")
    assert "hunter2secret" not in done.out + done.err
    gone = tmp_path / "gone"
    mlrepo(root, "import", gone.as_uri(), "--round", "v6.1", code=69).says("could not be fetched")


def test_imported_results_are_never_selected(root: Path, tmp_path: Path) -> None:
    """However fast they are: somebody else measured them."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    mlrepo(root, "import", str(submission.root), "--round", "v6.1")
    mlrepo(root, "select", code=1).says("the run was imported", "nothing can be selected")


def test_bare_logs_are_read_with_what_the_command_says_of_them(root: Path, tmp_path: Path) -> None:
    """Each directory with a detail log is a run; mode and scenario stand in the log."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    logs = submission.result("SingleStream")
    mlrepo(root, "import", str(logs), "--round", "v6.1", code=2).says("--benchmark NAME")
    done = mlrepo(
        root,
        "import",
        str(logs),
        "--round",
        "v6.1",
        "--benchmark",
        "resnet50",
        "--system",
        "rig",
        "--experiment",
        "rig",
        "--json",
    ).json
    records = [run["record"] for run in done["runs"]]
    performance = [r for r in records if r["mode"] == "performance"]
    assert {r["scenario"] for r in records} == {"SingleStream"}
    assert {r["system"] for r in records} == {"rig"}
    assert performance[0]["result"]["unit"] == "ms"
    [accuracy] = [r for r in records if r["mode"] == "accuracy"]
    assert accuracy["result"] == {"value": 76.456, "unit": "%"}


def test_bare_logs_of_another_benchmark_are_refused(root: Path, tmp_path: Path) -> None:
    """A name that neither the round nor mlrepo has, and tokens under a benchmark without them."""
    logs = write_submission(tmp_path / "theirs", "v6.1").result("Offline")
    asked = ("import", str(logs), "--round", "v6.1", "--dry-run", "--benchmark")
    closed = ("--division", "closed")
    mlrepo(root, *asked, "resnet500", *closed, code=2).says("'resnet500'", "Did you mean resnet50")
    mlrepo(root, *asked, "ours", "--division", "open").says("ours")
    log = logs / "performance" / "run_1" / "mlperf_log_detail.txt"
    text = log.read_text()
    last = text.rstrip().splitlines()[-1]
    tokens = json.loads(last.removeprefix(":::MLLOG "))
    tokens |= {"key": "requested_use_token_latencies", "value": True}
    log.write_text(f"{text}:::MLLOG {json.dumps(tokens)}\n")
    mlrepo(root, *asked, "resnet50", code=2).says("counts tokens", "performance/run_1/mlperf_log")
    mlrepo(root, *asked, "llama3.1-8b").says("llama3.1-8b")


def test_what_is_left_out_is_told(root: Path, tmp_path: Path) -> None:
    """A run that finds the range of a power analyzer is no result."""
    logs = write_submission(tmp_path / "theirs", "v6.1").result("Offline")
    shutil.copytree(logs / "performance/run_1", logs / "performance/ranging")
    asked = ("import", str(logs), "--round", "v6.1", "--benchmark", "resnet50")
    mlrepo(root, *asked).says("Left out: performance/ranging", "4 runs", "TEST01", "TEST04")
    [one] = mlrepo(root, *asked, "--json").json["left_out"]
    assert one["path"] == "performance/ranging"


@pytest.mark.parametrize("name", ["mlperf_log_detail.txt", "mlperf_log_accuracy.json"])
def test_a_log_of_one_endless_line_is_left_out_unread(
    root: Path, tmp_path: Path, name: str
) -> None:
    """Its size is asked first; the other runs go on."""
    submission = write_submission(tmp_path / "theirs", "v5.1")
    [run, *_] = sorted(submission.root.glob("closed/*/results/*/*/Offline/accuracy"))
    with (run / name).open("wb") as stream:
        stream.truncate(400 << 20)
    done = mlrepo(root, "import", str(submission.root), "--round", "v5.1", "--json")
    assert done.json["runs"]
    [left] = [one for one in done.json["left_out"] if "accuracy" in one["path"]]
    assert f"{name} has {400 << 20} bytes" in left["why"]


def test_what_cannot_be_imported_is_said_plainly(root: Path, tmp_path: Path) -> None:
    """Nothing there, nothing in it, a round without detail logs, a submitter without results."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    (tmp_path / "empty").mkdir()
    before = everything(root)
    theirs = str(submission.root)
    for arguments, words in (
        (("nowhere", "--round", "v6.1"), ("does not exist",)),
        (("mlrepo.toml", "--round", "v6.1"), ("is not JSON", "A summary is")),
        ((str(tmp_path / "empty"), "--round", "v6.1", "--benchmark", "b"), ("neither",)),
        ((theirs, "--round", "v0.7"), ("This is not v0.7", "seeds of v6.1")),
        (
            (str(submission.result("Offline")), "--round", "v0.7", "--benchmark", "resnet50"),
            ("cannot be imported", "v1.0"),
        ),
        ((theirs, "--round", "v9.9"), ("no rules for the round",)),
        ((theirs, "--round", "v6.1", "--submitter", "Nobody"), ("no result of nobody", "Acme")),
        ((theirs, "--round", "v6.1", "--submitter", "acme"), ("Did you mean Acme?",)),
        ((theirs,), ("--round",)),
    ):
        mlrepo(root, "import", *arguments, code=2).says(*words)
    assert everything(root) == before


def test_results_before_v1_0_are_read_from_their_summaries(root: Path, tmp_path: Path) -> None:
    """Their detail logs are sentences; version, settings, latencies and errors are known."""
    name = "v0.7"
    submission = write_submission(tmp_path / "theirs", name)
    [stream] = submission.root.glob("closed/*/results/*/*/SingleStream/performance/run_1")
    detail = stream / "mlperf_log_detail.txt"
    detail.write_text(
        '"pid": 1, "tid": 1, "ts": 848ns : version : .5a1 @ f41dbd6f18\n'
        '"pid": 1, "tid": 1, "ts": 848ns : build_date_utc   : 2020-09-10T23:35:36.255685\n'
        f"{detail.read_text()}"
    )
    summary = stream / "mlperf_log_summary.txt"
    assert "99.00 percentile latency (ns)   : 1250040" in summary.read_text()
    done = mlrepo(root, "import", str(submission.root), "--round", name, "--json").json
    assert done["left_out"] == []
    records = [run["record"] for run in done["runs"]]
    modes = {r["mode"] for r in records if r["round"] == name}
    assert modes == {"performance", "accuracy", "compliance"}
    assert {r["validity"] for r in records} == {"VALID"}
    [one] = [r for r in records if (r["scenario"], r["mode"]) == ("SingleStream", "performance")]
    assert (one["result"]["unit"], one["started"]) == ("ms", "2020-09-10T23:35:36Z")
    assert one["metrics"]["99.00_percentile_latency"] == {"value": 1.25004, "unit": "ms"}
    assert one["loadgen"]["version"] == ".5a1 @ f41dbd6f18"
    assert one["loadgen"]["effective"]["min_query_count"] >= 1024
    detail.write_text(f"{detail.read_text()}something ERROR something\n")
    again = mlrepo(root, "import", str(submission.root), "--round", name, "--json").json
    damaged = [run["record"] for run in again["runs"] if run["record"]["validity"] != "VALID"]
    assert [r["reasons"] for r in damaged if r["scenario"] == "SingleStream"] == [
        ["LoadGen error: something ERROR something"]
    ]


def test_a_damaged_log_is_recorded_as_invalid(root: Path, tmp_path: Path) -> None:
    """Its run says why; the others are read all the same, and a dry run records none."""
    submission = write_submission(tmp_path / "theirs", "v6.1")
    log = submission.result("Offline") / "performance" / "run_1" / "mlperf_log_detail.txt"
    log.write_text(":::MLLOG {broken\n")
    before = everything(root)
    mlrepo(root, "import", str(submission.root), "--round", "v6.1", "--dry-run").says("12 runs")
    assert everything(root) == before
    done = mlrepo(root, "import", str(submission.root), "--round", "v6.1", "--json").json
    invalid = [run["record"] for run in done["runs"] if run["record"]["validity"] == "INVALID"]
    assert [(r["scenario"], r["mode"]) for r in invalid] == [("Offline", "performance")]
    assert "not a LoadGen log line" in json.dumps(invalid[0]["reasons"])


def test_results_of_another_round_are_not_recorded(root: Path, tmp_path: Path) -> None:
    """A record says its round: a wrong one would be compared falsely for ever."""
    submission = write_submission(tmp_path / "theirs", "v5.1")
    refused = mlrepo(root, "import", str(submission.root), "--round", "v6.1", code=2)
    refused.says("This is not v6.1", "have the seeds of v5.1", "use --round v5.1")
    assert "exp/import" not in git(root, "for-each-ref")
    reviewed = mlrepo(root, "review", str(submission.root), "--round", "v6.1", code=1).out
    objections = reviewed.partition("## Objections\n\n")[2]
    assert "results have the seeds of v5.1" in objections.splitlines()[0]


def test_results_in_two_experiments_are_one_run_each(root: Path, tmp_path: Path) -> None:
    """Told once, whatever it is called and wherever it came from; an edited one is damage."""
    first = write_submission(tmp_path / "theirs", "v6.1").root
    second = write_submission(tmp_path / "copy", "v6.1").root
    for source, experiment in ((first, "one"), (second, "two")):
        mlrepo(root, "import", str(source), "--round", "v6.1", "--experiment", experiment)
    twice = "12 of the runs read here were imported into exp/one and exp/two: each counts once"
    logged = mlrepo(root, "log", "-n", "50", "--json")
    assert len({run["run"] for run in logged.json["runs"]}) == len(logged.json["runs"]) == 12
    assert {run["experiment"] for run in logged.json["runs"]} == {"one"}
    assert logged.err.count(twice) == 1
    assert "claims the run" not in logged.err
    for experiment in ("one", "two"):
        done = mlrepo(root, "log", "--experiment", experiment, "-n", "50", "--json")
        assert len(done.json["runs"]) == 12
        assert "counts once" not in done.err
    report = mlrepo(root, "report", "--format", "json").json
    assert report["damage"] == []
    assert len(report["runs"]) == 12
    assert twice in report["known_twice"][0]
    page = tmp_path / "page.html"
    mlrepo(root, "report", "--out", str(page))
    assert twice in page.read_text()

    run = logged.json["runs"][0]["run"]
    text = git(root, "show", f"exp/two:runs/{run}/run.json")
    edited = text.replace('"validity": "VALID"', '"validity": "INVALID"')
    assert edited != text
    message = git(root, "log", "-1", "--format=%B", logged.json["runs"][0]["commit"])
    stream = (
        "commit refs/heads/exp/three\ncommitter M <m@example.org> 4000000000 +0000\n"
        f"data {len(message.encode())}\n{message}\nfrom refs/heads/exp/two\n"
        f"M 100644 inline runs/{run}/run.json\ndata {len(edited.encode())}\n{edited}\n"
    )
    git(root, "fast-import", "--quiet", stdin=stream)
    mlrepo(root, "log", "-n", "50", code=1).says("claims the run", run, "exp/three")
