"""Where the user's files are, with and without a home directory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from mlrepo.account import complete, data_directory, expanded, has_home, homes, logins
from mlrepo.errors import UserError


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without an account; returns the directory for temporary files."""

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


@pytest.mark.parametrize("home", [None, "", "/", "relative", "~"])
def test_without_a_home_data_are_in_a_directory_of_the_users_own(
    nobody: Path, home: str | None
) -> None:
    """What HOME is in containers is no home: not ``/``, and nothing below the working directory."""
    environ = {} if home is None else {"HOME": home}
    assert homes(environ) == ()
    assert not has_home(environ)
    assert logins(environ) == frozenset()
    directory = data_directory("mlrepo", environ)
    assert directory == nobody / f"mlrepo-{os.geteuid()}"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert data_directory("mlrepo", environ) == directory
    completed = complete(environ)
    assert completed["HOME"] == str(directory)
    assert completed["LOGNAME"]


def test_a_directory_of_somebody_else_is_not_used(nobody: Path) -> None:
    """Compiled models are loaded from it: who can write there runs code as this user."""
    (nobody / f"mlrepo-{os.geteuid()}").symlink_to(nobody)
    with pytest.raises(UserError, match="somebody else") as caught:
        data_directory("mlrepo", {})
    assert "MLREPO_HOME" in caught.value.hint


def test_a_home_that_cannot_be_made_is_none(nobody: Path, tmp_path: Path) -> None:
    """HOME names a file's child; an XDG data directory counts only where it is absolute."""
    (tmp_path / "file").write_text("")
    environ = {"HOME": str(tmp_path / "file" / "home"), "XDG_DATA_HOME": "data"}
    assert data_directory("mlrepo", environ).is_relative_to(nobody)
    environ["XDG_DATA_HOME"] = str(tmp_path / "data")
    assert data_directory("mlrepo", environ) == tmp_path / "data" / "mlrepo"


def test_a_home_that_is_there_is_used(tmp_path: Path) -> None:
    """As the XDG base directory specification says."""
    environ = {"HOME": str(tmp_path), "USER": "ada"}
    assert data_directory("mlrepo", environ) == tmp_path / ".local" / "share" / "mlrepo"
    assert homes(environ)[0] == tmp_path
    assert "ada" in logins(environ)
    assert complete(environ) == environ


def test_a_tilde_that_means_nobody_stays(nobody: Path) -> None:
    """The path is then refused by its own name."""
    assert expanded("~no-such-user-here/x") == Path("~no-such-user-here/x")
