"""Single changes to a valid submission: the mutations that the official checkers were run on.

A mutation is named as in the record of what the official checkers did with it. It gets a
:class:`Base`, whose files are hard links to a pristine copy: a change replaces the file.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Base:
    """A copy of a submission and the result in it that is changed.

    Attributes
    ----------
    root:
        The directory that holds ``closed/``.
    submitter, system, scenario:
        The directories of the result; its benchmark is ``resnet50``.
    """

    root: Path
    submitter: str
    system: str
    scenario: str

    @property
    def home(self) -> Path:
        return self.root / "closed" / self.submitter

    def below(self, kind: str) -> Path:
        return self.home / kind / self.system / "resnet50" / self.scenario

    @property
    def run(self) -> Path:
        return self.below("results") / "performance" / "run_1"

    @property
    def accuracy(self) -> Path:
        return self.below("results") / "accuracy"

    @property
    def system_file(self) -> Path:
        return self.home / "systems" / f"{self.system}.json"

    @property
    def tests(self) -> list[Path]:
        return sorted(path for path in self.below("compliance").iterdir() if path.is_dir())


Mutation = Callable[[Base], None]
MUTATIONS: dict[str, Mutation] = {}


def _named(name: str) -> Callable[[Mutation], Mutation]:
    def register(mutation: Mutation) -> Mutation:
        MUTATIONS[name] = mutation
        return mutation

    return register


def _put(path: Path, data: bytes) -> None:
    """Replace a file, leaving the pristine one it is linked to alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    before = path.read_bytes()
    after = change(before)
    assert after != before, f"the mutation changes nothing in {path}"
    _put(path, after)


def _set(path: Path, key: str, value: str) -> None:
    """Set the value of a key in a detail log (the text of the JSON value)."""
    pattern = re.compile(rb'("key": "' + re.escape(key).encode() + rb'", "value": )("[^"]*"|[^,]+)')
    _edit(path, lambda data: pattern.sub(rb"\g<1>" + value.encode(), data, count=1))


def _line(key: str, value: str, *, error: bool = False) -> bytes:
    return (
        f':::MLLOG {{"key": "{key}", "value": {value}, "time_ms": 1.0, "namespace": '
        f'"mlperf::logging", "event_type": "POINT_IN_TIME", "metadata": {{"is_error": '
        f'{str(error).lower()}, "is_warning": false, "file": "a.cc", "line_no": 1, "pid": 1, '
        f'"tid": 1}}}}\n'
    ).encode()


def _append(path: Path, data: bytes) -> None:
    _edit(path, lambda before: before.rstrip(b"\n") + b"\n" + data)


def _result_key(base: Base) -> str:
    log = (base.run / "mlperf_log_detail.txt").read_bytes()
    keys = {
        "offline": ["result_samples_per_second"],
        "singlestream": ["early_stopping_latency_ss", "result_90.00_percentile_latency_ns"],
        "server": ["result_scheduled_samples_per_sec"],
    }[base.scenario.lower()]
    return next(key for key in keys if f'"{key}"'.encode() in log)


def _system(base: Base, change: Callable[[dict[str, object]], object]) -> None:
    values = json.loads(base.system_file.read_bytes())
    change(values)
    _put(base.system_file, json.dumps(values, indent=2).encode())


@_named("00-baseline")
def _(base: Base) -> None:
    assert base.run.is_dir()


def _log(name: str, change: Callable[[bytes], bytes]) -> None:
    """Register a change of the whole detail log of the performance run."""
    MUTATIONS[name] = lambda base: _edit(base.run / "mlperf_log_detail.txt", change)


def _value(name: str, key: str, value: str) -> None:
    """Register another value of a key of the performance run's detail log."""
    MUTATIONS[name] = lambda base: _set(base.run / "mlperf_log_detail.txt", key, value)


def _score(name: str, value: str) -> None:
    MUTATIONS[name] = lambda base: _set(
        base.run / "mlperf_log_detail.txt", _result_key(base), value
    )


def _accuracy_text(name: str, change: Callable[[bytes], bytes]) -> None:
    MUTATIONS[name] = lambda base: _edit(base.accuracy / "accuracy.txt", change)


def _gone(name: str, where: Callable[[Base], Path]) -> None:
    """Register the removal of a file or directory."""

    def remove(base: Base) -> None:
        path = where(base)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    MUTATIONS[name] = remove


def _measurements_json(base: Base) -> Path:
    return next(
        path
        for path in sorted(base.below("measurements").glob("*.json"))
        if b"weight_data_types" in path.read_bytes()
    )


MUTATIONS["01-system-json-truncated"] = lambda b: _edit(b.system_file, lambda d: d[: len(d) // 2])
_gone("02-system-json-missing", lambda b: b.system_file)
MUTATIONS["03-measurements-json-truncated"] = lambda b: _edit(
    _measurements_json(b), lambda d: d[: len(d) // 2]
)
_gone("04-measurements-dir-missing", lambda b: b.below("measurements"))
_gone("05-user.conf-missing", lambda b: b.below("measurements") / "user.conf")
_gone("06-perf-detail-missing", lambda b: b.run / "mlperf_log_detail.txt")
_log("07-perf-detail-empty", lambda d: b"")
_log("08-perf-detail-truncated-midline", lambda d: d[: d.rindex(b"generic_message") + 4])
_log("09-perf-detail-bad-utf8", lambda d: d.replace(b"PerformanceOnly", b"Performance\xff\xfe", 1))
_log("10-perf-detail-bad-json-line", lambda d: d.replace(b'"namespace"', b'"names', 1))
_log("11-perf-detail-crlf", lambda d: d.replace(b"\n", b"\r\n"))
_value("12-wrong-schedule-seed", "effective_schedule_rng_seed", "1")
_value("13-result-INVALID", "result_validity", '"INVALID"')


@_named("13b-INVALID-and-summary-INVALID")
def _(base: Base) -> None:
    MUTATIONS["13-result-INVALID"](base)
    _edit(base.run / "mlperf_log_summary.txt", lambda d: d.replace(b": VALID", b": INVALID"))


_score("14-result-NaN", "NaN")
_score("15-result-negative", "-5.0")
_score("16-result-zero", "0")
_value("17-min-duration-short", "effective_min_duration_ms", "1000")
_value("18-min-query-count-low", "effective_min_query_count", "10")
_value("19-perf-sample-count-low", "effective_performance_sample_count", "10")
_value("20-latency-99-huge", "result_99.00_percentile_latency_ns", "999999999999999")
_value("20b-target-latency-huge", "effective_target_latency_ns", "999999999999")
_ERROR = _line("error_runtime", '"synthetic error"', error=True)
_log("21-loadgen-error-in-perf", lambda d: d + _ERROR)
_value("21b-num_errors-3", "num_errors", "3")
MUTATIONS["22-loadgen-error-in-acc"] = lambda b: _append(
    b.accuracy / "mlperf_log_detail.txt", _ERROR
)
_gone("23-perf-summary-missing", lambda b: b.run / "mlperf_log_summary.txt")
MUTATIONS["24-perf-summary-empty"] = lambda b: _put(b.run / "mlperf_log_summary.txt", b"")
MUTATIONS["25-perf-summary-contradicts-detail"] = lambda b: _edit(
    b.run / "mlperf_log_summary.txt",
    lambda d: d.replace(b" : VALID", b" : INVALID"),
)
MUTATIONS["26-extra-file-in-run_1"] = lambda b: _put(b.run / "notes.txt", b"a note\n")
_gone("27-accuracy.txt-missing", lambda b: b.accuracy / "accuracy.txt")
_ZEROS = b"hash=" + b"0" * 64
_accuracy_text("28-accuracy.txt-no-hash", lambda d: re.sub(rb"hash=\w+", b"", d))
_accuracy_text("29-accuracy.txt-wrong-hash", lambda d: re.sub(rb"hash=\w+", _ZEROS, d))
_ACCURACY = re.compile(rb"^accuracy=[\d.]+%", re.MULTILINE)
_accuracy_text("30-accuracy-below-target", lambda d: _ACCURACY.sub(b"accuracy=10.000%", d))
_accuracy_text("31-accuracy-bad-number", lambda d: _ACCURACY.sub(b"accuracy=7.6.4%", d))
_BAD = b"accuracy=10.000%, good=5000, total=50000\n"
_accuracy_text("32-accuracy-two-lines-bad-then-good", lambda d: _BAD + d)
_accuracy_text(
    "32b-accuracy-two-lines-good-then-bad",
    lambda d: re.sub(rb"^hash=", _BAD + b"hash=", d, flags=re.MULTILINE),
)
_accuracy_text(
    "33-accuracy-good=0-total=0", lambda d: re.sub(rb"good=\d+, total=\d+", b"good=0, total=0", d)
)
_ACCURACY_LOG = "mlperf_log_accuracy.json"
MUTATIONS["34-accuracy-log-not-truncated"] = lambda b: _put(
    b.accuracy / _ACCURACY_LOG, b"[" + b" " * 20000 + b"]"
)
MUTATIONS["35-accuracy-log-empty"] = lambda b: _put(b.accuracy / _ACCURACY_LOG, b"")
_gone("36-accuracy-log-missing", lambda b: b.accuracy / _ACCURACY_LOG)
MUTATIONS["37-accuracy-dataset-short"] = lambda b: _set(
    b.accuracy / "mlperf_log_detail.txt", "qsl_reported_total_count", "100"
)
_accuracy_text("38-accuracy.txt-bad-utf8", lambda d: d + b"\xff\xfe\n")


@_named("39-scenario-dir-wrong-case")
def _(base: Base) -> None:
    base.below("results").rename(base.below("results").with_name("OfFlInE"))


@_named("40-unknown-scenario-dir")
def _(base: Base) -> None:
    shutil.copytree(base.below("results"), base.below("results").with_name("Burst"))


_gone("41-required-scenario-missing", lambda b: b.below("results"))
_gone("42-compliance-dir-missing", lambda b: b.below("compliance"))


def _fail(path: Path) -> None:
    _edit(path, lambda data: data.replace(b"TEST PASS", b"TEST FAIL"))


MUTATIONS["43-TEST01-verify-perf-FAIL"] = lambda b: _fail(b.tests[0] / "verify_performance.txt")
MUTATIONS["44-last-TEST-verify-perf-FAIL"] = lambda b: _fail(b.tests[-1] / "verify_performance.txt")
_gone("45-TEST01-verify-acc-missing", lambda b: b.tests[0] / "verify_accuracy.txt")
_gone(
    "46-TEST01-perf-detail-missing",
    lambda b: b.tests[0] / "performance" / "run_1" / "mlperf_log_detail.txt",
)
MUTATIONS["47-TEST01-verify-acc-FAIL"] = lambda b: _fail(b.tests[0] / "verify_accuracy.txt")
MUTATIONS["48-broken-symlink"] = lambda b: (b.home / "broken").symlink_to("nowhere")
MUTATIONS["49-symlink-loop-dir"] = lambda b: (b.home / "loop").symlink_to("..")
MUTATIONS["50-symlink-loop-in-results"] = lambda b: (
    b.home / "results" / b.system / "loop"
).symlink_to(".")
MUTATIONS["51-file-with-space"] = lambda b: _put(b.home / "code" / "resnet50" / "a b.txt", b"x\n")
MUTATIONS["52-empty-dir"] = lambda b: (b.home / "code" / "resnet50" / "empty").mkdir()


@_named("53-60MB-file")
def _(base: Base) -> None:
    with (base.home / "code" / "resnet50" / "weights.bin").open("wb") as file:
        file.truncate(60 << 20)


MUTATIONS["54-system-status-null"] = lambda b: _system(b, lambda s: s.update(status=None))
MUTATIONS["55-system-division-mismatch"] = lambda b: _system(b, lambda s: s.update(division="open"))
MUTATIONS["56-system-field-missing"] = lambda b: _system(b, lambda s: s.pop("framework"))
MUTATIONS["57-system-type-list"] = lambda b: _system(b, lambda s: s.update(system_type=["edge"]))
MUTATIONS["58-notes-with-quote-comma-newline"] = lambda b: _system(
    b, lambda s: s.update(hw_notes='a "b", c\nd', sw_notes="e, f")
)
MUTATIONS["59-numeric-accelerator-model"] = lambda b: _system(
    b, lambda s: s.update(accelerator_model_name=5)
)


@_named("60-unknown-model-dir")
def _(base: Base) -> None:
    model = base.below("results").parent
    model.rename(model.with_name("foonet"))


@_named("61-huge-detail-log")
def _(base: Base) -> None:
    lines = _line("generic_message", json.dumps("x" * 4000)) * 14000  # 60 MB
    _append(base.run / "mlperf_log_detail.txt", lines)


MUTATIONS["62-duplicate-key-conflict"] = lambda b: _append(
    b.run / "mlperf_log_detail.txt", _line(_result_key(b), "999999.5")
)
_log(
    "63-key-absent-scenario",
    lambda d: re.sub(rb'^:::MLLOG {"key": "effective_scenario".*\n', b"", d, flags=re.MULTILINE),
)
MUTATIONS["64-stray-file-in-results"] = lambda b: _put(b.home / "results" / "notes.txt", b"x\n")
MUTATIONS["65-no-results-dir-submitter"] = lambda b: _put(
    b.root / "closed" / "Nobody" / "README.md", b"nothing yet\n"
)
MUTATIONS["66-results-model-dir-empty"] = lambda b: (
    b.home / "results" / b.system / "bert-99"
).mkdir()
_HASH = re.compile(rb"\s*^(hash=\w+)\s*", re.MULTILINE)


@_named("67-hash-before-accuracy-order")
def _(base: Base) -> None:
    def swap(data: bytes) -> bytes:
        found = _HASH.search(data)
        assert found
        return found[1] + b"\n" + _HASH.sub(b"\n", data)

    _edit(base.accuracy / "accuracy.txt", swap)


_accuracy_text("68-two-hash-lines", lambda d: d + b"\nhash=" + b"0" * 64 + b"\n")


@_named("69-accuracy-log-file-is-symlink-outside")
def _(base: Base) -> None:
    log = base.accuracy / _ACCURACY_LOG
    outside = base.root.parent / f"{base.root.name}-outside.json"
    outside.write_bytes(log.read_bytes())
    log.unlink()
    log.symlink_to(outside)


_value("71-early-stopping-false", "early_stopping_met", "false")


@_named("72-other-scenario-log-in-dir")
def _(base: Base) -> None:
    here = base.below("results")
    other = next(path for path in here.parent.iterdir() if path.name.lower() == "offline")
    for name in ("mlperf_log_detail.txt", "mlperf_log_summary.txt"):
        _put(base.run / name, (other / "performance" / "run_1" / name).read_bytes())


@_named("73-compliance-log-is-performance-log")
def _(base: Base) -> None:
    for test in base.tests:
        for name in ("mlperf_log_detail.txt", "mlperf_log_summary.txt"):
            _put(test / "performance" / "run_1" / name, (base.run / name).read_bytes())
