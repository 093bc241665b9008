"""Settings that decide whether a number is a result, and user.conf lines without effect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlrepo.rounds import SHIPPED
from tests.e2e.driver import BENCH, bench, everything, mlrepo, spooled

RUN = (*BENCH, "--mode", "performance", "--count", "100", "--max-batchsize", "8", "--threads", "1")
SERVER = ("--scenario", "Server", "--qps", "500", "--max-latency", "2")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("*.Server.target_latency_percentile = 50", (":2", "= 50", "at least 99 %")),
        ("*.*.target_latency_percentile = 0.99", (":2", "0.99 %", "Write 99")),
        ("*.*.performance_issue_same = 1", (":2", "performance_issue_same = 1", "it must be 0")),
        ("digits.*.performance_issue_unique = 1", (":2", "performance_issue_unique")),
        ("*.Server.accuracy_log_sampling_target = 100", (":2", "accuracy_log_sampling_target")),
    ],
)
def test_a_file_with_a_setting_that_no_result_has_starts_nothing(
    root: Path, line: str, words: tuple[str, ...]
) -> None:
    """The user's file and the system's, for a run and for a suite: file, line and way out."""
    text = f"# mine\n{line}\n"
    (root / "mine.conf").write_text(text)
    before = everything(root)
    mlrepo(root, *RUN, *SERVER, "--user-conf", "mine.conf", code=2).says("mine.conf", *words)
    assert (everything(root), spooled(root)) == (before, [])
    suite = ("bench", "suite", "--model", "digits", "--scenario", "Server", "--quick")
    mlrepo(root, *suite, "--user-conf", "mine.conf", code=2).says("mine.conf", *words)
    assert (everything(root)["refs"], spooled(root)) == (before["refs"], [])
    (root / "systems/box/user.v6.1.conf").write_text(text)
    mlrepo(root, *RUN, *SERVER, code=2).says("systems/box/user.v6.1.conf", *words)
    checked = mlrepo(root, "system", "check", "box", code=1)
    checked.says("error user-conf", "systems/box/user.v6.1.conf", *words)


def test_a_fraction_in_the_place_of_a_percentage_is_refused(root: Path) -> None:
    """Also on the command line: nobody means 0.99 %."""
    done = mlrepo(root, *RUN, *SERVER, "--set", "target_latency_percentile=0.99", code=2)
    done.says("target_latency_percentile", "0.99 %", "Write 99")
    assert spooled(root) == []


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((*SERVER, "--set", "target_latency_percentile=50"), "effective_target_latency_percentile"),
        (("--set", "performance_issue_same=1"), "effective_performance_issue_same"),
    ],
)
def test_an_experiment_is_recorded_and_never_placed(
    root: Path, arguments: tuple[str, ...], key: str
) -> None:
    """What was typed runs; neither --place nor select takes it, nor a repetition of it."""
    done = mlrepo(root, *RUN, *arguments, "--place", "--json", code=None)
    done.says("is recorded and never placed")
    record = done.json["record"]
    assert record["result"]["value"] > 0
    assert not record["placement"]["placed"]
    assert key in record["placement"]["reason"]
    assert "no-result" in record["tags"]
    again = mlrepo(root, "bench", "replay", "latest", "--json", code=None)
    again.says("is recorded and never placed")
    assert key in again.json["record"]["placement"]["reason"]
    bench(root, "--max-batchsize", "8", "--threads", "1", "--scenario", record["scenario"])
    selected = mlrepo(root, "select", "--quick", "--dry-run", "--all", code=None)
    selected.says(record["run"], "and v6.1 asks for")


def test_a_suite_and_a_test_pass_over_an_experiment(root: Path) -> None:
    """It is no run of the suite that is done, and nothing that a test is verified against.

    Nor is it compared with runs that it looks like: only its settings tell them apart.
    """
    mlrepo(root, *RUN, "--set", "performance_issue_same=1")
    mlrepo(root, "compare", "exp/box", "exp/box", code=2).says("No VALID run")
    suite = ("bench", "suite", "--model", "digits", "--scenario", "Offline", "--quick", "--plan")
    steps = mlrepo(root, *suite, "--json").json["plan"]
    assert {step["mode"]: step["state"] for step in steps}["performance"] == "missing"
    test = ("bench", "compliance", "--model", "digits", "--scenario", "Offline", "--test", "TEST04")
    mlrepo(root, *test, "--round", "v5.1", code=2).says(
        "needs a VALID run", "none is recorded for v5.1", "--backend onnx --round v5.1"
    )


def test_a_free_setting_is_free(root: Path) -> None:
    """Published results have them, and open chooses its latency bound."""
    arguments = (*SERVER, "--set", "coalesce_queries=1", "--set", "max_async_queries=5000")
    done = mlrepo(root, *RUN, "--count", "700", *arguments, "--json", code=None)
    assert "never placed" not in done.err
    record = done.json["record"]
    assert record["placement"]["placed"] or record["validity"] != "VALID"
    logged = {
        setting.line(scenario)
        for setting in SHIPPED["v6.1"].settings.values()
        for scenario in ("*", *setting.classes)
    }
    assert {f"effective_{name}" for name in record["loadgen"]["effective"]} <= logged


def test_lines_without_effect_are_named_before_the_run(root: Path) -> None:
    """Names that nobody has, other benchmarks, keys of other scenarios, and marks of encodings."""
    (root / "mine.conf").write_bytes(
        b"\xef\xbb\xbf*.Offline.performance_sample_count_override = 12\n"
        b"digit.Offline.target_qps = 5\nresnet.Offline.target_qps = 5\n"
        b"*.Offline.target_latency = 5\nDigits.*.min_duration = 5\n"
    )
    done = mlrepo(root, *RUN, "--user-conf", "mine.conf", "--json")
    assert done.json["record"]["loadgen"]["effective"]["performance_sample_count"] == 12
    done.says(
        "mine.conf:2: no benchmark is called 'digit'",
        "Did you mean digits",
        "mine.conf:3: resnet is not digits",
        "mine.conf:4: *.Offline.target_latency",
        "mine.conf:5: no benchmark is called 'Digits'",
    )
    assert "mine.conf:1" not in done.err


def test_the_predecessor_s_file_name_is_read_and_others_are_named(root: Path) -> None:
    """``user.6.1.conf`` is the round's file as the CK automation calls it."""
    system = root / "systems" / "box"
    text = "*.Offline.performance_sample_count_override = "
    (system / "user.v6.1.conf").unlink()
    (system / "user.6.1.conf").write_text(f"{text}11\n")
    (system / "user.conf").write_text(f"{text}12\n")
    (system / "user.5.1.conf").write_text(f"{text}13\n")
    done = mlrepo(root, *RUN, "--json")
    record = done.json["record"]
    assert record["loadgen"]["effective"]["performance_sample_count"] == 11
    assert record["settings"]["user.conf"]["origin"] == "systems/box/user.6.1.conf"
    done.says("systems/box/user.conf: mlrepo does not read it")
    assert "user.5.1.conf" not in done.err
    (system / "user.v6.1.conf").write_text("*.Offline.target_qps = 5\n")
    found = mlrepo(root, "system", "check", "box", "--json", code=None).json["systems"]["box"]
    notes = [each["message"] for each in found if each["rule"] == "user-conf"]
    assert [note.partition(":")[0] for note in notes] == [
        "systems/box/user.6.1.conf",
        "systems/box/user.conf",
    ]
    assert json.dumps(notes).count("user.v6.1.conf") == 2
