"""The journeys of four users: each guide in the documentation is the script of a journey.

``python -m tests.e2e.journeys`` prints their transcripts; ``test_journeys.py`` checks how many
commands lead to the goal, and that none of them ends in an error message.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.submissions import write_submission
from tests.warm import ran

DOCS = Path(__file__).parents[3] / "docs"
_CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
# How a page says that a command fails on purpose: "# exit code 1: not valid" behind it.
_ENDS = re.compile(r"\s+# exit code (\d+).*$")


@dataclass(frozen=True)
class Journey:
    """What a user wants, and the part of the guide that leads there.

    Attributes
    ----------
    page:
        The guide, below ``docs/``.
    goal:
        What the user has at the end of the sections ``reached_in``.
    most:
        The largest number of commands of mlrepo that this may take.
    """

    page: str
    goal: str
    reached_in: tuple[str, ...]
    most: int


JOURNEYS = (
    Journey(
        "guides/engineer.md",
        "from nothing to a rehearsed submission",
        ("From nothing to a rehearsed submission",),
        8,
    ),
    Journey(
        "guides/team.md",
        "the runs of another machine in one's own repository",
        ("One hub", "Each machine", "Together"),
        11,
    ),
    Journey("guides/reviewer.md", "a review to paste", ("One command",), 1),
    Journey("guides/researcher.md", "two versions compared", ("Before and after",), 4),
)


@dataclass(frozen=True)
class Step:
    """A command of a page, and what came of it."""

    section: str
    command: str
    expected: int
    code: int
    out: str
    err: str

    @property
    def of_mlrepo(self) -> bool:
        """Whether it is one of mlrepo's commands."""
        return self.command.startswith("mlrepo ")

    @property
    def failed(self) -> bool:
        """Whether an error message was met: another exit code than the page says, or an error."""
        return self.code != self.expected or "Error" in self.err or "Traceback" in self.err


def commands(page: str) -> Iterator[tuple[str, str, int]]:
    """Yield section, command and expected exit code of each command that a page runs."""
    for part in re.split(r"^#+ ", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE):
        section = part.partition("\n")[0]
        for block in _CONSOLE.findall(part):
            for line in block.splitlines():
                if line.startswith("$ "):
                    ends = _ENDS.search(line)
                    yield section, _ENDS.sub("", line[2:]), int(ends[1]) if ends else 0


def run(page: str, directory: Path) -> list[Step]:
    """Run the commands of a page in a directory, in which a submission to review lies."""
    write_submission(directory / "their-submission", "v6.1")
    home = directory / "home"
    home.mkdir()
    environ = {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{role}_NAME": "Ada" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "ada@example.org" for role in ("AUTHOR", "COMMITTER")},
    }
    cwd, steps = directory, []
    for section, command, expected in commands(page):
        words = shlex.split(command)
        if words[0] == "cd":
            cwd = (cwd / words[1]).resolve()
            continue
        done = (
            ran(tuple(words[1:]), cwd, environ)
            if words[0] == "mlrepo"
            else subprocess.run(
                words, cwd=cwd, env=environ, capture_output=True, text=True, check=False
            )
        )
        steps.append(Step(section, command, expected, done.returncode, done.stdout, done.stderr))
    return steps
