"""Move runs to the system that they were measured on, or to another experiment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import TYPE_CHECKING

from mlrepo.backends.devices import CPU, Device
from mlrepo.curation.decide import Decision, clean_text, decide
from mlrepo.errors import UserError
from mlrepo.record import configuration_digest
from mlrepo.repository.acts import MOVE
from mlrepo.repository.branch_changes import THEN_AGAIN
from mlrepo.repository.commits import refuse_if_immovable
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.history import RecordedRun, committed_record
from mlrepo.repository.holders import holders_of
from mlrepo.repository.identity import Identity
from mlrepo.repository.takeover import take_over
from mlrepo.shell import quoted
from mlrepo.systems.agreement import FieldMismatch
from mlrepo.systems.description import read_description, sut_name
from mlrepo.systems.hardware import match_hardware, recorded_facts

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

# How a backend describes itself, as far as the configuration of a run has it.
_WORDS = (
    "name",
    "framework",
    "framework_name",
    "framework_version",
    "target",
    "device",
    "precision",
    "options",
)


def move_to_system(
    repository: ResultsRepository,
    identity: Identity,
    runs: Sequence[RecordedRun],
    system: str,
    *,
    why: str = "",
    any_system: bool = False,
) -> Decision:
    """Let runs count for another system: they were recorded under a wrong name.

    The records stay as they are. The runs belong to the results of the system from now on, with its
    description of today.

    Parameters
    ----------
    any_system:
        Also where the machine that the record describes is another one than the description's;
        the act then says what differed.

    Raises
    ------
    UserError
        There is no such system, or a run was measured on another machine.
    """
    why = clean_text(why, "The reason") if why else ""
    data = read_description(repository.systems, system)
    description = json.loads(data)
    values: dict[str, dict[str, str]] = {}
    for run in runs:
        if run.trailer("System") == system:
            continue
        record = committed_record(repository, run)
        differs = _contradictions(record, description)
        if differs and not any_system:
            said = "; ".join(
                f"{one.field} is {one.written!r} there and {one.detected!r} in the record"
                for one in differs
            )
            raise UserError(
                f"systems/{quoted(system)}/system.json does not describe the machine that the run "
                f"{run.run} was measured on: {said}.",
                hint="Correct the description if it is wrong, or name the right system. With "
                "--any-system the run is moved anyway, and the record and the selection say so.",
            )
        sut = sut_name(system, record.backend)
        values[run.run] = {
            "system": system,
            "sut": sut,
            "configuration": configuration_on(record, sut),
            "placed": record.placement.path.replace(f"/{record.sut}/", f"/{sut}/", 1),
            "fields": ",".join(one.field for one in differs),
            "contradictions": json.dumps([asdict(one) for one in differs]) if differs else "",
        }
    return decide(
        repository,
        identity,
        runs,
        MOVE,
        f"Move to the system {system}:",
        values,
        why=why,
        relaid=True,
        descriptions=dict.fromkeys(values, data),
    )


def move_to_experiment(
    repository: ResultsRepository,
    identity: Identity,
    runs: Sequence[RecordedRun],
    experiment: Experiment,
    *,
    why: str = "",
) -> Decision:
    """Move runs to another experiment: its branch gets them, and the old one says that they left.

    Their commits stay in the history of the old branch.

    Raises
    ------
    UserError
        One of the branches is checked out or damaged.
    """
    why = clean_text(why, "The reason") if why else ""
    values = {
        run.run: {"experiment": experiment.name, "from": run.trailer("Experiment")}
        for run in runs
        if run.trailer("Experiment") != experiment.name
    }
    moved = [run for run in runs if run.run in values]
    if moved:
        refuse_if_immovable(repository, experiment.ref, instead=THEN_AGAIN)
        holders_of(repository, moved)  # refuses what could not be finished
        take_over(repository, identity, moved, experiment)
    return decide(
        repository,
        identity,
        runs,
        MOVE,
        f"Move to exp/{experiment.name}:",
        values,
        why=why,
        relaid=True,
    )


def configuration_on(record: RunRecord, sut: str) -> str:
    """Return the digest of a run's configuration under another name of its results.

    It is that of a run recorded under this name, wherever the record still says everything that
    the digest is made of; otherwise it is made of the old digest and the name, and equals that of
    runs that were moved in the same way.
    """
    if sut == record.sut:
        return record.configuration
    for parts in _parts(record):
        if configuration_digest(parts) == record.configuration:
            return configuration_digest({**parts, "sut": sut})
    return configuration_digest({"configuration": record.configuration, "sut": sut})


def _parts(record: RunRecord) -> Iterator[dict[str, object]]:
    """Yield what the digest of a record may be made of: see ``bench/recording.py``."""
    backend = record.backend
    described = backend.to_dict()
    words = {name: described[name] for name in _WORDS if described.get(name) not in ("", None)}
    words |= backend.others
    if backend.server is not None:
        words["server"] = backend.server.to_dict()
    known: dict[str, object] = {
        "round": record.round,
        "division": record.division,
        "submitter": record.submitter,
        "sut": record.sut,
        "benchmark": record.benchmark,
        "scenario": record.scenario,
        "model": record.model.sha256,
        "dataset": record.dataset.fingerprint or None,
        "threads": backend.threads,
        "max_batch": backend.max_batch,
        "prefix": list(backend.prefix),
    }
    if (asked := backend.endpoint) is not None:
        known["endpoint"] = {"url": asked.url, "model": asked.model, "kind": asked.kind}
    further = {"preprocessing": record.dataset.preprocessing, "layout": record.model.layout}
    further = {name: value for name, value in further.items() if value}
    # Which of these the backend said, and which differ from the catalogue, is not recorded.
    for dropped in _subsets(("device", "precision")):
        said = {name: value for name, value in words.items() if name not in dropped}
        for left_out in _subsets(tuple(further)):
            own = {name: value for name, value in further.items() if name not in left_out}
            yield {**known, "backend": said, **own}


def _subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in range(len(names) + 1):
        yield from combinations(names, size)


def _contradictions(
    record: RunRecord, description: Mapping[str, object]
) -> tuple[FieldMismatch, ...]:
    """Return where the machine of a record contradicts a system's description."""
    facts = recorded_facts(record.host, "the record")
    on_accelerator = Device.parse(record.backend.device or CPU).kind != CPU
    return match_hardware(description, facts, on_accelerator=on_accelerator).contradictions
