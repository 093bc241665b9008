"""Scanning a detail log equals parsing each of its lines, and never raises."""

from __future__ import annotations

import io
import json

import pytest

from mlrepo.logs.scan import scan_detail


def _line(key: str, value: object, *, error: bool = False) -> bytes:
    event = {
        "key": key,
        "value": value,
        "time_ms": 0.1,
        "namespace": "mlperf::logging",
        "event_type": "POINT_IN_TIME",
        "metadata": {
            "is_error": error,
            "is_warning": False,
            "file": "a.cc",
            "line_no": 1,
            "pid": 1,
            "tid": 1,
        },
    }
    return b":::MLLOG " + json.dumps(event).encode() + b"\n"


CLEAN = b"".join(_line(f"key{n}", n) for n in range(20_000))


def test_a_clean_log_gives_the_wanted_keys() -> None:
    """Values come from any block of a log that is longer than one block."""
    scan = scan_detail(io.BytesIO(CLEAN), ("key3", "key19999", "absent"))
    assert (scan.values, scan.errors, scan.problem) == ({"key3": 3, "key19999": 19999}, [], "")


@pytest.mark.parametrize("wanted", [("a",), ("a", "b", "c")])
def test_the_first_value_wins_and_the_other_is_told(wanted: tuple[str, ...]) -> None:
    """A key that comes twice with two values is a conflict at the later line."""
    log = _line("a", 1) + CLEAN + _line("a", 2)
    scan = scan_detail(io.BytesIO(log), wanted)
    assert scan.values == {"a": 1}
    assert scan.conflicts == {"a": 20_002}


def test_first_values_alone_are_looked_for_where_asked() -> None:
    """What an accuracy log repeats for each part of the data set is no conflict."""
    log = _line("a", 1) + _line("c", [0]) + _line("a", 2) + CLEAN + _line("b", "late")
    scan = scan_detail(io.BytesIO(log), ("a", "b", "c"), first_only=True)
    assert (scan.values, scan.conflicts) == ({"a": 1, "c": [0], "b": "late"}, {})


@pytest.mark.parametrize(
    "value",
    [
        0,
        -7,
        0.25,
        -1e-05,
        1e300,
        True,
        False,
        "",
        "1",
        "true",
        'a \\ "b"',
        "Müll\n",
        "x" * 200,
        [1, 2, 3],
        [],
        {"a.cc": "0123"},
        10**30,
        None,
    ],
)
def test_a_value_is_what_json_says(value: object) -> None:
    """Short and long, proved and not proved: type and digits are those of the line."""
    found = scan_detail(io.BytesIO(_line("a", value)), ("a",)).values["a"]
    assert (type(found), found) == (type(value), value)


def test_an_error_line_is_found_among_many() -> None:
    """LoadGen's error flag counts wherever the line stands."""
    scan = scan_detail(io.BytesIO(CLEAN + _line("x", "boom", error=True) + CLEAN), ())
    assert scan.errors == ["boom"]
    assert scan.error_count(trusts_count=True) == 1


@pytest.mark.parametrize("key", ["null", "5", "true", "1.5"])
def test_a_key_that_is_no_text_is_one_that_nobody_asks_for(key: str) -> None:
    """No official parser minds it; a list or an object is none that any of them can load."""
    line = f':::MLLOG {{"key": {key}, "value": 1, "metadata": {{"is_error": false}}}}\n'
    scan = scan_detail(io.BytesIO(line.encode() + _line("a", 1)), ("a", "5"))
    assert (scan.problem, scan.values) == ("", {"a": 1})
    assert scan_detail(io.BytesIO(line.replace(key, "[5]", 1).encode()), ()).problem


@pytest.mark.parametrize(
    ("count", "errors"), [("0", 0), ("3", 3), ("null", 1), ("[]", 1), ('"x"', 1), ("0.0", 0)]
)
def test_a_count_of_errors_that_is_no_number_is_not_zero(count: str, errors: int) -> None:
    """The checker that trusts the count only asks whether it is zero."""
    line = _line("num_errors", 1).replace(b'"value": 1', b'"value": ' + count.encode())
    scan = scan_detail(io.BytesIO(line), ("num_errors",))
    assert scan.error_count(trusts_count=True) == errors
    assert scan.error_count(trusts_count=False) == 0


@pytest.mark.parametrize(
    "damage",
    [
        b":::MLLOG {\n",
        b":::MLLOG []\n",
        b"\xff\n",
        b":::MLLOG " + b"[" * 100_000 + b"\n",
        b':::MLLOG {"key": 1, "value": 2, "metadata": {}}\n',
        _line("a", 1)[:50],
    ],
)
def test_a_damaged_line_is_a_problem_with_its_number(damage: bytes) -> None:
    """Every damage names its line."""
    scan = scan_detail(io.BytesIO(CLEAN + damage), ("a",))
    assert scan.problem
    assert scan.problem_line == 20_001


@pytest.mark.parametrize(
    "part", [b'"time_ms"', b'"is_warning": false', b'"line_no": ', b'"tid"', b'"file": "', b"value"]
)
def test_damage_inside_a_line_is_seen(part: bytes) -> None:
    """A byte of the fixed parts of a line is overwritten: no proof may pass that."""
    damaged = _line("a", 1).replace(part, b"\0" + part[1:])
    scan = scan_detail(io.BytesIO(CLEAN + damaged + CLEAN), ())
    assert scan.problem_line == 20_001


@pytest.mark.parametrize(
    "value",
    [
        b"1.2.3",
        b"01",
        b"nul",
        b'"a"b"',
        b"[1",
        b"",
        b'"\t"',
        b"1 2",
        b"[1,,2]",
        b"[,1]",
        b"[1,]",
        b"[01,2]",
        b"[1,02]",
    ],
)
def test_damage_in_a_value_is_seen(value: bytes) -> None:
    """What stands between the fixed parts counts too."""
    damaged = _line("a", 1).replace(b'"value": 1,', b'"value": ' + value + b",")
    scan = scan_detail(io.BytesIO(CLEAN + damaged + CLEAN), ())
    assert scan.problem_line == 20_001


@pytest.mark.parametrize("value", [1.5e-7, -3, True, None, 'a \\ "b"', [1, {"c": "}}"}], "\u00fc"])
def test_every_json_value_is_read(value: object) -> None:
    """What the short proof does not know is parsed, not refused."""
    scan = scan_detail(io.BytesIO(CLEAN + _line("a", value)), ("a",))
    assert (scan.values, scan.problem, scan.has_events) == ({"a": value}, "", True)


def test_windows_line_ends_change_nothing() -> None:
    """CRLF logs hold the same values."""
    log = (_line("a", 1) + _line("b", 2)).replace(b"\n", b"\r\n")
    assert scan_detail(io.BytesIO(log), ("a", "b")).values == {"a": 1, "b": 2}
