"""Strict: was the stated accuracy measured by this run, on the whole data set?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlrepo.checker.breach import Breach, Breaches
from mlrepo.checker.runs.run_facts import ACCURACY_KEYS, judge_accuracy_facts
from mlrepo.checker.scope import Scope
from mlrepo.logs.summary import counted_errors, summary_fields

# Log keys that count the samples of an accuracy run, the more exact first.
SAMPLE_COUNTS = ("effective_accuracy_sample_count", "qsl_reported_total_count")
# Keys read from an accuracy run's log.
KEYS = ACCURACY_KEYS | {SAMPLE_COUNTS[1]}
# What accuracy-imagenet.py prints.
COUNTS = re.compile(r"^accuracy=([\d.]+)%, good=(\d+), total=(\d+)", re.MULTILINE)
# The sample count that the language models' scripts print.
_GENERATED = re.compile(r"'gen_num': '?(\d+)")
# Metrics that are lengths, and all metrics without an upper bound; the others are shares.
LENGTHS = ("GEN_LEN", "TOKENS_PER_SAMPLE")
_UNBOUNDED = ("FID_SCORE", "DLRM_NE", *LENGTHS)
# What follows a number of which the round's pattern reads only the beginning: 76,456, 9.1e-05.
_GOES_ON = re.compile(r"[,_'\u2019]\d|[eE][-+]?\d|\s\d{3}%")
# The word that a pattern looks for, after any leading symbols.
_WORD = re.compile(r"[A-Za-z][\w-]{2,}")
_SHOWN = 60
_DIGIT = re.compile(r"[0-9]")
_PLAIN_NUMBER = (
    "Print the metric as a plain decimal number: float() takes numpy's scalar types off, which "
    "numpy 2 prints as np.float64(…)."
)
_LARGEST_SUMMARY = 1 << 20
# An answer as LoadGen writes it into mlperf_log_accuracy.json.
_ANSWER = re.compile(rb'"qsl_idx" : (\d{1,18}), "data" : "([0-9A-Fa-f]*)"')
# Bytes of an answer: one class of 32 or 64 bits, or seven numbers of 32 bits for each object.
_CLASSES = ("resnet", "mobilenet", "rgat")
_OBJECTS = ("ssd-small", "ssd-large", "retinanet", "yolo-95", "yolo-99")
# Samples in each accuracy data set, for rounds whose tables do not state a size
# (inference_rules.adoc and the benchmarks' own READMEs).
_SIZES: Mapping[str, int] = {
    "resnet": 50000,
    "mobilenet": 50000,
    "ssd-small": 5000,
    "ssd-large": 5000,
    "retinanet": 24781,
    "rnnt": 2513,
    "bert-99": 10833,
    "bert-99.9": 10833,
    "dlrm-99": 330067,
    "dlrm-99.9": 330067,
    "dlrm-v2-99": 330067,
    "dlrm-v2-99.9": 330067,
    "gptj-99": 13368,
    "gptj-99.9": 13368,
    "stable-diffusion-xl": 5000,
    "llama2-70b-99": 24576,
    "llama2-70b-99.9": 24576,
    "mixtral-8x7b": 15000,
    "llama3.1-405b": 8313,
    "rgat": 788379,
    "pointpainting": 39987,
}


def judge_number(
    path: str, number: int, metric: str, match: re.Match[str], least: float
) -> Breaches:
    """Yield a metric with an impossible value, or a number that the pattern reads only in part.

    Parameters
    ----------
    number:
        The line number in accuracy.txt.
    match:
        The match of the round's pattern; its first group is the value.
    least:
        The target, which shows whether the metric is a fraction or a percentage.
    """
    if _GOES_ON.match(match.string, match.end(1)):
        yield Breach(
            "accuracy-range",
            path,
            f"{metric} is not a plain decimal number.",
            line=number,
            expected="such as 76.456",
            actual=match.string[match.start(1) : match.end(1) + 8],
        )
    try:
        possible = is_possible(metric, float(match[1]), least)
    except ValueError:  # reported elsewhere as not a number
        return
    if not possible:
        yield Breach(
            "accuracy-range",
            path,
            f"{metric} cannot be that high.",
            line=number,
            expected="a share of 1 or of 100",
            actual=match[1],
        )


def missing_metric(
    scope: Scope,
    path: str,
    text: str,
    metric: str,
    pattern: str,
    least: float,
    *,
    is_one_of: bool,
) -> Breach:
    """Return the breach that no line matches a metric's pattern, and the line that names it.

    ``is_one_of``: another metric was found.
    """
    word = _WORD.search(pattern)
    name = word[0] if word else metric
    number, line = next(
        ((at, line) for at, line in enumerate(text.split("\n"), start=1) if name in line), (0, "")
    )
    message = f"It has no {metric}."
    shown = line[line.find(name) :][:_SHOWN] if number else ""
    if number:
        message = f"{metric} is not written as the round's checker reads it."
    # The open division has no target, so a value that a person can read is enough.
    needless = scope.is_open and not scope.round.asks_for_a_metric_in_open
    return Breach(
        "accuracy-text",
        path,
        message,
        line=number,
        expected=f"a number >= {least}",
        actual=shown,
        hint=_PLAIN_NUMBER if number else "",
        part="" if is_one_of else "no metric",
        is_slight=needless and bool(_DIGIT.search(shown)),
    )


def is_possible(metric: str, value: float, least: float) -> bool:
    """Say whether a metric can have the value; some scripts print fractions as percentages."""
    if metric in _UNBOUNDED or value <= 1:
        return True
    return 100 * least <= value <= 100 if least <= 1 else value <= 100


def judge_accuracy_run(
    scope: Scope, directory: str, text: str, values: Mapping[str, object], errors: int
) -> Breaches:
    """Yield where the logs in ``accuracy/`` contradict the accuracy stated in ``text``.

    Parameters
    ----------
    text:
        accuracy.txt.
    values, errors:
        What the detail log says, and how many errors it shows.
    """
    log = f"{directory}/mlperf_log_detail.txt"
    yield from judge_accuracy_facts(scope, log, values)
    yield from _judge_sizes(scope, log, text, values.get(SAMPLE_COUNTS[1]))
    yield from _judge_summary(scope, f"{directory}/mlperf_log_summary.txt", errors)


def judge_answers(scope: Scope, path: str, log: bytes) -> Breaches:
    """Yield a log of another benchmark, by the size of its answers or too large a sample index.

    ``log`` is mlperf_log_accuracy.json, truncated or not.
    """
    if scope.is_open:
        return
    sizes = _sizes(scope)
    for index, data in _ANSWER.findall(log):
        length = len(data) // 2
        is_other = (
            (scope.model in _CLASSES and length not in (4, 8))
            or (scope.model in _OBJECTS and length % 28)
            or (sizes and int(index) >= max(sizes))
        )
        if is_other:
            yield Breach(
                "accuracy-answers",
                path,
                "The log contains answers of another benchmark.",
                expected=f"qsl_idx below {max(sizes)}" if sizes else "",
                actual=f"qsl_idx {int(index)} with {length} bytes",
            )
            return


def _sizes(scope: Scope) -> tuple[int, ...]:
    """Return how many samples the benchmark's data set has; several where its versions differ."""
    if scope.model.startswith("3d-unet"):
        return scope.round.samples_of_3d_unet
    stated = (scope.round.tables.get("dataset_size") or {}).get(scope.model)
    size = stated if isinstance(stated, int) else _SIZES.get(scope.model)
    return () if size is None else (size,)


def _judge_sizes(scope: Scope, log: str, text: str, count: object) -> Breaches:
    if count is None:
        return
    for total in (*(total for _, _, total in COUNTS.findall(text)), *_GENERATED.findall(text)):
        if len(total) < 18 and int(total) != count:
            message = "accuracy.txt counts another number of samples than the run had."
            yield _other_size(scope, log, message, total, count)
    if scope.is_open or scope.round.accuracy_samples(scope.model, scope.scenario) is not None:
        return
    sizes = _sizes(scope)
    if sizes and count not in sizes:
        yield _other_size(scope, log, "The run does not cover the data set.", sizes[-1], count)


def _other_size(scope: Scope, log: str, message: str, expected: object, actual: object) -> Breach:
    return Breach(
        "accuracy-data-set",
        log,
        message,
        line=scope.line_of(log, f'"{SAMPLE_COUNTS[1]}"'),
        expected=expected,
        actual=actual,
        part="other count",
    )


def _judge_summary(scope: Scope, path: str, errors: int) -> Breaches:
    if not scope.exists(path):
        return  # reported with the list of files
    text = scope.text(path, _LARGEST_SUMMARY) or ""
    counted, fields = counted_errors(text), summary_fields(text)
    mode = fields.get("Mode")
    # The summary of an accuracy-only run has no result line.
    if mode == "PerformanceOnly" or (mode == "AccuracyOnly" and "Result is" in fields):
        yield Breach(
            "accuracy-mode",
            path,
            "The summary is of a performance run.",
            line=scope.line_of(path, "Mode"),
            expected="AccuracyOnly",
            actual=mode,
        )
    if counted is None:
        yield Breach(
            "accuracy-summary",
            path,
            "It does not say whether errors were encountered.",
            expected="No errors encountered during test.",
            actual="" if text.strip() else "an empty file",
        )
    elif counted and not errors:
        yield Breach(
            "accuracy-loadgen-error",
            path,
            "LoadGen counted errors that its detail log lacks.",
            line=scope.line_of(path, " encountered. See detailed log"),
            expected=f"{counted} lines with is_error true",
            actual="none",
            part="summary",
        )
