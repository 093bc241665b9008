"""Find the official checker of a round."""

from __future__ import annotations

from mlrepo.checker.official.classic import Classic
from mlrepo.checker.official.modular import Modular
from mlrepo.checker.official.program import OfficialChecker
from mlrepo.rounds import Round

_PROGRAMS = {"classic": Classic, "modular": Modular}


def official_checker(round: Round) -> OfficialChecker:
    """Return the official checker of a round."""
    return _PROGRAMS[round.checker](round)
