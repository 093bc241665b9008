"""The option of one request field: how it is typed on the command line, and redacted.

A field of a request is declared once, by :func:`option`. The command line and the command that a
record prints are made from that declaration.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field
from pathlib import Path
from typing import TypeVar, cast

_KEY = "option"
_NO = "--no-"

Default = TypeVar("Default")
Words = tuple[str, ...]


@dataclass(frozen=True)
class Option:
    """An option of ``mlrepo bench``.

    Attributes
    ----------
    flags:
        The option's name, then its aliases; ``--x/--no-x`` names both yes and no; empty for an
        argument, which has no name.
    variable:
        The environment variable that sets it if it is not typed.
    choices:
        The texts that it accepts; empty for any.
    as_one:
        Whether its words are typed as one text, as in a shell.
    always:
        Whether a command spells it out even if it has the default.
    least:
        The smallest number that it accepts.
    usual:
        The value of a required option if it is not typed; empty for none.
    """

    flags: tuple[str, ...]
    about: str = ""
    variable: str = ""
    choices: tuple[str, ...] = ()
    metavar: str = ""
    as_one: bool = False
    always: bool = False
    hidden: bool = False
    least: int | None = None
    usual: str = ""

    @property
    def flag(self) -> str:
        """The option's own name; for ``--x/--no-x`` the first."""
        return self.flags[0].partition("/")[0] if self.flags else ""

    @property
    def negates(self) -> bool:
        """Whether giving the option means no."""
        return self.flag.startswith(_NO)


def option(
    *flags: str,
    about: str,
    default: Default,
    variable: str = "",
    choices: tuple[str, ...] = (),
    metavar: str = "",
    as_one: bool = False,
    always: bool = False,
    hidden: bool = False,
    least: int | None = None,
) -> Default:
    """Return a field of a dataclass that is filled by an option: see :class:`Option`."""
    declared = Option(flags, about, variable, choices, metavar, as_one, always, hidden, least)
    metadata = {_KEY: declared}
    if isinstance(default, dict):
        return cast(Default, field(default_factory=default.copy, metadata=metadata))
    return field(default=default, metadata=metadata)


def required(*flags: str, about: str, usual: str = "", variable: str = "") -> str:
    """Return a field of a dataclass that is filled by an option without a default."""
    made: str = field(metadata={_KEY: Option(flags, about, variable, usual=usual)})
    return made


def option_of(declared: Field[object]) -> Option:
    """Return the option that fills a field."""
    found: Option = declared.metadata[_KEY]
    return found


def default_of(declared: Field[object]) -> object:
    """Return the default of a field; None where it is required."""
    if declared.default is not MISSING:
        return declared.default
    return declared.default_factory() if declared.default_factory is not MISSING else None


def is_required(declared: Field[object]) -> bool:
    """Say whether a field has no default."""
    return declared.default is MISSING and declared.default_factory is MISSING


def typed_words(declared: Field[object], value: object) -> Iterator[str]:
    """Yield the words of a command line that give a field its value; none for its default."""
    found = option_of(declared)
    if value is None or (value == default_of(declared) and not found.always):
        return
    if isinstance(value, bool):
        yield found.flag if value != found.negates else _NO + found.flag.removeprefix("--")
        return
    for word in _texts(found, value):
        yield from (found.flag, word) if found.flags else (word,)


def _texts(declared: Option, value: object) -> Sequence[str]:
    if isinstance(value, Mapping):
        return [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, tuple):
        return [shlex.join(value)] if declared.as_one else value
    if isinstance(value, float):
        return [f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)]
    return [str(value)]


def redacted_option(
    declared: Field[object], value: object, clean: Callable[[Sequence[str]], list[str]]
) -> object:
    """Return a value without secrets and names.

    ``clean`` redacts words; the word after one that names a secret is a secret, too.
    """
    if isinstance(value, Path):
        return Path(*clean([str(value)]))
    if isinstance(value, Mapping):
        pairs = (clean([f"{key}={one}"])[0].partition("=") for key, one in value.items())
        return {key: one for key, _, one in pairs}
    if isinstance(value, tuple):
        apart = [value] if option_of(declared).as_one else [(word,) for word in value]
        return tuple(word for words in apart for word in clean(words))
    return clean([value])[0] if isinstance(value, str) else value
