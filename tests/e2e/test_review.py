"""Review of a stranger's submission: from a directory or a branch, beside the previous round."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.driver import everything, mlrepo
from tests.samples import git
from tests.submissions import Submission, write_submission


@pytest.fixture
def theirs(tmp_path: Path) -> Submission:
    """A valid submission of v6.1 by Acme."""
    return write_submission(tmp_path / "theirs", "v6.1")


def _spoil(submission: Submission) -> str:
    """Make a run INVALID and return the path of its log."""
    log = submission.result("Offline") / "performance" / "run_1" / "mlperf_log_detail.txt"
    log.write_text(log.read_text().replace('"VALID"', '"INVALID"'))
    return str(log.relative_to(submission.root))


def test_a_valid_submission_has_verdicts_and_results(theirs: Submission, tmp_path: Path) -> None:
    """Markdown to paste, also outside of any repository; exit code 0."""
    done = mlrepo(tmp_path, "review", str(theirs.root), "--round", "v6.1")
    assert done.out.startswith("# Review of Acme, v6.1\n")
    done.says("VALID: 3 of 3 results valid", "profile strict", "profile official")
    done.says("| closed | alpha | resnet50 | Offline | 2600.25 samples/s | 76.456 % |")
    done.says("Nothing was found", "mlrepo import URL")


def test_a_submitter_who_is_not_there_is_no_verdict(theirs: Submission, tmp_path: Path) -> None:
    """Exit code 2 and the nearest name, in every format."""
    asked = ("review", str(theirs.root), "--round", "v6.1", "--submitter", "acme")
    for more in ((), ("--json",), ("--output", "review.md")):
        done = mlrepo(tmp_path, *asked, *more, code=2)
        done.says("no result of acme", "Did you mean Acme?")
        assert done.out == ""
    assert not (tmp_path / "review.md").exists()


def test_findings_cite_file_and_line_and_decide_the_exit_code(
    theirs: Submission, tmp_path: Path
) -> None:
    """Each is a point to tick off; --output writes the same text."""
    path = _spoil(theirs)
    done = mlrepo(tmp_path, "review", str(theirs.root), "--round", "v6.1", code=1)
    done.says("## Objections", f"- [ ] `{path}", "performance-validity", "INVALID: 2 of 3")
    mlrepo(tmp_path, "review", str(theirs.root), "--round", "v6.1", "--output", "review.md", code=1)
    assert (tmp_path / "review.md").read_text() == done.out


def test_results_stand_beside_those_of_the_last_round(
    root: Path, theirs: Submission, tmp_path: Path
) -> None:
    """Of the same system where there is one; a latency that halved is twice as good."""
    last = write_submission(tmp_path / "last", "v5.1")
    log = last.result("SingleStream") / "performance" / "run_1" / "mlperf_log_detail.txt"
    text = log.read_text()
    log.write_text(
        text.replace(
            '"early_stopping_latency_ss", "value": 1251000',
            '"early_stopping_latency_ss", "value": 2502000',
        )
    )
    assert log.read_text() != text
    mlrepo(root, "import", str(last.root), "--round", "v5.1")
    done = mlrepo(root, "review", str(theirs.root), "--json").json
    changes = {
        result["path"].rpartition("/")[2]: (result["earlier"]["round"], result["change"])
        for result in done["results"]
    }
    assert changes["Offline"] == ("v5.1", pytest.approx(1.0))
    assert changes["SingleStream"] == ("v5.1", pytest.approx(2.0))
    mlrepo(root, "review", str(theirs.root)).says("| v5.1: 2600.25 samples/s | × 1 |", "× 2 |")


def test_a_scenario_in_lower_case_stands_beside_the_last_round(root: Path, tmp_path: Path) -> None:
    """Published trees write `offline`, `singlestream`; a record has LoadGen's spelling."""
    last = write_submission(tmp_path / "last", "v2.0")
    mlrepo(root, "import", str(last.root), "--round", "v2.0")
    theirs = write_submission(tmp_path / "theirs", "v2.1")
    for directory in [p for p in theirs.root.rglob("*") if p.name in theirs.scenarios]:
        directory.rename(directory.with_name(directory.name.lower()))
    done = mlrepo(root, "review", str(theirs.root), "--round", "v2.1", "--json", code=None).json
    earlier = {one["path"].rpartition("/")[2]: one["earlier"] for one in done["results"]}
    assert set(earlier) == {name.lower() for name in theirs.scenarios}
    for scenario in last.scenarios:
        assert earlier[scenario.lower()]["round"] == "v2.0"
        assert earlier[scenario.lower()]["same_system"]


def test_the_branch_of_a_pull_request_is_reviewed_for_what_it_adds(
    root: Path, theirs: Submission, tmp_path: Path
) -> None:
    """Only the submitter that the branch adds is judged; nothing of it comes into ours."""
    official = tmp_path / "official"
    other = write_submission(official, "v6.1")
    (other.root / "closed" / "Acme").rename(other.root / "closed" / "Other")
    git(official, "init", "--quiet", "--initial-branch=main")
    git(official, "add", ".")
    git(official, "commit", "--quiet", "--message", "Others")
    git(official, "switch", "--quiet", "--create", "acme-v6.1")
    path = _spoil(theirs)
    (theirs.root / "closed" / "Acme").rename(official / "closed" / "Acme")
    git(official, "add", ".")
    git(official, "commit", "--quiet", "--message", "Submit")
    before = everything(root)
    done = mlrepo(root, "review", official.as_uri(), "acme-v6.1", code=1)
    done.says("# Review of Acme, v6.1", path, git(official, "rev-parse", "HEAD")[:10])
    assert "Other" not in done.out
    assert everything(root) == before
    git(root, "remote", "add", "official", official.as_uri())
    mlrepo(root, "review", "official", "acme-v6.1", "--submitter", "Other", code=1).says(
        "# Review of Other"
    )
    mlrepo(root, "review", "official", "no-such", code=69).says("no-such", "could not be fetched")


def test_a_name_cannot_become_markup(theirs: Submission, tmp_path: Path) -> None:
    """Directories of strangers may be called anything; mentions and tags come out harmless."""
    system = theirs.root / "closed" / "Acme" / "results" / "alpha"
    system.rename(system.with_name("@everyone<img src=x>|`"))
    done = mlrepo(tmp_path, "review", str(theirs.root), "--round", "v6.1", code=1)
    text = re.sub(r"`[^`\n]*`", "", done.out)  # nothing is markup within code
    assert "img src=x" in text
    assert "@everyone" not in text
    assert "<img" not in text.replace("\\<img", "")


def test_what_cannot_be_reviewed_is_said_plainly(theirs: Submission, tmp_path: Path) -> None:
    """No directory, several submitters, none, and a round that nothing tells."""
    (tmp_path / "empty").mkdir()
    mlrepo(tmp_path, "review", "nowhere", code=2).says("is not a directory", "REMOTE BRANCH")
    mlrepo(tmp_path, "review", "empty", "--round", "v6.1", code=2).says("no submission in empty")
    mlrepo(tmp_path, "review", str(theirs.root), code=2).says("round", "--round")
    (theirs.root / "closed" / "Bolt").mkdir()
    mlrepo(tmp_path, "review", str(theirs.root), "--round", "v6.1", code=2).says(
        "Acme, Bolt", "--submitter"
    )
