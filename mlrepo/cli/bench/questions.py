"""Find the settings that a run needs, asking on a terminal for those that nothing sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlrepo.cli.questions import Question, answers, can_ask
from mlrepo.settings import Resolved, Resolver, setting_named

# Where the value of a setting is from that was given as an answer.
ANSWER = "answer"


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
    if len(lacking) == 1 and not can_ask():
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
