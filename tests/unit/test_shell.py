"""Printed commands can be pasted, whatever their words contain."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.layout.documents import result_readme
from mlrepo.shell import quoted, shell_command
from tests.samples import sample_record

_WORDS = (
    "",
    "plain",
    "two words",
    "it's",
    '"$HOME"',
    "$(rm -rf ~)",
    "`id`",
    "a\nb",
    "tab\there",
    "~/x",
    "*.onnx",
    "a;b|c&d",
    "\\n",
    "-",
    "--set=a b",
    "#x",
    "!x",
    "é 模型",
    "\x1b[31m",
    "\x07" + "1",
    "\u202egnp",
    "a\rb",
    "=x",
    "{a,b}",
)
_SHELL = shutil.which("bash") or ""


def _read_back(command: str) -> list[str]:
    """Return the words that the shell makes of a command."""
    done = subprocess.run(
        [_SHELL, "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True
    )
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@pytest.mark.skipif(not _SHELL, reason="no bash")
def test_a_shell_reads_the_words_again() -> None:
    """Spaces, quotes, dollars, globs, control characters, other letters."""
    assert _read_back(shell_command(_WORDS)) == list(_WORDS)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_command_is_one_printable_line(words: list[str]) -> None:
    """Nothing in it ends a line, steers a terminal, or ends a code span."""
    command = shell_command(words)
    assert command.isprintable()
    assert "`" not in command


def test_plain_words_stay_as_they_are() -> None:
    """No quotes where none are needed."""
    command = "mlrepo bench run --model resnet50 --model-file ./a/b-1.onnx --set x=1"
    assert shell_command(command.split()) == command
    assert quoted("a b") == "'a b'"


def test_the_commands_of_a_result_can_be_pasted() -> None:
    """What was typed is in the README of a result as a shell reads it."""
    argv = ("mlrepo", "bench", "run", "--model-file", "my `new` model's $1 | file.onnx")
    record = dataclasses.replace(sample_record(), argv=argv)
    text = result_readme([record], record.scenario).decode()
    typed = re.search(r"^Recorded by `([^`]*)`\.$", text, re.MULTILINE)
    assert typed and _read_back(typed[1]) == list(argv)
    repeated = next(line for line in text.splitlines() if "--user-conf" in line)
    assert _read_back(repeated)[-1] == argv[-1]
