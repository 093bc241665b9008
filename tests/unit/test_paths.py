"""Paths are parsed once; accepted ones are safe in every Git tree and file system."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath, name_problem
from tests.samples import git

_TRICKY = 'abZ09._+@=(),- gitGIT~/\\:*?"<>|\n\t\0é\u200c'


@pytest.mark.parametrize(
    "text",
    [
        "closed/Acme Inc/results/a+b@c=(d),e/resnet50/Offline/performance/run_1/mlperf_log.txt",
        "mlrepo.toml",
        ".gitignore",
        ".gitattributes",
        ".github/workflows/check.yml",
        "systems/alpha/.gitkeep",
        " leading space",
        "x" * 255,
        "console",
        "com10",
    ],
)
def test_paths_of_results_repositories_are_accepted(text: str) -> None:
    """The names that published repositories hold, spaces and all, come back as they were."""
    assert str(RepoPath.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/absolute",
        "a//b",
        "a/",
        ".",
        "..",
        "a/../b",
        "a/./b",
        "back\\slash",
        "new\nline",
        "tab\t",
        "nul\0",
        "-option",
        "a/-option",
        "dot.",
        "space ",
        "...",
        "C:",
        "a:b",
        "caf\u00e9",
        "x" * 256,
        ".git",
        ".GIT",
        "a/.Git/config",
        ".git\u200c",
        "git~1",
        ".gitmodules",
        "a/.gitignore",
        ".gitattributes/x",
        ".gitkeep/x",
        ".github",
        "a/.github",
        ".GitHub",
        "con",
        "CON",
        "a/nul.txt",
        "LPT1.log",
    ],
)
def test_paths_that_could_escape_or_surprise_are_refused(text: str) -> None:
    """Traversal, Git's own names in any case, and names that some system cannot hold."""
    with pytest.raises(UserError, match="cannot be a path") as refused:
        RepoPath.parse(text)
    assert refused.value.hint


@given(st.text(_TRICKY, max_size=12))
def test_an_accepted_path_stays_below_the_root(text: str) -> None:
    """Whatever is accepted is relative, in normal form, and inside what it is joined to."""
    try:
        path = RepoPath.parse(text)
    except UserError:
        return
    root = Path("/root/of/tree")
    assert (root / str(path)).resolve().is_relative_to(root)
    assert Path(str(path)).parts == path.parts == tuple(path)
    assert RepoPath.parse(str(path)) == path
    assert all(name_problem(part) == "" for part in path.parts[1:])


def test_git_accepts_every_accepted_path(tmp_path: Path) -> None:
    """With all its protections on, git takes what is accepted here and fsck has no complaint."""
    names = {"".join(pair) for pair in zip(_TRICKY, reversed(_TRICKY), strict=True)}
    names |= {a + b + c for a in ".gG a-" for b in "itIT~. " for c in "tT1. k"}
    names |= {f".git{tail}" for tail in ("", "ignore", "keep", "attributes", "hub", "modules", "x")}
    accepted = []
    for name in names:
        for text in (name, f"{name}/file", f"d/{name}", f"d/{name}/file"):
            try:
                accepted.append(RepoPath.parse(text))
            except UserError:
                continue
    assert len(accepted) > 100
    git(tmp_path, "init", "--quiet")
    for name in ("core.protectNTFS", "core.protectHFS"):
        git(tmp_path, "config", name, "true")
    blob = git(tmp_path, "hash-object", "-w", "--stdin", stdin="").strip()
    for depth in sorted({len(path.parts) for path in accepted}):  # a name is file or directory
        paths = [path for path in accepted if len(path.parts) == depth]
        lines = "".join(f"100644 {blob}\t{path}\n" for path in paths)
        git(tmp_path, "read-tree", "--empty")
        git(tmp_path, "update-index", "--index-info", stdin=lines)
        tree = git(tmp_path, "write-tree").strip()
        assert len(git(tmp_path, "ls-files").splitlines()) == len(set(paths))
        commit = git(tmp_path, "commit-tree", tree, "-m", "paths").strip()
        git(tmp_path, "update-ref", f"refs/heads/depth-{depth}", commit)
    git(tmp_path, "fsck", "--strict")


def test_paths_join_compare_and_name() -> None:
    """Joining parses what is joined; order is that of the components."""
    path = RepoPath.parse("runs") / "20261123T000000Z-000000" / "run.json"
    assert path == RepoPath(("runs", "20261123T000000Z-000000", "run.json"))
    assert path.name == "run.json"
    assert RepoPath.parse("a") / RepoPath.parse("b/c") == RepoPath.parse("a/b/c")
    assert RepoPath.parse("a/b") < RepoPath.parse("a.b")
    with pytest.raises(UserError):
        path / "../../x"


def test_the_problem_of_a_name_is_told() -> None:
    """One component is judged as if it stood below the root."""
    assert name_problem("Acme Inc") == ""
    assert "not allowed" in name_problem("a/b")
    assert "Git itself" in name_problem(".gitignore")
