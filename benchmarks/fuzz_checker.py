"""Break a valid submission in thousands of ways and see that the checker never ends in a traceback.

Each tree is the valid submission of a round with one to three files broken (tests/corruptions.py).
After each check the broken files are restored. A failure is printed with the seed to repeat it.

Usage: ``python -m benchmarks.fuzz_checker [--trees 20000] [--seed 0]`` (`make fuzz`)
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from mlrepo.checker.check import check
from mlrepo.cli.submission.rendering import FORMATS, renderer
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED
from tests.corruptions import CORRUPTIONS
from tests.endpoints_submissions import write_endpoints
from tests.submissions import write_submission

_ENDPOINTS = "v6.1 endpoints"
_ROUNDS = ("v0.7", "v1.0", "v1.1", "v2.1", "v4.1", "v5.1", "v6.1", _ENDPOINTS)


def main() -> int:
    """Run the trees; exit 1 if one ended in a traceback."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trees", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start, failures, rejected = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        files = {name: _written(Path(scratch) / name, name) for name in _ROUNDS}
        for number in range(options.trees):
            seed = f"{options.seed}.{number}"
            try:
                rejected += _broken(Path(scratch), files, random.Random(seed))
            except Exception:
                failures += 1
                print(f"tree {seed}:\n{traceback.format_exc()}")
    took = time.monotonic() - start
    print(f"{options.trees} trees, {failures} tracebacks, {rejected} rejected, {took:.0f} s")
    return 1 if failures else 0


def _written(root: Path, name: str) -> dict[Path, bytes]:
    if name == _ENDPOINTS:
        write_endpoints(root, "closed", "datacenter", "gpt-oss-120b")
    else:
        write_submission(root, name)
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _broken(scratch: Path, files: dict[str, dict[Path, bytes]], rng: random.Random) -> bool:
    """Break files, check, render, restore; return whether strict rejects the tree."""
    name = rng.choice(_ROUNDS)
    chosen = rng.sample(sorted(files[name]), rng.randint(1, 3))
    before = {path.parent: {entry.name for entry in path.parent.iterdir()} for path in chosen}
    try:
        for path in chosen:
            CORRUPTIONS[rng.choice(sorted(CORRUPTIONS))](path, rng)
        report = check(DirectoryTree(scratch / name), SHIPPED[name.split(" ")[0]])
        for profile in ("strict", "official"):
            renderer(rng.choice(FORMATS))(report, profile).encode("utf-8")
        return not report.valid("strict")
    finally:
        for directory, names in before.items():
            for entry in list(directory.iterdir()):
                if entry.name not in names:
                    entry.unlink()
        for path in chosen:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            path.write_bytes(files[name][path])


if __name__ == "__main__":
    sys.exit(main())
