"""A submitter's repository with a selection, and a forge with the official repository."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlrepo.proposal.selected import SelectedRun, selection_message
from tests.e2e.driver import Done, mlrepo
from tests.git_server import GitServer
from tests.github_double import GitHubDouble, allow, tip
from tests.samples import git, sample_run_id
from tests.submissions import SUBMITTER, write_submission

ROUND, TOKEN, LOGIN = "v6.1", "secret-of-ada-0123456789", "ada"
OFFICIAL, FORK = "mlcommons/submissions_inference_6_1", f"{LOGIN}/submissions_inference_6_1"
BRANCH = f"submission-{ROUND}-{SUBMITTER}"
# Another submitter's file that a partial copy must never fetch, let alone send on.
FOREIGN = "results of somebody else\n" * 50


@dataclass
class World:
    """All of it.

    Attributes
    ----------
    root:
        The submitter's results repository.
    server, github:
        The Git server, and the API in it.
    """

    root: Path
    server: GitServer
    github: GitHubDouble

    @property
    def official(self) -> Path:
        """The bare official repository."""
        return self.server.path(OFFICIAL)

    @property
    def fork(self) -> Path:
        """The bare fork; there is none at first."""
        return self.server.path(FORK)

    @property
    def settings(self) -> dict[str, str | None]:
        """The environment of a submitter who has set everything up."""
        return {
            "MLREPO_OFFICIAL_REPOSITORY": f"{self.server.url}/{OFFICIAL}",
            "MLREPO_OFFICIAL_API_URL": f"{self.server.url}/api/v3",
            "GH_TOKEN": TOKEN,
        }

    def submit(self, *arguments: str, code: int | None = 0, **environ: str | None) -> Done:
        """Run ``mlrepo submit --yes`` with short waits and return how it ended."""
        short = ("submit", "--yes", "--round", ROUND, "--timeout", "5", "--wait", "5")
        return mlrepo(self.root, *short, *arguments, code=code, **(self.settings | environ))

    def pulls(self) -> list[tuple[str, str]]:
        """Return head and state of every pull request."""
        return [(p.head, p.state) for p in self.github.pulls.get(OFFICIAL.lower(), [])]

    def selected(self) -> Mapping[str, str]:
        """Return each ``<division>/<submitter>`` and its tree, as selected."""
        lines = git(self.root, "ls-tree", f"submission/{ROUND}", "closed/", "open/").splitlines()
        return {line.partition("\t")[2]: line.split()[2] for line in lines}


def make_world(base: Path) -> None:
    """Make a valid submission of v6.1, select it, and publish an official repository."""
    root = base / "results"
    mlrepo(
        base,
        "init",
        "results",
        "--submitter",
        SUBMITTER,
        "--division",
        "closed",
        "--system",
        "alpha",
    )
    select(root, base / "tree")
    publish(base / "upstream", base / "git" / f"{OFFICIAL}.git")


def open_world(base: Path) -> World:
    """Return what :func:`make_world` made in ``base``, with a server that is not started yet."""
    server = GitServer(base / "git")
    server.tokens[TOKEN] = LOGIN
    github = GitHubDouble(server)
    github.add(OFFICIAL)
    return World(base / "results", server, github)


def select(root: Path, tree: Path, *, text: str = "", without: str = "") -> None:
    """Put a submission on the branch that ``mlrepo select`` writes; by default a valid one.

    ``text`` is for a file of the submitter's own, ``without`` leaves out files of that name.
    """
    write_submission(tree, ROUND)
    if text:
        (tree / "closed" / SUBMITTER / "calibration.md").write_text(text)
    for path in tree.rglob(without) if without else ():
        path.unlink()
    put_selection(root, tree)


def put_selection(root: Path, tree: Path) -> None:
    """Make a directory the selection of the round, as a commit of ``mlrepo select`` would."""
    index = {"GIT_INDEX_FILE": str(tree.with_suffix(".index"))}
    os.environ.update(index)
    try:
        git(root, f"--work-tree={tree}", "add", "--all", "--force", ".")
        written = git(root, "write-tree").strip()
    finally:
        del os.environ["GIT_INDEX_FILE"]
    runs = tuple(
        SelectedRun(str(path.relative_to(tree).parent), sample_run_id(number))
        for number, path in enumerate(sorted(tree.rglob("mlperf_log_detail.txt")))
    )
    message = selection_message(ROUND, runs, 3)
    ref = f"refs/heads/submission/{ROUND}"
    before = git(root, "rev-parse", "--quiet", "--verify", ref, ok=False).split()
    parents = [argument for commit in before for argument in ("-p", commit)]
    commit = git(root, "commit-tree", *parents, written, stdin=message).strip()
    git(root, "update-ref", ref, commit)


def publish(work: Path, bare: Path, files: Mapping[str, str] | None = None) -> str:
    """Commit files to the official repository, made when there is none; return the commit."""
    if not bare.is_dir():
        bare.parent.mkdir(parents=True, exist_ok=True)
        git(bare.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        allow(bare)
        git(bare.parent, "init", "--quiet", "--initial-branch=main", str(work))
        files = {
            "README.md": "# Submissions\n",
            "closed/Other/results/x/log.txt": FOREIGN,
            "open/Other/code/run.sh": "true\n",
        }
    for name, text in (files or {}).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "Submissions")
    git(work, "push", "--quiet", str(bare), "main")
    return tip(bare, "main")


def objects(bare: Path) -> set[str]:
    """Return the ids of all objects that a repository holds itself, reachable or not."""
    found = git(bare, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return set(found.split())


def one_of_each(world: World) -> str:
    """Assert that there is one branch, one commit and one open pull request; return the commit."""
    base = git(world.fork, "merge-base", "main", BRANCH).strip()
    commit = tip(world.fork, BRANCH)
    assert git(world.fork, "rev-list", f"{base}..{commit}").split() == [commit]
    assert git(world.official, "branch", "--contains", base).split()[-1] == "main"
    changed = git(world.fork, "diff-tree", "-r", "--name-only", base, commit).splitlines()
    assert all(path.startswith(tuple(f"{root}/" for root in world.selected())) for path in changed)
    for root, tree in world.selected().items():
        assert git(world.fork, "rev-parse", f"{commit}:{root}").strip() == tree
    assert world.pulls() == [(f"{LOGIN}:{BRANCH}", "open")]
    return commit
