"""The installed LoadGen: its release, and the seeds embedded in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlrepo.distributions import LOADGEN, installed_version
from mlrepo.errors import UserError
from mlrepo.record import ACCURACY
from mlrepo.scenarios import Scenario

# How many samples an accuracy run judges.
COUNT_TO_JUDGE = "accuracy_sample_count_override"
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")


def installed_release() -> str:
    """Return the version of the installed package; '' for a build that is not a package."""
    return installed_version(LOADGEN) or ""


def read_settings(
    model: str, scenario: Scenario, mode: str, *files: Path, min_duration_ms: int | None = None
) -> Any:
    """Return LoadGen's ``TestSettings`` from its embedded mlperf.conf and then each user.conf.

    ``min_duration_ms`` replaces the duration in the embedded file.

    By default, only the first ``FromConfig`` of a process honours the embedded file, so it is named
    explicitly (0), before the others (2). Scenario and mode are set last: a configuration file may
    set the mode.

    Raises
    ------
    UserError
        LoadGen cannot read a file.
    """
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    for file, kind in (("", 0), *((str(path), 2) for path in files)):
        code = settings.FromConfig(file, scenario.loadgen_model(model), scenario.loadgen, kind)
        if code != 0 and not file:
            raise UserError(
                f"LoadGen {installed_release()} has no mlperf.conf in it (code {code}).",
                hint="Releases before 5.0.7 have none: install a later one.",
            )
        if code != 0:
            raise UserError(f"LoadGen cannot read {Path(file).name} (code {code}).")
        if not file and min_duration_ms is not None:
            settings.min_duration_ms = min_duration_ms
    settings.scenario = getattr(lg.TestScenario, scenario.loadgen)
    accuracy, performance = lg.TestMode.AccuracyOnly, lg.TestMode.PerformanceOnly
    settings.mode = accuracy if mode == ACCURACY else performance
    return settings


def samples_to_judge(settings: Any) -> int | None:
    """Return how many samples an accuracy run judges: 0 for all, None if LoadGen knows only all.

    Releases before 6.0 know only all.
    """
    return getattr(settings, COUNT_TO_JUDGE, None)


def embedded_seeds() -> dict[str, int]:
    """Return the seeds in the mlperf.conf that is embedded in the installed LoadGen."""
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    settings.FromConfig("", "*", "*", 0)
    return {name: int(getattr(settings, name)) for name in SEEDS}
