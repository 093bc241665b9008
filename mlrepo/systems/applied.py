"""What became of a platform profile: as it is shown and recorded."""

from __future__ import annotations

from dataclasses import dataclass

from mlrepo.record import KnobFacts, PlatformFacts, ScriptFacts
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

    def facts(self) -> PlatformFacts:
        """Return what a run record keeps."""
        script = self.script
        return PlatformFacts(
            profile=self.profile,
            changes=tuple(
                KnobFacts(c.key, c.path, c.before, c.wanted, c.after, c.problem)
                for c in self.changes
            ),
            prefix=self.prefix,
            pin_problem=self.pin_problem,
            script=None
            if script is None
            else ScriptFacts(
                script.name, script.sha256, script.action, script.output, script.problem
            ),
            problems=self.problems,
        )
