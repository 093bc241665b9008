"""Check before a run that LoadGen's list of queries fits into memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlrepo.harness.loadgen import read_settings
from mlrepo.harness.query_list import planned, planned_least, refuse_too_long
from mlrepo.harness.spec import AUDIT_FILE, USER_CONF_FILE, RunSpec
from mlrepo.logs.user_conf import UserConf
from mlrepo.record import ACCURACY
from mlrepo.scenarios import SCENARIOS
from mlrepo.workloads import Workload


def refuse_long_list(spec: RunSpec, workload: Workload, conf: UserConf, audit: str) -> None:
    """Raise :class:`~mlrepo.harness.query_list.QueryListError` if the list exceeds memory.

    A rate that the warm-up estimates is unknown here; the run itself makes it fit.
    """
    if spec.mode == ACCURACY:  # each sample of the data set once
        return
    scenario = SCENARIOS[spec.scenario]
    with tempfile.TemporaryDirectory(prefix="mlrepo-settings-") as name:
        files = [Path(name) / USER_CONF_FILE]
        files[0].write_text(conf.text, encoding="utf-8")
        if audit:
            files.append(Path(name) / AUDIT_FILE)
            files[1].write_text(audit, encoding="utf-8")
        settings = read_settings(workload.loadgen_model, scenario, spec.mode, *files)
    model = scenario.loadgen_model(workload.loadgen_model)
    given = not spec.estimate or conf.effective(model, scenario.loadgen, scenario.setting)
    planner = planned if given else planned_least
    loaded = workload.performance_samples
    found = planner(settings, scenario, loaded)
    refuse_too_long(found, settings, scenario, loaded)
