"""A whole submission at full length, judged by mlrepo and by MLCommons' own checker.

    python -m benchmarks.rehearsal --work DIR --inference CHECKOUT [--images 50000] [--backend onnx]

Open division, edge, EfficientNet-Lite0 with its ImageNet weights, all scenarios of the round at the
round's durations, on a generated, ImageNet-shaped set of small labelled JPEGs: about an hour. Every
step is an mlrepo command that is shown before it runs, and first checks what is already done: the
same command line continues after an interruption. It needs the extras imagenet2012 and
efficientnet-lite0, and what the checkout's checker imports. Exit code 0: both accept it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

MODEL = "efficientnet-lite0"
_MLREPO = (sys.executable, "-m", "mlrepo.cli.main")
_CLASSES = 1000
# Facts that cannot be detected; a submitter writes them once.
_DESCRIPTION = {
    "status": "available",
    "host_storage_type": "SSD",
    "host_memory_configuration": "1 slot",
    "host_networking_topology": "N/A",
    "system_type_detail": "virtual machine",
    "cooling": "air",
    "hw_notes": "a rehearsal on generated images",
    "sw_notes": "none",
}


def main() -> int:
    """Make the images, run the suite, select, and let both checkers judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="keeps images, models and runs")
    parser.add_argument("--inference", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--backend", default="onnx")
    parser.add_argument("--round", default="v6.1")
    parser.add_argument("--quick", action="store_true", help="short runs: to try this script")
    options = parser.parse_args()
    work = options.work.resolve()
    os.environ["MLREPO_HOME"] = str(work / "home")
    images, root = work / "images", work / "results"
    write_images(images, options.images)
    quick = ("--quick",) if options.quick else ()
    mlrepo(work, "dataset", "add", "imagenet2012", "--path", str(images))
    mlrepo(work, "dataset", "prepare", "imagenet2012", "--way", "efficientnet-lite")
    mlrepo(work, "model", "fetch", MODEL)
    if not root.exists():
        mlrepo(
            work,
            "init",
            str(root),
            "--submitter",
            "Rehearsal",
            "--division",
            "open",
            "--category",
            "edge",
            "--round",
            options.round,
            "--system",
            "box",
        )
        describe(root)
    mlrepo(root, "bench", "suite", "--model", MODEL, "--backend", options.backend, *quick)
    mlrepo(root, "status")
    mlrepo(root, "select", *quick)
    checker = ("--official-checker", str(options.inference.resolve()))
    code = mlrepo(
        root, "submit", "--check", *checker, "--log", str(work / "official.log"), required=False
    )
    print((work / "official.log").read_text(errors="replace")[-400:])
    return code


def mlrepo(cwd: Path, *arguments: str, required: bool = True) -> int:
    """Show a command, run it in ``cwd``, and return its exit code."""
    print(f"$ {shlex.join(('mlrepo', *arguments))}", flush=True)
    begin = time.monotonic()
    done = subprocess.run([*_MLREPO, *arguments], cwd=cwd, check=required)
    print(f"  [{time.monotonic() - begin:.0f} s, exit code {done.returncode}]", flush=True)
    return done.returncode


def describe(root: Path) -> None:
    """Fill in the system's description, and commit it."""
    path = root / "systems" / "box" / "system.json"
    values = json.loads(path.read_text())
    values |= {key: text for key, text in _DESCRIPTION.items() if not values.get(key)}
    path.write_text(json.dumps(values, indent=2) + "\n")
    for command in (("add", "-A"), ("commit", "-q", "-m", "Describe the system")):
        subprocess.run(["git", *command], cwd=root, check=True)


def write_images(directory: Path, count: int) -> None:
    """Write JPEGs named as in ImageNet, and last the ``val_map.txt`` with their classes."""
    labels = directory / "val_map.txt"
    if labels.is_file():
        return
    directory.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    step = 500
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(
            _write_some,
            [(directory, first, min(first + step, count)) for first in range(0, count, step)],
        ):
            pass
    lines = [f"{_name(number)} {number * 37 % _CLASSES}\n" for number in range(count)]
    labels.write_text("".join(lines))
    print(f"{count} images written in {time.monotonic() - begin:.0f} s", flush=True)


def _name(number: int) -> str:
    return f"ILSVRC2012_val_{number + 1:08}.JPEG"


def _write_some(given: tuple[Path, int, int]) -> None:
    import cv2
    import numpy as np

    directory, first, end = given
    cv2.setNumThreads(1)
    for number in range(first, end):
        rng = np.random.default_rng(number)
        height, width = (int(side) for side in rng.integers(224, 400, 2))
        coarse = rng.integers(0, 256, (rng.integers(2, 20), rng.integers(2, 20), 3), np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(directory / _name(number)), image, [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    raise SystemExit(main())
