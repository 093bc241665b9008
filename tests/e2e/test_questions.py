"""Missing values that `bench run` requires are prompted for on a terminal, or listed at once."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.driver import BENCH, MLREPO, environment, mlrepo, spooled
from tests.terminal import Terminal


def test_everything_that_is_missing_is_named_at_once(root: Path) -> None:
    """Without a terminal: the options first, then the settings, each with its values."""
    refused = mlrepo(root, "bench", "run", "--backend", "null", code=2)
    refused.says("--benchmark, --scenario, --mode", "One of: performance, accuracy", "digits")
    (root / "mlrepo.toml").write_text('round = "v6.1"\n')
    run = ("bench", "run", "--benchmark", "digits", "--scenario", "offline", "--mode", "accuracy")
    mlrepo(root, *run, code=2).says("division, submitter", "mlrepo config set submitter")
    assert mlrepo(root, "log", "--json").json["runs"] == []


def test_a_terminal_is_asked(root: Path) -> None:
    """One question for each; what is answered is as if it had been typed."""
    command = [*MLREPO, "bench", "run", "--benchmark", "digits", "--dry-run", "--json"]
    child = Terminal(command, root, environment())
    child.expect("--scenario.*: ")
    child.sendline("no such")
    child.expect("--scenario.*: ")
    child.sendline("server")
    child.expect("--mode.*: ")
    child.sendline("accuracy")
    said = child.read()
    child.close()
    assert '"scenario": "Server"' in said
    assert '"mode": "accuracy"' in said


def test_a_dry_run_says_everything_and_runs_nothing(root: Path) -> None:
    """With the values that were decided and their origins; what would be refused is refused."""
    run = ("bench", "run", "--benchmark", "digits", "--scenario", "offline", "--mode")
    dry = mlrepo(root, *run, "performance", "--dry-run", "--threads", "1", "--qps", "500")
    dry.says("digits Offline performance", "target_qps = 500", "open (mlrepo.toml)", "exp/box")
    dry.says("never valid in v6.1", "--threads 1", "Nothing was run")
    told = mlrepo(root, *run, "accuracy", "--dry-run", "--json").json
    assert told["schema"] == "mlrepo.dry-run/1"
    assert told["settings"]["submitter"] == {"value": "Acme", "origin": "mlrepo.toml"}
    mlrepo(root, *run, "accuracy", "--dry-run", "--time", "3", code=2).says("--time does not apply")
    mlrepo(root, *run, "accuracy", "--dry-run", "--model-variant", "x", code=2)
    assert mlrepo(root, "log", "--json").json["runs"] == []
    assert not spooled(root)


def test_that_no_run_can_be_a_result_is_said_before_it(root: Path) -> None:
    """On standard error, with the number of samples that the round asks for."""
    done = mlrepo(root, *BENCH)
    said = "For practice only, not for v6.1: digits has 500 samples, and v6.1 requires"
    assert said in done.err and said not in done.out
    assert done.err.index(said) < done.err.index("starting")
