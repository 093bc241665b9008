"""Identify LoadGen logs as a performance run, an accuracy run or a compliance test.

The log itself has the mode, and the settings that a test's ``audit.config`` adds. Directory names
only decide what the log does not contain: whether a run determined the range of a power analyzer,
and which of several tests with the same settings it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlrepo.compliance import NAME, known_tests
from mlrepo.compliance.protocol import ISSUE_SAME, ISSUE_UNIQUE, PROBABILITY, SAMPLING_TARGET
from mlrepo.logs.detail import DetailLog
from mlrepo.record import ACCURACY, COMPLIANCE, PERFORMANCE
from mlrepo.rounds import Round

_TEST = re.compile(NAME)
# Such as "offline-test01"; it only counts with a test's settings, or it could mean anything.
_LIKE_A_TEST = re.compile(r"(?i)(?<![A-Z0-9])TEST[0-9]{2}(?:-[AB](?![A-Z0-9]))?(?![0-9])")
_MODES = {"PerformanceOnly": PERFORMANCE, "AccuracyOnly": ACCURACY}
_SWITCHES = (SAMPLING_TARGET, ISSUE_SAME, ISSUE_UNIQUE, PROBABILITY)
# Directories between that of a result or test and its logs.
_RUN_DIRECTORY = re.compile(r"performance|accuracy|run_[0-9]{1,4}|ranging", re.IGNORECASE)


@dataclass(frozen=True)
class Role:
    """The role of a run in a result.

    Attributes
    ----------
    mode:
        As in a record; empty if the run does not belong to a result.
    test:
        The compliance test.
    why:
        Why it does not belong to a result.
    """

    mode: str = ""
    test: str = ""
    why: str = ""


def role_of(directory: str, detail: DetailLog, round_: Round, benchmark: str) -> Role:
    """Return the role of the run whose logs are in ``directory``."""
    names = directory.split("/")
    if "ranging" in (name.lower() for name in names):
        return Role(why="it finds the range of a power analyzer")
    mode = _MODES.get(str(detail.values.get("effective_test_mode")), "")
    if not mode:
        return Role(why=f"its mode is {detail.values.get('effective_test_mode') or 'not logged'}")
    test = next((name for name in reversed(names) if _TEST.fullmatch(name)), "")
    if mode == ACCURACY and test:
        return Role(why=f"it belongs to {test}, whose run is the one of performance")
    if mode == ACCURACY or not (test or _is_audit(detail, round_, benchmark)):
        return Role(mode)
    if not test:
        found = list(_tests_by_settings(detail, round_, benchmark))
        named = [one.upper() for name in names for one in _LIKE_A_TEST.findall(name)]
        found = [test for test in found if test in named] or found
        if len(found) != 1:
            of = f"{' or '.join(found)}" if found else f"no test of {round_.name}"
            return Role(
                why=f"it has settings of a compliance test, of {of}; call its directory "
                "after the test"
            )
        test = found[0]
    return Role(COMPLIANCE, test)


def result_directory(directory: str) -> str:
    """Return the directory of the result, above those of a run, of its test and between them."""
    names = directory.split("/")
    while names and (_RUN_DIRECTORY.fullmatch(names[-1]) or _TEST.fullmatch(names[-1])):
        names.pop()
    return "/".join(names)


def test_directory(directory: str) -> str:
    """Return the directory with the verification of a test's run."""
    names = directory.split("/")
    while names and _RUN_DIRECTORY.fullmatch(names[-1]):
        names.pop()
    return "/".join(names)


def _is_audit(detail: DetailLog, round_: Round, benchmark: str) -> bool:
    """Return whether a run has settings that only compliance tests have."""
    official = round_.official_benchmark(benchmark)
    return any(detail.values.get(f"effective_{key}") for key in _SWITCHES) or any(
        test.is_recognized(detail.values, round_, official)
        for test in known_tests()
        if not test.settings(official)
    )


def _tests_by_settings(detail: DetailLog, round_: Round, benchmark: str) -> Iterator[str]:
    official, asked = round_.official_benchmark(benchmark), round_.asked_tests(benchmark)
    for test in known_tests():
        if test.name in asked and test.is_recognized(detail.values, round_, official):
            yield test.name
