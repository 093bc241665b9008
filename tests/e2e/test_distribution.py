"""Every performance run records its distribution and a trace, and `mlrepo show` shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlrepo.record import FAILED, IMPORTED_TAG
from mlrepo.repository.discovery import find_repository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from tests.curated import placed_run
from tests.e2e.driver import MLREPO, bench, blob, environment, mlrepo
from tests.samples import git
from tests.terminal import seen_on_terminal

_SHARES = ("50", "90", "95", "97", "99", "99.9")
_BLOCK = re.compile("[▁-█]")


def _shown(root: Path, run: str) -> Any:
    return mlrepo(root, "show", run, "--json").json


def _run_of(root: Path, scenario: str, mode: str = "performance") -> str:
    listed = mlrepo(root, "log", "--json", "--scenario", scenario, "--mode", mode).json
    return str(listed["runs"][0]["run"])


def _logged(record: Any, name: str) -> float:
    return float(record["metrics"][name]["value"])


def _compare(distribution: Any, record: Any, form: str) -> None:
    """Compare percentiles with LoadGen's of the same run, in milliseconds."""
    for share in _SHARES:
        logged = _logged(record, form.format(f"{float(share):.2f}"))
        assert distribution["percentiles_ms"][share] == pytest.approx(logged, rel=0.01), share
    assert distribution["count"] == sum(count for _, _, count in distribution["buckets_ms"])


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Server", "Offline"])
def test_the_distribution_is_that_of_loadgens_latencies(measured: Path, scenario: str) -> None:
    """In each scenario; count and extremes of queries are LoadGen's own, and files are small."""
    run = _run_of(measured, scenario)
    shown = _shown(measured, run)
    record, trace = shown["record"], shown["trace"]
    [(name, found)] = shown["latencies"].items()
    assert name == ("sample" if scenario == "Offline" else "query")
    per_query = "_per_query" if scenario == "MultiStream" else ""
    _compare(found, record, f"{{}}_percentile{per_query}_latency")
    completed = sum(filter(None, trace["queries"]["completed"]))
    if scenario == "Offline":
        assert found["count"] == completed > 0
        assert set(trace["queries"]) == {"seconds", "completed"}
    else:
        query = "_query" if per_query else ""
        assert found["count"] == _logged(record, "query_count") == completed
        assert found["shortest_ms"] == pytest.approx(_logged(record, f"min{query}_latency"))
        assert found["longest_ms"] == pytest.approx(_logged(record, f"max{query}_latency"))
        assert found["mean_ms"] == pytest.approx(_logged(record, f"mean{query}_latency"), rel=1e-3)
        assert trace["slowest"][0]["latency_ms"] == pytest.approx(found["longest_ms"])
        assert ("in_flight" in trace["queries"]) is (scenario == "Server")
    assert trace["machine"]["seconds"] == sorted(trace["machine"]["seconds"])
    assert shown["no_distribution"] == {}
    sizes = [len(blob(measured, f"runs/{run}/{name}")) for name in ("latencies.json", "trace.json")]
    assert sizes[0] <= 4 << 10
    assert sizes[1] <= 16 << 10


def test_the_files_lie_beside_the_run_only(measured: Path) -> None:
    """Checkers of some rounds refuse any other file beside LoadGen's logs."""
    tree = git(measured, "ls-tree", "-r", "--name-only", "exp/box").splitlines()
    places = [path for path in tree if path.endswith(("latencies.json", "trace.json"))]
    assert len(places) == 8
    assert all(path.startswith("runs/") for path in places)


def test_tokens_have_distributions_of_their_own(root: Path) -> None:
    """Times to the first token and per token, as LoadGen has them."""
    record = bench(
        root, "--backend", "delayed", "--model", "token-echoes", "--scenario", "Server", "--mode",
        "performance", "--time", "0.3", "--count", "40", "--qps", "100",
        "--backend-opt", "delay=20", "--backend-opt", "pause=20", code=None,
    )  # fmt: skip
    shown = _shown(root, "latest")
    assert list(shown["latencies"]) == ["query", "first_token", "per_token"]
    found = shown["latencies"]
    _compare(found["query"], record, "{}_percentile_latency")
    _compare(found["first_token"], record, "first_token_{}_percentile_latency")
    _compare(found["per_token"], record, "time_per_output_token_{}_percentile")
    mlrepo(root, "show").says("time to first token", "time per output token")


def test_percentiles_are_said_everywhere_and_drawn_on_terminals(measured: Path) -> None:
    """A pipe gets words; a narrow terminal a chart that fits; ASCII where asked or needed."""
    run = _run_of(measured, "Server")
    piped = mlrepo(measured, "show", run)
    piped.says("query latency", "p50", "p99.9", "longest")
    assert not _BLOCK.search(piped.out)
    command = [*MLREPO, "show", run]
    known = environment(TERM="xterm", GIT_PAGER="cat", NO_COLOR="1")
    seen, code = seen_on_terminal(command, measured, known, size=(24, 60))
    assert code == 0
    drawn = seen[seen.index("query latency") :]
    assert len(_BLOCK.findall(drawn)) > 100
    assert "in flight" in drawn
    assert "\x1b" not in drawn
    assert max(map(len, drawn.splitlines())) <= 60
    seen, code = seen_on_terminal([*command, "--ascii"], measured, known, size=(24, 60))
    assert code == 0
    assert seen[seen.index("query latency") :].isascii()
    plain = environment(TERM="xterm", GIT_PAGER="cat", PYTHONIOENCODING="ascii")
    seen, code = seen_on_terminal(command, measured, plain)
    assert code == 0
    assert "in flight" in seen
    assert seen[seen.index("query latency") :].isascii()


def test_an_accuracy_run_has_none(measured: Path) -> None:
    """It says so, as it says why in other cases."""
    run = _run_of(measured, "Server", "accuracy")
    shown = _shown(measured, run)
    assert (shown["latencies"], shown["trace"]) == (None, None)
    mlrepo(measured, "show", run).says("latencies", "accuracy runs record none")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "mlrepo 0.1.0 recorded none"),
        ({"tags": (IMPORTED_TAG,)}, "it was imported"),
        ({"validity": FAILED}, "it ended before all its queries were answered"),
    ],
)
def test_runs_without_a_distribution_say_why(
    root: Path, changes: dict[str, Any], words: str
) -> None:
    """Those of mlrepo 0.1, imported ones, and those that ended early."""
    repository = find_repository(root)
    record = placed_run(Recorder(repository, git_identity(root)), 1, **changes)
    mlrepo(root, "show", record.run).says("latencies", "none", words)
    assert next(iter(_shown(root, record.run)["no_distribution"].values())).startswith(words)


def _hostile(raw: Any) -> None:
    raw["distributions"]["query"]["counts"] = ["\x1b[2J", 1]


def _newer(raw: Any) -> None:
    raw["schema"] = "mlrepo.\x1b]0;owned\x07/9"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("latencies.json", _hostile, ("latencies.json is damaged", "counts")),
        ("latencies.json", _newer, ("\\x1b]0;owned\\x07/9", "this mlrepo reads")),
        ("trace.json", None, ("trace.json is damaged", "not JSON")),
    ],
)
def test_damaged_files_are_said_and_stop_nothing(
    measured_copy: Path, name: str, change: Callable[[Any], None] | None, words: tuple[str, ...]
) -> None:
    """The rest of the run is shown, without a traceback and without control characters."""
    run = _run_of(measured_copy, "Server")
    worktree = measured_copy.parent / "edited"
    git(measured_copy, "worktree", "add", "-q", "--detach", str(worktree), "exp/box")
    path = worktree / "runs" / run / name
    raw = json.loads(path.read_bytes())
    if change is not None:
        change(raw)
    path.write_text("{" if change is None else json.dumps(raw))
    git(worktree, "commit", "-q", "--no-verify", "--amend", "--no-edit", "-a")
    git(measured_copy, "branch", "-q", "-f", "exp/box", git(worktree, "rev-parse", "HEAD").strip())
    shown = mlrepo(measured_copy, "show", run)
    shown.says("VALID", *words)
    assert "\x1b" not in shown.out
    found = _shown(measured_copy, run)
    key = "latencies" if name == "latencies.json" else "trace"
    assert found[key] is None
    assert list(found["no_distribution"]) == [name]
