"""A real SSH server on the loopback, with keys, port and files of its own; needs ``sshd``."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
# Debian's sshd wants it if root starts it.
_RUN = Path("/run/sshd")


class SshServer:
    """The server; a context manager.

    Attributes
    ----------
    port:
        Where it listens, on 127.0.0.1.
    user:
        Who may log in, with the key of :attr:`command`.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.user = getpass.getuser()
        self.port = _free_port()
        for name in ("host", "client"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name))
        (directory / "authorized").write_bytes((directory / "client.pub").read_bytes())
        public = (directory / "host.pub").read_text().split()
        (directory / "known").write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")
        (directory / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\n"
            f"AuthorizedKeysFile {directory}/authorized\nPidFile {directory}/pid\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            "Subsystem sftp internal-sftp\n"
        )

    @property
    def command(self) -> str:
        """The value of ``core.sshCommand`` for its clients."""
        return (
            f"ssh -F /dev/null -i {self.directory}/client -o IdentitiesOnly=yes -o BatchMode=yes "
            f"-o UserKnownHostsFile={self.directory}/known -o StrictHostKeyChecking=yes"
        )

    def url(self, path: Path) -> str:
        """Return the URL of a repository on this machine."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}{path}"

    def __enter__(self) -> SshServer:
        if os.getuid() == 0:
            _RUN.mkdir(exist_ok=True)
        assert SSHD is not None
        self._process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(self.directory / "config")],
            stdin=subprocess.DEVNULL,
            stderr=(self.directory / "log").open("wb"),
        )
        deadline = time.monotonic() + 10
        while not _answers(self.port):
            assert self._process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline, "sshd does not answer"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
