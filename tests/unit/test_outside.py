"""The message if data from outside the project are missing."""

from tests.outside import HOW, MISSING, skipped


def test_tests_skipped_for_want_of_data_are_counted_with_the_remedy() -> None:
    """A line per kind of data; other reasons are not counted."""
    assert skipped(["torch is not installed"]) == []
    one, other = MISSING
    lines = skipped(
        ["torch", f"Skipped: {MISSING[one]}/a", f"Skipped: {MISSING[one]}/b", MISSING[other]]
    )
    assert [line.split()[:5] for line in lines] == [
        ["2", "tests", "skipped", "without", f"{one}:"],
        ["1", "tests", "skipped", "without", f"{other}:"],
    ]
    assert all(HOW[variable] in line for variable, line in zip(MISSING, lines, strict=True))
