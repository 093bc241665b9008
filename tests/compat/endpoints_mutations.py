"""Single changes to an endpoints result; each gets the directory of its scenario."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Mutation = Callable[[Path], object]
_SUMMARY = "performance/result_summary.json"
_SCORES = "accuracy/accuracy_results.json"


def _edit(name: str, change: Callable[[Any], Any]) -> Mutation:
    """Change a JSON file in place, or put in its place what the change returns."""

    def edit(directory: Path) -> None:
        path = directory / name
        value = json.loads(path.read_text())
        changed = change(value)
        path.write_text(json.dumps(value if changed is None else changed))

    return edit


def _summary(*keys: str, value: object) -> Mutation:
    def change(summary: Any) -> None:
        for key in keys[:-1]:
            summary = summary[key]
        summary[keys[-1]] = value

    return _edit(_SUMMARY, change)


def _score(key: str, value: object) -> Mutation:
    return _edit(_SCORES, lambda scores: scores["accuracy_scores"][0].__setitem__(key, value))


def _scores(key: str, value: object) -> Mutation:
    return _edit(_SCORES, lambda scores: scores.__setitem__(key, value))


def _config(old: str, new: str) -> Mutation:
    def edit(directory: Path) -> None:
        path = directory / "config.yaml"
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))

    return edit


def _type(value: str) -> Mutation:
    def edit(directory: Path) -> None:
        path = directory / "config.yaml"
        lines = path.read_text().splitlines()
        lines = [f"type: {value}" if line.startswith("type:") else line for line in lines]
        path.write_text("\n".join(lines) + "\n")

    return edit


def _holds(name: str, data: bytes) -> Mutation:
    return lambda directory: (directory / name).write_bytes(data)


def _gone(name: str) -> Mutation:
    return lambda directory: (directory / name).unlink()


def _audit(change: Callable[[Any], Any]) -> Mutation:
    def edit(directory: Path) -> None:
        for path in (directory / "audit").glob("*.json"):
            _edit(path.name, change)(path.parent)

    return edit


def _system(key: str, value: object) -> Mutation:
    def edit(directory: Path) -> None:
        systems = directory.parents[3] / "systems"
        _edit("cluster.json", lambda system: system.__setitem__(key, value))(systems)

    return edit


def _both(*mutations: Mutation) -> Mutation:
    return lambda directory: [mutation(directory) for mutation in mutations]


def _loadgen_log(directory: Path) -> None:
    run = directory / "performance" / "run_1"
    run.mkdir()
    (run / "mlperf_log_detail.txt").write_text("")


_P99 = ("early_stopping_percentiles", "99")
MUTATIONS: dict[str, Mutation] = {
    "nothing": lambda directory: None,
    "config.yaml missing": _gone("config.yaml"),
    "config.yml instead": lambda d: (d / "config.yaml").rename(d / "config.yml"),
    "config.yaml broken": _holds("config.yaml", b"a: [1\n"),
    "config.yaml a list": _holds("config.yaml", b"- 1\n"),
    "config.yaml empty": _holds("config.yaml", b""),
    "config.yaml not UTF-8": _holds("config.yaml", b"type: \xe9\n"),
    "config.yaml of itself": _holds("config.yaml", b"a: &a [*a]\ntype: offline\n"),
    "config.yaml of two": _holds("config.yaml", b"a: 1\n---\nb: 2\n"),
    "config.yaml a program": _holds("config.yaml", b"a: !!python/object/apply:os.getcwd []\n"),
    "config.yaml with a list as key": _holds("config.yaml", b"? [1]\n: 2\n"),
    "config.yaml with no date": _holds("config.yaml", b"type: offline\nx: 2001-99-99\n"),
    "config.yaml deep": _holds("config.yaml", b"[" * 3000),
    "type missing": _config("type: ", "tipe: "),
    "type a number": _type("3"),
    "type server": _type("server"),
    "type Server": _type("Server"),
    "type online": _type("online"),
    "type burst": _type("burst"),
    "type singlestream": _type("singlestream"),
    "type MultiStream": _type("MultiStream"),
    "type interactive": _type("interactive"),
    "scenario in the summary": _summary("effective_scenario", value="offline"),
    "scheduler seed": _config("scheduler_random_seed: ", "scheduler_random_seed: 1"),
    "data loader seed no number": _config("dataloader_random_seed: ", "dataloader_random_seed: a"),
    "short": _config("min_duration_ms: 600000", "min_duration_ms: 599999"),
    "duration a word": _config("min_duration_ms: 600000", "min_duration_ms: long"),
    "duration missing": _config("    min_duration_ms: 600000\n", ""),
    "summary missing": _gone(_SUMMARY),
    "summary broken": _holds(_SUMMARY, b"{"),
    "summary a list": _holds(_SUMMARY, b"[1]"),
    "summary with BOM": _holds(_SUMMARY, b"\xef\xbb\xbf{}"),
    "summary deep": _holds(_SUMMARY, b"[" * 100_000),
    "samples failed": _summary("n_samples_failed", value=2),
    "qps zero": _summary("qps", value=0),
    "qps NaN": _summary("qps", value=float("nan")),
    "qps a text": _summary("qps", value="12"),
    "qps a word": _summary("qps", value="fast"),
    "qps missing": _summary("qps", value=None),
    "tps missing": _summary("tps", value=None),
    "no rate and no duration": _both(
        _summary("duration_ns", value=None), _summary("qps", value=None)
    ),
    "duration_ns a text": _both(_summary("duration_ns", value="1"), _summary("qps", value=None)),
    "count without end": _both(
        _summary("n_samples_issued", value=10**400), _summary("qps", value=None)
    ),
    "first token late": _summary("ttft", *_P99, value=10**12),
    "later tokens missing": _summary("tpot", value={}),
    "latency long": _summary("latency", *_P99, value=10**13),
    "latency named 99.0": _summary(
        "latency", "early_stopping_percentiles", value={"99.0": 5, "90.0": 5}
    ),
    "latency missing": _summary("latency", value=None),
    "output long": _summary("output_sequence_lengths", "avg", value=9000),
    "output length missing": _summary("output_sequence_lengths", value=None),
    "scores missing": _gone(_SCORES),
    "scores broken": _holds(_SCORES, b"{"),
    "scores a list": _holds(_SCORES, b"[1]"),
    "scores null": _scores("accuracy_scores", None),
    "scores of texts": _scores("accuracy_scores", ["a"]),
    "score null": _score("score", None),
    "score a text": _score("score", "good, {x}"),
    "score an object": _score("score", {"f1": 0.5, "rouge1": 12}),
    "score a list": _score("score", [1, 2]),
    "score low": _score("score", 0.01),
    "few samples": _score("total_samples", 3),
    "samples a word": _score("total_samples", "x"),
    "samples only issued": _both(
        _score("total_samples", None), _score("response_counts", {"issued": 3})
    ),
    "no accuracy data set": _score("dataset_type", "performance"),
    "accuracy samples failed": _scores("n_samples_failed", 2),
    "audit failed": _audit(lambda audit: audit.__setitem__("passed", False)),
    "audit of another test": _audit(lambda audit: audit.__setitem__("test", "x")),
    "audit a list": _audit(lambda audit: [1]),
    "audit missing": lambda d: shutil.rmtree(d / "audit", ignore_errors=True),
    "measurements missing": _gone("measurements.json"),
    "README missing": _gone("README.md"),
    "README empty": _holds("README.md", b""),
    "src missing": lambda d: shutil.rmtree(d.parents[3] / "src"),
    "videos missing": lambda d: shutil.rmtree(d / "accuracy" / "videos", ignore_errors=True),
    "over a network": _system("is_network", "true"),
    "edge too": _system("system_type", "datacenter,edge"),
    "two nodes": _system("number_of_nodes", "2"),
    "power": lambda d: (d / "performance" / "power").mkdir(),
    "a log of LoadGen": _loadgen_log,
    "directory in lower case": lambda d: d.rename(d.parent / d.name.lower()),
}
