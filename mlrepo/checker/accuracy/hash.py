"""Strict: the hash in ``accuracy.txt`` is that of the log beside it.

No official checker compares the hash; each only asks for a line ``hash=``. Further hashes in the
text may come from official tools and do no harm, so they are only a warning:

* the accuracy script of qwen3-vl writes the hash of the line with the results;
* ``truncate_accuracy_log.py``, run twice, adds the hash of the truncated log (up to v6.1 for TEST07
and TEST09, and wherever the line was lost), or the same hash again.

Two hashes that may each be that of a log are an error: nothing says which of the two runs reached
the accuracy above them (some published texts are those of another system or scenario with a line
added).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Container, Mapping, Sequence

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.scope import Scope
from mlrepo.logs.accuracy import hashes_of_lines, is_truncated
from mlrepo.tree import Missing

HASH_LINE = re.compile(r"^hash=([\w\d]+)$", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EMPTY = hashlib.sha256(b"").hexdigest()
_LOG = "mlperf_log_accuracy.json"
# The part of the rule that no official checker enforces: they only ask for the line.
_WHICH = "which log"
_OTHER_LOG = (
    "Put the log that was evaluated there, or run the accuracy script again; then "
    "`mlrepo truncate` writes the hash."
)
_NO_HASH, _OF_NOTHING, _OF_TRUNCATED, _OF_LINE = (
    "not a SHA-256",
    "of an empty file",
    "of the truncated log",
    "of a line of this text",
)
_ITSELF = "names the truncated log itself, so nothing says which full log was evaluated"


def judge_hash(scope: Scope, path: str, text: str, log: bytes) -> Breaches:
    """Compare the hashes in accuracy.txt (``text``, at ``path``) with the log beside it.

    A truncated log says nothing about the hash of the full one, even after a (harmless) conversion
    of its line endings.
    """
    values = HASH_LINE.findall(text)
    if not values:
        return  # reported where the line is looked for
    own, cut = hashlib.sha256(log).hexdigest(), is_truncated(io.BytesIO(log), len(log))
    lines = hashes_of_lines(text.encode())
    kinds = {value: _kind(value, lines, own if cut else "") for value in values}
    logs = [value for value, kind in kinds.items() if not kind]
    if len(logs) > 1:
        yield Breach(
            "accuracy-hash",
            path,
            f"It names {len(logs)} logs.",
            expected="one hash",
            actual=", ".join(logs),
            line=scope.line_of(path, f"hash={logs[1]}"),
            hint="Keep the hash of the log that was evaluated, and remove the others.",
            part=_WHICH,
        )
    elif logs and not cut and logs[0] != own:
        yield _wrong(scope, path, "The hash is not that of the log.", logs[0], own)
    elif logs and len(values) > 1:
        yield _has_lines(scope, path, values, kinds)
    elif not logs:
        yield from _judge_no_log(scope, path, kinds, log, own, cut=cut)


def judge_hash_of_test(scope: Scope, directory: str) -> Breaches:
    """Yield a test whose accuracy.txt in ``directory`` has the hash of its truncated log."""
    path = f"{directory}/accuracy.txt"
    if not (scope.exists(path) and scope.exists(f"{directory}/{_LOG}")):
        return
    try:
        log = scope.tree.read(f"{directory}/{_LOG}", 1 << 16)
    except Missing:
        return
    own = hashlib.sha256(log).hexdigest()
    values = set(HASH_LINE.findall(scope.text(path) or ""))
    if values == {own} and is_truncated(io.BytesIO(log), len(log)):
        yield _names_itself(scope, path, own)


def _kind(value: str, lines: Container[str], truncated: str) -> str:
    """Return what a hash is if it is not that of a full log; '' where it may be."""
    if not _SHA256.fullmatch(value):
        return _NO_HASH
    if value == _EMPTY:
        return _OF_NOTHING
    if value == truncated:
        return _OF_TRUNCATED
    return _OF_LINE if value in lines else ""


def _judge_no_log(
    scope: Scope, path: str, kinds: Mapping[str, str], log: bytes, own: str, *, cut: bool
) -> Breaches:
    """Yield a text in which no hash can be that of a full log."""
    by_kind = {kind: value for value, kind in reversed(tuple(kinds.items()))}
    if _OF_TRUNCATED in by_kind:
        yield _names_itself(scope, path, by_kind[_OF_TRUNCATED])
    elif _OF_LINE in by_kind and cut:
        yield _wrong(
            scope,
            path,
            "It does not name a log: the hash is that of one of its own lines.",
            by_kind[_OF_LINE],
            is_slight=True,
        )
    elif _OF_LINE in by_kind:
        yield _wrong(scope, path, "The hash is not that of the log.", by_kind[_OF_LINE], own)
    elif _OF_NOTHING in by_kind:
        # For an empty log this hash is right, and the log itself is reported.
        if log.strip():
            yield _wrong(scope, path, "It is the hash of an empty file.", _EMPTY)
    else:
        yield _wrong(scope, path, "The hash is not a SHA-256.", by_kind[_NO_HASH])


def _wrong(
    scope: Scope, path: str, message: str, value: str, own: str = "", *, is_slight: bool = False
) -> Breach:
    return Breach(
        "accuracy-hash",
        path,
        message,
        expected=own,
        actual=value,
        line=scope.line_of(path, f"hash={value}"),
        hint=_OTHER_LOG,
        part=_WHICH,
        is_slight=is_slight,
    )


def _names_itself(scope: Scope, path: str, own: str) -> Breach:
    return Breach(
        "accuracy-hash",
        path,
        f"It {_ITSELF}.",
        expected="the hash of the full log",
        actual=own,
        line=scope.line_of(path, f"hash={own}"),
        part=_WHICH,
        is_slight=True,
        hint="Put the full log back and run `mlrepo truncate`.",
    )


def _has_lines(scope: Scope, path: str, values: Sequence[str], kinds: Mapping[str, str]) -> Breach:
    said = ", ".join(f"{value} ({kind})" if kind else value for value, kind in kinds.items())
    return Breach(
        "accuracy-hash",
        path,
        f"It has {len(values)} lines with a hash, but names one log.",
        expected="one line",
        actual=said,
        line=scope.line_of(path, "hash="),
        part=_WHICH,
        hint="Keep the line that names the log.",
        is_slight=True,
    )
