"""Which releases of LoadGen have the seeds of which round.

LoadGen has embedded mlperf.conf, and so a round's seeds, since 4.1.12; the round's checker rejects
logs with other seeds. ``loadgen.json`` names the first and the last release with the seeds of each
round; for a release newer than the table, only its own seeds say which round it is for.
"""

from __future__ import annotations

import functools
import json
import re
from importlib import resources

from mlrepo.rounds import Round


def loadgen_releases(round_: Round) -> tuple[str, str] | None:
    """Return the first and the last known release of ``mlcommons-loadgen`` with its seeds.

    None for rounds before v4.1, whose seeds were in a file beside LoadGen, and for new ones.
    """
    found = _rounds().get(round_.name)
    return None if found is None else (found[0], found[1])


def has_seeds_of(round_: Round, release: str) -> bool | None:
    """Say whether a release has the round's seeds; None if the table does not say."""
    version = _version(release)
    named = {name: (_version(first), _version(last)) for name, (first, last) in _rounds().items()}
    for name, (first, last) in named.items():
        if first <= version <= last:
            return name == round_.name
    return None


@functools.cache
def _rounds() -> dict[str, list[str]]:
    text = (resources.files("mlrepo.rounds") / "loadgen.json").read_text(encoding="utf-8")
    rounds: dict[str, list[str]] = json.loads(text)["rounds"]
    return rounds


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", text))
