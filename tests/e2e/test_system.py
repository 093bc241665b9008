"""``mlrepo system``: listing, showing, describing and checking systems."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from driver import mlrepo

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


def test_listing_the_past_is_quick(root: Path) -> None:
    """In CPU time of a whole process, start included: 0.2 s of work."""
    before = os.times()
    begin = time.perf_counter()
    mlrepo(root, "system", "list", "--past")
    used = os.times().children_user - before.children_user
    assert used < 0.4 or time.perf_counter() - begin < 0.4


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
    assert "not a JSON object" in mlrepo(root, "system", "check", "box", code=2).err


def test_set_refuses_what_is_no_field(root: Path) -> None:
    """The nearest names are told; nothing is written."""
    refused = mlrepo(root, "system", "add", "x", "--set", "coolin=air", code=2)
    assert "'coolin' is no field" in refused.err
    assert "cooling" in refused.err
    assert "is not FIELD=VALUE" in mlrepo(root, "system", "add", "x", "--set", "a", code=2).err
    assert not (root / "systems/x").exists()
