"""Equal issue: samples of unequal cost must be issued equally often (v4.1 and later).

LoadGen logs the setting as ``effective_sample_concatenate_permutation``; v4.1's does not. That
round's official checker therefore looks for it in ``mlperf.conf`` and ``user.conf`` too, and
believes a log only if it has the text ``"true"``, which no LoadGen writes.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.scope import Scope

KEY = "effective_sample_concatenate_permutation"
_SETTING = "sample_concatenate_permutation"
_FILES = ("mlperf.conf", "user.conf")
_LARGEST = 1 << 20


def is_asked(scope: Scope, model: str) -> bool:
    """Say whether the round requires equal issue for the model in the scope's division."""
    required = scope.round.tables.get("equal_issue_required") or {}
    return model in (required.get(scope.place.division) or ())


def judge_equal_issue(
    scope: Scope, path: str, values: Mapping[str, object], *, test: str
) -> Breaches:
    """Yield a run whose log does not show equal issue, or is not believed officially.

    ``test`` is its compliance test, if any; the checker of v4.1 does not check tests.
    """
    if not is_asked(scope, scope.model):
        return
    logged = values.get(KEY)
    reads_configuration = scope.round.reads_equal_issue_of_configuration
    configured = reads_configuration and is_configured(scope)
    issued = logged in (True, "true") if logged is not None else configured
    believed = logged == True  # noqa: E712 - the official checkers compare: 1 is true as well
    if reads_configuration:
        believed = bool(test) or configured or logged == "true"
    if not issued:
        yield Breach(
            "performance-equal-issue",
            path,
            "Samples are not issued equally often.",
            line=scope.line_of(path, f'"{KEY}"'),
            expected=f"{KEY} true",
            part="believed" if believed else "",
        )
    elif not believed:
        yield Breach(
            "performance-equal-issue-configured",
            scope.below("measurements"),
            "No configuration requests equal issue.",
            expected=f"{_SETTING} = 1 in {' or '.join(_FILES)}",
        )


def is_configured(scope: Scope) -> bool:
    """Say whether the result's configuration asks for equal issue; a damaged one does not."""
    try:
        return _configured(scope)
    except ValueError:
        return False


def damaged_configuration(scope: Scope) -> str:
    """Return the settings file that v4.1's checker crashes on; '' if there is none."""
    asks = scope.round.reads_equal_issue_of_configuration
    if not asks or not is_asked(scope, scope.place.benchmark):
        return ""
    try:
        _configured(scope)
    except ValueError as error:
        return str(error)
    return ""


def _configured(scope: Scope) -> bool:
    """Read the settings files as the checker of v4.1 does; the later file wins.

    Raises
    ------
    ValueError
        A line is not ``model.scenario.key = value``, or a file is not text; the message is the
        path.
    """
    if not is_asked(scope, scope.place.benchmark):
        return False
    directory = scope.below("measurements")
    asks = False
    for name in _FILES:
        path = f"{directory}/{name}"
        if name not in scope.files(directory):
            continue
        text = scope.text(path, _LARGEST)
        try:
            said = None if text is None else _setting(scope, text)
        except ValueError as error:
            raise ValueError(path) from error
        if text is None:
            raise ValueError(path)
        asks = asks if said is None else said
    return asks


def _setting(scope: Scope, text: str) -> bool | None:
    """Return whether the first matching line sets equal issue; None if none matches."""
    model = scope.place.benchmark.replace("-99.9", "").replace("-99", "")
    for line in text.replace(" ", "").splitlines():
        if not line or line.startswith("#"):
            continue
        full_key, value = line.split("=")
        its_model, scenario, key = full_key.split(".")
        if (
            key == _SETTING
            and its_model in (model, "*")
            and scenario in (scope.place.scenario, "*")
            and value.isnumeric()
        ):
            return int(value) == 1
    return None
