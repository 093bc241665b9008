"""Full logs of recorded runs in a directory, behind a URL, and on an SSH server."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from mlrepo.cli.main import main
from mlrepo.errors import RemoteUnavailable, UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.raw_copy import copy_logs
from mlrepo.repository.raw_place import DirectoryPlace, RemotePlace, place_named
from mlrepo.repository.raw_store import RawStore
from mlrepo.repository.recorder import Recorder
from tests.curated import placed_run, withdrawn
from tests.e2e.driver import mlrepo
from tests.samples import git
from tests.ssh_server import SSHD, SshServer

_TEXTS = {name: name.encode() * 5000 for name in ("one", "two", "six")}
_IDS = {name: hashlib.sha256(text).hexdigest() for name, text in _TEXTS.items()}


@pytest.fixture
def kept(results: ResultsRepository, recorder: Recorder, tmp_path: Path) -> dict[str, str]:
    """Two runs whose full logs are kept here, and one whose log is not; the ids by name."""
    store = RawStore(results.store / "raw")
    runs = {}
    for number, name in enumerate(_TEXTS):
        log = {"sha256": "0" * 64, "size": 1, "full_sha256": _IDS[name], "full_size": 15_000}
        record = placed_run(recorder, number, logs={"mlperf_log_accuracy.json": _log(log)})
        runs[name] = record.run
        if name != "six":
            (tmp_path / "log").write_bytes(_TEXTS[name])
            store.add(tmp_path / "log")
            (tmp_path / "log").unlink()
    return runs


def _log(values: dict[str, Any]) -> Any:
    from mlrepo.record import StoredLog

    return StoredLog(**values)


@pytest.fixture
def url() -> Iterator[str]:
    """A place behind fsspec, in the memory of this process."""
    from fsspec.implementations.memory import MemoryFileSystem

    yield "memory://team/full-logs"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs.clear()


def _run(results: ResultsRepository, *arguments: str) -> int:
    return main(["-C", str(results.root), "raw", *arguments])


def test_out_and_back_by_a_url(
    results: ResultsRepository,
    kept: dict[str, str],
    url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is needed and missing comes; what is there is not written again."""
    monkeypatch.chdir(results.root)
    assert _run(results, "push", url) == 0
    assert f"copied 2 logs (30000 bytes) to {url}" in capsys.readouterr().out
    assert _run(results, "push", url) == 0
    assert "copied 0 logs (0 bytes)" in capsys.readouterr().out
    assert _run(results, "verify", url) == 1
    told = capsys.readouterr().out
    assert kept["six"] in told
    assert kept["one"] not in told
    assert "3 logs needed; intact: 2 here, 2 in memory://team/full-logs." in told
    raw = results.store / "raw"
    (raw / _IDS["one"]).unlink()
    assert _run(results, "fetch", url, kept["two"]) == 0
    assert not (raw / _IDS["one"]).exists()
    assert _run(results, "fetch", url) == 0
    assert (raw / _IDS["one"]).read_bytes() == _TEXTS["one"]
    place = RemotePlace(url)
    place.put(_IDS["six"], io.BytesIO(_TEXTS["six"]))
    assert _run(results, "fetch", url) == 0
    assert _run(results, "verify", url) == 0


def test_what_is_damaged_at_the_place_is_renamed_and_copied_again(
    results: ResultsRepository, kept: dict[str, str], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A size that differs is seen at once, other damage by `verify`; no log is overwritten."""
    from fsspec.implementations.memory import MemoryFileSystem

    assert _run(results, "push", url) == 0
    system = MemoryFileSystem()
    system.pipe(f"/team/full-logs/{_IDS['one']}", b"cut off")
    system.pipe(f"/team/full-logs/{_IDS['two']}", b"x" * 15_000)
    capsys.readouterr()
    assert _run(results, "verify", url, "--json") == 1
    told = {one["run"]: one["there"] for one in json.loads(capsys.readouterr().out)["logs"]}
    assert told == {kept["one"]: "damaged", kept["two"]: "damaged", kept["six"]: "absent"}
    assert _run(results, "push", url) == 0
    assert "was damaged: renamed, and copied again" in capsys.readouterr().err
    names = [Path(one["name"]).name for one in system.ls("/team/full-logs")]
    assert [name for name in names if name.endswith(".damaged")]
    assert not [name for name in names if name.endswith(".part")]
    (results.store / "raw" / _IDS["two"]).unlink()
    assert _run(results, "fetch", url) == 1
    assert "is damaged: not copied" in capsys.readouterr().err
    assert not (results.store / "raw" / _IDS["two"]).exists()


def test_a_push_that_was_stopped_goes_on_with_what_is_missing(tmp_path: Path, url: str) -> None:
    """The connection broke in the second log: nothing half is there under a log's name."""
    store = RawStore(tmp_path / "raw")
    for text in _TEXTS.values():
        (tmp_path / "log").write_bytes(text)
        store.add(tmp_path / "log")
        (tmp_path / "log").unlink()
    place = _Breaking(url)
    with pytest.raises(RemoteUnavailable, match="the line is cut") as broken:
        copy_logs(DirectoryPlace(store.root), place)
    assert "continues with what is missing" in broken.value.hint
    assert len(RemotePlace(url).entries()) == 1
    done = copy_logs(DirectoryPlace(store.root), RemotePlace(url))
    assert (len(done.copied), done.there) == (2, 1)
    assert all(RemotePlace(url).digest(sha256) == sha256 for sha256 in _IDS.values())


class _Breaking(RemotePlace):
    """A place whose connection breaks in the second log."""

    def put(self, sha256: str, source: Any) -> None:
        broken = bool(self.entries())
        super().put(sha256, cast("BinaryIO", _Cut(source)) if broken else source)


class _Cut(io.RawIOBase):
    def __init__(self, source: Any) -> None:
        self._source, self._read = source, 0

    def read(self, size: int = -1) -> bytes:
        if self._read:
            raise ConnectionResetError("the line is cut")
        self._read = 1
        return bytes(self._source.read(100))


def test_places_that_cannot_be(
    results: ResultsRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials in the URL, unknown protocols, chains, missing packages, no rights."""
    with pytest.raises(UserError, match="holds credentials") as secret:
        place_named("sftp://ada:secret-of-ada@host/logs")
    assert "secret-of-ada" not in secret.value.message
    with pytest.raises(UserError, match="chains several"):
        place_named("simplecache::s3://bucket/x")
    with pytest.raises(UserError, match="cannot be reached"):
        RemotePlace("nonsense://x/y").entries()
    assert isinstance(place_named("file:///tmp/x"), DirectoryPlace)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UserError, match="fsspec is not installed") as missing:
        RemotePlace("memory://x").entries()
    assert "pip install 'mlrepo[raw]'" in missing.value.hint
    mlrepo(results.root, "raw", "push", code=2).says("PLACE")
    mlrepo(results.root, "raw", "verify", str(tmp_path / "none")).says("0 logs needed")


def test_an_embargo_keeps_full_logs_from_a_url(
    results: ResultsRepository, kept: dict[str, str], url: str
) -> None:
    """And not from a directory of this machine."""
    settings = results.root / "mlrepo.toml"
    settings.write_text(f'{settings.read_text()}embargo = "2999-01-01"\n')
    git(results.root, "commit", "--quiet", "--no-verify", "-am", "Keep quiet")
    assert _run(results, "push", url) == 2
    assert RemotePlace(url).entries() == {}
    assert _run(results, "push", str(results.root.parent / "disk")) == 0


def test_a_withdrawn_run_keeps_its_log(
    results: ResultsRepository, kept: dict[str, str], tmp_path: Path
) -> None:
    """It may be restored; only pruning gives a full log up."""
    withdrawn(results, kept["one"])
    mlrepo(results.root, "raw", "push", str(tmp_path / "disk"))
    told = mlrepo(results.root, "raw", "verify", str(tmp_path / "disk"), "--json", code=1).json
    assert {one["run"] for one in told["logs"]} == set(kept.values())


@pytest.mark.skipif(SSHD is None, reason="sshd is not installed (openssh-server)")
def test_a_real_ssh_server(
    results: ResultsRepository, kept: dict[str, str], tmp_path: Path
) -> None:
    """Out and back by sftp; a log that somebody damaged there is found."""
    paramiko = pytest.importorskip("paramiko")
    with SshServer(tmp_path / "ssh") as server:
        place = RemotePlace(f"sftp://127.0.0.1:{server.port}{tmp_path}/logs")
        from fsspec.implementations.sftp import SFTPFileSystem

        key = paramiko.Ed25519Key.from_private_key_file(str(server.directory / "client"))
        options = {"port": server.port, "username": server.user, "pkey": key}
        system = SFTPFileSystem("127.0.0.1", look_for_keys=False, allow_agent=False, **options)
        place.__dict__["_found"] = system, f"{tmp_path}/logs"
        here = DirectoryPlace(results.store / "raw")
        assert len(copy_logs(here, place).copied) == 2
        assert copy_logs(here, place).there == 2
        assert (tmp_path / "logs" / _IDS["one"]).read_bytes() == _TEXTS["one"]
        (here.root / _IDS["one"]).unlink()
        assert copy_logs(place, here).copied == (_IDS["one"],)
        (tmp_path / "logs" / _IDS["two"]).write_bytes(b"y" * 15_000)
        assert place.digest(_IDS["two"]) != _IDS["two"]
        system.ftp.close()
        system.client.close()
