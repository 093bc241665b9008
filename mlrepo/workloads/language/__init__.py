"""Benchmarks of language models: SmolLM2 on function calls, Llama 3.1 8B on summaries."""

from __future__ import annotations

from dataclasses import replace

from mlrepo.workloads import Workload
from mlrepo.workloads.language.bfcl import FULL_SET, Bfcl, BfclQuestions, CallAccuracy
from mlrepo.workloads.language.cnn_dailymail import (
    DATACENTER,
    EDGE,
    Articles,
    CnnDailyMail,
    Rouge,
)
from mlrepo.workloads.language.generation import Generation
from mlrepo.workloads.language.models import SMOLLM2 as SMOLLM2_NAME
from mlrepo.workloads.language.models import SMOLLM2_MODELS, take_model

# The settings of llama3_1-8b and llama3_1-8b-interactive in LoadGen's mlperf.conf; the limits of
# the time to the first token and of the time per token are in milliseconds.
_TOKENS = {"use_token_latencies": "1"}
_LIMITED = {**_TOKENS, "target_latency": "0"}
_SETTINGS = {
    "Offline": _TOKENS,
    "SingleStream": _TOKENS,
    "Server": {**_LIMITED, "ttft_latency": "2000", "tpot_latency": "100"},
    "Interactive": {**_LIMITED, "ttft_latency": "500", "tpot_latency": "30"},
}

# A small model for the open division, with tokens and limits like Llama 3.1 8B.
SMOLLM2 = Workload(
    name=SMOLLM2_NAME,
    task=Generation(CallAccuracy(), "function calls of a language model"),
    follows="llama3.1-8b-edge",
    loadgen_model=SMOLLM2_NAME,
    performance_samples=FULL_SET,
    model=None,
    open_dataset=BfclQuestions,
    dataset=Bfcl(),
    models=SMOLLM2_MODELS,
    make_model=take_model,
    settings=_SETTINGS,
    measured_as="llama3.1-8b",
    remark="few of its calls are right: the model is small",
)

# MLPerf's own, with the user's model and articles.
LLAMA3_1_8B = Workload(
    name="llama3.1-8b",
    task=Generation(Rouge(), "summaries of a language model"),
    follows="llama3.1-8b",
    loadgen_model="llama3_1-8b",
    performance_samples=DATACENTER,
    model=None,
    open_dataset=Articles,
    dataset=CnnDailyMail("cnn-dailymail", DATACENTER, "cnn_eval.json"),
)
LLAMA3_1_8B_EDGE = replace(
    LLAMA3_1_8B,
    name="llama3.1-8b-edge",
    follows="llama3.1-8b-edge",
    loadgen_model="llama3_1-8b-edge",
    performance_samples=EDGE,
    dataset=CnnDailyMail("cnn-dailymail-edge", EDGE, "sample_cnn_eval_5000.json"),
)
