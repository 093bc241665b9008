"""Tables fit the terminal: the least important columns go first, and no number is cut."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.cli.render import print_table, style
from mlrepo.cli.screen import doors, unstyled
from mlrepo.cli.table import cut_text, display_width, output_width, table_lines

_HEADER = ("RUN", "SYSTEM", "SCENARIO", "RESULT", "VERDICT", "TAGS")
_ROW = ("20261129T014342Z-a42aa1", "this-machine", "Offline", "15760.1 samples/s", "VALID", "demo")
_LAYOUT = {"right": (3,), "drop": ("TAGS", "SYSTEM"), "tail": "RUN"}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (None, _HEADER),
        (120, _HEADER),
        (80, _HEADER),
        (60, ("RUN", "SYSTEM", "SCENARIO", "RESULT", "VERDICT")),
        (50, ("RUN", "SCENARIO", "RESULT", "VERDICT")),
        (30, ("RUN", "SCENARIO", "RESULT", "VERDICT")),
    ],
)
def test_less_important_columns_go_first(width: int | None, shown: tuple[str, ...]) -> None:
    """At every width the run, its result and its verdict are there."""
    lines, hidden = table_lines(_HEADER, [_ROW], width=width, **_LAYOUT)  # type: ignore[arg-type]
    assert set(hidden) == set(_HEADER) - set(shown)
    assert "15760.1 samples/s" in lines[1]
    if width is None or width == 120:
        assert _ROW[0] in lines[1]
    else:
        assert "…a42aa1 " in lines[1]
    if width and width >= 50:
        assert lines[0].split() == list(shown)
        assert max(map(display_width, lines)) <= width


_CELLS = st.text(st.characters(), max_size=40)


@given(
    rows=st.lists(st.tuples(_CELLS, _CELLS, _CELLS), max_size=4),
    width=st.sampled_from([30, 60, 80, 120]),
)
def test_a_table_fits_whatever_others_wrote(rows: list[tuple[str, ...]], width: int) -> None:
    """Line ends, wide and combining characters, escape sequences: one line a row, none too wide."""
    lines, _ = table_lines(("A", "B", "C"), rows, width=width)
    assert len(lines) == len(rows) + 1
    for line in lines:
        assert "\n" not in line
        assert "\x1b" not in line
        assert display_width(line) <= width


@given(text=st.text(st.characters(), max_size=200), width=st.sampled_from([20, 40, 80]))
def test_a_text_that_matters_continues_in_the_next_line(text: str, width: int) -> None:
    """Nothing of it is lost, and no line is too wide."""
    lines, _ = table_lines(("RUN", "WHY"), [("a", text), ("b", "y")], wrap="WHY", width=width)
    whole, _ = table_lines(("RUN", "WHY"), [("a", text), ("b", "y")])
    assert max(map(display_width, lines)) <= width
    shown = "".join("".join(lines[1:-1]).split())
    assert shown == "".join(whole[1].split())
    assert lines[-1].split() == ["b", "y"]


def test_columns_stay_below_each_other_in_any_script() -> None:
    """A wide character takes two columns, a combining one none."""
    rows = [
        ("語", "x"),
        ("e\u0301e", "x"),
        ("ab", "x"),
        ("a\nb", "x"),
        (style("ab", fg="red"), "x"),
    ]
    lines, _ = table_lines(("N", "V"), rows)
    assert len({display_width(line) for line in lines}) == 1
    assert "a\\nb" in lines[4]


@pytest.mark.parametrize(
    ("text", "width", "keep_end", "cut"),
    [
        ("abcdef", 6, False, "abcdef"),
        ("abcdef", 4, False, "abc…"),
        ("abcdef", 4, True, "…def"),
        ("語語語", 4, False, "語…"),
        ("語語語", 5, True, "…語語"),
    ],
)
def test_a_cut_says_where_it_is(text: str, width: int, keep_end: bool, cut: str) -> None:
    """And never makes the text wider than asked."""
    assert cut_text(text, width, keep_end=keep_end) == cut


def test_a_cut_leaves_colours_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows a cut cell is not in its colour."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    seen = _Terminal()
    monkeypatch.setattr(sys, "stdout", seen)
    with doors():
        print(cut_text(style("abcdef", fg="red"), 4))
    assert seen.getvalue() == "\x1b[31mabc…\x1b[0m\n"
    assert unstyled(cut_text(style("abcdef", fg="red"), 4)) == "abc…"


def test_what_is_piped_is_not_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless COLUMNS asks for a width, as for Git; what then is missing is said."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert output_width() is None
    print_table(("A", "B"), [("x" * 150, "y" * 150)])
    assert "x" * 150 + "  " + "y" * 150 in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "60")
    assert output_width() == 60
    print_table(("A", "B"), [("x" * 50, "y" * 50)], drop=("B",))
    assert capsys.readouterr().out.endswith("\n(no room in 60 columns for B)\n")
    for nonsense in ("", "0", "-1", "wide", "²"):
        monkeypatch.setenv("COLUMNS", nonsense)
        assert output_width() is None
