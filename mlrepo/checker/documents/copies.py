"""Warn about runs and descriptions that systems share: known only when all have been judged.

LoadGen measures in nanoseconds, so two runs never agree: a log in two systems was measured on at
most one of them. Within a system copies are legitimate: bert-99 and bert-99.9 may share a run, a
scenario may be inferred from another one, and a closed result may be in the open division, too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mlrepo.checker.report import Result
from mlrepo.checker.rules import RULES
from mlrepo.findings import Finding
from mlrepo.rounds import Place, Round

_LEVEL = re.compile(r"-9[59](?:\.9)?$")
SYSTEM = "system"
"""The name of the fingerprint of a system description."""


def description_print(description: Mapping[str, object]) -> str:
    """Return the fingerprint of a system description."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def with_copies(round: Round, results: Sequence[Result]) -> tuple[Result, ...]:
    """Return the results, each with a warning for every other result that has the same runs."""
    owners: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        for name, fingerprint in result.prints:
            if fingerprint and name != SYSTEM:
                owners[fingerprint].append(result)
    return tuple(
        replace(result, findings=(*result.findings, *found))
        if (found := tuple(_copies(round, result, owners)))
        else result
        for result in results
    )


def _copies(
    round: Round, result: Result, owners: Mapping[str, Sequence[Result]]
) -> Iterator[Finding]:
    shared: dict[str, list[str]] = defaultdict(list)
    for name, fingerprint in result.prints:
        others = [other.path for other in owners.get(fingerprint, ()) if _differ(result, other)]
        if others and name not in shared[min(others)]:
            shared[min(others)].append(name)
    for other, names in shared.items():
        if names:
            yield _warning(
                "run-copied",
                _path(round, result, names[0]),
                f"Another result contains the same run: {', '.join(names)}.",
                other,
            )


def _differ(one: Result, other: Result) -> bool:
    if (one.submitter, one.system) != (other.submitter, other.system):
        return True
    return _LEVEL.sub("", one.benchmark) != _LEVEL.sub("", other.benchmark)


def _path(round: Round, result: Result, name: str) -> str:
    """Return the directory of a run of the result; up to v5.1 tests have a separate tree."""
    if not name.startswith("TEST"):
        return f"{result.path}/{name}"
    layout = str(round.tables["layout"]["compliance"])
    return layout.format(
        division=result.division,
        submitter=result.submitter,
        system=result.system,
        model=result.benchmark,
        scenario=result.scenario,
        TEST=name,
    )


def copied_descriptions(round: Round, results: Sequence[Result]) -> Iterator[Finding]:
    """Yield a warning for each system of a submitter that has another one's description."""
    systems: dict[tuple[str, str], dict[str, Result]] = defaultdict(dict)
    for result in results:
        for name, fingerprint in result.prints:
            if name == SYSTEM:
                systems[result.submitter, fingerprint].setdefault(result.system, result)
    for same in systems.values():
        first, *others = sorted(same)
        for name in others:
            result = same[name]
            place = Place(result.division, result.submitter, name, "")
            yield _warning(
                "system-copied",
                str(round.layout.system_file(place)),
                "Another system has the same description.",
                first,
            )


def _warning(rule: str, path: str, message: str, other: str) -> Finding:
    known = RULES[rule]
    return Finding(
        rule=rule,
        severity=known.severity,
        path=path,
        message=message,
        actual=other,
        hint=known.hint,
        breaks_official=False,
        breaks_strict=known.breaks_strict,
    )
