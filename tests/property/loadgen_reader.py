"""A process in which the real LoadGen reads configurations, for the tests beside this file.

Each line of standard input is JSON ``[text, model, scenario]``; each line of standard output is
LoadGen's return code and the values of its settings before and after. As in the benchmark
process, the embedded mlperf.conf is named explicitly (0), then comes the user.conf (2).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import mlperf_loadgen as lg


def main() -> None:
    """Answer the requests."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "user.conf"
        for line in sys.stdin:
            text, model, scenario = json.loads(line)
            path.write_bytes(text.encode())
            settings = lg.TestSettings()
            settings.FromConfig("", model, scenario, 0)
            before = _values(settings)
            code = settings.FromConfig(str(path), model, scenario, 2)
            print(json.dumps([code, before, _values(settings)]), flush=True)


def _values(settings: Any) -> dict[str, Any]:
    return {
        name: value
        for name in dir(settings)
        if not name.startswith("_")
        and isinstance(value := getattr(settings, name), bool | int | float)
    }


if __name__ == "__main__":
    main()
