"""A planted secret never reaches a commit by any way."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mlrepo.workloads.digits import DIGITS
from tests.e2e.driver import (
    BENCH,
    LONG,
    all_bytes,
    blob,
    gone,
    measuring_child,
    mlrepo,
    spooled,
    start,
)
from tests.samples import git

# Of the form that the issuers document, and of nobody. In parts, so that no scanner of source code
# takes this file for a leak.
GITHUB = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
HUGGING_FACE = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
PLAIN = "correct-horse-battery-staple"
SECRETS = (GITHUB, HUGGING_FACE, AWS, PLAIN)
FULL: dict[str, Any] = {
    "GITHUB_TOKEN": GITHUB,
    "HF_TOKEN": HUGGING_FACE,
    "AWS_ACCESS_KEY_ID": AWS,
    "MY_SERVICE_PASSWORD": PLAIN,
}


def _assert_kept_out(root: Path, *secrets: str) -> None:
    data = all_bytes(root)
    for secret in secrets:
        for form in (
            secret.encode(),
            secret.encode("utf-16-le"),
            base64.b64encode(secret.encode()),
            json.dumps(secret)[1:-1].encode(),
        ):
            assert form not in data, f"{secret} is in the repository"
    crash = root / ".git" / "mlrepo" / "crash"
    assert not crash.exists() or not list(crash.iterdir())


def test_the_scan_of_these_tests_finds_what_is_there(root: Path) -> None:
    """A secret that somebody does commit is found, so that silence means something."""
    (root / "leak.txt").write_text(GITHUB)
    git(root, "add", "leak.txt")
    git(root, "commit", "--quiet", "--no-verify", "--message", "Leak")
    assert GITHUB.encode() in all_bytes(root)


def test_variables_of_the_environment_are_recorded_by_an_allow_list(root: Path) -> None:
    """Tokens in the environment stay there; what steers threads is recorded."""
    mlrepo(root, *BENCH, OMP_NUM_THREADS="2", DATABASE_URL=f"postgres://u:{PLAIN}@db/x", **FULL)
    _assert_kept_out(root, *SECRETS)
    run = mlrepo(root, "log", "--json").json["runs"][0]["run"]
    environment = json.loads(blob(root, f"runs/{run}/environment.json"))
    assert environment["variables"]["OMP_NUM_THREADS"] == "2"
    assert not {name for name in environment["variables"] if "TOKEN" in name or "AWS" in name}
    assert environment["packages"]["numpy"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--tag", f"for-{GITHUB}"),
        ("--tag", PLAIN),
        ("--prefix", f"env MY_TOKEN={PLAIN}"),
        ("--prefix", f"env X={GITHUB}"),
        ("--prefix", f"sh -c 'echo password: {PLAIN}; \"$@\"' sh"),
        ("--user-conf", "user.conf"),
        ("--model-file", f"{GITHUB}.onnx"),
    ],
    ids=["tag", "tag of the environment", "assignment", "prefix", "console", "user.conf", "model"],
)
def test_secrets_on_the_command_line_are_masked(root: Path, arguments: tuple[str, ...]) -> None:
    """Tags, command prefix, comments of a user.conf, names of files: masked, and counted."""
    if arguments[0] == "--user-conf":
        # The copy in the working tree is the user's own and stays as it is.
        (root / "user.conf").write_text(
            f"# token = {PLAIN}\n*.Offline.target_qps = 100\n# see https://me:{AWS}@host/\n"
        )
    if arguments[0] == "--model-file":
        assert DIGITS.model is not None
        (root / arguments[1]).symlink_to(DIGITS.model.path)
    environ: dict[str, Any] = {"MY_SERVICE_PASSWORD": PLAIN} if "--tag" in arguments else {}
    done = mlrepo(root, *BENCH, *arguments, "--json", **environ)
    _assert_kept_out(root, *SECRETS)
    assert sum(done.json["record"]["redactions"].values()) >= 1
    assert not [secret for secret in SECRETS if secret in done.out]


@pytest.mark.parametrize("raises", ["", "1"], ids=["prints", "raises"])
@pytest.mark.parametrize("known", [False, True], ids=["unknown", "in the environment"])
def test_what_a_backend_says_is_masked(root: Path, raises: str, known: bool) -> None:
    """Printed lines, exception messages, tracebacks and descriptions of a backend are cleaned."""
    secret = PLAIN if known else GITHUB
    environ = {"THIRDPARTY_SAYS": secret, "THIRDPARTY_RAISES": raises}
    if known:
        environ["SERVICE_TOKEN"] = secret
    done = mlrepo(root, *BENCH, "--backend", "chatty", code=1 if raises else 0, **environ)
    assert secret not in done.out + done.err
    _assert_kept_out(root, secret)
    run = mlrepo(root, "log", "--json").json["runs"][0]["run"]
    console = blob(root, f"runs/{run}/console.txt").decode()
    assert console.startswith("connecting with <redacted>\n")
    if not raises:
        record = json.loads(blob(root, f"runs/{run}/run.json"))
        assert record["backend"]["options"]["home"] == "~"


def test_a_token_in_a_system_description_is_masked_and_it_stays_json(root: Path) -> None:
    """A description with a secret in it is recorded without it, and placed as valid JSON."""
    path = root / "systems" / "box" / "system.json"
    description = json.loads(path.read_text())
    description["api_key"] = PLAIN
    description["sw_notes"] = f'started with --token {GITHUB}, "password": "{AWS}"'
    path.write_text(json.dumps(description))
    record = mlrepo(root, *BENCH, "--json").json["record"]
    _assert_kept_out(root, *SECRETS)
    placed = json.loads(blob(root, f"open/Acme/systems/{record['sut']}.json"))
    recorded = json.loads(blob(root, f"runs/{record['run']}/system.json"))
    assert placed["framework"].startswith("ONNX Runtime")
    assert recorded["system_name"] == "box"


# Distributions that no extra of mlrepo brings.
_SOUNDING = ("token-bucket", "secretstorage", "passlib")


def test_versions_of_packages_that_sound_secret_are_kept(root: Path, tmp_path: Path) -> None:
    """The version of a package with token or secret in its name is no token."""
    site = tmp_path / "site"
    for name in _SOUNDING:
        info = site / f"{name}-1.2.3.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
    mlrepo(root, *BENCH, PYTHONPATH=str(site))
    run = mlrepo(root, "log", "--json").json["runs"][0]["run"]
    packages = json.loads(blob(root, f"runs/{run}/environment.json"))["packages"]
    assert [packages[name] for name in _SOUNDING] == ["1.2.3"] * 3


def test_home_user_and_host_names_are_replaced(root: Path, tmp_path: Path) -> None:
    """Who ran it, where the home directory lies and how the machine is called stay private."""
    home = tmp_path / "home" / "ada-lovelace"
    home.mkdir(parents=True)
    prefix = f"sh -c 'echo $HOME by $USER on $(uname -n); \"$@\"' sh {home / 'x'}"
    (home / "x").write_text('#!/bin/sh\nexec "$@"\n')
    (home / "x").chmod(0o755)
    mlrepo(
        root,
        *BENCH,
        "--prefix",
        prefix,
        "--tag",
        "ada-lovelace",
        HOME=str(home),
        USER="ada-lovelace",
        GIT_CONFIG_GLOBAL="/dev/null",
    )
    _assert_kept_out(root, "ada-lovelace")
    run = mlrepo(root, "log", "--json").json["runs"][0]["run"]
    console = blob(root, f"runs/{run}/console.txt").decode()
    host = os.uname().nodename
    assert console.startswith("~ by <user> on ")
    assert host == "localhost" or host not in console.split()
    assert str(root) not in blob(root, f"runs/{run}/run.json").decode()


def test_a_system_named_like_its_host_keeps_its_name(root: Path) -> None:
    """Whoever names a system after its machine wants that name to be seen."""
    host = os.uname().nodename.partition(".")[0]
    (root / "systems" / "box").rename(root / "systems" / host)
    description = root / "systems" / host / "system.json"
    description.write_text(description.read_text().replace('"box"', f'"{host}"'))
    record = mlrepo(root, *BENCH, "--system", host, "--json").json["record"]
    placed = json.loads(
        blob(root, f"open/Acme/systems/{record['sut']}.json", f"exp/{record['experiment']}")
    )
    assert placed["system_name"] == host
    assert f"--system {host}" in " ".join(record["argv"])


def test_a_token_in_the_name_of_the_branch_is_masked(root: Path) -> None:
    """A record says from which branch it was made, without what somebody pasted into its name."""
    git(root, "switch", "--quiet", "--create", f"try/{GITHUB}")
    done = mlrepo(root, *BENCH, "--json")
    assert done.json["record"]["source"]["branch"] == "try/<redacted>"
    git(root, "switch", "--quiet", "main")
    git(root, "branch", "--delete", "--force", f"try/{GITHUB}")
    git(root, "reflog", "expire", "--expire=now", "--all")
    _assert_kept_out(root, GITHUB)


def test_a_token_is_no_name_of_an_experiment(root: Path) -> None:
    """Branches carry the name; it is refused before anything is measured."""
    token = "glpat-" + "a1b2c3d4e5f6a7b8c9d0"
    done = mlrepo(root, *BENCH, "--experiment", token, code=2)
    done.says("looks like a secret")
    assert token not in done.out + done.err
    _assert_kept_out(root, token)


def test_a_crashed_run_in_the_spool_is_cleaned_when_it_is_recorded(root: Path) -> None:
    """Recovery redacts like recording does, with what this process knows."""
    process = start(root, *LONG, "--tag", f"for-{GITHUB}", SERVICE_TOKEN=PLAIN)
    child = measuring_child(root)
    process.kill()
    process.communicate()
    gone(child)
    mlrepo(root, "doctor", "--fix", SERVICE_TOKEN=PLAIN)
    assert spooled(root) == []
    _assert_kept_out(root, GITHUB, PLAIN)
