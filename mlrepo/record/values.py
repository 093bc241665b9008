"""Words of a record that its readers share, and the small parts of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from mlrepo.record.codec import Facts
from mlrepo.record.forms import Components, Sha256, Use
from mlrepo.record.texts import format_number

VALID = "VALID"
INVALID = "INVALID"
FAILED = "FAILED"
INTERRUPTED = "INTERRUPTED"

PERFORMANCE = "performance"
ACCURACY = "accuracy"
MODES = (PERFORMANCE, ACCURACY)
# A compliance test is a run of its own mode; which test, the record's ``test`` says.
COMPLIANCE = "compliance"
# The tag of a short run of the peak search: recorded, but never a result.
PROBE_TAG = "probe"
# The tag of a run with a setting that no result has: recorded, but never a result.
EXPERIMENT_TAG = "no-result"
NO_RESULT_TAGS = frozenset({PROBE_TAG, EXPERIMENT_TAG})
# The tag of a run that was read from published results: it is compared with, never submitted.
IMPORTED_TAG = "imported"


@dataclass(frozen=True)
class Metric(Facts):
    """A number with its unit as the round prints it; ``value`` may be None for a failed run."""

    value: float | None
    unit: str

    def __str__(self) -> str:
        return "-" if self.value is None else f"{format_number(self.value)} {self.unit}"


@dataclass(frozen=True)
class StoredLog(Facts):
    """One log of a run: the bytes in the commit and, when it was truncated, those of the full log.

    Sizes are bytes; ``full_sha256`` names the file in the raw store.
    """

    sha256: Sha256
    size: int
    full_sha256: Annotated[Sha256, Use.PATH] = ""
    full_size: int = 0


@dataclass(frozen=True)
class Placement(Facts):
    """Whether the run is in the round's layout, where, and if not why not."""

    lenient: ClassVar[bool] = False

    placed: bool
    path: Components = ""
    reason: str = ""
    forced: bool = False
