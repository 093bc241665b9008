"""TEST06: the lengths of a language model's answers agree with their token counts."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlrepo.compliance.evidence import (
    VERIFY_ACCURACY,
    AuditedRun,
    TextFacts,
    TextFault,
    Verification,
)
from mlrepo.compliance.protocol import (
    EQUAL_ISSUE,
    MIN_DURATION,
    MIN_QUERIES,
    RESPONSES_SEED,
    RNG_SEED,
    SAMPLING_TARGET,
    ComplianceTest,
)
from mlrepo.errors import InvalidResult
from mlrepo.logs.verify import values_of
from mlrepo.scenarios import named

_RESPONSES = 100
_ID = struct.Struct("<i")
_LOG = "mlperf_log_accuracy.json"
_FIRST, _EOS, _LENGTH = (
    "First token check pass",
    "EOS check pass",
    "Sample length check pass",
)
_TRUE, _SKIPPED = "True", "Skipped"
# The values of each check in a pass; Offline has no first token.
_CHECKS: Mapping[str, tuple[str, ...]] = {
    _FIRST: (_TRUE, _SKIPPED),
    _EOS: (_TRUE,),
    _LENGTH: (_TRUE,),
}
_FAILED = "TEST06 verification failed"


class ConsistentOutput(ComplianceTest):
    """A run like the performance run that logs some of its answers with their tokens."""

    name = "TEST06"
    accuracy_text = VERIFY_ACCURACY
    logs_responses = True
    compares_log = True
    # 18 published tests have such a log, with the texts and dates of tests that were run.
    copied_log = "compliance-partly"
    # The rounds do not truncate it.
    answers_limit = 256 << 20

    def settings(self, benchmark: str) -> Mapping[str, int]:
        """Return the settings that make a run this test."""
        return {RNG_SEED: RESPONSES_SEED, SAMPLING_TARGET: _RESPONSES}

    def further_settings(self, benchmark: str, scenario: str) -> Mapping[str, int]:
        """Return settings that log each answer once: the run takes only as long as that."""
        return {MIN_QUERIES: _RESPONSES, MIN_DURATION: 0, EQUAL_ISSUE: 0}

    def verify(self, run: AuditedRun) -> Verification:
        """Check the tokens of each answer as ``compliance/TEST06/run_verification.py`` does.

        The first token must be the one that was marked, an answer must not end with several tokens
        that end it, and it must be as long as it was counted.
        """
        if run.end_token is None:
            raise InvalidResult(
                f"{self.name} needs the id of the token that ends an answer, which is not known.",
                hint="Run it with a model whose files are here: they say it.",
            )
        answers = [_tokens_of(entry) for entry in _logged(run.directory / _LOG)]
        offline = named(run.scenario).at_once
        checks = {
            _FIRST: all(one.first == one.tokens[: len(one.first)] for one in answers),
            _EOS: not any(_ends_twice(one.tokens, run.end_token) for one in answers),
            _LENGTH: all(len(one.tokens) == one.number for one in answers),
        }
        if offline:
            del checks[_FIRST]
        lines = [f"{_FIRST}: {_SKIPPED}"] if offline else []
        lines += [f"{check}: {passes}" for check, passes in checks.items()]
        failed = [check for check, passes in checks.items() if not passes]
        reasons = [f"{self.name} failed: {check}: False." for check in failed]
        if not answers:
            reasons.append(f"{self.name} failed: no answer was logged.")
        lines.append(_FAILED if reasons else "TEST06 verification complete")
        text = "".join(f"{line}\n" for line in lines)
        return Verification(tuple(reasons), {VERIFY_ACCURACY: text.encode()})

    def passes(self, text: str, *, alone: bool) -> bool:
        """Say whether each check passes: the text has no TEST PASS."""
        return not _failed_checks(text)

    def failure(self, text: str) -> TextFault:
        """Return the checks that do not pass."""
        failed = _failed_checks(text)
        return TextFault(
            f"{self.name} failed.",
            failed[0],
            expected="; ".join(f"{check}: {_TRUE}" for check in failed),
        )

    def text_faults(self, text: str, facts: TextFacts) -> Iterator[TextFault]:
        """Yield checks that both pass and fail, and those that were skipped."""
        for check, good in _CHECKS.items():
            values = values_of(text, check)
            other = [value for value in values if value not in good]
            if other:
                yield TextFault(
                    f"{self.name} says that one check both passes and fails: {check}.",
                    f"{check}: {other[0]}",
                    expected=_TRUE,
                    actual=", ".join(values),
                )
            elif _SKIPPED in values and not named(facts.scenario).at_once:
                yield TextFault(
                    f"{self.name} left out the check of the first token.",
                    _SKIPPED,
                    expected=_TRUE,
                    actual=f"{_SKIPPED}, which is for Offline",
                )
        if _FAILED in text:
            yield TextFault(f"{self.name} says that it failed.", _FAILED)

    def answer_faults(self, log: bytes) -> Iterator[TextFault]:
        """Compare the answers with their token counts and first tokens."""
        try:
            entries = json.loads(log)
            lengths = {_bytes_per_token(entry) for entry in entries}
            firsts = [(entry["data"], entry.get("token_data") or "") for entry in entries]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return  # truncated anyway, or not a log: reported by other rules
        if not entries:
            yield TextFault(
                f"{self.name} logged no response: nothing was compared.",
                expected=f"about {_RESPONSES}",
                actual=0,
                rule="compliance-partly",
            )
        elif len(entries) * 2 < _RESPONSES:
            yield TextFault(
                f"{self.name} logged fewer responses than it requires.",
                expected=f"about {_RESPONSES}",
                actual=len(entries),
            )
        if len(lengths) > 1:
            yield TextFault(
                f"{self.name} passes, but answers are not as long as their token counts.",
                expected="the same bytes for each token",
                actual=", ".join(f"{length:g}" for length in sorted(lengths)[:4]),
            )
        if any(first and not data.startswith(first) for data, first in firsts):
            yield TextFault(
                f"{self.name} passes, but an answer does not begin with its first token."
            )


class _Tokens(NamedTuple):
    """The tokens of a logged answer, those that were marked as its first, and their number."""

    tokens: tuple[int, ...]
    first: tuple[int, ...]
    number: int


def _logged(path: Path) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(path.read_bytes())
        return [dict(entry) for entry in found]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InvalidResult(f"{path.name} is not a LoadGen accuracy log: {error!r}.") from error


def _tokens_of(entry: Mapping[str, Any]) -> _Tokens:
    """Return the tokens of an entry: int32, as ``--dtype`` of the script says by default."""
    try:
        tokens, first = (
            [number for (number,) in _ID.iter_unpack(bytes.fromhex(entry.get(key) or ""))]
            for key in ("data", "token_data")
        )
        return _Tokens(tuple(tokens), tuple(first), int(entry["token_count"]))
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise InvalidResult(
            f"An answer in the accuracy log is not token ids: {error!r}.",
            hint="Only a system that returns token ids can run the test.",
        ) from error


def _ends_twice(tokens: Sequence[int], end: int) -> bool:
    """Say whether an answer ends with the end token twice; the first token does not count."""
    return len(tokens) > 2 and tokens[-1] == tokens[-2] == end


def _failed_checks(text: str) -> list[str]:
    """Return the checks for which no line says that they pass."""
    lines = {line.strip() for line in text.splitlines()}
    return [
        check
        for check, good in _CHECKS.items()
        if lines.isdisjoint(f"{check}: {value}" for value in good)
    ]


def _bytes_per_token(entry: Any) -> float:
    count = int(entry["token_count"])
    return len(entry["data"]) / 2 / count if count else 0.0


TESTS = (ConsistentOutput(),)
