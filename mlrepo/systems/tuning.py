"""Bringing a machine into a profile's state and back, also after a crash.

The old state is in a journal on the disk before the first write. The process that runs a benchmark
holds a lock that dies with it: a journal without a holder was left by a crash, and
:func:`recover_state` completes it. The journal is named by the machine's boot, so that it restores
neither another machine that shares the disk nor one that was restarted since.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlrepo.errors import Busy, UserError
from mlrepo.repository.files import sync_directory, write_atomically
from mlrepo.repository.locks import hold_if_free
from mlrepo.systems.knobs import Knob, knobs, read_knob, write_knob
from mlrepo.systems.machine import Machine
from mlrepo.systems.profiles import Profile, cpu_numbers

_RUN, _USER = "run", "user"


@dataclass(frozen=True)
class Change:
    """One knob: what it held, what was wanted, what it holds now, and why that is not the same."""

    key: str
    path: str
    before: str = ""
    wanted: str = ""
    after: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Applied:
    """What became of a profile: the changes, the command prefix, and what could not be done."""

    profile: str
    changes: tuple[Change, ...] = ()
    prefix: tuple[str, ...] = ()
    pin_problem: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence per thing that could not be done."""
        found = [f"{c.key} ({'/' + c.path if c.path else 'no file'}): {c.problem}"
                 for c in self.changes if c.problem]  # fmt: skip
        return (*found, *([f"pin: {self.pin_problem}"] if self.pin_problem else []))

    def to_dict(self) -> dict[str, Any]:
        """Return what a run record keeps."""
        return asdict(self)


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
    def journal(self) -> Path:
        """The journal of this boot of this machine."""
        boot = self.machine.text("proc/sys/kernel/random/boot_id") or "unknown"
        return self.directory / f"state-{boot}.json"

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
        if not profile.state:  # nothing to put back, so runs do not exclude each other
            self.recover()
            yield self._checked(profile, Applied(profile.name, (), *self.prefix(profile)))
            return
        with self._held():
            self.recover_held()
            if self.applied_by_user() == profile.name:  # as root, for runs without
                yield self._checked(profile, self._found(profile))
                return
            self._refuse_unless_restored()
            try:
                yield self._checked(profile, self._apply(profile, _RUN))
            finally:
                self._restore()

    def apply(self, profile: Profile) -> Applied:
        """Apply the profile until :meth:`restore`; raises as :meth:`applied` does."""
        with self._held():
            self.recover_held()
            self._refuse_unless_restored()
            try:
                return self._checked(profile, self._apply(profile, _USER))
            except BaseException:
                self._restore()
                raise

    def restore(self) -> tuple[Change, ...] | None:
        """Put back what :meth:`apply` or a dead run changed; None when there is nothing."""
        with self._held():
            return self._restore() if self.journal.is_file() else None

    def left_behind(self) -> str:
        """Return the profile that a dead run left applied, or an empty string."""
        journal = self._read()
        if not journal or journal["owner"] != _RUN:
            return ""
        holder = hold_if_free(self.directory / "lock")
        if holder is None:
            return ""  # that run lives
        holder.close()
        return str(journal["profile"])

    def applied_by_user(self) -> str:
        """Return the profile that ``mlrepo platform apply`` set, or an empty string."""
        journal = self._read()
        return str(journal["profile"]) if journal and journal["owner"] == _USER else ""

    def recover(self) -> tuple[Change, ...] | None:
        """Put back what a dead run left; None when there is nothing or the run lives."""
        return self.restore() if self.left_behind() else None

    def recover_held(self) -> None:
        """Like :meth:`recover` for a caller that holds the lock."""
        journal = self._read()
        if journal and journal["owner"] == _RUN:
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
            self._write(owner, profile.name, before)
            for knob in planned:
                if before.get(knob.path) and read_knob(self.machine, knob.path) != knob.wanted:
                    reasons[knob.path] = write_knob(self.machine, knob.path, knob.wanted)
        return self._outcome(profile, planned, before, reasons)

    def _found(self, profile: Profile) -> Applied:
        """Return how far a profile that was applied before still holds; nothing is written."""
        journal = self._read() or {"entries": []}
        before = {entry["path"]: entry["before"] for entry in journal["entries"]}
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
        """Write the old state back, last change first; keep the journal while something fails."""
        journal = self._read()
        entries: list[Mapping[str, str]] = list(reversed(journal["entries"])) if journal else []
        reasons: dict[str, str] = {}
        found = {entry["path"]: read_knob(self.machine, entry["path"]) or "" for entry in entries}
        for _ in range(2):
            for entry in entries:
                if read_knob(self.machine, entry["path"]) != entry["before"]:
                    reasons[entry["path"]] = write_knob(
                        self.machine, entry["path"], entry["before"]
                    )
        changes = []
        for entry in entries:
            path, wanted = entry["path"], entry["before"]
            after = read_knob(self.machine, path) or ""
            gone = not self.machine.has(path)  # the files of a CPU that is offline again
            problem = ""
            if after != wanted and not gone:
                problem = reasons.get(path) or f"it holds {after!r}"
            changes.append(Change("", path, found[path], wanted, after, problem))
        if not any(change.problem for change in changes):
            self.journal.unlink(missing_ok=True)
            if self.directory.is_dir():
                sync_directory(self.directory)
        return tuple(changes)

    def _refuse_unless_restored(self) -> None:
        journal = self._read()
        if journal:
            raise Busy(
                f"The platform profile {journal['profile']} is still applied.",
                hint="`mlrepo platform restore` puts the old state back.",
            )

    def _read(self) -> dict[str, Any] | None:
        try:
            journal: dict[str, Any] = json.loads(self.journal.read_bytes())
            if not all(_is_knob(entry["path"]) for entry in journal["entries"]):
                raise ValueError("it names a file that is no setting of the kernel")
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.journal} is damaged: {error}.",
                hint="Remove it after setting governor and frequencies by hand.",
            ) from error
        return journal

    def _write(self, owner: str, profile: str, before: Mapping[str, str]) -> None:
        entries = [{"path": path, "before": text} for path, text in before.items() if text]
        journal = {"owner": owner, "profile": profile, "entries": entries}
        write_atomically(self.journal, (json.dumps(journal, indent=1) + "\n").encode())

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


def _is_knob(path: str) -> bool:
    return path.startswith(("sys/", "proc/sys/")) and ".." not in path.split("/")
