"""`mlrepo round import`: the shipped rounds regenerated, a small checker, and hostile ones."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest

from mlrepo.cli.main import main
from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.rounds import SHIPPED
from mlrepo.rounds.importing import import_round
from mlrepo.rounds.python_facts import constants
from tests.outside import INFERENCE, MISSING

_OLD = "tools/submission/submission_checker.py"
_NEW = "tools/submission/submission_checker"
_NEW_FILES = tuple(
    f"{_NEW}/{name}.py" for name in ("constants", "results", "utils", "configuration/configuration")
)
_CONFIGURATIONS = frozenset({"loadgen/mlperf.conf", "mlperf.conf"})
# A checker of a round to come, as small as can be, in the shape of the rounds before v6.0.
SMALL = """
import os
BASE = 80
MODEL_CONFIG = {
    "v9.9": {"models": ["early"]},
    "v10.0": {
        "models": ["tiny-99.9", "tiny"],
        "required-scenarios-datacenter": {"tiny": ["Offline"]},
        "optional-scenarios-datacenter": {"tiny": ["Server"], "tiny-99.9": ["Server"]},
        "required-scenarios-edge": {}, "optional-scenarios-edge": {},
        "required-scenarios-datacenter-edge": {}, "optional-scenarios-datacenter-edge": {},
        "accuracy-target": {
            "tiny": ("acc", BASE * 0.5, "F1", 2), "tiny-99.9": {"Offline": ("acc", 79)}
        },
        "performance-sample-count": {"tiny": 8},
        "quantum-limit": 3,
    },
}
TEST_DURATION_MS = 600 * 1000
WHO = os.getlogin()

class Config:
    def uses_early_stopping(self, scenario):
        return scenario in ["Server"]

    def requires_equal_issue(self, model, division):
        return division in ["closed"] and model in ["tiny"] and self.version in ["v10.0"]

def check_compliance_dir(model):
    test_list = ["TEST01", "TEST04"]
    if model in ["tiny"]:
        test_list.remove("TEST04")
    if model in ["tiny-99.9"]:
        test_list.append("TEST06")

def check_results_dir():
    unit_dict = {"Offline": "Samples/s"}
"""


def _checkout(root: Path, text: str) -> Path:
    file = root / _OLD
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return root


_OLDEST = "tools/submission/submission-checker.py"
_SHIPPED = {
    "v0.5": "cd105ff3",
    "v0.7": "cd105ff3",
    "v1.0": "8b58587c",
    "v1.1": "c5b89189",
    "v2.0": "33894a19",
    "v2.1": "318cb131",
    "v3.0": "fd6486a0",
    "v3.1": "ce189bda",
    "v4.0": "e39003a9",
    "v4.1": "379ee534",
    "v5.0": "7bf59976",
    "v5.1": "6776245e",
    "v6.0": "b66003e1",
    "v6.1": "b66003e1",
}


def _git(*arguments: str) -> bytes:
    """Return what Git says of the repository of mlcommons/inference; skip where there is none."""
    done = subprocess.run(["git", "-C", INFERENCE, *arguments], capture_output=True, check=False)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip()
        pytest.skip(f"{MISSING['MLREPO_INFERENCE']}{INFERENCE}: {why}")
    return done.stdout


def _checker_of(ref: str, root: Path) -> Path | None:
    """Write the files of the checker of a revision; None where it has none of a known shape."""
    folders = ("tools/submission", *_CONFIGURATIONS)
    names = set(_git("ls-tree", "-r", "--name-only", ref, *folders).decode().split())
    for files in (_NEW_FILES, (_OLD,), (_OLDEST,)):
        if names.issuperset(files):
            for path in (*files, *sorted(names & _CONFIGURATIONS)):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(_git("show", f"{ref}:{path}"))
            return root
    return None


@pytest.mark.parametrize("name", _SHIPPED)
def test_the_shipped_rounds_are_what_the_import_makes(name: str, tmp_path: Path) -> None:
    """Every key of the shipped data file but the note of its revision, and nothing missing."""
    checkout = _checker_of(_SHIPPED[name], tmp_path)
    assert checkout is not None
    shipped = SHIPPED[name].tables
    imported = import_round(checkout, name)
    tables = json.loads(json.dumps(dict(imported.tables)))
    assert shipped["source"]["path"] == tables["source"]["path"]
    assert _SHIPPED[name][:8] in shipped["source"]["ref"]
    assert tables | {"source": None} == {**shipped, "source": None}
    assert imported.missing == ()


def test_every_table_of_every_release_is_mapped_or_named(tmp_path: Path) -> None:
    """No tag of the official checker has a rule that the import drops without a word."""
    looked_at = 0
    for tag in [*_git("tag").decode().split(), *set(_SHIPPED.values())]:
        checkout = _checker_of(tag, tmp_path / tag)
        if checkout is None:
            continue
        (file,) = [path for path in (_NEW_FILES[0], _OLD, _OLDEST) if (checkout / path).is_file()]
        known, _ = constants(ast.parse((checkout / file).read_text()))
        for name in known["MODEL_CONFIG"]:
            unread = import_round(checkout, name).unread
            assert [line for line in unread if ": " not in line] == [], (tag, name)
            looked_at += 1
    assert looked_at > 50


def test_a_new_round_needs_no_new_code(tmp_path: Path) -> None:
    """The newest round, by number not by text: scenarios, products, functions, local tables."""
    imported = import_round(_checkout(tmp_path, SMALL), ref="abc")
    tables = imported.tables
    assert (imported.name, tables["source"]["ref"]) == ("v10.0", "abc")
    assert tables["models"] == ["tiny", "tiny-99.9"]
    assert tables["scenarios"]["datacenter"] == {
        "tiny": {"required": ["Offline"], "optional": ["Server"]},
        "tiny-99.9": {"required": None, "optional": ["Server"]},
    }
    assert tables["accuracy_target"] == {
        "tiny": {"*": [{"metric": "acc", "min": 40.0}, {"metric": "F1", "min": 2}]},
        "tiny-99.9": {"Offline": [{"metric": "acc", "min": 79}]},
    }
    assert tables["min_duration_ms"] == 600_000
    assert tables["units"] == {"Offline": "Samples/s"}
    assert tables["early_stopping_scenarios"] == ["Server"]
    assert tables["equal_issue_required"] == {"closed": ["tiny"], "open": [], "network": []}
    assert tables["compliance_tests"] == {
        "tiny": ["TEST01"],
        "tiny-99.9": ["TEST01", "TEST04", "TEST06"],
    }


def test_the_classes_of_settings_come_from_mlperf_conf(tmp_path: Path) -> None:
    """Its percentiles and switches; without the file they are those of the round before."""
    checkout = _checkout(tmp_path, SMALL)
    inherited = import_round(checkout)
    assert inherited.tables["settings"] == SHIPPED[list(SHIPPED)[-1]].tables["settings"]
    assert any(line.startswith("settings: there is no mlperf.conf") for line in inherited.missing)
    (checkout / "mlperf.conf").write_text(
        "# comment\n*.SingleStream.target_latency_percentile = 90\n"
        "*.MultiStream.target_latency_percentile = 99\n*.MultiStream.samples_per_query = 16\n"
        "*.Server.target_latency_percentile = 97.5\ntiny.Server.target_latency_percentile = 99.9\n"
        "tiny.*.sample_concatenate_permutation = 1\n"
    )
    settings = import_round(checkout).tables["settings"]
    assert settings["target_latency_percentile"]["Server"] == {
        "class": "minimum",
        "value": 0.975,
        "per_model": {"tiny": 0.999},
        "below": 1,
    }
    assert settings["samples_per_query"]["MultiStream"]["value"] == 16
    assert settings["sample_concatenate_permutation"]["*"]["per_model"] == {"tiny": 1}
    assert settings["min_query_count"]["Server"] == {"class": "free"}
    (checkout / "mlperf.conf").write_text("*.Server.target_latency_percentile = many\n")
    with pytest.raises(UserError, match=r"mlperf\.conf cannot be read"):
        import_round(checkout)


def test_what_could_not_be_mapped_is_told(tmp_path: Path) -> None:
    """Rules that are missing, rules that nothing here reads, and what is no data."""
    imported = import_round(_checkout(tmp_path, SMALL))
    assert "seeds: MODEL_CONFIG has no 'seeds'" in imported.missing
    assert "system_types: there is no function set_type" in imported.missing
    assert any("quantum-limit" in line for line in imported.unread)
    assert any(line.startswith("WHO: ") for line in imported.unread)


def test_a_compliance_test_that_mlrepo_does_not_have_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes a module; until then it is not judged."""
    checkout = _checkout(tmp_path / "inference", SMALL.replace("TEST06", "TEST10"))
    assert main(["round", "import", str(checkout), "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "compliance_tests: mlrepo does not have TEST10\n" in printed
    assert "does not have TEST01" not in printed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MODEL_CONFIG = {",
        "MODEL_CONFIG = 7",
        "MODEL_CONFIG = {'v1.0': 3}",
        "MODEL_CONFIG = {'v1.0': {'models': 5}}",
        "MODEL_CONFIG = {'v1.0': {'accuracy-target': {'a': ('acc',)}}}",
        "MODEL_CONFIG = {'v1.0': {'models': 'a' * 10 ** 12}}",
        "MODEL_CONFIG = {[]: 1}",
        "MODEL_CONFIG = " + "(" * 5000 + ")" * 5000,
        "MODEL_CONFIG = __import__('os').mkdir('executed')",
        "\0",
    ],
)
def test_a_checker_of_another_shape_is_refused_in_one_message(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback, and never a line of it executed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        import_round(_checkout(tmp_path, text))
    assert not (tmp_path / "executed").exists()


def test_a_folder_without_a_checker_is_refused(tmp_path: Path) -> None:
    """The message names what is looked for."""
    with pytest.raises(UserError, match="no submission checker"):
        import_round(tmp_path)


def test_an_imported_round_is_the_repositorys_own(
    results: ResultsRepository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Import writes it to rounds/; list and show find it there."""
    monkeypatch.chdir(results.root)
    checkout = _checkout(tmp_path / "inference", SMALL)
    assert main(["round", "import", str(checkout), "--ref", "abc", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["round"]) == ("mlrepo.round.import/1", "v10.0")
    assert (results.root / "rounds" / "v10.0.json").is_file()
    assert main(["round", "list", "--json"]) == 0
    rounds = json.loads(capsys.readouterr().out)["rounds"]
    assert rounds[-1] == {"name": "v10.0", "held_by": "this repository", "ref": "abc"}
    assert main(["round", "show", "v10.0"]) == 0
    assert "tiny-99.9" in capsys.readouterr().out


def test_import_and_show_say_what_they_lack(
    results: ResultsRepository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file of rules that is none, an unknown round, no repository and no --output."""
    monkeypatch.chdir(results.root)
    (results.root / "rounds").mkdir()
    (results.root / "rounds" / "v12.0.json").write_text("[]")
    assert main(["round", "show", "v12.0"]) == 2
    assert main(["round", "show", "v99.0"]) == 2
    checkout = _checkout(tmp_path / "inference", SMALL)
    monkeypatch.chdir(tmp_path)
    assert main(["round", "import", str(checkout)]) == 2
    assert "--output" in capsys.readouterr().err
    assert main(["round", "import", str(checkout), "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "v10.0.json").is_file()
    assert "not used by any rule" in capsys.readouterr().out
