"""Each line of a ``user.conf`` has an effect, or a note with its line number."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.logs.user_conf import parse_user_conf, read_user_conf
from mlrepo.logs.user_conf_effect import Names, fitted, overruled, strange_lines

_OTHERS = frozenset({"digits", "resnet50-random", "bert-99", "bert", "efficientnet-lite0"})
_MOBILENET = Names("mobilenet", "resnet50", "resnet", _OTHERS)
_RESNET = Names("resnet50", "resnet50", "resnet", _OTHERS | {"mobilenet"})


def _notes(text: str, names: Names = _MOBILENET, scenario: str = "Offline") -> tuple[str, ...]:
    return fitted(parse_user_conf(text, "x.conf"), names, scenario, "x.conf").notes


@pytest.mark.parametrize(
    ("line", "names", "value"),
    [
        ("mobilenet.Offline.target_qps = 7", _MOBILENET, "7"),
        ("mobilenet.*.target_qps = 7", _MOBILENET, "7"),
        ("resnet.Offline.target_qps = 7", _MOBILENET, "7"),
        ("resnet.Offline.target_qps = 7", _RESNET, "7"),
        ("resnet50.Offline.target_qps = 7", _MOBILENET, "7"),
        ("*.Offline.target_qps = 7", _RESNET, "7"),
        ("mobilenet.Offline.target_qps = 7", _RESNET, None),
        ("3d-unet-99.9.*.target_qps = 7", Names("3d-unet-99.9", "3d-unet"), "7"),
        ("Mobilenet.Offline.target_qps = 7", _MOBILENET, None),
    ],
)
def test_a_benchmark_s_own_name_works(line: str, names: Names, value: str | None) -> None:
    """LoadGen reads it under the name that it is asked for; the user's line stays as it was."""
    conf = fitted(parse_user_conf(line, "x.conf"), names, "Offline", "x.conf")
    assert conf.effective(names.loadgen, "Offline", "target_qps") == value
    assert parse_user_conf(conf.text, "run").values == conf.values
    assert conf.text.startswith(line)
    assert bool(conf.notes) is (value is None)


def test_the_own_name_wins_over_that_which_several_share() -> None:
    """Whatever the order of the lines; the other one is noted."""
    lines = ["mobilenet.Offline.target_qps = 7", "resnet50.Offline.target_qps = 5"]
    for text in ("\n".join(lines), "\n".join(reversed(lines))):
        conf = fitted(parse_user_conf(text, "x.conf"), _MOBILENET, "Offline", "x.conf")
        assert conf.effective("resnet50", "Offline", "target_qps") == "7"
        (note,) = conf.notes
        assert "resnet50.Offline.target_qps has no effect on this run" in note


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\nresnt50.Offline.target_qps = 5", ("x.conf:2: ", "'resnt50'", "Did you mean resnet50")),
        ("RESNET50.Offline.target_qps = 5", ("x.conf:1: ", "Did you mean resnet50")),
        ("bert.*.target_qps = 5\n\nbert.Server.target_qps = 5", ("x.conf:1, 3: bert is not",)),
        ("*.Offline.target_latency = 5", ("x.conf:1: ", "SingleStream, MultiStream, Server only")),
        ("*.SingleStream.target_qps = 5", ("x.conf:1: ", "Offline, Server only")),
        ("*.Offline.samples_per_query = 5", ("MultiStream only",)),
        ("*.Offline.coalesce_queries = 1", ("Server only",)),
        ("*.*.mode = 1", ("x.conf:1: ", "--mode")),
        ("*.*.min_duration = 1\n*.*.min_duration = 2", ("x.conf:1: ", "line 2 sets it again")),
        ("*.*.min_duration = 1\n*.Offline.min_duration = 2", ("x.conf:1: ", "of line 2")),
        ("resnet50.*.min_duration = 1\n*.Offline.min_duration = 2", ("x.conf:1: ", "of line 2")),
        ("\ufeff*.Offline.target_qps = 5", ("x.conf:1: ",)),
    ],
)
def test_a_line_without_effect_has_a_note_with_its_number(
    text: str, words: tuple[str, ...]
) -> None:
    """Names, keys of other scenarios, repeated and beaten lines."""
    (note,) = _notes(text)
    for word in words:
        assert word in note


@pytest.mark.parametrize(
    "text",
    [
        "*.Server.target_qps = 5\n*.Offline.target_qps = 5",  # one file serves all scenarios
        "*.*.target_latency = 5",
        "*.*.min_duration = 1\n*.Offline.min_duration = 1",  # both say the same
        "# mobilnet.Offline.target_qps = 5",
    ],
)
def test_a_line_with_effect_has_none(text: str) -> None:
    """A note that is always there is read by nobody."""
    assert _notes(text) == ()


def test_what_the_command_line_overrules_is_noted() -> None:
    """Not only what was typed: --count alone makes the duration 0."""
    conf = parse_user_conf("*.*.min_duration = 1000\n*.Offline.target_qps = 5", "x.conf")
    typed = {"m.Offline.min_duration": "0", "m.Offline.target_qps": "5"}
    (note,) = overruled(conf, typed, "x.conf")
    assert note.startswith("x.conf:1: *.*.min_duration has no effect")
    assert note.endswith("the command line sets it to 0.")


def test_a_file_for_all_benchmarks_is_judged_without_one() -> None:
    """Lines of several benchmarks are no oddity there; what none of them reads is."""
    text = "digits.Offline.target_qps = 5\nbert.Server.mode = 2\nbrt.Server.target_qps = 3"
    notes = strange_lines(parse_user_conf(text, "x.conf"), _OTHERS, "x.conf")
    assert [note.partition(" ")[0] for note in notes] == ["x.conf:3:", "x.conf:2:"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf*.Offline.target_qps = 5\n",
        b"\xef\xbb\xbf# head\r\n\xef\xbb\xbf*.Offline.target_qps = 5\r\n",
    ],
)
def test_a_byte_order_mark_is_no_part_of_a_name(data: bytes, tmp_path: Path) -> None:
    """Editors write it, and files that were joined have several; LoadGen would read it as text."""
    (tmp_path / "x.conf").write_bytes(data)
    conf = read_user_conf(tmp_path / "x.conf")
    assert conf.values == {"*.Offline.target_qps": "5"}
    assert "\ufeff" not in conf.text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_by_name(encoding: str, tmp_path: Path) -> None:
    """With a mark or without."""
    (tmp_path / "x.conf").write_bytes("*.Offline.target_qps = 5\n".encode(encoding))
    with pytest.raises(UserError, match="UTF-16"):
        read_user_conf(tmp_path / "x.conf")


@pytest.mark.parametrize(
    ("value", "hint"),
    [("0.99", "Write 99 for 99 %"), (".999", "Write 99.9"), ("0", "at least 1"), ("100", "99")],
)
def test_a_percentile_is_percent(value: str, hint: str) -> None:
    """LoadGen reads 0.99 as 0.99 %."""
    with pytest.raises(UserError, match="as percent") as caught:
        parse_user_conf(f"*.Server.target_latency_percentile = {value}", "x.conf")
    assert hint in (caught.value.hint or "")
