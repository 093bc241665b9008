"""The record of one LoadGen run: ``run.json``, schema ``mlrepo.run/2``.

``run.json`` is the truth about a run; commit trailers and everything printed are derived from it.
:mod:`~mlrepo.record.facts`, :mod:`~mlrepo.record.machine_facts` and
:mod:`~mlrepo.record.endpoint_facts` have its parts, :mod:`~mlrepo.record.forms` the form of their
values, :mod:`~mlrepo.record.codec` converts them to and from JSON.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mlrepo.record.texts import (
    UNDATED,
    AccuracyEntry,
    configuration_digest,
    format_number,
    is_run_id,
    new_run_id,
    run_stamp,
    timestamp,
    undated_run_id,
)
from mlrepo.record.values import (
    ACCURACY,
    BY_LENGTH,
    COMPLIANCE,
    EXPERIMENT_TAG,
    FAILED,
    IMPORTED_TAG,
    INTERRUPTED,
    INVALID,
    MODES,
    NO_RESULT_TAGS,
    PERFORMANCE,
    PROBE_TAG,
    PUBLISHED,
    SUMMARY_TAG,
    SWEEP_TAG,
    VALID,
    Metric,
    Placement,
    StoredLog,
    metric_words,
)

# Creating these classes takes 20 ms, and most commands only read trailers: see __getattr__.
if TYPE_CHECKING:
    from mlrepo.record.endpoint_facts import (
        EndpointFacts,
        ServerFacts,
        TrafficFacts,
    )
    from mlrepo.record.facts import (
        AccuracyFacts,
        AgreementFacts,
        BackendFacts,
        DatasetFacts,
        InputFacts,
        LoadgenFacts,
        LoadgenSettings,
        ModelFacts,
        ModelFileFacts,
        NamingFacts,
        RequestedSettings,
        SettingFacts,
        SourceFacts,
    )
    from mlrepo.record.machine_facts import (
        ContradictionFacts,
        DescriptionFacts,
        HostFacts,
        KnobFacts,
        LoadFacts,
        LoadReading,
        NoiseFacts,
        PlatformFacts,
        ScriptFacts,
    )
    from mlrepo.record.run import SCHEMA, RunRecord

__all__ = [
    "ACCURACY",
    "BY_LENGTH",
    "COMPLIANCE",
    "EXPERIMENT_TAG",
    "FAILED",
    "IMPORTED_TAG",
    "INTERRUPTED",
    "INVALID",
    "MODES",
    "NO_RESULT_TAGS",
    "PERFORMANCE",
    "PROBE_TAG",
    "PUBLISHED",
    "SCHEMA",
    "SUMMARY_TAG",
    "SWEEP_TAG",
    "UNDATED",
    "VALID",
    "AccuracyEntry",
    "AccuracyFacts",
    "AgreementFacts",
    "BackendFacts",
    "ContradictionFacts",
    "DatasetFacts",
    "DescriptionFacts",
    "EndpointFacts",
    "HostFacts",
    "InputFacts",
    "KnobFacts",
    "LoadFacts",
    "LoadReading",
    "LoadgenFacts",
    "LoadgenSettings",
    "Metric",
    "ModelFacts",
    "ModelFileFacts",
    "NamingFacts",
    "NoiseFacts",
    "Placement",
    "PlatformFacts",
    "RequestedSettings",
    "RunRecord",
    "ScriptFacts",
    "ServerFacts",
    "SettingFacts",
    "SourceFacts",
    "StoredLog",
    "TrafficFacts",
    "configuration_digest",
    "format_number",
    "is_run_id",
    "metric_words",
    "new_run_id",
    "run_stamp",
    "timestamp",
    "undated_run_id",
]


def __getattr__(name: str) -> object:
    """Import the record and its parts on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The record itself last: it imports the others.
    for module in ("facts", "machine_facts", "run"):
        room = import_module(f"{__name__}.{module}")
        if hasattr(room, name):
            break
    return getattr(room, name)
