"""What CONTRIBUTING requires of the source as a whole."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FREE = ("dict", "Mapping", "MutableMapping")

# What vulture finds unused, by the reason why it stays.
_USED = {
    "click, by the decorator above": {
        *("path_", "detect_", "import_", "format_commands", "command_class"),
    },
    "click, which asks a parameter for it": {"value_is_missing", "_custom_shell_complete"},
    "backends' and models' plug-ins, by their entry points": {
        *("NullBackend", "OpenVinoBackend", "OpenVinoGenAiBackend", "CTranslate2Backend"),
        "WHISPER_BASE",
    },
    "the runtime that the attribute belongs to": {
        *("intra_op_num_threads", "inter_op_num_threads", "execution_mode", "log_severity_level"),
        *("graph_optimization_level", "allow_tf32", "outdir", "copy_summary_to_stdout"),
        *("log_output", "enable_trace", "mtime", "create_system", "compress_type", "file_size"),
        *("enable_prefix_caching", "max_new_tokens", "min_new_tokens"),
        *("bar_format", "ncols", "monitor_interval", "normalizer", "pre_tokenizer"),
        *("imgIds", "run_dir"),
    },
    "an entry point, which names it": {"LocalEngine", "ParslEngine"},
    "people, who read them where they are": {"licence", "max_rss"},
    "the texts that name a TypedDict's keys": {"throttle_events", "unseen_cpus"},
    "Python, for a name that a module does not have yet": {"__getattr__"},
    "the base class, which calls it by its name": {
        *(
            "__getattr__",
            "visit_call_",
            "forward",
            "find_class",
            "persistent_load",
            "readable",
            "readinto",
        ),
        *("set_range", "get_next"),
        *("_normalize_coerce_count", "_normalize_coerce_lower"),
        *("_check_with_filled", "_check_with_text", "_check_with_count"),
    },
}


@functools.cache
def _trees() -> Mapping[Path, ast.Module]:
    return {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for room in ("mlrepo", "hooks")
        for path in sorted((_ROOT / room).rglob("*.py"))
        if path.is_relative_to(_ROOT / room)
    }


def _places_of_any() -> Iterator[tuple[Path, bool]]:
    """Yield each use of ``Any`` outside of the backends, and whether a mapping's values are it."""
    for path, tree in _trees().items():
        if path.is_relative_to(_ROOT / "mlrepo" / "backends"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == "Any":
                yield path, False
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
                *_, last = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                if node.value.id in _FREE and isinstance(last, ast.Name) and last.id == "Any":
                    yield path, True


@pytest.mark.long
def test_each_class_name_means_one_thing() -> None:
    """A class of the tool or of the hooks shares its name with no other."""
    classes: dict[str, list[str]] = defaultdict(list)
    for path, tree in _trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(f"{path.relative_to(_ROOT)}:{node.lineno}")
    assert len(classes) > 300
    assert {name: places for name, places in classes.items() if len(places) > 1} == {}


@pytest.mark.long
def test_little_is_left_to_any() -> None:
    """Uses of the name ``Any`` per 1,000 lines (not its imports), and of mappings with such values.

    The mappings are counted in both.
    """
    found = list(_places_of_any())
    lines = sum(
        len(path.read_text(encoding="utf-8").splitlines())
        for path in _trees()
        if not path.is_relative_to(_ROOT / "mlrepo" / "backends")
    )
    mappings = sum(is_mapping for _, is_mapping in found)
    assert 1000 * (len(found) - mappings) / lines <= 8
    assert 1000 * mappings / lines <= 2.5


def test_the_formatter_is_hardly_ever_overruled() -> None:
    """In all of the source."""
    rooms = ("mlrepo", "hooks", "tests", "benchmarks", "docs")
    paths = [path for room in rooms for path in (_ROOT / room).rglob("*.py")]
    skip = "# fmt: " + "skip"
    assert sum(path.read_text(encoding="utf-8").count(skip) for path in paths) <= 40


@pytest.mark.long
def test_nothing_is_dead() -> None:
    """What vulture finds is used by name: by click, by a framework, as the key of a table."""
    vulture = pytest.importorskip("vulture")
    finder = vulture.Vulture(
        # Functions that a decorator registers are found by what they are registered for.
        ignore_decorators=["@operator*", "@*.command*", "@*.group*", "@*_operator*"],
        ignore_names=sorted(set().union(*_USED.values())),
    )
    rooms = ("mlrepo", "hooks", "templates", "benchmarks", "docs", "tests")
    finder.scavenge([str(_ROOT / room) for room in rooms])
    # TypedDict: the keys are read as texts.
    tables = (_ROOT / "mlrepo" / "rounds" / "tables.py", _ROOT / "mlrepo/rounds/system_schema.py")
    arguments = "variable"  # of operators, named as the standard of ONNX names them
    operators = _ROOT / "mlrepo" / "backends" / "torch_onnx"
    dead = [
        f"{Path(item.filename).relative_to(_ROOT)}:{item.first_lineno}: {item.typ} {item.name}"
        for item in finder.get_unused_code(min_confidence=60)
        if Path(item.filename).relative_to(_ROOT).parts[0] in ("mlrepo", "hooks")
        and Path(item.filename) not in tables
        and not (item.typ == arguments and Path(item.filename).is_relative_to(operators))
    ]
    assert dead == []


def test_the_map_for_contributors_shows_every_room_and_what_it_names_is_there() -> None:
    """CONTRIBUTING is what a newcomer reads first."""
    text = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"\w+", text.split("## The map")[1].split("\n## ")[0]))
    rooms = {
        path.stem
        for path in (_ROOT / "mlrepo").iterdir()
        if (path / "__init__.py").is_file() or (path.suffix == ".py" and path.stem != "__init__")
    }
    assert rooms - drawn == set()
    inside = {
        path.name
        for room in ("cli", "checker")
        for path in (_ROOT / "mlrepo" / room).iterdir()
        if (path / "__init__.py").is_file()
    }
    assert inside - drawn == set()
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*)`", text.split("## Recipes")[1])
    lost = [
        name
        for name in named
        if not any((root / name).exists() for root in (_ROOT, _ROOT / "mlrepo"))
        and not any(word in name for word in ("vX.Y", "testNN", "/NAME"))
    ]
    assert lost == []
    assert 120 <= len(text.splitlines()) <= 200
