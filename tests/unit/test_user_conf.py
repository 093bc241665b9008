"""``user.conf``: only what LoadGen reads as written is accepted."""

from __future__ import annotations

import pytest

from mlrepo.errors import UserError
from mlrepo.logs.user_conf import EMBEDDED_ONLY, KEYS, UserConf, check_setting, parse_user_conf


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n  \n\t\n", {}),
        ("# comment\n", {}),
        ("   # comment = 5\n", {}),
        ("#\n", {}),
        ("#*.Offline.target_qps = 5\n", {}),
        ("#alone\n", {}),
        ("*.Offline.target_qps = 5", {"*.Offline.target_qps": "5"}),
        ("\t*.Offline.target_qps  =\t5.5 \r\n", {"*.Offline.target_qps": "5.5"}),
        ("a.Server.target_qps = 1\na.Server.target_qps = 2\n", {"a.Server.target_qps": "2"}),
        ("3d-unet-99.9.Offline.min_duration = 7", {"3d-unet-99.9.Offline.min_duration": "7"}),
        ("a.*.target_latency_percentile = .5e1", {"a.*.target_latency_percentile": ".5e1"}),
        ("a.SingleStream.target_latency = 0.05", {"a.SingleStream.target_latency": "0.05"}),
        (
            "*.*.accuracy_log_rng_seed = 18446744073709551615",
            {"*.*.accuracy_log_rng_seed": "18446744073709551615"},
        ),
    ],
)
def test_what_loadgen_reads_is_accepted(text: str, values: dict[str, str]) -> None:
    """Comments and white space as LoadGen takes them; the last line of a key wins."""
    conf = parse_user_conf(text, "user.conf")
    assert conf.values == values
    assert conf.text == text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("*.Offline.target_qps=5", ("spaces around the =",)),
        ("*.Offline.target_qps= 5", ("spaces around the =",)),
        ("*.Offline.target_qps 5", ("model.scenario.key = number",)),
        ("*.Offline.target_qps =", ("model.scenario.key = number",)),
        ("*.Offline.target_qps = 5 6", ("not a LoadGen setting",)),
        ("*.Offline.target_qps = 5 # comment", ("comment only on a line of its own",)),
        ("#two words", ("space after the #",)),
        ("## Heading", ("space after the #",)),
        ("*.Offline.target_qps\u00a0=\u00a05", ("not a LoadGen setting",)),
        ("target_qps = 5", ("not model.scenario.key",)),
        ("Offline.target_qps = 5", ("not model.scenario.key",)),
        ("*.offline.target_qps = 5", ("not model.scenario.key", "Offline")),
        ("*.Interactive.target_qps = 5", ("scenarios are",)),
        ("*.Offline.target_qqs = 5", ("no setting 'target_qqs'", "target_qps")),
        ("*.*.qsl_rng_seed = 5", ("embedded mlperf.conf",)),
        ("*.*.test05 = 1", ("embedded mlperf.conf",)),
        ("*.Offline.target_qps = fast", ("must be a number", "'fast'")),
        ("*.Offline.target_qps = -1", ("at least 0",)),
        ("*.Offline.target_qps = nan", ("must be a number",)),
        ("*.Offline.target_qps = inf", ("must be a number",)),
        ("*.Offline.target_qps = 1e999", ("must be a number",)),
        ("*.Offline.target_qps = 1_000", ("must be a number",)),
        ("*.Offline.target_qps = 0x10", ("must be a number",)),
        ("*.Offline.target_qps = ١٢", ("must be a number",)),
        ("*.Offline.min_duration = 1.5", ("whole number (ms)", "cut '1.5'")),
        ("*.Offline.min_duration = 1e3", ("whole number",)),
        ("*.Offline.min_query_count = 010", ("leading zeros",)),
        ("*.Server.target_latency = 1.5", ("whole number", "cut")),
        ("*.*.target_latency = 1.5", ("whole number", "cut")),
        ("*.Server.max_async_queries = 2147483648", ("too large", "2147483647")),
        ("*.Server.target_latency = 9223372036855", ("too large", "(ms)")),
        ("*.*.min_query_count = 99999999999999999999", ("too large",)),
    ],
)
def test_what_loadgen_would_misread_is_refused_with_line_and_way_out(
    line: str, words: tuple[str, ...]
) -> None:
    """LoadGen ignores, cuts or gives up; mlrepo says what is wrong and where."""
    with pytest.raises(UserError) as caught:
        parse_user_conf(f"# first\n\n{line}\n", "my.conf")
    assert caught.value.message.startswith("my.conf:3: ")
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("key", KEYS)
def test_every_key_takes_a_whole_number_in_every_scenario(key: str) -> None:
    """The table of keys is that of LoadGen; each can be set for any scenario."""
    for scenario in ("Offline", "SingleStream", "MultiStream", "Server", "*"):
        check_setting(f"m.{scenario}.{key}", "1", "here")
    assert key not in EMBEDDED_ONLY


def test_the_most_specific_key_is_effective() -> None:
    """Exact, then any model, then any scenario, then any of both, as LoadGen looks them up."""
    found = []
    values = {
        "m.Offline.target_qps": "1",
        "*.Offline.target_qps": "2",
        "m.*.target_qps": "3",
        "*.*.target_qps": "4",
    }
    while values:
        found.append(UserConf("", dict(values)).effective("m", "Offline", "target_qps"))
        del values[next(iter(values))]
    assert found == ["1", "2", "3", "4"]
    assert UserConf("", {}).effective("m", "Offline", "target_qps") is None
    assert (
        UserConf("", {"x.Offline.target_qps": "1"}).effective("m", "Offline", "target_qps") is None
    )


def test_further_lines_win_and_say_where_they_come_from() -> None:
    """Lines are added below a comment; the text before stays as it was."""
    conf = parse_user_conf("*.Offline.target_qps = 5", "x")
    more = conf.with_lines("from the command line", {"*.Offline.target_qps": "7"})
    assert more.text == (
        "*.Offline.target_qps = 5\n# from the command line\n*.Offline.target_qps = 7\n"
    )
    assert more.values == {"*.Offline.target_qps": "7"}
    assert parse_user_conf(more.text, "x") == more
    assert conf.with_lines("nothing", {}) is conf
