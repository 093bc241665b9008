"""What `mlrepo submit` sends to a large official repository for one result, and its cost.

    python -m benchmarks.submit [--files 49103] [--repeat 3]

The official repository is generated, served by a real Git server over smart HTTP, and forked. The
peer is what submitters do today: clone (shallow), check out, copy the directory, `git add`, commit,
push. The two alternate, each from scratch. Printed are the objects that reached the fork, the blobs
among them outside the submitter's directory, the blobs of others fetched by mlrepo, and wall and
CPU seconds of both (without the server's).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.e2e.driver import MLREPO, environment
from tests.e2e.forge_world import (
    BRANCH,
    FORK,
    OFFICIAL,
    ROUND,
    World,
    make_world,
    objects,
    open_world,
    put_selection,
)
from tests.github_double import allow
from tests.samples import git
from tests.submissions import SUBMITTER

_PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}


def main() -> None:
    """Make both repositories in a temporary directory, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=49_103)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    os.environ |= _PERSON
    with tempfile.TemporaryDirectory(prefix="mlrepo-submit-") as name:
        base = Path(name)
        make_world(base)
        _select_one_result(base / "results", base / "tree")
        world = open_world(base)
        _fill(world.official, asked.files)
        kept = base / "kept.git"
        subprocess.run(["git", "clone", "--quiet", "--bare", world.official, kept], check=True)
        allow(kept)
        world.github.add(FORK, parent=OFFICIAL)
        ours, theirs = [], []
        with world.server:
            for _ in range(asked.repeat):
                _begin(world, kept)
                ours.append(_submit(world))
                sent = _sent(world, kept) | {"fetched": _foreign_in_copy(world)}
                _begin(world, kept)
                theirs.append(_by_hand(world, base / "by-hand"))
                by_hand = _sent(world, kept)
                shutil.rmtree(base / "by-hand")
        print(f"official repository: {asked.files} files")
        for label, found in (("mlrepo submit", sent), ("by hand", by_hand)):
            print(
                f"{label}: {found['objects']} objects pushed, {found['wanted']} of them new, "
                f"{found['foreign']} blobs outside of */{SUBMITTER}"
            )
        print(f"blobs of others in mlrepo's copy: {sent['fetched']}")
        for number, what in enumerate(("wall", "cpu")):
            mine = statistics.median(pair[number] for pair in ours)
            his = statistics.median(pair[number] for pair in theirs)
            print(f"{what}: mlrepo {mine:.2f} s, by hand {his:.2f} s, ratio {mine / his:.2f}")


def _select_one_result(root: Path, tree: Path) -> None:
    """Select one result of the open division, which requires no others."""
    (tree / "closed").rename(tree / "open")
    home = tree / "open" / SUBMITTER
    system = home / "systems" / "alpha.json"
    system.write_text(system.read_text().replace('"closed"', '"open"'))
    benchmark = home / "results" / "alpha" / "resnet50"
    for directory in (*benchmark.iterdir(), *benchmark.glob("Offline/TEST*")):
        if directory.name != "Offline":
            shutil.rmtree(directory, ignore_errors=True)
    put_selection(root, tree)


def _fill(official: Path, files: int) -> None:
    """Put generated results of many submitters on the official branch, in one commit."""
    tip = git(official, "rev-parse", "main").strip()
    stream = b"".join(_history(tip, files))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=official, input=stream, check=True)


def _history(tip: str, files: int) -> Iterator[bytes]:
    yield (
        f"commit refs/heads/main\ncommitter Ada <ada@example.org> 1767225600 +0000\n"
        f"data 5\nMany\n\nfrom {tip}\n"
    ).encode()
    for number in range(files):
        system, file = divmod(number, 27)
        name = f"closed/Org{system // 60}/results/s{system % 60}/b{file // 9}/Offline/f{file % 9}"
        data = f"{number}: a line of a log of somebody else\n".encode() * 20
        yield f"M 100644 inline {name}.txt\ndata {len(data)}\n".encode() + data + b"\n"


def _begin(world: World, kept: Path) -> None:
    """Reset the fork to its initial state, and remove mlrepo's copy."""
    shutil.rmtree(world.fork, ignore_errors=True)
    shutil.copytree(kept, world.fork)
    shutil.rmtree(world.root / ".git" / "mlrepo" / "official", ignore_errors=True)
    world.github.pulls.clear()


def _submit(world: World) -> tuple[float, float]:
    command = [*MLREPO, "submit", "--yes", "--round", ROUND]
    return _measured(command, world.root, environment(**world.settings))


def _by_hand(world: World, work: Path) -> tuple[float, float]:
    origin = f"{world.server.url}/{OFFICIAL}.git"
    token = world.settings["GH_TOKEN"]
    target = world.server.url.replace("://", f"://ada:{token}@") + f"/{FORK}.git"
    script = (
        f"git clone --quiet --depth 1 {origin} {work} && cd {work} && "
        f"mkdir -p open && cp -r {world.root.parent}/tree/open/{SUBMITTER} open/ && git add . && "
        f"git commit --quiet -m Results && git push --quiet {target} HEAD:refs/heads/{BRANCH}"
    )
    return _measured(["sh", "-ec", script], work.parent, os.environ)


def _measured(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> tuple[float, float]:
    """Return wall and CPU seconds of a command and its child processes."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=environ, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return wall, used.ru_utime + used.ru_stime


def _sent(world: World, kept: Path) -> dict[str, int]:
    """Return counts of what reached the fork."""
    came = objects(world.fork) - objects(kept)
    new = git(world.fork, "rev-list", "--objects", BRANCH, "^main").splitlines()
    paths = {line.partition(" ")[0]: line.partition(" ")[2] for line in new}
    kinds = git(
        world.fork, "cat-file", "--batch-check=%(objectname) %(objecttype)", stdin="\n".join(came)
    )
    blobs = {line.split()[0] for line in kinds.splitlines() if line.endswith(" blob")}
    inside = {oid for oid, path in paths.items() if path.startswith(f"open/{SUBMITTER}/")}
    return {
        "objects": len(came),
        "wanted": len(came & paths.keys()),
        "foreign": len(blobs - inside),
    }


def _foreign_in_copy(world: World) -> int:
    [copy] = (world.root / ".git" / "mlrepo" / "official").glob("*.git")
    ids = "\n".join(objects(copy) - objects(world.root))
    return git(copy, "cat-file", "--batch-check=%(objecttype)", stdin=ids).split().count("blob")


if __name__ == "__main__":
    main()
