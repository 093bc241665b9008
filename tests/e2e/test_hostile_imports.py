"""Imported records can be read again, whatever the published files contain."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.driver import mlrepo
from tests.submissions import write_submission


def _spoil(tree: Path, key: str, value: str) -> None:
    for path in tree.rglob("mlperf_log_detail.txt"):
        text, number = re.subn(
            rf'("key": "{key}", "value": )[^,]*', rf"\g<1>{value}", path.read_text()
        )
        extra = f':::MLLOG {{"key": "{key}", "value": {value}, "metadata": {{}}}}\n'
        path.write_text(text if number else extra + text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("effective_min_duration_ms", '"abc"'),
        ("effective_target_qps", '{"a": [1]}'),
        ("effective_samples_per_query", "1" + "0" * 400),
        ("requested_server_target_qps", "true"),
        ("test_datetime", '"0001-01-01T00:00:00+14:00"'),
        ("test_datetime", '"9999-12-31T23:59:59-14:00"'),
        ("loadgen_version", '"\\\\u001b[2J\\\\u202e"'),
    ],
)
def test_a_value_of_another_form_is_left_out(
    root: Path, tmp_path: Path, key: str, value: str
) -> None:
    """The runs are recorded without it, and every command reads them."""
    tree = tmp_path / "tree"
    write_submission(tree, "v5.1")
    _spoil(tree, key, value)
    for path in tree.rglob("systems/*.json"):
        described = json.loads(path.read_text())
        path.write_text(json.dumps(described | {"platform": "x86"}))
    mlrepo(root, "import", str(tree), "--round", "v5.1")
    mlrepo(root, "doctor").says("records and commits agree")
    shown = mlrepo(root, "show", "latest")
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
    mlrepo(root, "compare", "exp/import-v5.1", "exp/import-v5.1")


def test_a_system_that_no_record_can_hold_is_named(root: Path, tmp_path: Path) -> None:
    """The others are imported."""
    tree = tmp_path / "tree"
    write_submission(tree, "v5.1")
    system = next(tree.rglob("results/*"))
    system.rename(system.with_name("odd\x1b[2J\u202e"))
    done = mlrepo(root, "import", str(tree), "--round", "v5.1", code=None)
    assert done.code in (0, 2)
    assert "\x1b" not in done.out + done.err
    assert "\u202e" not in done.out + done.err
