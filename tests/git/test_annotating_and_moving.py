"""Notes and tags on runs, and moving runs to another system or experiment."""

from __future__ import annotations

import json

import pytest

from mlrepo.curation.annotate import note, tag
from mlrepo.curation.decide import Decision
from mlrepo.curation.move import configuration_on, move_to_experiment, move_to_system
from mlrepo.errors import UserError
from mlrepo.record import HostFacts, Metric, configuration_digest
from mlrepo.report.sides import find_side
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.health import check_repository
from mlrepo.repository.history import committed_record, find_run, load_record, read_system
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from tests.curated import TUNING, counting, layout, placed_run, standing, withdrawn
from tests.samples import git, sample_record

_XEON = "Intel Xeon Platinum 8358"
_EPYC = "AMD EPYC 9654"


def _tag(repository: ResultsRepository, run: str, add: str = "", remove: str = "") -> Decision:
    identity = git_identity(repository.root)
    return tag(repository, identity, [find_run(repository, run)], add.split(), remove.split())


def _move(
    repository: ResultsRepository, *runs: str, system: str = "", experiment: str = ""
) -> Decision:
    identity = git_identity(repository.root)
    found = [find_run(repository, run) for run in runs]
    if system:
        return move_to_system(repository, identity, found, system)
    return move_to_experiment(repository, identity, found, Experiment(experiment))


def _describe(repository: ResultsRepository, name: str, **fields: str) -> None:
    directory = repository.systems / name
    directory.mkdir(parents=True)
    (directory / "system.json").write_text(json.dumps({"system_name": name, **fields}))


def _sound(repository: ResultsRepository) -> bool:
    """Say whether each record agrees with its commit."""
    return check_repository(repository, records=True, hooks="none")[-1].status == "ok"


def test_tags_are_those_of_the_record_and_of_the_acts(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """`log --tag`, `compare tag:` and the record that is read all see them."""
    run = placed_run(recorder, 0).run
    before = layout(results)
    _tag(results, run, "best", "first")
    assert find_run(results, run).tags == ("tuned", "best")
    assert load_record(results, find_run(results, run)).tags == ("tuned", "best")
    assert committed_record(results, find_run(results, run)).tags == ("first", "tuned")
    assert [side.run for (side,) in find_side(results, "tag:best").runs.values()] == [run]
    with pytest.raises(UserError, match="No VALID run"):
        find_side(results, "tag:first")
    assert layout(results) == before
    assert _tag(results, run, "best tuned", "first").branches == ()
    assert _sound(results)


@pytest.mark.parametrize("own", ["probe", "no-result", "imported", "suite-20261129T000000Z", "a,b"])
def test_a_tag_that_decides_what_a_run_is_cannot_be_given_or_taken(
    results: ResultsRepository, recorder: Recorder, own: str
) -> None:
    """A probe would become a result by it."""
    run = placed_run(recorder, 0, tags=("probe",)).run
    for change in ({"add": own}, {"remove": own}):
        with pytest.raises(UserError, match="The tag"):
            _tag(results, run, **change)
    assert find_run(results, run).tags == ("probe",)


def test_the_last_note_is_shown_and_all_are_kept(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """One line each."""
    run = placed_run(recorder, 0).run
    for text in ("with the new\nBIOS", "and without"):
        note(results, git_identity(results.root), [find_run(results, run)], text)
    found = find_run(results, run)
    assert found.note == "and without"
    assert [act.values["note"] for act in found.curation.acts] == [
        "with the new BIOS",
        "and without",
    ]


def test_runs_moved_to_another_system_belong_to_its_results(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """In trailers, record, layout and description; the record in Git stays as it was."""
    _describe(results, "beta", host_processor_model_name=_XEON)
    host = HostFacts(host_processor_model_name=_XEON)
    accuracy = placed_run(recorder, 0, mode="accuracy", result=Metric(76.5, "%"), host=host).run
    performance = placed_run(recorder, 1, host=host).run
    _move(results, accuracy, performance, system="beta")
    run = find_run(results, performance)
    record = load_record(results, run)
    assert (run.trailer("System"), record.system, record.sut) == ("beta", "beta", "beta")
    assert record.configuration == load_record(results, find_run(results, accuracy)).configuration
    assert record.configuration != committed_record(results, run).configuration
    assert json.loads(read_system(results, run))["system_name"] == "beta"
    log = "closed/Acme/results/beta/resnet50/Offline/performance/run_1/mlperf_log_detail.txt"
    assert standing(results, log) == performance
    assert standing(results) == ""
    assert "alpha" not in layout(results)
    assert "systems/beta.json" in layout(results)
    assert _sound(results)
    # A run that is recorded afterwards is compared with what counts now.
    newer = placed_run(
        recorder, 2, system="beta", sut="beta", configuration=record.configuration
    ).run
    assert standing(results, log) == newer


def test_a_run_of_another_machine_is_not_moved(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """Its number would be another machine's; an override is recorded with what differs."""
    _describe(results, "beta", host_processor_model_name=_EPYC)
    run = placed_run(recorder, 0, host=HostFacts(host_processor_model_name=_XEON)).run
    with pytest.raises(UserError, match="does not describe the machine") as refused:
        _move(results, run, system="beta")
    assert _EPYC in refused.value.message
    assert find_run(results, run).trailer("System") == "alpha"
    done = move_to_system(
        results, git_identity(results.root), [find_run(results, run)], "beta", any_system=True
    )
    assert _XEON in done.acts[0].values["contradictions"]
    (said,) = load_record(results, find_run(results, run)).host.description.contradictions
    assert (said.field, said.written) == ("host_processor_model_name", _EPYC)
    assert find_run(results, run).trailer("Contradicted") == said.field
    _describe(results, "gamma", host_processor_model_name=_XEON)
    _move(results, run, system="gamma")
    assert find_run(results, run).trailer("Contradicted") == ""
    assert not load_record(results, find_run(results, run)).host.description.contradictions
    assert _sound(results)


def test_the_configuration_on_another_system_is_that_of_a_run_recorded_there() -> None:
    """Where the record says all that the digest is made of; else it is the same for all moved."""
    parts: dict[str, object] = {
        "round": "v6.1",
        "division": "closed",
        "submitter": "Acme",
        "sut": "alpha-onnx",
        "benchmark": "resnet50",
        "scenario": "Offline",
        "model": "0" * 64,
        "dataset": None,
        "backend": {"name": "onnx", "version": "1.32.0"},
        "threads": None,
        "max_batch": None,
        "prefix": [],
    }
    known = sample_record(configuration=configuration_digest(parts))
    assert configuration_on(known, "b") == configuration_digest({**parts, "sut": "b"})
    assert configuration_on(known, "alpha-onnx") == known.configuration
    unknown = sample_record(configuration="c" * 64)
    assert configuration_on(unknown, "b") == configuration_on(unknown, "b") != "c" * 64


def test_a_run_moved_to_another_experiment_is_on_that_branch_and_not_on_the_old_one(
    results: ResultsRepository, recorder: Recorder
) -> None:
    """With its files and the acts on it; its commit stays in the history of the old branch."""
    first, second = (placed_run(recorder, number).run for number in (0, 1))
    _tag(results, second, "best")
    before = layout(results)
    _move(results, second, experiment="final")
    assert counting(results, TUNING) == [first]
    assert counting(results, Experiment("final")) == [second]
    assert standing(results) == first
    assert standing(results, ref="exp/final") == second
    assert layout(results, "exp/final") == before
    run = find_run(results, second)
    assert (run.trailer("Experiment"), run.tags[-1]) == ("final", "best")
    assert _sound(results)
    # The branch says all by itself.
    git(results.root, "branch", "--quiet", "-D", "exp/tuning")
    assert find_run(results, second).tags[-1] == "best"
    withdrawn(results, second)
    assert counting(results) == []


def test_a_run_can_be_moved_back(results: ResultsRepository, recorder: Recorder) -> None:
    """Both branches hold it, and the last act says where it belongs."""
    run = placed_run(recorder, 0).run
    before = layout(results)
    _move(results, run, experiment="final")
    _move(results, run, experiment="tuning")
    assert counting(results, TUNING) == [run]
    assert counting(results, Experiment("final")) == []
    assert layout(results) == before
    assert standing(results, ref="exp/final") == ""
