"""Any failure on the way to a pull request: a clear message, and the same command completes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import finish, start, until
from tests.e2e.forge_world import (
    BRANCH,
    FORK,
    LOGIN,
    OFFICIAL,
    ROUND,
    World,
    one_of_each,
    publish,
    select,
)
from tests.git_server import AFTER, Answer, Fault, reset, slow, status
from tests.github_double import tip
from tests.samples import git

_API = r" /api/v3/repos/[^/]+/[^/]+"
# Each request of a submission that finds nothing yet, in order.
STEPS = {
    "official": rf"GET /api/v3/repos/{OFFICIAL}$",
    "base": rf"/{OFFICIAL}\.git/",
    "user": "GET /api/v3/user$",
    "list": rf"GET{_API}/pulls\?",
    "ask fork": rf"GET /api/v3/repos/{FORK}$",
    "make fork": f"POST{_API}/forks$",
    "read fork": rf"/{FORK}\.git/.*upload-pack",
    "push": rf"POST /{FORK}\.git/git-receive-pack",
    "open": f"POST{_API}/pulls$",
}
# Hours away: this module is read when the whole run begins, and its tests come at any time of it.
_RESET = str(int(time.time()) + 6 * 3600)
_LIMITED = json.dumps({"message": "API rate limit exceeded for ada."}).encode()
FAULTS: Mapping[str, tuple[Callable[[Any], Answer | bool | None], int, tuple[str, ...]]] = {
    "401": (status(401, b'{"message": "Bad credentials"}'), 69, ("GH_TOKEN",)),
    "403": (status(403, b'{"message": "Must have push access"}'), 69, ("token",)),
    "404": (status(404, b'{"message": "Not Found"}'), 69, ("not found",)),
    "limit": (
        status(403, _LIMITED, X_RateLimit_Remaining="0", X_RateLimit_Reset=_RESET),
        69,
        ("limit exceeded",),
    ),
    "500": (status(500, b'{"message": "Server Error"}'), 69, ("500", "run the command again")),
    "502": (status(502, b"<html>Bad gateway</html>"), 69, ("502", "run the command again")),
    "reset": (reset, 69, ("run the command again",)),
}
_DIAGONAL = [
    ("official", "401"),
    ("official", "limit"),
    ("base", "404"),
    ("base", "500"),
    ("user", "reset"),
    ("list", "502"),
    ("ask fork", "403"),
    ("make fork", "403"),
    ("make fork", "500"),
    ("read fork", "401"),
    ("push", "403"),
    ("push", "reset"),
    ("open", "limit"),
    ("open", "500"),
    ("open", "404"),
    ("open", "reset"),
]


def _fails_then_completes(world: World, step: str, name: str) -> None:
    act, code, words = FAULTS[name]
    if step in ("base", "read fork", "push") and name == "limit":
        words = ("403",)  # git sees no more of it
    if (step, name) == ("push", "404"):
        words = ("404",)
    unready = name == "404" and step in ("ask fork", "read fork")
    unknown = step == "make fork" and name in ("500", "502", "reset")
    if unready or unknown:
        code, words = 75, ("is not ready", "run the command again")
    world.server.faults = [Fault(STEPS[step], act, times=1000)]
    world.submit("--wait", "1", code=code).says(*words)
    assert world.pulls() == []
    world.server.faults = []
    world.submit()
    one_of_each(world)


@pytest.mark.parametrize(("step", "fault"), _DIAGONAL)
def test_a_step_that_fails_is_completed_by_the_same_command(
    world: World, step: str, fault: str
) -> None:
    """Each step and each kind of failure at least once, with message and exit code."""
    _fails_then_completes(world, step, fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_any_failure_of_any_step_is_completed_by_the_same_command(
    world: World, step: str, fault: str
) -> None:
    """All of them."""
    _fails_then_completes(world, step, fault)


def test_the_limit_of_requests_is_told_with_its_end(world: World) -> None:
    """Until when, in UTC; and a wait that Retry-After asks for."""
    act, code, _ = FAULTS["limit"]
    world.server.faults = [Fault(STEPS["user"], act)]
    until = time.strftime("%H:%M", time.gmtime(int(_RESET)))
    world.submit(code=code).says("takes no more requests until", until, "API rate limit exceeded")
    secondary = status(429, b'{"message": "secondary rate limit"}', Retry_After="60")
    world.server.faults = [Fault(STEPS["user"], secondary)]
    world.submit(code=69).says("takes no more requests until", "secondary rate limit")


@pytest.mark.parametrize("fault", ["500", "502", "reset"])
def test_a_question_is_asked_again_at_once(world: World, fault: str) -> None:
    """One bad answer to a question is not worth a message."""
    world.server.faults = [
        Fault(STEPS[step], FAULTS[fault][0]) for step in ("official", "user", "list", "ask fork")
    ]
    world.submit()
    one_of_each(world)
    assert all(fault.times == 0 for fault in world.server.faults)


@pytest.mark.parametrize("step", ["make fork", "push", "open"])
@pytest.mark.parametrize("fault", ["500", "reset"])
def test_what_took_effect_unnoticed_is_not_done_twice(world: World, step: str, fault: str) -> None:
    """The request took effect and its answer was lost: asked again, found, gone on."""
    world.server.faults = [Fault(STEPS[step], FAULTS[fault][0], when=AFTER)]
    world.submit()
    assert world.server.faults[0].times == 0
    one_of_each(world)
    changing = [line for line in world.server.lines() if line.startswith("POST /api")]
    assert len(changing) == 2


@pytest.mark.parametrize("step", ["official", "open"])
def test_a_slow_forge_is_given_up_in_time(world: World, step: str) -> None:
    """The message names the time that was waited; the request was opened all the same, once."""
    world.server.faults = [Fault(STEPS[step], slow(3), times=3)]
    begin = time.monotonic()
    done = world.submit("--timeout", "0.5", code=None)
    assert time.monotonic() - begin < 15
    if done.code:
        assert done.code == 69
        done.says("no answer in", "run the command again")
    world.server.faults = []
    time.sleep(3 if step == "open" else 0)
    world.submit()
    one_of_each(world)


def test_a_slow_git_server_is_given_up_in_time(world: World) -> None:
    """Git's own limits hold; a user may set others."""
    world.server.faults = [Fault(STEPS["base"], slow(20))]
    begin = time.monotonic()
    world.submit(code=69, GIT_HTTP_LOW_SPEED_TIME="1").says("run the command again")
    assert time.monotonic() - begin < 15
    world.server.faults = []
    world.submit()


@pytest.mark.parametrize("step", ["base", "open"])
def test_ctrl_c_in_the_network_is_completed_by_the_same_command(world: World, step: str) -> None:
    """At once and without a traceback, whether mlrepo or git is waiting for an answer."""
    fault = Fault(STEPS[step], slow(6))
    world.server.faults = [fault]
    process = start(world.root, "submit", "--yes", "--round", ROUND, **world.settings)
    until(lambda: fault.times == 0, f"the step {step!r}")
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert time.monotonic() - begin < 4
    done.says("interrupted")
    world.server.faults = []
    time.sleep(max(0.0, begin + 6 - time.monotonic()))  # what the server still works at
    world.submit()
    one_of_each(world)


def test_a_server_that_is_not_there(world: World) -> None:
    """Nobody listens: said with the address."""
    nowhere = "http://127.0.0.1:9"
    world.submit(code=69, MLREPO_OFFICIAL_API_URL=f"{nowhere}/api/v3").says(nowhere, "refused")
    world.submit()
    one_of_each(world)


def test_a_request_that_somebody_else_opened_meanwhile_is_taken(world: World) -> None:
    """422 "already exists" after a list that did not show it yet."""
    empty = status(200, b"[]")
    world.submit()
    world.server.faults = [Fault(STEPS["list"], empty, times=3)]
    world.submit()
    assert world.server.faults[0].times == 0
    one_of_each(world)


def test_a_forge_that_never_shows_the_request_is_told(world: World) -> None:
    """Taken three times, never listed: nobody pretends that all is well."""
    world.server.faults = [Fault(STEPS["list"], status(200, b"[]"), times=1000)]
    world.submit(code=75).says("does not show it yet", "again in a minute")
    world.server.faults = []
    world.submit()
    one_of_each(world)


def test_a_repository_without_drafts_is_told_from_a_mistake(world: World) -> None:
    """Nothing is opened for review by accident."""
    world.github.drafts = False
    world.submit(code=2).says("takes no drafts", "--ready")
    assert world.pulls() == []
    world.submit("--ready")
    one_of_each(world)


def test_a_repository_that_forbids_forks_says_so(world: World) -> None:
    """The forge's words are in the message."""
    world.github.forking = False
    world.submit(code=69).says("forking is disabled")
    world.github.forking = True
    world.submit()
    one_of_each(world)


def test_a_fork_is_waited_for(world: World) -> None:
    """Forges copy in the background: first there is nothing to read."""
    world.github.fork_delay = 3
    world.submit().says("is being made")
    one_of_each(world)


def test_a_fork_that_takes_too_long_is_found_by_the_next_run(world: World) -> None:
    """Exit code 75: trying again is right."""
    world.github.fork_delay = 4
    world.submit("--wait", "1", code=75).says("is not ready after 1 s", "--wait SECONDS")
    assert world.pulls() == []
    world.submit("--wait", "30")
    one_of_each(world)


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("echo 'GH006: Protected branch update failed' >&2; exit 1", 2, ("GH006", "own rules")),
        ("echo 'policy 7: no pushes today' >&2; exit 1", 2, ("policy 7", "own rules")),
        (
            "echo 'GH001: Large files detected' >&2; exit 1",
            2,
            ("GH001", "does not take so much"),
        ),
        (
            "echo 'GH013: push protection found a secret' >&2; exit 1",
            2,
            ("GH013", "revoke it"),
        ),
    ],
    ids=["protected", "declined", "over size", "secret"],
)
def test_a_push_that_the_remote_refuses(
    world: World, script: str, code: int, words: tuple[str, ...]
) -> None:
    """The remote's words, what they mean, and no pull request without its branch."""
    shutil.copytree(world.official, world.fork)
    world.github.add(FORK, parent=OFFICIAL)
    hook = world.fork / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)
    world.submit(code=code).says("could not push", *words)
    assert tip(world.fork, BRANCH) == ""
    assert world.pulls() == []
    hook.unlink()
    world.submit()
    one_of_each(world)


def test_a_pack_over_the_limit_of_the_remote(world: World) -> None:
    """A limit that git itself enforces."""
    shutil.copytree(world.official, world.fork)
    world.github.add(FORK, parent=OFFICIAL)
    git(world.fork, "config", "receive.maxInputSize", "1000")
    world.submit(code=2).says("pack exceeds maximum", "does not take so much")
    git(world.fork, "config", "receive.maxInputSize", "0")
    world.submit()
    one_of_each(world)


def test_a_branch_that_moves_meanwhile_is_never_overwritten(world: World, tmp_path: Path) -> None:
    """Somebody pushes between the look at the branch and the push: their commit stays."""
    world.submit()
    select(world.root, tmp_path / "tree", text="Calibrated again.\n")
    git(tmp_path, "clone", "--quiet", "--branch", BRANCH, str(world.fork), "clone")
    git(tmp_path / "clone", "commit", "--quiet", "--allow-empty", "--message", "A note")

    def meanwhile(handler: Any) -> None:
        git(tmp_path / "clone", "push", "--quiet", "origin", BRANCH)

    world.server.faults = [Fault(f"GET /{FORK}.git/info/refs.service=git-receive-pack", meanwhile)]
    world.submit(code=75).says("Somebody moved the branch", "Run the command again")
    theirs = git(tmp_path / "clone", "rev-parse", "HEAD").strip()
    assert tip(world.fork, BRANCH) == theirs
    world.submit(code=2).says("which mlrepo did not make")
    git(tmp_path / "clone", "push", "--quiet", "--force", "origin", f"HEAD^:{BRANCH}")
    world.submit()
    one_of_each(world)


def test_a_base_that_moves_meanwhile_needs_nothing(world: World, tmp_path: Path) -> None:
    """The official branch moves between fetching it and forking, and again before the request."""

    def moves(name: str) -> Callable[[Any], None]:
        def move(handler: Any) -> None:
            publish(tmp_path / "upstream", world.official, {f"open/{name}/x.txt": f"{name}\n"})

        return move

    world.server.faults = [
        Fault(STEPS["make fork"], moves("Second")),
        Fault(STEPS["open"], moves("Third")),
    ]
    world.submit()
    one_of_each(world)


def test_an_old_fork_is_brought_up_to_date(world: World, tmp_path: Path) -> None:
    """Its main is fast-forwarded by the forge; nothing of others is sent by us."""
    shutil.copytree(world.official, world.fork)
    world.github.add(FORK, parent=OFFICIAL)
    base = publish(tmp_path / "upstream", world.official, {"open/Third/x.txt": "third\n"})
    world.submit().says("brought up to date")
    assert tip(world.fork, "main") == base
    one_of_each(world)


def test_a_fork_with_commits_of_its_own_is_left_alone(world: World, tmp_path: Path) -> None:
    """It cannot be fast-forwarded: the way out is told; once it is gone, the command completes."""
    shutil.copytree(world.official, world.fork)
    world.github.add(FORK, parent=OFFICIAL)
    git(tmp_path, "clone", "--quiet", str(world.fork), "clone")
    git(tmp_path / "clone", "commit", "--quiet", "--allow-empty", "--message", "Mine")
    git(tmp_path / "clone", "push", "--quiet", "origin", "main")
    publish(tmp_path / "upstream", world.official, {"open/Third/x.txt": "third\n"})
    world.submit(code=2).says("cannot be brought", "merge conflicts", "Discard")
    assert tip(world.fork, BRANCH) == ""
    git(tmp_path / "clone", "push", "--quiet", "--force", "origin", "HEAD^:main")
    world.submit()
    one_of_each(world)


def test_a_plain_fork_without_the_base_is_told_and_nothing_of_others_is_sent(
    world: World, tmp_path: Path
) -> None:
    """On a server without an API the commands to bring it up to date are in the message."""
    shutil.copytree(world.official, world.fork)
    publish(tmp_path / "upstream", world.official, {"open/Third/x.txt": "third\n"})
    plain: dict[str, Any] = {
        "MLREPO_OFFICIAL_REPOSITORY": str(world.official),
        "MLREPO_OFFICIAL_API_URL": None,
    }
    world.submit("--fork", str(world.fork), code=2, **plain).says("lacks the commit", "git fetch")
    git(world.fork, "fetch", "--quiet", str(world.official), "main:main")
    world.submit("--fork", str(world.fork), **plain)
    assert git(world.fork, "rev-parse", f"{BRANCH}^").strip() == tip(world.official, "main")


def test_a_redirect_to_another_server_gets_no_token(world: World) -> None:
    """Neither the API's nor git's: a moved repository is asked for where it was named."""
    other = world.server.url.replace("127.0.0.1", "localhost")
    where = f"{other}/api/v3/repos/{OFFICIAL}"
    world.server.faults = [Fault(STEPS["official"], status(301, b"{}", Location=where), times=9)]
    world.submit(code=69).says("301")
    assert len(world.server.requests) == 1
    world.server.faults = [
        Fault(STEPS["base"], status(302, Location=f"{other}/{OFFICIAL}.git/info/refs"), times=9)
    ]
    world.submit(code=69)
    world.server.faults = []
    world.submit()
    one_of_each(world)


def test_a_renamed_official_repository_is_followed_on_its_own_server(world: World) -> None:
    """GitHub answers 301 for the old name; what it says then is used."""
    moved = status(301, b"{}", Location=f"{world.server.url}/api/v3/repos/{OFFICIAL}")
    world.server.faults = [Fault("GET /api/v3/repos/mlcommons/old$", moved, times=9)]
    world.submit(MLREPO_OFFICIAL_REPOSITORY=f"{world.server.url}/mlcommons/old")
    one_of_each(world)
    assert world.pulls() == [(f"{LOGIN}:{BRANCH}", "open")]


def test_an_answer_that_is_no_api_is_told(world: World) -> None:
    """A wrong api_url leads to a web page, or to another API."""
    world.server.faults = [Fault(STEPS["official"], status(200, b"<html>Hello</html>"), times=9)]
    world.submit(code=69).says("is not JSON", "official.api_url")
    world.server.faults = [Fault(STEPS["official"], status(200, b'{"name": "x"}'), times=9)]
    world.submit(code=69).says("not one of GitHub's", "official.api_url")


def test_a_missing_official_branch_is_told(world: World) -> None:
    """With the setting that names it."""
    world.submit(code=2, MLREPO_OFFICIAL_BRANCH="v6").says("no branch v6", "official.branch")
