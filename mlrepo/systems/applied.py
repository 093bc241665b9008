"""What became of a platform profile: as it is shown and recorded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mlrepo.systems.scripts import ScriptRun


@dataclass(frozen=True)
class Change:
    """One knob: what it held, what was wanted, what it holds now, and why that is not the same."""

    key: str
    path: str
    before: str = ""
    wanted: str = ""
    after: str = ""
    problem: str = ""

    @property
    def label(self) -> str:
        """What to call it: the kernel's file, or what was asked for where there is none."""
        return f"/{self.path}" if self.path else self.key


@dataclass(frozen=True)
class Applied:
    """What became of a profile: the changes, the command prefix, and what could not be done."""

    profile: str
    changes: tuple[Change, ...] = ()
    prefix: tuple[str, ...] = ()
    pin_problem: str = ""
    script: ScriptRun | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence per thing that could not be done."""
        found = [
            f"{c.key} ({'/' + c.path if c.path else 'no file'}): {c.problem}"
            for c in self.changes
            if c.problem
        ]
        if self.pin_problem:
            found.append(f"pin: {self.pin_problem}")
        if self.script and self.script.problem:
            found.append(f"script {self.script.name}: {self.script.problem}")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return what a run record keeps."""
        return asdict(self)
