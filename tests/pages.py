"""The modules that pages of the documentation show whole."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

_DOCS = Path(__file__).parents[1] / "docs"


def shown_source(page: str, name: str) -> str:
    """Return the text of the module ``name`` that a page shows under its file name."""
    text = (_DOCS / page).read_text(encoding="utf-8")
    (source,) = re.findall(rf"```python\n# {name}\.py\n(.*?)```", text, re.DOTALL)
    return str(source)


def shown_module(page: str, name: str) -> ModuleType:
    """Return that module, executed."""
    module = ModuleType(name)
    exec(compile(shown_source(page, name), f"{page}: {name}.py", "exec"), module.__dict__)
    return module
