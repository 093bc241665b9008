"""Who runs this process and where that user's files are, also where there is no account.

A container started with ``docker run --user 12345``, or by OpenShift, has a user id that no
database of accounts knows, and HOME is unset, empty or ``/``.
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
    """Return the login names of this user: the account's, USER and LOGNAME; none may be known."""
    account = _account()
    names = {environ.get("USER", ""), environ.get("LOGNAME", "")}
    if account is not None:
        names.add(account.pw_name)
    return frozenset(names - {""})


def homes(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the home directories of this user, HOME first; a relative HOME and ``/`` are none."""
    account = _account()
    texts = [environ.get("HOME", ""), account.pw_dir if account is not None else ""]
    found = [Path(text) for text in texts if text.startswith("/")]
    return tuple(dict.fromkeys(path for path in found if path != Path("/")))


def expanded(text: str) -> Path:
    """Return the path with ``~`` replaced; where there is no home directory, as it is written."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def data_directory(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where this user's data of ``name`` are kept.

    Below ``XDG_DATA_HOME`` (an absolute path, as the XDG base directory specification asks), or
    below ``.local/share`` of a home directory that is there or can be made. Without one it is a
    directory of the user's own below the system's for temporary files.

    Raises
    ------
    UserError
        There is no home directory, and somebody else has made the directory that replaces it.
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
    """Say whether there is a home directory in which a file can be written."""
    return any(_can_make(home / "file") for home in homes(environ))


def complete(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for a program that needs a home directory and a login name.

    Frameworks ask for both when they are loaded, and fail where there is none.
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
    """Say whether the nearest directory above ``path`` that there is may be written."""
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
        return path  # nothing can be written; whoever tries says so
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022:
        return path
    raise UserError(
        f"This user has no home directory, and {path} belongs to somebody else or others may write "
        "into it.",
        hint="Set MLREPO_HOME to a directory of your own.",
    )
