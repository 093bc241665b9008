"""Tables that fit the terminal: less important columns go first, then the last text is cut."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from mlrepo.cli.screen import segments, unstyled
from mlrepo.harmless import harmless

# Columns that are only shortened, never left out, keep this many characters: the unique end of a
# run id after "…", the beginning of a text.
_LEAST_END = 7
_LEAST_TEXT = 24
_GAP = "  "
_CELL = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


def output_width() -> int | None:
    """Return the width that output must fit into, in columns; None: no limit.

    ``COLUMNS`` applies if set, as for Git; else the width of the terminal. Output into a file or
    a pipe is not cut.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    if not sys.stdout.isatty():
        return None
    for descriptor in (1, 2, 0):
        try:
            return os.get_terminal_size(descriptor).columns or None
        except OSError:
            continue
    return None


def table_lines(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    drop: Sequence[str] = (),
    cut: str = "",
    tail: str = "",
    wrap: str = "",
    width: int | None = None,
) -> tuple[list[str], tuple[str, ...]]:
    """Return the lines of a table, the header first, and the names of columns left out.

    Parameters
    ----------
    right:
        Columns of numbers, aligned right; they are never cut.
    drop:
        Columns that may be left out, the least important first.
    cut:
        The column of text to cut with "…"; by default the last one that is not a number. As
        "…NAME", its beginning is cut, such as that of a path.
    tail:
        A column of ids of which the last characters are enough; shortened before others go.
    wrap:
        A column of text that continues in the next line instead of being cut.
    width:
        What the lines should fit into, in columns of the terminal; None: no limit.
    """
    cells = [[_shown(cell) for cell in row] for row in rows]
    natural = [
        max((display_width(title), *(display_width(row[i]) for row in cells)))
        for i, title in enumerate(header)
    ]
    widths = dict(enumerate(natural))
    start, cut = cut.startswith("…"), wrap or cut.removeprefix("…")
    ends = {header.index(name) for name in (tail, cut if start else "") if name}
    if width is not None:
        named = {title: i for i, title in enumerate(header)}
        flexible = {named[tail]: _LEAST_END} if tail else {}
        text = [i for i in widths if i not in right]
        cut_column = named[cut] if cut else text[-1] if text else None
        if cut_column is not None and cut_column not in flexible:
            flexible[cut_column] = _LEAST_TEXT
        widths = _fitted(widths, width, [named[name] for name in drop], flexible, text)
    lines = [_line([*header], widths, right, ends)]
    for row in cells:
        for part in _wrapped(row, widths, header.index(wrap)) if wrap else [row]:
            lines.append(_line(part, widths, right, ends))
    return lines, tuple(title for i, title in enumerate(header) if i not in widths)


def no_room(hidden: Sequence[str], width: int | None) -> str:
    """Return the line that says which columns were left out."""
    import textwrap

    text = f"(no room in {width} columns for {', '.join(hidden)})"
    return textwrap.fill(text, width or len(text))


def _fitted(
    natural: Mapping[int, int],
    width: int,
    drop: Sequence[int],
    flexible: Mapping[int, int],
    text: Sequence[int],
) -> dict[int, int]:
    """Return the widths of the columns that stay; they fit if that is possible at all."""
    widths = {i: min(wide, flexible.get(i, wide)) for i, wide in natural.items()}
    for column in drop:
        if _total(widths) <= width:
            break
        widths.pop(column, None)
    left = [column for column in text if column in widths]
    for _ in range(max(0, _total(widths) - width)):
        widest = max(left, key=lambda column: widths[column], default=None)
        if widest is None or widths[widest] <= _LEAST_END:
            break
        widths[widest] -= 1
    for column in reversed(flexible):  # the room that is left: first to the text
        if column in widths:
            room = widths[column] + max(0, width - _total(widths))
            if flexible[column] != _LEAST_END or room >= natural[column]:
                widths[column] = min(natural[column], room)
    return widths


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _wrapped(row: list[str], widths: Mapping[int, int], column: int) -> Iterator[list[str]]:
    """Yield the rows that show one cell whole, below each other, with the other cells once."""
    width = widths.get(column)
    if width is None or display_width(row[column]) <= width:
        yield row
        return
    parts = list(_parts(unstyled(row[column]), width))
    yield [*row[:column], parts[0], *row[column + 1 :]]
    for part in parts[1:]:
        yield [part if i == column else "" for i in range(len(row))]


def _parts(text: str, width: int) -> Iterator[str]:
    """Yield a text in parts of at most ``width`` columns, cut between words where that is possible.

    A character that is wider than the width has a part of its own.
    """
    rest = text
    while display_width(rest) > width:
        fits = _first(rest, width) or rest[:1]
        words = fits.rpartition(" ")[0] if rest[len(fits)] != " " else fits
        taken = words or fits
        yield taken.rstrip()
        rest = rest[len(taken) :].lstrip()
    yield rest


def _line(
    cells: Sequence[str], widths: Mapping[int, int], right: Collection[int], ends: Collection[int]
) -> str:
    parts = []
    for i, width in widths.items():
        cell = cells[i]
        wide = display_width(cell)
        if wide > width:
            cell = cut_text(cell, width, keep_end=i in ends)
            wide = display_width(cell)
        padding = " " * (width - wide)
        parts.append(padding + cell if i in right else cell + padding)
    return _GAP.join(parts).rstrip()


def _shown(cell: str) -> str:
    """Return a cell as it will be shown: one line, harmless, in the encoding of the output."""
    if cell.isascii() and cell.isprintable():
        return cell
    shown = harmless(cell.translate(_CELL))
    encoding = sys.stdout.encoding or "utf-8"
    if encoding.lower() != "utf-8":
        return _each_text(shown, lambda s: s.encode(encoding, "backslashreplace").decode(encoding))
    return shown


def _each_text(text: str, change: Callable[[str], str]) -> str:
    return "".join(change(part) + control for part, control in segments(text))


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    East Asian wide characters take two, combining ones none (Unicode Standard Annex 11).
    """
    if text.isascii():
        return len(text)
    plain = unstyled(text)
    return len(plain) if plain.isascii() else sum(map(_char_width, plain))


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut_text(text: str, width: int, *, keep_end: bool = False) -> str:
    """Return a text cut to ``width`` columns with "…" in place of what is gone; colours stay."""
    if display_width(text) <= width:
        return text
    encoding = (sys.stdout.encoding or "utf-8").lower()
    mark = "…" if encoding == "utf-8" else "..."
    room = max(0, width - display_width(mark))
    if keep_end:
        plain = unstyled(text)
        return mark + _first(plain[::-1], room)[::-1]
    kept, full = [], False
    for part, control in segments(text):
        if not full:
            fits = _first(part, room)
            full = len(fits) < len(part)
            room -= display_width(fits)
            kept.append(fits + (mark if full else ""))
        kept.append(control)
    return "".join(kept)


def _first(text: str, width: int) -> str:
    """Return as much of the beginning as fits."""
    taken = 0
    for number, char in enumerate(text):
        taken += _char_width(char)
        if taken > width:
            return text[:number]
    return text
