"""Move runs to the system that they were measured on, or to another experiment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

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
from mlrepo.systems.agreement import contradictions
from mlrepo.systems.description import read_description, sut_name
from mlrepo.systems.machine import Fact

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

# What a description and the facts of a run's host must agree on: which machine it is.
_HARDWARE = (
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "host_memory_capacity",
    "accelerators_per_node",
    "accelerator_model_name",
    "accelerator_memory_capacity",
)
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
        differs = _differences(record, description)
        if differs and not any_system:
            raise UserError(
                f"The run {run.run} was not measured on {system}: {'; '.join(differs)}.",
                hint=f"Correct systems/{system}/system.json if it is wrong (`mlrepo system detect` "
                "says what is here), or name the right system; --any-system moves the run all "
                "the same, and records what differs.",
            )
        sut = sut_name(system, record.backend)
        values[run.run] = {
            "system": system,
            "sut": sut,
            "configuration": configuration_on(record, sut),
            "placed": record.placement.path.replace(f"/{record.sut}/", f"/{sut}/", 1),
            **({"differs": "; ".join(differs)} if differs else {}),
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
    known = {
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


def _differences(record: RunRecord, description: Mapping[str, object]) -> list[str]:
    """Return how the machine of a record contradicts a system's description, for people."""
    host = record.host.to_dict()
    facts = {
        name: Fact(str(host[name]), "the record")
        for name in _HARDWARE
        if str(host.get(name) or "").strip()
    }
    return [
        f"{one.field} is {one.detected!r}, and {quoted(str(one.written))} in the description"
        for one in contradictions(description, facts)
    ]
