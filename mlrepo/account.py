"""The user who runs this process and that user's directories, even without an account.

A container started with ``docker run --user 12345``, or by OpenShift, has a user id that is in no
account database, and HOME is unset, empty or ``/``.
"""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlrepo.errors import UserError


def logins(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the login names of this user: the account's, USER and LOGNAME; possibly none."""
    account = _account()
    names = {environ.get("USER", ""), environ.get("LOGNAME", "")}
    if account is not None:
        names.add(account.pw_name)
    return frozenset(names - {""})


def homes(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the home directories of this user, HOME first; ignore a relative HOME and ``/``."""
    account = _account()
    texts = [environ.get("HOME", ""), account.pw_dir if account is not None else ""]
    found = [Path(text) for text in texts if text.startswith("/")]
    return tuple(dict.fromkeys(path for path in found if path != Path("/")))


def expanded(text: str) -> Path:
    """Return the path with ``~`` expanded; unchanged if there is no home directory."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def data_directory(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of this user's data for ``name``.

    Below ``XDG_DATA_HOME`` (an absolute path, as the XDG base directory specification requires), or
    below ``.local/share`` of a home directory that exists or can be created. Without one, it is a
    private directory below the system's temporary directory.

    Raises
    ------
    UserError
        There is no home directory, and others own or may write to the one that would replace it.
    """
    data = environ.get("XDG_DATA_HOME", "")
    if data.startswith("/"):
        return Path(data) / name
    for home in homes(environ):
        directory = home / ".local" / "share" / name
        if directory.is_dir() or _can_make(directory):
            return directory
    return _temporary(name)


def has_home(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether there is a home directory in which files can be written."""
    return any(_can_make(home / "file") for home in homes(environ))


def complete(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a program that needs a home directory and a login name.

    Frameworks look up both when they are loaded, and fail without them.
    """
    found = dict(environ)
    if not has_home(environ):
        found["HOME"] = str(_temporary("mlrepo"))
    if not logins(environ):
        found["LOGNAME"] = f"uid-{os.geteuid()}"
    return found


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        return None


def _can_make(path: Path) -> bool:
    """Return whether the nearest existing directory above ``path`` is writable."""
    for parent in path.parents:
        try:
            if parent.is_dir():
                return os.access(parent, os.W_OK | os.X_OK)
            if parent.exists():
                return False
        except OSError:
            return False
    return False


def _temporary(name: str) -> Path:
    """Return a directory below the temporary one that only this user can have filled."""
    path = Path(tempfile.gettempdir()) / f"{name}-{os.geteuid()}"
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError:
        return path  # nothing can be written; whoever tries reports it
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022:
        return path
    raise UserError(
        f"This user has no home directory, and {path} belongs to somebody else or is writable "
        "by others.",
        hint="Set MLREPO_HOME to a directory of your own.",
    )
