"""A person's request, as kept in a run's record.

``mlrepo bench resume`` and ``replay``, the command that ``show`` prints and the one that repeats a
published result are made from it, by :func:`argv`; the options of ``mlrepo bench`` are made from
the same declarations. The typed command line is kept beside it (``RunRecord.argv``) for people.
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
    """One command of ``mlrepo bench`` with all values that decided its runs, from any source.

    Attributes
    ----------
    run:
        What the runs have in common; only the fields that the command has options for.
    origins:
        The source of each value other than a default, by field: an option, an environment variable
        or ``mlrepo.toml``.
    """

    plan: Plan
    run: RunRequest = _EMPTY
    where: Where = field(default_factory=Where)
    origins: Mapping[str, str] = field(default_factory=dict)

    def decided(self, settings: Mapping[str, str], origins: Mapping[str, str]) -> Request[Plan]:
        """Return the request with the values of settings and their sources."""
        where = _filled(self.where, settings)
        return replace(self, where=where, origins={**self.origins, **origins})

    def same_as(self, other: AnyRequest | None) -> bool:
        """Say whether two requests are equal, whatever the sources of their values."""
        return other is not None and replace(self, origins={}) == replace(other, origins={})

    def redacted(
        self, redactor: Redactor, count: Callable[[Mapping[str, int]], None] = lambda found: None
    ) -> Request[Plan]:
        """Return the request as recorded: without secrets and names.

        ``count`` receives how often each kind was replaced.
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
    """Return the command for the same request, with every value that decided it.

    It does not depend on environment variables or ``mlrepo.toml``.
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
    """Return the names of a plan's own fields."""
    return tuple(_fields_of(plan if isinstance(plan, type) else type(plan)))


def _named(whole: RunRequest | Where | CommandPlan, names: Words) -> list[Field[object]]:
    by_name = _fields_of(type(whole))
    return [by_name[name] for name in names]


# Asked for each of ten thousand runs of a list.
_FIELDS: dict[type, Mapping[str, Field[object]]] = {}


def _fields_of(kind: type[RunRequest | Where | CommandPlan]) -> Mapping[str, Field[object]]:
    found = _FIELDS.get(kind)
    if found is None:
        found = _FIELDS[kind] = {one.name: one for one in fields(kind)}
    return found


def _filled(part: Part, values: Mapping[str, Any]) -> Part:
    return replace(part, **values)
