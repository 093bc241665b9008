"""Verify a compliance test: compare its run with the runs it belongs to."""

from __future__ import annotations

from pathlib import Path

from mlrepo.bench.audit import expected_settings
from mlrepo.bench.pending import ReferenceFacts
from mlrepo.compliance import compliance_test
from mlrepo.compliance.evidence import AuditedRun, Verification
from mlrepo.harness.spec import AUDIT_FILE, RunSpec
from mlrepo.logs.detail import DetailLog
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.rounds import Round
from mlrepo.workloads import Workload
from mlrepo.workloads.measured import measured_as


def verify(
    directory: Path, spec: RunSpec, round_: Round, detail: DetailLog, against: ReferenceFacts
) -> Verification:
    """Verify the test whose logs are in ``directory``; raise InvalidResult for a damaged log."""
    workload: Workload = load_plugin(WORKLOADS, spec.workload).of_model(spec.model_file)
    reasons = _disobeyed((directory / AUDIT_FILE).read_text(encoding="utf-8"), detail)
    run = AuditedRun(
        directory,
        spec.scenario,
        round_,
        detail,
        score=detail.number(
            round_.result_key(measured_as(round_, spec.workload, spec.scenario), spec.scenario)
        ),
        reference=against.score,
        target_latency=against.target_latency,
        end_token=getattr(workload.task, "end_token", None),
    )
    verified = compliance_test(spec.test).verify(run)
    return Verification((*reasons, *verified.reasons), verified.files)


def _disobeyed(audit: str, detail: DetailLog) -> list[str]:
    """Name the settings of the test that LoadGen ignored, so that the run proves nothing."""
    found = []
    for key, wanted in expected_settings(audit).items():
        value = detail.values.get(f"effective_{key}")
        # LoadGen reports switches as true or false.
        if value is None or int(value) != wanted:
            found.append(f"LoadGen ran with {key} = {value}, but the test wants {wanted}.")
    return found
