"""A request and its printed command agree when the command line parses it again."""

from __future__ import annotations

import json
import shlex
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlrepo.cli.bench.group import command as bench
from mlrepo.cli.bench.options import parsed
from mlrepo.record.forms import RUN_ID
from mlrepo.record.options import default_of, is_required, option_of
from mlrepo.record.plans import PLANS, CommandPlan
from mlrepo.record.request import AnyRequest, Request, argv, own_fields
from mlrepo.record.run_request import RunRequest, Where
from mlrepo.scenarios import SCENARIOS
from mlrepo.shell import shell_command

_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12
).filter(lambda text: not text.startswith("--"))  # a flag of the CK automation is translated
_KEY = _TEXT.filter(lambda text: "=" not in text)
_NUMBER = st.floats(min_value=1e-9, max_value=1e12, allow_nan=False)
_PATH = st.lists(_TEXT.filter(lambda text: "/" not in text and text not in (".", "..")), min_size=1)
# Fields that take certain words only.
_WORDS = {
    "benchmark": _TEXT.filter(lambda text: "/" not in text),  # after a slash: the model's variant
    "scenario": st.sampled_from(list(SCENARIOS)),
    "scenarios": st.lists(st.sampled_from(list(SCENARIOS)), unique=True).map(tuple),
    "mode": st.sampled_from(["accuracy", "performance"]),
    "way": st.sampled_from(["", "vgg", "pytorch"]),
    "layout": st.sampled_from(["", "nchw", "nhwc"]),
}


def _values(declared: Field[Any]) -> st.SearchStrategy[Any]:
    """Return values of a field as the command line may make them, its default among them."""
    option = option_of(declared)
    if declared.name in _WORDS:
        return _WORDS[declared.name]
    if option.choices:
        return st.sampled_from(option.choices)
    some: st.SearchStrategy[Any] = {
        "bool": st.booleans(),
        "bool | None": st.booleans(),
        "int": st.integers(1, 99),
        "int | None": st.integers(1, 10**9),
        "Small | None": st.integers(1, 2**31 - 1),
        "float": _NUMBER,
        "float | None": _NUMBER,
        "Words": st.lists(_TEXT, max_size=3).map(tuple),
        "AskedWords": st.lists(_TEXT, max_size=3).map(tuple),
        "Prefix": st.lists(_TEXT | st.just("two words"), max_size=3).map(tuple),
        "Mapping[str, str]": st.dictionaries(_KEY, _TEXT, max_size=3),
        "AskedOptions": st.dictionaries(_KEY, _TEXT, max_size=3),
        "ChosenRun": st.from_regex(RUN_ID, fullmatch=True),
        "File | None": _PATH.map(lambda parts: Path("/", *parts)),
    }.get(str(declared.type), _TEXT)
    return some if is_required(declared) else some | st.just(default_of(declared))


@st.composite
def _requests(draw: st.DrawFn, plan: type[CommandPlan]) -> AnyRequest:
    def part(kind: type[RunRequest | Where | CommandPlan], names: tuple[str, ...]) -> Any:
        given = {one.name: draw(_values(one)) for one in fields(kind) if one.name in names}
        left = {one.name: "" for one in fields(kind) if is_required(one)}
        return kind(**left | given)

    run = part(RunRequest, plan.RUN)
    return Request(part(plan, own_fields(plan)), run, part(Where, plan.WHERE))


@pytest.mark.parametrize("name", PLANS)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_the_command_of_a_request_asks_for_the_same(name: str, data: st.DataObject) -> None:
    """Pasted into a shell, through the real command, whatever is set here; and as JSON."""
    plan = PLANS[name]
    request = data.draw(_requests(plan))
    words = argv(request)
    assert words[:3] == ("mlrepo", "bench", name)
    assert isinstance(bench, click.Group)
    again = parsed(bench.commands[name], plan, words[3:])
    assert again == request
    if "$'" not in shell_command(words):
        assert tuple(shlex.split(shell_command(words))) == words
    assert Request.from_dict(json.loads(json.dumps(request.to_dict()))) == request
