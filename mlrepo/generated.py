"""What a language model generated for one sample, as backends hand it to a benchmark's task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Generated(NamedTuple):
    """The output of a language model for one sample.

    Attributes
    ----------
    text:
        The generated text; '' from an engine that returns ids alone.
    ids:
        The generated token ids in their order; empty if the system returns text alone.
    tokens:
        How many tokens were generated, the end of the sequence included if the system counts it.
    """

    text: str
    ids: Sequence[int] = ()
    tokens: int = 0
