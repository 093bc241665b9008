"""Repositories with the hooks installed, and a valid submission to break."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from mlrepo.cli.main import main
from mlrepo.record import RunRecord
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.hook_install import HOOKS, install_hooks, missing_hooks
from tests.fast_import import import_runs
from tests.repeated_runs import Print, Printed
from tests.samples import git
from tests.submissions import Submission, write_submission


@pytest.fixture
def hooked(results: ResultsRepository) -> ResultsRepository:
    """A results repository with the plain hooks."""
    assert install_hooks(results, "plain").written == list(HOOKS)
    assert missing_hooks(results) == []
    return results


@pytest.fixture
def submission(hooked: ResultsRepository) -> Submission:
    """A valid submission of v6.1 in it, committed through the hooks."""
    written = write_submission(hooked.root, "v6.1")
    git(hooked.root, "add", ".")
    git(hooked.root, "commit", "--quiet", "-m", "results")
    return written


@pytest.fixture
def break_result(submission: Submission) -> Callable[[str], str]:
    """Return a function that makes LoadGen's verdict on a scenario INVALID, in both logs."""

    def broken(scenario: str) -> str:
        run = submission.result(scenario) / "performance" / "run_1"
        for name, old in (
            ("mlperf_log_detail.txt", '"result_validity", "value": "VALID"'),
            ("mlperf_log_summary.txt", "Result is : VALID"),
        ):
            text = (run / name).read_text()
            assert old in text
            (run / name).write_text(text.replace(old, old.replace("VALID", "INVALID")))
        return str((run / "mlperf_log_detail.txt").relative_to(submission.root))

    return broken


@pytest.fixture
def command_on(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Print:
    """Return a function that records runs, if there are any, and runs a command outside GitHub."""
    monkeypatch.chdir(results.root)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def run(records: Iterable[RunRecord], *words: str) -> Printed:
        if kept := list(records):
            import_runs(results.root, kept)
        code = main([*words])
        return Printed(code, *capsys.readouterr())

    return run
