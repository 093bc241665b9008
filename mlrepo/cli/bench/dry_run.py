"""What ``mlrepo bench run`` would run and record, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlrepo.cli.render import print_json
from mlrepo.record.request import argv
from mlrepo.shell import shell_command

if TYPE_CHECKING:
    from mlrepo.bench.request import BenchRequest
    from mlrepo.bench.run import Bench
    from mlrepo.harness.spec import RunSpec


def _where(spec: RunSpec) -> str:
    if spec.endpoint:
        return f"at {spec.endpoint['url']}, {spec.endpoint['kind']}"
    return f"on {spec.device}, {spec.precision}"


def print_dry_run(bench: Bench, request: BenchRequest, *, as_json: bool) -> None:
    """Print a run with every value decided, and where each setting is from.

    Raises
    ------
    UserError
        The run would be refused.
    """
    from mlrepo.layout.never_valid import why_never_valid

    ready = bench.ready(request)
    spec, model, conf = ready.inputs.spec, ready.inputs.model, ready.configured.conf
    settings = {key: (one.value, one.origin) for key, one in ready.settings.items()}
    values: dict[str, object] = {
        "benchmark": spec.workload,
        "scenario": spec.scenario,
        "mode": spec.mode,
        "model": {"name": model.name, "sha256": ready.inputs.files.digest},
        "endpoint": dict(spec.endpoint),
        "backend": spec.backend,
        "device": spec.device,
        "precision": spec.precision,
        "threads": spec.threads,
        "max_batch": spec.max_batch,
        "backend_options": dict(spec.backend_options),
        "prefix": list(ready.request.prefix),
        "loadgen": dict(conf.values),
        "settings": {key: {"value": v, "origin": origin} for key, (v, origin) in settings.items()},
        "branch": f"exp/{bench.experiment.name}",
        "tags": list(ready.request.tags),
        "never_valid": why_never_valid(
            bench.round,
            bench.settings["division"].value,
            bench.settings["category"].value,
            spec.workload,
            ready.inputs.workload,
        ),
        "command": list(argv(bench.request)),
    }
    if as_json:
        print_json("mlrepo.dry-run/1", values)
        return
    tuned = "; tuned" if ready.tuned else ""
    batch = f"batch up to {spec.max_batch}" if spec.max_batch else "batch from the warm-up"
    options = ", ".join(f"{key}={value}" for key, value in spec.backend_options.items())
    conf_words = ", ".join(f"{key} = {value}" for key, value in conf.values.items())
    lines = {
        "run": f"{spec.workload} {spec.scenario} {spec.mode}",
        "model": model.name
        + (f", SHA-256 {ready.inputs.files.digest[:12]}" if not model.served else ""),
        "backend": f"{spec.backend} {_where(spec)}" + (f", {options}" if options else ""),
        "threads": f"{spec.threads or 'all usable CPUs'}; {batch}{tuned}",
        "prefix": shell_command(ready.request.prefix),
        "loadgen": conf_words or "the round's settings; the rate is estimated in the warm-up",
        **{key: f"{value} ({origin})" for key, (value, origin) in settings.items()},
        "branch": str(values["branch"]),
        "tags": ", ".join(ready.request.tags),
        "note": f"never valid in {bench.round.name}: {values['never_valid']}"
        if values["never_valid"]
        else "",
        "command": shell_command(argv(bench.request)),
    }
    for name, text in lines.items():
        if text:
            click.echo(f"{name:<10}{text}")
    click.echo("Nothing was run: without --dry-run this run starts.")
