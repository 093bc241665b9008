"""The installed LoadGen: its release, and the seeds that it carries."""

from __future__ import annotations

from mlrepo.distributions import LOADGEN, installed_version

SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")


def installed_release() -> str:
    """Return the version of the installed package; '' for a build that is no package."""
    return installed_version(LOADGEN) or ""


def embedded_seeds() -> dict[str, int]:
    """Return the seeds in the mlperf.conf that is embedded in the installed LoadGen."""
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    settings.FromConfig("", "resnet50", "Offline", 0)
    return {name: int(getattr(settings, name)) for name in SEEDS}
