"""Where jobs work on a node: a directory on a disk of its own, and the lock of the node."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.locks import hold_if_free
from mlrepo.systems.neighbours import PLACES

# File systems that several machines share (mount(8), filesystems(5)): Git's locks and memory maps
# are not safe there, and a run would measure the network.
_SHARED = re.compile(
    r"nfs[0-9]?|cifs|smb[0-9]?|smbfs|lustre|gpfs|beegfs|ceph|glusterfs|fuse\.(?:glusterfs|sshfs|"
    r"ceph|s3fs|juicefs|weka.*)|panfs|pvfs2|orangefs|afs|9p|wekafs|daos"
)
_OCTAL = re.compile(r"\\([0-7]{3})")
_POLL_SECONDS = 0.2


def node_name(environ: Mapping[str, str]) -> str:
    """Return the name of this node: Slurm's, else the machine's."""
    return environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0] or "localhost"


def node_directory(text: str) -> Path:
    """Make and return the directory for this user's clones on this node.

    Parameters
    ----------
    text:
        A path with variables of the node's environment, such as ``$SLURMD_NODENAME``; empty for a
        directory below ``/var/tmp``, which outlives a job.

    Raises
    ------
    UserError
        It is not absolute, is on a file system that machines share, belongs to somebody else, or
        cannot be written.
    """
    directory = Path(os.path.expandvars(text or f"/var/tmp/mlrepo-{_user()}")).expanduser()
    if not directory.is_absolute() or "$" in str(directory):
        raise UserError(
            f"The nodes' directory {str(directory)!r} is not an absolute path.",
            hint="Set it with --on-opt directory=/PATH; variables of the node may be part of it.",
        )
    kind = shared_file_system(directory)
    if kind:
        raise UserError(
            f"{directory} is on a file system that machines share ({kind}): Git's locks are not "
            "safe there.",
            hint="Name a disk of the node: --on-opt directory=/PATH.",
        )
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = directory.lstat()
        if directory.is_symlink() or status.st_uid != os.geteuid():
            raise UserError(
                f"{directory} belongs to somebody else.",
                hint="Name another directory: --on-opt directory=/PATH.",
            )
        probe = directory / f".{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"{directory} cannot be written on this node: {error.strerror}.",
            hint="Name another directory: --on-opt directory=/PATH.",
        ) from error
    return directory


def shared_file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the file system of a path if machines share it; '' otherwise."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real = Path(os.path.realpath(path))
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, types = before.split(), after.split()
        if len(fields) < 5 or not types:
            continue
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        depth = len(point.parts)
        if depth >= best and (real == point or point in real.parents):
            best, kind = depth, types[0]
    return kind if _SHARED.fullmatch(kind) else ""


@contextlib.contextmanager
def alone_on_node(directory: Path, node: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the locks of a node; wait as long as another job of mlrepo holds one.

    One is in the user's own directory. The other is in a directory that all users share, where
    there is one: jobs of two users never measure at the same time either.
    """
    with contextlib.ExitStack() as held:
        for path in (directory / "node.lock", *_common_lock(node)):
            told = False
            while (lock := _hold(path)) is None:
                if not told:
                    tell(
                        f"Another job of mlrepo runs on {node}; this one waits until it has ended."
                    )
                told = True
                time.sleep(_POLL_SECONDS)
            held.enter_context(lock)
        yield


def _common_lock(node: str) -> list[Path]:
    name = f"node-{re.sub(r'[^A-Za-z0-9._-]', '-', node)}.lock"
    for place in PLACES:
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileExistsError):
                place.mkdir()
                place.chmod(0o1777)
            path = place / name
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o666))
                path.chmod(0o666)
            return [path]
    return []


def _hold(path: Path) -> contextlib.AbstractContextManager[object] | None:
    import fcntl

    if path.name == "node.lock":
        return hold_if_free(path)
    # Another user's file is only read: flock(2) needs no more.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _user() -> str:
    try:
        return re.sub(r"[^A-Za-z0-9._-]", "-", getpass.getuser())
    except (KeyError, OSError):
        return f"uid-{os.geteuid()}"
