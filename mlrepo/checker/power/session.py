"""Judge the session records of both ends of a power measurement.

``client.json`` and ``server.json`` each list the SHA-1 of the files that their end wrote or
fetched. Since v3.1 the official checkers run the Power WG's tool, which compares the files with
these lists, and the two records with each other. 5,306 published results of v1.1 to v3.0 agree
with their records, so strict requires it in every round. The tool's checks of the daemon's
messages, log and sources are not repeated here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mlrepo.checker.breach import Breach, Breaches, Judging
from mlrepo.checker.scope import Scope
from mlrepo.tree import Missing

_PLACE = "performance"
_LARGEST = 256 << 20
# Required fields of a record; session_name, uuid and results are compared.
_FIELDS = (
    "version",
    "timezone",
    "modules",
    "sources",
    "messages",
    "uuid",
    "session_name",
    "results",
    "phases",
)
_FILES = (
    "power/client.log",
    "power/ptd_logs.txt",
    "power/server.log",
    *(
        f"{run}/{name}"
        for run in ("ranging", "run_1")
        for name in ("mlperf_log_detail.txt", "mlperf_log_summary.txt", "spl.txt")
    ),
)


def judge_session(scope: Scope) -> Breaches:
    """Yield files that are not those of the session."""
    client = yield from _record(scope, "client")
    server = yield from _record(scope, "server")
    if client is None or server is None:
        return
    path = _path(scope, "power/server.json")
    for name in ("session_name", "uuid"):
        if client[name] != server[name]:
            yield Breach(
                "power-session",
                path,
                f"The {name} is not that of client.json.",
                expected=client[name],
                actual=server[name],
            )
    if server.get("debug", False) is not False:
        yield Breach("power-session", path, "The server ran in debug mode.")
    yield from _judge_sums(scope, client["results"], server["results"])


def _record(scope: Scope, end: str) -> Judging[Mapping[str, Any] | None]:
    """Return the record of one end; None, and a breach, if it is not a record."""
    path = _path(scope, f"power/{end}.json")
    try:
        record = json.loads(scope.tree.read(path, _LARGEST).decode("utf-8"))
    except Missing:
        return None  # reported by another rule
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        yield Breach("power-session", path, "It is not a record of a session: not a JSON object.")
        return None
    lacking = [name for name in _FIELDS if name not in record]
    if lacking or not isinstance(record["results"], dict):
        yield Breach(
            "power-session",
            path,
            "It is not a record of a session.",
            expected=", ".join(_FIELDS),
            actual=f"without {', '.join(lacking)}",
        )
        return None
    return record


def _judge_sums(
    scope: Scope, client: Mapping[str, object], server: Mapping[str, object]
) -> Breaches:
    for name in _FILES:
        path = _path(scope, name)
        said = [sums[name] for sums in (client, server) if name in sums]
        if not said:
            yield Breach("power-session", path, "Neither record of the session has its checksum.")
            continue
        if len(set(map(str, said))) > 1:
            yield Breach(
                "power-session",
                path,
                "The records of the session differ about it.",
                expected=said[0],
                actual=said[1],
            )
        try:
            data = scope.tree.read(path, _LARGEST)
        except Missing:
            continue  # reported by another rule
        found = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        if found != said[-1]:
            yield Breach(
                "power-session",
                path,
                "It is not the file of the session: its SHA-1 differs.",
                expected=said[-1],
                actual=found,
            )


def _path(scope: Scope, name: str) -> str:
    return f"{scope.path}/{_PLACE}/{name}"
