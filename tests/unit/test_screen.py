"""Texts of others are shown on a terminal but never control it."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlrepo.cli
from mlrepo.cli.render import print_json, print_table, style
from mlrepo.cli.screen import Door, doors, own
from mlrepo.harmless import harmless

_HOSTILE = (
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1b]8;;http://x\x1b\\",
    "\x9b31m",
    "\r",
    "\x08",
    "\x7f",
    "\0",
    "\u202egnp",
    "\u2066",
    "\u200f",
    "\u061c",
    "\u200b",
    "\u2060",
    "\ufeff",
    "\xad",
    "\u2028",
    "\u2029",
    "\x85",
    "\udc80",
    "\U000e0041",
    "\U000e0001",
)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("text", _HOSTILE, ids=ascii)
@pytest.mark.parametrize("stream", [_Terminal, io.StringIO])
def test_no_character_of_others_passes_that_steers(text: str, stream: type[io.StringIO]) -> None:
    """On a terminal and in a pipe, whose end may be one."""
    seen = stream()
    Door(seen).write(f"a{text}b\n")
    assert not [c for c in seen.getvalue() if c != "\n" and unicodedata.category(c)[0] == "C"]
    assert seen.getvalue().startswith("a\\u")
    assert seen.getvalue().endswith("b\n")


@given(st.text(st.characters()))
def test_what_is_left_is_letters_lines_and_tabs(text: str) -> None:
    """No control, format or surrogate character of any Unicode block, and no line separator."""
    left = {unicodedata.category(c) for c in harmless(text) if c not in "\n\t\r"}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not re.search("\r(?!\n)", harmless(text))


@pytest.mark.parametrize("text", ["ä ß 中文 😀 é", "a\tb\nc\r\n", "x\u00a0y", "½ × ÷ …"])
def test_ordinary_text_of_any_language_stays(text: str) -> None:
    """Also line ends of both kinds."""
    assert harmless(text) == text


def test_a_colour_is_mlrepo_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen on a terminal only, never with NO_COLOR; a text that imitates one stays text."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = style("\x1b[31mVALID", fg="green")
    terminal, pipe = _Terminal(), io.StringIO()
    Door(terminal).write(text)
    Door(pipe).write(text)
    assert terminal.getvalue() == "\x1b[32m\\u001b[31mVALID\x1b[0m"
    assert pipe.getvalue() == "\\u001b[31mVALID"
    Door(terminal).write("\ue0000000000000000000:1b5b324a\ue001")
    assert "\x1b[2J" not in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    assert style("VALID", fg="green") == "VALID"
    assert own("") == ""


def test_json_keeps_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    """The spelling of an escaped character is that of JSON."""
    values = {"name": "".join(_HOSTILE)}
    with doors():
        print_json("mlrepo.test/1", values)
    printed = capsys.readouterr().out
    assert not [c for c in printed if c != "\n" and unicodedata.category(c)[0] == "C"]
    assert json.loads(printed)["name"] == values["name"]


def test_columns_stand_below_each_other_whatever_is_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A cell is as wide as it is shown."""
    with doors():
        print_table(("A", "B"), [("\x1b[2J", "x"), ("y", "x")])
    assert len({line.rindex(line[-1]) for line in capsys.readouterr().out.splitlines()}) == 1


def test_all_output_passes_the_door() -> None:
    """No command writes escape sequences, bytes or styles of its own beside it."""
    folder = Path(mlrepo.cli.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text()
        allowed = path.name in ("screen.py", "render.py")
        for way in ("click.style", "click.secho", "\\x1b", "\\033", "stdout.buffer", "os.write("):
            assert allowed or way not in text, f"{path.name}: {way}"


def test_click_writes_through_the_door(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output and standard error; a nested command finds the door there."""
    with doors(), doors():
        click.echo("\u202ea")
        click.echo("\u202eb", err=True)
        print("\u202ec")
    captured = capsys.readouterr()
    assert captured.out == "\\u202ea\n\\u202ec\n"
    assert captured.err == "\\u202eb\n"
