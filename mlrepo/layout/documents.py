"""The documents of a submission that are made from records: JSON files and texts for readers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mlrepo.layout.reproduction import bench_command, init_command
from mlrepo.markdown import code, plain
from mlrepo.record import metric_words
from mlrepo.record.codec import said_text
from mlrepo.rounds import Round
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

_UNQUANTIZED = ("fp64", "fp32", "float32", "fp16", "float16", "bf16", "bfloat16", "")


def measurements(record: RunRecord) -> bytes:
    """Return the measurements file of a result, from one of its runs."""
    model = record.model
    return to_json(
        {
            "input_data_types": model.input_data_types,
            "retraining": model.retraining,
            "starting_weights_filename": model.starting_weights_filename,
            "weight_data_types": model.weight_data_types,
            "weight_transformations": model.weight_transformations,
        }
    )


def system_description(record: RunRecord, system_json: bytes) -> bytes:
    """Return the description of the system under test: the system's, and what the run adds."""
    description: dict[str, object] = json.loads(system_json)
    description |= {
        "division": record.division,
        "submitter": record.submitter,
        "framework": record.backend.framework,
    }
    return to_json(description)


def result_readme(records: Sequence[RunRecord], scenario: str) -> bytes:
    """Return the README.md of one result: its runs, with what they were made, how to repeat them.

    ``records`` (at least one) are of one configuration, and of another scenario than the result's
    ``scenario`` where the round infers it.
    """
    first = records[0]
    inferred = (
        f"The round infers this result from runs of {plain(first.scenario)}: the logs are theirs, "
        f"byte for byte.\n\n"
        if scenario != first.scenario
        else ""
    )
    runs = "\n".join(
        f"| {plain(record.test or record.mode)} | {plain(_measured(record))} | "
        f"{plain(record.validity)} | `{record.run}` | {record.started} |"
        for record in records
    )
    commands = [shell_command(bench_command(record)) for record in records]
    typed = dict.fromkeys(f"`{shell_command(r.argv)}`" for r in records if r.argv)
    return (
        f"# {plain(f'{first.benchmark} {scenario} on {first.sut}')}\n\n{inferred}"
        "| run | result | verdict | id | began |\n|---|---|---|---|---|\n"
        f"{runs}\n\n"
        "## Made with\n\n"
        f"{_made_with(first)}\n"
        "## To repeat it\n\n"
        "The LoadGen settings stand in `user.conf` beside this file. In a results repository "
        f"(`{shell_command(init_command(first))}`):\n\n"
        f"```\n{chr(10).join(commands)}\n```\n\n"
        f"Recorded by {', '.join(typed)}.\n"
    ).encode()


def _measured(record: RunRecord) -> str:
    """Return the result of a run, with the other metrics of its accuracy."""
    further = metric_words(record.further_metrics)
    return f"{record.result}" + (f" ({further})" if further else "")


def code_readme(records: Iterable[RunRecord]) -> bytes:
    """Return the README.md of the code: where it comes from and how to install and run it."""
    results: dict[str, None] = {}
    tools: dict[str, None] = {}
    backends: dict[str, None] = {}
    for record in records:
        results[f"- {plain(f'{record.benchmark} {record.scenario} on {record.sut}')}"] = None
        tools[plain(record.tool.replace(" ", "=="))] = None
        backends[f"- {plain(record.backend.name)}: {plain(record.backend.framework)}"] = None
    return (
        "# Code\n\n"
        "The results were measured by mlrepo, which runs MLCommons' LoadGen against the framework "
        "named in each result; there is no other code.\n\n"
        f"Version: {', '.join(tools)}. `mlrepo bench prereq --backend NAME` installs the framework "
        "of a backend:\n\n"
        f"{chr(10).join(sorted(backends))}\n\n"
        "The README.md of each result holds the commands that repeat it, with versions and hashes "
        "of framework, model and data set:\n\n"
        f"{chr(10).join(sorted(results))}\n"
    ).encode()


def calibration(records: Iterable[RunRecord], drafts: Mapping[str, str]) -> tuple[bytes, str]:
    """Return a calibration document, and what a person must do with it ('' for nothing).

    ``drafts`` are what `mlrepo model quantize` wrote, by the SHA-256 of the model that it made. How
    others quantized, no record knows; where no weights were, that is all there is to say.
    """
    records = list(records)
    quantized = sorted(
        {
            f"- {plain(record.benchmark)}: {plain(record.model.file or record.model.name)} ("
            f"{plain(record.model.weight_data_types)}, "
            f"{plain(record.model.weight_transformations)})"
            for record in records
            if _is_quantized(record)
        }
    )
    if not quantized:
        text = (
            "# Calibration\n\nNo result of this submission quantizes weights or activations: all "
            "models run in floating point, so nothing was calibrated.\n"
        )
        return text.encode(), ""
    found = {
        record.model.sha256: drafts.get(record.model.sha256)
        for record in records
        if _is_quantized(record)
    }
    texts = sorted({draft for draft in found.values() if draft is not None})
    if None not in found.values():
        todo = "was drafted by `mlrepo model quantize NAME`; read it before you submit."
        return "\n".join(texts).encode(), todo
    text = (
        "# Calibration\n\nThese models are quantized, or their files do not say what their weights "
        "are:\n\n"
        f"{chr(10).join(quantized)}\n\n"
        "The submitter describes here with which data and by which method their ranges were "
        "found.\n"
    )
    todo = "must be written: put your text there on the main branch, commit it and select again."
    return "\n".join((text, *texts)).encode(), todo


def model_mapping(
    own: Mapping[str, object], benchmarks: Mapping[str, str], round_: Round
) -> bytes | None:
    """Return ``model_mapping.json`` of the open division, or None where none is needed.

    Parameters
    ----------
    own:
        What the submitter wrote; it is kept.
    benchmarks:
        Each selected benchmark with the official one whose rules it follows ('' if unknown).
    """
    found = {
        name: official
        for name, official in benchmarks.items()
        if official and not round_.official_benchmark(name)
    }
    if not found or not round_.has_model_mapping:
        return None
    return to_json({**found, **own})


def to_json(value: Mapping[str, object]) -> bytes:
    """Return a JSON file as the layout's files are written: four spaces, a final newline."""
    return (json.dumps(value, indent=4, ensure_ascii=False) + "\n").encode(
        "utf-8", "backslashreplace"
    )


def _made_with(record: RunRecord) -> str:
    model, data, host = record.model, record.dataset, record.host
    lines = {
        "Tool": plain(record.tool),
        "LoadGen": plain(record.loadgen.version or record.loadgen.package),
        "Framework": plain(record.backend.framework),
        "Software": plain(host.other_software_stack),
        "Operating system": plain(host.operating_system),
        "Model": f"{plain(model.file)}, SHA-256 {code(model.sha256)}"
        if record.backend.endpoint is None
        else f"{plain(model.name)}, as the endpoint that serves it calls it",
        "Weights from": plain(model.starting_weights_filename),
        "Data set": f"{plain(data.name)}, {plain(said_text(data.samples))} samples, "
        f"SHA-256 {code(data.fingerprint)}",
        "Batch": record.backend.batch,
        "Platform profile": plain(record.platform),
    }
    return "".join(f"- {name}: {value}\n" for name, value in lines.items() if value)


def _is_quantized(record: RunRecord) -> bool:
    types = record.model.weight_data_types.lower().replace(";", ",").split(",")
    return any(kind.strip() not in _UNQUANTIZED for kind in types)
