"""Machines that record and synchronise at random, with the hub collecting garbage beside them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.sync import machines, one_branch


def test_every_machine_has_every_run_at_the_end(tmp_path: Path) -> None:
    """`python -m benchmarks.sync machines` tries eight machines with a hundred runs each."""
    assert "9 of 9 runs at every machine" in machines(tmp_path, 3, 3, seed=7)


def test_two_machines_on_one_branch_end_at_the_same_tree(tmp_path: Path) -> None:
    """`python -m benchmarks.sync branch` tries fifty runs each."""
    said = one_branch(tmp_path, 6, seed=4)
    assert "12 runs in runs/" in said
    assert "none with two configurations" in said
    assert ", 0 merges," not in said
