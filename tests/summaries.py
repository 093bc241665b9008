"""Summaries of published rounds as the tests write them.

The columns are those of ``summary.json`` (inference_results_v6.1) and ``summary_results.json``
(inference_results_v5.1 and v6.0); submitters, systems and figures are invented.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def checker_row(
    submitter: str = "Other",
    benchmark: str = "resnet50",
    scenario: str = "Offline",
    result: object = 1000.5,
    **changes: object,
) -> Row:
    """Return a row of ``summary.json``, as the official checker of v6.1 writes it."""
    system = str(changes.get("Platform", "box_1"))
    division = changes.get("Division", "closed")
    row: Row = {
        "Organization": submitter,
        "Availability": "available",
        "Division": division,
        "SystemType": "edge",
        "SystemName": "Box One (2x Chip)",
        "Platform": system,
        "Model": benchmark,
        "MlperfModel": "resnet" if benchmark == "resnet50" else benchmark,
        "Scenario": scenario,
        "Result": result,
        "Accuracy": "acc: 76.138",
        "number_of_nodes": 2,
        "host_processor_model_name": "Some CPU",
        "host_processors_per_node": 1,
        "host_processor_core_count": "64",
        "accelerator_model_name": "Chip 40GB",
        "accelerators_per_node": 4,
        "total_accelerators": 8,
        "Location": f"./{division}/{submitter}/results/{system}/{benchmark}/{scenario}"
        "/performance/run_1",
        "framework": "ONNX Runtime v1.28.0",
        "operating_system": "Ubuntu 24.04",
        "notes": None,
        "compliance": division,
        "errors": 0,
        "version": "v6.1",
        "inferred": 0,
        "has_power": False,
        "Units": "Samples/s",
        "weight_data_types": "int8",
        "design_power_watts": None,
        "PrivateID": None,
    }
    return {**row, **changes}


def table_row(
    submitter: str = "Other",
    benchmark: str = "resnet50",
    scenario: str = "Offline",
    result: object = 900.25,
    **changes: object,
) -> Row:
    """Return a row of ``summary_results.json``, as MLCommons published it with v5.1 and v6.0."""
    row: Row = {
        "ID": "5.1-0001",
        "Submitter": submitter,
        "Availability": "available",
        "Category": "closed",
        "Suite": "edge",
        "System": "Box One",
        "Platform": "box_1",
        "UsedModel": benchmark,
        "Model": "resnet" if benchmark == "resnet50" else benchmark,
        "Scenario": scenario,
        "Accuracy": "acc: 76.138",
        "Nodes": 1,
        "Processor": "Some CPU",
        "host_processors_per_node": 2,
        "host_processor_core_count": 32.0,
        "Accelerator": "",
        "a#": "",
        "Location": f"closed/{submitter}/results/box_1/{benchmark}/{scenario.lower()}",
        "Software": "tflite vmaster",
        "operating_system": "Ubuntu 24.04",
        "Notes": "",
        "compliance": 1,
        "errors": 0,
        "version": "v5.1",
        "inferred": 0,
        "has_power": False,
        "weight_data_types": "fp32",
        "p#": 2,
        "Details": "https://example.org/details",
        "Code": "https://example.org/code",
        "Unique ID (e.g. for Audit)": f"edge/closed/{submitter}/box_1",
        "ColorKey": f"available{submitter}",
        "Performance_Result": result,
        "Performance_Units": "Samples/s",
    }
    return {**row, **changes}


def checker_summary(rows: Sequence[Row]) -> bytes:
    """Return ``summary.json``: an object of rows by number."""
    return json.dumps({str(number): row for number, row in enumerate(rows)}, indent=4).encode()


def write_summary(directory: Path, rows: Sequence[Row], name: str = "summary.json") -> Path:
    """Write a summary: by its name an object of the checker's rows, or a list of the table's."""
    path = directory / name
    directory.mkdir(exist_ok=True)
    is_table = name == "summary_results.json"
    path.write_bytes(json.dumps(list(rows)).encode() if is_table else checker_summary(rows))
    return path
