"""Reading a machine: its files below a root directory, and what its own tools answer.

The root is ``/`` for this machine. Another directory stands for a recorded machine: its ``proc``,
``sys``, ``etc`` and ``dev``, and below ``commands`` what its tools printed, one file per command
line (``lscpu_-J``), and in ``nvml.json`` what NVML answered (:class:`~nvml.RecordedNvml`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlrepo.systems import nvml

_COMMAND_SECONDS = 5.0


@dataclass(frozen=True)
class Fact:
    """A detected value and the file, tool or call it was read from."""

    value: str
    source: str


@dataclass(frozen=True)
class Detection:
    """What is known of a machine.

    Attributes
    ----------
    facts:
        By field: those of the rounds' system descriptions, and further ones (``kernel``,
        ``numa_nodes``, ``virtualisation``, …).
    unknown:
        By field, why it could not be read.
    """

    facts: Mapping[str, Fact]
    unknown: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What a tool printed, or why it has no answer."""

    text: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Machine:
    """Reads one machine.

    Attributes
    ----------
    root:
        ``/``, or the directory of a recorded machine.
    tools:
        Whether programs and NVML may be asked: False for what must be quick.
    """

    root: Path = field(default_factory=lambda: Path("/"))
    tools: bool = True

    @property
    def is_this(self) -> bool:
        """Whether it is the machine that this process runs on."""
        return self.root == Path("/")

    def text(self, path: str) -> str:
        """Return a file's text without the white space around it; empty where unreadable."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except (OSError, ValueError):
            return ""

    def number(self, path: str) -> int | None:
        """Return the whole number that a file holds, or None."""
        try:
            return int(self.text(path))
        except ValueError:
            return None

    def has(self, path: str) -> bool:
        """Return whether there is such a file."""
        try:
            return (self.root / path).exists()
        except OSError:
            return False

    def glob(self, pattern: str) -> Iterator[str]:
        """Yield the paths that match, relative to the root, numbers in names by their value."""
        found = self.root.glob(pattern)
        yield from sorted((str(p.relative_to(self.root)) for p in found), key=_natural)

    def ask(self, *command: str) -> Answer:
        """Return what a tool of the machine prints; every way to fail is a named problem."""
        if not self.tools:
            return Answer(problem=f"{command[0]} was not asked")
        if not self.is_this:
            text = self.text("commands/" + "_".join(command))
            return Answer(text, "" if text else f"{command[0]} is not installed")
        return _run(command)

    def nvidia(self) -> nvml.Gpus:
        """Return the NVIDIA devices as NVML reports them, or why it cannot."""
        if not self.tools:
            return nvml.Gpus(problem="NVML was not asked")
        if self.is_this:
            return nvml.read_gpus()
        recorded = self.text("commands/nvml.json")
        if not recorded:
            return nvml.Gpus(problem="NVML is not recorded for this machine")
        return nvml.read_gpus_from(nvml.RecordedNvml(json.loads(recorded)))


def _run(command: Sequence[str]) -> Answer:
    name = command[0]
    # dmidecode and its like are not on a user's PATH.
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if program is None:
        return Answer(problem=f"{name} is not installed")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(problem=f"{name}: {error}")
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        problem = lines[-1] if lines else f"exit {done.returncode}"
        root = " (needs root)" if "ermission denied" in problem else ""
        return Answer(problem=f"{name}: {problem}{root}")
    return Answer(done.stdout.strip())


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a sorting key by which cpu10 comes after cpu9."""
    key: list[tuple[int, str]] = []
    digits = ""
    for char in text + "\0":
        if char.isdecimal():
            digits += char
            continue
        if digits:
            key.append((int(digits), ""))
            digits = ""
        key.append((-1, char))
    return key
