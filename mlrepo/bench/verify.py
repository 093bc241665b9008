"""The verdict on a compliance test: its run against the runs that it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

from mlrepo.bench.audit import expected_settings
from mlrepo.compliance import compliance_test
from mlrepo.compliance.evidence import AuditedRun, Verification
from mlrepo.harness.spec import AUDIT_FILE, SPEC_FILE
from mlrepo.logs.detail import DetailLog
from mlrepo.rounds import Round


def verify(
    directory: Path, test: str, scenario: str, benchmark: str, round_: Round, detail: DetailLog
) -> Verification:
    """Verify the test whose logs lie in ``directory``; raise InvalidResult for a damaged log."""
    about = json.loads((directory / SPEC_FILE).read_text(encoding="utf-8"))["record"]["compliance"]
    reasons = _disobeyed((directory / AUDIT_FILE).read_text(encoding="utf-8"), detail)
    run = AuditedRun(
        directory,
        scenario,
        detail,
        score=detail.number(round_.result_key(benchmark, scenario)),
        reference=None if about["score"] is None else float(about["score"]),
        target_latency=about["target_latency"],
    )
    verified = compliance_test(test).verify(run)
    return Verification((*reasons, *verified.reasons), verified.files)


def _disobeyed(audit: str, detail: DetailLog) -> list[str]:
    """Name the settings of the test that LoadGen did not take: then the run proves nothing."""
    found = []
    for key, wanted in expected_settings(audit).items():
        value = detail.values.get(f"effective_{key}")
        # LoadGen reports switches as true or false.
        if value is None or int(value) != wanted:
            found.append(f"LoadGen ran with {key} = {value}, but the test wants {wanted}.")
    return found
