"""A clone that is weeks old knows what its fetched upstream changed."""

from __future__ import annotations

from pathlib import Path

from mlrepo.repository.behind import Behind, behind_upstream
from mlrepo.repository.discovery import ResultsRepository, find_repository
from tests.e2e.driver import mlrepo
from tests.git.test_recording import clone
from tests.samples import git


def _committed(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    git(root, "add", path)
    git(root, "commit", "--quiet", "--no-verify", "--message", path)


def test_settings_and_descriptions_that_were_fetched_are_named(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """By `doctor` and `select`, until they are pulled; own commits beside them do not matter."""
    there = find_repository(clone(results.root, tmp_path / "there"))
    assert behind_upstream(there) is None
    _committed(results.root, "notes.md", "mine")
    git(there.root, "fetch", "--quiet")
    assert behind_upstream(there) is None  # it decides about nothing
    settings = (results.root / "mlrepo.toml").read_text()
    _committed(results.root, "mlrepo.toml", settings.replace('"Acme"', '"Acme Corp"'))
    _committed(results.root, "systems/beta/system.json", "{}")
    _committed(there.root, "systems/gamma/system.json", "{}")
    git(there.root, "fetch", "--quiet")
    found = Behind("main", "origin/main", 3, ("mlrepo.toml", "systems"))
    assert behind_upstream(there) == found
    assert str(found) == "main lacks 3 commits of origin/main, which change mlrepo.toml and systems"
    mlrepo(there.root, "doctor", code=None).says(f"warning branches {found}. `git pull`")
    git(there.root, "pull", "--quiet", "--no-rebase", "--no-edit")
    assert behind_upstream(there) is None


def test_a_branch_without_upstream_or_commits_is_behind_nothing(
    results: ResultsRepository, tmp_path: Path
) -> None:
    """And so is a detached HEAD."""
    assert behind_upstream(results) is None
    git(results.root, "switch", "--quiet", "--detach")
    assert behind_upstream(results) is None
    git(results.root, "switch", "--quiet", "--orphan", "new")
    assert behind_upstream(results) is None
    git(results.root, "switch", "--quiet", "main")
