"""The rules explained for people: `mlrepo check --explain` and `--list-rules`."""

from __future__ import annotations

from mlrepo.checker.rules import RULES, Rule
from mlrepo.errors import UserError
from mlrepo.nearest import meant
from mlrepo.rounds import SHIPPED

# What the official checker does to a result, by the effect in the enforcement table.
EFFECTS = {
    "invalid": "rejects the result",
    "log": "prints an error and accepts the result",
    "none": "does not check",
    "crash": "crashes with a traceback",
    "n/a": "the rule does not exist",
}


def rule_list() -> str:
    """Return one line per rule: its id and what it requires."""
    width = max(map(len, RULES))
    return "\n".join(f"{rule.id.ljust(width)}  {rule.title}" for rule in RULES.values())


def explanation(name: str) -> str:
    """Return everything about a rule; raise :class:`UserError` if there is no rule ``name``."""
    rule = RULES.get(name)
    if rule is None:
        raise UserError(
            f"There is no rule {name!r}.",
            hint=f"{meant(name, RULES)} `mlrepo check --list-rules` lists all.",
        )
    where = " (a warning in rounds that do not have the rule)" if rule.of_its_rounds else ""
    lines = [
        f"{rule.id}: {rule.title}",
        f"strict: {rule.severity.value}{where}",
        f"Source: {rule.source}",
        f"To fix it: {rule.hint}",
        "The official checker, when it is broken:",
        *(f"  {rounds}: {text}" for rounds, text in effects_by_round(rule)),
    ]
    return "\n".join(lines)


def effects_by_round(rule: Rule) -> list[tuple[str, str]]:
    """Return ranges of rounds (``v1.0 to v2.1``), each with what its official checkers do."""
    if rule.official:
        known = list(SHIPPED)
        return [(f"{known[0]} to {known[-1]}", rule.official)]
    spans: list[tuple[str, str, str]] = []
    for name in SHIPPED:
        effect = rule.effect(name)
        text = EFFECTS.get(effect, effect)
        if spans and spans[-1][2] == text:
            spans[-1] = (spans[-1][0], name, text)
        else:
            spans.append((name, name, text))
    return [(first if first == last else f"{first} to {last}", text) for first, last, text in spans]
