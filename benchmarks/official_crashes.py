"""Break one file of a small submission at a time: does the official checker crash as we predict?

Each tree is the valid submission of a round (tests/submissions.py) with one file, field, log line,
name or directory changed. The round's official checker judges it in a separate process. A
traceback that the profile ``official`` does not predict (MISSED), one that it predicts wrongly
(FALSE) and a different verdict on the whole tree (VERDICT) are printed by kind, with the changes
that cause them.

The checker is the round's script inside a clone of mlcommons/inference:
``tools/submission/submission_checker.py`` (``submission-checker.py`` up to v4.0), and
``tools/submission/submission_checker/main.py`` since v6.0. It needs numpy, and since v6.0 also
pandas.

Usage: ``python -m benchmarks.official_crashes v5.1 CHECKER [--every 20] [--only REGEX]``

About 6,000 trees a round, 0.2 to 0.8 s each: ``--every`` takes a sample.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mlrepo.checker.check import check
from mlrepo.findings import CRASH
from mlrepo.repository.trees import DirectoryTree
from mlrepo.rounds import SHIPPED, Round
from tests.submissions import write_submission

Change = Callable[[Path], None]
Bytes = Iterator[tuple[str, bytes]]
_SHOWN = 4  # changes of each kind of difference
# Files whose cases other scenarios or files already cover; --skip '' breaks them too.
_REPEATED = (
    r"(MultiStream|SingleStream)/.*|TEST0[45].*/(mlperf_log_detail.txt [a-z_]*[=:]"
    r"|mlperf_log_summary)|mlperf_log_(accuracy|summary)|calibration|code/.*README"
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    5,
    1.5,
    "",
    [],
    ["a"],
    {},
    {"a": 1},
    "N/A",
    "0",
    0,
    "x",
    "true",
    -1,
    "1e9",
)
# Fields of a system description that the submissions of the tests leave out.
_MORE_FIELDS = (
    "is_network",
    "system_power_only",
    "sw_notes",
    "hw_notes",
    "framework",
    "operating_system",
    "network_type",
    "other_software_stack",
    "not_known",
)
_DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "spaces": lambda data: b"  \n",
    "half": lambda data: data[: len(data) // 2],
    "utf-16": lambda data: data.decode("utf-8", "replace").encode("utf-16"),
    "bom": lambda data: b"\xef\xbb\xbf" + data,
    "latin-1 first": lambda data: b"\xe9\n" + data,
    "latin-1 last": lambda data: data + b"\xff\xfe\xe9",
    "latin-1 late": lambda data: data + b"x" * 20_000 + b"\n\xff\xfe\n",
    "nul": lambda data: data + b"\0\0",
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "cr": lambda data: data.replace(b"\n", b"\r"),
    "pointer": lambda data: (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 123456\n"
    ),
    "first line": lambda data: b"hello\n" + data,
    "last line": lambda data: data + b"a line without equals\n",
    "two equals": lambda data: data + b"a = b = c\n",
    "only equals": lambda data: b"a\n= = =\nx=1=2\n*.*.a=\n",
    "fail": lambda data: data.replace(b"PASS", b"FAIL"),
}
_DOCUMENTS = ("null", "[]", "5", '"x"', "{}", "[1]", "true", '["a", "b"]', '[{"a": 1}]')
_TAILS = ("NaN", "1" * 5_000, "[" * 3_000 + "]" * 3_000, '"\\ud800"')
_ACCURACIES = ("1.2.3", ".", "nan", "np.float64(99)", "764", "", "1e5", "99.9.", "٩٩")
_FINE = '"metadata": {"is_error": false}'
_EVENTS = (
    "5",
    "null",
    "[]",
    '"x"',
    "{}",
    '{"key": "a"}',
    '{"key": "a", "value": 1}',
    '{"key": "a", "value": 1, "metadata": {}}',
    '{"key": "a", "value": 1, "metadata": null}',
    '{"key": "a", "value": 1, "metadata": [1]}',
    '{"key": "a", "value": 1, "metadata": {"is_error": true}}',
    '{"key": "a", "value": 1, "metadata": {"is_error": "x"}}',
    '{"key": "a", "metadata": {"is_error": false}}',
    '{"key": "a", "metadata": {"is_error": true}}',
    '{"value": 1, "metadata": {"is_error": false}}',
    *(f'{{"key": {key}, "value": 1, {_FINE}}}' for key in ("null", "5", '["a"]', "{}")),
    *(f'{{"key": "num_errors", "value": {count}, {_FINE}}}' for count in ("3", "null", "[]")),
    '{"key": "error_invalid_config", "value": null, "metadata": {"is_error": true}}',
    '{"key": "a", "value": 1, "metadata": {"is_error": false}} x',
    '{"key": "a", "value": 1',
    f'{{"key": "a", "value": {"1" * 5_000}, {_FINE}}}',
)
_LOGGED = (
    "null",
    '"x"',
    "0",
    "-1",
    "[]",
    "{}",
    "true",
    "NaN",
    "1e400",
    '"5"',
    '""',
    '"Server"',
    '"MultiStream"',
    '"Offline"',
    '"Interactive"',
)
_EVENT = re.compile(rb':::MLLOG \{"key": "(\w+)", "value": (.*), "time_ms"')
_NAMES = (
    "zzz",
    ".dot",
    "a b",
    "x\\y",
    "__pycache__",
    "resnet",
    "mobilenet",
    "bert-99",
    "Server",
    "Offline",
    "MultiStream",
    "Interactive",
)


class Outcome(NamedTuple):
    """What an official checker did: how it crashed, or ''; and whether everything was valid."""

    death: str
    valid: bool


def main() -> int:
    """Compare all trees; return 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("round")
    parser.add_argument("checker", type=Path, help="the main script of the official checker")
    parser.add_argument("--only", default="", help="only changes that this expression finds")
    parser.add_argument("--skip", default=_REPEATED, help="no change that this expression matches")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each Nth change")
    options = parser.parse_args()
    round_, run = SHIPPED[options.round], _official(options.checker.resolve())
    found: dict[str, list[str]] = collections.defaultdict(list)
    count = deaths = 0
    with tempfile.TemporaryDirectory() as scratch:
        base, tree = Path(scratch) / "base", Path(scratch) / "tree"
        write_submission(base, options.round)
        chosen = re.compile(options.only)
        skipped = re.compile(options.skip or r"\Z(?!)")
        for number, (name, change) in enumerate(_changes(base)):
            if number % options.every or not chosen.search(name) or skipped.search(name):
                continue
            shutil.copytree(base, tree, symlinks=True, copy_function=os.link)
            with contextlib.suppress(OSError):  # such as the new name of a directory that is there
                change(tree)
                theirs = run(tree, options.round, Path(scratch))
                if difference := _difference(tree, round_, theirs):
                    found[difference].append(name)
                count, deaths = count + 1, deaths + bool(theirs.death)
            shutil.rmtree(tree)
    for difference, names in sorted(found.items()):
        print(f"{difference} [{len(names)}]", *names[:_SHOWN], sep="\n    ")
    print(
        f"{options.round}: {count} trees, the official checker died of {deaths}, "
        f"{sum(map(len, found.values()))} differ"
    )
    return 1 if found else 0


def _difference(tree: Path, round_: Round, theirs: Outcome) -> str:
    """Return how our prediction differs from what the official checker did; '' if it does not."""
    report = check(DirectoryTree(tree), round_)
    foreseen = next((f for f in report.all_findings() if f.rule == CRASH), None)
    if theirs.death:
        return "" if foreseen else f"MISSED {theirs.death}"
    if foreseen:
        return f"FALSE {Path(foreseen.path).name}: {foreseen.message}"
    if theirs.valid != report.valid("official"):
        return f"VERDICT official {theirs.valid}, ours {report.valid('official')}"
    return ""


def _official(script: Path) -> Callable[[Path, str, Path], Outcome]:
    """Return a function that runs an official checker on a tree, in a fork that has it loaded."""
    modular = script.name == "main.py"
    sys.path.insert(0, str(script.parent.parent if modular else script.parent))
    if modular:
        module = importlib.import_module("submission_checker.main")
    else:
        spec = importlib.util.spec_from_file_location("official", script)
        if spec is None or spec.loader is None:
            raise SystemExit(f"{script} is no Python script.")
        module = importlib.util.module_from_spec(spec)
        sys.modules["official"] = module
        spec.loader.exec_module(module)

    def run(tree: Path, round_name: str, scratch: Path) -> Outcome:
        reader, writer = os.pipe()
        if child := os.fork():
            os.close(writer)
            with os.fdopen(reader, "rb") as stream:
                said = stream.read().decode("utf-8", "replace")
            os.waitpid(child, 0)
            return Outcome("" if said in ("valid", "invalid") else said, said == "valid")
        try:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            os.chdir(tree)
            sys.argv = [
                "checker",
                "--input",
                ".",
                "--version",
                round_name,
                "--csv",
                str(scratch / "summary.csv"),
            ]
            os.write(writer, _ending(module.main, script).encode("utf-8", "replace"))
        finally:
            os._exit(0)

    return run


def _ending(judge: Callable[[], object], script: Path) -> str:
    """Return ``valid``, ``invalid``, or the last line of the checker's own in a traceback."""
    try:
        code = judge()
    except SystemExit as exit_:
        code = exit_.code
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if str(script.parent) in frame.filename]
        place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
        return f"{type(error).__name__}: {str(error)[:90]} at {place}"
    return "invalid" if code else "valid"


def _changes(root: Path) -> Iterator[tuple[str, Change]]:
    """Yield each change of a tree with its name; files are hard links, so they are replaced."""
    yield "nothing", lambda tree: None
    for path in sorted(root.rglob("*")):
        at = path.relative_to(root)
        if path.is_dir():
            yield from _of_directory(at)
            continue
        for name, data in _contents(path):
            yield f"{at} {name}", partial(_write, at, data)
        yield f"{at} missing", partial(_remove, at)
        yield f"{at} upper", partial(_rename, at, at.name.upper())
        yield f"{at} directory", partial(_directory, at)
        for target in ("nowhere", "."):
            yield f"{at} link to {target}", partial(_link, at, target)


def _of_directory(at: Path) -> Iterator[tuple[str, Change]]:
    yield f"{at}/ missing", partial(_remove, at)
    yield f"{at}/ link", partial(_link, at, "nowhere")
    for data in (b"x\n", b"\xff\xe9\n"):
        yield f"{at}/ file {data!r}", partial(_write, at, data)
    for name in sorted({*_NAMES, at.name.lower(), at.name.upper()} - {at.name}):
        yield f"{at}/ called {name}", partial(_rename, at, name)
        yield f"{at}/ with file {name}", partial(_write, at / name, b"x")
        yield f"{at}/ with directory {name}", partial(_directory, at / name)


def _rename(at: Path, name: str, tree: Path) -> None:
    (tree / at).rename((tree / at).with_name(name))


def _remove(at: Path, tree: Path) -> None:
    path = tree / at
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(at: Path, data: bytes, tree: Path) -> None:
    _remove(at, tree)
    (tree / at).write_bytes(data)


def _link(at: Path, target: str, tree: Path) -> None:
    _remove(at, tree)
    (tree / at).symlink_to(target)


def _directory(at: Path, tree: Path) -> None:
    _remove(at, tree)
    (tree / at).mkdir()
    (tree / at / "file").write_text("x")


def _contents(path: Path) -> Bytes:
    """Yield different contents for a file, depending on its kind."""
    data = path.read_bytes()
    for name, damage in _DAMAGES.items():
        yield name, damage(data)
    if path.name == "mlperf_log_detail.txt":
        yield from _logs(data)
    elif path.name == "accuracy.txt":
        for value in _ACCURACIES:
            text = re.sub(rb"accuracy=[\d.]+", b"accuracy=" + value.encode(), data)
            yield f"accuracy={value}", text
        yield "no hash", re.sub(rb"hash=.*\n", b"", data)
        yield "two hashes", data + b"hash=" + b"a" * 64 + b"\n"
        yield "later accuracy", data + b"accuracy=1.2.3%\n"
    elif path.suffix == ".json" and path.name != "mlperf_log_accuracy.json":
        yield from _documents(path, data)


def _documents(path: Path, data: bytes) -> Bytes:
    for text in _DOCUMENTS:
        yield text, text.encode()
    try:
        values = json.loads(data)
    except ValueError:
        return
    if not isinstance(values, dict):
        return
    for tail in _TAILS:
        yield f"with {tail[:10]}", data.rstrip()[:-1] + f', "zz": {tail}}}'.encode()
    more = _MORE_FIELDS if path.parent.name == "systems" else ()
    for key in dict.fromkeys((*values, *more)):
        yield f"no {key}", json.dumps({k: v for k, v in values.items() if k != key}).encode()
        for value in _VALUES:
            yield f"{key}={value!r}", json.dumps({**values, key: value}).encode()


def _logs(data: bytes) -> Bytes:
    lines = data.splitlines(keepends=True)
    for event in _EVENTS:
        line = f":::MLLOG {event}\n".encode()
        for name, at in (("first", 0), ("last", len(lines) - 1)):
            yield f"{name} event {event[:70]}", b"".join([*lines[:at], line, *lines[at:]])
    for at, line in enumerate(lines):
        match = _EVENT.match(line)
        if not match:
            continue
        key = match[1].decode()
        yield f"no {key}", b"".join(lines[:at] + lines[at + 1 :])
        for value in _LOGGED:
            other = line[: match.start(2)] + value.encode() + line[match.end(2) :]
            yield f"{key}={value}", b"".join([*lines[:at], other, *lines[at + 1 :]])


if __name__ == "__main__":
    sys.exit(main())
