"""``mlrepo dataset``: the data sets that benchmarks need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.command import Group
from mlrepo.cli.context import user_directory
from mlrepo.cli.progress import StepLine
from mlrepo.cli.render import print_json, print_table

if TYPE_CHECKING:
    from mlrepo.workloads.registered import RegisteredDataset

_LABELS = "labels"


@click.group("dataset", cls=Group)
def command() -> None:
    """Register and prepare the data sets that benchmarks need.

    Each benchmark brings its own: `mlrepo dataset list` shows those of the installed ones.

    \b
    Example:
      mlrepo dataset add imagenet2012 --path /data/imagenet/val
      mlrepo dataset prepare imagenet2012
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the data sets as JSON.")
def list_(as_json: bool) -> None:
    """List the data sets, how many samples are on this machine, and how they are prepared.

    \b
    Example:
      mlrepo dataset list
    """
    from mlrepo.workloads.registered import registered_datasets

    home = user_directory()
    found = [(dataset, dataset.status(home)) for dataset in registered_datasets().values()]
    if as_json:
        values = [
            {
                "name": dataset.name,
                "about": dataset.about,
                "samples": here.samples if here else 0,
                "of": dataset.full_set,
                "prepared": here.prepared if here else (),
                "path": str(here.path) if here else "",
                "files": [part.name for part in dataset.parts],
                "ways": dataset.ways,
            }
            for dataset, here in found
        ]
        print_json("mlrepo.dataset.list/1", {"datasets": values})
        return
    print_table(
        ("DATA SET", "SAMPLES", "OF", "PREPARED", "WHERE"),
        [
            (
                dataset.name,
                str(here.samples if here else 0),
                "" if dataset.full_set is None else str(dataset.full_set),
                ", ".join(here.prepared if here else ()) or "no",
                str(here.path) if here else "not registered",
            )
            for dataset, here in found
        ],
        right=(1, 2),
    )


@command.command("add")
@click.argument("name")
@click.option(
    "--path",
    required=True,
    type=click.Path(path_type=Path),
    help="Where its files are. ImageNet's validation images: flat, in one folder per synset, or "
    "in Kaggle's layout.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="PART=PATH",
    help="A file of the data set that is elsewhere or has another name; may be given several "
    "times. `mlrepo dataset list --json` names the parts.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="The same as --file labels=PATH. Of ImageNet: lines NAME CLASS, or Kaggle's "
    "LOC_val_solution.csv (default: val_map.txt in or beside the directory, Kaggle's file, or "
    "the folders).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def add(name: str, path: Path, files: tuple[str, ...], labels: Path | None, as_json: bool) -> None:
    """Find the files of a data set; nothing is copied.

    \b
    Example:
      mlrepo dataset add imagenet2012 --path /data/imagenet/val --labels val_map.txt
    """
    from mlrepo.workloads.registered import registered_dataset

    dataset = registered_dataset(name)
    given = _parts(dataset, (*files, *([f"{_LABELS}={labels}"] if labels else ())))
    here = dataset.add(user_directory(), path, given)
    if as_json:
        missing = max(0, (dataset.full_set or 0) - here.samples)
        values = {"samples": here.samples, "of": dataset.full_set, "missing": missing}
        print_json(
            "mlrepo.dataset.add/1",
            {"name": name, **values, "path": str(here.path), "warning": here.warning},
        )
        return
    click.echo(f"{name}: {_count(dataset, here.samples)} below {here.path}")
    if here.warning:
        click.echo(here.warning, err=True)


@command.command("prepare")
@click.argument("name")
@click.option(
    "--way",
    metavar="WAY",
    help="How samples are prepared, if there are several ways (default: the first). ImageNet: vgg "
    "for ResNet-50 in ONNX, mobilenet, pytorch for torchvision's models, efficientnet-lite.",
)
@click.option(
    "--size",
    type=click.IntRange(min=1),
    help="The size of prepared samples, if it can be chosen. ImageNet: height and width of the "
    "images, 87.5 % of the resized short side (default: 224).",
)
@click.option("--threads", type=click.IntRange(1, 256), help="Threads (default: all usable CPUs).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def prepare(
    name: str, way: str | None, size: int | None, threads: int | None, as_json: bool
) -> None:
    """Turn a registered data set into what models take; an interrupted run continues.

    \b
    Example:
      mlrepo dataset prepare imagenet2012 --way vgg
    """
    from mlrepo.backends import available_threads
    from mlrepo.workloads.registered import registered_dataset

    dataset = registered_dataset(name)
    way = _chosen_way(dataset, way)
    size = _chosen_size(dataset, size)
    line = StepLine(f"preparing {name}", unit=dataset.unit)
    try:
        done = dataset.prepare(
            user_directory(), way, size, threads or available_threads(), line.update
        )
    finally:
        line.close()
    if as_json:
        values = {"name": name, "way": done.way, "size": done.size, "path": str(done.path)}
        print_json("mlrepo.dataset.prepare/1", values)
        return
    click.echo(" ".join(filter(None, (name, "is prepared", done.words))) + f": {done.file}")


@command.command("verify")
@click.argument("name")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads (default: all usable CPUs).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(name: str, threads: int | None, as_json: bool) -> None:
    """Compare every sample, and what was prepared from it, again. Exit code 1: they differ.

    \b
    Example:
      mlrepo dataset verify imagenet2012
    """
    from mlrepo.backends import available_threads
    from mlrepo.workloads.registered import registered_dataset

    dataset = registered_dataset(name)
    home = user_directory()
    line = StepLine(f"verifying {name}", unit=dataset.unit)
    try:
        fingerprint = dataset.verify(home, threads or available_threads(), line.update)
    finally:
        line.close()
    here = dataset.status(home)
    count = here.samples if here else 0
    if as_json:
        values = {"samples": count, "of": dataset.full_set, "fingerprint": fingerprint}
        print_json("mlrepo.dataset.verify/1", {"name": name, **values})
        return
    click.echo(f"{name}: {_count(dataset, count)} are unchanged, fingerprint {fingerprint}")


def _count(dataset: RegisteredDataset, samples: int) -> str:
    of = "" if dataset.full_set is None else f"of {dataset.full_set} "
    return f"{samples} {of}{dataset.unit}"


def _parts(dataset: RegisteredDataset, given: Sequence[str]) -> dict[str, Path]:
    """Return the files given as PART=PATH; raise a usage error if there is no such part."""
    known = [part.name for part in dataset.parts]
    parts: dict[str, Path] = {}
    for text in given:
        part, equals, path = text.partition("=")
        if not equals or not path:
            raise click.UsageError(f"--file {text}: PART=PATH is needed.")
        if part not in known:
            names = f"One of: {', '.join(known)}." if known else "All its files are below --path."
            raise click.UsageError(f"{dataset.name} has no file {part!r}. {names}")
        parts[part] = Path(path)
    return parts


def _chosen_way(dataset: RegisteredDataset, asked: str | None) -> str:
    if asked is None:
        return dataset.ways[0] if dataset.ways else ""
    if not dataset.ways:
        raise click.UsageError(
            f"--way does not apply to {dataset.name}: it is prepared in one way. Leave it out."
        )
    if asked not in dataset.ways:
        raise click.UsageError(f"--way {asked}: one of {', '.join(dataset.ways)} is needed.")
    return asked


def _chosen_size(dataset: RegisteredDataset, asked: int | None) -> int:
    if asked is None:
        return dataset.size
    sizes = dataset.sizes
    if not sizes:
        raise click.UsageError(
            f"--size does not apply to {dataset.name}: it is prepared in one size. Leave it out."
        )
    if asked not in sizes:
        raise click.UsageError(
            f"--size {asked}: a number from {sizes[0]} to {sizes[-1]} is needed"
            + (f", in steps of {sizes.step}." if sizes.step != 1 else ".")
        )
    return asked
