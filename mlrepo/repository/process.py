"""The only place that starts ``git``: plumbing, no user hooks, no surprise from the environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlrepo.errors import MlrepoError, UserError

# Variables by which Git tells a hook where it runs. A command about another repository that
# inherits them would write the wrong index (pre-commit issue 300).
_LOCAL_VARIABLES = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE",
)  # fmt: skip


class GitError(MlrepoError):
    """A git command failed; the message holds what git said."""

    exit_code = 2

    def __init__(self, arguments: Sequence[str], returncode: int, stderr: str) -> None:
        said = stderr.strip() or f"exit code {returncode}"
        super().__init__(f"`git {' '.join(arguments)}` failed: {said}")
        self.returncode = returncode
        self.stderr = stderr.strip()


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
    in_hook: bool = False,
) -> bytes:
    """Run ``git`` in ``cwd`` and return its standard output.

    File system monitors and hooks of the repository's configuration are switched off, optional
    locks are not taken, and nothing prompts. ``in_hook`` keeps the variables by which Git tells a
    hook which repository and index it is about: the index of ``git commit -a`` is not the usual.

    Raises
    ------
    GitError
        Git exits with another code than 0.
    UserError
        There is no git on the machine.
    """
    env = {
        key: value
        for key, value in (os.environ if environ is None else environ).items()
        if in_hook or key not in _LOCAL_VARIABLES
    }
    env |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        if not Path(cwd).is_dir():
            raise
        raise UserError(
            "git is not installed or not in PATH.", hint="Install git 2.36 or later."
        ) from error
    if done.returncode != 0:
        raise GitError(arguments, done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout
