"""The models of question answering on SQuAD.

Addresses, tensor names and F1 are those of language/bert/README.md of mlcommons/inference and its
Makefile, MD5 sums those of MLCommons' automation (get-ml-model-bert-large-squad).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlrepo.model_kinds import ONNX
from mlrepo.workloads.catalog import INT8, ReferenceModel

BERT_99, BERT_99_9 = "bert-99", "bert-99.9"
BERT_LARGE_RANDOM, BERT_SMALL_RANDOM = "bert-large-random", "bert-small-random"
# The variant of a random model that takes samples without padding.
ANY_LENGTH = "any-length"

_ZENODO = "https://zenodo.org/record"
_INPUTS = ("input_ids", "input_mask", "segment_ids")
_OUTPUTS = ("output_start_logits", "output_end_logits")


def models_of(benchmark: str) -> tuple[ReferenceModel, ...]:
    """Return the reference models of ``bert-99`` or ``bert-99.9``, the default first."""
    return (
        ReferenceModel(
            benchmark,
            "large-fp32",
            "BERT-Large, fp32, ONNX",
            "Apache-2.0",
            ONNX,
            _INPUTS,
            _OUTPUTS,
            f"{_ZENODO}/3733910/files/model.onnx",
            "819b25b19cd8e59080c10892689750ca",
            layout="",
            accuracy=90.874,
            accuracy_unit="F1",
            input_data_types="int64",
        ),
        ReferenceModel(
            benchmark,
            "large-int8",
            "BERT-Large, int8 (quantized in training), ONNX",
            "Apache-2.0",
            ONNX,
            ("input_ids", "attention_mask", "token_type_ids"),
            _OUTPUTS,
            f"{_ZENODO}/3750364/files/bert_large_v1_1_fake_quant.onnx",
            "45f88ffb2915362242703c85c38ec2d4",
            layout="",
            accuracy=90.067,
            accuracy_unit="F1",
            input_data_types="int64",
            weight_data_types=INT8,
            weight_transformations="quantization, affine fusion",
        ),
    )


def random_models(benchmark: str, summary: str) -> tuple[ReferenceModel, ...]:
    """Return the models with random weights that are made here: for 384 tokens, and for any."""
    model = ReferenceModel(
        benchmark,
        "seed-0",
        f"{summary} with random weights, for speed only",
        "Apache-2.0",
        ONNX,
        _INPUTS,
        _OUTPUTS,
        layout="",
        seed=0,
        input_data_types="int64",
    )
    return (
        model,
        replace(model, variant=ANY_LENGTH, summary=f"{summary} for samples of any length, random"),
    )


def make_random(path: Path, model: ReferenceModel, weights: Path | None) -> None:
    """Write a BERT with random weights from the model's seed."""
    from mlrepo.workloads.squad.bert import LARGE, SMALL, write_bert
    from mlrepo.workloads.squad.features import LENGTH

    write_bert(
        path,
        {BERT_LARGE_RANDOM: LARGE, BERT_SMALL_RANDOM: SMALL}[model.benchmark],
        model.seed or 0,
        tokens=None if model.variant == ANY_LENGTH else LENGTH,
        location=f"{model.file_name}.data",
    )
