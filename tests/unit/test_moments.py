"""Points in time in the forms that people write."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.errors import UserError
from mlrepo.report.moments import moment

_NOW = datetime.datetime(2026, 11, 29, 12, 30, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28", "2026-11-28T00:00:00+00:00"),
        ("20261128", "2026-11-28T00:00:00+00:00"),
        ("2026-11-28T14:30", "2026-11-28T14:30:00+00:00"),
        ("2026-11-28 14:30", "2026-11-28T14:30:00+00:00"),
        ("2026-11-28T14:30:05Z", "2026-11-28T14:30:05+00:00"),
        ("2026-11-28t14:30:05z", "2026-11-28T14:30:05+00:00"),
        ("2026-11-28T14:30+02:00", "2026-11-28T12:30:00+00:00"),
        ("20261128T143005Z", "2026-11-28T14:30:05+00:00"),
        ("yesterday", "2026-11-28T00:00:00+00:00"),
        ("Today", "2026-11-29T00:00:00+00:00"),
        ("36h", "2026-11-28T00:30:00+00:00"),
        ("3 days", "2026-11-26T12:30:00+00:00"),
        ("1 week ago", "2026-11-22T12:30:00+00:00"),
        ("2.weeks.ago", "2026-11-15T12:30:00+00:00"),
        ("90s", "2026-11-29T12:28:30+00:00"),
        ("999999 years", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_what_people_write_means_one_time(text: str, expected: str) -> None:
    """Without a zone it is UTC, as in run ids."""
    assert moment(text, _NOW).isoformat() == expected


def test_a_date_may_mean_its_end() -> None:
    """``--until`` a date includes that day."""
    assert moment("2026-11-28", _NOW, end=True).isoformat() == "2026-11-28T23:59:59.999999+00:00"
    assert moment("2026-11-28T10:00", _NOW, end=True).hour == 10


@given(st.text() | st.from_regex(r"[0-9]{1,9} ?[a-z]{1,6}", fullmatch=True))
def test_any_text_is_a_time_or_a_mistake(text: str) -> None:
    """Nothing else is raised."""
    try:
        assert moment(text, _NOW).tzinfo is datetime.UTC
    except UserError as error:
        assert "2026-11-29" in error.hint
