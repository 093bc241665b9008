"""Records written by mlrepo 0.1.0 can still be read without loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlrepo.record import MODES, NO_RESULT_TAGS, RunRecord
from mlrepo.repository.trailers import parse_trailers, trailers_then

RECORDED = Path(__file__).parent.parent / "recorded" / "runs"
_RUNS = sorted(path.stem for path in RECORDED.glob("*.json"))


def _data(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def _record(name: str) -> RunRecord:
    return RunRecord.from_json(_data(name), name)


def _values(value: object, above: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _values(item, f"{above}/{key}")
    else:
        yield above, value


def test_every_kind_of_run_is_here() -> None:
    """Each mode and verdict, and what tags make of a run."""
    records = [_record(name) for name in _RUNS]
    assert {record.schema for record in records} == {"mlrepo.run/1"}
    assert {record.mode for record in records} == {*MODES, "compliance"}
    assert {r.validity for r in records} == {"VALID", "INVALID", "FAILED", "INTERRUPTED"}
    tags = {tag for record in records for tag in record.tags}
    assert {"imported", "probe", "replay", "suite"} <= tags
    assert NO_RESULT_TAGS & tags
    assert any(record.replays for record in records)
    assert any(record.redactions for record in records)


@pytest.mark.parametrize("name", _RUNS)
def test_a_record_of_0_1_is_read_whole(name: str) -> None:
    """Every value that it holds is found again under the same key; what is new has defaults."""
    before = dict(_values(json.loads(_data(name))))
    after = dict(_values(_record(name).to_dict()))
    assert {key: after.get(key) for key in before} == before


@pytest.mark.parametrize("name", _RUNS)
def test_a_record_of_0_1_is_written_without_loss(name: str) -> None:
    """As its parts are taken over by a later run, such as a repetition of it."""
    record = _record(name)
    assert RunRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("name", _RUNS)
def test_the_trailers_of_its_commit_are_those_of_its_record(name: str) -> None:
    """History is searched by them, and a commit that says something else counts for nothing."""
    message = (RECORDED / f"{name}.message").read_text()
    committed = parse_trailers(message)
    assert committed is not None
    assert committed == trailers_then(_record(name), committed)
