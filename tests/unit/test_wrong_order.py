"""Words in the wrong place are answered with the command that was meant."""

from __future__ import annotations

import click
import pytest

from mlrepo.cli.main import cli
from mlrepo.errors import UserError


def _refused(line: str) -> str:
    """Return the message with which a command line is refused."""
    words = line.split()
    with (
        pytest.raises((click.UsageError, UserError)) as caught,
        cli.make_context("mlrepo", list(words), obj=words) as context,
    ):
        cli.invoke(context)
    return str(getattr(caught.value, "message", caught.value))


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("run bench --benchmark digits", "`mlrepo bench run`"),
        ("run show latest", "`mlrepo show`"),
        ("run rename a b", "`mlrepo experiment rename`"),
        ("bench runn", "`mlrepo bench run`"),
        ("withdraw latest", "`mlrepo run withdraw`"),
        ("bench run digits Accuracy", "`--benchmark digits --mode Accuracy`"),
        ("pack out/x.tar.gz", "`--output out/x.tar.gz`"),
        ("run note latest", "required: TEXT."),
        ("run note", "required: RUN, TEXT."),
    ],
)
def test_what_was_meant_is_named(line: str, meant: str) -> None:
    """An order of words, a group, or an option that was left out."""
    assert meant in _refused(line)


@pytest.mark.parametrize("line", ["run frobnicate", "submit now", "bench run digits frobnicate"])
def test_nothing_is_suggested_for_words_that_mean_nothing(line: str) -> None:
    """A guess would lead astray."""
    assert "Did you mean" not in _refused(line)
