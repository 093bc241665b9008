"""``mlrepo demo``: the whole workflow on real input, in one command."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from mlrepo.cli.command import Command
from mlrepo.cli.render import style
from mlrepo.scenarios import LOADGEN_SCENARIOS
from mlrepo.settings import FILE_NAME
from mlrepo.shell import quoted, shell_command

_SUBMITTER, _SYSTEM = "Demo", "this-machine"
# Says in the Git configuration that a demo made the repository; older demos are known by the names.
_MARK = "mlrepo.demo"


@click.command("demo", cls=Command)
@click.argument("directory", default="mlrepo-demo", type=click.Path(path_type=Path))
@click.option(
    "--time",
    "seconds",
    default=5.0,
    show_default=True,
    help="Seconds that each performance run lasts at least.",
)
def command(directory: Path, seconds: float) -> int:
    """Show the whole path on the embedded benchmark.

    Makes a results repository in DIRECTORY (or uses the one that an earlier demo made), runs
    accuracy and performance in all four scenarios with short durations, lists the runs, and writes
    a report of them (with the extra `report`, which `make demo` installs). A run that is INVALID
    because the machine was busy is made again with a setting that it can hold.

    \b
    Example:
      mlrepo demo
    """
    if _is_new(directory):
        _ensure_identity()
        made = _run(
            "init",
            str(directory),
            "--submitter",
            _SUBMITTER,
            "--division",
            "open",
            "--category",
            "edge",
            "--system",
            _SYSTEM,
        )
        if made != 0:
            return made
        _mark(directory)
    else:
        click.echo(f"{directory} exists from an earlier demo; its runs are kept.\n")
    inside = ("-C", str(directory))
    before = _commits(directory)
    invalid = []
    for scenario in LOADGEN_SCENARIOS:
        for mode in ("accuracy", "performance"):
            # A rate that the machine, busy with something else, does not hold is lowered.
            time = ("--time", f"{seconds:g}", "--auto") if mode == "performance" else ()
            code = _run(
                *inside,
                "bench",
                "run",
                "--benchmark",
                "digits",
                "--backend",
                "onnx",
                "--scenario",
                scenario,
                "--mode",
                mode,
                *time,
                "--tag",
                "demo",
            )
            if code not in (0, 1):
                return code
            if code:
                invalid.append(f"{scenario} {mode}")
    _run(*inside, "log", "-n", str(_commits(directory) - before))
    reported = _report(directory)
    where = quoted(directory)
    mlrepo = _command_name()
    click.echo(
        "Each line above is a commit. Look into the repository:\n"
        f"  cd {where}\n"
        f"  {mlrepo} show latest\n"
        "  git log --stat exp/this-machine\n"
        "  git ls-tree -r --name-only exp/this-machine open\n"
        f"Then make your own: {mlrepo} init results --submitter MyOrg --division open --system NAME"
    )
    if reported is not None:
        click.echo(f"Open the report in a browser: {quoted(reported)}")
    if invalid:
        click.echo(
            f"Of the runs, {', '.join(invalid)} did not become VALID: `{mlrepo} log` shows their "
            "verdicts, `show` why. This machine is too busy or too slow for so short a demo: end "
            f"other programs, or give each run more time with `{mlrepo} demo --time 20`.",
            err=True,
        )
    return 1 if invalid else 0


def _commits(directory: Path) -> int:
    """Return how many runs are recorded; retries of an INVALID one count."""
    from mlrepo.repository.process import git

    return int(git("rev-list", "--count", "--branches=exp/*", cwd=directory))


def _report(directory: Path) -> Path | None:
    """Write a report of the runs and return where it is; None without the extra `report`."""
    from importlib.util import find_spec

    if not all(map(find_spec, ("jinja2", "vl_convert"))):
        click.echo("pip install 'mlrepo[report]' lets `mlrepo report` draw these runs as a page.\n")
        return None
    if _run("-C", str(directory), "report") != 0:
        return None
    return directory.absolute() / "mlrepo-report.html"


def _run(*arguments: str) -> int:
    from mlrepo.cli.main import main

    shown = list(arguments)
    if shown[0] == "-C":
        shown = shown[2:]
    click.echo(style(f"$ mlrepo {shell_command(shown)}", bold=True))
    before = Path.cwd()
    code = main(list(arguments))
    os.chdir(before)
    click.echo()
    return code


def _is_new(directory: Path) -> bool:
    """Return whether the demo makes its repository; raise :class:`UserError` for one of others."""
    from mlrepo.errors import UserError
    from mlrepo.repository.discovery import find_git_repository, read_settings
    from mlrepo.repository.process import GitError, git

    if not directory.is_dir() or not any(directory.iterdir()):
        return True
    hint = "Name a new directory: `mlrepo demo DIRECTORY`."
    if not (directory / FILE_NAME).exists():
        kind = "a Git repository" if find_git_repository(directory) else "a directory"
        raise UserError(
            f"{directory} is {kind} that is not empty, and no demo made it; nothing was changed.",
            hint=hint,
        )
    settings = read_settings(directory / FILE_NAME)
    try:
        marked = git("config", "--local", "--type=bool", _MARK, cwd=directory).strip() == "true"
    except GitError:
        marked = False
    if not marked and (settings.get("submitter"), settings.get("system")) != (_SUBMITTER, _SYSTEM):
        raise UserError(
            f"{directory} is the results repository of {settings.get('submitter', 'somebody')}, "
            "which no demo made; nothing was recorded.",
            hint=hint,
        )
    return False


def _mark(directory: Path) -> None:
    """Remember in the repository's Git configuration that a demo made it."""
    from mlrepo.repository.process import git

    git("config", "--local", _MARK, "true", cwd=directory)


def _command_name() -> str:
    """Return how the user can call mlrepo: by name, or by its path if it is not in PATH."""
    if shutil.which("mlrepo"):
        return "mlrepo"
    return quoted(Path(sys.executable).with_name("mlrepo"))


def _ensure_identity() -> None:
    """Commit as "mlrepo demo" if git has no identity, so that the demo does not fail."""
    from mlrepo.errors import UserError
    from mlrepo.repository.identity import git_identity

    try:
        git_identity(Path.cwd())
    except UserError:
        for role in ("AUTHOR", "COMMITTER"):
            os.environ.setdefault(f"GIT_{role}_NAME", "mlrepo demo")
            os.environ.setdefault(f"GIT_{role}_EMAIL", "demo@example.invalid")
        click.echo("git does not know your name; the demo commits as 'mlrepo demo'.\n")
