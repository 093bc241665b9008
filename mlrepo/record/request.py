"""What a person asked for, as it is kept in a run's record.

``mlrepo bench resume`` and ``replay``, the command that ``show`` prints and the one that repeats a
published result are made from it, by :func:`argv`; the options of ``mlrepo bench`` are made from
the same declarations. What was typed stands beside it (``RunRecord.argv``) as a remark for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from mlrepo.record.codec import Facts
from mlrepo.record.options import Words, redacted_option, typed_words
from mlrepo.record.plans import CommandPlan
from mlrepo.record.run_request import RunRequest, Where

if TYPE_CHECKING:
    from mlrepo.redaction import Redactor

_EMPTY = RunRequest("", "", "", "")
Part = TypeVar("Part", bound=RunRequest | Where | CommandPlan)
Plan = TypeVar("Plan", bound=CommandPlan, covariant=True)


@dataclass(frozen=True)
class Request(Facts, Generic[Plan]):
    """One command of ``mlrepo bench`` with all values that decided its runs, however they came.

    Attributes
    ----------
    run:
        What the runs have in common; only the fields that the command has options for.
    origins:
        Where each value is from that is not its default, by its field: an option, an environment
        variable or ``mlrepo.toml``.
    """

    plan: Plan
    run: RunRequest = _EMPTY
    where: Where = field(default_factory=Where)
    origins: Mapping[str, str] = field(default_factory=dict)

    def decided(self, settings: Mapping[str, str], origins: Mapping[str, str]) -> Request[Plan]:
        """Return the request with the values of settings, and where they are from."""
        where = _filled(self.where, settings)
        return replace(self, where=where, origins={**self.origins, **origins})

    def same_as(self, other: AnyRequest | None) -> bool:
        """Say whether the two ask for the same, wherever their values are from."""
        return other is not None and replace(self, origins={}) == replace(other, origins={})

    def redacted(
        self, redactor: Redactor, count: Callable[[Mapping[str, int]], None] = lambda found: None
    ) -> Request[Plan]:
        """Return the request as it is recorded: without secrets and names.

        ``count`` gets how often each kind of them was replaced.
        """

        def clean(words: Sequence[str]) -> list[str]:
            cleaned, found = redactor.arguments(words)
            count(found)
            return cleaned

        def part(whole: Part, names: Words) -> Part:
            return _filled(
                whole,
                {
                    one.name: redacted_option(one, getattr(whole, one.name), clean)
                    for one in _named(whole, names)
                },
            )

        return replace(
            self,
            plan=part(self.plan, own_fields(self.plan)),
            run=part(self.run, self.plan.RUN),
            where=part(self.where, self.plan.WHERE),
        )


AnyRequest: TypeAlias = Request[CommandPlan]


def argv(request: AnyRequest) -> tuple[str, ...]:
    """Return the command that asks for the same, with every value that decided it.

    None of them is left to an environment variable or to ``mlrepo.toml``.
    """
    plan = request.plan
    return ("mlrepo", "bench", plan.NAME, *_all_words(request))


def _all_words(request: AnyRequest) -> Iterator[str]:
    plan = request.plan
    for whole, names in (
        (request.run, plan.RUN),
        (plan, own_fields(plan)),
        (request.where, plan.WHERE),
    ):
        for one in _named(whole, names):
            yield from typed_words(one, getattr(whole, one.name))


def own_fields(plan: CommandPlan | type[CommandPlan]) -> Words:
    """Return the names of the fields that a plan has of its own."""
    return tuple(one.name for one in fields(plan))


def _named(whole: RunRequest | Where | CommandPlan, names: Words) -> list[Field[object]]:
    by_name: dict[str, Field[object]] = {one.name: one for one in fields(whole)}
    return [by_name[name] for name in names]


def _filled(part: Part, values: Mapping[str, Any]) -> Part:
    return replace(part, **values)
