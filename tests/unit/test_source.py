"""What CONTRIBUTING asks of the source as a whole."""

import ast
from collections import defaultdict
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_each_class_name_means_one_thing() -> None:
    """A class of the tool or of the hooks shares its name with no other."""
    classes: dict[str, list[str]] = defaultdict(list)
    for room in ("mlrepo", "hooks"):
        for path in sorted((_ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    classes[node.name].append(f"{path.relative_to(_ROOT)}:{node.lineno}")
    assert len(classes) > 300
    assert {name: places for name, places in classes.items() if len(places) > 1} == {}
