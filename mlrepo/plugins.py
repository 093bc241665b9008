"""Finding workloads and backends through entry points, so that a third party adds one by package.

A plugin's module is imported only when it is used: a backend's framework may take seconds to load.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from mlrepo.errors import UserError

BACKENDS = "mlrepo.backends"
WORKLOADS = "mlrepo.workloads"
_KINDS = {BACKENDS: "backend", WORKLOADS: "benchmark"}


def plugin_names(group: str) -> list[str]:
    """Return the names registered in an entry point group, sorted."""
    return sorted({entry.name for entry in metadata.entry_points(group=group)})


def load_plugin(group: str, name: str) -> Any:
    """Return the object registered as ``name``.

    Raises
    ------
    UserError
        The name is not registered, or its package cannot be imported here.
    """
    kind = _KINDS[group]
    found = {entry.name: entry for entry in metadata.entry_points(group=group)}
    if name not in found:
        raise UserError(
            f"There is no {kind} {name!r}.", hint=f"Use one of: {', '.join(sorted(found))}."
        )
    try:
        return found[name].load()
    except (ImportError, AttributeError) as error:
        package = found[name].dist
        raise UserError(
            f"The {kind} {name!r} cannot be used here: {error}.",
            hint=f"Install what it needs, for example `pip install 'mlrepo[{name}]'`."
            if package is None or package.name == "mlrepo"
            else f"It comes with {package.name} {package.version}; install what that needs.",
        ) from error
