"""Constants of a record that its readers share, and its small parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from mlrepo.record.codec import Facts
from mlrepo.record.forms import Components, Sha256, Use
from mlrepo.record.texts import format_number

VALID = "VALID"
INVALID = "INVALID"
FAILED = "FAILED"
INTERRUPTED = "INTERRUPTED"
# The verdict on a result that is known from a published summary only: its logs are not here, so
# that nobody has judged them here.
PUBLISHED = "PUBLISHED"

PERFORMANCE = "performance"
ACCURACY = "accuracy"
MODES = (PERFORMANCE, ACCURACY)
# A compliance test is a run of its own mode; the record's ``test`` names the test.
COMPLIANCE = "compliance"
# The tag of a short run of the peak search: recorded, but never a result.
PROBE_TAG = "probe"
# The preparation of samples that are sorted by length and padded to the longest of a batch.
BY_LENGTH = "by-length"
# The tag of a run with a setting that no result may have: recorded, but never a result.
EXPERIMENT_TAG = "no-result"
# The tag of a point of a sweep: it is compared with the others, and never a result.
SWEEP_TAG = "sweep"
NO_RESULT_TAGS = frozenset({PROBE_TAG, EXPERIMENT_TAG, SWEEP_TAG})
# The tag of a run imported from published results: for comparison, never submitted.
IMPORTED_TAG = "imported"
# The tag of an imported result that is known from a summary only.
SUMMARY_TAG = "from-summary"


@dataclass(frozen=True)
class Metric(Facts):
    """A number with its unit as the round prints it; ``value`` may be None for a failed run."""

    value: float | None
    unit: str

    def __str__(self) -> str:
        return "-" if self.value is None else f"{format_number(self.value)} {self.unit}"


def metric_words(metrics: Mapping[str, Metric]) -> str:
    """Return metrics for people, no name twice: ``exact_match 83.67, latency 5 ms``."""
    return ", ".join(
        f"{name} {metric}".removesuffix(f" {name}").rstrip() for name, metric in metrics.items()
    )


@dataclass(frozen=True)
class StoredLog(Facts):
    """One log of a run: as committed and, if that is truncated, the full log.

    Sizes are in bytes; ``full_sha256`` names the file in the raw store.
    """

    sha256: Sha256
    size: int
    full_sha256: Annotated[Sha256, Use.PATH] = ""
    full_size: int = 0


@dataclass(frozen=True)
class Placement(Facts):
    """Whether and where the run is in the round's layout, and if not, why."""

    lenient: ClassVar[bool] = False

    placed: bool
    path: Components = ""
    reason: str = ""
    forced: bool = False
