"""The logs up to v0.7: sentences in the detail log, and the values in the summary alone."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator
from typing import BinaryIO

from mlrepo.logs.detail import DetailLog
from mlrepo.logs.summary import logged_as, summary_fields
from mlrepo.scenarios import SCENARIOS, spelled

_BLOCK = 1 << 20
_MARK = b"ERROR"
# Only the end of a longer line is read.
_LONGEST_LINE = 1 << 16
# `"pid": 1, "tid": 1, "ts": 8480ns : version : .5a1 @ f41dbd6f18`, near the beginning.
_HEAD = 1 << 16
_SAID = re.compile(r"ns : (version|build_date_utc) {0,16}: (\S.{0,80})$", re.MULTILINE)
_MODES = {"Performance": "PerformanceOnly", "Accuracy": "AccuracyOnly"}
_TRUE = {"true": True, "false": False, "Yes": True, "NO": False}
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?")


def parse_old(summary: bytes, detail: bytes, ignored: Collection[str]) -> DetailLog:
    """Return the values of a run up to v0.7 under the keys of today's detail log.

    They are those of the summary, which that also has under its own names: the tables of a round
    name the result so. The detail log has LoadGen's version, when it was built, and errors.
    """
    fields = summary_fields(summary.decode("utf-8", "replace"))
    scenario = spelled(fields.get("Scenario", "").replace(" ", ""))
    known = SCENARIOS.get(scenario)
    keys = logged_as(scenario)
    values: dict[str, object] = {}
    for name, text in fields.items():
        value = _value(text)
        values[name] = value
        if name in keys:
            values[keys[name]] = value
    values["effective_scenario"] = known.loadgen if known else scenario
    values["effective_test_mode"] = _MODES.get(fields.get("Mode", ""), "")
    said = dict(_SAID.findall(detail[:_HEAD].decode("utf-8", "replace")))
    values["loadgen_version"] = said.get("version", "")
    values["loadgen_build_date_utc"] = said.get("build_date_utc", "")
    errors = tuple(text for _, text in error_lines(io.BytesIO(detail), ignored))
    return DetailLog(values, errors)


def _value(text: str) -> object:
    if text in _TRUE:
        return _TRUE[text]
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    return float(text) if found[1] or found[2] else int(text)


def error_lines(stream: BinaryIO, ignored: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line with an error, except ignored ones.

    Memory use does not grow with the log; a block without errors is only searched.
    """
    passed_over = [text.encode() for text in ignored]
    number, rest = 1, b""
    while block := stream.read(_BLOCK):
        block = rest + block
        end = block.rfind(b"\n") + 1
        lines, rest = block[:end], block[end:]
        if _MARK in lines:
            yield from _errors(lines.split(b"\n"), number, passed_over)
        number += lines.count(b"\n")
        if len(rest) > _BLOCK:
            rest = rest[-_LONGEST_LINE:]
    yield from _errors([rest], number, passed_over)


def _errors(lines: list[bytes], number: int, ignored: list[bytes]) -> Iterator[tuple[int, str]]:
    for at, line in enumerate(lines, start=number):
        if _MARK in line and not any(text in line for text in ignored):
            yield at, line.decode("utf-8", "replace")
