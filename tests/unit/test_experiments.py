"""Names of experiments: accepted exactly if Git accepts them as a branch."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlrepo.errors import UserError
from mlrepo.repository.experiments import Experiment

_SIMPLE = "a0z9._-"
_HOSTILE = _SIMPLE + "Ab @{}~^:?*[\\/\n\0é"


def _git_accepts(ref: str) -> bool:
    """Ask git itself."""
    if "\0" in ref:
        return False
    command = ["git", "check-ref-format", ref]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _accepted(text: str) -> bool:
    try:
        Experiment.parse(text)
    except UserError:
        return False
    return True


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(st.text(_SIMPLE, min_size=1, max_size=8) | st.text("a.lock", min_size=1, max_size=8))
@example("a.lock")
@example("a.lock.b")
@example("a..b")
@example("a.")
@example("a.-_")
@example("0")
@example("a" * 64)
def test_of_our_letters_a_name_is_accepted_exactly_when_git_accepts_it(name: str) -> None:
    """Beginning with a letter or digit; neither stricter nor laxer than check-ref-format."""
    begins_well = name[0].isalnum()
    assert _accepted(name) == (begins_well and _git_accepts(f"refs/heads/exp/{name}"))


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(st.text(_HOSTILE, max_size=8))
@example("x\n")
@example("@")
@example("$(id)")
@example("-x")
def test_git_accepts_every_accepted_name(text: str) -> None:
    """No accepted name, with or without ``exp/``, is one that Git refuses."""
    if _accepted(text):
        assert _git_accepts(Experiment.parse(text).ref)
        assert Experiment.parse(text).ref.count("/") == 3


@pytest.mark.parametrize("text", ["", "exp/", "UPPER", "a/b", "exp/exp/a", "a" * 65, "über", "a b"])
def test_other_names_are_refused_with_the_rule(text: str) -> None:
    """The hint says which names are possible."""
    with pytest.raises(UserError, match="not a name for an experiment") as refused:
        Experiment.parse(text)
    assert "lower-case" in refused.value.hint


def test_a_name_may_be_given_with_its_prefix() -> None:
    """``exp/tuning`` and ``tuning`` are one experiment."""
    assert Experiment.parse("exp/tuning") == Experiment.parse("tuning") == Experiment("tuning")
    assert Experiment("tuning").branch == "exp/tuning"
    assert Experiment("tuning").ref == "refs/heads/exp/tuning"
