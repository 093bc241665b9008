"""A plain ``git push`` is checked: every object by id and kind, and every name."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlrepo.guard.embargo import embargo_in_force
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.trailers import commit_message
from tests.samples import git, sample_record, tried

TOKEN = "ghp_" + "a1B2" * 9
PASSWORD = base64.b32encode(b"hunter22hunter22").decode()
SUMMARY = """================================================
MLPerf Results Summary
================================================
SUT name : box
Scenario : Offline
Mode     : PerformanceOnly
Samples per second: 100.5
Result is : VALID
"""
DETAIL = ':::MLLOG {"key": "result_samples_per_second", "value": 100.5, "time_ms": 1.0}\n'
ACCURACY = '[\n{ "seq_id" : 0, "qsl_idx" : 1, "data" : "00000000", "token_count": 0 },\n'


@pytest.fixture
def remote(hooked: ResultsRepository, tmp_path: Path) -> str:
    """A bare remote named ``origin`` that has the first commit."""
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(hooked.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(hooked.root, "push", "--quiet", "origin", "main")
    return str(tmp_path / "remote.git")


def _refs(remote: str) -> list[str]:
    return git(Path(remote), "for-each-ref", "--format=%(objectname)").split()


def _refused(root: Path, *arguments: str, remote: str, **environ: str) -> str:
    """Push, hold that it was refused and nothing arrived; return what was said."""
    before = _refs(remote)
    code, said = tried(root, "push", *arguments, **environ)
    assert code != 0, said
    assert "Traceback" not in said
    assert _refs(remote) == before
    return said


def _commit(root: Path, name: str, data: bytes, *, message: str = "x") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    git(root, "add", "--", name)
    git(root, "commit", "--quiet", "--no-verify", "--message", message)


def _blob(root: Path, text: str) -> str:
    return git(root, "hash-object", "-w", "--stdin", stdin=text).strip()


def _annotated(root: Path) -> str:
    git(root, "tag", "--annotate", "--message", f"with {TOKEN}", "v1")
    return "v1"


def _message(root: Path) -> str:
    git(root, "commit", "--quiet", "--allow-empty", "--message", f"Use {TOKEN}")
    return "main"


def _author(root: Path) -> str:
    author = f"--author={TOKEN} <ada@example.org>"
    git(root, "commit", "--quiet", "--allow-empty", "--message", "x", author)
    return "main"


def _tag_at_blob(root: Path) -> str:
    git(root, "tag", "note", _blob(root, f"a\n{TOKEN}\n"))
    return "note"


def _tag_at_tag_at_blob(root: Path) -> str:
    git(root, "tag", "--annotate", "--message", "x", "inner", _blob(root, TOKEN))
    git(root, "tag", "--annotate", "--message", "x", "outer", "inner")
    git(root, "tag", "--delete", "inner")
    return "outer"


def _tag_at_tree(root: Path) -> str:
    listing = f"100644 blob {_blob(root, TOKEN)}\tx\n"
    git(root, "tag", "tree", git(root, "mktree", stdin=listing).strip())
    return "tree"


def _note(root: Path) -> str:
    git(root, "notes", "add", "--message", TOKEN)
    return "refs/notes/commits"


def _replaced(root: Path) -> str:
    _commit(root, "login", TOKEN.encode())
    git(root, "replace", "HEAD:login", _blob(root, "harmless"))
    return "main"


def _replaced_commit(root: Path) -> str:
    _commit(root, "login", TOKEN.encode())
    other = git(root, "commit-tree", "-p", "HEAD~1", "-m", "x", "HEAD~1^{tree}").strip()
    git(root, "replace", "HEAD", other)
    return "main"


def _symbolic_link(root: Path) -> str:
    (root / "link").symlink_to(TOKEN)
    git(root, "add", "link")
    git(root, "commit", "--quiet", "--no-verify", "--message", "x")
    return "main"


def _file_name(root: Path) -> str:
    _commit(root, f"logs/{TOKEN}.txt", b"x")
    return "main"


def _directory_name(root: Path) -> str:
    _commit(root, f"a/{TOKEN}/x.txt", b"x")
    return "main"


def _words_in_the_revision(root: Path) -> str:
    _commit(root, "login", TOKEN.encode(), message="two words")
    return "HEAD^{/two words}:refs/heads/x"


@pytest.mark.parametrize(
    "make",
    [
        _annotated,
        _message,
        _author,
        _tag_at_blob,
        _tag_at_tag_at_blob,
        _tag_at_tree,
        _note,
        _replaced,
        _replaced_commit,
        _symbolic_link,
        _file_name,
        _directory_name,
        _words_in_the_revision,
    ],
)
def test_a_secret_anywhere_in_what_leaves_is_refused(
    hooked: ResultsRepository, remote: str, make: Callable[[Path], str]
) -> None:
    """Messages, people, tags of tags of blobs, names: and the secret itself is never printed."""
    said = _refused(hooked.root, "origin", make(hooked.root), remote=remote)
    assert "GitHub token" in said
    assert TOKEN not in said.replace(f"origin {TOKEN}", "")


@pytest.mark.parametrize(
    "name", ["\nx", "\rx", "\fx", "\x85x", "\u2028x", "x\ny", " x", "\x1cx", "\u2029", "a\r\nb"]
)
def test_a_file_with_a_strange_name_is_searched(
    hooked: ResultsRepository, remote: str, name: str
) -> None:
    """Where Git's listing breaks off, or Python sees a new line, the object counts by its id."""
    root = hooked.root
    listing = f"100644 blob {_blob(root, TOKEN)}\t{name}\0"
    tree = git(root, "mktree", "-z", stdin=listing).strip()
    commit = git(root, "commit-tree", "-p", "HEAD", "-m", "x", tree).strip()
    assert "GitHub token" in _refused(root, "origin", f"{commit}:refs/heads/x", remote=remote)


@pytest.mark.parametrize(
    "text",
    [
        f"x\n{TOKEN}\n".encode("utf-16"),
        f"x\n{TOKEN}\n".encode("utf-16-le"),
        f"x\n{TOKEN}\n".encode("utf-16-be"),
        f"x\n{TOKEN}\n".encode("utf-32"),
        b"caf\xe9\n" + f"{TOKEN}\r\n".encode("utf-16-le"),
        b'{"said": "first\\n' + TOKEN.encode() + b'"}',
        b"x\n\x1b[1;31m" + TOKEN.encode() + b"\x1b[0m",
        b"x\nmy_" + TOKEN.encode() + b"_old",
    ],
)
def test_text_of_any_encoding_is_searched_in_commits_and_pushes(
    hooked: ResultsRepository, remote: str, text: bytes
) -> None:
    """PowerShell writes UTF-16, a terminal colours, JSON escapes: the token is the same."""
    root = hooked.root
    (root / "out.txt").write_bytes(text)
    git(root, "add", "out.txt")
    assert "GitHub token" in tried(root, "commit", "-m", "x")[1]
    git(root, "commit", "--quiet", "--no-verify", "-m", "x")
    assert "out.txt:" in _refused(root, "origin", "main", remote=remote)


def test_the_name_of_a_branch_is_searched_but_not_when_it_is_deleted(
    hooked: ResultsRepository, remote: str
) -> None:
    """Whoever pushed one must be able to take it away again."""
    root = hooked.root
    said = _refused(root, "origin", f"main:refs/heads/{TOKEN}", remote=remote)
    assert "the ref refs/heads/<redacted>" in said
    git(root, "push", "--quiet", "--no-verify", "origin", f"main:{TOKEN}")
    assert tried(root, "push", "origin", f":{TOKEN}")[0] == 0


def test_branches_whose_names_are_not_utf_8_are_pushed_and_judged(
    hooked: ResultsRepository, remote: str
) -> None:
    """A name is bytes."""
    root = hooked.root
    name = os.fsdecode(b"caf\xe9")
    git(root, "branch", name)
    code, said = tried(root, "push", "origin", name)
    assert code == 0, said
    git(root, "switch", "--quiet", name)
    _commit(root, "login", TOKEN.encode())
    assert "login:1" in _refused(root, "origin", name, remote=remote)


def test_a_remote_is_asked_what_it_has(hooked: ResultsRepository, tmp_path: Path) -> None:
    """What one remote has, another by the same name has not; what it has is not looked at again."""
    root = hooked.root
    for name in ("old.git", "new.git"):
        git(tmp_path, "init", "--quiet", "--bare", name)
    git(root, "remote", "add", "origin", str(tmp_path / "old.git"))
    _commit(root, "login", TOKEN.encode())
    git(root, "push", "--quiet", "--no-verify", "origin", "main")
    git(root, "rm", "--quiet", "login")
    git(root, "commit", "--quiet", "--no-verify", "-m", "gone")
    code, said = tried(root, "push", "origin", "main:other")
    assert code == 0, said
    new = str(tmp_path / "new.git")
    git(root, "remote", "set-url", "origin", new)
    assert "login:1" in _refused(root, "origin", "main", remote=new)
    git(root, "remote", "set-url", "origin", str(tmp_path / "old.git"))
    git(root, "config", "remote.origin.pushurl", new)
    assert "login:1" in _refused(root, "origin", "main", remote=new)


def _embargo(root: Path, text: str = "embargo = 2999-01-01\n") -> None:
    with (root / "mlrepo.toml").open("a") as stream:
        stream.write(text)
    git(root, "commit", "--quiet", "--all", "--message", "Set the embargo")


def _run(root: Path) -> None:
    """Commit a run as `mlrepo bench` lays it out, on a branch of its own."""
    git(root, "switch", "--quiet", "--orphan", "exp/box")
    for name, text in (("mlperf_log_summary.txt", SUMMARY), ("mlperf_log_detail.txt", DETAIL)):
        _commit(root, f"runs/1/{name}", text.encode())


def _subtree(root: Path) -> str:
    git(root, "tag", "t", "exp/box:runs/1")
    return "t"


def _single_log(root: Path) -> str:
    git(root, "tag", "t", "exp/box:runs/1/mlperf_log_summary.txt")
    return "t"


def _annotated_log(root: Path) -> str:
    git(root, "tag", "-a", "-m", "x", "t", "exp/box:runs/1/mlperf_log_detail.txt")
    return "t"


def _copy(root: Path) -> str:
    git(root, "mv", "runs", "notebook")
    git(root, "commit", "--quiet", "--no-verify", "--message", "Rename")
    return "exp/box"


def _history(root: Path) -> str:
    _copy(root)
    git(root, "rm", "-r", "--quiet", "notebook")
    git(root, "commit", "--quiet", "--no-verify", "--allow-empty", "--message", "Remove")
    return "exp/box"


def _upper_case(root: Path) -> str:
    git(root, "switch", "--quiet", "main")
    _commit(root, "OPEN/Acme/results/box/x.json", b"{}")
    return "main"


def _under_another_directory(root: Path) -> str:
    git(root, "switch", "--quiet", "main")
    _commit(root, "backup/open/Acme/measurements/box/x.json", b"{}")
    return "main"


def _utf_16(root: Path) -> str:
    git(root, "switch", "--quiet", "main")
    _commit(root, "summary.txt", SUMMARY.encode("utf-16"))
    return "main"


def _accuracy_log(root: Path) -> str:
    git(root, "switch", "--quiet", "main")
    _commit(root, "a.json", ACCURACY.encode())
    return "main"


def _message_of_a_run(root: Path) -> str:
    git(root, "switch", "--quiet", "main")
    message = commit_message(sample_record())
    git(root, "commit", "--quiet", "--allow-empty", "--message", message)
    return "main"


def _tag_quotes_a_log(root: Path) -> str:
    git(root, "tag", "-a", "-m", SUMMARY, "t", "main")
    return "t"


def _record_elsewhere(root: Path) -> str:
    git(root, "switch", "--quiet", "main")
    _commit(root, "docs/best.json", sample_record().to_json())
    return "main"


_EARLY = [
    _subtree,
    _single_log,
    _annotated_log,
    _copy,
    _history,
    _upper_case,
    _under_another_directory,
    _utf_16,
    _accuracy_log,
    _message_of_a_run,
    _tag_quotes_a_log,
    _record_elsewhere,
]


@pytest.mark.parametrize("make", _EARLY)
def test_a_result_is_known_by_its_content_wherever_it_is(
    hooked: ResultsRepository, remote: str, make: Callable[[Path], str]
) -> None:
    """Tags at subtrees and single logs, copies, history after a rename, messages."""
    root = hooked.root
    _embargo(root)
    assert tried(root, "push", "origin", "main")[0] == 0
    _run(root)
    said = _refused(root, "origin", make(root), remote=remote)
    assert "2999-01-01" in said
    assert "private_remotes" in said


def test_code_that_reads_and_writes_logs_is_no_result(
    hooked: ResultsRepository, remote: str
) -> None:
    """Sources of LoadGen, of checkers and of these tests may be public at any time."""
    root = hooked.root
    _embargo(root)
    for number, source in enumerate([*Path(__file__).parents[2].glob("mlrepo/*/*.py")]):
        _commit_later(root, f"code/{number}.py", source.read_bytes())
    _commit_later(root, "code/loadgen.cc", b'summary("Result is : ", valid ? "VALID" : "INVALID");')
    git(root, "commit", "--quiet", "--no-verify", "--message", "code")
    code, said = tried(root, "push", "origin", "main")
    assert code == 0, said


def _commit_later(root: Path, name: str, data: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    git(root, "add", "--", name)


def test_the_url_that_is_pushed_to_is_judged(
    hooked: ResultsRepository, remote: str, tmp_path: Path
) -> None:
    """A private remote's name does not cover another URL; the same place in another form is it."""
    root = hooked.root
    _embargo(root, 'embargo = 2999-01-01\nprivate_remotes = "origin"\n')
    _run(root)
    git(tmp_path, "init", "--quiet", "--bare", "public.git")
    public = str(tmp_path / "public.git")
    git(root, "config", "remote.origin.pushurl", public)
    assert "2999-01-01" in _refused(root, "origin", "exp/box", remote=public)
    git(root, "config", "remote.origin.pushurl", f"file://{remote}")
    code, said = tried(root, "push", "origin", "exp/box")
    assert code == 0, said


def test_only_what_is_committed_lifts_an_embargo(hooked: ResultsRepository, remote: str) -> None:
    """An edit does not; a variable of the environment does, and is printed; a commit does."""
    root = hooked.root
    _embargo(root)
    with_embargo = (root / "mlrepo.toml").read_text()
    _run(root)
    git(root, "switch", "--quiet", "main")
    (root / "mlrepo.toml").write_text(with_embargo.replace("2999", "2020"))
    assert "of HEAD" in _refused(root, "origin", "exp/box", remote=remote)
    (root / "mlrepo.toml").write_text(with_embargo + 'private_remotes = "origin"\n')
    _refused(root, "origin", "exp/box", remote=remote)
    (root / "mlrepo.toml").unlink()
    _refused(root, "origin", "exp/box", remote=remote)
    for name, value in (("MLREPO_EMBARGO", "2020-01-01"), ("MLREPO_PRIVATE_REMOTES", "origin")):
        code, said = tried(root, "push", "--dry-run", "origin", "exp/box", **{name: value})
        assert code == 0, said
        assert name in said or "the environment" in said
    (root / "mlrepo.toml").write_text(with_embargo.replace("2999", "2020"))
    git(root, "commit", "--quiet", "--all", "--message", "Lift the embargo")
    code, said = tried(root, "push", "origin", "exp/box")
    assert code == 0, said
    assert "embargo" not in said


def test_an_embargo_that_is_not_committed_yet_holds_already(
    hooked: ResultsRepository, remote: str
) -> None:
    """The working tree can make it stricter."""
    root = hooked.root
    _run(root)
    git(root, "switch", "--quiet", "main")
    with (root / "mlrepo.toml").open("a") as stream:
        stream.write("embargo = 2999-01-01\n")
    assert "the working tree" in _refused(root, "origin", "exp/box", remote=remote)


@pytest.mark.parametrize("checked_out", ["exp/box", "side", "detached"])
def test_the_embargo_of_the_default_branch_holds_everywhere(
    hooked: ResultsRepository, remote: str, checked_out: str
) -> None:
    """Whatever the default branch is called, and whatever is checked out."""
    root = hooked.root
    git(root, "branch", "side")
    _embargo(root)
    git(root, "branch", "--move", "main", "trunk")
    _run(root)
    if checked_out == "side":
        git(root, "switch", "--quiet", "side")
    if checked_out == "detached":
        git(root, "switch", "--quiet", "--detach", "exp/box")
    said = _refused(root, "origin", "exp/box", remote=remote)
    assert "of trunk" in said


def test_an_embargo_is_the_latest_that_any_of_the_commits_names(hooked: ResultsRepository) -> None:
    """That of HEAD, of the default branch, and of what leaves; private is what one calls so."""
    root = hooked.root
    _embargo(root, 'embargo = 2998-01-01\nprivate_remotes = "https://a.example/x.git"\n')
    git(root, "switch", "--quiet", "--create", "side")
    text = (root / "mlrepo.toml").read_text()
    (root / "mlrepo.toml").write_text(
        text.replace("2998", "2999").replace("a.example", "b.example")
    )
    git(root, "commit", "--quiet", "--all", "--message", "x")
    git(root, "switch", "--quiet", "main")
    tip = git(root, "rev-parse", "side").strip()
    assert embargo_in_force(root, {}).until == "2998-01-01"
    both = embargo_in_force(root, {}, "origin", [tip])
    assert (both.until, both.origin) == ("2999-01-01", f"mlrepo.toml of {tip[:10]}")
    assert both.private == {"https://a.example/x.git", "https://b.example/x.git"}


def test_a_login_in_a_url_is_not_printed(hooked: ResultsRepository) -> None:
    """Not by the refusal of a push either."""
    root = hooked.root
    _embargo(root)
    _run(root)
    url = f"https://ada:{PASSWORD}@example.invalid/x.git?private_token={PASSWORD}"
    hook = root / ".git" / "hooks" / "pre-push"
    oid = git(root, "rev-parse", "exp/box").strip()
    said = _hook(root, hook, url, f"refs/heads/exp/box {oid} refs/heads/exp/box {'0' * 40}\n")
    assert "example.invalid" in said
    assert PASSWORD not in said


def _hook(root: Path, hook: Path, url: str, updates: str) -> str:
    done = subprocess.run(
        [str(hook), url, url], cwd=root, input=updates, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    return done.stdout + done.stderr
