"""A hub behind real servers: smart HTTP with tokens, and SSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlrepo.errors import RemoteUnavailable
from mlrepo.repository.discovery import ResultsRepository, find_repository
from mlrepo.repository.experiments import Experiment
from tests.curated import counting
from tests.e2e.driver import mlrepo
from tests.git_server import AFTER, Fault, GitServer, reset, status
from tests.machines_of_a_team import make_hub, make_machine, record, sync, tip, try_sync
from tests.samples import git
from tests.ssh_server import SSHD, SshServer

_HUB, _TOKEN = "acme/results", "secret-of-ada-0123456789"


@pytest.fixture
def server(results: ResultsRepository, tmp_path: Path) -> Iterator[GitServer]:
    """A Git server with a hub that only those read who have a token."""
    (tmp_path / "git" / "acme").mkdir(parents=True)
    make_hub(results, tmp_path / "git" / f"{_HUB}.git")
    server = GitServer(tmp_path / "git")
    server.tokens[_TOKEN] = "ada"
    server.private.add(_HUB)
    with server:
        yield server


@pytest.fixture
def url(server: GitServer) -> str:
    """The hub's URL with the token in it, as people should not have it and do."""
    return f"{server.url.replace('://', f'://ada:{_TOKEN}@')}/{_HUB}"


def test_over_http_with_a_token_that_is_never_shown(url: str, tmp_path: Path) -> None:
    """Two machines on one branch; neither the table nor JSON nor an error has the token."""
    alpha, beta = (make_machine(url, tmp_path / name) for name in ("alpha", "beta"))
    record(alpha, 0)
    record(beta, 1, system="alpha")
    said = [mlrepo(machine.root, "sync", "-v") for machine in (alpha, beta, alpha)]
    said += [mlrepo(alpha.root, "sync", "--json"), mlrepo(alpha.root, "sync")]
    assert tip(alpha) == tip(beta)
    assert len(counting(find_repository(alpha.root))) == 2
    git(beta.root, "remote", "set-url", "origin", f"{url}-of-nobody")
    said.append(mlrepo(beta.root, "sync", code=69))
    assert all(_TOKEN not in done.out + done.err for done in said)


def test_who_may_only_read_gets_all_and_is_told(
    server: GitServer, url: str, tmp_path: Path
) -> None:
    """What came stays; what would go waits."""
    alpha, beta = (make_machine(url, tmp_path / name) for name in ("alpha", "beta"))
    record(alpha, 0)
    sync(alpha)
    server.may_push = lambda login, full_name: False
    record(beta, 1, Experiment("beta"))
    report = try_sync(beta)
    assert (report.came.runs, report.waiting) == (1, ("exp/beta",))
    assert isinstance(report.problem, RemoteUnavailable)
    assert "the right to write there" in report.problem.hint
    done = mlrepo(beta.root, "sync", code=69)
    done.says("Waiting to go to origin: exp/beta", "403")
    server.may_push = lambda login, full_name: True
    assert sync(beta).went.runs == 1


def test_a_wrong_token_changes_nothing(server: GitServer, url: str, tmp_path: Path) -> None:
    """It expired."""
    alpha = make_machine(url, tmp_path / "alpha")
    record(alpha, 0)
    server.tokens.clear()
    with pytest.raises(RemoteUnavailable, match=r"Authentication failed|401"):
        try_sync(alpha)


def test_a_connection_that_breaks_after_the_push_is_found_out(
    server: GitServer, url: str, tmp_path: Path
) -> None:
    """The hub took it, and nobody was told; nothing is there twice."""
    alpha = make_machine(url, tmp_path / "alpha")
    record(alpha, 0)
    server.faults.append(Fault("POST .*git-receive-pack", reset, when=AFTER))
    report = sync(alpha)
    assert (report.pushed, report.went.runs) == (("exp/tuning",), 1)
    assert tip(server.path(_HUB)) == tip(alpha)
    again = sync(alpha)
    assert (again.pushed, again.waiting) == ((), ())
    server.faults.append(Fault("GET .*upload-pack", status(500)))
    with pytest.raises(RemoteUnavailable):
        try_sync(alpha)
    server.faults.append(Fault("GET .*receive-pack", status(500), times=99))
    record(alpha, 1)
    report = try_sync(alpha)
    assert report.problem is not None
    assert "run `mlrepo sync` again" in report.problem.hint
    assert report.waiting == ("exp/tuning",)


def test_the_hub_s_own_rules_are_told_by_branch(
    server: GitServer, url: str, tmp_path: Path
) -> None:
    """A hook that refuses one branch; the other goes."""
    alpha = make_machine(url, tmp_path / "alpha")
    hook = server.path(_HUB) / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ncase $1 in *exp/closed) exit 1;; esac\n")
    hook.chmod(0o755)
    record(alpha, 0, Experiment("closed"))
    record(alpha, 1, Experiment("open"))
    report = try_sync(alpha)
    assert report.pushed == ("exp/open",)
    assert [(one.branch, one.refused) for one in report.kept] == [("exp/closed", True)]
    assert "hook declined" in report.kept[0].why


@pytest.mark.skipif(SSHD is None, reason="sshd is not installed (openssh-server)")
def test_over_ssh(results: ResultsRepository, tmp_path: Path) -> None:
    """Two machines on one branch; a key that is not taken."""
    hub = make_hub(results, tmp_path / "hub.git")
    with SshServer(tmp_path / "ssh") as server:
        machines = []
        for name in ("alpha", "beta"):
            root = tmp_path / name
            command = f"core.sshCommand={server.command}"
            git(tmp_path, "clone", "--quiet", "-c", command, server.url(hub), str(root))
            machines.append(find_repository(root))
        alpha, beta = machines
        record(alpha, 0)
        record(beta, 1, system="alpha")
        sync(alpha)
        assert len(sync(beta).merged) == 1
        sync(alpha)
        assert tip(alpha) == tip(beta) == tip(hub)
        (server.directory / "authorized").write_text("")
        with pytest.raises(RemoteUnavailable, match="Permission denied"):
            try_sync(alpha)
    with pytest.raises(RemoteUnavailable, match="refused"):
        try_sync(alpha)
