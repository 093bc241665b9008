"""Impossible requests are refused at once: exit code, reason and hint, and nothing changes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.driver import BENCH, MLREPO, bench, environment, everything, mlrepo, spooled
from tests.samples import git

PERFORMANCE = ("--mode", "performance")
SINGLE = ("--scenario", "SingleStream", *PERFORMANCE)
SERVER = ("--scenario", "Server", *PERFORMANCE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*PERFORMANCE, "--time", "0"), ("--time must be a positive number",)),
        ((*PERFORMANCE, "--time", "nan"), ("--time must be a positive number",)),
        ((*PERFORMANCE, "--time", "0.0001"), ("--time", "millisecond")),
        ((*PERFORMANCE, "--time", "1e300"), ("min_duration is too large", "ms")),
        ((*PERFORMANCE, "--qps", "-5"), ("--qps must be a positive number", "-5")),
        ((*PERFORMANCE, "--qps", "many"), ("--qps", "many", "not a valid float")),
        (("--count", "0"), ("--count must be a positive number",)),
        (("--count", "1.5"), ("--count", "1.5", "integer")),
        (("--threads", "0"), ("--threads must be a positive number",)),
        (("--max-batchsize", "-1"), ("--max-batchsize must be a positive number",)),
        (("--threads", "1000000"), ("--threads 1000000 is more than",)),
        (("--max-batchsize", "1000000000"), ("--max-batchsize 1000000000 is more than 65536",)),
        (("--timeout", "0"), ("--timeout must be a positive number",)),
        ((*SINGLE, "--qps", "5"), ("--qps does not apply to SingleStream", "--max-latency")),
        ((*PERFORMANCE, "--max-latency", "1"), ("--max-latency does not apply to Offline",)),
        ((*SERVER, "--max-latency", "0.0015"), ("target_latency", "cut", "1.5", "whole number")),
        (("--samples-per-query", "4"), ("--samples-per-query does not apply to Offline",)),
        (("--time", "3"), ("--time does not apply to accuracy runs", "--count")),
        (("--set", "min_quary_count=5"), ("min_quary_count", "min_query_count")),
        (("--set", "qsl_rng_seed=1"), ("qsl_rng_seed", "mlperf.conf", "rules")),
        (("--set", "target_qps=fast"), ("target_qps", "must be a number", "fast")),
        (("--set", "min_query_count=010"), ("min_query_count", "010", "whole number")),
        (("--set", "min_query_count"), ("min_query_count", "key=value")),
        (("--set", "Offline.target_qps=5"), ("Offline.target_qps", "model.scenario.key")),
        (("--set", "resnet50.Offline.target_qps=5"), ("resnet50.Offline.target_qps", "apply")),
        (("--set", "digits.Server.target_qps=5"), ("digits.Server.target_qps", "apply")),
        (("--set", "min_query_count=7", *PERFORMANCE, "--count", "5"), ("contradicts", "Give one")),
        (("--set", "mode=2"), ("mode", "Use --mode")),
        (("--model", "resnet5000"), ("no benchmark 'resnet5000'", "digits")),
        (("--scenario", "Interactive"), ("Interactive", "Offline, SingleStream")),
        (("--backend", "tpu"), ("no backend 'tpu'", "onnx")),
        (("--mode", "fast"), ("'fast' is not a mode", "accuracy")),
        (("--round", "v9.9"), ("no rules for the round 'v9.9'", "v6.1")),
        (("--round", "latest"), ("'latest'", "round", "v6.1")),
        (("--round", "v0.7", *PERFORMANCE), ("v0.7", "LoadGen", "v1.0")),
        (("--division", "shut"), ("'shut'", "division", "closed, open, network")),
        (("--category", "cloud"), ("'cloud'", "category", "datacenter")),
        (("--submitter", "../Acme"), ("submitter", "../Acme")),
        (("--system", "laptop"), ("no system 'laptop'", "box", "mlrepo system add laptop")),
        (("--system", "../box"), ("system", "../box")),
        (("--experiment", "Tuning"), ("'Tuning'", "lower-case")),
        (("--experiment", "a/b"), ("'a/b'", "experiment")),
        (("--experiment", "x.lock"), ("'x.lock'", ".lock")),
        (("--experiment", "a..b"), ("'a..b'", "..")),
        (("--experiment", "é"), ("'é'", "letters")),
        (("--experiment", "a" * 65), ("64",)),
        (("--model-file", "absent.onnx"), ("absent.onnx does not exist", "Check the path")),
        (("--model-file", "systems"), ("systems", "--model-file")),
        (("--user-conf", "absent.conf"), ("absent.conf", "--user-conf")),
        (("--user-conf", "README.md"), ("README.md:3", "LoadGen setting")),
        (("--prefix", "numactl-not-here -N0"), ("numactl-not-here", "--prefix")),
        (("--prefix", "./README.md"), ("README.md", "--prefix")),
        (("--prefix", "env 'A=1"), ("command prefix", "quotation")),
        (("--model",), ("--model", "requires an argument")),
        (("--colour", "red"), ("--colour", "--help")),
        (("--tag", ""), ("--tag", "empty")),
        (("--tag", "a,b"), ("--tag", "comma")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_request_that_cannot_be_executed_changes_nothing(
    root: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """A wrong option is a user error that names it, and repository and working tree stay as is."""
    before = everything(root)
    done = mlrepo(root, *BENCH, *arguments, code=2)
    done.says(*words)
    assert done.out == ""
    assert everything(root) == before
    assert spooled(root) == []


def test_a_user_conf_that_loadgen_would_misread_is_refused_with_its_line(root: Path) -> None:
    """The system's own user.conf is checked as well, and the message names file and line."""
    conf = root / "systems" / "box" / "user.v6.1.conf"
    conf.write_text("# fine\n*.Offline.target_qps = 5\n*.Offline.min_query_count=3\n")
    mlrepo(root, *BENCH, code=2).says("systems/box/user.v6.1.conf:3", "spaces around the =")
    assert spooled(root) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("round = v6.1\n", ("mlrepo.toml", "not valid TOML", "line 1")),
        ('colour = "red"\n', ("mlrepo.toml", "unknown setting 'colour'", "submitter")),
        ('[official]\nrepo = "x"\n', ("unknown setting 'official.repo'", "official.repository")),
        ('submitter = ["Acme"]\n', ("mlrepo.toml", "submitter", "one plain value")),
        ('submitter = ""\ndivision = "open"\n', ("submitter is not set", "config set submitter")),
        ('submitter = "a/b"\ndivision = "open"\n', ("mlrepo.toml", "submitter", "a/b")),
        (b"\xff\xfe", ("mlrepo.toml", "not valid TOML")),
    ],
    ids=["TOML", "unknown key", "unknown key in a table", "list", "empty", "path", "bytes"],
)
@pytest.mark.parametrize("command", [BENCH, ("config", "list"), ("doctor",)], ids=" ".join)
def test_a_malformed_settings_file_is_named_with_what_is_wrong(
    root: Path, settings: str | bytes, words: tuple[str, ...], command: tuple[str, ...]
) -> None:
    """No command guesses around a broken mlrepo.toml."""
    data = settings if isinstance(settings, bytes) else settings.encode()
    (root / "mlrepo.toml").write_bytes(data)
    if command != BENCH and b'submitter = ""' in data:
        mlrepo(root, *command)  # unset is not malformed: only what needs it complains
        return
    mlrepo(root, *command, code=2).says(*words)
    assert spooled(root) == []


@pytest.mark.parametrize(
    "command",
    [
        BENCH,
        ("log",),
        ("show",),
        ("doctor",),
        ("config", "list"),
        ("raw", "list"),
        ("system", "list"),
    ],
    ids=" ".join,
)
def test_outside_of_a_results_repository_the_way_in_is_named(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Commands about a repository say how to make or get one."""
    done = mlrepo(tmp_path, *command, code=2)
    done.says(str(tmp_path), "not inside a results repository", "mlrepo init", "mlrepo clone")


def test_a_git_repository_without_settings_is_told_from_a_results_repository(
    tmp_path: Path,
) -> None:
    """Somebody's ordinary Git repository is not taken for a results repository."""
    git(tmp_path, "init", "--quiet")
    mlrepo(tmp_path, *BENCH, code=2).says("no mlrepo.toml", "mlrepo init --adopt")
    assert not (tmp_path / ".git" / "mlrepo").exists()


def test_a_bare_repository_is_not_a_results_repository(tmp_path: Path) -> None:
    """A bare repository has no working tree in which settings could stand."""
    git(tmp_path, "init", "--quiet", "--bare")
    mlrepo(tmp_path, *BENCH, code=2).says("not inside a results repository")


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """``-C`` with a wrong directory is a usage error."""
    mlrepo(tmp_path, "-C", "absent", "log", code=2).says("-C absent", "No such file")


def test_without_a_git_identity_nothing_is_started(root: Path, tmp_path: Path) -> None:
    """Ten hours of benchmark must not end with "please tell me who you are"."""
    before = everything(root)
    nobody = dict.fromkeys(
        [
            "GIT_AUTHOR_NAME",
            "GIT_AUTHOR_EMAIL",
            "GIT_COMMITTER_NAME",
            "GIT_COMMITTER_EMAIL",
            "GIT_CONFIG_GLOBAL",
            "EMAIL",
        ]
    )
    home = tmp_path / "empty-home"
    home.mkdir()
    done = mlrepo(root, *BENCH, code=2, HOME=str(home), **nobody)
    done.says("Git does not know who you are", 'git config --global user.name "Your Name"')
    assert everything(root) == before


@pytest.mark.parametrize("worktree", [False, True], ids=["main tree", "linked tree"])
def test_a_branch_that_is_checked_out_is_refused_before_the_benchmark(
    root: Path, tmp_path: Path, worktree: bool
) -> None:
    """Recording would move the branch under the user's feet."""
    git(root, "branch", "exp/box")
    if worktree:
        git(root, "worktree", "add", "--quiet", str(tmp_path / "linked"), "exp/box")
    else:
        git(root, "switch", "--quiet", "exp/box")
    before = everything(root)
    done = mlrepo(root, *BENCH, code=2)
    done.says("exp/box is checked out", "git switch -", "--experiment NAME")
    assert everything(root) == before
    assert bench(root, "--experiment", "other")["experiment"] == "other"


@pytest.mark.parametrize("command", [BENCH, ("log",), ("show",), ("raw", "list")], ids=" ".join)
def test_a_sha256_repository_is_refused_with_the_reason(
    root: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """libgit2 cannot write SHA-256 repositories; that is said before anything is measured."""
    other = tmp_path / "sha256"
    other.mkdir()
    git(other, "init", "--quiet", "--object-format=sha256")
    git(other, "config", "mlrepo.system", "box")
    for name in ("mlrepo.toml", "systems"):
        (root / name).rename(other / name)
    git(root, "restore", ".")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "--message", "Begin")
    git(other, "config", "mlrepo.system", "box")
    before = everything(other)
    mlrepo(other, *command, code=2).says("SHA-256 objects", "--object-format=sha1")
    assert everything(other) == before
    mlrepo(other, "doctor", code=1).says("problem", "formats", "SHA-256")


@pytest.mark.parametrize("content", ["{", "[]", "\xff"], ids=["cut", "list", "bytes"])
def test_a_broken_system_description_is_refused(root: Path, content: str) -> None:
    """A run whose system nobody can describe is not worth measuring."""
    path = root / "systems" / "box" / "system.json"
    path.write_bytes(content.encode("latin-1"))
    mlrepo(root, *BENCH, code=2).says("systems/box/system.json", "JSON")
    assert spooled(root) == []


@pytest.fixture
def make_read_only() -> Iterator[Callable[[Path], None]]:
    """Return a function that takes away the right to write below a directory, also for root."""
    undo: list[Callable[[], object]] = []

    def make(path: Path) -> None:
        if os.getuid() != 0:
            for directory, _, _ in os.walk(path):
                Path(directory).chmod(0o555)
                undo.append(partial(Path(directory).chmod, 0o755))
            return
        for options in (["--bind"], ["-o", "remount,ro,bind"]):
            mounted = subprocess.run(
                ["mount", *options, path, path], capture_output=True, text=True, check=False
            )
            if mounted.returncode:
                pytest.skip(f"root may write everywhere, and cannot mount here: {mounted.stderr}")
            if not undo:
                undo.append(lambda: subprocess.run(["umount", path], check=True))

    yield make
    for action in undo:
        action()


def test_a_read_only_repository_is_refused_before_the_benchmark(
    root: Path, make_read_only: Callable[[Path], None]
) -> None:
    """What cannot be recorded is not measured; reading still works."""
    before = everything(root)
    make_read_only(root)
    done = mlrepo(root, *BENCH, code=2)
    done.says(str(root), "must be writable")
    assert everything(root) == before
    mlrepo(root, "log").says("No run matches")
    mlrepo(root, "doctor", code=None).says(
        "warning rights", f"cannot write to {root}/.git", "mlrepo clone"
    )
    tuning = mlrepo(root, "bench", "tune", "--benchmark", "digits", "--backend", "patient", code=2)
    tuning.says("systems/box/tuned.json cannot be written")
    mlrepo(root, "config", "set", "round", "v6.0", code=2).says("mlrepo.toml", "read-only")
    mlrepo(root, "system", "add", "other", code=2).says("systems", "read-only")


def test_a_deleted_working_directory_is_named(root: Path) -> None:
    """Whatever the command: the directory is at fault, not mlrepo."""
    for command in ("log", "doctor", "status", "round list", "review .", "config list"):
        gone = root / "gone"
        gone.mkdir()
        done = subprocess.run(
            ["sh", "-c", f'rmdir ../gone && exec "$@" {command}', "sh", *MLREPO],
            cwd=gone,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2, f"{command}: {done.stderr}"
        assert "directory" in done.stderr


@pytest.mark.parametrize(("limit", "word"), [("-n 12", "open files"), ("-f 8", "too large")])
def test_a_limit_of_the_machine_is_named(root: Path, limit: str, word: str) -> None:
    """What the operating system refuses is for the user to change, and is no bug."""
    done = subprocess.run(
        ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *MLREPO, *BENCH],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert word in done.stderr
    mlrepo(root, "doctor", "--fix")  # what was measured is recorded without the limit
    assert spooled(root) == []


@pytest.mark.parametrize("text", ["a=" + "[" * 50_000 + "]" * 50_000, "[" + "a." * 50_000 + "b]"])
def test_settings_nested_without_end_are_named(root: Path, text: str) -> None:
    """Python cannot read them, and says so by an error of its own."""
    (root / "mlrepo.toml").write_text(text + "\n")
    for arguments in (("config", "list"), ("doctor",), ("config", "set", "round", "v6.0")):
        mlrepo(root, *arguments, code=2).says("mlrepo.toml", "not valid TOML")
