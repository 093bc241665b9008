"""Bringing a machine into a profile's state and back, also after a crash.

The old state is in a journal on the disk before the first write. The process that runs a benchmark
holds a lock that dies with it: a journal without a holder was left by a crash, and
:meth:`Tuner.recover` completes it. The journal is named by the machine's boot, so that it restores
neither another machine that shares the disk nor one that was restarted since.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlrepo.errors import Busy, UserError
from mlrepo.repository.locks import hold_if_free
from mlrepo.systems.applied import Applied, Change
from mlrepo.systems.journal import RUN, USER, Journal, JournalEntry
from mlrepo.systems.knobs import Knob, knobs, read_knob, write_knob
from mlrepo.systems.machine import Machine
from mlrepo.systems.profiles import Profile, cpu_numbers
from mlrepo.systems.scripts import APPLY, RESTORE, ScriptRun, Scripts


@dataclass(frozen=True)
class Tuner:
    """Sets one machine up and puts it back.

    Attributes
    ----------
    machine:
        The machine; in tests a recorded one.
    directory:
        Where journal and lock lie: the repository's own store, never committed.
    """

    machine: Machine
    directory: Path

    @property
    def journal(self) -> Journal:
        """The journal of this boot of this machine."""
        boot = self.machine.text("proc/sys/kernel/random/boot_id") or "unknown"
        return Journal(self.directory / f"state-{boot}.json")

    @property
    def scripts(self) -> Scripts:
        """The scripts that are trusted here."""
        return Scripts(self.directory)

    @contextlib.contextmanager
    def applied(self, profile: Profile) -> Iterator[Applied]:
        """Hold the profile's state while the body runs; restore it however that ends.

        Raises
        ------
        UserError
            The profile requires a state that cannot be reached; nothing is changed then.
        Busy
            Another run has a profile applied, or ``mlrepo platform apply`` was not undone.
        """
        if not profile.state and not profile.script:
            self.recover()  # there is nothing to put back, so runs do not exclude each other
            yield self._checked(profile, Applied(profile.name, (), *self.prefix(profile)))
            return
        with self._held():
            self.recover_held()
            if self.applied_by_user() == profile.name:  # as root, for runs without
                yield self._checked(profile, self._found(profile))
                return
            self._refuse_unless_restored()
            try:
                yield self._checked(profile, self._apply(profile, RUN))
            finally:
                self._restore()

    def apply(self, profile: Profile) -> Applied:
        """Apply the profile until :meth:`restore`; raises as :meth:`applied` does."""
        with self._held():
            self.recover_held()
            self._refuse_unless_restored()
            try:
                return self._checked(profile, self._apply(profile, USER))
            except BaseException:
                self._restore()
                raise

    def restore(self) -> tuple[Change, ...] | None:
        """Put back what :meth:`apply` or a dead run changed; None when there is nothing."""
        with self._held():
            return self._restore() if self.journal.read() else None

    def left_behind(self) -> str:
        """Return the profile that a dead run left applied, or an empty string."""
        left = self.journal.read()
        if not left or left.owner != RUN:
            return ""
        holder = hold_if_free(self.directory / "lock")
        if holder is None:
            return ""  # that run lives
        holder.close()
        return left.profile

    def applied_by_user(self) -> str:
        """Return the profile that ``mlrepo platform apply`` set, or an empty string."""
        applied = self.journal.read()
        return applied.profile if applied and applied.owner == USER else ""

    def recover(self) -> tuple[Change, ...] | None:
        """Put back what a dead run left; None when there is nothing or the run lives."""
        return self.restore() if self.left_behind() else None

    def recover_held(self) -> None:
        """Like :meth:`recover` for a caller that holds the lock."""
        left = self.journal.read()
        if left and left.owner == RUN:
            self._restore()

    def prefix(self, profile: Profile) -> tuple[tuple[str, ...], str]:
        """Return the command prefix that pins the benchmark, and what of it cannot be done."""
        if "cpus" in profile.pin:
            return self._taskset(str(profile.pin["cpus"]))
        if "numa_node" not in profile.pin:
            return (), ""
        node = profile.pin["numa_node"]
        cpus = self.machine.text(f"sys/devices/system/node/node{node}/cpulist")
        if not cpus:
            return (), f"there is no NUMA node {node}"
        if shutil.which("numactl"):
            return ("numactl", "-N", str(node), "-m", str(node)), ""
        prefix, problem = self._taskset(cpus)
        return prefix, problem or "numactl is not installed: CPUs are bound, memory is not"

    def _taskset(self, cpus: str) -> tuple[tuple[str, ...], str]:
        online = self.machine.text("sys/devices/system/cpu/online")
        missing = set(cpu_numbers(cpus)) - set(cpu_numbers(online)) if online else set()
        if missing:
            return (), f"not online: CPU {', '.join(map(str, sorted(missing)))}"
        if not shutil.which("taskset"):
            return (), "taskset is not installed"
        return ("taskset", "-c", cpus), ""

    def _apply(self, profile: Profile, owner: str) -> Applied:
        script = profile.script
        refused = self.scripts.keep(script) if script else ""
        kept = script if script and not refused else None
        before: dict[str, str] = {}
        reasons: dict[str, str] = {}
        planned: list[Knob] = []
        # Twice: a bound can refuse until the other one has moved, and a CPU that comes online
        # brings files with it, one that goes offline takes its own away.
        for _ in range(2):
            planned = knobs(self.machine, profile.state)
            for knob in planned:
                if not knob.problem and knob.path not in before:
                    before[knob.path] = read_knob(self.machine, knob.path) or ""
            held = {path: text for path, text in before.items() if text}
            started = (kept.name, kept.sha256) if kept else None
            self.journal.write(JournalEntry(owner, profile.name, held, started))
            for knob in planned:
                if before.get(knob.path) and read_knob(self.machine, knob.path) != knob.wanted:
                    reasons[knob.path] = write_knob(self.machine, knob.path, knob.wanted)
        applied = self._outcome(profile, planned, before, reasons)
        if script is None:
            return applied
        run = ScriptRun(script.name, script.sha256, APPLY, problem=refused)
        return replace(
            applied, script=self.scripts.run(script.name, script.sha256, APPLY) if kept else run
        )

    def _found(self, profile: Profile) -> Applied:
        """Return how far a profile that was applied before still holds; nothing is written."""
        left = self.journal.read()
        before = left.before if left else {}
        return self._outcome(profile, knobs(self.machine, profile.state), before, {})

    def _outcome(
        self,
        profile: Profile,
        planned: Sequence[Knob],
        before: Mapping[str, str],
        reasons: Mapping[str, str],
    ) -> Applied:
        changes = []
        for knob in planned:
            old, after = before.get(knob.path, ""), read_knob(self.machine, knob.path) or ""
            problem = knob.problem or ("" if old else "it cannot be read")
            if not problem and after != knob.wanted:
                problem = reasons.get(knob.path) or f"it holds {after!r}, not {knob.wanted!r}"
            changes.append(Change(knob.key, knob.path, old, knob.wanted, after, problem))
        return Applied(profile.name, tuple(changes), *self.prefix(profile))

    def _checked(self, profile: Profile, applied: Applied) -> Applied:
        if profile.required and applied.problems:
            raise UserError(
                f"The platform profile {profile.name} is required and cannot be applied: "
                f"{'; '.join(applied.problems)}.",
                hint="Run as root, choose another profile, or remove `required` from it.",
            )
        return applied

    def _restore(self) -> tuple[Change, ...]:
        """Put the old state back, last change first; keep the journal while something fails."""
        left = self.journal.read()
        if left is None:
            return ()
        with _undisturbed():
            return self._put_back(left)

    def _put_back(self, left: JournalEntry) -> tuple[Change, ...]:
        changes = self._undo_script(left.script)
        before = dict(reversed(list(left.before.items())))
        found = {path: read_knob(self.machine, path) or "" for path in before}
        reasons: dict[str, str] = {}
        for _ in range(2):
            for path, wanted in before.items():
                if read_knob(self.machine, path) != wanted:
                    reasons[path] = write_knob(self.machine, path, wanted)
        for path, wanted in before.items():
            after = read_knob(self.machine, path) or ""
            gone = not self.machine.has(path)  # the files of a CPU that is offline again
            problem = ""
            if after != wanted and not gone:
                problem = reasons.get(path) or f"it holds {after!r}"
            changes.append(Change("", path, found[path], wanted, after, problem))
        if not any(change.problem for change in changes):
            if left.script:
                self.scripts.discard(left.script[1])
            self.journal.remove()
        return tuple(changes)

    def _undo_script(self, script: tuple[str, str] | None) -> list[Change]:
        """Let the script that was started put back what it did, before anything else."""
        if script is None:
            return []
        run = self.scripts.run(*script, RESTORE)
        return [Change(f"script {run.name}", "", wanted=RESTORE, problem=run.problem)]

    def _refuse_unless_restored(self) -> None:
        left = self.journal.read()
        if left:
            raise Busy(
                f"The platform profile {left.profile} is still applied.",
                hint="`mlrepo platform restore` puts the old state back.",
            )

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        lock = self.directory / "lock"
        self.directory.mkdir(parents=True, exist_ok=True)
        holder = hold_if_free(lock)
        if os.geteuid() == 0:  # under sudo: the repository's owner goes on to use them
            owner = self.directory.parent.stat()
            for path in (self.directory, lock):
                os.chown(path, owner.st_uid, owner.st_gid)
        if holder is None:
            raise Busy(
                "Another mlrepo run has set this machine up.",
                hint="Wait for it to end: two runs at once disturb each other.",
            )
        with holder:
            yield


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Defer Ctrl-C and similar signals until the machine's state is consistent."""
    stopping = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
