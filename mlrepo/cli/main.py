"""The ``mlrepo`` command: runs subcommands, and turns errors into messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import click

from mlrepo import __version__
from mlrepo.cli.lazy import LazyGroup
from mlrepo.cli.screen import doors
from mlrepo.cli.verbosity import HELP_OPTIONS
from mlrepo.errors import MlrepoError

# name: (module, one line of help). A module is imported only when its command is used, so that
# `mlrepo --help` imports none; a test checks the lines against the commands' own help.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": (
        "mlrepo.cli.repository.init",
        "Make a results repository, or turn a directory into one.",
    ),
    "clone": ("mlrepo.cli.repository.clone", "Get a results repository from a URL."),
    "sync": (
        "mlrepo.cli.repository.sync",
        "Exchange runs with the others: fetch their experiment branches, push those of this clone.",
    ),
    "config": ("mlrepo.cli.repository.config", "Read and change the settings of the repository."),
    "doctor": (
        "mlrepo.cli.repository.doctor",
        "Check the repository and the machine, and fix what can be fixed.",
    ),
    "demo": ("mlrepo.cli.repository.demo", "Show the whole path on the embedded benchmark."),
    "system": ("mlrepo.cli.machine.system", "Describe the systems that are measured."),
    "platform": (
        "mlrepo.cli.machine.platform",
        "Set the machine up for measuring, and put it back.",
    ),
    "trust": (
        "mlrepo.cli.machine.trust",
        "Let the script of a platform profile run on this machine.",
    ),
    "model": ("mlrepo.cli.models.model", "Get and register the models that benchmarks run."),
    "dataset": (
        "mlrepo.cli.models.dataset",
        "Register and prepare the data sets that benchmarks need.",
    ),
    "bench": ("mlrepo.cli.bench.group", "Run LoadGen benchmarks and record each run as a commit."),
    "jobs": (
        "mlrepo.cli.jobs.group",
        "Show the jobs that were submitted by --on ENGINE: queued, running, done, lost.",
    ),
    "status": (
        "mlrepo.cli.records.status",
        "Show which runs of the round are done, INVALID, stale, too short or missing.",
    ),
    "log": ("mlrepo.cli.records.log", "List the recorded runs, newest first."),
    "show": ("mlrepo.cli.records.show", "Show everything about one run, or print one of its logs."),
    "report": ("mlrepo.cli.records.report", "Write one HTML file about all recorded runs."),
    "trend": (
        "mlrepo.cli.records.trend",
        "Show how the results of each configuration went, and since when they are better or worse.",
    ),
    "compare": ("mlrepo.cli.records.compare", "Compare runs, results or branches side by side."),
    "run": (
        "mlrepo.cli.records.run",
        "Withdraw, restore, annotate and move recorded runs.",
    ),
    "experiment": (
        "mlrepo.cli.records.experiment",
        "Rename experiments, the branches that runs are recorded on.",
    ),
    "prune": (
        "mlrepo.cli.repository.prune",
        "Remove probes, FAILED runs and full logs that no run needs.",
    ),
    "select": (
        "mlrepo.cli.submission.select",
        "Take recorded runs into the submission of the round.",
    ),
    "pack": ("mlrepo.cli.submission.pack", "Pack what is selected for a round into one file."),
    "check": ("mlrepo.cli.submission.check", "Judge a submission by the rules of its round."),
    "submit": (
        "mlrepo.cli.submission.submit",
        "Open the pull request that submits what is selected for a round.",
    ),
    "review": (
        "mlrepo.cli.submission.review",
        "Review somebody else's submission, and write the text to paste.",
    ),
    "import": (
        "mlrepo.cli.submission.import_",
        "Read published results, or LoadGen logs, into the records of this repository.",
    ),
    "export": (
        "mlrepo.cli.repository.export",
        "Write results as ordinary files: the layout of the round, or the files of runs.",
    ),
    "path": (
        "mlrepo.cli.repository.path",
        "Say where files are: print one path, or all with what is there.",
    ),
    "round": (
        "mlrepo.cli.repository.round",
        "Show the rules of each round, and import those of a new one.",
    ),
    "truncate": (
        "mlrepo.cli.submission.truncate",
        "Truncate the accuracy logs of a submission, keeping the full ones.",
    ),
    "raw": (
        "mlrepo.cli.repository.raw",
        "Handle the full accuracy logs that commits hold truncated.",
    ),
    "from-ck": ("mlrepo.cli.from_ck", "Say what a command of the CK automation of 2021 is here."),
    "completion": (
        "mlrepo.cli.completion",
        "Print the script that completes commands, options and names in a shell.",
    ),
    "help": (
        "mlrepo.cli.help",
        "Show the help of a command, or `environment`: the variables that are read.",
    ),
}

# Commands whose output is to be read; none of them asks anything.
_PAGED = frozenset(
    {"status", "log", "show", "compare", "trend", "check", "review", "round", "help"}
)

# Errors that the operating system may report without naming a file, and what to do about them.
_SPACE = "Check permissions and free space."
_FILES = "Raise the limit of open files (`ulimit -n`) and run the command again."
_MACHINE = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: _SPACE,
    errno.EIO: _SPACE,
    errno.EFBIG: "Raise the limit of file sizes (`ulimit -f`) and run the command again.",
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENOMEM: "Free memory, or raise its limit (`ulimit -v`), and run the command again.",
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": HELP_OPTIONS},
)
@click.option("-C", "directory", metavar="DIR", help="Run as if started in DIR.")
@click.version_option(__version__, prog_name="mlrepo")
@click.pass_context
def cli(ctx: click.Context, directory: str | None) -> None:
    """An MLPerf Inference results repository that is a Git repository and the tool at once.

    `mlrepo help COMMAND` explains a command; -q, -v and --no-pager may also follow its name.

    \b
    Example:
      mlrepo init results --submitter MyOrg --division open --system laptop
      cd results
      mlrepo bench run --benchmark digits --backend onnx --scenario Offline --mode performance
      mlrepo log
    """
    if directory is not None:
        try:
            os.chdir(directory)
        except OSError as error:
            raise click.UsageError(f"-C {directory}: {error.strerror}.") from error
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    elif ctx.invoked_subcommand in _PAGED and sys.stdout.isatty():
        from mlrepo.cli.pager import paged

        ctx.with_resource(paged())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code (design section 6)."""
    _prepare_streams()
    with doors():
        return _run(sys.argv[1:] if arguments is None else arguments)


def _run(arguments: list[str]) -> int:
    try:
        if asked := os.environ.get("_MLREPO_COMPLETE"):
            return _complete(asked)
        # Not cli.main(), which exits with 1 on a closed pipe.
        with cli.make_context("mlrepo", list(arguments), obj=arguments) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _usage(error, arguments)
    except MlrepoError as error:
        _say(error.message, error.hint, error.detail)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("Interrupted.", "")
        return 130
    except BrokenPipeError:
        return _reader_went_away()
    except Exception as error:
        return _bug(error, arguments)


def _complete(asked: str) -> int:
    """Print candidates for the shell; it shows no message, so without any if something is wrong."""
    from mlrepo.cli.complete import answer

    with contextlib.suppress(Exception):
        click.echo(answer(cli, asked))
    return 0


class _Messages(io.FileIO):
    """Standard error that survives a closed pipe: messages are lost, but the work goes on."""

    def write(self, data: Any, /) -> int:
        """Write all or some of the bytes; discard them once the pipe is closed."""
        try:
            return super().write(data)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return len(data)


def _prepare_streams() -> None:
    """Open /dev/null for closed streams (cron may close them), and escape unencodable text."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    buffer = getattr(sys.stderr, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # with PYTHONUNBUFFERED the buffer is the raw stream
    # The one that the process began with: it stays open, whoever lets go of its object.
    if sys.__stderr__ is not None and type(raw) is io.FileIO and sys.stderr is sys.__stderr__:
        messages = io.BufferedWriter(_Messages(raw.fileno(), "wb", closefd=False))
        sys.stderr = io.TextIOWrapper(
            messages, sys.stderr.encoding, "backslashreplace", line_buffering=True
        )


def _reader_went_away() -> int:
    """Exit quietly after a closed pipe, as in `mlrepo log | head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _usage(error: click.ClickException, arguments: list[str]) -> int:
    hint = ""
    if isinstance(error, click.UsageError):
        # Click's parser does not say of which command an option is.
        typed = itertools.takewhile(lambda word: not word.startswith("-"), arguments)
        path = error.ctx.command_path if error.ctx else " ".join(["mlrepo", *typed])
        hint = f"`{path} --help` shows the options with an example."
    _say(error.format_message(), hint)
    return 2


def _say(message: str, hint: str, detail: str = "") -> None:
    """Print the message, the framework's full error if there is one, and the hint."""
    click.echo(f"mlrepo: {message}", err=True)
    if detail:
        click.echo("  The whole reason:", err=True)
        for line in detail.splitlines():
            click.echo(f"  | {line}".rstrip(), err=True)
    if hint:
        click.echo(f"  {hint}", err=True)


def _bug(error: Exception, arguments: list[str]) -> int:
    import traceback

    found = _of_the_machine(error)
    if found is not None:
        _say(*found)
        return 2
    report = (
        f"mlrepo {__version__}, Python {sys.version}\n"
        f"command: {arguments[:2]}\n\n"  # no more: options may contain secrets
        + "".join(traceback.format_exception(error))
    )
    _say(
        f"This is a bug of mlrepo: {type(error).__name__}: {error}",
        f"The report is in {_written(report)}; please send it with an issue.",
    )
    return 70


def _of_the_machine(error: Exception) -> tuple[str, str] | None:
    """Return the message and hint for an error of the operating system, or None for a bug."""
    if not _has_directory():
        return "The current directory was deleted.", "cd into one that exists."
    if isinstance(error, OSError):
        known = _MACHINE.get(error.errno or 0)
        if error.filename is None and known is None:
            return None
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror}.", known or _SPACE
    # libgit2 has no errno: it appends the operating system's message to its own.
    for number, hint in _MACHINE.items():
        if type(error).__name__ == "GitError" and os.strerror(number).lower() in str(error).lower():
            return f"{error}.", hint
    return None


def _has_directory() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _written(report: str) -> str:
    """Write a crash report and return its path; if that fails, print it to standard error."""
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="mlrepo-crash-", suffix=".txt", dir=_crash_directory(), delete=False
        ) as file:
            file.write(report)
    except OSError:
        click.echo(report, err=True)
        return "the lines above"
    return file.name


def _crash_directory() -> str | None:
    """Return the repository's directory for crash reports; None: use the temporary directory."""
    try:
        from mlrepo.repository.discovery import find_git_repository

        repository = find_git_repository(Path.cwd())
        if repository is None:
            return None
        directory = repository.store / "crash"
        directory.mkdir(parents=True, exist_ok=True)
    except Exception:  # reporting a bug must not fail for a second reason
        return None
    return str(directory)


if __name__ == "__main__":
    sys.exit(main())
