"""Which benchmark a directory name stands for, as each round's official checker guesses."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.errors import UserError
from mlrepo.paths import name_problem
from mlrepo.rounds import Round


def official_model(round: Round, name: str, mapping: Mapping[str, object]) -> str:
    """Return the official name behind a directory's; the name itself when nothing fits.

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
    """Refuse the name of a submitter, system or benchmark that cannot be in the round's layout.

    From v3.0 on the official checkers reject the whole submission for a space, a leading dot or
    ``__pycache__``. For names that are given now; those of published trees stay as they are.

    Raises
    ------
    UserError
        When it is given, not after all measuring.
    """
    bad = name.startswith(".") or name.endswith("__pycache__") or " " in name
    if bad and round.plain_names:
        raise UserError(
            f"{round.name} refuses every submission with the {what} {name!r}: a name holds no "
            "space, begins with no dot and does not end in __pycache__.",
            hint=f"Write it as {name.strip('.').replace(' ', '_')!r}, for example.",
        )
    if name and (problem := name_problem(name)):
        raise UserError(
            f"The {what} {name!r} cannot be a directory of a submission: {problem}.",
            hint="Use letters, digits and . _ + @ = ( ) , - in names.",
        )
