"""Prepare a recorded run to be repeated exactly as its record says."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlrepo.bench.compliance import plan_tests, repeat_test
from mlrepo.bench.evidence import ENVIRONMENT_FILE
from mlrepo.bench.inputs import find_dataset
from mlrepo.bench.recorded import as_recorded, recorded_model
from mlrepo.bench.request import BenchRequest, RecordedInputs
from mlrepo.bench.run import Bench
from mlrepo.differences import Difference, differing, machine_facts
from mlrepo.distributions import installed_packages
from mlrepo.errors import UserError
from mlrepo.harness.spec import USER_CONF_FILE
from mlrepo.logs.user_conf import parse_user_conf
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import PROBE_TAG, SWEEP_TAG, RunRecord
from mlrepo.record.run_request import Where
from mlrepo.redaction import recorded_environment
from mlrepo.repository.history import RecordedRun, read_file, read_text
from mlrepo.settings import Resolved, setting_named
from mlrepo.systems.detect import host_facts
from mlrepo.workloads import Model, Workload

REPLAY_TAG = "replay"
RECORDED = ("round", "division", "submitter", "category", "system", "platform")


@dataclass(frozen=True)
class Replay:
    """A run to be repeated.

    Attributes
    ----------
    bench, request:
        The session with the settings of the record, and the run.
    machine:
        How this machine differs from the recorded one; empty on the same machine.
    software:
        Packages and environment variables that differ from the record; they do not block it.
    """

    record: RunRecord
    bench: Bench
    request: BenchRequest
    machine: tuple[Difference, ...]
    software: tuple[Difference, ...]


def settings_of(where: Where, run: str) -> dict[str, Resolved]:
    """Return the settings under which a run was made, with its record as their origin.

    Each value is checked; a :class:`UserError` names one that the setting does not allow.
    """
    origin = f"runs/{run}/run.json"
    return {
        key: Resolved(setting_named(key).check(getattr(where, key), origin), origin)
        for key in RECORDED
    }


def plan_replay(bench: Bench, run: RecordedRun, record: RunRecord, model: Path | None) -> Replay:
    """Return the recorded run as a request, and what differs here.

    Model and data set are byte for byte those of the record; LoadGen's settings are those of its
    ``user.conf``, including estimates; a compliance test is verified against the same runs.
    Settings are those of ``bench``: see :func:`settings_of`. ``model`` is the user's file of the
    recorded model, if it is not in the user's store.

    Raises
    ------
    UserError
        The model or data set is not here, or the record's command prefix or backend options may not
        run here.
    """
    workload: Workload = load_plugin(WORKLOADS, record.benchmark)
    file = recorded_model(bench.home, record, model)
    recorded_data = record.dataset.fingerprint
    dataset = find_dataset(bench.home, workload, file)
    opened = workload.open(str(dataset or ""), file.layout, file.size)
    data = opened.describe().get("fingerprint")
    if recorded_data and data != recorded_data:
        raise UserError(
            f"The data set of {record.benchmark} is not that of the record: its fingerprint is "
            f"{data}, recorded is {recorded_data}.",
            hint="Prepare the same data (`mlrepo dataset prepare NAME`, `mlrepo dataset verify "
            "NAME`).",
        )
    request = _request(bench, run, record, file)
    here = {
        "python": platform.python_version(),
        "variables": _cleaned(bench, recorded_environment(bench.environ)),
        "packages": installed_packages(),
    }
    return Replay(
        record,
        bench,
        request,
        differing([[machine_facts(record.host)], [machine_facts(host_facts())]]),
        differing([[_environment(bench, run)], [_flat(here)]]),
    )


def _request(bench: Bench, run: RecordedRun, record: RunRecord, model: Model) -> BenchRequest:
    conf = read_text(bench.repository, run, USER_CONF_FILE)
    recorded = RecordedInputs(
        record.run,
        model,
        record.model.sha256,
        parse_user_conf(conf, f"runs/{run.run}/{USER_CONF_FILE}"),
    )
    request = replace(
        as_recorded(bench, run, record, model),
        # The tags of the record name other runs; that it is a probe is true of both.
        tags=(*(tag for tag in record.tags if tag in (PROBE_TAG, SWEEP_TAG)), REPLAY_TAG),
        replays=recorded,
    )
    if not record.test:
        return request
    plan = plan_tests(bench.repository.rounds[record.round], request, (record.test,))
    test = repeat_test(bench, plan, request, record.test, record.reference)
    return replace(request, test=test)


def _cleaned(bench: Bench, variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables redacted as in a record, so that masked values do not differ."""
    return {name: bench.redactor.text(value)[0] for name, value in variables.items()}


def _environment(bench: Bench, run: RecordedRun) -> dict[str, str]:
    """Return the recorded environment, flat; empty if it cannot be read."""
    try:
        return _flat(json.loads(read_file(bench.repository, run, ENVIRONMENT_FILE)))
    except (ValueError, AttributeError, RecursionError):
        return {}


def _flat(environment: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Python": str(environment.get("python", "")),
        **{f"${name}": str(v) for name, v in (environment.get("variables") or {}).items()},
        **{str(name): str(v) for name, v in (environment.get("packages") or {}).items()},
    }
