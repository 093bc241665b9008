"""The Interactive scenario before a run: LoadGen's Server with stricter token latencies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlrepo.bench.request import BenchRequest
from mlrepo.bench.settings import names_of, refuse_without_tokens
from mlrepo.errors import UserError
from mlrepo.harness.loadgen import read_settings
from mlrepo.record import PERFORMANCE
from mlrepo.rounds import SHIPPED
from mlrepo.scenarios import SCENARIOS
from mlrepo.workloads.digits import DIGITS

# A small language model that follows the rules of a large one in the open division.
_CHAT = replace(DIGITS, name="chat", follows="llama3.1-8b", loadgen_model="llama3_1-8b")
_INTERACTIVE = SCENARIOS["Interactive"]


_REQUEST = BenchRequest("chat", "x", scenario="interactive", mode=PERFORMANCE)


def _request() -> BenchRequest:
    return _REQUEST.checked()


def test_a_benchmark_without_token_latencies_cannot_be_interactive() -> None:
    """The message says what the benchmark lacks, and names the scenarios that it has."""
    with pytest.raises(
        UserError, match=r"digits cannot run Interactive: .*no token latencies"
    ) as e:
        refuse_without_tokens(_request(), DIGITS, SHIPPED["v6.1"])
    assert "Offline, SingleStream, MultiStream, Server." in (e.value.hint or "")


@pytest.mark.parametrize("name", ["v5.1", "v6.1"])
def test_a_benchmark_whose_tokens_loadgen_times_may_be_interactive(name: str) -> None:
    """LoadGen's own mlperf.conf of the round says so."""
    refuse_without_tokens(_request(), _CHAT, SHIPPED[name])


def test_a_benchmark_of_which_the_round_asks_it_may_be_interactive() -> None:
    """qwen3-vl is held to the latency of the whole query: LoadGen times no token of it."""
    vision = replace(DIGITS, name="vl", follows="qwen3-vl-235b-a22b", loadgen_model="qwen3-vl")
    refuse_without_tokens(_request(), vision, SHIPPED["v6.1"])
    with pytest.raises(UserError):
        refuse_without_tokens(_request(), vision, SHIPPED["v5.0"])


def test_what_is_asked_for_reaches_loadgen(tmp_path: Path) -> None:
    """Under the name with the suffix, from flags and from a user.conf with the benchmark's name."""
    file = tmp_path / "user.conf"
    file.write_text(
        "chat.Server.target_qps = 99\nchat-interactive.Server.min_duration = 1234\n"
        "*.Server.min_query_count = 17\n"
    )
    names = names_of(_CHAT, SHIPPED["v6.1"], _INTERACTIVE)
    request = replace(_REQUEST, qps=2.5, user_conf=file).checked()
    conf, _ = request.compose_user_conf(_CHAT.loadgen_model, None, names)
    file.write_text(conf.text)
    settings = read_settings(_CHAT.loadgen_model, _INTERACTIVE, PERFORMANCE, file)
    assert settings.server_target_qps == 2.5
    assert settings.min_duration_ms == 1234
    assert settings.min_query_count == 17
    assert settings.use_token_latencies
    assert [note for note in conf.notes if "chat.Server" in note or ":1:" in note]
    assert not [note for note in conf.notes if "chat-interactive" in note]


def test_a_setting_of_another_scenario_is_refused() -> None:
    """``--set`` takes a full key only where LoadGen would read it for the run."""
    other = {"llama3_1-8b.Server.min_query_count": "7"}
    own = {"llama3_1-8b-interactive.Server.min_query_count": "7"}
    assert replace(_request(), extra=own).loadgen_settings("llama3_1-8b") == own
    with pytest.raises(UserError, match="does not apply to llama3_1-8b Interactive"):
        replace(_request(), extra=other).loadgen_settings("llama3_1-8b")
