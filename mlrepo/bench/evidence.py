"""The files of a run other than LoadGen's logs, redacted and small enough to commit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from mlrepo.bench.console import is_shortened, shortened, shortened_bytes
from mlrepo.bench.judge import Judgement
from mlrepo.harness.spec import AUDIT_FILE, CONSOLE_FILE, USER_CONF_FILE, read_events
from mlrepo.record.codec import Facts
from mlrepo.redaction import Redactor, decoded
from mlrepo.repository.recorder import MAX_BLOB_SIZE
from mlrepo.workloads.catalog import CALIBRATION_DOCUMENT

F = TypeVar("F", bound=Facts)

SYSTEM_FILE = "system.json"
ENVIRONMENT_FILE = "environment.json"
FAILURE_FILE = "failure.txt"


def recorded_texts(
    directory: Path, judgement: Judgement, redactor: Redactor, counts: dict[str, int]
) -> dict[str, bytes]:
    """Return the files of a run other than LoadGen's logs, redacted and small enough to commit."""
    files: dict[str, bytes] = {}
    for name in (USER_CONF_FILE, CONSOLE_FILE, SYSTEM_FILE, AUDIT_FILE, CALIBRATION_DOCUMENT):
        path = directory / name
        if path.is_file():
            files[name] = redacted(shortened(path), redactor, counts)
    environment = read_json(directory / ENVIRONMENT_FILE)
    if isinstance(environment, dict):
        # Package names and versions are not secrets, even "secretstorage".
        environment["variables"] = redacted_value(environment.get("variables"), redactor, counts)
    files[ENVIRONMENT_FILE] = _pretty(environment, indent=2, sort_keys=True)
    if SYSTEM_FILE in files and not is_shortened((directory / SYSTEM_FILE).stat().st_size):
        system = read_json(directory / SYSTEM_FILE)
        if system is not None and _parsed(files[SYSTEM_FILE]) is None:  # redaction removed a quote
            files[SYSTEM_FILE] = _pretty(redacted_value(system, redactor, counts), indent=4)
    failure = _failure(directory) + judgement.traceback
    if failure:
        data = shortened_bytes(failure.encode("utf-8", "backslashreplace"))
        files[FAILURE_FILE] = redacted(data, redactor, counts)
    return files | {
        name: data if len(data) <= MAX_BLOB_SIZE else shortened_bytes(data)
        for name, data in judgement.files.items()
    }


def redacted(data: bytes, redactor: Redactor, counts: dict[str, int]) -> bytes:
    """Return a text without secrets; add the number of each kind to ``counts``."""
    text, found = redactor.text(decoded(data))
    for kind, number in found.items():
        counts[kind] = counts.get(kind, 0) + number
    return text.encode()


def redacted_value(value: Any, redactor: Redactor, counts: dict[str, int]) -> Any:
    """Return a JSON value with every string redacted; keys are kept."""
    if isinstance(value, str):
        return redacted(value.encode("utf-8", "replace"), redactor, counts).decode()
    if isinstance(value, dict):
        return {key: redacted_value(item, redactor, counts) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted_value(item, redactor, counts) for item in value]
    return value


def redacted_facts(facts: F, redactor: Redactor, counts: dict[str, int]) -> F:
    """Return facts with every string redacted."""
    return facts.from_dict(redacted_value(facts.to_dict(), redactor, counts))


def read_json(path: Path) -> Any:
    """Return the value in a JSON file; None if the file is missing or not JSON."""
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        return None


def _pretty(value: Any, **how: Any) -> bytes:
    return shortened_bytes(f"{json.dumps(value, **how)}\n".encode())


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def encodable(text: str) -> str:
    """Return the text with lone surrogates escaped, which UTF-8 cannot encode."""
    return text.encode("utf-8", "backslashreplace").decode()


def _failure(directory: Path) -> str:
    """Return the full reasons that frameworks gave, and the tracebacks of unexpected errors."""
    parts = (
        str(event.get(name) or "")
        for event in read_events(directory)
        for name in ("detail", "traceback")
    )
    return "".join(part if part.endswith("\n") else f"{part}\n" for part in parts if part)
