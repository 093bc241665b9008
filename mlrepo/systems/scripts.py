"""Scripts of platform profiles: run only where the user trusts their very bytes.

A results repository comes from anywhere, and a script in it runs with the rights of who measures.
So a hash of what the user has read lies under the Git directory, which no clone or pull brings
along, and what runs is a copy of the bytes that were hashed, not the file of that name.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError, telling_line
from mlrepo.repository.files import write_atomically

APPLY, RESTORE = "apply", "restore"
SECONDS = 60.0
_KEPT_OUTPUT = 2000


@dataclass(frozen=True)
class Script:
    """A script of a profile: its file's name below ``platforms/``, and its bytes."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """The hash that trust is about."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class ScriptRun:
    """One call of a script: what it printed last, and why it did not do what was asked."""

    name: str
    sha256: str
    action: str
    output: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Scripts:
    """The scripts that are trusted in one repository.

    Attributes
    ----------
    directory:
        Where the list lies and the copies that run: mlrepo's own store, never committed.
    """

    directory: Path

    @property
    def file(self) -> Path:
        """The list of trusted hashes."""
        return self.directory / "trusted.json"

    def trusted(self) -> dict[str, dict[str, str]]:
        """Return name and date by hash.

        Raises
        ------
        UserError
            The list is damaged: nothing is trusted by it.
        """
        try:
            found = json.loads(self.file.read_bytes())
            return {str(key): dict(entry) for key, entry in found.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError) as error:
            raise UserError(
                f"{self.file} is damaged: {error}.", hint="Remove it, and trust again."
            ) from error

    def trust(self, script: Script) -> None:
        """Store the hash of a script that the user has read."""
        since = datetime.datetime.now(datetime.UTC).date().isoformat()
        self._write(self.trusted() | {script.sha256: {"name": script.name, "since": since}})

    def distrust(self, script: Script) -> bool:
        """Forget the hash; say whether it was there."""
        known = self.trusted()
        if script.sha256 not in known:
            return False
        self._write({key: entry for key, entry in known.items() if key != script.sha256})
        return True

    def keep(self, script: Script) -> str:
        """Keep a copy of a trusted script to be run; return why not, or an empty string."""
        if script.sha256 not in self.trusted():
            return "it is not trusted: read it, then run `mlrepo trust`"
        write_atomically(self._copy(script.sha256), script.data)
        self._copy(script.sha256).chmod(0o700)
        return ""

    def run(self, name: str, sha256: str, action: str) -> ScriptRun:
        """Run the kept copy with ``apply`` or ``restore`` as its argument.

        It is run only when its bytes still have that hash and the hash is still trusted. It has no
        terminal, a minute, and a session of its own, so that Ctrl-C does not cut it in two.
        """
        copy = self._copy(sha256)
        try:
            data = copy.read_bytes()
        except OSError as error:
            return ScriptRun(name, sha256, action, problem=f"its copy: {error.strerror}")
        if hashlib.sha256(data).hexdigest() != sha256 or sha256 not in self.trusted():
            return ScriptRun(name, sha256, action, problem="it is not trusted")
        try:
            done = subprocess.run(
                [copy, action],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ScriptRun(name, sha256, action, problem=f"it took more than {SECONDS:.0f} s")
        except OSError as error:
            problem = f"{error.strerror}: a script begins with #! and its interpreter"
            return ScriptRun(name, sha256, action, problem=problem)
        output = done.stdout.decode(errors="replace").strip()[-_KEPT_OUTPUT:]
        problem = f"exit code {done.returncode}" if done.returncode else ""
        if problem and output:
            problem += f": {telling_line(output)}"
        return ScriptRun(name, sha256, action, output, problem)

    def discard(self, sha256: str) -> None:
        """Remove the copy of a script that has put everything back."""
        self._copy(sha256).unlink(missing_ok=True)

    def _copy(self, sha256: str) -> Path:
        return self.directory / f"script-{sha256}"

    def _write(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        owner = self.directory.parent.stat()
        write_atomically(self.file, (json.dumps(entries, indent=1) + "\n").encode())
        if os.geteuid() == 0:  # under sudo: the repository's owner goes on to use it
            os.chown(self.file, owner.st_uid, owner.st_gid)
