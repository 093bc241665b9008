"""``mlrepo submit``: from a selection to a pull request, on a real Git server with an API."""

from __future__ import annotations

import csv
import os
import platform
import pty
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlrepo.record import PERFORMANCE, Metric
from mlrepo.repository.discovery import find_repository
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from tests.e2e.driver import MLREPO, environment, everything, mlrepo
from tests.e2e.forge_world import (
    BRANCH,
    FOREIGN,
    FORK,
    LOGIN,
    OFFICIAL,
    ROUND,
    TOKEN,
    World,
    objects,
    one_of_each,
    publish,
    select,
)
from tests.git.test_recording import record
from tests.github_double import allow, tip
from tests.samples import git, sample_run_id
from tests.selections import Laboratory
from tests.submissions import SUBMITTER


def _others(before: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in before.items() if not name.startswith(".git/mlrepo/")}


def test_a_selection_becomes_one_pull_request(world: World) -> None:
    """The fork is made, one commit is pushed, and a draft with the results is opened."""
    before = _others(everything(world.root))
    done = world.submit("--json")
    commit = one_of_each(world)
    assert done.json["commit"] == commit
    assert done.json["pull_request"]["url"] == f"{world.server.url}/{OFFICIAL}/pull/1"
    [pull] = world.github.pulls[OFFICIAL]
    assert (pull.sha, pull.base, pull.draft) == (commit, "main", True)
    assert "| closed | `alpha` | `resnet50` | Offline | 2600.25 samples/s | 76.456 %" in pull.body
    message = git(world.fork, "show", "--no-patch", "--format=%B", commit)
    selected = git(world.root, "show", "--no-patch", "--format=%B", f"submission/{ROUND}")
    runs = [line for line in selected.splitlines() if line.startswith("MLRepo-Selected:")]
    assert runs
    assert set(runs) <= set(message.splitlines())
    assert _others(everything(world.root)) == before


def test_doing_it_again_changes_nothing(world: World) -> None:
    """Every step says that it was done before, and nothing is sent that changes something."""
    world.submit()
    refs = git(world.fork, "for-each-ref")
    asked = len(world.server.requests)
    done = world.submit("--json")
    assert git(world.fork, "for-each-ref") == refs
    one_of_each(world)
    states = {step["name"]: step["state"] for step in done.json["steps"]}
    assert {states[name] for name in ("commit", "fork", "push", "pull request")} == {"done before"}
    assert done.json["outgoing"] == {"files": 0, "bytes": 0}
    again = world.server.lines()[asked:]
    assert not [line for line in again if line.startswith(("POST /api", "PATCH"))]
    assert not [line for line in again if "receive-pack" in line]


def test_only_new_objects_are_pushed_and_no_foreign_file_is_fetched(world: World) -> None:
    """The partial copy has no file of anybody; the fork gets the commit's own objects only."""
    git(
        world.fork.parent.parent, "clone", "--quiet", "--bare", str(world.official), str(world.fork)
    )
    allow(world.fork)
    world.github.add(FORK, parent=OFFICIAL)
    before = objects(world.fork)
    world.submit()
    commit = one_of_each(world)
    new = objects(world.fork) - before
    wanted = git(world.fork, "rev-list", "--objects", commit, "^main")
    assert new == {line.split()[0] for line in wanted.splitlines()}
    foreign = git(world.root, "hash-object", "--stdin", stdin=FOREIGN).strip()
    [copy] = (world.root / ".git" / "mlrepo" / "official").glob("*.git")
    own = objects(copy) - objects(world.root)
    kinds = git(copy, "cat-file", "--batch-check=%(objecttype)", stdin="\n".join(own)).split()
    assert foreign not in objects(copy)
    assert set(kinds) == {"tree", "commit"}


def test_what_select_took_is_submitted_and_no_other_run(world: World, tmp_path: Path) -> None:
    """Of two results on two experiment branches one leaves; no object of the other does."""
    repository = find_repository(world.root)
    laboratory = Laboratory(Recorder(repository, git_identity(world.root)), tmp_path / "scratch")
    for scenario in laboratory.submission.scenarios:
        laboratory.result(scenario)
    slow = laboratory.run(
        "Offline",
        PERFORMANCE,
        experiment=Experiment("slow"),
        result=Metric(1.0, "samples/s"),
        configuration="b",
    )
    described = tmp_path / "tree" / "closed" / SUBMITTER / "systems" / "alpha.json"
    shutil.copy(described, world.root / "systems" / "alpha" / "system.json")
    git(world.root, "commit", "--quiet", "--all", "--message", "Describe the system")
    git(world.root, "update-ref", "-d", f"refs/heads/submission/{ROUND}")
    mlrepo(world.root, "select", "--round", ROUND)
    world.submit()
    commit = one_of_each(world)
    assert slow not in git(world.fork, "show", "--no-patch", commit)
    record = git(world.root, "rev-parse", f"exp/slow:runs/{slow}/run.json").strip()
    raw = git(world.root, "rev-list", "--objects", "exp/slow", "exp/box").splitlines()
    selected = git(world.root, "rev-list", "--objects", f"submission/{ROUND}").splitlines()
    private = {line[:40] for line in raw} - {line[:40] for line in selected}
    assert record in private
    assert not private & objects(world.fork)


def test_a_new_selection_replaces_the_old_one_on_the_base_of_today(
    world: World, tmp_path: Path
) -> None:
    """The branch still holds one commit, now on the moved base, and the request says so."""
    world.submit()
    first = tip(world.fork, BRANCH)
    [pull] = world.github.pulls[OFFICIAL]
    pull.body = f"Please look at the calibration.\r\n{pull.body}\r\nThank you."
    pull.title = "For the group"
    base = publish(tmp_path / "upstream", world.official, {"open/Third/x.txt": "third\n"})
    select(world.root, tmp_path / "tree", text="Calibrated again.\n")
    done = world.submit()
    done.says("brought up to date")
    commit = one_of_each(world)
    assert commit != first
    assert git(world.fork, "rev-parse", f"{commit}^").strip() == base
    assert git(world.root, "rev-parse", f"submission/{ROUND}").strip() in pull.body
    assert pull.title == "For the group"
    assert pull.body.startswith("Please look at the calibration.")
    assert pull.body.endswith("Thank you.")


def test_a_moved_base_does_not_disturb_a_submission_that_stands(
    world: World, tmp_path: Path
) -> None:
    """The branch stays as reviewers saw it: its base is still the official repository's."""
    world.submit()
    commit = one_of_each(world)
    publish(tmp_path / "upstream", world.official, {"open/Third/x.txt": "third\n"})
    world.submit()
    assert one_of_each(world) == commit


def test_a_dry_run_tells_every_step_and_sends_nothing(world: World) -> None:
    """No fork, no push, no request; each step is there with its state."""
    done = world.submit("--dry-run", "--json")
    assert [(step["name"], step["state"]) for step in done.json["steps"]] == [
        ("selection", "done"),
        ("check", "done"),
        ("base", "done"),
        ("commit", "done"),
        ("scan", "done"),
        ("embargo", "done"),
        ("fork", "to do"),
        ("push", "to do"),
        ("pull request", "to do"),
    ]
    assert not world.fork.exists()
    assert not [line for line in world.server.lines() if line.startswith(("POST /api", "PATCH"))]
    assert not [line for line in world.server.lines() if "receive-pack" in line]
    assert done.json["outgoing"]["files"] > 0


def test_an_accepted_submission_is_done(world: World) -> None:
    """When the official branch holds the results, however they came there, nothing is sent."""
    world.submit()
    git(world.official, "fetch", "--quiet", str(world.fork), BRANCH)
    git(world.official, "update-ref", "refs/heads/main", "FETCH_HEAD")
    world.github.close(1, merged=True)
    git(world.fork, "update-ref", "-d", f"refs/heads/{BRANCH}")
    world.submit().says("the official branch holds this submission")
    assert tip(world.fork, BRANCH) == ""
    assert world.pulls() == [(f"{LOGIN}:{BRANCH}", "closed")]


def test_a_closed_request_is_for_people_to_reopen(world: World) -> None:
    """A second request would go behind the back of whoever closed the first."""
    world.submit()
    world.github.close(1)
    world.submit(code=2).says("closed without being merged", "--branch")
    assert len(world.pulls()) == 1
    world.submit("--branch", "second-try")
    assert world.pulls()[1] == (f"{LOGIN}:second-try", "open")


def test_work_of_others_on_the_branch_is_never_overwritten(world: World, tmp_path: Path) -> None:
    """A commit that somebody put on top stays."""
    world.submit()
    git(tmp_path, "clone", "--quiet", "--branch", BRANCH, str(world.fork), "clone")
    (tmp_path / "clone" / "note.txt").write_text("mine\n")
    git(tmp_path / "clone", "add", ".")
    git(tmp_path / "clone", "commit", "--quiet", "--message", "A note")
    git(tmp_path / "clone", "push", "--quiet", "origin", BRANCH)
    theirs = tip(world.fork, BRANCH)
    world.submit(code=2).says("which mlrepo did not make", "--branch NAME")
    assert tip(world.fork, BRANCH) == theirs


def test_an_old_clone_does_not_replace_a_newer_submission(world: World, tmp_path: Path) -> None:
    """What is submitted must build on what was; --replace is for those who know better."""
    old = tip(world.root / ".git", f"submission/{ROUND}")
    select(world.root, tmp_path / "tree", text="Calibrated again.\n")
    world.submit()
    newer = tip(world.fork, BRANCH)
    git(world.root, "update-ref", f"refs/heads/submission/{ROUND}", old)
    world.submit(code=2).says("is not based on it", "git fetch", "--replace")
    assert tip(world.fork, BRANCH) == newer
    world.submit("--replace")
    assert tip(world.fork, BRANCH) != newer
    one_of_each(world)


def test_whoever_may_push_to_the_official_repository_needs_no_fork(world: World) -> None:
    """The branch goes into the official repository itself."""
    world.server.may_push = lambda login, full_name: True
    world.submit("--fork", OFFICIAL)
    assert tip(world.official, BRANCH)
    assert world.pulls() == [(f"mlcommons:{BRANCH}", "open")]
    assert not world.fork.exists()


def test_a_fork_of_an_organisation_under_another_name(world: World) -> None:
    """--fork OWNER/NAME is made there, and found again."""
    world.submit("--fork", "ada-lab/mlperf", "--ready")
    assert world.pulls() == [(f"ada-lab:{BRANCH}", "open")]
    assert not world.github.pulls[OFFICIAL][0].draft
    world.submit("--fork", "ada-lab/mlperf").says("done before pull request")


def test_a_repository_that_is_no_fork_is_left_alone(world: World) -> None:
    """One's own repository of the same name is not pushed to."""
    shutil.copytree(world.official, world.fork)
    world.github.add(FORK)
    world.submit(code=2).says("is not a fork of", "--fork")
    assert tip(world.fork, BRANCH) == ""


def test_the_token_is_nowhere_but_in_headers(world: World) -> None:
    """Not in any URL, output, file of the repository, or argument of git."""
    log = world.root.parent / "arguments"
    shim = world.root.parent / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nexec {shutil.which("git")} "$@"\n')
    shim.chmod(0o755)
    done = world.submit(PATH=f"{shim.parent}:{os.environ['PATH']}")
    assert "push" in log.read_text()
    assert TOKEN not in done.out + done.err + log.read_text() + "".join(world.server.lines())
    for path in world.root.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    signed = [request for request in world.server.requests if request.token]
    assert {request.token for request in signed} == {TOKEN}
    assert all(request.token for request in world.server.requests if "/api/" in request.line)


@pytest.mark.parametrize("source", ["GITHUB_TOKEN", "gh", "credential helper"])
def test_the_token_comes_from_where_people_keep_it(world: World, source: str) -> None:
    """The other variable, GitHub's own tool, Git's credential helper."""
    environ: dict[str, Any] = {"GH_TOKEN": None}
    if source == "GITHUB_TOKEN":
        environ["GITHUB_TOKEN"] = TOKEN
    elif source == "gh":
        gh = world.root.parent / "bin" / "gh"
        gh.parent.mkdir()
        host = world.server.url.removeprefix("http://")
        gh.write_text(f'#!/bin/sh\n[ "$*" = "auth token --hostname {host}" ] && echo {TOKEN}\n')
        gh.chmod(0o755)
        environ["PATH"] = f"{gh.parent}:{os.environ['PATH']}"
    else:
        helper = f"!f() {{ echo username=ada; echo password={TOKEN}; }}; f"
        git(world.root, "config", "credential.helper", helper)
    world.submit(**environ)
    one_of_each(world)


def test_a_token_that_no_header_can_hold_is_not_repeated(world: World) -> None:
    """A line break from a file, say; the message names where the token came from."""
    done = world.submit(code=2, GH_TOKEN="hunter\n2000")
    done.says("token from GH_TOKEN", "line breaks")
    assert "hunter" not in done.out + done.err


def test_no_token_is_said_before_anything_is_asked(world: World) -> None:
    """The message names the ways to give one."""
    world.submit(code=2, GH_TOKEN=None).says("no token", "GH_TOKEN", "gh auth login")
    assert world.server.requests == []


def test_a_repository_cannot_send_the_token_to_its_own_server(world: World) -> None:
    """GH_TOKEN goes to an API that the user named, not to one that came with a repository."""
    for key in ("official.repository", "official.api_url"):
        name = f"MLREPO_{key.upper().replace('.', '_')}"
        mlrepo(world.root, "config", "set", key, str(world.settings[name]))
    from_file: dict[str, Any] = {
        "MLREPO_OFFICIAL_REPOSITORY": None,
        "MLREPO_OFFICIAL_API_URL": None,
    }
    world.submit(code=2, **from_file).says("no token", "GH_HOST")
    assert world.server.requests == []
    world.submit(**from_file, GH_HOST=world.server.url.removeprefix("http://"))
    one_of_each(world)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OFFICIAL_REPOSITORY", "https://ada:hunter2000@example.org/a/b", "holds credentials"),
        ("OFFICIAL_REPOSITORY", "--upload-pack=touch pwned", "is not the URL"),
        ("OFFICIAL_REPOSITORY", "ext::sh -c touch% pwned", "is not the URL"),
        ("OFFICIAL_REPOSITORY", "", "official.repository is not set"),
        ("OFFICIAL_API_URL", "http://example.org/api/v3", "must be https"),
        ("OFFICIAL_API_URL", "https://[", "must be https"),
    ],
)
def test_hostile_and_missing_settings_are_refused(
    world: World, name: str, value: str, said: str
) -> None:
    """Before anything is asked or run; passwords are not repeated."""
    done = world.submit(code=2, **{f"MLREPO_{name}": value})
    done.says(said)
    assert "hunter2000" not in done.out + done.err
    assert not list(world.root.rglob("pwned"))


def test_an_invalid_submission_stays_here(world: World, tmp_path: Path) -> None:
    """The findings are told; nothing is asked of any server."""
    shutil.rmtree(tmp_path / "tree")
    select(world.root, tmp_path / "tree", without="accuracy.txt")
    world.submit(code=1).says("is not valid (strict)", "accuracy.txt", "mlrepo check")
    assert world.server.requests == []


def test_a_secret_stays_here(world: World, tmp_path: Path) -> None:
    """File and line are told, the secret is not repeated, nothing is pushed."""
    secret = "ghp_" + "a1B2" * 9
    select(world.root, tmp_path / "tree", text=f"Calibrated.\ntoken {secret}\n")
    done = world.submit(code=1)
    done.says("calibration.md:2", "GitHub token", "Nothing leaves")
    assert secret not in done.out + done.err
    assert not world.fork.exists()


def test_a_file_over_the_limit_stays_here(world: World, tmp_path: Path) -> None:
    """GitHub would refuse the push after all of it was sent."""
    select(world.root, tmp_path / "tree", text="x" * (100 * 1024 * 1024 + 1))
    world.submit(code=1).says("calibration.md", "too large")
    assert not world.fork.exists()


def test_results_wait_for_the_embargo(world: World) -> None:
    """A public repository is told from a private one by the forge, whatever the settings say."""
    early: dict[str, Any] = {
        "MLREPO_EMBARGO": "2999-01-01",
        "MLREPO_OFFICIAL_VISIBILITY": "private",
        "MLREPO_PRIVATE_REMOTES": f"{world.server.url}/{OFFICIAL}.git",
    }
    world.submit(code=2, **early).says("Anybody can read", "2999-01-01")
    assert not world.fork.exists()
    world.github.repositories[OFFICIAL].private = True
    world.server.private.add(OFFICIAL)
    world.submit(MLREPO_EMBARGO="2999-01-01")
    one_of_each(world)


def test_a_public_fork_of_a_private_repository_is_public(world: World) -> None:
    """The place that is pushed to counts too."""
    world.github.repositories[OFFICIAL].private = True
    shutil.copytree(world.official, world.fork)
    world.github.add(FORK, parent=OFFICIAL)
    world.submit(code=2, MLREPO_EMBARGO="2999-01-01").says("Anybody can read", FORK)
    assert tip(world.fork, BRANCH) == ""


def test_without_a_terminal_results_leave_only_on_request(world: World) -> None:
    """--yes is asked for before any work."""
    done = mlrepo(world.root, "submit", code=2, **world.settings)
    done.says("no terminal", "--yes", "--dry-run")
    assert world.server.requests == []


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 130)])
def test_on_a_terminal_the_user_is_asked(world: World, answer: str, code: int) -> None:
    """What leaves, where to, and who can read it; no is no."""
    master, slave = pty.openpty()
    os.write(master, f"{answer}\n".encode())
    ran = subprocess.run(
        [*MLREPO, "submit", "--round", ROUND],
        cwd=world.root,
        env=environment(**world.settings),
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        timeout=60,
        check=False,
    )
    os.close(slave)
    said = os.read(master, 1 << 16).decode()
    os.close(master)
    assert ran.returncode == code, said
    assert f"About to push to {FORK}, branch {BRANCH}. Anybody can read it." in said
    assert "new file contents leave" in said
    assert bool(tip(world.fork, BRANCH) if world.fork.exists() else "") is (code == 0)


def test_two_at_once_do_it_once(world: World) -> None:
    """The second one waits a second, then says who holds the lock."""
    command = [*MLREPO, "submit", "--yes", "--round", ROUND]
    both = [
        subprocess.Popen(
            command,
            cwd=world.root,
            env=environment(**world.settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    codes = sorted(process.wait(60) for process in both)
    assert codes in ([0, 0], [0, 75]), [process.communicate()[1] for process in both]
    one_of_each(world)


def test_another_git_server_gets_the_branch_and_people_the_link(world: World) -> None:
    """No API is asked; what the server says after the push is shown."""
    hook = world.official / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\necho 'Create a pull request: https://example.org/new' >&2\n")
    hook.chmod(0o755)
    plain: dict[str, Any] = {
        "MLREPO_OFFICIAL_REPOSITORY": str(world.official),
        "MLREPO_OFFICIAL_API_URL": None,
        "GH_TOKEN": None,
    }
    world.submit(code=2, **plain).says("no fork to push to", "official.fork")
    done = world.submit("--fork", str(world.official), **plain)
    done.says("https://example.org/new", "open it by hand", BRANCH)
    commit = tip(world.official, BRANCH)
    assert git(world.official, "rev-parse", f"{commit}^").strip() == tip(world.official, "main")
    assert world.server.requests == []
    world.submit("--fork", str(world.official), **plain).says("done before push")


def test_gitlab_opens_the_request_by_push_options(world: World) -> None:
    """The options that GitLab documents reach the server, each on one line."""
    hook = world.official / "hooks" / "pre-receive"
    told = world.root.parent / "options"
    hook.write_text(
        "#!/bin/sh\ni=0\nwhile [ $i -lt ${GIT_PUSH_OPTION_COUNT:-0} ]; do\n"
        f'eval "printf \'%s\\n\' \\"\\$GIT_PUSH_OPTION_$i\\"" >> {told}\ni=$((i+1))\ndone\n'
    )
    hook.chmod(0o755)
    git(world.official, "config", "receive.advertisePushOptions", "true")
    world.submit(
        "--fork",
        str(world.official),
        MLREPO_OFFICIAL_REPOSITORY=str(world.official),
        MLREPO_OFFICIAL_FORGE="gitlab",
        MLREPO_OFFICIAL_API_URL=None,
    )
    options = told.read_text().splitlines()
    assert options[:2] == ["merge_request.create", "merge_request.target=main"]
    assert options[-1] == "merge_request.draft"
    assert [option.partition("=")[0] for option in options] == [
        "merge_request.create",
        "merge_request.target",
        "merge_request.title",
        "merge_request.description",
        "merge_request.draft",
    ]
    assert "| Offline | 2600.25 samples/s |" in options[3]


def test_an_anonymous_reader_proves_a_server_public(world: World) -> None:
    """Where no API tells, an anonymous look does; the settings cannot talk it away."""
    environ: dict[str, Any] = {
        "MLREPO_OFFICIAL_FORGE": "git",
        "MLREPO_EMBARGO": "2999-01-01",
        "MLREPO_OFFICIAL_VISIBILITY": "private",
        "MLREPO_OFFICIAL_API_URL": None,
    }
    fork = f"{world.server.url}/{OFFICIAL}"
    world.submit("--fork", fork, code=2, **environ).says("Anybody can read", OFFICIAL)
    assert tip(world.official, BRANCH) == ""


def test_help_needs_neither_repository_nor_network(tmp_path: Path) -> None:
    """As every command's."""
    assert "--dry-run" in mlrepo(tmp_path, "submit", "--help").out
    mlrepo(tmp_path, "submit", "--yes", code=2).says("not inside a results repository")


def test_the_repository_s_own_configuration_holds(world: World, tmp_path: Path) -> None:
    """Who commits, which key signs, how a remote is reached: read where users set it."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    key, allowed = tmp_path / "key", tmp_path / "allowed"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed.write_text(f"lea@example.org {key.with_suffix('.pub').read_text()}")
    for name, value in (
        ("user.name", "Lea Local"),
        ("user.email", "lea@example.org"),
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
        ("commit.gpgSign", "true"),
        (f"url.{world.server.url}/.insteadOf", "https://forge.example.org/"),
    ):
        git(world.root, "config", name, value)
    nobody: dict[str, Any] = dict.fromkeys(
        f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    )
    url = f"https://forge.example.org/{OFFICIAL}.git"
    world.server.tokens["local"] = LOGIN
    git(
        world.root,
        "config",
        "credential.helper",
        "!f() { echo username=a; echo password=local; }; f",
    )
    world.server.may_push = lambda login, full_name: login == LOGIN
    world.submit(
        "--fork",
        url,
        MLREPO_OFFICIAL_REPOSITORY=url,
        MLREPO_OFFICIAL_API_URL=None,
        GH_TOKEN=None,
        **nobody,
    )
    git(world.official, "config", "gpg.ssh.allowedSignersFile", str(allowed))
    assert "Good" in git(world.official, "verify-commit", BRANCH, ok=False)
    assert git(world.official, "log", "-1", "--format=%an", BRANCH) == "Lea Local\n"
    assert {request.token for request in world.server.requests} == {"", "local"}
    world.submit(
        "--fork",
        url,
        MLREPO_OFFICIAL_REPOSITORY=url,
        MLREPO_OFFICIAL_API_URL=None,
        GH_TOKEN=None,
        **nobody,
    ).says("done before push")


@pytest.mark.parametrize("lock", ["shallow.lock", "config.lock", "refs/official/main.lock"])
def test_a_lock_that_a_killed_git_left_stops_nobody(world: World, lock: str) -> None:
    """The copy of the official repository is made anew; it holds nothing of value."""
    world.submit("--dry-run")
    [copy] = (world.root / ".git" / "mlrepo" / "official").glob("*.git")
    (copy / lock).touch()
    world.submit()
    one_of_each(world)
    assert not (copy / lock).exists()


def test_metrics_and_percentiles_are_attached_on_request(world: World) -> None:
    """Of the submitted logs only; shown before, added to an open request, kept, and replaced."""
    experiment = "private-experiment"
    recorder = Recorder(find_repository(world.root), git_identity(world.root))
    record(recorder, sample_run_id(99), Experiment(experiment))
    shown = world.submit("--attach-table", "--dry-run")
    shown.says("Attached to the pull request's text", "metrics and percentiles: ")
    planned = world.submit("--attach-table", "--dry-run", "--json").json["attached"]
    assert planned in shown.out
    assert world.pulls() == []
    world.submit()
    [pull] = world.github.pulls[OFFICIAL]
    assert "mlrepo:attached" not in pull.body
    commit = tip(world.fork, BRANCH)
    pull.body = f"Ada wrote this.\n\n{pull.body}"
    done = world.submit("--attach-table", "--json")
    assert done.json["attached"] == planned
    assert planned in pull.body
    assert tip(world.fork, BRANCH) == commit
    assert pull.body.startswith("Ada wrote this.")
    table, _, rest = planned.partition("```csv\n")
    assert "| closed | `alpha` | `resnet50` | Offline | run_1 |" in table
    assert "`samples_per_second (1/s)`" in table
    rows = list(csv.DictReader(rest.partition("```")[0].splitlines()))
    assert {row["scenario"] for row in rows} == {"Offline", "SingleStream", "MultiStream"}
    assert {"p50", "p99", "p99.9"} <= {row["percentile"] for row in rows}
    log = git(
        world.root,
        "show",
        f"submission/{ROUND}:closed/{SUBMITTER}/results/alpha/resnet50/SingleStream/performance/"
        "run_1/mlperf_log_detail.txt",
    )
    [p99] = [
        float(row["latency (ms)"])
        for row in rows
        if (row["scenario"], row["percentile"]) == ("SingleStream", "p99")
    ]
    assert f'"result_99.00_percentile_latency_ns", "value": {round(p99 * 1e6)},' in log
    for private in (sample_run_id(99), experiment, platform.node()):
        assert private not in planned
    before = pull.body
    world.submit().says("done before pull request")
    world.submit("--attach-table").says("done before pull request")
    assert pull.body == before
    one_of_each(world)


def test_what_is_attached_is_of_the_selection_that_is_submitted(
    world: World, tmp_path: Path
) -> None:
    """A new selection replaces it, and without the option it goes: it would be of other results."""
    world.submit("--attach-table")
    [pull] = world.github.pulls[OFFICIAL]
    select(world.root, tmp_path / "tree", text="Calibrated again.\n")
    world.submit("--attach-table")
    assert pull.body.count("mlrepo:attached") == 1
    select(world.root, tmp_path / "tree", text="And again.\n")
    world.submit()
    assert "mlrepo:attached" not in pull.body
    assert "| Offline | 2600.25 samples/s |" in pull.body


def test_nothing_is_attached_under_an_embargo_or_where_no_text_can_be(world: World) -> None:
    """Refused as the submission is; for a forge whose requests mlrepo does not write, by name."""
    world.submit("--attach-table", code=2, MLREPO_EMBARGO="2999-01-01").says("Anybody can read")
    plain: dict[str, Any] = {
        "MLREPO_OFFICIAL_REPOSITORY": str(world.official),
        "MLREPO_OFFICIAL_API_URL": None,
        "GH_TOKEN": None,
    }
    fork = ("--fork", str(world.official))
    world.submit(*fork, "--attach-table", code=2, **plain).says("Nothing can be attached", "Git")
    world.submit("--attach-table", "--check", code=2).says("--check opens none")
    assert tip(world.official, BRANCH) == ""
    assert world.pulls() == []


def test_an_open_request_gets_no_more_text_under_an_embargo(world: World) -> None:
    """Also where nothing is left to be pushed."""
    world.submit()
    [pull] = world.github.pulls[OFFICIAL]
    before = pull.body
    world.submit("--attach-table", code=2, MLREPO_EMBARGO="2999-01-01").says("Anybody can read")
    assert pull.body == before
