"""A language model's result in Interactive, as logs that LoadGen writes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.submissions import detail_log, write_submission

BENCHMARK = "llama3.1-8b"
_SAMPLES = 13_368
# Milliseconds to the first token and per token, of 500 and 30 allowed.
_FIRST, _EACH = 431_000_000, 21_000_000
_ROUGE = (
    "{'rouge1': '38.7792', 'rouge2': '15.9075', 'rougeL': '24.4957', 'rougeLsum': '35.793', "
    "'gen_len': 8167644, 'gen_num': 13368}\nhash=" + "4d" * 32 + "\n"
)


def write_interactive_logs(root: Path, scratch: Path, tokens: float = 34_241.0) -> Path:
    """Write an accuracy and a performance run of v6.1 below ``root``; return ``root``.

    LoadGen calls the scenario Server; ``tokens`` are those of a second.
    """
    template = write_submission(scratch, "v6.1").result("Offline")
    for run, changes in (
        ("performance/run_1", _performance(tokens)),
        ("accuracy", {"accuracy_sample_count": _SAMPLES}),
    ):
        (root / run).mkdir(parents=True)
        entries = _entries(template / run / "mlperf_log_detail.txt")
        (root / run / "mlperf_log_detail.txt").write_text(
            detail_log({**entries, **_SETTINGS, **changes})
        )
        for name in ("mlperf_log_summary.txt", "mlperf_log_accuracy.json"):
            if (template / run / name).is_file():
                shutil.copy(template / run / name, root / run / name)
    (root / "accuracy/accuracy.txt").write_text(_ROUGE)
    return root


_SETTINGS: Mapping[str, Any] = {
    "requested_scenario": "Server",
    "effective_scenario": "Server",
    "requested_use_token_latencies": True,
    "requested_server_ttft_latency": 500_000_000,
    "requested_server_tpot_latency": 30_000_000,
    "effective_sample_concatenate_permutation": True,
    "effective_samples_per_query": 1,
    "effective_min_query_count": 270_336,
    "effective_performance_sample_count": _SAMPLES,
    "qsl_reported_total_count": _SAMPLES,
    "qsl_reported_performance_count": _SAMPLES,
}


def _performance(tokens: float) -> dict[str, Any]:
    return {
        "result_completed_samples_per_sec": tokens / 129,
        "result_scheduled_samples_per_sec": tokens / 129,
        "result_completed_tokens_per_second": tokens,
        "result_first_token_99.00_percentile_latency_ns": _FIRST,
        "result_time_per_output_token_99.00_percentile_ns": _EACH,
    }


def _entries(log: Path) -> dict[str, Any]:
    lines = (json.loads(line.partition(" ")[2]) for line in log.read_text().splitlines())
    return {line["key"]: line["value"] for line in lines}
