"""The verdicts of a gate as a JUnit XML report, which GitLab, Jenkins and others show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from mlrepo.harmless import harmless
from mlrepo.report.gate import NOT_JUDGED, REGRESSED, GateVerdict

# XML 1.0 (section 2.2) has no way to write these; the other such characters are spelt out before.
_NO_XML = re.compile("[\ufffe\uffff]")


def junit_report(command: str, verdicts: Sequence[GateVerdict]) -> bytes:
    """Return the report: a regression is a failure, and what was not judged was skipped.

    Parameters
    ----------
    command:
        Its name becomes that of the suite: ``mlrepo trend``.
    """
    states = [verdict.state for verdict in verdicts]
    totals = {
        "tests": str(len(verdicts)),
        "failures": str(states.count(REGRESSED)),
        "errors": "0",
        "skipped": str(states.count(NOT_JUDGED)),
        "time": _seconds(sum(verdict.seconds for verdict in verdicts)),
    }
    # The schema of Jenkins has no number of skipped tests here.
    whole = {name: number for name, number in totals.items() if name != "skipped"}
    suites = ElementTree.Element("testsuites", whole)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": command, **totals})
    for verdict in verdicts:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": _text(verdict.group),
                "name": _text(verdict.subject),
                "time": _seconds(verdict.seconds),
            },
        )
        words = _text(verdict.words)
        if verdict.state == REGRESSED:
            failure = {"type": REGRESSED, "message": words}
            ElementTree.SubElement(case, "failure", failure).text = words
        elif verdict.state == NOT_JUDGED:
            ElementTree.SubElement(case, "skipped", {"message": words})
        else:
            ElementTree.SubElement(case, "system-out").text = words
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_written(suites)}\n'.encode()


def _written(element: ElementTree.Element) -> str:
    return str(ElementTree.tostring(element, encoding="unicode"))


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", harmless(text))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
