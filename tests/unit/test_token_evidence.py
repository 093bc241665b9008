"""TEST06: the tokens of logged answers, judged as MLPerf's script does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mlrepo.compliance import compliance_test
from mlrepo.compliance.evidence import VERIFY_ACCURACY, AuditedRun
from mlrepo.errors import InvalidResult
from mlrepo.logs.detail import DetailLog
from mlrepo.rounds import SHIPPED

_END = 7


def _entry(tokens: Sequence[int], first: Sequence[int], count: int | None = None) -> object:
    """Return an entry as LoadGen logs it."""
    data, token = (np.array(ids, "<i4").tobytes().hex().upper() for ids in (tokens, first))
    number = len(tokens) if count is None else count
    return {"seq_id": 0, "qsl_idx": 0, "data": data, "token_data": token, "token_count": number}


def _run(directory: Path, scenario: str, *entries: object, end: int | None = _END) -> AuditedRun:
    (directory / "mlperf_log_accuracy.json").write_text(json.dumps(entries))
    detail = DetailLog({}, ())
    return AuditedRun(directory, scenario, SHIPPED["v6.1"], detail, None, None, None, end)


@pytest.mark.parametrize(
    ("scenario", "entry", "failed"),
    [
        ("Server", _entry([3, 4, _END], [3]), ""),
        ("Server", _entry([3, 4, 5], [3]), ""),
        ("Server", _entry([_END, _END], [_END]), ""),
        ("Server", _entry([3, 4, _END], [4]), "First token check pass"),
        ("Offline", _entry([3, 4, _END], []), ""),
        ("Offline", _entry([3, _END, _END], []), "EOS check pass"),
        ("Server", _entry([3, 4], [3], count=3), "Sample length check pass"),
    ],
)
def test_each_check_fails_for_its_reason(
    tmp_path: Path, scenario: str, entry: object, failed: str
) -> None:
    """The text is that of the script; Offline has no first token."""
    test = compliance_test("TEST06")
    found = test.verify(_run(tmp_path, scenario, _entry([1, 2], [1]), entry))
    text = found.files[VERIFY_ACCURACY].decode()
    assert [reason.split(": ")[1] for reason in found.reasons] == ([failed] if failed else [])
    assert test.passes(text, alone=False) is (not failed)
    lines = text.splitlines()
    first = "Skipped" if scenario == "Offline" else str(failed != "First token check pass")
    assert lines[0] == f"First token check pass: {first}"
    assert lines[-1] == f"TEST06 verification {'failed' if failed else 'complete'}"


def test_no_answer_is_no_pass(tmp_path: Path) -> None:
    """The script would accept an empty log."""
    assert compliance_test("TEST06").verify(_run(tmp_path, "Server")).reasons


@pytest.mark.parametrize(
    ("entry", "end", "said"),
    [
        (_entry([1], [1]), None, "ends an answer"),
        ({"data": "0102", "token_data": "", "token_count": 1}, _END, "not token ids"),
        ({"data": "01020304"}, _END, "not token ids"),
        (3, _END, "not a LoadGen accuracy log"),
    ],
)
def test_what_cannot_be_judged_is_said(
    tmp_path: Path, entry: object, end: int | None, said: str
) -> None:
    """An unknown end token, bytes that are no ids, an entry without tokens, another log."""
    with pytest.raises(InvalidResult, match=said):
        compliance_test("TEST06").verify(_run(tmp_path, "Server", entry, end=end))
