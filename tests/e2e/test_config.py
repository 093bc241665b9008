"""``mlrepo config``: settings, where each comes from, and which one wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import BENCH, bench, mlrepo


def test_set_get_and_unset_keep_the_comments(root: Path) -> None:
    """Only the line of the setting changes; comments and order are the user's."""
    file = root / "mlrepo.toml"
    before = file.read_text()
    assert "# The settings of this results repository." in before
    assert mlrepo(root, "config", "set", "round", "5.1").out == "round = v5.1\n"
    assert file.read_text() == before.replace('round = "v6.1"', 'round = "v5.1"')
    assert mlrepo(root, "config", "get", "round").out == "v5.1\n"
    mlrepo(root, "config", "set", "official.visibility", "PRIVATE")
    assert mlrepo(root, "config", "get", "official.visibility").out == "private\n"
    mlrepo(root, "config", "unset", "official.visibility")
    assert mlrepo(root, "config", "get", "official.visibility").out == "public\n"
    mlrepo(root, "config", "set", "round", "v6.1")
    assert file.read_text().startswith(before)


@pytest.mark.parametrize(
    ("environ", "value", "origin"),
    [
        ({}, "Acme", "mlrepo.toml"),
        ({"CK_MLPERF_INFERENCE_SUBMITTER": "Old"}, "Old", "CK_MLPERF_INFERENCE_SUBMITTER"),
        (
            {"CK_MLPERF_INFERENCE_SUBMITTER": "Old", "MLREPO_SUBMITTER": "New"},
            "New",
            "MLREPO_SUBMITTER",
        ),
        ({"MLREPO_SUBMITTER": " "}, "Acme", "mlrepo.toml"),
    ],
    ids=["file", "CK", "MLREPO", "blank"],
)
def test_the_environment_wins_over_the_file(
    root: Path, environ: dict[str, Any], value: str, origin: str
) -> None:
    """MLREPO_* wins over CK_MLPERF_INFERENCE_*, which wins over the file; the origin is told."""
    assert mlrepo(root, "config", "get", "submitter", **environ).out == f"{value}\n"
    listed = mlrepo(root, "config", "list", "--json", **environ).json
    assert listed["schema"] == "mlrepo.config/1"
    assert listed["settings"]["submitter"] == {"value": value, "origin": origin}
    assert listed["settings"]["official.branch"] == {"value": "main", "origin": "default"}
    assert listed["settings"]["embargo"] is None


def test_the_flag_wins_over_everything_and_the_record_says_so(root: Path) -> None:
    """A run remembers for each setting where its value came from."""
    record = bench(
        root, "--submitter", "FlagInc", MLREPO_SUBMITTER="Environment", MLREPO_ROUND="v6.0"
    )
    assert record["submitter"] == "FlagInc"
    assert record["settings"]["submitter"] == {"value": "FlagInc", "origin": "--submitter"}
    assert record["settings"]["round"] == {"value": "v6.0", "origin": "MLREPO_ROUND"}
    assert record["settings"]["division"] == {"value": "open", "origin": "mlrepo.toml"}
    assert record["placement"]["path"].startswith("open/FlagInc/results/box-onnxruntime-cpu/")


def test_setting_what_the_environment_overrides_says_so(root: Path) -> None:
    """A value that has no effect right now is not accepted in silence."""
    done = mlrepo(root, "config", "set", "submitter", "File", MLREPO_SUBMITTER="Environment")
    done.says("submitter = File", "MLREPO_SUBMITTER sets submitter to Environment and wins")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("get", "colour"), ("no setting 'colour'", "submitter")),
        (("get", "embargo"), ("embargo is not set", "config set embargo")),
        (("set", "colour", "red"), ("no setting 'colour'",)),
        (("set", "division", "ajar"), ("'ajar'", "closed, open, network")),
        (("set", "round", "v9.9"), ("v9.9", "v6.1")),
        (("set", "round", "next"), ("'next'", "v6.1")),
        (("set", "embargo", "soon"), ("'soon'", "embargo", "YYYY-MM-DD")),
        (("set", "submitter", "a\nb"), ("submitter",)),
        (("unset", "embargo"), ("embargo is not set in", "mlrepo.toml")),
        (("unset", "colour"), ("no setting 'colour'",)),
        (("set", "round"), ("required: VALUE.",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_key_or_value_leaves_the_file_alone(
    root: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """A mistake is named together with what would be right."""
    before = (root / "mlrepo.toml").read_bytes()
    mlrepo(root, "config", *arguments, code=2).says(*words)
    assert (root / "mlrepo.toml").read_bytes() == before


@pytest.mark.parametrize("command", [("set", "round", "v6.0"), ("unset", "round")], ids=" ".join)
def test_a_malformed_file_is_not_rewritten(root: Path, command: tuple[str, ...]) -> None:
    """What cannot be read is left as it is, with the line named."""
    (root / "mlrepo.toml").write_text('round = "v6.1"\ndivision = open\n')
    mlrepo(root, "config", *command, code=2).says("mlrepo.toml", "not valid TOML", "line 2")
    assert (root / "mlrepo.toml").read_text().endswith("division = open\n")


def test_commands_work_in_a_sub_directory(root: Path) -> None:
    """The repository around the working directory is meant, as with git."""
    assert mlrepo(root / "systems" / "box", "config", "get", "submitter").out == "Acme\n"
    assert mlrepo(root.parent, "-C", "results", "config", "get", "submitter").out == "Acme\n"


def test_a_name_that_the_round_refuses_is_refused_when_it_is_given(root: Path) -> None:
    """By config set, by hand, by an option and by another round: never after all measuring."""
    file = root / "mlrepo.toml"
    before = file.read_text()
    for key in ("submitter", "system"):
        mlrepo(root, "config", "set", key, ".a b", code=2).says("v6.1 refuses", f"the {key} '.a b'")
        for given in ((f"--{key}", "a b"), (f"--{key}", ".ab")):
            mlrepo(root, *BENCH, *given, code=2).says(
                f"v6.1 refuses every submission with the {key}"
            )
    assert file.read_text() == before
    mlrepo(root, *BENCH, code=2, MLREPO_SUBMITTER="a__pycache__").says(
        "does not end in __pycache__"
    )
    mlrepo(root, "config", "set", "round", "v2.1")
    mlrepo(root, "config", "set", "submitter", "Acme Inc")  # as published rounds have it
    mlrepo(root, "config", "set", "round", "v6.1", code=2).says("the submitter 'Acme Inc'")
    file.write_text(before.replace('"Acme"', '"Acme Inc"'))
    mlrepo(root, *BENCH, code=2).says("the submitter 'Acme Inc'", "Write it as 'Acme_Inc'")


def test_the_name_of_somebody_elses_benchmark_is_refused_before_its_run(root: Path) -> None:
    """It becomes a directory of the submission like any other name."""
    run = ("bench", "run", "--scenario", "Offline", "--mode", "accuracy", "--model")
    mlrepo(root, *run, "two words", code=2).says("refuses every submission with the benchmark")
    mlrepo(root, *run, "two words", "--round", "v2.1")
    mlrepo(root, *run, "a:b", "--round", "v2.1", code=2).says("There is no benchmark 'a:b'")
