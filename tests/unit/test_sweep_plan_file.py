"""The file of a plan says what options say; nothing else of it is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.cli.bench.plan_file import words_of_file
from mlrepo.cli.bench.sweep import command
from mlrepo.errors import UserError


def _words(directory: Path, text: str, *typed: str) -> list[str]:
    path = directory / "plan.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return words_of_file(path, command.params, typed)


def test_keys_are_options_and_lists_are_axes(tmp_path: Path) -> None:
    """Scalars, lists, ranges, tables of keys, flags, and what is left out."""
    text = """
        benchmark = "digits"
        threads = [1, 2]
        qps = "10:400:log8"
        time = 2.0
        max-latency = [0.015, 1e-2]
        adaptive = true
        dry-run = false
        repeat = 3
        set.min_query_count = [100, 200]
        backend-opt = { streams = 2 }
        [[exclude]]
        threads = [1, 2]
        set.min_query_count = 100
    """
    assert _words(tmp_path, text) == [
        *("--benchmark", "digits", "--threads", "1", "--threads", "2", "--qps", "10:400:log8"),
        *("--time", "2", "--max-latency", "0.015", "--max-latency", "0.01", "--adaptive"),
        *("--repeat", "3", "--set", "min_query_count=100", "--set", "min_query_count=200"),
        *("--backend-opt", "streams=2"),
        *("--exclude", "threads=1,set.min_query_count=100"),
        *("--exclude", "threads=2,set.min_query_count=100"),
    ]


def test_what_is_typed_replaces_what_the_file_says(tmp_path: Path) -> None:
    """By parameter, whatever its name on the command line."""
    text = 'backend = "onnx"\nqps = 10'
    assert _words(tmp_path, text, "backends") == ["--qps", "10"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thread = 1", "Did you mean threads?"),
        ("threads = []", "empty list"),
        ("repeat = [1, 2]", "takes one value"),
        ("threads = [[1]]", "must be texts or numbers"),
        ("time = 2026-11-29", "must be texts or numbers"),
        ("threads.a = 1", "takes values only"),
        ('adaptive = "yes"', "must be true or false"),
        ("exclude = [1]", "list of tables"),
        ("threads = 1\nthreads = 2", "is not a plan"),
        ("threads = ", "is not a plan"),
        ("\udcff = 1", "is not a plan"),
        ("a = " + "[" * 2000 + "]" * 2000, "is not a plan"),
        ("#" * 300_000, "is not a plan"),
    ],
)
def test_what_no_option_means_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """In words that name the file and the key, and say what to write."""
    with pytest.raises(UserError) as refused:
        _words(tmp_path, text)
    assert said in refused.value.message
    assert "plan.toml" in refused.value.message
    assert refused.value.hint


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """None, a directory."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            words_of_file(path, command.params, ())
