"""``mlrepo show``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import current_repository
from mlrepo.cli.models.words import model_words
from mlrepo.cli.render import print_headline, print_json, style
from mlrepo.cli.screen import write_bytes
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.record import AgreementFacts, BackendFacts, InputFacts, RunRecord
    from mlrepo.repository.acts import Act
    from mlrepo.repository.history import RecordedRun

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
    "latencies": "latencies.json",
    "trace": "trace.json",
    "row": "summary_row.json",
}

# What an act sets that people want to see; the rest follows from it.
_SHOWN = ("note", "add", "remove", "system", "experiment", "from")
_MOST_LINES = 60
_TRACEBACK = ("Traceback (most recent call last)", "  + Exception Group Traceback")


@click.command("show", cls=Command)
@click.argument("run", default="latest")
@click.option("--log", "log", type=click.Choice(list(_LOGS)), help="Print this file of the run.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole record as JSON.")
def command(run: str, log: str | None, ascii_only: bool, as_json: bool) -> None:
    """Show everything about one run, or print one of its logs.

    On a terminal, the distribution of its latencies and the trace of the run are drawn.

    RUN is a run id, a part of one that is unique, a commit, or `latest`; `latest~1` is the one
    before it.

    \b
    Example:
      mlrepo show latest
      mlrepo show 3fa9c1 --log summary
    """
    from mlrepo.cli.records.distribution import print_distribution, read_distribution
    from mlrepo.repository.history import (
        committed_record,
        file_names,
        find_run,
        load_record,
        read_file,
    )

    repository = current_repository()
    found = find_run(repository, run)
    if log is not None:
        write_bytes(read_file(repository, found, _LOGS[log]))
        return
    record = load_record(repository, found)
    files = file_names(repository, found)
    distribution = read_distribution(repository, found, record, files)
    if as_json:
        print_json(
            "mlrepo.show/1",
            {
                "commit": found.commit,
                "record": committed_record(repository, found).to_dict(),
                **curation_values(found),
                **distribution.values(),
            },
        )
        return
    _print_record(record, found, files)
    print_distribution(distribution, ascii_only=ascii_only)
    if _LOGS["failure"] in files:
        _print_failure(read_file(repository, found, _LOGS["failure"]), found.run)


def _endpoint(backend: BackendFacts) -> dict[str, str]:
    """Return where a served model was asked, what the server says of itself, and the traffic."""
    endpoint, server, traffic = backend.endpoint, backend.server, backend.traffic
    if endpoint is None:
        return {}
    where = "on this machine" if endpoint.here else "on another machine"
    lines = {"endpoint": f"{endpoint.url}, {endpoint.kind}, {where}"}
    if server is not None:
        said = " ".join(word for word in (server.name, server.version) if word)
        proxy = ", through a proxy" if server.proxy else ""
        lines["server"] = f"{said or 'says nothing of itself'}{proxy}; {json.dumps(server.entry)}"
    if traffic is not None:
        counted = ", ".join(f"{number} by {way}" for way, number in traffic.counted.items())
        lines["traffic"] = (
            f"{traffic.answered} of {traffic.sent} requests answered, at most "
            f"{traffic.most_in_flight} in flight, {traffic.busy} refused for now, {traffic.resent} "
            f"sent again; {traffic.tokens} tokens (counted: "
            f"{counted or 'none'}), {traffic.cached_tokens} of {traffic.prompt_tokens} prompt "
            "tokens from the server's cache"
        )
    return lines


def _model(record: RunRecord) -> str:
    """Return what identifies a recorded model, with each file if there are several."""
    model = record.model
    if record.backend.endpoint is not None:
        return f"{model.name}, as the endpoint calls it"
    lines = [f"{model.file or '-'}, sha256 {model.sha256 or '-'}"]
    if len(model.files) > 1:
        lines[0] += f" over {len(model.files)} files, {model.size} bytes"
        lines += [f"{'':12}{f.name}, {f.size} bytes, sha256 {f.sha256}" for f in model.files]
    if licence := model.others.get("licence"):
        lines.append(f"{'':12}licence: {licence}")
    return "\n".join(lines)


def _is_client(backend: BackendFacts) -> bool:
    """Say whether the facts about the host are those of a client of the system under test."""
    return backend.endpoint is not None and not backend.endpoint.here


def _agreement(found: AgreementFacts) -> str:
    """Return what the backend's scores were compared with, and how close they are."""
    if not found.reference:
        return f"not compared: {found.why}" if found.why else "-"
    batches = " and ".join(map(str, found.batches or ()))
    return (
        f"{found.distance or 0:.2g} from {found.reference} ({found.type} allows "
        f"{found.bound or 0:g}): {len(found.samples or ())} samples, batches of {batches}"
    )


def _input(fed: InputFacts) -> str:
    """Return how the samples were cast for the model, if at all."""
    return (fed.cast or "samples as they are") if fed.type else "-"


def _averages(load: tuple[float, ...] | None) -> str:
    """Return load averages in the form of the record, a list."""
    return str(None if load is None else list(load))


def _print_failure(failure: bytes, run: str) -> None:
    """Print the full text of a failure, or the beginning and end of a very long one.

    Tracebacks are not printed; the reasons printed above say how to see them.
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


def curation_values(run: RecordedRun) -> dict[str, object]:
    """Return what was decided about a run since it was recorded, for JSON output."""
    return {
        "withdrawn": run.withdrawn,
        "pruned": run.curation.pruned,
        "note": run.note,
        "tags": list(run.tags),
        "system": run.trailer("System"),
        "experiment": run.trailer("Experiment"),
        "acts": [act_values(act) for act in run.curation.acts],
    }


def act_values(act: Act) -> dict[str, object]:
    """Return one decision about a run, for JSON output."""
    return {
        "id": act.id,
        "action": act.action,
        "run": act.run,
        "when": act.when,
        "who": act.who,
        "why": act.why,
        "values": dict(act.values),
    }


def _print_acts(run: RecordedRun) -> None:
    """Print what was decided about the run since it was recorded, and whether it still counts."""
    if run.curation.hidden:
        hidden = style(f"It {run.curation.why_hidden}.", fg="red", bold=True)
        restored = f"`mlrepo run restore {run.run[-6:]}` lets it count again."
        click.echo(f"  {hidden}" + ("" if run.curation.superseded else f" {restored}"))
    for act in run.curation.acts:
        values = ", ".join(
            value if name == act.action else f"{name} {value}"
            for name, value in act.values.items()
            if value and name in _SHOWN
        )
        said = ": ".join(text for text in (values, act.why) if text)
        click.echo(f"  {act.action:<10}{said + ', ' if said else ''}by {act.who}, {act.when}")


def _print_record(record: RunRecord, run: RecordedRun, files: list[str]) -> None:
    from mlrepo.bench.advice import advise
    from mlrepo.record import PUBLISHED, UNDATED, timestamp
    from mlrepo.record.first_requests import command_of

    print_headline(record)
    _print_acts(run)
    for words in advise(record).words:
        click.echo(f"  advice    {words}")
    placement = record.placement
    placed = placement.path if placement.placed else f"no: {placement.reason}"
    if placement.forced:
        placed += f" (although {placement.reason})"
    if record.validity == PUBLISHED:
        details = _row_details(record)
        details |= {"placed": placed, "files": ", ".join(files)}
        _print_details({"commit": f"{run.commit} on exp/{record.experiment}", **details}, record)
        return
    backend, model, data = record.backend, record.model, record.dataset
    host, load = record.host, record.load
    types, samples = model_words(model, data, backend.precision)
    details = {
        "run": record.run,
        "commit": f"{run.commit} on exp/{record.experiment}",
        "started": f"{record.started}, ended {record.ended}"
        if record.started != timestamp(UNDATED)
        else "the logs do not say when",
        "round": f"{record.round} {record.division} {record.category}, {record.submitter}",
        "system": f"{record.system} (results are under {record.sut})",
        "backend": f"{backend.framework or backend.name}, "
        f"batch {backend.batch}, options {json.dumps(backend.options or {})}",
        "scores": _agreement(backend.agreement),
        "input": _input(backend.input),
        "model": _model(record),
        **_endpoint(backend),
        "types": types,
        **({"samples": samples} if samples else {}),
        "data set": f"{data.name}, {data.samples} samples, sha256 {data.fingerprint}"
        if data.name or data.fingerprint
        else "-",
        "LoadGen": record.loadgen.version or record.loadgen.package or "-",
        "user.conf": record.setting("user.conf"),
        (
            "client" if _is_client(backend) else "host"
        ): f"{host.host_processor_model_name or '?'}, {host.cpus_usable} CPUs usable",
        "load": f"before {_averages(load.before)}, after {_averages(load.after)}, "
        f"CPU busy {load.busy_share}, stolen {load.steal_share}",
        "source": (record.source.commit or "-") + (" (dirty)" if record.source.dirty else ""),
        "tags": ", ".join(record.tags) or "-",
        "redacted": ", ".join(f"{n} x {kind}" for kind, n in record.redactions.items()) or "-",
        "config": record.configuration,
        "placed": placed,
        "command": shell_command(command_of(record)),
        "files": ", ".join(files),
    }
    _print_details(details, record)


def _row_details(record: RunRecord) -> dict[str, str]:
    """Return what is known of a result that is the row of a summary: all else is in the logs."""
    host, others = record.host, record.host.others
    accelerators = f"{host.accelerators_per_node} {host.accelerator_model_name}".strip()
    return {
        "run": f"{record.run}: the row of a summary, not a run that is recorded here",
        "from": f"{record.source.imported}, {record.source.path}",
        "logs": "not here: start, settings, seeds, latencies and tests are not known",
        "round": f"{record.round} {record.division} {record.category}, {record.submitter}",
        "system": f"{record.system}: {others.get('system_name') or '-'}",
        "host": f"{host.number_of_nodes or '?'} nodes of {host.host_processors_per_node or '?'} "
        f"{host.host_processor_model_name or '?'}",
        "devices": f"{accelerators or 'none'} in each node",
        "software": f"{record.backend.framework or '-'}, {host.operating_system or '-'}",
        "weights": record.model.weight_data_types or "-",
        "tags": ", ".join(record.tags) or "-",
        "redacted": ", ".join(f"{n} x {kind}" for kind, n in record.redactions.items()) or "-",
    }


def _print_details(details: Mapping[str, str], record: RunRecord) -> None:
    for name, value in details.items():
        click.echo(f"  {name:<10}{value}")
    if record.metrics:
        click.echo("  metrics")
        width = max(len(name) for name in record.metrics)
        for name, metric in record.metrics.items():
            click.echo(f"    {name:<{width}}  {metric}")
