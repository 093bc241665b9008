"""Where the profiles `strict` and `official` differ, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlrepo.checker.rules import RULES, Rule
from mlrepo.findings import Severity
from mlrepo.rounds import SHIPPED

_TREE = "since v3.x such a tree cannot be published; the modular checker forgot the rule"
_MEASURED = "the rules require it; the official checker only logs it, and accepts the result"
_NAN = "NaN, which no comparison finds too small or too large"

# Why strict rejects what an official checker accepts.
WHY: Mapping[str, str] = {
    "unreadable": "what nobody can read proves nothing; this includes a compliance log with a NUL "
    "byte in a name, which is not JSON: the checkers since v2.1 read such logs, and reject it",
    "tree-symlink": "a link may lead out of the submission, to what no reviewer sees; " + _TREE,
    "tree-size": _TREE,
    "tree-dot-name": _TREE,
    "tree-space": _TREE,
    "tree-pycache": _TREE,
    "tree-empty-directory": "Git does not store empty directories; " + _TREE,
    "tree-division-files": _TREE,
    "tree-case": "where case is ignored one overwrites the other; " + _TREE,
    "benchmark-repeated": "a system has one result per benchmark and scenario",
    "tree-special": "a pipe or device has no content to review, nor has an unreadable file",
    "tree-orphan": "what has no result does not belong to a submission (v5.1)",
    "tree-calibration": "the rules require it of each closed submitter (v5.1)",
    "system-text": "the results table shows the field as a string",
    "system-json": "readers differ about which of two values they take; NaN is not a number",
    "measurements-missing": _MEASURED,
    "measurements-incomplete": _MEASURED + "; a file named after another system is a warning",
    "performance-validity": "LoadGen itself calls the run INVALID",
    "performance-loadgen-error": "LoadGen logged an error: the run did not go as intended",
    "performance-seeds": "other seeds make another, perhaps an easier, load; " + _MEASURED,
    "round-seeds": "each of these results breaks the round's rules already; this names the cause",
    "performance-latency": "Server and MultiStream are defined by the limit; " + _MEASURED,
    "performance-target-latency": "a run may not aim at a longer latency than the limit",
    "performance-early-stopping": "without it the percentile is not known well enough",
    "performance-min-queries": _MEASURED,
    "performance-samples-per-query": _MEASURED,
    "performance-min-duration": _MEASURED,
    "performance-equal-issue": "samples of unequal cost must be issued equally often",
    "performance-files": "a missing file proves nothing; a foreign one does not belong to the run",
    "performance-result": "a number that is not finite or not positive is not a result",
    "performance-scenario": "the number of another scenario has another unit",
    "performance-summary": "both files come from one run, or one of them was changed",
    "performance-contradiction": "lines that LoadGen computes from the same latencies contradict "
    "each other: one of them was changed; of 35,000 published runs only two, which were edited, "
    "have such lines",
    "performance-mode": "a run of another mode, or one that repeats a single sample, is another "
    "load",
    "performance-percentile": "a median is another metric than the 99th percentile",
    "performance-setting": "LoadGen's mlperf.conf says how many samples a MultiStream query has, "
    "which benchmarks issue samples equally often, and which have token latency limits; a closed "
    "run that changes this measures another load. None of 9,000 published closed runs of v1.0 to "
    "v6.0 does",
    "performance-max-duration": "a run that must stop before its minimum duration is not valid",
    "log-conflict": "LoadGen writes a value once; the second one was added",
    "log-incomplete": "LoadGen writes these lines into every log: a log without them was changed, "
    "and the result cannot be compared with them; all of 50,000 published logs have them",
    "accuracy-files": "a missing file proves nothing; a foreign one does not belong to the run",
    "accuracy-data-set": "the accuracy on a part of the data set is another metric",
    "stand-in": "a pointer says nothing about the file that it points to",
    "performance-tokens": "the token rate is the sample rate times the length of the samples, "
    "which the accuracy run measures on the same data set",
    "accuracy-answers": "the log of another benchmark says nothing about this one's accuracy",
    "accuracy-mode": "the log of another run says nothing about the accuracy",
    "accuracy-range": "such a number was not measured; the patterns of the official checkers read "
    "76 from 76,456 and accept 764 %",
    "compliance": "the closed division requires every test; up to v2.0 only the last one counted. "
    "Where the verification texts pass, a log that is missing beside them is a warning in those "
    "rounds, and so is a broken line in one (`unreadable`)",
    "compliance-copied": "a copy of the performance run is not a test",
    "compliance-unlike-performance": "TEST PASS means a tolerance that the scores exceed",
    "power-samples": "the mean over a part of the run is another power",
    "power-session": "files that the session did not record were changed; the records contain "
    "their checksums in every round, and 5,306 published results of v1.1 to v3.0 agree with them",
    "compliance-settings": "an ordinary run, or another test, does not prove what the test is for",
    "compliance-text": "no verification script writes TEST PASS below such numbers",
    "compliance-other-run": "a test of another scenario or result says nothing about this one",
}

# Why strict only warns about what an official checker rejects.
WHY_NOT: Mapping[str, str] = {
    "tree-root-files": "files in the root belong to no submitter; a published repository has some",
    "performance-equal-issue-configured": "the log says that samples were issued equally often, "
    "as the rules require; the checker of v4.1 searches it for a text that LoadGen never writes",
}

# What only strict rejects of a rule that the official checkers enforce in part.
PARTLY: Mapping[str, str] = {
    "accuracy-hash": "the hashes of two logs, a hash that is not a SHA-256, or that of another "
    "log: no official checker ever compares it; the hash of a truncated log can no longer be "
    "compared. Which of two logs reached the accuracy above them cannot be known: some published "
    "ones are the text of another system or scenario with a line added. What official tools write "
    "besides the hash of the log is a warning: the same hash again, the hash of the script's own "
    "line of results (qwen3-vl), or that of the truncated log (`truncate_accuracy_log.py` run "
    "twice)",
    "accuracy-log": "an empty log, and a link: neither contains what was judged",
    "accuracy-files": "a link instead of a file",
    "performance-log": "a log of a compliance test that cannot be evaluated: up to v5.1 the "
    "verdict on the previous test counts for it; a line without value or error flag, which the "
    "checker of v5.1 ignores where num_errors is 0",
    "accuracy-loadgen-error": "errors in a log whose num_errors is 0: the checker of v5.1 "
    "believes num_errors; an error that the summary counts and the log lacks: LoadGen writes "
    "every error that it counts into the log, so the line was removed or the log is of another "
    "run",
    "accuracy-target": "a line below the target before one that reaches it: up to v3.0 only the "
    "last line counts",
    "accuracy-text": "an accuracy that is not good divided by total",
    "compliance": "a log of TEST04-A or earlier tests that failed: up to v2.0 only the last test "
    "counts, and it decides only a column of the table",
    "performance-loadgen-error": "errors in a log whose num_errors is 0 (v5.1)",
    "system-field-empty": "blanks in a field that the results table shows; in another field they "
    "are a warning",
    "power-files": "a file of the measurement that is empty, or that should be JSON and is not",
    "performance-target-latency": "a target longer than the limit up to v1.1, where only the "
    "percentile is compared; " + _NAN,
    "performance-token-latency": "an Interactive run that meets only Server's limits (v6.0 and "
    "later)",
    "performance-files": "a link instead of a log",
    "performance-equal-issue": "a log of v4.1 that says no where the configuration says yes, and "
    "the tests of that round",
    "performance-min-duration": _NAN,
    "performance-min-queries": _NAN,
    "performance-sample-count": _NAN,
    "performance-samples-per-query": _NAN,
    "performance-scenario": "an endpoints configuration that names another scenario than its "
    "directory (v6.1)",
}

# Where the profile `official` differs from what the official checker would say.
LIMITS = (
    "Of the Power WG's checks (`power_checker.py`, part of the official verdict since v3.1) the "
    "checksums of the session's files are compared; its messages, its log and the sources of its "
    "tools are not: `power-not-verified` says so at each power result.",
    "A link is followed inside the tree only; the official checkers follow it wherever it leads on "
    "the machine they run on.",
    "From v6.0 on, a scenario's directory in mixed case is reported as a crash, although the "
    "official checker crashes only if the result is valid otherwise.",
    "A round of the repository's own that is newer than the table of effects is assumed to be "
    "checked like the newest round in the table.",
)


@dataclass(frozen=True)
class ProfileDifference:
    """One rule and the rounds in which the profiles differ about it.

    Attributes
    ----------
    rule:
        The rule.
    rounds:
        As spans, such as ``v0.7 to v3.0``.
    """

    rule: Rule
    rounds: tuple[str, ...]


def only_strict() -> Iterator[ProfileDifference]:
    """Yield the rules whose breach strict rejects and the official checker accepts."""
    for rule in RULES.values():
        if rule.breaks_strict and not rule.official.startswith("rejects"):
            names = [
                name
                for name in _rounds(rule.since)
                if rule.severity_in(name) is Severity.ERROR and not rule.breaks(name)
            ]
            if names:
                yield ProfileDifference(rule, _spans(names))


def only_official() -> Iterator[ProfileDifference]:
    """Yield the rules whose breach the official checker rejects and strict only warns about."""
    for rule in RULES.values():
        if rule.severity is Severity.WARNING:
            names = [name for name in _rounds(rule.since) if rule.breaks(name)]
            if names:
                yield ProfileDifference(rule, _spans(names))


def _rounds(since: str) -> list[str]:
    """Return the rounds since one; v0.5 came without a checker of its own."""
    rounds = list(SHIPPED)
    return rounds[rounds.index(since) :]


def _spans(names: list[str]) -> tuple[str, ...]:
    order = list(SHIPPED)
    spans: list[list[str]] = []
    for name in names:
        if spans and order.index(name) == order.index(spans[-1][-1]) + 1:
            spans[-1].append(name)
        else:
            spans.append([name])
    return tuple(span[0] if len(span) == 1 else f"{span[0]} to {span[-1]}" for span in spans)
