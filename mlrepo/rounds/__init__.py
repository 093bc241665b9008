"""The rules of each round as data files, and pure lookups in them.

``data/vX.Y.json`` holds the tables of the official submission checker of that round
(mlcommons/inference, Apache-2.0; the file's ``source`` names the revision), and its traits: what
it does differently that no table says (:mod:`mlrepo.rounds.traits`).
"""

from mlrepo.rounds.known import SCHEMA, SHIPPED, Rounds
from mlrepo.rounds.layout import Place, RoundLayout
from mlrepo.rounds.round import LATENCY_UNITS, Round
from mlrepo.rounds.traits import CLASSIC, MODULAR

__all__ = [
    "CLASSIC",
    "LATENCY_UNITS",
    "MODULAR",
    "SCHEMA",
    "SHIPPED",
    "Place",
    "Round",
    "RoundLayout",
    "Rounds",
]
