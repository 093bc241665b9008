"""A wall clock that jumps by the seconds in the file that MLREPO_TEST_CLOCK names.

Python imports this module at startup. Without the variable it does nothing.
"""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

_FILE = os.environ.get("MLREPO_TEST_CLOCK")

if _FILE:
    _real_time = time.time

    def _offset() -> float:
        return float(Path(_FILE).read_text() or 0)  # type: ignore[arg-type]

    class _Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> _Jumping:
            return cls.fromtimestamp(_real_time() + _offset(), tz)

    time.time = lambda: _real_time() + _offset()
    datetime.datetime = _Jumping  # type: ignore[misc]
