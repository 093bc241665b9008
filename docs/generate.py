"""Write docs/reference.md from the command line itself, rules.md and from-ck.md from their tables.

`make docs` runs it; tests hold both current.
"""

from __future__ import annotations

from pathlib import Path

import click

from mlrepo.checker import differences
from mlrepo.checker.differences import LIMITS, PARTLY, WHY, WHY_NOT
from mlrepo.checker.rules import RULES, Rule
from mlrepo.cli.environment import VARIABLES
from mlrepo.cli.main import cli
from mlrepo.cli.submission.rule_texts import effects_by_round
from mlrepo.predecessor import table_rows
from mlrepo.settings import SETTINGS

TARGET = Path(__file__).parent / "reference.md"
RULES_TARGET = Path(__file__).parent / "rules.md"
FROM_CK_TARGET = Path(__file__).parent / "from-ck.md"


def reference() -> str:
    """Return the reference: every command with its help, every setting with its variables."""
    parts = [
        "# Reference",
        "Generated from the commands' own help by `make docs`. Every command has `--help`.",
        "Exit codes: 0 done; 1 judged invalid; 2 usage or user error; 69 remote unavailable; "
        "70 a bug (a report was written); 75 busy, try again; 130 interrupted.",
        *_commands(cli, click.Context(cli, info_name="mlrepo", **cli.context_settings)),
        "## Environment variables",
        "Besides those of the settings below and of [CK](from-ck.md); `mlrepo help environment` "
        "prints all.",
        "| variable | what it does |\n|---|---|\n"
        + "\n".join(f"| {_codes(name)} | {about} |" for name, about in VARIABLES),
        "## Settings",
        "A setting is looked up in this order: flag, `MLREPO_*`, the variables of CK (scripts "
        "written for it keep working), the clone's own value (`mlrepo system use`), "
        "`mlrepo.toml`, default.",
        "| key | meaning | variables | default |\n|---|---|---|---|\n"
        + "\n".join(
            f"| `{s.key}` | {s.summary} | `{s.variable}`"
            + "".join(f", `{name}`" for name in s.legacy_variables)
            + f" | {s.default or ''} |"
            for s in SETTINGS
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _commands(group: click.Group, context: click.Context) -> list[str]:
    parts: list[str] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(
            command,
            info_name=name,
            parent=context,
            max_content_width=96,
            **command.context_settings,
        )
        parts.append(f"## {inner.command_path}\n\n```\n{command.get_help(inner)}\n```")
        if isinstance(command, click.Group):
            parts += _commands(command, inner)
    return parts


def rules() -> str:
    """Return the catalogue: each rule, what strict does, what the official checkers do."""
    parts = [
        "# Rules of a submission",
        "Generated from the checker's catalogue by `make docs`. In the profile `strict` (the "
        "default) an *error* makes what it is found at invalid, a *warning* nothing; in the "
        "profile `official` a result is as valid as it is for the official checker of its round. "
        "`mlrepo check --explain RULE` prints one of these. The last section lists where the two "
        "differ.",
        "## The rules",
    ]
    for rule in RULES.values():
        official = "\n".join(f"| {rounds} | {text} |" for rounds, text in effects_by_round(rule))
        parts += [
            f"### {rule.id}",
            f"{rule.title}\n\n"
            f"- strict: {rule.severity.value}{_where(rule)}\n"
            f"- source: {rule.source}\n"
            f"- to fix it: {rule.hint}",
            f"| rounds | the official checker, when it is broken |\n|---|---|\n{official}",
        ]
    return "\n\n".join([*parts, *_differences()]) + "\n"


def _where(rule: Rule) -> str:
    return ", a warning in rounds that do not have the rule" if rule.of_its_rounds else ""


def _differences() -> list[str]:
    """Return the section on where the two profiles differ."""
    stricter, laxer = differences.only_strict(), differences.only_official()
    only_strict = [f"| {_named(each)} | {WHY[each.rule.id]} |" for each in stricter]
    only_official = [f"| {_named(each)} | {WHY_NOT[each.rule.id]} |" for each in laxer]
    head = "| rule | rounds | why |\n|---|---|---|\n"
    return [
        "## Where strict and official differ",
        "A breach of these rules is rejected by `strict` and accepted by the official checker of "
        "the rounds named (where it rejects some breaches all the same, its line above says so).",
        head + "\n".join(only_strict),
        "Of these rules the official checkers enforce a part; `strict` also rejects:",
        "| rule | what, and why |\n|---|---|\n"
        + "\n".join(f"| `{rule}` | {text} |" for rule, text in PARTLY.items()),
        "A breach of these is rejected by the official checker, and `strict` only warns:",
        head + "\n".join(only_official),
        "The profile `official` is not the official checker in these places:",
        "\n".join(f"- {limit}" for limit in LIMITS),
    ]


def _named(difference: differences.ProfileDifference) -> str:
    return f"`{difference.rule.id}` | {', '.join(difference.rounds)}"


def from_ck() -> str:
    """Return the table of what the words of the CK automation are here."""
    parts = [
        "# Coming from CK",
        "What the commands, flags and variables of the CK automation of 2021 (`ck run "
        "bench.mlperf.inference` and its programs) are in mlrepo. Generated from the table by "
        "which mlrepo itself understands them.",
        "`mlrepo bench run` takes CK's flags as they are and says what they became. A flag that "
        "is *answered* stops the command with the line to type; a variable that is *answered* is "
        "named with what to use instead, and the command continues. None is ignored without a "
        "word. `mlrepo from-ck ck run …` translates a whole command, and `mlrepo from-ck WORD` "
        "prints the rows with a word.",
    ]
    for section, rows in table_rows().items():
        lines = [
            f"| {_code(there)} | {_code(here)} | {how.replace('|', chr(92) + '|')} |"
            for there, here, how in rows
        ]
        parts += [
            f"## {section}",
            "| in CK | here | how |\n|---|---|---|\n" + "\n".join(lines),
        ]
    return "\n\n".join(parts) + "\n"


def _codes(text: str) -> str:
    return ", ".join(map(_code, text.split(", ")))


def _code(text: str) -> str:
    return f"`{text}`" if text and text != "nothing" else text


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
    RULES_TARGET.write_text(rules(), encoding="utf-8")
    FROM_CK_TARGET.write_text(from_ck(), encoding="utf-8")
