"""The installed LoadGen: its release, and the seeds that it carries."""

from __future__ import annotations

from importlib import metadata

PACKAGE = "mlcommons-loadgen"
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")


def installed_release() -> str:
    """Return the version of the installed package."""
    return metadata.version(PACKAGE)


def embedded_seeds() -> dict[str, int]:
    """Return the seeds in the mlperf.conf that is embedded in the installed LoadGen."""
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    settings.FromConfig("", "resnet50", "Offline", 0)
    return {name: int(getattr(settings, name)) for name in SEEDS}
