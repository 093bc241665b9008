"""Measure the Offline speed of MLCommons' Python reference harness on a ResNet-50.

The harness is ``vision/classification_and_detection/python/main.py`` of a checkout of
``mlcommons/inference``, which is a parameter: nothing of it is contained in or copied to this
repository.  It runs unchanged, as a subprocess, in an interpreter of its own, which needs::

    pip install mlcommons-loadgen onnxruntime numpy opencv-python-headless pycocotools

(pycocotools is imported whatever the data set is; tested with mlcommons-loadgen 6.0.17,
onnxruntime 1.32.0, numpy 2.4.6, opencv-python-headless 5.0.0.93 and pycocotools 2.0.11 under
Python 3.11.)

What the harness does with ``--profile resnet50-onnxruntime --scenario Offline`` (read at commit
b66003e1 of August 2026, LoadGen 6.0.17):

* it asks the model for the output ``ArgMax:0`` (int64, one per image), so the model has to be
  written with ``argmax=True`` (see ``mlrepo.workloads.resnet50``); the model's only input is fed
  NCHW float32;
* LoadGen issues one query.  The thread it calls cuts it into batches of ``--max-batchsize``
  (default 32), stacks the preprocessed images, which are in memory, to an array, and puts that in
  a queue of 4 batches per worker;
* ``--threads`` (default: the number of logical CPUs) worker threads take batches from the queue
  and run them concurrently on one shared onnxruntime session;
* the session has default options: as many intra-op threads as the machine has physical cores, in
  one pool shared by the workers.  No option of the harness changes that;
* the images are preprocessed to ``.npy`` files before the test; the time of that, of loading
  them and of the 5 runs for warming up is not part of the result;
* an exception in a worker is only logged, and LoadGen still gets an (empty) answer.  Such a run
  is much too fast; here it is an error.

LoadGen's settings for ``resnet50`` (600 s, at least 24576 samples) are overridden by a user.conf
that this module writes, so the result is a measurement and not a valid MLPerf result.

Usage: ``python -m benchmarks.reference_harness --inference CHECKOUT --python VENV/bin/python
--model MODEL.onnx --work DIR [--samples N] [--duration S] [--batch N] [--threads N]``
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Run by the harness's interpreter, which has OpenCV: writes images of random texture.
_WRITE_IMAGES = """
import pathlib, sys
import cv2
import numpy as np

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
for i in range(count):
    height, width = (int(n) for n in rng.integers(300, 500, 2))
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    image += rng.integers(-16, 17, image.shape, dtype=np.int16)
    name = folder / f"ILSVRC2012_val_{i + 1:08d}.JPEG"
    ok, data = cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8))
    assert ok
    name.write_bytes(data.tobytes())
"""

_MAIN = Path("vision", "classification_and_detection", "python", "main.py")
_IMAGE_NAME = "ILSVRC2012_val_{:08d}.JPEG"
_RESULT = re.compile(r"^Samples per second:\s*([0-9.eE+-]+)\s*$", re.MULTILINE)
_WORKER_ERROR = re.compile(r"^.*thread: failed on contentid=.*$", re.MULTILINE)
_LOADGEN_SLACK = 1.1  # LoadGen issues 10 % more samples than duration times target_qps
_TIMEOUT_S = 1800.0


class ReferenceHarnessError(RuntimeError):
    """The reference harness failed, or its result is not to be used."""


def write_images(python: Path, folder: Path, count: int) -> Path:
    """Make ``folder`` an ImageNet-shaped folder of ``count`` random JPEGs with a val_map.txt.

    ``python`` is an interpreter that has OpenCV and numpy.  A complete folder is left alone.
    """
    labels = "".join(f"{_IMAGE_NAME.format(i + 1)} {i * 37 % 1000}\n" for i in range(count))
    val_map = folder / "val_map.txt"
    if not (val_map.is_file() and val_map.read_text(encoding="utf-8") == labels):
        folder.mkdir(parents=True, exist_ok=True)
        command = [str(python), "-c", _WRITE_IMAGES, str(folder), str(count)]
        subprocess.run(command, check=True, timeout=_TIMEOUT_S)
        val_map.write_text(labels, encoding="utf-8")
    return folder


def _run_once(command: Sequence[str], out: Path, queries: int, duration_s: float) -> float:
    """Run the harness on about ``queries`` samples and return its samples/s."""
    out.mkdir(parents=True, exist_ok=True)
    summary = out / "mlperf_log_summary.txt"
    summary.unlink(missing_ok=True)
    user_conf = out / "user.conf"
    user_conf.write_text(
        f"*.Offline.target_qps = {queries / (_LOADGEN_SLACK * duration_s):.6f}\n"
        f"*.Offline.min_duration = {round(duration_s * 1000)}\n"
        f"*.Offline.min_query_count = {queries}\n",
        encoding="utf-8",
    )
    result = subprocess.run(
        [*command, "--user_conf", str(user_conf), "--output", str(out)],
        cwd=out,
        env={**os.environ, "USE_GPU": "no", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_TIMEOUT_S,
        check=False,
    )
    (out / "harness_output.txt").write_text(result.stdout, encoding="utf-8")
    failure = _WORKER_ERROR.search(result.stdout)
    if failure:
        raise ReferenceHarnessError(f"a worker of the reference harness failed: {failure[0]}")
    if result.returncode != 0 or not summary.is_file():
        raise ReferenceHarnessError(
            f"the reference harness ended with {result.returncode}:\n{result.stdout[-2000:]}"
        )
    text = summary.read_text(encoding="utf-8")
    match = _RESULT.search(text)
    if not match or "No errors encountered during test." not in text:
        raise ReferenceHarnessError(f"no usable result in {summary}:\n{text}")
    return float(match[1])


def run_reference(
    inference: Path,
    python: Path,
    model: Path,
    work: Path,
    *,
    samples: int,
    duration_s: float,
    batch: int | None,
    threads: int | None,
    expected_qps: float | None = None,
) -> float:
    """Return the Offline samples/s of the reference harness on ``model``.

    ``inference`` is a checkout of mlcommons/inference, ``python`` the interpreter to run the
    harness with, ``model`` an ONNX file with the output ``ArgMax:0``.  ``work`` receives
    ``samples`` images, their preprocessed form and the logs; a second call with the same folder
    uses the images again.  ``batch`` and ``threads`` are the harness's ``--max-batchsize`` and
    ``--threads``; None leaves its default.  The test takes about ``duration_s`` seconds.  To know
    how many samples that is, the harness first runs for 2 batches per worker and not less than
    64 samples, unless ``expected_qps`` says it.
    """
    main_py = inference.resolve() / _MAIN
    if not main_py.is_file():
        raise FileNotFoundError(main_py)
    work = work.resolve()
    # absolute(), not resolve(): the interpreter of a virtual environment is a link
    python = python.absolute()
    images = write_images(python, work / f"images-{samples}", samples)
    command = [str(python), str(main_py), "--profile", "resnet50-onnxruntime"]
    command += ["--scenario", "Offline", "--model", str(model.resolve())]
    command += ["--dataset-path", str(images), "--cache_dir", str(work / f"cache-{samples}")]
    if batch is not None:
        command += ["--max-batchsize", str(batch)]
    if threads is not None:
        command += ["--threads", str(threads)]
    whole = (batch or 32) * (threads or os.cpu_count() or 1)
    if expected_qps is None:
        expected_qps = _run_once(command, work / "pilot", max(64, 2 * whole), 1.0)
    # whole rounds of full batches: a part of one at the end would leave workers idle
    rounds = math.ceil(_LOADGEN_SLACK * expected_qps * duration_s / whole)
    return _run_once(command, work / "run", rounds * whole, duration_s)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line: print the samples/s."""
    parser = argparse.ArgumentParser(
        description="Measure the Offline samples/s of MLCommons' reference harness on a ResNet-50."
    )
    parser.add_argument("--inference", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--model", type=Path, required=True, help="ONNX, with output ArgMax:0")
    parser.add_argument("--work", type=Path, required=True, help="folder for images and logs")
    parser.add_argument("--samples", type=int, default=64, help="images (default: 64)")
    parser.add_argument("--duration", type=float, default=15.0, help="seconds (default: 15)")
    parser.add_argument("--batch", type=int, help="--max-batchsize of the harness")
    parser.add_argument("--threads", type=int, help="--threads of the harness")
    parser.add_argument("--expected-qps", type=float, help="leave out the run that finds it")
    args = parser.parse_args(argv)
    speed = run_reference(
        args.inference,
        args.python,
        args.model,
        args.work,
        samples=args.samples,
        duration_s=args.duration,
        batch=args.batch,
        threads=args.threads,
        expected_qps=args.expected_qps,
    )
    print(f"{speed:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
