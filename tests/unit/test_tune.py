"""What tuning tries, chooses and stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlrepo.backends.capabilities import capabilities_of
from mlrepo.bench.tune import Measured, TuneSetting, candidates, choose
from mlrepo.bench.tuned import Tuned, find_tuned, read_tuned, remember
from mlrepo.errors import UserError

_ENTRY = Tuned("ab" * 32, "onnx", "fp32", "Offline", 4, 16, {"streams": "2"}, 90.0, 80.0, "")


def test_the_default_comes_first_and_every_choice_fits_the_threads() -> None:
    """As many streams as divide the threads, each with at least one sample of a batch."""
    found = candidates(capabilities_of("onnx"), "Offline", 4, None)
    assert found[0] == TuneSetting(4, 4)
    assert len(set(map(str, found))) == len(found)
    streams = {candidate.options.get("streams") for candidate in found}
    assert streams == {None, "2", "4"}
    assert {candidate.threads for candidate in found} == {4, 2}
    for candidate in found:
        assert candidate.batch >= int(candidate.options.get("streams", "1"))


@pytest.mark.parametrize(("scenario", "batch"), [("SingleStream", 1), ("MultiStream", 8)])
def test_the_batch_of_a_stream_is_its_query(scenario: str, batch: int) -> None:
    """It is not the user's to choose; a backend without streams has nothing else."""
    assert {c.batch for c in candidates(capabilities_of("openvino"), scenario, 2, None)} == {batch}
    assert candidates(capabilities_of("pytorch"), scenario, 1, None) == [TuneSetting(1, batch)]


def test_the_default_stays_unless_another_is_faster_by_more_than_noise() -> None:
    """A median of turns decides."""
    default, other = TuneSetting(2, 4), TuneSetting(2, 8)
    same = [Measured(other, [101, 99, 102]), Measured(default, [100, 100, 100])]
    assert choose(same, default).candidate == default
    faster = [Measured(other, [110, 1, 111]), Measured(default, [100, 100, 200])]
    assert choose(faster, default).candidate == other


def test_what_was_found_replaces_what_was_known_of_the_same(tmp_path: Path) -> None:
    """Other models, precisions and scenarios keep theirs."""
    path = tmp_path / "tuned.json"
    other = replace(_ENTRY, precision="int8", threads=1)
    for entry in (_ENTRY, other, replace(_ENTRY, threads=3)):
        remember(path, entry)
    assert len(read_tuned(path)) == 2
    found = find_tuned(path, _ENTRY.model, "onnx", "fp32", "Offline")
    assert found == replace(_ENTRY, threads=3)
    assert find_tuned(path, _ENTRY.model, "onnx", "int8", "Offline") == other
    assert find_tuned(path, _ENTRY.model, "onnx", "fp32", "Server") is None
    assert find_tuned(path, "cd" * 32, "onnx", "fp32", "Offline") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "other/1", "tuned": []}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """And is left as it is."""
    path = tmp_path / "tuned.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"tuned\.json is damaged"):
        remember(path, _ENTRY)
    assert path.read_text() == text


def test_a_system_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Nothing is made up."""
    with pytest.raises(UserError, match="cannot be written") as caught:
        remember(tmp_path / "absent" / "tuned.json", _ENTRY)
    assert "mlrepo system add" in caught.value.hint
