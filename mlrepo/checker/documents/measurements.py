"""Judge the measurements of a result: user.conf, README.md, the measurements file, the code."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from mlrepo.checker.official import tracebacks
from mlrepo.checker.rules import RULES
from mlrepo.checker.runs.equal_issue import damaged_configuration
from mlrepo.checker.scope import Scope
from mlrepo.tree import Kind


def judge_measurements(
    scope: Scope, needless: Collection[str] = (), *, with_power: bool = False
) -> tuple[bool, Any]:
    """Return the official verdict and ``weight_data_types`` (None when there is none).

    ``needless`` are files that the round asks for, but not of a result of this kind.
    """
    before = len(scope.findings)
    directory = measurements_directory(scope)
    entry = scope.tree.entry(directory)
    if entry is None or entry.kind is not Kind.DIRECTORY:
        scope.report("measurements-missing", directory, "The directory is missing.")
        if entry is not None and entry.kind is Kind.FILE:
            scope.dies(directory, "it lists the measurements in what is a file")
        return _passed(scope, before), None
    files = scope.files(directory)
    for name in scope.round.tables["required_files"]["measurements"]:
        if name in needless:
            continue
        if name not in files:
            scope.report("measurements-incomplete", f"{directory}/{name}", f"{name} is missing.")
        elif files[name].size == 0:
            scope.report("measurements-empty", f"{directory}/{name}", f"{name} is empty.")
    if with_power and (3, 1) <= scope.round.version < (6, 0):
        _judge_power_files(scope, directory)
    name = measurements_name(scope, list(files))
    if not name:
        _report_no_file(scope, directory, [each for each in files if each.endswith(".json")])
        return _passed(scope, before), None
    values = _read(scope, f"{directory}/{name}")
    if damaged := damaged_configuration(scope):
        scope.dies(damaged, "a line is no model.scenario.key = value")
    _judge_code(scope, name)
    return _passed(scope, before), values.get("weight_data_types")


def _report_no_file(scope: Scope, directory: str, others: list[str]) -> None:
    """Report that no file bears the system's name; a warning where one bears another name.

    Published trees of v0.7 and v3.0 have such ones: the system was renamed after the files were
    written. The checkers up to v3.0 log it and go on.
    """
    rule = "measurements-incomplete"
    pattern = str(scope.round.tables["layout"]["measurements_json"])
    warns = bool(others) and "*" in pattern and not RULES[rule].breaks(scope.round.name)
    message = (
        "No measurements file begins with the system's name."
        if warns
        else ("The measurements file is missing.")
    )
    scope.report(
        rule,
        directory,
        message,
        expected=f"{scope.place.system}*.json",
        actual=", ".join(others),
        warns=warns,
    )


def _judge_power_files(scope: Scope, directory: str) -> None:
    """Report missing or empty descriptions of the power analyzer.

    They may stand by the result or up to three levels above. Where several fit, the checkers ask
    the last one for content.
    """
    places = [directory]
    for _ in range(3):
        places.append(places[-1].rpartition("/")[0])
    found = [
        (place, name, entry.size) for place in places for name, entry in scope.files(place).items()
    ]
    for pattern in scope.round.tables["required_files"]["power_measurements_regex"] or ():
        fitting = [
            (f"{place}/{name}", size) for place, name, size in found if re.match(pattern, name)
        ]
        if not fitting:
            scope.report(
                "measurements-incomplete",
                directory,
                f"{pattern} is missing.",
                hint="A power result needs the settings of its analyzer.",
            )
        elif fitting[-1][1] == 0:
            scope.report("measurements-empty", fitting[-1][0], f"{pattern} is empty.")


def measurements_directory(scope: Scope) -> str:
    """Return where the round keeps a result's measurements."""
    return scope.below("results" if scope.round.version >= (6, 0) else "measurements")


def measurements_name(scope: Scope, names: list[str]) -> str:
    """Return which of the files the checkers take for the measurements file, or ''."""
    pattern = str(scope.round.tables["layout"]["measurements_json"])
    if "*" not in pattern:
        return pattern if pattern in names else ""
    for name in names:
        if name.startswith(scope.place.system) and name.endswith(".json"):
            return name
    return ""


def _passed(scope: Scope, before: int) -> bool:
    return not any(finding.breaks_official for finding in scope.findings[before:])


def _read(scope: Scope, path: str) -> dict[str, Any]:
    text = scope.text(path)
    try:
        values = json.loads(text) if text is not None else None
    except (ValueError, RecursionError) as error:
        scope.report("unreadable", path, f"It is not JSON: {error}.", official=True)
        scope.dies(path, "it is not JSON")
        return {}
    why = scope.no_text(path) if text is None else tracebacks.of_measurements(scope.round, values)
    if why:
        scope.dies(path, why)
    if not isinstance(values, dict):
        problem = f"It cannot be read: {why}." if text is None else "It is not a JSON object."
        scope.report("unreadable", path, problem, official=True)
        return {}
    for key in scope.round.tables["measurements_required"]:
        if key not in values:
            scope.report("measurements-incomplete", path, f"The field {key} is missing.")
        elif not values[key]:
            scope.report(
                "measurements-empty",
                path,
                f"The field {key} is empty.",
                line=scope.line_of(path, f'"{key}"'),
            )
    return values


def _judge_code(scope: Scope, name: str) -> None:
    layout = str(scope.round.tables["layout"]["code"])
    code = layout.format(
        division=scope.place.division,
        submitter=scope.place.submitter,
        model=scope.place.benchmark,
    )
    entry = scope.tree.entry(code)
    if entry is not None and entry.kind is Kind.FILE and "{model}" in layout:
        # A file that names the directory of another benchmark's code.
        other = (scope.text(code, 4096) or "").strip().strip("/")
        code = f"{scope.root}/code/{other}" if other and "/../" not in f"/{other}/" else code
        entry = scope.tree.entry(code)
    if entry is None or entry.kind is Kind.LINK:
        scope.report("measurements-incomplete", code, f"The code that {name} names is missing.")
