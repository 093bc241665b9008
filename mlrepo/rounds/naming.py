"""Map directory names to benchmarks, as each round's official checker guesses them."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.errors import UserError
from mlrepo.paths import name_problem
from mlrepo.rounds import Round


def official_model(round: Round, name: str, mapping: Mapping[str, object]) -> str:
    """Return the official name for a directory's name; the name itself if none fits.

    ``mapping`` is the submitter's own ``model_mapping.json`` (open division, v3.0 and later).
    """
    if known := round.official_benchmark(name):
        return known
    own = mapping.get(name)
    if isinstance(own, str) and own:
        return own
    guess = next((model for text, model in round.guessed_benchmarks if text in name), name)
    return round.official_benchmark(guess) or guess


def check_new_name(round: Round, name: str, what: str) -> None:
    """Refuse a submitter, system or benchmark name that is not allowed in the round's layout.

    Since v3.0 the official checkers reject the whole submission for a space, a leading dot or
    ``__pycache__``. This is for new names; those of published trees are left alone.

    Raises
    ------
    UserError
        The name is not allowed; raised when it is given, not after the measurement.
    """
    bad = name.startswith(".") or name.endswith("__pycache__") or " " in name
    if bad and round.plain_names:
        raise UserError(
            f"{round.name} refuses every submission with the {what} {name!r}: a name has no "
            "space, begins with no dot and does not end in __pycache__.",
            hint=f"Write it as {name.strip('.').replace(' ', '_')!r}, for example.",
        )
    if name and (problem := name_problem(name)):
        raise UserError(
            f"The {what} {name!r} cannot be a directory of a submission: {problem}.",
            hint="Use letters, digits and . _ + @ = ( ) , - in names.",
        )
