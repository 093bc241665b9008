"""The hook that checks system descriptions: run by the pre-commit framework, and directly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlrepo.hooks.check_system import judge
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.rounds import SHIPPED
from mlrepo.systems.outgoing import is_description
from tests.samples import git

_DRAFT = "systems/box/system.json"
_PLACED = "closed/Acme/systems/box-onnxruntime-cpu.json"
_PROGRAM = Path(sys.executable).parent / "mlrepo-check-system"


def _description(**changes: Any) -> bytes:
    whole: dict[str, Any] = dict.fromkeys(SHIPPED["v6.1"].system_fields(), "N/A") | {
        "division": "closed",
        "submitter": "Acme",
        "status": "available",
        "system_type": "edge",
        "number_of_nodes": "1",
        "host_processors_per_node": "1",
        "accelerators_per_node": "0",
        "host_processor_core_count": "4",
    }
    return json.dumps(whole | changes).encode()


def test_a_whole_description_passes_in_both_places(results: ResultsRepository) -> None:
    """So do warnings, which break nothing, and files that are no description."""
    files = [(_DRAFT, _description()), (_PLACED, _description(colour="red")), ("README.md", b"x")]
    assert judge(results.root, files) == []


@pytest.mark.parametrize(
    ("data", "draft", "placed"),
    [
        (b"{", "system-description", "system-description"),
        (b"[]", "system-description", "system-description"),
        ('{"a": "ä"}'.encode("utf-16"), "system-description", "system-description"),
        (_description(status="sold out"), "system-status", "system-status"),
        (_description(system_type="Edge"), "system-type", "system-type"),
        (_description(sw_notes=["a"]), "system-text", "system-text"),
        (_description(number_of_nodes=0), "system-field-empty", "system-field-empty"),
        (_description(status=""), "", "system-status"),
        (_description(framework=" "), "", "system-field-empty"),
        (_description(cooling=" "), "", ""),
        (_description(cooling=None), "", "system-field-empty"),
        (_description(framework=""), "", "system-field-empty"),
        (b"{}", "", "system-field-missing"),
        (_description(division="open"), "", "system-division"),
        (_description(submitter="Other"), "", "system-submitter"),
        (_description(is_network="true"), "", "network-mode"),
    ],
    ids=str,
)
def test_a_draft_may_be_unfinished_and_a_placed_description_not(
    results: ResultsRepository, data: bytes, draft: str, placed: str
) -> None:
    """Each message begins with the file and names the rule."""
    for path, rule in ((_DRAFT, draft), (_PLACED, placed)):
        messages = judge(results.root, [(path, data)])
        assert all(message.startswith(f"{path}: ") for message in messages)
        rules = {message.split(": ")[1] for message in messages}
        assert (rule in rules) if rule else not rules


def test_the_round_is_that_of_the_repository(
    results: ResultsRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``mlrepo.toml`` tells it, the environment goes before."""
    files = [(_PLACED, _description(cooling=""))]
    assert judge(results.root, files)
    monkeypatch.setenv("MLREPO_ROUND", "v1.1")
    assert judge(results.root, files) == []
    monkeypatch.delenv("MLREPO_ROUND")
    settings = results.root / "mlrepo.toml"
    settings.write_text(settings.read_text().replace("v6.1", "v1.1"))
    assert judge(results.root, files) == []


def test_the_program_says_what_breaks_and_ends_with_1(results: ResultsRepository) -> None:
    """Messages go to standard error; a damaged mlrepo.toml is a message too, not a traceback."""
    path = results.root / _PLACED
    path.parent.mkdir(parents=True)
    path.write_bytes(_description(status="sold out"))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_PROGRAM, _PLACED, "no-such-file"],
            cwd=results.root,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert done.returncode == 1
    assert f"mlrepo check-system: {_PLACED}: system-status: " in done.stderr
    assert "available, preview, rdi" in done.stderr
    path.write_bytes(_description())
    assert (run().returncode, run().stderr) == (0, "")
    (results.root / "mlrepo.toml").write_text("round = [")
    done = run()
    assert done.returncode == 1
    assert "not valid TOML" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_framework_asks_for_descriptions_only(results: ResultsRepository) -> None:
    """By the scaffold's configuration, on what is staged, not on what lies in the working tree."""
    from mlrepo.templates import render

    root = results.root
    (root / ".pre-commit-config.yaml").write_bytes(
        render("results_repo/pre-commit-config.yaml", {})
    )
    path = root / _DRAFT
    path.parent.mkdir(parents=True)
    path.write_bytes(_description(status="sold out"))
    git(root, "add", ".")
    path.write_bytes(_description())  # mended, and not added
    command = [sys.executable, "-m", "pre_commit", "run", "mlrepo-check-system"]
    environ = os.environ | {"PATH": f"{_PROGRAM.parent}:{os.environ['PATH']}"}
    run = subprocess.run(command, cwd=root, env=environ, capture_output=True, check=False)
    assert run.returncode == 1, run.stdout
    assert b"system-status" in run.stdout
    git(root, "add", ".")
    run = subprocess.run(command, cwd=root, env=environ, capture_output=True, check=False)
    assert run.returncode == 0, run.stdout


def test_both_lists_of_hooks_name_the_files_that_are_judged() -> None:
    """The pattern of the two configurations and the code agree."""
    from mlrepo.templates import render

    own = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
    texts = (own.read_text(), render("results_repo/pre-commit-config.yaml", {}).decode())
    for text in texts:
        (pattern,) = re.findall(r"entry: mlrepo-check-system(?:.|\n)*?files: (\S+)", text)
        for name in (
            _DRAFT,
            _PLACED,
            "systems/box.json",
            "open/A/systems/b.json",
            "README.md",
            "systems/box/other.json",
            "open/A/systems/b/c.json",
            "x/systems/b.json",
            "runs/1/system.json",
        ):
            assert bool(re.match(pattern, name)) is is_description(name), name


def test_sound_descriptions_are_judged_without_heavy_imports(results: ResultsRepository) -> None:
    """Neither cerberus nor libgit2 nor click."""
    (results.root / "data").write_bytes(_description())
    code = (
        "import sys; from pathlib import Path; from mlrepo.hooks.check_system import judge; "
        f"assert judge(Path('.'), [({_PLACED!r}, Path('data').read_bytes())]) == []; "
        "sys.exit(any(m in sys.modules for m in ('cerberus', 'pygit2', 'click', 'psutil')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=results.root, check=False)
    assert done.returncode == 0
