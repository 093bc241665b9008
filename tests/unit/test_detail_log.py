"""``mlperf_log_detail.txt``: values, errors, and damage."""

from __future__ import annotations

import json

import pytest

from mlrepo.errors import InvalidResult
from mlrepo.logs.detail import parse_detail, without_samples


def _line(key: str, value: object, *, error: bool = False, number: int = 1) -> bytes:
    event = {
        "key": key,
        "value": value,
        "time_ms": 0.0,
        "namespace": "mlperf::logging",
        "event_type": "POINT_IN_TIME",
        "metadata": {
            "is_error": error,
            "is_warning": False,
            "file": "loadgen.cc",
            "line_no": number,
            "pid": 1,
            "tid": 1,
        },
    }
    return b":::MLLOG " + json.dumps(event).encode() + b"\n"


def test_values_are_told_by_key_and_group() -> None:
    """Numbers, texts and groups of keys; lines of other programs are not LoadGen's."""
    log = parse_detail(
        b"something else\n"
        + _line("loadgen_version", "6.0.17 @ d6147c7eb7")
        + _line("effective_min_duration_ms", 600000)
        + _line("effective_target_qps", 5.5)
        + _line("result_validity", "VALID")
    )
    assert log.version == "6.0.17 @ d6147c7eb7"
    assert log.group("effective_") == {"min_duration_ms": 600000, "target_qps": 5.5}
    assert log.number("effective_target_qps") == 5.5
    assert log.number("result_validity") is None
    assert log.number("absent") is None
    assert log.errors == ()


@pytest.mark.parametrize("value", [True, False, None, "5", [1], {"a": 1}, 10**400])
def test_what_is_no_number_is_none(value: object) -> None:
    """A truth value or a text is never taken for a result."""
    assert parse_detail(_line("k", value)).number("k") is None


def test_the_first_value_of_a_key_counts() -> None:
    """As in the official checker; a later line cannot overrule a verdict."""
    log = parse_detail(_line("result_validity", "INVALID") + _line("result_validity", "VALID"))
    assert log.values["result_validity"] == "INVALID"


def test_all_errors_are_told_even_of_one_key() -> None:
    """Each line that LoadGen marked as an error counts; warnings do not."""
    log = parse_detail(
        _line("error_runtime", "first", error=True)
        + _line("error_runtime", "second", error=True)
        + _line("warning_generic_message", "third")
    )
    assert log.errors == ("first", "second")


def test_thousands_of_repeated_warnings_hide_nothing() -> None:
    """LoadGen may write one warning per query; they are passed over unparsed."""
    data = _line("a", 1) + _line("warning_generic_message", "CAS failed.") * 200_000
    log = parse_detail(data + _line("z", 2))
    assert (log.number("a"), log.number("z")) == (1, 2)


@pytest.mark.parametrize(
    "line",
    [
        b':::MLLOG {"key": "b", "value": 1',
        b":::MLLOG ",
        b":::MLLOG []",
        b":::MLLOG 5",
        b':::MLLOG {"value": 1, "metadata": {}}',
        b':::MLLOG {"key": "b", "metadata": {}}',
        b':::MLLOG {"key": "b", "value": 1}',
        b':::MLLOG {"key": "b", "value": 1, "metadata": 5}',
        b":::MLLOG " + b"[" * 100_000,
        b":::MLLOG \xff\xfe{}",
        b':::MLLOG {"key": "b", "value": ' + b"9" * 5000 + b', "metadata": {}}',
    ],
    ids=[
        "cut",
        "empty",
        "list",
        "number",
        "no key",
        "no value",
        "no metadata",
        "metadata",
        "deep",
        "bytes",
        "huge number",
    ],
)
def test_a_damaged_line_is_invalid_with_its_number(line: bytes) -> None:
    """Damage is a finding with file and line, never a crash."""
    with pytest.raises(InvalidResult, match=r"x\.txt:3 is not a LoadGen log line"):
        parse_detail(b"\n" + _line("a", 1) + line + b"\n", "x.txt")


def test_numbers_of_samples_are_left_out_where_the_rest_is_searched() -> None:
    """Lists of numbers alone: what else is in one, or in a line cut short, stays."""
    other = _line("effective_samples", [1, 2])
    hidden = _line("loaded_qsl_set", [1, "token"])
    cut = _line("loaded_qsl_set", list(range(99)))[:200]
    loaded = _line("loaded_qsl_set", list(range(99)))
    data = b"".join([loaded, other, hidden, loaded, cut])
    emptied = _line("loaded_qsl_set", [])
    assert without_samples(data) == b"".join([emptied, other, hidden, emptied, cut])
    assert without_samples(other) == other
    assert without_samples(b"") == b""


_LOADED = _line("loaded_qsl_set", list(range(50)))


@pytest.mark.parametrize(
    "damaged",
    [
        _LOADED.replace(b"17, 18", b"17, \x00\x00"),
        _LOADED.replace(b"17, 18", b"17, :::MLLOG 18"),
        _LOADED.replace(b"49]", b"49"),
        _LOADED.replace(b"[0, 1", b"0, 1"),
        _LOADED.replace(b'"metadata": {', b'"metadata": '),
        _LOADED[:100] + b"\n",
        _LOADED[:100] + b"}\n",
    ],
)
def test_damage_among_the_loaded_samples_is_seen(damaged: bytes) -> None:
    """In the list and around it, though the indices themselves are not parsed."""
    assert parse_detail(_LOADED).values == {}
    with pytest.raises(InvalidResult, match="1 is not a LoadGen log line"):
        parse_detail(damaged)
