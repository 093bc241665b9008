"""``mlrepo dataset``: the data sets that benchmarks need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlrepo.cli.context import user_directory
from mlrepo.cli.progress import StepLine
from mlrepo.cli.render import print_json, print_table
from mlrepo.errors import UserError
from mlrepo.workloads.ways import WAY_NAMES

if TYPE_CHECKING:
    from mlrepo.workloads.imagenet.prepared import ImageNetStore


@click.group("dataset")
def command() -> None:
    """Register and prepare the data sets that benchmarks need.

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
    from mlrepo.workloads.imagenet.labels import FULL_SET

    store = _store("imagenet2012")
    images = store.images()
    ways = store.all_prepared()
    count = len(images.files) if images else 0
    if as_json:
        values = {
            "name": "imagenet2012",
            "samples": count,
            "of": FULL_SET,
            "prepared": ways,
            "path": str(images.directory) if images else "",
        }
        print_json("mlrepo.dataset.list/1", {"datasets": [values]})
        return
    where = str(images.directory) if images else "not registered"
    print_table(
        ("DATA SET", "SAMPLES", "OF", "PREPARED", "WHERE"),
        [("imagenet2012", str(count), str(FULL_SET), ", ".join(ways) or "no", where)],
        right=(1, 2),
    )


@command.command("add")
@click.argument("name")
@click.option(
    "--path",
    required=True,
    type=click.Path(path_type=Path),
    help="Where the validation images are: flat, in one folder per synset, or in Kaggle's layout.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Lines NAME CLASS, or Kaggle's LOC_val_solution.csv (default: val_map.txt in or beside "
    "the directory, Kaggle's file, or the folders).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def add(name: str, path: Path, labels: Path | None, as_json: bool) -> None:
    """Find the images of a data set and their labels; nothing is copied.

    \b
    Example:
      mlrepo dataset add imagenet2012 --path /data/imagenet/val --labels val_map.txt
    """
    from mlrepo.workloads.imagenet.images import find_images
    from mlrepo.workloads.imagenet.labels import FULL_SET

    store = _store(name)
    images = find_images(path, labels)
    store.add(images)
    if as_json:
        values = {"samples": len(images.files), "of": FULL_SET, "missing": images.missing}
        print_json("mlrepo.dataset.add/1", {"name": name, **values})
        return
    click.echo(f"{name}: {len(images.files)} of {FULL_SET} images below {images.directory}")
    if images.missing:
        names = images.missing_names()
        click.echo(
            f"A partial set: {images.missing} images are missing{f' ({names})' if names else ''}. "
            "Runs on it are for trying things out; a submission needs all.",
            err=True,
        )


@command.command("prepare")
@click.argument("name")
@click.option(
    "--way",
    type=click.Choice(WAY_NAMES),
    default="vgg",
    show_default=True,
    help="vgg for ResNet-50 in ONNX, mobilenet, pytorch for torchvision's models, "
    "efficientnet-lite.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 2048),
    default=224,
    show_default=True,
    help="Height and width of the images, 87.5 % of the resized short side.",
)
@click.option("--threads", type=click.IntRange(1, 256), help="Threads (default: all usable CPUs).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def prepare(name: str, way: str, size: int, threads: int | None, as_json: bool) -> None:
    """Decode, resize and crop every image once into one file; an interrupted run continues.

    \b
    Example:
      mlrepo dataset prepare imagenet2012 --way vgg
    """
    from mlrepo.backends import available_threads
    from mlrepo.workloads.imagenet.preprocess import prepared_name

    store = _store(name)
    line = StepLine(f"preparing {name}", unit="images")
    try:
        done = store.prepare(prepared_name(way, size), threads or available_threads(), line.update)
    finally:
        line.close()
    if as_json:
        values = {"name": name, "way": way, "size": size, "path": str(done)}
        print_json("mlrepo.dataset.prepare/1", values)
        return
    click.echo(f"{name} is prepared for {way}, {size} by {size}: {done.with_suffix('.u8')}")


@command.command("verify")
@click.argument("name")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads (default: all usable CPUs).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(name: str, threads: int | None, as_json: bool) -> None:
    """Compare every image, and what was prepared from it, again. Exit code 1: they differ.

    \b
    Example:
      mlrepo dataset verify imagenet2012
    """
    from mlrepo.backends import available_threads
    from mlrepo.workloads.imagenet.labels import FULL_SET

    store = _store(name)
    line = StepLine(f"verifying {name}", unit="images")
    try:
        fingerprint = store.verify(threads or available_threads(), line.update)
    finally:
        line.close()
    count = len(store.require_images().files)
    if as_json:
        values = {"samples": count, "of": FULL_SET, "fingerprint": fingerprint}
        print_json("mlrepo.dataset.verify/1", {"name": name, **values})
        return
    click.echo(f"{name}: {count} of {FULL_SET} images are unchanged, fingerprint {fingerprint}")


def _store(name: str) -> ImageNetStore:
    from mlrepo.workloads.imagenet.prepared import NAME, ImageNetStore

    if name != NAME:
        raise UserError(f"There is no data set {name!r}.", hint=f"Use: {NAME}.")
    return ImageNetStore(user_directory())
