"""``mlrepo system``: listing, showing, describing and checking systems."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pexpect

from tests.e2e.driver import BENCH, MLREPO, bench, environment, everything, mlrepo
from tests.samples import git
from tests.terminal import Terminal

_PAST = "v1.1/open/OctoML/aws-m5zn.6xlarge-tvm"


def test_published_descriptions_are_listed_and_shown(root: Path) -> None:
    """All 277, or those that hold a text; one is shown whole."""
    every = json.loads(mlrepo(root, "system", "list", "--past", "--json").out)["systems"]
    assert len(every) == 277
    found = mlrepo(root, "system", "list", "--past", "--grep", "8252c").out.splitlines()
    assert found[0].split() == ["NAME", "PROCESSORS", "ACCELERATORS"]
    assert found[1].startswith(_PAST)
    shown = json.loads(mlrepo(root, "system", "show", "--past", _PAST, "--json").out)
    assert shown["name"] == _PAST
    assert shown["description"]["host_memory_capacity"] == "384GB"
    mlrepo(root, "system", "show", "--past", "no-such", code=2)


def test_a_base_is_caught_where_it_contradicts_this_machine(root: Path) -> None:
    """Each contradiction is shown with what this machine says; the file holds the latter."""
    added = mlrepo(root, "system", "add", "copy", "--base", _PAST, "--set", "cooling=air", "--json")
    found = json.loads(added.out)
    assert found["schema"] == "mlrepo.system.add/1"
    assert "host_memory_capacity" in {c["field"] for c in found["contradicted"]}
    assert "hw_notes" in found["not_taken"]
    written = json.loads((root / "systems/copy/system.json").read_text())
    assert written["host_memory_capacity"] != "384GB"
    assert written["cooling"] == "air"
    assert written["submitter"] == "Acme"
    assert (root / "systems/copy/user.v6.1.conf").is_file()
    text = mlrepo(root, "system", "add", "again", "--base", _PAST).out
    assert "not taken from v1.1/open/OctoML" in text
    assert "this machine: " in text
    assert "host_networking_topology: how nodes and switches are wired" in text
    of_own = json.loads(mlrepo(root, "system", "add", "third", "--base", "copy", "--json").out)
    assert of_own["contradicted"] == []
    assert of_own["not_taken"]["cooling"] == "air"


def test_a_value_that_is_set_against_detection_is_warned_of(root: Path) -> None:
    """It stands, and the check against this machine objects to it."""
    set_ = ("--set", "host_processor_core_count=4096", "--set", "cooling=air")
    added = mlrepo(root, "system", "add", "big", *set_)
    assert "you set host_processor_core_count = '4096'" in added.err
    found = json.loads(mlrepo(root, "system", "check", "big", "--here", "--json", code=1).out)
    rules = {(f["rule"], f["field"]) for f in found["systems"]["big"]}
    assert ("system-not-this-machine", "host_processor_core_count") in rules
    assert not any(f["field"] == "cooling" for f in found["systems"]["big"])


def test_check_passes_when_everything_is_filled(root: Path) -> None:
    """The fields that stayed open are named; filled in, the system is sound."""
    found = json.loads(mlrepo(root, "system", "check", "--json", code=1).out)
    named = {f["field"] for f in found["systems"]["box"] if f["rule"] == "system-field-empty"}
    assert "cooling" in named
    path = root / "systems/box/system.json"
    description = json.loads(path.read_text())
    description |= dict.fromkeys(named, "N/A") | {"status": "available"}
    path.write_text(json.dumps(description))
    assert "error" not in mlrepo(root, "system", "check", "box").out
    path.write_text(json.dumps({**description, "division": "closed"}))
    assert "system-division" in mlrepo(root, "system", "check", "box", code=1).out
    path.write_text("{")
    mlrepo(root, "system", "check", "box", code=1).says("system-description", "is not JSON")


def test_set_refuses_what_is_no_field(root: Path) -> None:
    """The nearest names are told; nothing is written."""
    refused = mlrepo(root, "system", "add", "x", "--set", "coolin=air", code=2)
    assert "'coolin' is not a field" in refused.err
    assert "cooling" in refused.err
    assert "is not FIELD=VALUE" in mlrepo(root, "system", "add", "x", "--set", "a", code=2).err
    assert not (root / "systems/x").exists()


def _terminal(root: Path, *arguments: str) -> Terminal:
    return Terminal([*MLREPO, *arguments], root, environment(TERM="dumb"), size=(50, 200))


def test_on_a_terminal_each_open_field_is_asked_for(root: Path) -> None:
    """With its meaning, why it was not detected, and what the base says; empty leaves it open."""
    terminal = _terminal(root, "system", "add", "desk", "--base", _PAST)
    answers = {"cooling": " liquid ", "host_networking_topology": "N/A"}
    asked = []
    while (
        terminal.expect(
            [r"\n?(\w[\w-]*): [^\r]+\r\n(?:  [^\r]+\r\n)*  value \(empty: later\): ", "wrote "]
        )
        == 0
    ):
        field = terminal.match[1]
        asked.append(field)
        if field == "cooling":
            assert "air, liquid or passive" in terminal.after
            assert "no file says how the machine is cooled" in terminal.after
        if field == "host_memory_configuration":
            assert "not detected" in terminal.after
        terminal.sendline(answers.get(field, ""))
    terminal.expect("Fill in before you submit")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert set(answers) <= set(asked)
    written = json.loads((root / "systems/desk/system.json").read_text())
    assert written["cooling"] == "liquid"
    assert written["host_networking_topology"] == "N/A"
    still_open = set(asked) - set(answers)
    assert all(written[field] == "" for field in still_open)
    assert "status" not in asked  # the base's wording stands
    rest = json.loads(mlrepo(root, "system", "check", "desk", "--json", code=1).out)
    named = {f["field"] for f in rest["systems"]["desk"] if f["rule"] == "system-field-empty"}
    assert named == still_open


def test_a_detected_value_is_the_default_and_is_not_asked_for(root: Path) -> None:
    """What this machine tells needs no answer; `--no-input` and a pipe ask nothing at all."""
    detected = json.loads(mlrepo(root, "system", "detect", "--json").out)["facts"]
    terminal = _terminal(root, "system", "add", "desk", "--no-input")
    assert terminal.expect(["value", "wrote "]) == 1
    terminal.expect(pexpect.EOF)
    terminal.close()
    written = json.loads((root / "systems/desk/system.json").read_text())
    same = ("host_processor_model_name", "host_memory_capacity", "operating_system")
    assert [written[f] for f in same] == [detected[f]["value"] for f in same]


def test_ctrl_c_at_a_question_writes_nothing(root: Path) -> None:
    """Half a description is none: exit code 130, and the name is still free."""
    terminal = _terminal(root, "system", "add", "desk")
    terminal.expect_exact("value (empty: later)")
    terminal.sendline("x")
    terminal.expect_exact("value (empty: later)")
    # CPython may begin to wait for a line just after the signal came, and then hear of the next.
    for _ in range(20):
        terminal.sendintr()
        if terminal.expect_exact(["Interrupted", pexpect.TIMEOUT], timeout=2) == 0:
            break
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert not (root / "systems/desk").exists()


def test_the_name_of_a_system_leads_to_its_directory(root: Path) -> None:
    """And one that is not there lists those that are."""
    assert Path(mlrepo(root, "system", "path", "box").out.strip()) == root / "systems" / "box"
    mlrepo(root, "system", "path", "no-such", code=2).says("There are: box")


def test_settings_beside_the_description_are_those_of_every_run(root: Path) -> None:
    """``user.<round>.conf`` of the system, for its round only."""
    conf = root / "systems" / "box" / "user.v6.1.conf"
    conf.write_text("*.Offline.min_query_count = 1\n*.Offline.min_duration = 1234\n")
    run = (
        "bench",
        "run",
        "--model",
        "digits",
        "--scenario",
        "Offline",
        "--mode",
        "performance",
        "--count",
        "1000",
        "--json",
    )
    record = json.loads(mlrepo(root, *run, code=None).out)["record"]
    assert "1234" in record["settings"]["user.conf"]["value"]
    assert record["settings"]["user.conf"]["origin"] == "systems/box/user.v6.1.conf"
    record = json.loads(mlrepo(root, *run, "--round", "v5.1", code=None).out)["record"]
    assert "1234" not in record["settings"]["user.conf"]["value"]


def test_power_fields_are_part_of_a_description_on_request(root: Path) -> None:
    """`add --power` lists them, `check --power` asks for them; without it nobody does."""
    added = json.loads(mlrepo(root, "system", "add", "meter", "--power", "--json").out)
    assert "power_supply_details" in added["open_fields"]
    written = json.loads((root / "systems/meter/system.json").read_text())
    assert written["filesystem"]
    for flags, asked in (((), False), (("--power",), True)):
        found = json.loads(mlrepo(root, "system", "check", "box", "--json", *flags, code=1).out)
        rules = {f["rule"] for f in found["systems"]["box"]}
        assert ("system-power-field" in rules) is asked


def test_a_network_system_has_the_network_fields(root: Path) -> None:
    """Where the repository's division is network, they are asked for like all others."""
    mlrepo(root, "config", "set", "division", "network")
    added = json.loads(mlrepo(root, "system", "add", "remote", "--json").out)
    assert {"network_type", "nic_loadgen"} <= set(added["open_fields"])
    found = json.loads(mlrepo(root, "system", "check", "remote", "--json", code=1).out)
    assert "network-mode" not in {f["rule"] for f in found["systems"]["remote"]}
    found = json.loads(mlrepo(root, "system", "check", "box", "--json", code=1).out)
    rules = {f["rule"] for f in found["systems"]["box"]}
    assert {"network-mode", "system-field-missing", "system-division"} <= rules


def _describe(root: Path, **changes: str) -> None:
    """Edit the description of box by hand."""
    path = root / "systems" / "box" / "system.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=4))


def test_the_system_is_a_setting_of_the_clone(root: Path, tmp_path: Path) -> None:
    """It is not committed: a clone on another machine measures nothing until it says what it is."""
    lines = git(root, "show", "HEAD:mlrepo.toml").splitlines()
    assert not [line for line in lines if line.startswith("system")]
    assert mlrepo(root, "system", "use").out == "box (git config mlrepo.system)\n"
    settings = mlrepo(root, "config", "list", "--json").json["settings"]
    assert settings["system"] == {"value": "box", "origin": "git config mlrepo.system"}
    git(tmp_path, "clone", "--quiet", str(root), "clone")
    clone = tmp_path / "clone"
    mlrepo(clone, *BENCH, code=2).says("system is not set", "mlrepo system use NAME")
    mlrepo(clone, "system", "use", code=0).says("No system is in use")
    mlrepo(clone, "system", "use", "bxo", code=2).says("no system 'bxo'", "Did you mean box?")
    mlrepo(clone, "system", "use", "../box", code=2).says("cannot be the name")
    mlrepo(clone, "system", "use", "box", "--unset", code=2).says("exclude each other")
    mlrepo(clone, "system", "use", "box").says("box")
    assert git(clone, "status", "--porcelain") == ""
    assert bench(clone)["settings"]["system"]["origin"] == "git config mlrepo.system"
    done = mlrepo(clone, "system", "use", "box", MLREPO_SYSTEM="other")
    done.says("MLREPO_SYSTEM sets the system to other and wins")
    mlrepo(clone, "system", "use", "--unset").says("No system is in use")
    # An old repository: mlrepo.toml names the system, for every clone.
    mlrepo(clone, "config", "set", "system", "box").says("default for all clones", "system use")
    assert mlrepo(clone, "system", "use", "--json").json["origin"] == "mlrepo.toml"


def test_the_first_system_of_a_clone_is_the_one_in_use(root: Path) -> None:
    """Further ones are only described."""
    mlrepo(root, "system", "use", "--unset")
    mlrepo(root, "system", "add", "first", "--no-input").says("This clone now measures first")
    added = mlrepo(root, "system", "add", "second", "--no-input")
    added.says("This clone measures first", "mlrepo system use second")
    assert mlrepo(root, "system", "add", "third", "--json").json["in_use"] == "first"


def test_a_run_on_another_machine_than_described_is_refused(root: Path) -> None:
    """With the differences and the ways out; nothing is recorded, whoever wrote the description."""
    mlrepo(root, "system", "use", "--unset")
    mlrepo(root, "config", "set", "system", "box")  # as repositories were made before
    _describe(root, host_processor_model_name="Imaginary 9000", host_memory_capacity="64 TB")
    before = everything(root)
    ways = ("system add", "system use", "--any-system")
    for command in (
        BENCH,
        ("bench", "suite", "--benchmark", "digits", "--quick"),
        ("bench", "peak", "--benchmark", "digits", "--scenario", "Offline"),
        ("bench", "compliance", "--benchmark", "digits", "--scenario", "Offline"),
        ("bench", "tune", "--benchmark", "digits"),
    ):
        done = mlrepo(root, *command, code=2)
        done.says("does not describe this machine", "Imaginary 9000", "64 TB", *ways)
    assert everything(root) == before
    mlrepo(root, "system", "use", "box").says("warning", "host_memory_capacity", "64 TB")
    record = bench(root, "--any-system")
    found = record["host"]["description"]
    assert [one["field"] for one in found["contradictions"]] == [
        "host_processor_model_name",
        "host_memory_capacity",
    ]
    assert record["request"]["run"]["any_system"] is True
    words = "host_processor_model_name is 'Imaginary 9000'"
    mlrepo(root, "show", "latest").says("system not as described", words)
    assert re.search(r" VALID ~?! *$", mlrepo(root, "log").out, re.MULTILINE)
    run = mlrepo(root, "log", "--json").json["runs"][0]
    assert run["contradicted"] == ["host_processor_model_name", "host_memory_capacity"]
    mlrepo(root, "doctor").says("warning systems", "64 TB", "Runs are refused here")
    bench(root, "--any-system", "--scenario", "Offline", "--mode", "performance", "--count", "1000")
    done = mlrepo(root, "select", "--quick")
    done.says("was recorded with --any-system", "host_processor_model_name, host_memory_capacity")
    done = mlrepo(root, "submit", "--dry-run", code=1)
    done.says("warning system --any-system overruled host_processor_model_name")


def test_a_description_that_is_edited_after_the_runs_is_told_by_select(measured_copy: Path) -> None:
    """Each run's record has the machine, so a later lie is seen, and which runs it is about."""
    plan = mlrepo(measured_copy, "select", "--quick", "--dry-run").out
    assert "does not describe the machine" not in plan
    _describe(measured_copy, host_processor_core_count="4096")
    git(measured_copy, "commit", "--quiet", "--all", "--no-verify", "--message", "Boast")
    done = mlrepo(measured_copy, "select", "--quick", "--dry-run")
    done.says("systems/box/system.json does not describe the machine", "'4096'", "in the record of")
    mlrepo(measured_copy, "select", "--quick")
    words = ("system-not-this-machine", "'4096'", "in the record of")
    for command in (
        ("check", "--rev", "submission/v6.1"),
        ("check", "--rev", "exp/box"),
        ("review", ".", "submission/v6.1"),
        ("submit", "--check"),
    ):
        done = mlrepo(measured_copy, *command, code=1)
        if command[-1] == "exp/box":  # with the description of before
            assert words[0] not in done.out
        else:
            done.says(*words)
