"""Findings name the wrong line, which is only then looked up."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from mlrepo.logs import lines
from mlrepo.logs.lines import first_lines


@given(
    text=st.text("ab\n", max_size=60).map(str.encode),
    wanted=st.sets(st.text("ab", min_size=1, max_size=4).map(str.encode), max_size=3),
    block=st.integers(1, 9),
)
def test_the_line_is_that_of_the_first_place_whatever_the_blocks(
    text: bytes, wanted: set[bytes], block: int
) -> None:
    """A text may begin in one block and end in another."""
    before, lines._BLOCK = lines._BLOCK, block
    try:
        found = first_lines(io.BytesIO(text), wanted)
    finally:
        lines._BLOCK = before
    assert found == {w: text.count(b"\n", 0, text.find(w)) + 1 for w in wanted if w in text}
