"""Fixtures shared by all tests: real Git repositories, isolated from the user's configuration."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from tests import outside
from tests.samples import git

_FOREIGN = ("GIT_", "MLREPO_", "CK_MLPERF_INFERENCE_", "XDG_", "SSH_", "GPG_")
_HOME = pytest.StashKey[str]()
_SETTINGS = """\
round = "v6.1"
division = "closed"
submitter = "Acme"
system = "alpha"
"""


_MANY_FILES = 200
MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(autouse=True)
def few_open_files() -> Iterator[None]:
    """Close what forgotten repositories hold open: select(2) knows no descriptor beyond 1023."""
    yield
    if sum(1 for _ in Path("/proc/self/fd").iterdir()) > _MANY_FILES:
        gc.collect()


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests a home and an identity of their own, before libgit2 reads the real ones."""
    # A shell starts its background jobs deaf to Ctrl-C, and so are all whom they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup(1) makes them deaf to that
    home = tempfile.mkdtemp(prefix="mlrepo-home-")
    config.stash[_HOME] = home
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        if name not in outside.MISSING:
            del os.environ[name]
    os.environ.pop("EMAIL", None)
    os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and tables would fit it
    # Without bytecode each of some thousand commands would compile the whole of mlrepo.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ |= {
        "HOME": home,
        "GIT_CONFIG_GLOBAL": str(Path(home) / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada Author",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Carl Committer",
        "GIT_COMMITTER_EMAIL": "carl@example.org",
    }


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the home of the tests."""
    shutil.rmtree(config.stash[_HOME], ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was skipped for want of data, and how to have them: a skip is easily overlooked."""
    reasons = [
        str(report.longrepr[2])
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    ]
    for line in outside.skipped(reasons):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> MadeOnce:
    """Return a function that makes a directory, once for all processes of a test run.

    It takes a name and what makes the directory; the result is to be read only.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base

    def made(name: str, make: Callable[[Path], object]) -> Path:
        path = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                shutil.rmtree(path.with_suffix(".new"), ignore_errors=True)  # of one that failed
                make(path.with_suffix(".new"))
                path.with_suffix(".new").rename(path)
        return path

    return made


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., ResultsRepository]:
    """Return a function that makes a results repository below the test's directory."""

    def make(name: str = "results", *options: str) -> ResultsRepository:
        return make_results_repository(tmp_path / name, *options)

    return make


@pytest.fixture
def results(make_repository: Callable[..., ResultsRepository]) -> Iterator[ResultsRepository]:
    """A results repository whose only commit holds ``mlrepo.toml`` and a ``README.md``."""
    repository = make_repository()
    yield repository
    # Whatever the test did, the repository must be sound.
    git(repository.root, "fsck", "--strict", "--no-progress")


@pytest.fixture
def recorder(results: ResultsRepository) -> Recorder:
    """A recorder for :func:`results`, with the identity of the tests."""
    return Recorder(results, git_identity(results.root))


def make_results_repository(root: Path, *options: str) -> ResultsRepository:
    """Make a results repository with one commit on ``main``."""
    root.mkdir(parents=True)
    git(root, "init", "--quiet", "--initial-branch=main", *options)
    (root / "mlrepo.toml").write_text(_SETTINGS)
    (root / "README.md").write_text("Results of Acme\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Begin")
    return find_repository(root)


@pytest.fixture
def small_mount(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of its own with 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)
