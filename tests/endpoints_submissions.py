"""A small submission of results measured against an endpoint, valid by the rules of v6.1.

The files have the format of MLCommons' endpoints harness: its configuration, a summary of the
performance run, the scores of the accuracy run, and audits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlrepo.rounds import SHIPPED, Round

SUBMITTER, SYSTEM = "Acme", "cluster"
ROUND = "v6.1"
_NS = 1_000_000_000


def endpoints_scenarios(round_: Round, category: str, model: str) -> list[str]:
    """Return scenarios that make a closed submission of the model complete; may be empty."""
    rules = round_.scenario_rules(category, model)
    if rules is None:
        return []
    required, optional = rules
    needs_either = {"Server", "Interactive"} <= set(optional)
    return [*required, *(["Interactive"] if needs_either else [])]


def write_endpoints(root: Path, division: str, category: str, model: str, *names: str) -> Path:
    """Write a submission of one model; return the directory that holds its scenarios.

    ``names`` are the directories of its scenarios; all that a closed submission needs if left out.
    """
    round_ = SHIPPED[ROUND]
    home = root / division / SUBMITTER
    _write(home / "src" / "README.md", "See the reference implementation.\n")
    _write(home / "calibration.md", "Weights are quantized by their largest value.\n")
    _write_json(home / "systems" / f"{SYSTEM}.json", _system(round_, division, category))
    place = home / "results" / SYSTEM / model
    for name in names or endpoints_scenarios(round_, category, model):
        _write_result(round_, place / name, model, name)
    return place


def _write_result(round_: Round, directory: Path, model: str, name: str) -> None:
    fields = dict.fromkeys(round_.tables["measurements_required"], "fp8")
    _write_json(directory / "measurements.json", fields)
    _write(directory / "README.md", f"{model}, {name}\n")
    kind = {"Server": "online", "server": "online"}.get(name, name.lower())
    _write(directory / "config.yaml", _CONFIG.format(kind=kind, **round_.seeds()))
    _write_json(directory / "performance" / "result_summary.json", _summary())
    samples = round_.accuracy_samples(model, name)
    assert samples is not None
    _write_json(
        directory / "accuracy" / "accuracy_results.json",
        _scores(samples, round_.accuracy_targets(model, name), model in _FRACTIONS),
    )
    for test in round_.tables["compliance_tests"].get(model) or ():
        audit = round_.tables["endpoints"]["compliance_mapping"].get(test)
        if audit:
            _write_json(
                directory / "audit" / f"audit_{audit}.json", {"test": audit, "passed": True}
            )
    for folder, stems in (round_.tables["extra_accuracy_files"].get(model) or {}).items():
        for stem in [*stems, "captions"]:
            _write(directory / "accuracy" / folder / f"{stem}.mp4", "a video")


# Of these the scorers of the harness write a share of 1; the round's target is in percent.
_FRACTIONS = ("qwen3.6-27b", "wan-2.2-t2v-a14b", "gpt-oss-120b")
_CONFIG = """\
name: acme
version: "1.0"
type: {kind}
model_params:
  name: some/model
  streaming: "on"
settings:
  runtime:
    min_duration_ms: 600000
    max_duration_ms: 7200000
    scheduler_random_seed: {schedule_rng_seed}
    dataloader_random_seed: {sample_index_rng_seed}
    n_samples_to_issue: 8192
  load_pattern:
    type: poisson
    target_qps: 12.5
endpoint_config:
  endpoints: ["http://localhost:8000"]
"""


def _spread(mean: int) -> dict[str, Any]:
    percentiles = {"50": mean, "90": mean + 1, "95": mean + 2, "99": mean + 3, "99.9": mean + 4}
    return {
        "total": mean * 8192,
        "min": mean // 2,
        "max": mean * 2,
        "avg": float(mean),
        "percentiles": percentiles,
        "early_stopping_percentiles": percentiles,
    }


def _summary() -> dict[str, Any]:
    return {
        "version": "1.0",
        "git_sha": "0123456789",
        "test_started_at": 1_770_000_000,
        "n_samples_issued": 8192,
        "n_samples_completed": 8192,
        "n_samples_failed": 0,
        "duration_ns": 655 * _NS,
        "qps": 12.51,
        "tps": 15_012.25,
        "latency": _spread(_NS),
        "ttft": _spread(_NS // 10),
        "tpot": _spread(_NS // 1000),
        "output_sequence_lengths": _spread(1200),
    }


def _scores(
    samples: int | None, targets: Sequence[Mapping[str, Any]], is_fraction: bool
) -> dict[str, Any]:
    """Return scores a little above the targets, as the harness writes them."""
    least = {target["metric"]: target["min"] * 1.001 for target in targets}
    score: Any = next(iter(least.values())) / (100 if is_fraction else 1)
    if "ROUGE1" in least:
        score = {name.lower(): f"{value:.4f}" for name, value in least.items()}
    return {
        "accuracy_scores": [
            {
                "dataset_name": "accuracy",
                "dataset_type": "accuracy",
                "total_samples": samples,
                "complete": True,
                "score": score,
                "output_sequence_lengths": {"avg": least.get("TOKENS_PER_SAMPLE", 1200.0)},
            }
        ],
        "n_samples_failed": 0,
    }


def _system(round_: Round, division: str, category: str) -> dict[str, str]:
    return {
        **dict.fromkeys(round_.system_fields(), "N/A"),
        "submitter": SUBMITTER,
        "division": division,
        "system_type": category,
        "status": "available",
        "system_name": "Cluster",
        "number_of_nodes": "1",
        "host_processors_per_node": "1",
        "host_processor_core_count": "8",
        "accelerators_per_node": "8",
        "system_type_detail": "server",
    }


def _write_json(path: Path, value: object) -> None:
    _write(path, json.dumps(value, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
