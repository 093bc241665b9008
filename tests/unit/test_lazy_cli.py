"""The command line starts fast, and every command explains itself."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlrepo.cli.command import Command, Group
from mlrepo.cli.main import COMMANDS, cli

_HEAVY = (
    "pygit2",
    "numpy",
    "cerberus",
    "rich",
    "onnxruntime",
    "mlperf_loadgen",
    "torch",
    "tvm",
    "tomlkit",
    "mlrepo.repository",
    "mlrepo.bench",
    "json",
    "subprocess",
)


def _loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after ``code``."""
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import mlrepo.cli.main",
        "from mlrepo.cli.main import main; main(['--help'])",
        "from mlrepo.cli.main import main; main(['--version'])",
        "from mlrepo.cli.main import main; main([])",
    ],
    ids=["import", "--help", "--version", "nothing"],
)
def test_help_loads_no_command_and_no_library(code: str) -> None:
    """What only a command needs is loaded by that command."""
    bare = _loaded("")
    loaded = _loaded(code)
    assert not {name for name in _HEAVY if name in loaded - bare}
    ours = {name for name in loaded if name.startswith("mlrepo.cli.")}
    assert ours <= {
        f"mlrepo.cli.{name}" for name in ("main", "screen", "lazy", "command", "verbosity")
    }


@pytest.mark.parametrize(
    "arguments",
    [["bench", "run", "--help"], ["log", "--help"], ["show", "--help"], ["init", "--help"]],
    ids=" ".join,
)
def test_the_help_of_a_command_loads_no_framework(arguments: list[str]) -> None:
    """Nobody waits for a framework to read about an option."""
    loaded = _loaded(f"from mlrepo.cli.main import main; main({arguments!r})")
    assert not {"pygit2", "numpy", "onnxruntime", "mlperf_loadgen", "cerberus", "tomlkit"} & loaded


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_overview_is_the_command_s_own(name: str) -> None:
    """The table that spares the imports says what the commands say."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert COMMANDS[name][1] == (command.help or "").strip().split("\n")[0]


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


_ALL = dict(_commands(cli, ("mlrepo",)))


@pytest.mark.parametrize("path", _ALL)
def test_every_command_has_an_example_that_can_be_parsed(path: str) -> None:
    """Each ``--help`` ends with an example of the command itself."""
    text = (_ALL[path].help or "").replace("\b", "").replace("\\\n", " ")
    assert "Example:" in text
    lines = [line.strip() for line in text.partition("Example:")[2].splitlines() if line.strip()]
    assert any(path in line for line in lines), lines
    for line in lines:
        if line.startswith("mlrepo "):
            _parse(cli, shlex.split(line.partition(" > ")[0])[1:])


def _parse(group: click.Group, words: list[str]) -> None:
    if not words and group.invoke_without_command:
        return
    context = click.Context(group, info_name="mlrepo")
    command = group.get_command(context, words[0])
    assert command is not None, words
    if isinstance(command, click.Group):
        _parse(command, words[1:])
        return
    command.make_context(words[1] if words[1:] else "x", words[1:], resilient_parsing=False)


@pytest.mark.parametrize("path", _ALL)
def test_every_command_without_arguments_names_all_that_it_requires(
    path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one message, with the values of a choice; a command that requires nothing is parsed."""
    from mlrepo.cli.main import main

    command = _ALL[path]
    if isinstance(command, click.Group):
        return
    assert isinstance(command, Command)
    required = [param for param in command.params if param.required]
    optional = [param for param in command.params if param.name in command.one_of]
    if not required and not optional and path not in ("mlrepo run tag", "mlrepo compare"):
        command.make_context(path, [])
        return
    monkeypatch.chdir(tmp_path)
    assert main(path.split()[1:]) == 2
    first, *more = capsys.readouterr().err.splitlines()
    assert first.startswith("mlrepo: Not given, and required: ")
    assert more[-1].strip().startswith(f"`{path} --help`")
    named = first.partition("required: ")[2].rstrip(".").replace(" or ", ", ").split(", ")
    if required or optional:
        assert len(named) == len(required) + len(optional)
    for param in required:
        if isinstance(param, click.Option):
            assert param.opts[0] in named
        if isinstance(param.type, click.Choice):
            assert any(f"One of: {', '.join(param.type.choices)}." in line for line in more)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("experiment rename", "OLD, NEW"),
        ("experiment rename old", "NEW"),
        ("run withdraw", "RUN, --why"),
        ("run move --why x", "RUN, --system or --experiment"),
        ("run tag", "RUN, +TAG or -TAG"),
        ("compare latest", "B"),
        ("completion", "SHELL"),
        ("import results --submitter x", "--round"),
        ("bench prereq", "--backend, --dataset or --model"),
        ("bench run --mode accuracy", "--benchmark, --scenario"),
    ],
)
def test_what_is_given_is_not_asked_for(
    typed: str, names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names are those of the usage line."""
    from mlrepo.cli.main import main

    assert main(typed.split()) == 2
    assert capsys.readouterr().err.startswith(f"mlrepo: Not given, and required: {names}.\n")


@pytest.mark.parametrize("path", [path for path in _ALL if isinstance(_ALL[path], click.Group)])
def test_the_help_of_a_group_has_whole_sentences(path: str) -> None:
    """No summary of a command is cut with dots."""
    group = _ALL[path]
    assert isinstance(group, Group)
    context = click.Context(group, info_name=path)
    said = " ".join(group.get_help(context).partition("Commands:")[2].split())
    for name, line in group.summaries(context):
        assert f"{name} {line}" in said
        assert line.endswith(".")


@pytest.mark.parametrize("path", _ALL)
def test_every_option_of_every_command_is_explained(path: str) -> None:
    """An option without a line of help is a riddle."""
    for parameter in _ALL[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.opts}"


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["log", "--nonsense"]])
def test_a_mistyped_command_or_option_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one message, and where to look."""
    from mlrepo.cli.main import main

    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "nonsense" in said.err
    assert "--help" in said.err


@pytest.mark.parametrize("path", _ALL)
def test_every_command_explains_itself_to_h_and_to_help(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """``-h``, ``--help`` and ``mlrepo help`` print the same."""
    from mlrepo.cli.main import main

    words = path.split()[1:]
    said = []
    for arguments in ([*words, "--help"], [*words, "-h"], ["help", *words]):
        assert main(arguments) == 0
        said.append(capsys.readouterr().out)
    assert said[0].startswith(f"Usage: {path}")
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["lgo"], "mlrepo log"),
        (["statsu"], "mlrepo status"),
        (["LOG"], "mlrepo log"),
        (["ck", "run", "bench.mlperf.inference"], "mlrepo from-ck"),
        (["peak"], "mlrepo bench peak"),
        (["suite", "--quick"], "mlrepo bench suite"),
        (["help", "lgo"], "mlrepo log"),
        (["bench", "rn"], "mlrepo bench run"),
        (["help", "bench", "rn"], "mlrepo bench run"),
    ],
)
def test_a_mistyped_command_gets_the_one_that_was_meant(
    typed: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the top level as below it, and by the name of a command that is in a group."""
    from mlrepo.cli.main import main

    assert main(typed) == 2
    assert f"Did you mean `{meant}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["help", "log", "x"], ["help", "--nonsense"]])
def test_help_refuses_what_is_not_a_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2 and one message."""
    from mlrepo.cli.main import main

    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("mlrepo: ")


@pytest.mark.parametrize("arguments", [["-v", "config", "list"], ["config", "list", "-v"]])
def test_v_shows_settings_and_programs(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before a command's name or after it; nothing of it is on standard output."""
    from mlrepo.cli.main import main

    monkeypatch.setenv("MLREPO_ROUND", "v5.0")
    monkeypatch.chdir(tmp_path)
    assert main(["-q", "init", ".", "--submitter", "Acme", "--division", "open"]) == 0
    silent = capsys.readouterr()
    assert "mlrepo: " not in silent.err
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "mlrepo: round is v5.0 (MLREPO_ROUND)" in said.err
    assert "mlrepo: " not in said.out
    assert main(["-v", "doctor", "--quick"]) == 0
    assert "mlrepo: runs git " in capsys.readouterr().err


def test_an_option_without_its_value_says_where_the_help_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Click's parser does not know the command."""
    from mlrepo.cli.main import main

    assert main(["bench", "run", "--model"]) == 2
    assert "`mlrepo bench run --help`" in capsys.readouterr().err
