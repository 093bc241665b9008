"""Engines run jobs: on the nodes of a cluster, or one after the other on this machine.

A job is a shell script that runs mlrepo itself where it lands, and records its run there. An engine
only starts it, says where it stands, and ends it: nothing comes back through an engine but that.
Third parties add engines by the entry point group ``mlrepo.engines``: a callable that takes an
:class:`EngineSettings` and returns an :class:`Engine`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

QUEUED, RUNNING, ENDED = "queued", "running", "ended"


@dataclass(frozen=True)
class EngineSettings:
    """What an engine is made from.

    Attributes
    ----------
    argument:
        What follows the engine's name after a colon, such as a partition; may be empty.
    options:
        The user's settings of the engine, by name; an engine refuses those that it does not know.
    store:
        A directory of the repository's clone in which the engine may keep files; it may not exist.
    """

    argument: str
    options: Mapping[str, str]
    store: Path


@dataclass(frozen=True)
class EngineJob:
    """A job to be started.

    Attributes
    ----------
    name:
        Letters, digits, dots and dashes. Jobs of one name never run at the same time.
    command:
        The words that a shell on the node runs; ``input`` is their standard input.
    setup:
        Lines of bash before that.
    seconds:
        The job is ended after so long; it is asked to end two minutes earlier.
    log:
        The file that gets its output.
    avoid:
        The nodes that must not run it.
    node:
        The only node that may run it; empty for any.
    """

    name: str
    command: Sequence[str]
    input: str
    seconds: float
    log: Path
    setup: Sequence[str] = ()
    avoid: Sequence[str] = ()
    node: str = ""


@dataclass(frozen=True)
class Seen:
    """Where a job stands in its engine.

    Attributes
    ----------
    id:
        The engine's own name of it.
    state:
        ``queued``, ``running`` or ``ended``.
    reason:
        Why it waits, or how it ended, in the words of the engine; may be empty.
    node:
        Where it runs or ran; empty if that is unknown.
    """

    id: str
    state: str
    reason: str = ""
    node: str = ""


class Engine(Protocol):
    """Starts jobs and says where they stand.

    Attributes
    ----------
    elsewhere:
        Whether jobs run on other machines, each in a clone of the hub; else in this repository.
    python:
        The interpreter that has mlrepo where jobs run; empty for the one that runs this.
    directory:
        Where a node keeps its clone, as a shell on the node expands it; empty for the default.
    exclusive:
        Whether a job must have its node for itself, which is verified there.
    limit:
        The seconds that a job may take, if the user has decided it; else None.
    """

    elsewhere: bool
    python: str
    directory: str
    exclusive: bool
    limit: float | None

    def check(self) -> None:
        """Raise :class:`~mlrepo.errors.UserError` if no job can be started from here."""

    def submit(self, job: EngineJob) -> str:
        """Start a job and return the engine's own name of it.

        Raises
        ------
        Full
            The engine takes no more jobs now.
        MlrepoError
            It refuses this job, or does not answer.
        """
        ...

    def look(self, names: Iterable[str]) -> Mapping[str, Sequence[Seen]]:
        """Return the jobs that the engine knows by these names, newest first.

        Raises
        ------
        MlrepoError
            The engine does not answer.
        """
        ...

    def cancel(self, ids: Sequence[str]) -> None:
        """End jobs, or take them out of the queue; those that have ended are left as they are."""
