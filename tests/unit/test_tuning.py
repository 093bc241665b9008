"""Platform profiles on a tree of kernel files: applied, verified, restored, recovered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.errors import Busy, UserError
from mlrepo.systems.knobs import knobs
from mlrepo.systems.machine import Machine
from mlrepo.systems.profiles import (
    Profile,
    cpu_numbers,
    load_profile,
    parse_profile,
    profile_files,
)
from mlrepo.systems.tuning import Tuner
from tests import machines

_POLICY = "sys/devices/system/cpu/cpufreq/policy0"
_FULL = {
    "governor": "performance",
    "frequency_max": "max",
    "frequency_min": 3000,
    "turbo": False,
    "smt": False,
    "transparent_hugepages": "never",
    "swappiness": 1,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine whose settings can be written."""
    return machines.tunable(tmp_path / "machine")


@pytest.fixture
def tuner(root: Path, tmp_path: Path) -> Tuner:
    """Its tuner."""
    return Tuner(Machine(root), tmp_path / "store" / "platform")


def _state(root: Path) -> dict[str, str]:
    """Return every file of the machine; the kernel would show the chosen word in brackets."""
    return {
        str(path.relative_to(root)): Machine(root)
        .text(str(path.relative_to(root)))
        .replace("always [madvise] never", "madvise")
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_a_profile_is_applied_verified_recorded_and_restored(root: Path, tuner: Tuner) -> None:
    """Inside, each file holds what was wanted; afterwards what it held; both are recorded."""
    before = _state(root)
    with tuner.applied(Profile("full", state=_FULL)) as applied:
        during = _state(root)
        assert during[f"{_POLICY}/scaling_governor"] == "performance"
        assert during[f"{_POLICY}/scaling_max_freq"] == "3500000"
        assert during[f"{_POLICY}/scaling_min_freq"] == "3000000"
        assert during["sys/devices/system/cpu/intel_pstate/no_turbo"] == "1"
        assert during["sys/devices/system/cpu/smt/control"] == "off"
        assert during["sys/kernel/mm/transparent_hugepage/enabled"] == "never"
        assert during["proc/sys/vm/swappiness"] == "1"
        assert tuner.journal.path.is_file()
    assert applied.problems == ()
    changed = {change.path: (change.before, change.after) for change in applied.changes}
    assert changed[f"{_POLICY}/scaling_governor"] == ("powersave", "performance")
    assert changed["sys/kernel/mm/transparent_hugepage/enabled"] == ("madvise", "never")
    assert _state(root) == before
    assert not tuner.journal.path.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_the_old_state_returns_however_the_run_ends(
    root: Path, tuner: Tuner, error: type[BaseException]
) -> None:
    """Ctrl-C, an error and an exit all restore."""
    before = _state(root)
    with pytest.raises(error), tuner.applied(Profile("full", state=_FULL)):
        raise error
    assert _state(root) == before


_CHILD = """
import sys, time
from pathlib import Path
from mlrepo.systems.machine import Machine
from mlrepo.systems.profiles import Profile
from mlrepo.systems.tuning import Tuner
tuner = Tuner(Machine(Path(sys.argv[1])), Path(sys.argv[2]))
with tuner.applied(Profile("full", state={"governor": "performance", "swappiness": 1})):
    print("applied", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_is_undone_by_the_next_command(root: Path, tuner: Tuner) -> None:
    """kill -9 leaves the journal; while the run lives nobody touches its state."""
    before = _state(root)
    command = [sys.executable, "-c", _CHILD, str(root), str(tuner.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "applied\n"
        assert tuner.left_behind() == ""
        assert tuner.recover() is None
        with (
            pytest.raises(Busy, match="Another mlrepo run"),
            tuner.applied(Profile("x", state={"swappiness": 9})),
        ):
            raise AssertionError("two runs at once")
        child.send_signal(signal.SIGKILL)
    assert _state(root) != before
    assert tuner.left_behind() == "full"
    changes = tuner.recover()
    assert changes and not any(change.problem for change in changes)
    assert _state(root) == before
    assert tuner.left_behind() == ""


def test_the_next_run_restores_before_it_applies(root: Path, tuner: Tuner) -> None:
    """What the dead run found is what the machine returns to, not what the dead run set."""
    before = _state(root)
    script = _CHILD.replace("time.sleep(60)", "import os; os._exit(9)")
    subprocess.run([sys.executable, "-c", script, str(root), str(tuner.directory)], check=False)
    with tuner.applied(Profile("y", state={"swappiness": 5})) as applied:
        assert applied.changes[0].before == "60"
        assert _state(root)[f"{_POLICY}/scaling_governor"] == "powersave"
    assert _state(root) == before


def test_apply_lasts_until_restore(root: Path, tuner: Tuner) -> None:
    """A run does not undo what the user applied, and refuses to build on it."""
    before = _state(root)
    tuner.apply(Profile("full", state=_FULL))
    assert tuner.applied_by_user() == "full"
    assert tuner.left_behind() == ""
    assert tuner.recover() is None
    with pytest.raises(Busy, match="still applied"):
        tuner.apply(Profile("other", state={"swappiness": 3}))
    assert tuner.restore()
    assert _state(root) == before
    assert tuner.restore() is None


def test_a_run_under_the_profile_that_the_user_applied_only_verifies(
    root: Path, tuner: Tuner
) -> None:
    """Applied as root, used without: the run sees what still holds and changes nothing."""
    profile = Profile("full", state=_FULL)
    tuner.apply(profile)
    machines.write(root, {"proc/sys/vm/swappiness": "33"})  # somebody else's hand
    state = _state(root)
    with tuner.applied(profile) as applied:
        assert applied.problems == ("swappiness (/proc/sys/vm/swappiness): it holds '33', not '1'",)
        assert _state(root) == state
    assert _state(root) == state
    assert tuner.applied_by_user() == "full"


def test_a_run_without_a_profile_restores_what_a_dead_run_left(root: Path, tuner: Tuner) -> None:
    """The next command completes the journal, whatever profile it has itself."""
    before = _state(root)
    script = _CHILD.replace("time.sleep(60)", "import os; os._exit(9)")
    subprocess.run([sys.executable, "-c", script, str(root), str(tuner.directory)], check=False)
    assert _state(root) != before
    with tuner.applied(Profile("none")) as applied:
        assert applied.changes == ()
        assert _state(root) == before


def test_what_refuses_is_reported_and_the_rest_is_done(root: Path, tuner: Tuner) -> None:
    """A governor that is not offered, a switch that is not there, a file that cannot be written."""
    before = _state(root)
    (root / "sys/devices/system/cpu/intel_pstate/no_turbo").unlink()
    refusing = root / _POLICY / "scaling_max_freq"
    refusing.unlink()
    refusing.symlink_to("/proc/version")  # the kernel itself refuses, also root
    with tuner.applied(Profile("x", state={**_FULL, "governor": "schedutil"})) as applied:
        text = "; ".join(applied.problems)
        assert "schedutil is not offered, only performance, powersave" in text
        assert "turbo (no file): this machine has no such switch" in text
        assert "scaling_max_freq): " in text
        assert _state(root)["proc/sys/vm/swappiness"] == "1"
    after = _state(root)
    assert after["proc/sys/vm/swappiness"] == before["proc/sys/vm/swappiness"]


def test_a_value_that_does_not_take_is_noticed(root: Path, tuner: Tuner) -> None:
    """The write succeeds, the file holds something else: only reading back tells."""
    comm = Path("/proc/self/comm")  # a file of the kernel that keeps the first 15 bytes
    old = comm.read_text().strip()
    for policy in root.glob("sys/devices/system/cpu/cpufreq/policy*"):
        (policy / "scaling_available_governors").unlink()
    governor = root / _POLICY / "scaling_governor"
    governor.unlink()
    governor.symlink_to(comm)
    with tuner.applied(Profile("x", state={"governor": "a-governor-with-a-long-name"})) as applied:
        (problem,) = [p for p in applied.problems if "policy0" in p]
        assert "it holds 'a-governor-with', not 'a-governor-with-a-long-name'" in problem
    assert comm.read_text().strip() == old


def test_a_required_profile_that_cannot_be_reached_changes_nothing(
    root: Path, tuner: Tuner
) -> None:
    """The error names each obstacle; what could be set is put back."""
    before = _state(root)
    profile = Profile("x", required=True, state={"governor": "schedutil", "swappiness": 1})
    with pytest.raises(UserError, match="schedutil is not offered"), tuner.applied(profile):
        raise AssertionError("must not run")
    with pytest.raises(UserError, match="required"):
        tuner.apply(profile)
    assert _state(root) == before
    assert not tuner.journal.path.exists()


def _as_nobody(work: Callable[[], Any]) -> Any:
    """Return what ``work`` returns in a process that may not write everything."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        try:
            os.write(writing, json.dumps(work()).encode())
        except BaseException as error:
            os.write(writing, json.dumps(repr(error)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        found = json.load(stream)
    os.waitpid(child, 0)
    return found


def test_without_root_the_state_stays_and_pinning_remains() -> None:
    """Permission denied is told per file, and nothing is left to put back."""
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory)
        top.chmod(0o755)
        root = machines.tunable(top / "machine")
        for path in root.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o444)
        (top / "store").mkdir()
        (top / "store").chmod(0o777)
        before = _state(root)
        tuner = Tuner(Machine(root), top / "store" / "platform")

        def applied() -> tuple[tuple[str, ...], tuple[str, ...]]:
            with tuner.applied(Profile("x", state=_FULL, pin={"cpus": "0-1"})) as applied:
                return applied.problems, applied.prefix

        problems, prefix = _as_nobody(applied)
        assert len(problems) == 3 * 4 + 4, problems  # three files of four policies, four others
        assert all("needs root" in problem for problem in problems)
        assert prefix == ["taskset", "-c", "0-1"]
        assert _state(root) == before
        assert tuner.left_behind() == ""


def test_cpus_go_offline_and_come_back(root: Path, tuner: Tuner) -> None:
    """The first one has no switch; the list is the kernel's."""
    with tuner.applied(Profile("x", state={"online": "0-1"})):
        state = _state(root)
        values = [state[f"sys/devices/system/cpu/cpu{n}/online"] for n in (1, 2, 3)]
        assert values == ["1", "0", "0"]
    assert _state(root)["sys/devices/system/cpu/cpu3/online"] == "1"


def test_pinning_needs_no_root_and_names_what_is_missing(tuner: Tuner) -> None:
    """By CPUs or by a node; a node or CPU that is not there is told."""
    assert tuner.prefix(Profile("x", pin={"cpus": "0,2-3"}))[0] == ("taskset", "-c", "0,2-3")
    assert tuner.prefix(Profile("x", pin={"cpus": "3-5"})) == ((), "not online: CPU 4, 5")
    assert tuner.prefix(Profile("x", pin={"numa_node": 7})) == ((), "there is no NUMA node 7")
    prefix, problem = tuner.prefix(Profile("x", pin={"numa_node": 0}))
    assert prefix[0] == "numactl" or (prefix[:2] == ("taskset", "-c") and "memory" in problem)
    assert tuner.prefix(Profile("x")) == ((), "")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"owner": "run"}',
        '{"owner": "run", "profile": "x", "before": 3}',
        '{"owner": "run", "profile": "x", "before": {"etc/passwd": "x"}}',
        '{"owner": "run", "profile": "x", "before": {"sys/../etc/x": "x"}}',
    ],
)
def test_a_damaged_journal_is_named_and_never_written_from(tuner: Tuner, text: str) -> None:
    """A journal that names other files than the kernel's settings is refused whole."""
    tuner.directory.mkdir(parents=True)
    tuner.journal.path.write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        tuner.restore()


def test_a_journal_of_another_boot_is_left_alone(root: Path, tuner: Tuner) -> None:
    """A restart has put the machine back already; another machine is not ours to restore."""
    tuner.apply(Profile("full", state=_FULL))
    machines.write(root, {"proc/sys/kernel/random/boot_id": "99999999"})
    assert tuner.restore() is None
    assert tuner.applied_by_user() == ""


def test_all_of_128_cpus_are_set_and_put_back(tmp_path: Path) -> None:
    """Apply, verify and restore together leave the machine as it was."""
    root = machines.tunable(tmp_path / "machine", cpus=128)
    tuner = Tuner(Machine(root), tmp_path / "store")
    before = machines.files_of(root)
    with tuner.applied(Profile("full", state=_FULL)) as applied:
        assert applied.problems == ()
        assert machines.files_of(root) != before
    assert machines.files_of(root) == before


def test_the_profiles_of_the_package_can_all_be_read(tmp_path: Path) -> None:
    """Each has a summary; those of the repository go before them."""
    names = list(profile_files(tmp_path))
    assert {"none", "generic-linux", "raspberry-pi", "rk3588", "odroid-n2"} <= set(names)
    for name in names:
        assert load_profile(tmp_path, name).summary
    assert not load_profile(tmp_path, "none").state
    (tmp_path / "none.toml").write_text("[state]\nswappiness = 3\n")
    assert load_profile(tmp_path, "none").state == {"swappiness": 3}
    with pytest.raises(UserError, match="no platform profile"):
        load_profile(tmp_path, "../none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[state", "not valid TOML"),
        ("stat = 1", "unknown key 'stat'"),
        ("[state]\ngovernr = 'x'", "unknown key 'governr'"),
        ("[state]\ngovernor = 5", "governor = 5 must be a text"),
        ("[state]\nturbo = 1", "turbo = 1 must be true or false"),
        ("[state]\nswappiness = true", "must be a whole number"),
        ("[state]\nswappiness = -1", "must not be negative"),
        ("[state]\nfrequency_max = 'fast'", 'must be "max", "min" or a number'),
        ("[state]\ntransparent_hugepages = 'maybe'", "must be one of: always"),
        ("[state]\nonline = '3-1'", "no range of CPUs"),
        ("[pin]\ncpus = ''", "names no CPU"),
        ("[pin]\ncpus = '0; rm -rf /'", "is no CPU"),
        ("[pin]\ncpus = '0'\nnuma_node = 0", "exclude each other"),
        ("required = 'yes'", "required must be true or false"),
        ("state = 3", "state must be a table"),
        ("script = 3", "script = 3 cannot be: it is not a text"),
        ("script = 'none.sh'", "is no plain file"),
        ("script = '../x.sh'", "cannot be"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_by_its_key(
    tmp_path: Path, text: str, message: str
) -> None:
    """Nothing unknown passes silently: a typing error would leave the machine as it is."""
    with pytest.raises(UserError, match=message):
        parse_profile("x", text, "x.toml", tmp_path)


def test_lists_of_cpus_are_read_as_the_kernel_writes_them() -> None:
    """Ranges and single CPUs."""
    assert cpu_numbers("0-2,8") == [0, 1, 2, 8]
    assert cpu_numbers("") == []


def test_a_machine_without_switches_gets_reasons(tmp_path: Path) -> None:
    """Every wanted key is answered, none is forgotten."""
    found = knobs(Machine(tmp_path), {**_FULL, "online": "0"})
    assert {knob.key for knob in found} == {*_FULL, "online"}
    assert all(knob.problem for knob in found)
    assert json.dumps([vars(knob) for knob in found])
