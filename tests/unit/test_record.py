"""``run.json`` is written and read without loss."""

from __future__ import annotations

import datetime
import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.errors import UserError
from mlrepo.record import (
    UNDATED,
    HostFacts,
    LoadgenFacts,
    Metric,
    RunRecord,
    configuration_digest,
    format_number,
    is_run_id,
    new_run_id,
    timestamp,
    undated_run_id,
)
from tests.samples import sample_record

_BERLIN = datetime.timezone(datetime.timedelta(hours=2))
_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x2030), max_size=8)
_TEXT |= st.sampled_from(["\udcff", "\ud800x", "\\udcff", "\0", "\u2028"])


def test_a_record_survives_json() -> None:
    """What is written is read back equal, and written again byte for byte the same."""
    record = sample_record()
    data = record.to_json()
    assert RunRecord.from_json(data) == record
    assert RunRecord.from_json(data).to_json() == data


@pytest.mark.long
@given(_TEXT, st.lists(_TEXT, max_size=3), st.floats(-1e30, 1e30) | st.none())
def test_any_text_and_finite_number_survives_json(
    text: str, several: list[str], number: float | None
) -> None:
    """Also control characters; halves of surrogate pairs, which no file can hold, as escapes."""
    record = sample_record(
        category=text,
        argv=tuple(several),
        reasons=tuple(several),
        tags=(text,),
        metrics={text: Metric(number, text)},
        host=HostFacts(others={"name": text}),
    )
    read = RunRecord.from_json(record.to_json())
    assert read.to_json() == RunRecord.from_json(read.to_json()).to_json()
    assert read.argv == tuple(_spelt(one) for one in several)
    assert read.metrics == {_spelt(text): Metric(number, _spelt(text))}
    assert read.host == HostFacts(others={"name": _spelt(text)})


def _spelt(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def test_the_file_is_sorted_and_ends_with_a_newline() -> None:
    """Two records differ in lines that mean something."""
    text = sample_record().to_json().decode()
    assert text.endswith("}\n")
    assert json.dumps(json.loads(text), sort_keys=True, indent=2) + "\n" == text
    assert set(json.loads(text)) == {field.name for field in fields(RunRecord)}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_written_as_null(value: float) -> None:
    """JSON has no NaN: a strict reader must be able to read every record."""
    record = sample_record(
        metrics={"min_latency": Metric(value, "ms")},
        loadgen=LoadgenFacts(others={"result": {"qps": [value, 1.5]}}),
    )
    written = json.loads(record.to_json(), parse_constant=pytest.fail)
    assert written["metrics"]["min_latency"] == {"value": None, "unit": "ms"}
    assert written["loadgen"]["result"] == {"qps": [None, 1.5]}


def test_a_later_minor_version_can_be_read() -> None:
    """Unknown keys are ignored, at the top and inside."""
    raw: dict[str, Any] = sample_record().to_dict()
    raw["later"] = raw["result"]["later"] = raw["placement"]["later"] = 1
    raw["metrics"]["latency_p99"]["later"] = raw["logs"]["mlperf_log_summary.txt"]["later"] = 1
    assert RunRecord.from_json(json.dumps(raw).encode()) == sample_record()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"schema": "mlrepo.run/1"}',
        b'{"schema": "mlrepo.run/1", "result": 1, "metrics": {}}',
        b"[" * 100_000,
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_no_record_is_refused_with_its_place(data: bytes) -> None:
    """Damaged or foreign JSON names the file, and is never a bug of mlrepo."""
    with pytest.raises(UserError, match=r"^1234abcd:runs/x/run\.json is not a run record"):
        RunRecord.from_json(data, "1234abcd:runs/x/run.json")


def test_another_schema_asks_for_a_newer_mlrepo() -> None:
    """A record of the next major version is not half-read."""
    with pytest.raises(UserError, match=r"'mlrepo\.run/3'") as refused:
        RunRecord.from_json(sample_record(schema="mlrepo.run/3").to_json())
    assert "newer" in refused.value.hint


def test_a_run_id_sorts_by_start_and_tells_content_apart() -> None:
    """The start in UTC to the second, then six digits of the content's hash."""
    start = datetime.datetime(2026, 11, 23, 14, 14, 7, 999_999, tzinfo=_BERLIN)
    first, second = new_run_id(start, b"a"), new_run_id(start, b"b")
    assert first.startswith("20261123T121407Z-")
    assert first != second
    assert first[:-6] == second[:-6]
    assert new_run_id(start + datetime.timedelta(seconds=1), b"a") > max(first, second)
    assert is_run_id(first)
    assert timestamp(start) == "2026-11-23T12:14:07Z"


def test_ids_without_a_time_do_not_meet() -> None:
    """Those of several rounds are of one day: six digits alone would repeat some of them."""
    contents = [str(number).encode() for number in range(20_000)]
    assert len({new_run_id(UNDATED, content) for content in contents}) < len(contents)
    ids = [undated_run_id(content) for content in contents]
    assert len(set(ids)) == len(contents)
    assert all(is_run_id(each) and each.startswith("19700101T") for each in ids)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261123T121407Z",
        "20261123T121407Z-12345",
        "20261123T121407Z-1234567",
        "20261123T121407Z-12345G",
        "20261123T121407Z-ABCDEF",
        "20261123T121407Z-123456\n",
        "x20261123T121407Z-123456",
        "\u0662\u0660261123T121407Z-123456",
        ".20261123T121407Z-123456",
    ],
)
def test_other_names_are_no_run_ids(text: str) -> None:
    """Directories with other names are not taken for runs."""
    assert not is_run_id(text)


@given(st.dictionaries(_TEXT, _TEXT | st.integers() | st.none()))
def test_the_configuration_digest_depends_on_content_only(values: dict[str, object]) -> None:
    """Not on the order of keys; and it changes when a value does."""
    digest = configuration_digest(values)
    assert configuration_digest(dict(reversed(values.items()))) == digest
    assert configuration_digest({**values, "another": 1}) != digest
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (885.05, "885.05"),
        (885.054321, "885.05"),
        (0.00123456, "0.0012346"),
        (999.999, "1000"),
        (1000.0, "1000"),
        (12345.67, "12345.7"),
        (1_500_000.0, "1500000"),
        (123456789.12, "123456789.1"),
        (-2500.5, "-2500.5"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_printed_for_people(value: float, text: str) -> None:
    """Five significant digits or more, and no thousands in e-notation."""
    assert format_number(value) == text


def test_a_metric_is_printed_with_its_unit() -> None:
    """A run without a result prints a dash."""
    assert str(Metric(885.05, "samples/s")) == "885.05 samples/s"
    assert str(Metric(None, "ms")) == "-"
