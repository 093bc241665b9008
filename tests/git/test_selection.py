"""Which recorded runs are selected, and that the generated tree is a valid submission."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlrepo.checker.check import check
from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.harness.spec import DETAIL_LOG
from mlrepo.proposal.selected import Selection, read_selection
from mlrepo.record import (
    ACCURACY,
    COMPLIANCE,
    IMPORTED_TAG,
    INVALID,
    PERFORMANCE,
    LoadFacts,
    LoadgenFacts,
    LoadgenSettings,
    Metric,
    ModelFacts,
    NoiseFacts,
    StoredLog,
)
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.git_trees import CommitTree
from mlrepo.repository.history import find_run, load_record, read_file
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.rounds import SHIPPED
from mlrepo.selection.select import SelectionPlan, plan_selection, write_plan
from mlrepo.selection.wanted import Wanted
from tests.samples import git, sample_record, sample_run_id
from tests.selections import BOX, Laboratory
from tests.submissions import SUBMITTER

_V61 = SHIPPED["v6.1"]
_OFFLINE = f"closed/{SUBMITTER}/results/alpha/resnet50/Offline"


@pytest.fixture
def laboratory(recorder: Recorder, tmp_path: Path) -> Laboratory:
    """Records runs of v6.1 in :func:`results`."""
    return Laboratory(recorder, tmp_path / "scratch")


def _plan(repository: ResultsRepository, **wanted: object) -> SelectionPlan:
    return plan_selection(repository, _V61, Wanted(**wanted))  # type: ignore[arg-type]


def _select(repository: ResultsRepository, **wanted: object) -> Selection:
    return write_plan(repository, git_identity(repository.root), _plan(repository, **wanted))


def _taken(plan: SelectionPlan) -> dict[str, dict[str, str]]:
    """Return the runs of each result: scenario to kind to id."""
    return {
        planned.result.path.name: {
            one.record.test or one.record.mode: one.run.run for one in planned.result.runs
        }
        for planned in plan.results
    }


def _reasons(plan: SelectionPlan) -> dict[str, str]:
    return {out.run.run: out.reason for out in plan.left_out}


@pytest.mark.parametrize("round_name", ["v5.1", "v6.0", "v6.1"])
def test_the_tree_is_valid_in_the_layout_of_its_round(
    recorder: Recorder, results: ResultsRepository, tmp_path: Path, round_name: str
) -> None:
    """Closed results with compliance tests, in both layouts: strict and official say VALID."""
    laboratory = Laboratory(recorder, tmp_path / "scratch", round_name)
    scenarios = laboratory.submission.scenarios
    for scenario in scenarios:
        laboratory.result(scenario)
    round_ = SHIPPED[round_name]
    plan = plan_selection(results, round_, Wanted())
    assert plan.left_out == ()
    selection = write_plan(results, git_identity(results.root), plan)
    report = check(CommitTree(results.root, selection.commit), round_)
    found = [f for result in report.results for f in result.findings] + [*report.findings]
    assert found == []
    assert {result.scenario for result in report.results} == set(scenarios)
    assert report.valid("strict")
    assert report.valid("official")
    top = {path.split("/")[0] for path in _files(results, selection)}
    assert top == {"closed"}
    assert all(path.startswith(f"closed/{SUBMITTER}/") for path in _files(results, selection))


def _files(repository: ResultsRepository, selection: Selection) -> list[str]:
    return git(repository.root, "ls-tree", "-r", "--name-only", selection.commit).splitlines()


def test_the_best_run_of_each_result_is_taken(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """More samples a second, but less latency; of any configuration and branch."""
    slow = laboratory.result("Offline", result=Metric(100.0, "samples/s"))
    fast = laboratory.result("Offline", "b", Experiment("other"), result=Metric(200.0, "samples/s"))
    quick = laboratory.result("SingleStream", result=Metric(1.0, "ms"))
    laboratory.result("SingleStream", "b", result=Metric(2.0, "ms"))
    plan = _plan(results)
    assert _taken(plan) == {"Offline": fast, "SingleStream": quick}
    reasons = _reasons(plan)
    assert "200 samples/s" in reasons[slow[PERFORMANCE]]
    assert reasons[slow[ACCURACY]] == "another configuration is taken"


@pytest.mark.parametrize("spoilt", ["result", "verdict", "log"])
def test_a_record_that_its_logs_contradict_is_not_taken(
    results: ResultsRepository, laboratory: Laboratory, spoilt: str
) -> None:
    """A better number, a better verdict or another log than the run had: the true run is taken."""
    true = laboratory.result("Offline", result=Metric(100.0, "samples/s"))
    false = laboratory.run("Offline", PERFORMANCE, result=Metric(300.0, "samples/s"))
    record = load_record(results, find_run(results, false))
    run = find_run(results, false)
    files = {name: read_file(results, run, name) for name in record.logs}
    record = replace(record, run=sample_run_id(999))
    if spoilt == "result":
        record = replace(record, result=Metric(3000.0, "samples/s"))
    elif spoilt == "verdict":
        log = files[DETAIL_LOG].replace(
            b'"key": "result_validity", "value": "VALID"',
            b'"key": "result_validity", "value": "INVALID"',
        )
        assert log != files[DETAIL_LOG]
        files[DETAIL_LOG] = log
        stored = StoredLog(sha256_bytes(log), len(log))
        record = replace(record, logs={**record.logs, DETAIL_LOG: stored})
    else:
        files[DETAIL_LOG] += b"\n"
    laboratory.record(record, files, BOX)
    plan = _plan(results)
    assert _taken(plan)["Offline"][PERFORMANCE] == true[PERFORMANCE]
    said = {"result": "3000 samples/s", "verdict": "INVALID", "log": "is not the one"}[spoilt]
    assert said in _reasons(plan)[record.run]


def test_a_result_is_taken_whole_or_not_at_all(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """The best run that has an accuracy run and every test of its own leads the result."""
    whole = laboratory.result("Offline", result=Metric(100.0, "samples/s"))
    untested = laboratory.run(
        "Offline", PERFORMANCE, result=Metric(300.0, "samples/s"), configuration="a"
    )
    unjudged = laboratory.run(
        "Offline", PERFORMANCE, result=Metric(400.0, "samples/s"), configuration="b"
    )
    plan = _plan(results)
    assert _taken(plan) == {"Offline": whole}
    reasons = _reasons(plan)
    assert "TEST01 was not passed" in reasons[untested]
    assert "no accuracy run" in reasons[unjudged]


def test_a_test_counts_for_the_runs_it_was_verified_against(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """A newer accuracy run does not come beside a TEST01 that was compared with the older one."""
    ids = laboratory.result("Offline")
    newer = laboratory.run("Offline", ACCURACY)
    plan = _plan(results)
    assert _taken(plan) == {"Offline": ids}
    assert _reasons(plan) == {newer: "another run of its kind is taken"}


def test_runs_that_may_not_be_submitted_are_left_out(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """INVALID, probe, imported, short, of another LoadGen, disturbed: each with its reason."""
    best = Metric(9999.0, "samples/s")
    good = laboratory.result("Offline")
    record = sample_record()
    seeds = {**_V61.seeds(), "qsl_rng_seed": 1}
    cases: dict[str, dict[str, Any]] = {
        "the run is INVALID": {"validity": INVALID, "reasons": ("too slow",)},
        "probe": {"tags": ("probe",)},
        "imported": {"tags": (IMPORTED_TAG,)},
        "asked to last 2 s, the round requires 600 s": {
            "loadgen": LoadgenFacts(
                seeds=_V61.seeds(), effective=LoadgenSettings(min_duration_ms=2000)
            )
        },
        "LoadGen 5.0.4 does not belong to v6.1: its qsl_rng_seed is 1": {
            "loadgen": LoadgenFacts(package="5.0.4", seeds=seeds)
        },
        "not quiet: a compiler": {
            "load": LoadFacts(noise=NoiseFacts(required_quiet=True, disturbances=("a compiler",)))
        },
    }
    assert record.validity == "VALID"
    ids = {
        reason: laboratory.run("Offline", PERFORMANCE, result=best, **changes)
        for reason, changes in cases.items()
    }
    plan = _plan(results)
    assert _taken(plan) == {"Offline": good}
    reasons = _reasons(plan)
    for reason, run in ids.items():
        assert reason in reasons[run]
    assert _taken(_plan(results, quick=True))["Offline"] == good  # untested, so still not taken


def test_a_run_of_another_loadgen_with_the_round_s_seeds_is_taken_and_named(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """The checkers accept it; whoever submits is told release, runs, and the round's own."""
    ids = laboratory.result("Offline")
    assert _plan(results).composition.notes == ()
    release = "5.1.0"
    loadgen = LoadgenFacts(package=release, seeds=_V61.seeds())
    laboratory.result("SingleStream", "b", loadgen=loadgen)
    plan = _plan(results)
    [note] = [note for note in plan.composition.notes if "LoadGen" in note]
    assert f"LoadGen {release} made " in note
    assert _taken(plan)["SingleStream"][PERFORMANCE] in note
    assert not any(run in note for run in ids.values())


def test_an_inaccurate_model_is_not_taken_into_the_closed_division(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """The fastest configuration whose accuracy is below the target has no result."""
    good = laboratory.result("Offline", result=Metric(100.0, "samples/s"))
    fast = laboratory.run("Offline", PERFORMANCE, configuration="int8")
    laboratory.run("Offline", ACCURACY, configuration="int8", result=Metric(75.0, "%"))
    plan = _plan(results)
    assert _taken(plan) == {"Offline": good}
    assert "below the target of 75.6954 %" in _reasons(plan)[fast]


def test_a_named_run_is_taken_and_the_other_results_are_kept(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """Naming a run decides its result; the next one without options decides all anew."""
    slow = laboratory.result("Offline", result=Metric(100.0, "samples/s"))
    fast = laboratory.result("Offline", "b", result=Metric(200.0, "samples/s"))
    stream = laboratory.result("SingleStream")
    _select(results)
    better = laboratory.result("SingleStream", "b", result=Metric(1e-3, "ms"))
    plan = _plan(results, runs=(slow[PERFORMANCE][:-2],))
    assert _taken(plan) == {"Offline": slow, "SingleStream": stream}
    assert [planned.state for planned in plan.results] == ["changed", "kept"]
    write_plan(results, git_identity(results.root), plan)
    assert {run.run for run in read_selection(results, "v6.1").runs} == {
        *slow.values(),
        *stream.values(),
    }
    assert _taken(_plan(results)) == {"Offline": fast, "SingleStream": better}
    assert _taken(_plan(results, runs=(slow[PERFORMANCE],), only=True)) == {"Offline": slow}


@pytest.mark.parametrize("kind", [PERFORMANCE, ACCURACY, "TEST01"])
def test_a_named_run_that_cannot_stand_is_an_error(
    results: ResultsRepository, laboratory: Laboratory, kind: str
) -> None:
    """Nothing else is taken in its place without a word."""
    laboratory.result("Offline")
    mode = COMPLIANCE if kind == "TEST01" else kind
    test = kind if kind == "TEST01" else ""
    lonely = laboratory.run("Offline", mode, test, {}, "lonely")
    with pytest.raises(UserError, match=f"{lonely} cannot be selected"):
        _plan(results, runs=(lonely,))


def test_a_branch_gives_its_results_and_leaves_the_others(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """--from looks at that branch alone, whatever better runs another branch has."""
    here = laboratory.result("Offline", result=Metric(100.0, "samples/s"))
    laboratory.result("Offline", "b", Experiment("other"), result=Metric(200.0, "samples/s"))
    stream = laboratory.result("SingleStream", "c", Experiment("other"))
    _select(results)
    plan = _plan(results, experiments=(BOX,))
    assert _taken(plan) == {"Offline": here, "SingleStream": stream}
    with pytest.raises(UserError, match="no branch exp/nowhere"):
        _plan(results, experiments=(Experiment("nowhere"),))


def test_a_result_can_be_dropped(results: ResultsRepository, laboratory: Laboratory) -> None:
    """By the end of its path; the others stay as they were selected."""
    laboratory.result("Offline")
    stream = laboratory.result("SingleStream")
    _select(results)
    laboratory.result("SingleStream", "b", result=Metric(1e-3, "ms"))
    plan = _plan(results, drop=("resnet50/Offline",))
    assert _taken(plan) == {"SingleStream": stream}
    assert plan.dropped == (_OFFLINE,)
    with pytest.raises(UserError, match="No result 'Server' is selected"):
        _plan(results, drop=("Server",))


def test_a_kept_run_whose_branch_is_gone_is_not_lost_in_silence(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """The error says how to go on; to drop the result is one way."""
    laboratory.result("Offline")
    laboratory.result("SingleStream", "b", Experiment("gone"))
    _select(results)
    git(results.root, "branch", "--quiet", "-D", "exp/gone")
    with pytest.raises(UserError, match="is on no experiment branch any more") as refused:
        _plan(results, scenario="Offline")
    path = refused.value.hint.partition("--drop ")[2].rstrip("`.")
    assert list(_taken(_plan(results, scenario="Offline", drop=(path,)))) == ["Offline"]


def test_what_the_submitter_wrote_comes_from_the_commit_that_is_checked_out(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """Code and texts stand over generated ones; of the working tree nothing is read."""
    laboratory.result("Offline")
    generated = _select(results)
    assert f"closed/{SUBMITTER}/src/README.md" in _files(results, generated)
    assert b"nothing was calibrated" in _read(results, "documentation/calibration.md")
    home = results.root / "closed" / SUBMITTER
    for name, text in {
        "src/run.sh": "#!/bin/sh\n",
        "calibration.md": "We calibrated with 500 images.\n",
        "results/alpha/resnet50/Offline/stray.txt": "must not leave\n",
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    description = json.loads(_read(results, "systems/alpha.json"))
    systems = results.root / "systems" / "alpha"
    systems.mkdir(parents=True)
    (systems / "system.json").write_text(json.dumps({**description, "cooling": "Water"}))
    assert _select(results).commit == generated.commit
    git(results.root, "add", ".")
    git(results.root, "commit", "--quiet", "--message", "Write")
    before = git(results.root, "status", "--porcelain") + git(results.root, "rev-parse", "HEAD")
    plan = _plan(results)
    selection = write_plan(results, git_identity(results.root), plan)
    files = _files(results, selection)
    assert f"closed/{SUBMITTER}/src/README.md" not in files
    assert f"closed/{SUBMITTER}/documentation/calibration.md" not in files
    assert not [path for path in files if "stray" in path]
    assert _read(results, "src/run.sh") == b"#!/bin/sh\n"
    assert json.loads(_read(results, "systems/alpha.json"))["cooling"] == "Water"
    assert any("says otherwise" in note and "cooling" in note for note in plan.composition.notes)
    after = git(results.root, "status", "--porcelain") + git(results.root, "rev-parse", "HEAD")
    assert before == after


def _read(repository: ResultsRepository, path: str) -> bytes:
    text = git(repository.root, "show", f"submission/v6.1:closed/{SUBMITTER}/{path}")
    return text.encode()


def test_the_readme_says_how_to_repeat_every_run(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """Commands, versions and hashes are those of the records."""
    ids = laboratory.result("Offline")
    _select(results)
    text = _read(results, "results/alpha/resnet50/Offline/README.md").decode()
    for run in ids.values():
        assert run in text
    for command in (
        "mlrepo bench run --benchmark resnet50 --backend onnx --scenario Offline "
        "--mode performance",
        "mlrepo bench compliance --benchmark resnet50 --backend onnx --scenario Offline "
        "--test TEST01",
        "mlrepo init results --submitter Acme --division closed",
    ):
        assert command in text
    for fact in ("ONNX Runtime 1.32.0", "0" * 64, "resnet50_v1.onnx"):
        assert fact in text


def test_selecting_again_makes_no_commit_and_a_quantized_model_a_note(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """The same runs are the same commit; how weights were quantized, a person must write."""
    laboratory.result("Offline")
    assert _select(results).commit == _select(results).commit
    int8 = ModelFacts(weight_data_types="int8", file="resnet50_int8.onnx")
    laboratory.result("Offline", "int8", result=Metric(1e6, "samples/s"), model=int8)
    plan = _plan(results)
    assert any("calibration.md must be written" in note for note in plan.composition.notes)


def test_the_draft_of_a_quantized_model_is_the_calibration_document(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """As recorded with the run; another model without a draft must be written of."""
    int8 = ModelFacts(weight_data_types="int8", file="resnet50_int8.onnx", sha256="1" * 64)
    draft = {"calibration.md": b"# Calibration of resnet50\n"}
    laboratory.result("Offline", model=int8, further=draft)
    plan = _plan(results)
    assert [note for note in plan.composition.notes if "drafted" in note]
    _select(results)
    assert _read(results, "documentation/calibration.md") == draft["calibration.md"]
    laboratory.result("SingleStream", "b", model=replace(int8, file="b.onnx", sha256="2" * 64))
    assert any("must be written" in note for note in _plan(results).composition.notes)
    _select(results)
    text = _read(results, "documentation/calibration.md")
    assert b"b.onnx" in text
    assert text.endswith(draft["calibration.md"])


def test_nothing_recorded_for_the_round_is_an_error(
    make_repository: Callable[..., ResultsRepository], tmp_path: Path
) -> None:
    """The message names the rounds that have runs."""
    repository = make_repository()
    with pytest.raises(UserError, match=r"No run is recorded for v6\.1\."):
        _plan(repository)
    recorder = Recorder(repository, git_identity(repository.root))
    Laboratory(recorder, tmp_path / "scratch", "v5.1").result("Offline")
    with pytest.raises(UserError, match=r"there are runs for v5\.1"):
        _plan(repository)


def test_a_run_without_a_file_is_left_out(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """A record that somebody mangled is named; the true one is taken."""
    ids = laboratory.result("Offline")
    broken = replace(sample_record(ids[PERFORMANCE]), run="20261123T235959Z-0000ff")
    record = json.loads(git(results.root, "show", f"exp/box:runs/{ids[PERFORMANCE]}/run.json")) | {
        "run": broken.run,
        "result": {"value": 1e6, "unit": "samples/s"},
    }
    mangled = type(broken).from_json(json.dumps(record).encode())
    laboratory.record(mangled, {}, BOX)
    laboratory.run("Offline", ACCURACY)
    for test in ("TEST01", "TEST04"):
        reference = {PERFORMANCE: broken.run}
        laboratory.run("Offline", COMPLIANCE, test, reference)
    plan = _plan(results)
    assert _taken(plan)["Offline"][PERFORMANCE] == ids[PERFORMANCE]
    assert "has no mlperf_log_" in _reasons(plan)[broken.run]


@pytest.mark.parametrize("round_name", ["v5.1", "v6.0", "v6.1"])
def test_inferred_results_are_taken_on_request_and_valid(
    recorder: Recorder, results: ResultsRepository, tmp_path: Path, round_name: str
) -> None:
    """Each scenario holds the very blobs of the runs it follows from, also the tests'."""
    round_ = SHIPPED[round_name]
    ids = Laboratory(recorder, tmp_path / "scratch", round_name).result("SingleStream")
    plan = plan_selection(results, round_, Wanted())
    assert set(_taken(plan)) == {"SingleStream"}
    hints = [note for note in plan.composition.notes if "mlrepo select --infer" in note]
    assert len(hints) == 2
    plan = plan_selection(results, round_, Wanted(infer=True))
    assert not [note for note in plan.composition.notes if "--infer" in note]
    assert _taken(plan) == {"Offline": ids, "MultiStream": ids, "SingleStream": ids}
    selection = write_plan(results, git_identity(results.root), plan)
    report = check(CommitTree(results.root, selection.commit), round_)
    found = [f for result in report.results for f in result.findings] + [*report.findings]
    assert found == []
    values = {str(planned.result.path): planned.metric.value for planned in plan.results}
    assert values == pytest.approx({result.path: result.value for result in report.results})
    tree = git(results.root, "ls-tree", "-r", selection.commit).splitlines()
    logs = {path: blob for blob, path in (line.split("\t") for line in tree) if ".txt" in path}
    for scenario in ("Offline", "MultiStream"):
        copied = {
            path.replace("SingleStream", scenario): logs[path]
            for path in logs
            if "/SingleStream/" in path
        }
        assert copied == {path: logs[path] for path in logs if f"/{scenario}/" in path}
    [readme] = [p for p in _files(results, selection) if p.endswith("Offline/README.md")]
    assert "infers this result from runs of SingleStream" in git(
        results.root, "show", f"{selection.commit}:{readme}"
    )


def test_own_runs_go_before_inferred_ones(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """Offline was run; only MultiStream follows from SingleStream."""
    single, own = laboratory.result("SingleStream"), laboratory.result("Offline")
    plan = _plan(results, infer=True)
    assert _taken(plan) == {"Offline": own, "MultiStream": single, "SingleStream": single}
    assert [planned.result.is_inferred for planned in plan.results] == [True, False, False]


def test_an_inferred_scenario_by_itself_names_the_one_it_follows_from(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """There is no run of it that could be decided."""
    laboratory.result("SingleStream")
    with pytest.raises(UserError, match="one of those requested") as caught:
        _plan(results, scenario="Offline", infer=True)
    assert "`mlrepo select --scenario SingleStream --infer`" in (caught.value.hint or "")
    with pytest.raises(UserError, match="one of those requested") as caught:
        _plan(results, scenario="Offline")
    assert "mlrepo log" in (caught.value.hint or "")


def test_data_center_systems_infer_nothing(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """Since v6.0 only systems of the edge category do."""
    record: dict[str, Any] = {"category": "datacenter"}
    offline = laboratory.run("SingleStream", PERFORMANCE, **record)
    laboratory.run("SingleStream", ACCURACY, **record)
    plan = _plan(results, infer=True)
    assert _taken(plan) == {}
    assert "does not belong" in _reasons(plan)[offline]


def test_an_inferred_result_follows_its_source(
    results: ResultsRepository, laboratory: Laboratory
) -> None:
    """A later partial selection renews it with its source, keeps it with it, or drops it."""
    old = laboratory.result("SingleStream", result=Metric(5.0, "ms"))
    _select(results, infer=True)
    new = laboratory.result("SingleStream", result=Metric(4.0, "ms"))
    laboratory.result("Offline", experiment=Experiment("other"))
    plan = _plan(results, drop=(_OFFLINE,))
    assert _taken(plan) == {"MultiStream": old, "SingleStream": old}
    assert {planned.state for planned in plan.results} == {"kept"}
    for wanted in ({"scenario": "SingleStream"}, {"runs": (new[PERFORMANCE],)}):
        plan = _plan(results, **wanted)
        assert _taken(plan) == {"Offline": new, "MultiStream": new, "SingleStream": new}
        assert {planned.state for planned in plan.results} == {"changed"}
    plan = _plan(results)
    assert set(_taken(plan)) == {"Offline", "SingleStream"}
    assert [path.rpartition("/")[2] for path in plan.dropped] == ["MultiStream"]
