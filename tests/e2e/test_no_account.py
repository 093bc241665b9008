"""A user id without an account or a home: ``docker run --user 12345``, OpenShift."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlrepo.cli.main import cli
from tests.e2e.driver import BENCH, MLREPO, environment
from tests.warm import ran

_UID = 12345
# The interpreter may be below a directory of root: reading is allowed, writing is not.
_AS_NOBODY = (
    "setpriv",
    f"--reuid={_UID}",
    f"--regid={_UID}",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)
# By command, arguments with which it does something, or refuses for a reason of its own.
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "init": ("other", "--submitter", "Acme", "--division", "open", "--system", "s"),
    "clone": ("/nonexistent/x.git", "copy"),
    "config get": ("round",),
    "config set": ("submitter", "Acme"),
    "config unset": ("category",),
    "demo": ("--help",),  # a minute long; its parts are below
    "system add": ("more",),
    "system path": ("box",),
    "system show": ("box",),
    "platform add": ("mine",),
    "platform apply": ("none",),
    "platform path": ("mine",),
    "platform show": ("none",),
    "platform use": ("none",),
    "model add": ("resnet50/x", "/nonexistent.onnx"),
    "model fetch": ("resnet50-random",),
    "model quantize": ("resnet50",),
    "model show": ("resnet50/v1.5-opset-11",),
    "dataset add": ("imagenet2012", "--path", "systems"),
    "dataset prepare": ("imagenet2012",),
    "dataset verify": ("imagenet2012",),
    "bench compliance": ("--model", "digits", "--backend", "onnx", "--scenario", "Offline"),
    "bench peak": (
        "--model",
        "digits",
        "--backend",
        "onnx",
        "--scenario",
        "Offline",
        "--budget",
        "1",
    ),
    "bench prereq": ("--backend", "onnx", "--dry-run"),
    "bench replay": ("latest",),
    "bench run": (*BENCH[2:], "--backend", "onnx"),
    "bench suite": ("--model", "digits", "--backend", "onnx", "--budget", "1"),
    "bench tune": ("--model", "digits", "--backend", "onnx", "--budget", "1"),
    "jobs cancel": ("--all",),
    "jobs logs": ("3fa9c1",),
    "raw export": ("latest", "--output", "full.json"),
    "review": (".",),
    "round import": ("/nonexistent",),
    "round show": ("v6.1",),
    "import": ("/nonexistent", "--round", "v6.0"),
    "compare": ("latest", "latest"),
    "system use": ("box",),
    "run move": ("latest", "--experiment", "other"),
    "run note": ("latest", "as it was"),
    "run restore": ("latest",),
    "run tag": ("latest", "+tried"),
    "run withdraw": ("latest", "--why", "as a test"),
    "experiment rename": ("box", "mine"),
    "export": ("out",),
    "raw push": ("backup",),
    "raw fetch": ("backup",),
    "from-ck": ("--env.CK_MLPERF_SUBMITTER=Acme",),
    "completion": ("bash",),
}


def _works() -> bool:
    probe = [*_AS_NOBODY, *MLREPO, "--version"]
    return (
        os.geteuid() == 0
        and shutil.which("setpriv") is not None
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


pytestmark = pytest.mark.skipif(not _works(), reason="needs root and setpriv, to be somebody else")


def _commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*before, name))
        else:
            yield (*before, name)


def _run(
    cwd: Path, *arguments: str, identity: bool = True, **environ: str | None
) -> subprocess.CompletedProcess[str]:
    for name in ("HOME", "USER", "LOGNAME", "GIT_CONFIG_GLOBAL"):
        environ.setdefault(name, None)
    if not identity:
        for role in ("AUTHOR", "COMMITTER"):
            environ |= {f"GIT_{role}_NAME": None, f"GIT_{role}_EMAIL": None}
    done = ran(arguments, cwd, environment(**environ), before=_AS_NOBODY)
    said = f"{' '.join(arguments)}: {done.returncode}\n{done.stdout[-1500:]}{done.stderr}"
    assert done.returncode in (0, 1, 2, 69), said
    assert "Traceback" not in done.stdout + done.stderr, said
    assert "bug of mlrepo" not in done.stderr, said
    return done


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A results repository of that user, and a directory for temporary files."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        place = Path(name)  # pytest's own directory is closed to others
        (place / "tmp").mkdir()
        for path in (place, place / "tmp"):
            os.chown(path, _UID, _UID)
        patch.setenv("TMPDIR", str(place / "tmp"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        given = ("--submitter", "Acme", "--division", "open", "--system", "box")
        assert _run(place, "init", "results", *given).returncode == 0
        yield place


@pytest.mark.parametrize("home", [None, "", "/", "relative"], ids=["unset", "empty", "/", "rel"])
def test_a_run_is_recorded(place: Path, home: str | None) -> None:
    """The benchmark that is embedded needs nothing of the user's but the repository."""
    done = _run(place / "results", *BENCH, "--backend", "onnx", HOME=home)
    assert done.returncode == 0, done.stderr
    assert "VALID" in done.stdout
    assert not (place / "results" / "relative").exists()


def test_without_an_identity_the_way_that_works_here_is_named(place: Path) -> None:
    """``git config --global`` fails where there is no home."""
    done = _run(place / "results", *BENCH, "--backend", "onnx", identity=False)
    assert done.returncode == 2
    assert "GIT_AUTHOR_NAME" in done.stderr
    assert "--global" not in done.stderr


def test_no_command_fails_for_want_of_an_account(place: Path) -> None:
    """Each does its work, or refuses with a reason of its own."""
    _run(place / "results", *BENCH, "--backend", "onnx")
    for words in _commands(cli):
        arguments = _ARGUMENTS.get(" ".join(words), ())
        done = _run(place / "results", *words, *arguments)
        assert "--help` shows the options" not in done.stderr, (words, done.stderr)


def test_what_needs_a_home_gets_one_of_its_own(place: Path) -> None:
    """Models are kept, and the user that has no account is told from others."""
    _run(place / "results", "model", "fetch", "resnet50-random")
    assert list((place / "tmp" / f"mlrepo-{_UID}").rglob("*.onnx"))
    home = place / "other"
    _run(place / "results", "model", "list", MLREPO_HOME=str(home))


def test_a_repository_of_somebody_else(place: Path) -> None:
    """Git refuses what belongs to another user, and says how to allow it."""
    shutil.copytree(place / "results", place / "roots", symlinks=True)
    for path in [place / "roots", *(place / "roots").rglob("*")]:
        os.chown(path, 0, 0, follow_symlinks=False)
    for words in (("log",), BENCH, ("doctor",), ("status",)):
        done = _run(place / "roots", *words)
        assert done.returncode in (1, 2)
        assert "safe.directory" in done.stdout + done.stderr
