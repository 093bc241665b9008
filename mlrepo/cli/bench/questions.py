"""Ask on a terminal for what a command requires and nobody gave; else name all of it at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import click

from mlrepo.errors import UserError
from mlrepo.settings import Resolved, Resolver, setting_named

# Where the value of a setting is from that was given as an answer.
ANSWER = "answer"


@dataclass(frozen=True)
class Question:
    """One value that is missing.

    Attributes
    ----------
    name:
        The option, or what it is.
    about:
        What it means.
    ways:
        How to give it without being asked.
    choices:
        The values that it can have; empty for any.
    """

    name: str
    about: str
    ways: str
    choices: Sequence[str] = ()


class RequiredOption(click.Option):
    """A required option that is asked for together with all others that are missing."""

    def value_is_missing(self, value: object) -> bool:
        """Leave it to the command: click names the first one only."""
        return False


def answers(missing: Sequence[Question]) -> dict[str, str]:
    """Return an answer to each question, by name.

    Raises
    ------
    UserError
        Nobody can be asked: there is no terminal.
    """
    if not missing:
        return {}
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise _not_given(missing)
    given: dict[str, str] = {}
    for one in missing:
        kind = click.Choice(list(one.choices), case_sensitive=False) if one.choices else str
        text = f"{one.name} ({one.about.rstrip('.')})"
        given[one.name] = str(click.prompt(text, type=kind, err=True)).strip()
    return given


def find_settings(
    resolver: Resolver, keys: Iterable[str], given: Mapping[str, str | None]
) -> dict[str, Resolved]:
    """Return settings, asking for those that nothing sets; ``given`` are the flags' values.

    Raises
    ------
    UserError
        Some are not set and nobody can be asked, or a value is invalid.
    """
    found = {key: resolver.find(key, given.get(key)) for key in keys}
    lacking = [key for key, setting in found.items() if setting is None]
    if len(lacking) == 1 and not sys.stdin.isatty():
        resolver.require(lacking[0])  # says all ways to set it
    asked = answers([_of_setting(key) for key in lacking])
    return {
        key: setting or Resolved(setting_named(key).check(asked[key], ANSWER), ANSWER)
        for key, setting in found.items()
    }


def _of_setting(key: str) -> Question:
    setting = setting_named(key)
    ways = f"{setting.flag or setting.variable}, or `mlrepo config set {key} VALUE`"
    return Question(key, setting.summary, ways, setting.choices)


def _not_given(missing: Sequence[Question]) -> UserError:
    names = ", ".join(one.name for one in missing)
    return UserError(f"Not given, and required: {names}.", hint="\n  ".join(map(_way, missing)))


def _way(one: Question) -> str:
    choices = f" One of: {', '.join(one.choices)}." if one.choices else ""
    return f"{one.ways}: {one.about.rstrip('.')}.{choices}"
