"""Run a command on a terminal of its own and converse with it.

`pexpect.spawn` forks this process, and the frameworks that other tests load do not survive that:
TVM's handler reports a segmentation fault before the command starts. `subprocess` runs nothing of
Python in the child.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pexpect import fdpexpect

# Between a prompt and the answer: a command that asks for a secret discards what was typed before.
_PAUSE = 0.05


class Terminal:
    """A command on a terminal; what is not here is as in pexpect: `expect`, `read`, `before` …

    Attributes
    ----------
    exitstatus:
        The command's exit status after :meth:`close`, negative for a signal.
    """

    exitstatus: int

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        environ: Mapping[str, str],
        *,
        size: tuple[int, int] = (24, 80),
        timeout: float = 60,
    ) -> None:
        self._timeout = timeout
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
        # A session leader without a terminal gets the one that it opens: Ctrl-C reaches its group.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" 0<>"$0" 1>&0 2>&0', os.ttyname(slave), *command],
            cwd=cwd,
            env=dict(environ),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._talk: Any = fdpexpect.fdspawn(self._master, encoding="utf-8", timeout=timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._talk, name)

    def sendline(self, text: str = "") -> None:
        """Type a line."""
        self.send(f"{text}\n")

    def sendintr(self) -> None:
        """Type Ctrl-C."""
        self.send("\x03")

    def send(self, text: str) -> None:
        """Type some characters."""
        time.sleep(_PAUSE)
        self._talk.send(text)

    def close(self) -> None:
        """Wait for the end of the command, which must have read all that was typed."""
        self.exitstatus = self._process.wait(self._timeout)
        os.close(self._master)


def seen_on_terminal(
    command: Sequence[str],
    cwd: Path,
    environ: Mapping[str, str],
    *,
    size: tuple[int, int] = (24, 80),
    timeout: float = 120,
) -> tuple[str, int]:
    """Return all that a command shows on a terminal, and its exit status."""
    terminal = Terminal(command, cwd, environ, size=size, timeout=timeout)
    seen = str(terminal.read())
    terminal.close()
    return seen, terminal.exitstatus
