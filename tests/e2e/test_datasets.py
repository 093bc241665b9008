"""The data set commands ask the installed benchmarks, a third party's as well."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mlrepo.workloads import digits
from tests.e2e.driver import bench, mlrepo

_DIGITS = Path(digits.__file__).parent / "digits.npz"


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, Any]:
    """An environment with a user's directory of its own."""
    return {"MLREPO_HOME": str(tmp_path / "home")}


def test_a_data_set_of_a_third_party_is_registered_prepared_and_run(
    root: Path, tmp_path: Path, kept: dict[str, Any]
) -> None:
    """From its file, which has another name, to the recorded accuracy."""
    mine = tmp_path / "mine.npz"
    shutil.copyfile(_DIGITS, mine)
    mlrepo(root, *_accuracy(), code=2, **kept).says("dataset add kept-digits")
    added = mlrepo(
        root,
        *("dataset", "add", "kept-digits", "--path", "."),
        *("--file", f"digits.npz={mine}"),
        **kept,
    )
    assert added.out == f"kept-digits: 500 digits below {mine}\n"
    assert added.err == "Their licence is not known.\n"
    mlrepo(root, "dataset", "prepare", "kept-digits", "--size", "16", **kept).says(
        "kept-digits is prepared as plain, 16 pixels: "
    )
    mlrepo(root, "dataset", "verify", "kept-digits", **kept).says("500 digits are unchanged")
    listed = {
        entry["name"]: entry
        for entry in mlrepo(root, "dataset", "list", "--json", **kept).json["datasets"]
    }
    assert listed["kept-digits"] == {
        "name": "kept-digits",
        "about": "handwritten digits, kept by the user",
        "samples": 500,
        "of": None,
        "prepared": ["plain"],
        "path": str(mine),
        "files": ["digits.npz", "licence.txt"],
        "ways": ["plain", "negative"],
    }
    assert listed["imagenet2012"]["samples"] == 0
    record = bench(root, "--model", "kept", **kept)
    assert record["validity"] == "VALID"
    mine.write_bytes(mine.read_bytes() + b"x")
    mlrepo(root, "dataset", "verify", "kept-digits", code=1, **kept).says("plain.npz is not")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("add", "nonsense", "--path", "."), 2, ("no data set 'nonsense'", "kept-digits")),
        (("add", "kept-digits", "--path", "."), 2, ("digits.npz (images and labels)", "--file")),
        (("add", "kept-digits", "--path", ".", "--file", "digits.npz"), 2, ("PART=PATH",)),
        (("add", "kept-digits", "--path", ".", "--labels", "x"), 2, ("no file 'labels'",)),
        (
            ("add", "kept-digits", "--path", ".", "--file", "licence.txt=no"),
            2,
            ("digits.npz (images", "no (whose they are)"),
        ),
        (("prepare", "kept-digits"), 2, ("not registered",)),
        (("prepare", "kept-digits", "--way", "vgg"), 2, ("plain, negative",)),
        (("prepare", "kept-digits", "--size", "9"), 2, ("8 to 16", "steps of 8")),
        (("prepare", "imagenet2012", "--size", "9"), 2, ("16 to 2048",)),
    ],
)
def test_what_does_not_fit_a_data_set_is_refused(
    root: Path, kept: dict[str, Any], arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    """The message says what does, and nothing is written."""
    mlrepo(root, "dataset", *arguments, code=code, **kept).says(*words)
    assert not Path(kept["MLREPO_HOME"]).exists()


def test_prereq_of_a_benchmark_covers_its_data_and_its_accuracy(root: Path) -> None:
    """Not only the models that are made here."""
    found = mlrepo(root, "bench", "prereq", "--model", "kept", "--json").json
    assert found["requirements"] == ["numpy>=1.26"]
    found = mlrepo(root, "bench", "prereq", "--model", "resnet50", "--json").json
    assert found["requirements"] == ["opencv-python-headless>=4.8", "pillow>=10"]


def _accuracy() -> tuple[str, ...]:
    return ("bench", "run", "--model", "kept", "--scenario", "Offline", "--mode", "accuracy")
