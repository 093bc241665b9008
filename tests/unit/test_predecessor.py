"""CK commands are understood, or answered with the command to type."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path

import click
import pytest

from docs.generate import FROM_CK_TARGET, from_ck
from mlrepo.cli.bench.group import run
from mlrepo.cli.ck import todays_lines, translated
from mlrepo.cli.main import cli, main
from mlrepo.errors import UserError
from mlrepo.predecessor import (
    COMMANDS,
    FLAGS,
    REFERENCE_OPTIONS,
    VARIABLES,
    Handling,
    Word,
    table_rows,
)
from mlrepo.record.options import option_of
from mlrepo.record.run_request import RunRequest

_OWN = {flag for param in run.params for flag in param.opts}
_RUN = ["--model=digits", "--scenario=offline"]


def _parsed(*words: str) -> dict[str, object]:
    return run.make_context("run", [*_RUN, *words]).params


def test_the_page_is_made_of_the_table() -> None:
    """`make docs` writes it."""
    assert FROM_CK_TARGET.read_text() == from_ck(), "run `make docs`"


@pytest.mark.parametrize(
    ("typed", "here"),
    [
        ("ck pull repo:ck-mlperf-inference", "mlrepo system list --past"),
        (
            "ck install package --tags=mlperf,inference,results,v1.0 --env.PACKAGE_URL=https://x/y",
            "mlrepo clone https://x/y",
        ),
        (
            "ck install package --tags=mlperf,inference,results,dummy --install_path=there",
            "mlrepo init there --submitter NAME --division open",
        ),
        ("ck install package --tags=lib,python-package,onnx", "mlrepo bench prereq --backend NAME"),
        ("ck locate env --tags=mlperf,inference,results", "mlrepo path"),
        ("ck detect soft --tags=a --full_path=/x/README.md", "mlrepo init DIR --adopt"),
        ("ck detect platform.os --platform_init_uoa=rpi4", "mlrepo platform use rpi4"),
        ("ck ls platform.init", "mlrepo platform list"),
        ("ck cp platform.init:rpi4 local::mine", "mlrepo platform add mine --base rpi4"),
        ("ck find platform.init:mine", "mlrepo platform path mine"),
        ("ck set kernel --var.mlperf_inference_version=1.1", "mlrepo config set round 1.1"),
        ("ck set kernel --var.mlperf_inference_system=box", "mlrepo config set system box"),
        ("ck ls bench.mlperf.system:*", "mlrepo system list --past"),
        ("ck add bench.mlperf.system:box", "mlrepo system add box"),
        ("ck add local:bench.mlperf.system:box --base=old", "mlrepo system add box --base old"),
        ("ck find bench.mlperf.system:box", "mlrepo system path box"),
        ("ck run bench.mlperf.inference --help", "mlrepo help bench run"),
        (
            "ck run bench.mlperf.inference --framework=tvm-onnx --mode=prereq --quiet",
            "mlrepo bench prereq --backend tvm-onnx",
        ),
        ("ck run bench.mlperf.inference --mode=prereq", "mlrepo bench prereq --backend onnx"),
        (
            "ck run program:mlperf-inference-bench-image-classification-pytorch-cpu --mode=prereq",
            "mlrepo bench prereq --backend pytorch",
        ),
        (
            "ck run program:mlperf-inference-bench --cmd_key=x --mode=prereq --framework=tvm-onnx",
            "mlrepo bench prereq --backend tvm-onnx",
        ),
        ("ck run program:mlperf-inference-submission --cmd_key=check", "mlrepo check"),
        (
            "ck run program:mlperf-inference-submission --cmd_key=clean_truncate_accuracy_log",
            "mlrepo truncate --clean",
        ),
        ("ck zip bench.mlperf.inference", "mlrepo pack"),
        (
            "ck run bench.mlperf.inference --framework=tvm-onnx --model=resnet50 --mode=accuracy "
            '--scenario=offline --env.EXTRA_OPS="--count 500" --loadgen.threads=2 --target=cpu '
            "--dep_add_tags.model=v1.5-opset-11 --experiment_uoa=xyz --experiment_tags=a,b "
            "--compliance=yes --record_extra=yes --version=1.1 --skip_system_ext=yes --quiet",
            "mlrepo bench run --framework=tvm-onnx --model=resnet50 --mode=accuracy "
            "--scenario=offline --count 500 --threads 2 --device cpu "
            "--model-variant v1.5-opset-11 --experiment xyz --tag a --tag b "
            "--compliance --round 1.1 --skip-system-ext --quiet",
        ),
    ],
)
def test_a_command_is_answered_with_the_line_to_type(typed: str, here: str) -> None:
    """With the names that were typed."""
    lines = list(todays_lines(shlex.split(typed), _OWN))
    assert lines[-1] == here
    assert all(line.startswith("# ") for line in lines[:-1])


def test_a_flag_that_a_command_does_not_have_is_named() -> None:
    """Not dropped."""
    lines = list(todays_lines(["ck", "zip", "bench.mlperf.inference", "--other=1"], _OWN))
    assert lines == ["# --other=1 has no equivalent", "mlrepo pack"]


def _lines() -> list[str]:
    answers = [here for rows in table_rows().values() for _, here, _ in rows]
    return [here for here in dict.fromkeys(answers) if here.startswith("mlrepo ")]


@pytest.mark.parametrize("line", _lines())
def test_what_the_table_answers_exists(line: str) -> None:
    """Every command and every option in it."""
    for one in line.split(", mlrepo "):
        command: click.Command = cli
        for word in one.replace("[", "").replace("]", "").split():
            if word.startswith("--"):
                flags = {flag for param in command.params for flag in param.opts}
                assert word in flags | {"--version"}, (one, word)
            elif isinstance(command, click.Group) and not word.isupper() and word not in "mlrepo…":
                found = command.get_command(click.Context(command), word)
                assert found is not None, (one, word)
                command = found


@pytest.mark.parametrize("word", FLAGS, ids=lambda word: word.there)
def test_no_flag_is_ignored(word: Word) -> None:
    """It becomes an option, is said to be needless, or stops the command with what to type."""
    flag = word.there if "=" in word.there or word.treatment is Handling.SWITCH else None
    typed = flag or f"{word.there}{'x' if word.there.endswith('.') else ''}=value"
    if word.treatment is Handling.ANSWERED:
        with pytest.raises(UserError) as caught:
            translated([typed], _OWN)
        assert word.here.replace("BACKEND", "onnx") in caught.value.message
        return
    found = translated([typed], _OWN)
    if word.treatment is Handling.NEEDLESS:
        assert (found.words, len(found.remarks)) == ([], 1)
    else:
        assert found.words
        assert set(found.words[0].partition("=")[::2]) & {word.here.split()[0], typed.split("=")[0]}


def test_flags_fill_the_request() -> None:
    """As if the options had been typed."""
    values = _parsed(
        "--mode=performance",
        "--loadgen.count=5",
        "--env.EXTRA_OPS=--qps 3.5 --max-batchsize=2",
        "--env.CK_MLPERF_CMD_PREFIX=nice -n 1",
        "--env.LOADGEN_GENERATE_USER_CONF=*.Offline.a=1;b=2",
        "--experiment_tags=one,two",
        "--compliance=yes",
        "--clean=yes",
    )
    assert values["count"] == 5
    assert (values["qps"], values["max_batch"]) == (3.5, 2)
    assert values["prefix"] == ("nice", "-n", "1")
    assert values["extra"] == {"*.Offline.a": "1", "b": "2"}
    assert values["tags"] == ("one", "two")
    assert values["compliance"] is True


@pytest.mark.parametrize("flag", ["--model", "--benchmark"])
def test_a_model_s_name_is_taken_apart(flag: str) -> None:
    """`mlrepo model list` prints them so."""
    for words in ([flag, "resnet50/v1.5-opset-11"], [f"{flag}=resnet50/v1.5-opset-11"]):
        values = run.make_context("run", [*words, "--scenario=a", "--mode=accuracy"]).params
        assert (values["benchmark"], values["model_variant"]) == ("resnet50", "v1.5-opset-11")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("--mode=prereq", "mlrepo bench prereq --backend tvm-onnx"),
        ("--loadgen.performance_sample_count=3", "--set KEY=VALUE"),
        ("--env.OMP_NUM_THREADS=2", "OMP_NUM_THREADS=2 mlrepo bench"),
        ("--env.EXTRA_OPS=--find-peak-performance", "mlrepo bench peak"),
        ("--env.EXTRA_OPS=--count", "needs a value"),
        ('--env.EXTRA_OPS="', "cannot be read"),
        ("--env.MLPERF_TVM_TARGET=llvm", "--backend-opt mcpu=CPU"),
        ("--experiment_uoa=", "needs a value"),
        ("--compliance=maybe", "needs a value"),
    ],
)
def test_what_has_no_equivalent_stops_the_command(
    word: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2 and one message, before anything runs."""
    assert main(["bench", "run", "--framework=tvm-onnx", *_RUN, word]) == 2
    assert says in capsys.readouterr().err


def test_variables_of_ck_that_are_not_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command continues: here to the message that there is no repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLPERF_TVM_OPT_LEVEL", "3")
    monkeypatch.setenv("EXTRA_OPS", "--count 5")
    monkeypatch.setenv("CK_MLPERF_CMD_PREFIX", "nice")
    assert main(["bench", "run", *_RUN, "--mode=accuracy"]) == 2
    said = capsys.readouterr().err
    assert "MLPERF_TVM_OPT_LEVEL is set, but this command does not read it." in said
    assert "EXTRA_OPS is set" in said
    assert "CK_MLPERF_CMD_PREFIX" not in said
    assert main(["bench", "compliance", *_RUN]) == 2
    assert "CK_MLPERF_CMD_PREFIX is set" in capsys.readouterr().err


def test_the_options_read_the_variables_of_the_table() -> None:
    """No other ones, and all that it calls accepted."""
    read = {option_of(each).variable: option_of(each).flag for each in fields(RunRequest)}
    taken = {word.there: word.here for word in VARIABLES if word.treatment is Handling.TAKEN}
    assert {name: flag for name, flag in read.items() if name} == taken


def test_the_reference_s_options_are_options_here() -> None:
    """CK passed them on unchecked."""
    assert set(REFERENCE_OPTIONS.values()) <= _OWN


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("CK_MLPERF_SUBMITTER", "config set submitter"),
        ("--experiment_uoa", "--experiment"),
        ("user.1.1.conf", "systems/NAME/user.v1.1.conf"),
        ("mlperf_inference_version", "mlrepo config set round"),
    ],
)
def test_a_single_word_is_found(word: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Flags, variables, files and what CK's kernel holds."""
    assert main(["from-ck", word]) == 0
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("words", [["nonsense"], ["ck", "frobnicate"], ["ck"]])
def test_what_is_not_in_the_table_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """And the message says where the table is."""
    assert main(["from-ck", *words]) == 2
    assert "from-ck" in capsys.readouterr().err


def test_every_command_has_a_row_of_its_own() -> None:
    """No two rows answer the same words."""
    assert len({line.there for line in COMMANDS}) == len(COMMANDS)
