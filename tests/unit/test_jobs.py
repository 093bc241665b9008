"""Jobs without an engine: what they are told, where they land, and what became of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlrepo import __version__
from mlrepo.engines import ENDED, QUEUED, RUNNING, EngineJob, EngineSettings, Seen
from mlrepo.engines.errors import Full
from mlrepo.engines.options import engine_options
from mlrepo.engines.script import INTERPRETER, bash_script
from mlrepo.engines.slurm import SlurmEngine, _refusal
from mlrepo.errors import Unanswered, UserError
from mlrepo.jobs.bootstrap import environment
from mlrepo.jobs.clone import clone_directory
from mlrepo.jobs.counted import counted
from mlrepo.jobs.journal import Attempt, Job, JobGroup
from mlrepo.jobs.naming import name_of_hardware
from mlrepo.jobs.node import JobOnNode
from mlrepo.jobs.outcome import KEPT, RECORDED, REFUSED, STOPPED, JobOutcome, read_outcome
from mlrepo.jobs.place import node_directory, shared_file_system
from mlrepo.jobs.spec import JobRun, JobSpec
from mlrepo.jobs.state import _state
from mlrepo.jobs.submit import limit_of
from mlrepo.redaction import Redactor
from mlrepo.repository.history import RecordedRun
from mlrepo.systems.detect import detect
from mlrepo.systems.machine import Fact

_KIND = JobRun("Offline", "performance")
_GROUP = JobGroup("abc123", "slurm:gpu", ("mlrepo",), "2026-01-01T00:00:00+00:00")
_SPEC = JobSpec("abc123.1", 1, ("bench", "run", "--tag", "it's $HOME `x`"), (_KIND,), "hub")


def _job(*ids: str, cancelled: bool = False) -> Job:
    attempts = tuple(Attempt(number, "", name) for number, name in enumerate(ids, start=1))
    return Job("abc123.1", ("bench", "run"), (_KIND,), 60.0, attempts, cancelled)


def _run(run: str, validity: str, tags: str = "job-abc123.1") -> RecordedRun:
    names = {"Scenario": "Offline", "Mode": "performance", "Validity": validity, "Tags": tags}
    return RecordedRun(run, "0" * 40, {f"MLRepo-{key}": text for key, text in names.items()})


def _engine(argument: str = "", **options: str) -> SlurmEngine:
    return SlurmEngine(EngineSettings(argument, options, Path("/nowhere")))


def test_a_job_reads_what_it_was_told(tmp_path: Path) -> None:
    """Through the script and a real shell, whatever characters the words hold."""
    job = EngineJob("mlrepo-x", (INTERPRETER, "-c", "2"), _SPEC.to_json(), 60, tmp_path / "log")
    script = bash_script(replace(job, setup=("interpreter=/bin/cat",), command=(INTERPRETER,)))
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True)
    assert JobSpec.from_json(done.stdout) == _SPEC
    with pytest.raises(ValueError, match="the line that ends it"):
        bash_script(replace(job, input="END-OF-JOB"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[]",
        "{}",
        '{"schema": "mlrepo.job/2"}',
        _SPEC.to_json().replace("abc123.1", "../x"),
        json.dumps({**json.loads(_SPEC.to_json()), "words": 3}),
    ],
)
def test_what_no_engine_wrote_is_no_job(text: str) -> None:
    """It is refused before anything of it is used."""
    with pytest.raises(UserError, match="does not describe a job"):
        JobSpec.from_json(text)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition "
         "combination specified", UserError, "--on-opt account=NAME"),
        ("sbatch: error: invalid partition specified: gpu", UserError, "sinfo -s"),
        ("sbatch: error: Batch job submission failed: Invalid qos specification", UserError, "qos"),
        ("sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job "
         "violates accounting/QOS policy", Full, "mlrepo jobs wait"),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", Full, "mlrepo jobs wait"),
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying", Full, ""),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
         Unanswered, "sinfo"),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
         Unanswered, "later"),
        ("sbatch: error: \x1b[31mBatch job submission failed: Unspecified error", UserError, ""),
    ],
)  # fmt: skip
def test_refusals_of_slurm(said: str, kind: type[Exception], words: str) -> None:
    """In Slurm's own words, with what to do; a controller that is silent refuses nothing."""
    error = _refusal("sbatch", said)
    assert type(error) is kind
    assert words in error.hint and "\x1b" not in error.message


def test_options_of_sbatch(tmp_path: Path) -> None:
    """Never requeued, one of a name at a time, a notice before the limit, bad nodes left out."""
    job = EngineJob("mlrepo-a.1", ("p",), "{}", 90.0, tmp_path / "log", avoid=("n1", "n2"))
    words = [*_engine("gpu", account="ml", options="--mem=0 -v")._arguments(job)]
    for one in (
        "--no-requeue", "--dependency=singleton", "--job-name=mlrepo-a.1", "--exclusive",
        "--signal=B:TERM@120", "--time=2", "--partition=gpu", "--account=ml", "--exclude=n1,n2",
        "--mem=0", "-v",
    ):  # fmt: skip
        assert one in words
    shared = [*_engine(exclusive="false")._arguments(replace(job, node="n3"))]
    assert "--exclusive" not in shared and "--nodelist=n3" in shared
    assert not any(word.startswith("--exclude=") for word in shared)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"container_mounts": "/scratch:/scratch"},
         "exec srun --ntasks=1 --container-image=/i.sqsh --container-mounts=/scratch:/scratch "
         '"${interpreter}" -P'),
        ({"container_with": "apptainer"}, 'exec apptainer exec /i.sqsh "${interpreter}" -P'),
    ],
)  # fmt: skip
def test_containers_and_modules(options: dict[str, str], line: str, tmp_path: Path) -> None:
    """The command runs in the image, after the modules."""
    engine = _engine(container="/i.sqsh", python="/usr/bin/python3", modules="a b;c", **options)
    job = EngineJob("mlrepo-a.1", (INTERPRETER, "-P"), "{}", 90.0, tmp_path / "log")
    script = bash_script(engine._in_container(job))
    assert line in script
    assert script.splitlines()[1:3] == ["module load a", "module load 'b;c'"]
    with pytest.raises(UserError, match="is unknown"):
        _engine(container_with="docker")


@pytest.mark.parametrize(
    ("runs", "outcome", "seen", "job", "state", "reason"),
    [
        ([], None, [], _job(), "waiting", "not submitted"),
        ([], None, [], _job(""), "waiting", "interrupted"),
        ([], None, [Seen("7", QUEUED, "no node is free")], _job(""), "queued", "no node is free"),
        ([], None, [Seen("7", RUNNING, "", "n1")], _job("7"), "running", ""),
        ([], None, [Seen("7", ENDED, "its node failed", "n1")], _job("7"), "lost", "node failed"),
        ([], None, [], _job("7"), "lost", "does not know it any more"),
        ([], None, None, _job("7"), "unknown", "silent"),
        ([], None, [], _job("7", cancelled=True), "cancelled", ""),
        (["VALID"], None, None, _job("7", cancelled=True), "done", ""),
        (["INVALID"], RECORDED, [], _job("7"), "failed", "is INVALID"),
        (["INTERRUPTED"], STOPPED, [Seen("7", ENDED, "it was preempted")], _job("7"), "lost",
         "preempted; told"),
        ([], KEPT, [], _job("7"), "kept", "n1:/clone, not at the hub: told"),
        ([], REFUSED, [], _job("7"), "failed", "told"),
        # An outcome of an earlier attempt says nothing of the one that runs.
        ([], STOPPED, [Seen("8", RUNNING, "", "n2"), Seen("7", ENDED)], _job("7", "8"),
         "running", ""),
    ],
)  # fmt: skip
def test_what_became_of_a_job(
    runs: Sequence[str],
    outcome: str | None,
    seen: Sequence[Seen] | None,
    job: Job,
    state: str,
    reason: str,
) -> None:
    """Git decides first, then the engine, then what the job said itself."""
    recorded = tuple(_run(f"20260101T00000{n}Z-abcdef", said) for n, said in enumerate(runs))
    said = [JobOutcome("abc123.1", 1, outcome, 1, "told", "", "n1", "/clone")] if outcome else []
    found = _state(_GROUP, job, recorded, said, seen, "silent")
    assert (found.state, reason in found.reason) == (state, True), found.reason


def test_the_nodes_that_fail_are_known() -> None:
    """A node that died or refused; not one whose job somebody cancelled or that was preempted."""
    seen = [
        Seen("3", ENDED, "it was cancelled", "n3"),
        Seen("2", ENDED, "it was preempted by another job", "n2"),
        Seen("1", ENDED, "its node failed", "n1"),
    ]
    assert _state(_GROUP, _job("1", "2", "3"), (), [], seen, "").bad_nodes == ("n1",)


def test_a_run_that_was_done_twice_counts_once() -> None:
    """The one with the smaller id; probes and what is not VALID count for nothing."""
    runs = [
        _run("20260101T000003Z-aaaaaa", "VALID"),
        _run("20260101T000002Z-aaaaaa", "VALID"),
        _run("20260101T000001Z-aaaaaa", "INTERRUPTED"),
        _run("20260101T000000Z-aaaaaa", "VALID", "probe,job-abc123.1"),
    ]
    assert {kind: run.run for kind, run in counted(runs).items()} == {
        _KIND: "20260101T000002Z-aaaaaa"
    }


def test_file_systems_that_machines_share(tmp_path: Path) -> None:
    """By the longest mount point above a path, as in Linux's mountinfo."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
        "2 1 0:5 / /home rw - nfs4 server:/home rw\n"
        "3 2 8:2 / /home/local\\040disk rw - xfs /dev/sdb rw\n"
        "4 1 0:6 / /scratch rw - lustre x rw\n"
        "broken\n"
    )
    kinds = [
        shared_file_system(Path(text), mounts)
        for text in ("/var/tmp", "/home/me", "/home/local disk/x", "/scratch/y", "/scratchy")
    ]
    assert kinds == ["", "nfs4", "", "lustre", ""]
    assert shared_file_system(tmp_path, tmp_path / "none") == ""


def test_a_nodes_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the node are expanded; what is relative, unknown or a link is refused."""
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    assert node_directory(f"{tmp_path}/$SLURMD_NODENAME") == tmp_path / "n7"
    (tmp_path / "link").symlink_to(tmp_path / "n7")
    for text in ("x/y", f"{tmp_path}/$NO_SUCH_VARIABLE", f"{tmp_path}/link", "/proc/nothing"):
        with pytest.raises(UserError, match=r"not an absolute|belongs to|cannot be written"):
            node_directory(text)


def test_names_of_systems() -> None:
    """Made of the hardware: other memory or another number of accelerators is another name."""
    facts = {
        "host_processor_model_name": Fact("Intel(R) Xeon(R) Platinum 8480C CPU @ 2.0GHz", ""),
        "host_processors_per_node": Fact("2", ""),
        "accelerator_model_name": Fact("NVIDIA H100 80GB HBM3", ""),
        "accelerators_per_node": Fact("8", ""),
    }
    name = name_of_hardware(facts)
    assert name.startswith("xeon-platinum-8480c-8x-h100")
    assert name == name_of_hardware(dict(reversed(facts.items())))
    assert name != name_of_hardware({**facts, "host_memory_capacity": Fact("1 TB", "")})
    assert name_of_hardware({}).startswith("machine-")
    assert name_of_hardware(detect(tools=False).facts) == name_of_hardware(
        detect(tools=False).facts
    )


def test_clones_of_two_hubs_are_two(tmp_path: Path) -> None:
    """Also where the last parts of their URLs are the same, or hold what no file name may."""
    one, two = (clone_directory(tmp_path, url) for url in ("ssh://a/x.git", "ssh://b/x.git"))
    assert one != two
    assert clone_directory(tmp_path, "host:te am/\x1b[1m.git").parent == tmp_path


def test_another_version_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is written on the node, with a way out."""
    file = tmp_path / "outcome.json"
    spec = replace(_SPEC, version="0.0.1", directory=str(tmp_path / "n"), outcome=str(file))
    assert JobOnNode(spec, Redactor(), {}, print, "n1").execute() == 1
    outcome = read_outcome(file)
    assert outcome is not None
    assert outcome.state == REFUSED and __version__ in outcome.reason and "0.0.1" in outcome.reason
    assert "--bootstrap" in outcome.hint and outcome.node == "n1"
    assert '"state": "refused"' in capsys.readouterr().out
    assert not (tmp_path / "n").exists()
    file.write_text("{")
    assert read_outcome(file) is None


def test_options_of_a_users_file(tmp_path: Path) -> None:
    """What is typed wins; lists become words; what is no table or no plain value is refused."""
    file = tmp_path / "engines.toml"
    assert engine_options(tmp_path, "slurm", {"qos": "x"}) == {"qos": "x"}
    file.write_text(
        '[slurm]\naccount = "ml"\nexclusive = false\nmodules = ["a", "b"]\nlimit = 60\n'
    )
    assert engine_options(tmp_path, "slurm", {"account": "me"}) == {
        "account": "me", "exclusive": "false", "modules": "a b", "limit": "60",
    }  # fmt: skip
    for text in ("slurm = 1\n", "[slurm]\nx = {a = 1}\n", "[slurm\n", "[slurm]\nx = [1]\n"):
        file.write_text(text)
        with pytest.raises(UserError, match=r"engines\.toml"):
            engine_options(tmp_path, "slurm", {})
    with pytest.raises(UserError, match="no option 'acount'"):
        _engine(acount="x")


def test_limits_grow(tmp_path: Path) -> None:
    """Three times the estimate and ten minutes; more for each attempt; the user's own stays."""
    engine = _engine()
    times = [limit_of(engine, _job(*"1234567"[:number])) for number in (1, 2, 3, 5)]
    assert times == [780.0, 1560.0, 3120.0, 3120.0]
    assert limit_of(_engine(limit="2h"), _job("1", "2")) == 7200.0


def test_an_environment_of_wheels(tmp_path: Path) -> None:
    """The lines are valid bash; a directory without mlrepo's wheel is told how to get one."""
    with pytest.raises(UserError, match="no wheel of mlrepo"):
        environment(tmp_path, "", "")
    (tmp_path / f"mlrepo-{__version__}-py3-none-any.whl").touch()
    lines = environment(tmp_path, "", "")
    done = subprocess.run(["bash", "-n"], input="\n".join(lines), text=True, check=True)
    assert done.returncode == 0
