"""``mlrepo model quantize``: make an int8 model from an fp32 one."""

from __future__ import annotations

import click

from mlrepo.cli.command import Command
from mlrepo.cli.context import user_directory
from mlrepo.cli.progress import StepLine
from mlrepo.cli.render import print_json
from mlrepo.errors import UserError

# The names of mlrepo.workloads.quantize.METHODS, which is not imported just to print help.
_METHODS = ("minmax", "entropy", "percentile")


@click.command("quantize", cls=Command)
@click.argument("name")
@click.option(
    "--calibration",
    metavar="LIST",
    help="A file of sample names; of ImageNet also mlperf-1 and mlperf-2 (MLPerf's lists of 500 "
    "images).",
)
@click.option(
    "--method",
    type=click.Choice(_METHODS),
    default="minmax",
    show_default=True,
    help="How the ranges of activations are found.",
)
@click.option("--count", type=int, help="Use only the first COUNT samples of the list.")
@click.option("--as", "variant", help="Name of the new variant (default: VARIANT-int8).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def quantize(
    name: str,
    calibration: str | None,
    method: str,
    count: int | None,
    variant: str | None,
    as_json: bool,
) -> None:
    """Quantize an ONNX model to int8 with calibration samples; --precision int8 then runs it.

    NAME is BENCHMARK/VARIANT, or a benchmark for its default. The samples of the list are taken
    from the registered data set, prepared as the model needs it. A benchmark on generated samples
    takes no list: its first samples are used. The draft of the calibration document that a closed
    submission needs is written beside the model.

    \b
    Example:
      mlrepo model quantize resnet50 --calibration mlperf-1
    """
    from mlrepo.bench.calibration import find_calibration
    from mlrepo.workloads.catalog import CALIBRATION_DOCUMENT
    from mlrepo.workloads.model_store import ModelStore
    from mlrepo.workloads.quantize import quantize as run

    if count is not None and count < 1:
        raise UserError(f"--count {count}: a positive number is needed.")
    home = user_directory()
    store = ModelStore(home)
    base = store.require(store.find(name))
    found = find_calibration(home, base, calibration, count)
    line = StepLine(f"calibrating {base.about.name}", unit="samples")

    def calibrated(done: int, total: int | None) -> None:
        line.update(done, total)
        if done == total:
            line.begin(f"quantizing {base.about.name}")
            line.update(0, None)

    try:
        stored = run(
            store, base, variant or f"{base.about.variant}-int8", method, found, calibrated
        )
    finally:
        line.close()
    document = stored.model_file().document(CALIBRATION_DOCUMENT)
    if as_json:
        values = {
            "name": stored.about.name,
            "path": str(stored.path),
            "sha256": stored.sha256,
            "weight_transformations": stored.about.weight_transformations,
            "document": str(document),
            "images": len(found.indices),
        }
        print_json("mlrepo.model.quantize/1", values)
        return
    click.echo(f"{stored.about.name}  {stored.path}")
    click.echo(f"Draft of calibration.md, which a closed submission needs: {document}", err=True)
