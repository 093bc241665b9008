"""Judge the measurements of a result: user.conf, README.md, the measurements file, the code."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.docket import Docket
from mlrepo.checker.runs.equal_issue import damaged_configuration
from mlrepo.checker.scope import Scope
from mlrepo.tree import Entry, Kind

_INCOMPLETE, _EMPTY = "measurements-incomplete", "measurements-empty"


@dataclass(frozen=True)
class Measurements:
    """The judgement on a result's measurements.

    Attributes
    ----------
    is_accepted:
        Whether the official checker accepts them.
    weights:
        Their field ``weight_data_types``; None if there is none.
    is_incomplete, is_empty:
        Whether a file or field is missing, or empty.
    """

    is_accepted: bool
    weights: object = None
    is_incomplete: bool = False
    is_empty: bool = False


def judge_measurements(
    docket: Docket, needless: Collection[str] = (), *, with_power: bool = False
) -> Measurements:
    """Judge the measurements of a result as far as the official checker reads them.

    ``needless`` are files that the round requires, but not for a result of this kind.
    """
    scope, directory = docket.scope, measurements_directory(docket.scope)
    entry = scope.tree.entry(directory)
    if entry is None or entry.kind is not Kind.DIRECTORY:
        part = "file" if entry is not None and entry.kind is Kind.FILE else ""
        message = "The directory is missing."
        missing = Breach("measurements-missing", directory, message, part=part)
        return Measurements(docket.record([missing]), is_incomplete=True)
    broken: set[str] = set()
    files = scope.files(directory)
    judging = _judge_files(scope, directory, files, needless, with_power=with_power)
    accepted = docket.record(_noted(judging, broken))
    name = measurements_name(scope, list(files))
    weights: object = None
    if name:
        path = f"{directory}/{name}"
        values = _parsed(scope, path)
        accepted &= docket.record(docket.official.at_measurements(scope, path, values))
        accepted &= docket.record(_noted(_judge_values(scope, path, values), broken))
        accepted &= docket.record(docket.official.at_configuration(damaged_configuration(scope)))
        accepted &= docket.record(_noted(_judge_code(scope, name), broken))
        weights = values.get("weight_data_types") if isinstance(values, dict) else None
    return Measurements(accepted, weights, _INCOMPLETE in broken, _EMPTY in broken)


def _noted(breaches: Breaches, broken: set[str]) -> Breaches:
    """Yield breaches, and note which rules they break."""
    for breach in breaches:
        broken.add(breach.rule)
        yield breach


def _judge_files(
    scope: Scope,
    directory: str,
    files: Mapping[str, Entry],
    needless: Collection[str],
    *,
    with_power: bool,
) -> Breaches:
    for name in scope.round.tables["required_files"]["measurements"]:
        if name in needless:
            continue
        if name not in files:
            yield Breach(_INCOMPLETE, f"{directory}/{name}", f"{name} is missing.")
        elif files[name].size == 0:
            yield Breach(_EMPTY, f"{directory}/{name}", f"{name} is empty.")
    if with_power and scope.round.describes_power_analyzers:
        yield from _judge_power_files(scope, directory)
    if not measurements_name(scope, list(files)):
        yield _no_file(scope, directory, [each for each in files if each.endswith(".json")])


def _no_file(scope: Scope, directory: str, others: list[str]) -> Breach:
    """Return that no file has the system's name; a warning if one has another name.

    Published trees of v0.7 and v3.0 have such files: the system was renamed after they were
    written. The checkers up to v3.0 log it and continue.
    """
    pattern = str(scope.round.tables["layout"]["measurements_json"])
    is_slight = bool(others) and "*" in pattern and not scope.round.ends_at_an_issue
    return Breach(
        _INCOMPLETE,
        directory,
        "No measurements file is named after the system."
        if is_slight
        else "The measurements file is missing.",
        expected=f"{scope.place.system}*.json",
        actual=", ".join(others),
        is_slight=is_slight,
    )


def _judge_power_files(scope: Scope, directory: str) -> Breaches:
    """Yield missing or empty descriptions of the power analyzer.

    They may be with the result or up to three levels above. Where several match, the checkers
    require only the last one not to be empty.
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
            yield Breach(
                _INCOMPLETE,
                directory,
                f"{pattern} is missing.",
                hint="A power result needs the settings of its power analyzer.",
            )
        elif fitting[-1][1] == 0:
            yield Breach(_EMPTY, fitting[-1][0], f"{pattern} is empty.")


def measurements_directory(scope: Scope) -> str:
    """Return where the round keeps a result's measurements."""
    return scope.below(str(scope.round.tables["layout"]["measurements"]).split("/")[2])


def measurements_name(scope: Scope, names: list[str]) -> str:
    """Return which file the checkers treat as the measurements file, or ''."""
    pattern = str(scope.round.tables["layout"]["measurements_json"])
    if "*" not in pattern:
        return pattern if pattern in names else ""
    for name in names:
        if name.startswith(scope.place.system) and name.endswith(".json"):
            return name
    return ""


def _parsed(scope: Scope, path: str) -> object:
    """Return the parsed measurements file, or the error if it is not JSON."""
    text = scope.text(path)
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        return error


def _judge_values(scope: Scope, path: str, values: object) -> Breaches:
    """Yield what is wrong with the fields of the measurements."""
    if isinstance(values, Exception):
        message, why = f"It is not JSON: {values}.", "it is not JSON"
        yield Breach("unreadable", path, message, part="measurements", subject=why)
    elif not isinstance(values, dict):
        is_text = scope.text(path) is not None
        problem = "is not a JSON object" if is_text else f"cannot be read: {scope.no_text(path)}"
        message = f"It {problem}."
        yield Breach("unreadable", path, message, part="measurements' kind")
    else:
        for key in scope.round.tables["measurements_required"]:
            if key not in values:
                yield Breach(_INCOMPLETE, path, f"The field {key} is missing.")
            elif not values[key]:
                line = scope.line_of(path, f'"{key}"')
                yield Breach(_EMPTY, path, f"The field {key} is empty.", line=line)


def _judge_code(scope: Scope, name: str) -> Breaches:
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
        yield Breach(_INCOMPLETE, code, f"The code that {name} names is missing.")
