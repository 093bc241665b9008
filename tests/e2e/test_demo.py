"""``mlrepo demo``: a newcomer types one command and sees the whole workflow."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests.e2e.driver import everything, finish, mlrepo, start, until
from tests.samples import git


def test_the_demo_makes_a_repository_with_eight_runs_and_works_again(tmp_path: Path) -> None:
    """Accuracy and performance in all four scenarios, then where to go next; twice."""
    done = mlrepo(tmp_path, "demo", "--time", "1", code=None)
    # A busy machine may miss what the warm-up estimated, again and again.
    assert done.code == (1 if "did not become VALID" in done.err else 0), done.err
    done.says("$ mlrepo init", "$ mlrepo log", "cd mlrepo-demo", "mlrepo show latest")
    root = tmp_path / "mlrepo-demo"
    done.says("$ mlrepo report", f"Open the report in a browser: {root}/mlrepo-report.html")
    assert (root / "mlrepo-report.html").read_bytes().startswith(b"<!doctype html>")
    assert git(root, "status", "--porcelain") == ""
    runs = mlrepo(root, "log", "--json").json["runs"]
    wanted = {(run["scenario"], run["mode"]) for run in runs}
    assert len(wanted) == 8
    if not done.code:
        valid = [run for run in runs if run["validity"] == "VALID"]
        assert {(run["scenario"], run["mode"]) for run in valid} == wanted
        assert len(valid) == 8
    # Those made again are listed too.
    assert all(run["run"][-6:] in done.out for run in runs)
    judged = [run for run in runs if run["mode"] == "accuracy"]
    assert {(run["validity"], run["result"]["value"]) for run in judged} == {("VALID", 99.4)}
    mlrepo(root, "doctor")
    assert [p.name for p in tmp_path.iterdir()] == ["mlrepo-demo"]

    # A rate that no machine holds is lowered, as one that a busy machine does not hold.
    conf = root / "systems" / "this-machine" / "user.v6.1.conf"
    conf.write_text(f"{conf.read_text()}digits.Server.target_qps = 300000\n")
    again = mlrepo(tmp_path, "demo", "--time", "0.3", code=None)
    again.says("exists from an earlier demo")
    later = mlrepo(root, "log", "--json").json["runs"][: -len(runs)]
    served = [
        run["validity"]
        for run in later
        if (run["scenario"], run["mode"]) == ("Server", "performance")
    ]
    assert served[-1] == "INVALID"
    assert len(served) > 1
    said = re.search(r"Of the runs, (.*) did not become VALID", again.err)
    assert ("Server performance" in (said[1] if said else "")) == (served[0] != "VALID")
    assert again.code == (1 if said else 0)


def test_the_demo_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    """A directory with somebody's files is left alone."""
    (tmp_path / "mlrepo-demo").mkdir()
    (tmp_path / "mlrepo-demo" / "thesis.tex").write_text("mine\n")
    mlrepo(tmp_path, "demo", code=2).says("not empty")
    assert [p.name for p in (tmp_path / "mlrepo-demo").iterdir()] == ["thesis.tex"]


def test_the_demo_changes_no_repository_that_is_not_its_own(tmp_path: Path) -> None:
    """Neither somebody's source code nor a results repository that has a demo's names."""
    git(tmp_path, "init", "--quiet", "code")
    (tmp_path / "code" / "README.md").write_text("mine\n")
    mlrepo(tmp_path, "demo", "code", code=2).says("a Git repository", "no demo made it")
    assert sorted(p.name for p in (tmp_path / "code").iterdir()) == [".git", "README.md"]
    names = ("--submitter", "Demo", "--division", "open")
    mlrepo(tmp_path, "init", "real", *names)
    mlrepo(tmp_path, "demo", "real", code=2).says("results repository of Demo", "no demo")
    assert mlrepo(tmp_path / "real", "log", "--json").json["runs"] == []


def test_the_demo_records_into_no_repository_of_others(root: Path) -> None:
    """Runs of a demonstration beside real ones would be taken for results."""
    before = everything(root)
    mlrepo(root.parent, "demo", root.name, code=2).says("results repository of Acme", "no demo")
    mlrepo(root, "demo", ".", code=2).says("results repository of Acme")
    assert everything(root) == before
    assert mlrepo(root, "log", "--json").json["runs"] == []


def test_the_demo_stops_at_the_first_mistake(tmp_path: Path) -> None:
    """A wrong option is an error once, not eight times."""
    done = mlrepo(tmp_path, "demo", "--time", "-1", code=2)
    assert done.err.count("must be a positive number") == 1


def test_the_demo_without_a_git_identity_commits_as_itself(tmp_path: Path) -> None:
    """A demonstration does not end at a question; no identity is written into any configuration."""
    nobody = dict.fromkeys(
        ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
    )
    process = start(tmp_path, "demo", "--time", "1", **nobody)
    root = tmp_path / "mlrepo-demo"
    until(lambda: (root / ".git" / "refs" / "heads" / "exp" / "this-machine").exists(), "a run")
    process.terminate()
    done = finish(process)
    done.says("git does not know your name")
    assert git(root, "log", "-1", "--format=%an", "exp/this-machine") == "mlrepo demo\n"
    assert "user.name" not in git(root, "config", "--list", ok=False)


def test_ctrl_c_ends_the_whole_demo(tmp_path: Path) -> None:
    """The run in progress is recorded, and no further one is started."""
    process = start(tmp_path, "demo", "--time", "30")
    root = tmp_path / "mlrepo-demo"

    def measuring() -> bool:
        return any(
            '"performance"' in p.with_name("spec.json").read_text() and '"started"' in p.read_text()
            for p in (root / ".git" / "mlrepo" / "spool").glob("*/events.jsonl")
        )

    until(measuring, "a performance run")
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    runs = mlrepo(root, "log", "--json").json["runs"]
    assert [run["validity"] for run in runs] == ["INTERRUPTED", "VALID"]
