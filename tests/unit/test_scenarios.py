"""The table of scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.harness.loadgen import read_settings
from mlrepo.record import PERFORMANCE
from mlrepo.scenarios import LOADGEN_SCENARIOS, SCENARIOS, Scenario, scenario, spelled

_ALL = list(SCENARIOS.values())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("offline", "Offline"),
        ("OFFLINE", "Offline"),
        ("single-stream", "SingleStream"),
        ("multi_stream", "MultiStream"),
        ("SingleStream", "SingleStream"),
        ("server", "Server"),
        ("interactive", "Interactive"),
    ],
)
def test_names_of_scenarios_are_forgiving(text: str, name: str) -> None:
    """Case, dashes and underscores do not matter."""
    assert scenario(text).name == name


@pytest.mark.parametrize("text", ["", "stream", "offline ", "online", "*"])
def test_what_is_no_scenario_is_refused(text: str) -> None:
    """The message lists the scenarios."""
    with pytest.raises(UserError, match="is not a scenario") as caught:
        scenario(text)
    assert "Offline, SingleStream, MultiStream, Server, Interactive" in (caught.value.hint or "")


@pytest.mark.parametrize("each", _ALL, ids=lambda each: each.name)
def test_loadgen_reads_the_load_of_a_scenario_as_the_table_says(
    each: Scenario, tmp_path: Path
) -> None:
    """It puts the setting into the field, and knows the scenario by the name for LoadGen."""
    conf = tmp_path / "user.conf"
    conf.write_text(f"resnet50{each.suffix}.{each.loadgen}.{each.setting} = 3\n")
    settings = read_settings("resnet50", each, PERFORMANCE, conf)
    assert getattr(settings, each.field) == 3 * each.scale
    assert each.loadgen in LOADGEN_SCENARIOS
    if each.samples_per_query > 1:
        assert settings.multi_stream_samples_per_query == each.samples_per_query


def test_loadgen_has_tighter_limits_for_interactive() -> None:
    """It has them under the benchmark's name with the suffix, and runs a Server."""
    own = read_settings("llama3_1-8b", SCENARIOS["Interactive"], PERFORMANCE)
    server = read_settings("llama3_1-8b", SCENARIOS["Server"], PERFORMANCE)
    assert own.use_token_latencies and server.use_token_latencies
    assert own.ttft_latency < server.ttft_latency


@pytest.mark.parametrize("each", _ALL, ids=lambda each: each.name)
def test_a_lower_result_is_better_where_one_query_follows_the_other(each: Scenario) -> None:
    """The streams report latencies, the others rates; only rates are bounded by a latency."""
    assert each.lower_is_better == each.is_stream == (each.setting == "target_latency")
    assert each.bounded == each.at_random
    assert not (each.bounded and each.lower_is_better)


def test_directories_of_older_layouts_are_understood() -> None:
    """They have the names in lower case; what is no scenario stays as it is."""
    assert spelled("multistream") == "MultiStream"
    assert spelled("interactive") == "Interactive"
    assert spelled("Results of Lab") == "Results of Lab"
