"""Run ``git``: plumbing only, without user hooks or influence from the environment."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from mlrepo.errors import MlrepoError, UserError
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

# Variables by which Git tells a hook where it runs. A command for another repository that
# inherited them would write the wrong index (pre-commit issue 300).
_LOCAL_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
)
# Do not fetch what a partial clone left out.
NO_FETCH = {"GIT_NO_LAZY_FETCH": "1"}
_LONGEST_MESSAGE = 1 << 16
# Requests and answers for this many objects fit into the pipe buffers, so neither side deadlocks.
_ASKED_AT_ONCE = 256
# Requests of some hundred bytes each that are in the pipe before the first answer is read.
_READ_AT_ONCE = 32


class GitError(MlrepoError):
    """A git command failed; the message includes git's own."""

    exit_code = 2

    def __init__(
        self, arguments: Sequence[str], returncode: int, stderr: str, stdout: bytes = b""
    ) -> None:
        said = stderr.strip() or f"exit code {returncode}"
        words = [_shown(argument) for argument in arguments]
        super().__init__(f"`{shell_command(('git', *words))}` failed: {said}")
        self.returncode = returncode
        self.stderr = stderr.strip()
        self.stdout = stdout


def git(
    *arguments: str,
    cwd: Path,
    stdin: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    in_hook: bool = False,
) -> str:
    """Run ``git`` in ``cwd`` and return its standard output as text; see :func:`git_bytes`."""
    out = git_bytes(*arguments, cwd=cwd, stdin=stdin, environ=environ, in_hook=in_hook)
    return out.decode("utf-8", errors="surrogateescape")


def git_bytes(
    *arguments: str,
    cwd: Path,
    stdin: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
    in_hook: bool = False,
) -> bytes:
    """Run ``git`` in ``cwd`` and return its standard output; see :func:`git_output`."""
    return git_output(
        *arguments, cwd=cwd, stdin=stdin, environ=environ, extra=extra, in_hook=in_hook
    )[0]


def git_output(
    *arguments: str,
    cwd: Path,
    stdin: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
    in_hook: bool = False,
) -> tuple[bytes, bytes]:
    """Run ``git`` in ``cwd`` and return its standard output and its messages.

    File system monitors and hooks of the repository's configuration are switched off, optional
    locks are not taken, and nothing prompts. ``in_hook`` keeps the variables by which Git tells a
    hook which repository and index to use: ``git commit -a`` has an index of its own.

    Raises
    ------
    GitError
        Git exits with a code other than 0.
    UserError
        There is no git on the machine.
    """
    try:
        done = subprocess.run(
            [*_command(), *arguments],
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=_environment(os.environ if environ is None else environ, in_hook=in_hook)
            | dict(extra or {}),
            check=False,
        )
    except FileNotFoundError as error:
        if not Path(cwd).is_dir():
            raise
        raise UserError(
            "git is not installed or not in PATH.", hint="Install git 2.36 or later."
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace")
        raise GitError(arguments, done.returncode, said, done.stdout)
    return done.stdout, done.stderr


def feed_git(*arguments: str, cwd: Path, chunks: Iterable[bytes], extra: Mapping[str, str]) -> None:
    """Run ``git`` in ``cwd`` with ``chunks`` as its standard input; see :func:`git_output`.

    They are never in memory all at once.
    """
    with tempfile.TemporaryFile() as messages:
        with subprocess.Popen(
            [*_command(), *arguments],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=messages,
            env=_environment(os.environ) | dict(extra),
        ) as process:
            assert process.stdin is not None
            try:
                for chunk in chunks:
                    process.stdin.write(chunk)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it says why
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            messages.seek(0)
            said = messages.read(_LONGEST_MESSAGE).decode(errors="replace")
            raise GitError(arguments, process.returncode, said)


class BlobReader:
    """One ``git cat-file`` process that reads the objects of a repository.

    Objects that a partial clone left out count as missing: a check must not fetch them one by one.
    """

    def __init__(self, cwd: Path) -> None:
        self._process = subprocess.Popen(
            [*_command(), "cat-file", "--batch-command"],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(os.environ) | NO_FETCH,
        )

    def sizes(self, oids: Sequence[str]) -> list[int]:
        """Return the size of each object in bytes, -1 for those that are missing."""
        found: list[int] = []
        for start in range(0, len(oids), _ASKED_AT_ONCE):
            asked = oids[start : start + _ASKED_AT_ONCE]
            self._ask("".join(f"info {oid}\n" for oid in asked))
            found += [self._size() for _ in asked]
        return found

    def content(self, oid: str) -> bytes:
        """Return the content of an object; empty if it is missing."""
        return next(self.contents([oid]))

    def contents(self, oids: Sequence[str]) -> Iterator[bytes]:
        """Yield the content of each object; empty if it is missing."""
        for start in range(0, len(oids), _READ_AT_ONCE):
            asked = oids[start : start + _READ_AT_ONCE]
            self._ask("".join(f"contents {oid}\n" for oid in asked))
            for _ in asked:
                yield self._content()

    def _content(self) -> bytes:
        size = self._size()
        if size < 0:
            return b""
        assert self._process.stdout is not None
        return self._process.stdout.read(size + 1)[:-1]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def _size(self) -> int:
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if not words:
            raise GitError(("cat-file", "--batch-command"), 1, "it ended before its time")
        return int(words[2]) if len(words) == 3 else -1


def open_blob(cwd: Path, oid: str) -> BinaryIO:
    """Return the content of a large object as a stream from a separate process."""
    process = subprocess.Popen(
        [*_command(), "cat-file", "blob", oid],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(os.environ) | NO_FETCH,
    )
    return cast(BinaryIO, io.BufferedReader(_Output(process)))


class _Output(io.RawIOBase):
    """The standard output of a process; closing it waits for the process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        assert self._process.stdout is not None
        return cast(io.BufferedReader, self._process.stdout).readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process.wait()
        super().close()


def _shown(argument: str) -> str:
    """Return an argument as messages may show it: a URL may contain credentials."""
    if "://" not in argument:
        return argument
    from mlrepo.redaction import shown_url

    return shown_url(argument)


def _command() -> list[str]:
    return ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]


def _environment(environ: Mapping[str, str], *, in_hook: bool = False) -> dict[str, str]:
    kept = {key: value for key, value in environ.items() if in_hook or key not in _LOCAL_VARIABLES}
    # A push sends the objects themselves, not their replacements in refs/replace.
    return kept | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C",
    }
