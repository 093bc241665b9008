"""``mlrepo show``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.context import current_repository
from mlrepo.cli.models.words import model_words
from mlrepo.cli.render import print_headline, print_json
from mlrepo.cli.screen import write_bytes
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

_LOGS = {
    "summary": "mlperf_log_summary.txt",
    "detail": "mlperf_log_detail.txt",
    "accuracy": "mlperf_log_accuracy.json",
    "accuracy.txt": "accuracy.txt",
    "console": "console.txt",
    "user.conf": "user.conf",
    "system": "system.json",
    "environment": "environment.json",
    "failure": "failure.txt",
}

_MOST_LINES = 60
_TRACEBACK = ("Traceback (most recent call last)", "  + Exception Group Traceback")


@click.command("show")
@click.argument("run", default="latest")
@click.option("--log", "log", type=click.Choice(list(_LOGS)), help="Print this file of the run.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole record as JSON.")
def command(run: str, log: str | None, as_json: bool) -> None:
    """Show everything about one run, or print one of its logs.

    RUN is a run id, a part of one that is unique, a commit, or `latest`.

    \b
    Example:
      mlrepo show latest
      mlrepo show 3fa9c1 --log summary
    """
    from mlrepo.repository.history import file_names, find_run, load_record, read_file

    repository = current_repository()
    found = find_run(repository, run)
    if log is not None:
        write_bytes(read_file(repository, found, _LOGS[log]))
        return
    record = load_record(repository, found)
    if as_json:
        print_json("mlrepo.show/1", {"commit": found.commit, "record": asdict(record)})
        return
    files = file_names(repository, found)
    _print_record(record, found.commit, files)
    if _LOGS["failure"] in files:
        _print_failure(read_file(repository, found, _LOGS["failure"]), found.run)


def _model(model: Mapping[str, Any]) -> str:
    """Return what identifies a recorded model; each of its files where there are several."""
    lines = [f"{model.get('file')}, sha256 {model.get('sha256')}"]
    files = model.get("files") or ()
    if len(files) > 1:
        lines[0] += f" over {len(files)} files, {model.get('size')} bytes"
        lines += [f"{'':12}{f['name']}, {f['size']} bytes, sha256 {f['sha256']}" for f in files]
    return "\n".join(lines)


def _agreement(backend: Mapping[str, Any]) -> str:
    """Return what the backend's scores were compared with, and how near they are."""
    found = backend.get("agreement") or {}
    if not found.get("reference"):
        return f"not compared: {found['why']}" if found.get("why") else "-"
    batches = " and ".join(map(str, found.get("batches") or ()))
    return (
        f"{found.get('distance') or 0:.2g} from {found['reference']} ({found.get('type')} allows "
        f"{found.get('bound') or 0:g}): {len(found.get('samples') or ())} samples, batches of "
        f"{batches}"
    )


def _input(backend: Mapping[str, Any]) -> str:
    """Return how the samples got into the model."""
    fed = backend.get("input")
    return (fed.get("cast") or "samples as they are") if fed else "-"


def _print_failure(failure: bytes, run: str) -> None:
    """Print the whole reason of a failure; of a very long one the beginning and the end.

    A traceback is for those who ask for it: the reasons above say how.
    """
    lines = failure.decode("utf-8", errors="replace").splitlines()
    if lines and lines[0].startswith(_TRACEBACK):
        return
    click.echo("  failure")
    if len(lines) > _MOST_LINES:
        left_out = len(lines) - _MOST_LINES
        note = f"[{left_out} more lines: `mlrepo show {run[-6:]} --log failure`]"
        lines = [*lines[: _MOST_LINES // 2], note, *lines[-_MOST_LINES // 2 :]]
    for line in lines:
        click.echo(f"    {line}".rstrip())


def _print_record(record: RunRecord, commit: str, files: list[str]) -> None:
    from mlrepo.bench.advice import advise

    print_headline(record)
    for words in advise(record).words:
        click.echo(f"  advice    {words}")
    placement = record.placement
    placed = placement.path if placement.placed else f"no: {placement.reason}"
    if placement.forced:
        placed += f" (although {placement.reason})"
    backend, model, data = record.backend, record.model, record.dataset
    types, images = model_words(model, data, str(backend.get("precision") or ""))
    details = {
        "run": record.run,
        "commit": f"{commit} on exp/{record.experiment}",
        "started": f"{record.started}, ended {record.ended}",
        "round": f"{record.round} {record.division} {record.category}, {record.submitter}",
        "system": f"{record.system} (results stand under {record.sut})",
        "backend": f"{backend.get('framework', backend.get('name'))}, "
        f"batch {backend.get('batch')}, options {json.dumps(backend.get('options', {}))}",
        "scores": _agreement(backend),
        "input": _input(backend),
        "model": _model(model),
        "types": types,
        **({"images": images} if images else {}),
        "data set": f"{data.get('name')}, {data.get('samples')} samples, "
        f"sha256 {data.get('fingerprint')}"
        if data
        else "-",
        "LoadGen": str(record.loadgen.get("version", record.loadgen.get("package", "-"))),
        "user.conf": record.settings.get("user.conf", {}).get("value", ""),
        "host": f"{record.host.get('host_processor_model_name', '?')}, "
        f"{record.host.get('cpus_usable')} CPUs usable",
        "load": f"before {record.load.get('before')}, after {record.load.get('after')}, "
        f"CPU busy {record.load.get('busy_share')}, stolen {record.load.get('steal_share')}",
        "source": str(record.source.get("commit"))
        + (" (dirty)" if record.source.get("dirty") else ""),
        "tags": ", ".join(record.tags) or "-",
        "redacted": ", ".join(f"{n} x {kind}" for kind, n in record.redactions.items()) or "-",
        "config": record.configuration,
        "placed": placed,
        "command": shell_command(record.argv),
        "files": ", ".join(files),
    }
    for name, value in details.items():
        click.echo(f"  {name:<10}{value}")
    if record.metrics:
        click.echo("  metrics")
        width = max(len(name) for name in record.metrics)
        for name, metric in record.metrics.items():
            click.echo(f"    {name:<{width}}  {metric}")
