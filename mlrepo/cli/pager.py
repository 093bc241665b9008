"""Long output on a terminal goes through a pager, chosen and set up as Git does.

The pager is what ``git var GIT_PAGER`` says (GIT_PAGER, core.pager, PAGER, ``less``), with
``LESS=FRX`` and ``LV=-c`` where the user has not set these. ``cat`` or nothing means none.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from mlrepo.cli.screen import Door
from mlrepo.cli.verbosity import pager_wanted

if TYPE_CHECKING:
    import subprocess

_DEFAULTS = {"LESS": "FRX", "LV": "-c"}
# Commands with these need a shell, as for Git.
_SHELL = re.compile(r"[|&;<>()$`\\\"'*?\[#~=%\n]")


@contextlib.contextmanager
def paged() -> Iterator[None]:
    """Show what is written to standard output in a pager, if it is a terminal.

    The pager starts with the first text, so that a command that fails shows none. Leaving waits
    until the user leaves the pager. If the user leaves it early, writing raises BrokenPipeError.
    """
    before = sys.stdout
    stream = before.stream if isinstance(before, Door) else before
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield
        return
    output = _PagedOutput(stream)
    sys.stdout = cast(TextIO, Door(cast(TextIO, output)))
    try:
        yield
    finally:
        sys.stdout = before
        output.close()


class _PagedOutput:
    """A text stream into the pager; into the terminal where no pager is wanted or can start."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._target: TextIO | None = None
        self._process: subprocess.Popen[str] | None = None

    def write(self, text: str) -> int:
        """Start the pager with the first text."""
        if self._target is None:
            self._target = self._start() or self._terminal
        return self._target.write(text)

    def flush(self) -> None:
        if self._target is not None:
            self._target.flush()

    def isatty(self) -> bool:
        """Colours are for the user, who reads the pager."""
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)

    def _start(self) -> TextIO | None:
        command = _pager() if pager_wanted() else ""
        if command in ("", "cat"):
            return None
        import subprocess

        words = ["sh", "-c", command] if _SHELL.search(command) else shlex.split(command)
        if not words or shutil.which(words[0]) is None:
            return None
        self._terminal.flush()
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            env=_DEFAULTS | os.environ,
            text=True,
            encoding=self._terminal.encoding,
            errors="backslashreplace",
        )
        return cast(TextIO, self._process.stdin)

    def close(self) -> None:
        """Wait for the user to leave the pager, which handles Ctrl-C itself."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
            self._process.stdin.close()
        while True:
            try:
                self._process.wait()
                return
            except KeyboardInterrupt:
                continue


def _pager() -> str:
    """Return the command of the pager; '' for none."""
    from mlrepo.errors import MlrepoError
    from mlrepo.repository.process import git

    try:
        return git("var", "GIT_PAGER", cwd=Path.cwd()).strip()
    except (MlrepoError, OSError):
        return os.environ.get("PAGER", "less").strip()
