"""``mlrepo model``: the models that benchmarks run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlrepo.cli.command import Group
from mlrepo.cli.context import user_directory
from mlrepo.cli.models.quantize import quantize
from mlrepo.cli.progress import StepLine
from mlrepo.cli.render import print_json, print_table
from mlrepo.workloads.ways import LAYOUTS

if TYPE_CHECKING:
    from mlrepo.workloads.catalog import ReferenceModel
    from mlrepo.workloads.model_store import ModelStore


@click.group("model", cls=Group)
def command() -> None:
    """Get and register the models that benchmarks run.

    \b
    Example:
      mlrepo model list
      mlrepo model fetch resnet50
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the models as JSON.")
def list_(as_json: bool) -> None:
    """List the reference models and your own, and which are on this machine.

    \b
    Example:
      mlrepo model list
    """
    store = _store()
    models = [_values(store, model) for model in store.known()]
    if as_json:
        print_json("mlrepo.model.list/1", {"models": models})
        return
    print_table(
        ("MODEL", "HERE", "MB", "FILES", "FRAMEWORK", "WEIGHTS", "WAY", "ACCURACY", "SUMMARY"),
        [
            (
                m["name"],
                _here(m),
                "" if m["size"] is None else f"{m['size'] / 1e6:.1f}",
                str(len(m["files"]) or ""),
                m["framework"],
                m["weight_data_types"],
                m["preprocessing"],
                "" if m["accuracy"] is None else f"{m['accuracy']:.3f} {m['accuracy_unit']}",
                m["summary"],
            )
            for m in models
        ],
        right=(2, 3, 7),
        drop=("FILES", "WAY", "FRAMEWORK", "WEIGHTS", "ACCURACY", "MB"),
    )


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def show(name: str, as_json: bool) -> None:
    """Show all that is known about a model: BENCHMARK/VARIANT, or a benchmark for its default.

    \b
    Example:
      mlrepo model show resnet50/v1.5-opset-11
    """
    store = _store()
    values = _values(store, store.find(name))
    if as_json:
        print_json("mlrepo.model.show/1", values)
        return
    for key, value in values.items():
        if key == "files":
            for file in value:
                click.echo(f"{key:26}{file['name']}, {file['size']} bytes, {file['sha256']}")
            continue
        text = ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
        click.echo(f"{key:26}{text}".rstrip())


@command.command("fetch")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def fetch(name: str, as_json: bool) -> None:
    """Download a reference model, or make one with random weights; a broken download continues.

    \b
    Example:
      mlrepo model fetch resnet50
    """
    store = _store()
    line = StepLine(f"fetching {name}", unit="bytes")
    try:
        stored = store.fetch(store.find(name), line.update)
    finally:
        line.close()
    if as_json:
        print_json("mlrepo.model.fetch/1", _values(store, stored.about))
        return
    click.echo(str(stored.path))
    if stored.about.url and not stored.checked:
        click.echo(f"No hash of it is published; its SHA-256 is {stored.sha256}.", err=True)


@command.command("add")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--way",
    metavar="WAY",
    help="How samples are prepared for it (default: pytorch for PyTorch files, else the "
    "benchmark's).",
)
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS, case_sensitive=False),
    default=None,
    help="Its channel order (default: from its input's shape, else nchw).",
)
@click.option("--licence", default="", help="Its licence, for the records of its runs: AGPL-3.0.")
@click.option("--link", is_flag=True, help="Use the files where they are instead of copying them.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def add(
    name: str,
    file: Path,
    way: str | None,
    layout: str | None,
    licence: str,
    link: bool,
    as_json: bool,
) -> None:
    """Register your own model as NAME: BENCHMARK/VARIANT. Inputs and outputs are checked.

    FILE is an ONNX model, one of PyTorch (.pt2, .pt, .pth), an OpenVINO IR (.xml), a language
    model in GGUF, or a directory of OpenVINO GenAI or CTranslate2.

    All its files are copied, including its weights, or with --link used where they are; a
    model whose files are changed later is refused.

    \b
    Example:
      mlrepo model add resnet50/mine model.onnx
    """
    benchmark, slash, variant = name.partition("/")
    if not slash:
        raise click.UsageError(f"NAME is BENCHMARK/VARIANT, such as resnet50/mine, not {name!r}.")
    store = _store()
    stored = store.add(
        benchmark, variant, file, link=link, way=way or "", layout=layout or "", licence=licence
    )
    if as_json:
        print_json("mlrepo.model.add/1", _values(store, stored.about))
        return
    about = stored.about
    click.echo(f"{about.name}  {stored.path}")
    way = f", samples prepared in the way {about.preprocessing}" if about.preprocessing else ""
    layout = f", {about.layout}" if about.layout else ""
    click.echo(f"weights {about.weight_data_types}{layout}{way}")


command.add_command(quantize)


def _here(values: Mapping[str, object]) -> str:
    if not values["path"]:
        return "lost" if values["missing"] else "no"
    return "link" if values["linked"] else "yes"


def _store() -> ModelStore:
    from mlrepo.workloads.model_store import ModelStore

    return ModelStore(user_directory())


def _values(store: ModelStore, model: ReferenceModel) -> dict[str, Any]:
    from dataclasses import asdict

    entry = store.entry(model)
    missing = entry.missing() if entry else ""
    stored = None if missing else entry
    return {
        "name": model.name,
        **asdict(stored.about if stored else model),
        "starting_weights_filename": model.starting_weights_filename,
        "path": str(stored.path) if stored else "",
        "size": stored.size if stored else None,
        "sha256": stored.sha256 if stored else "",
        "files": [file.listed() for file in stored.listed()] if stored else [],
        "linked": stored.linked if stored else False,
        "missing": missing,
        "checked": stored.checked if stored else False,
    }
