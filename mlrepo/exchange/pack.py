"""Pack a selection into one file, with digests and a manifest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlrepo.checker.report import Report
from mlrepo.digest import sha256_file
from mlrepo.errors import InvalidResult, UserError
from mlrepo.exchange.archive import write_tar_gz, write_zip
from mlrepo.exchange.encryption import decryption_command, encrypt
from mlrepo.guard.contents import secret_messages, secrets_in_names
from mlrepo.proposal.candidate import refuse_invalid, report_on
from mlrepo.proposal.selected import Selection, read_selection, refuse_withdrawn
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.files import sync_directory, write_atomically
from mlrepo.repository.git_trees import CommitTree
from mlrepo.repository.submission_branch import commit_time
from mlrepo.tree import Kind, walk

SUFFIXES = (".tar.gz", ".tgz", ".zip")
_SCHEMA = "mlrepo.manifest/1"
_ENCRYPTED = ".enc"


@dataclass(frozen=True)
class Packed:
    """A packed submission.

    Attributes
    ----------
    path, manifest:
        The file to send, and the JSON file beside it that lists its content.
    sha1, sha256, size:
        Of the file to send; MLCommons requires the SHA-1.
    files:
        The number of the submission's files in it.
    report:
        The checker's report on it.
    open_with:
        The command that decrypts it, or ''.
    practice:
        A sentence for each benchmark that can never be valid in the round.
    """

    selection: Selection
    report: Report
    path: Path
    manifest: Path
    sha1: str
    sha256: str
    size: int
    files: int
    open_with: str = ""
    practice: tuple[str, ...] = ()


def usual_name(selection: Selection) -> str:
    """Return the default file name of a packed selection."""
    return f"{'-'.join((*selection.submitters, selection.round))}.tar.gz".replace(" ", "_")


def pack(
    repository: ResultsRepository,
    round_name: str,
    output: Path | None = None,
    *,
    passphrase: Callable[[], bytes] | None = None,
    overwrite: bool = False,
    profile: str = "strict",
    allow_invalid: bool = False,
    workers: int = 1,
) -> Packed:
    """Write the selection of a round as ``.tar.gz`` or ``.zip``, by the suffix of ``output``.

    The same commit gives the same bytes on every machine, unless encrypted: the salt is random.

    Parameters
    ----------
    output:
        The file, or a directory for a file with the default name; ``.enc`` is added if encrypted.
    passphrase:
        Returns the passphrase; called once it is certain that a file will be written.
    profile:
        The verdict by which the selection must be valid, unless ``allow_invalid``.
    workers:
        Processes of the checker.

    Raises
    ------
    InvalidResult
        The selection is not valid.
    UserError
        Nothing is selected, it contains what looks like a secret, the suffix is unknown, or another
        file is in the way.
    """
    selection = read_selection(repository, round_name)
    refuse_withdrawn(repository, selection)
    target = _target(output, selection, encrypted=passphrase is not None)
    report, practice = report_on(repository, selection, workers=workers)
    if not allow_invalid:
        _refuse_invalid(selection, report, practice, profile)
    secret = None if passphrase is None else passphrase()
    tree = CommitTree(repository.root, selection.commit)
    files = list(_listed(tree))
    moment = commit_time(repository, selection.commit)
    with _beside(target) as (plain, packed), _beside(target) as (sealed, encrypted):
        tar_sha256 = ""
        if _plain_name(target).endswith(".zip"):
            write_zip(tree, plain, moment)
        else:
            tar_sha256 = write_tar_gz(tree, plain, moment)
        plain.flush()
        inner = digests = _digests(packed)
        if secret is not None:
            plain.seek(0)
            encrypt(plain, sealed, secret)
            sealed.flush()
            digests = _digests(encrypted)
        stream, source = (plain, packed) if secret is None else (sealed, encrypted)
        os.fsync(stream.fileno())
        _put(source, target, str(digests["sha256"]), overwrite=overwrite)
    manifest = target.with_name(f"{target.name}.manifest.json")
    values = {
        "schema": _SCHEMA,
        "file": target.name,
        **digests,
        "archive": {**inner, "tar_sha256": tar_sha256, "zlib": zlib.ZLIB_RUNTIME_VERSION},
        "round": round_name,
        "commit": selection.commit,
        "tree": selection.tree,
        "committed": moment.isoformat(),
        "submitters": list(selection.submitters),
        "runs": [{"run": run.run, "path": run.path} for run in selection.runs],
        "files": files,
        "ready_made": [{"path": one.path, "source": one.source} for one in selection.ready],
        "verdict": {
            name: "valid" if report.valid(name) else "invalid" for name in ("strict", "official")
        },
    }
    write_atomically(manifest, (json.dumps(values, indent=2) + "\n").encode())
    return Packed(
        selection,
        report,
        target,
        manifest,
        digests["sha1"],
        digests["sha256"],
        digests["size"],
        len(files),
        decryption_command(target.name) if secret is not None else "",
        practice,
    )


def _refuse_invalid(
    selection: Selection, report: Report, practice: Sequence[str], profile: str
) -> None:
    try:
        refuse_invalid(selection, report, practice, profile, "nothing was packed")
    except InvalidResult as error:
        raise InvalidResult(
            error.message, hint=f"{error.hint} --allow-invalid packs it as it is."
        ) from None


def _target(output: Path | None, selection: Selection, *, encrypted: bool) -> Path:
    path = output or Path(usual_name(selection))
    if path.is_dir():
        path = path / usual_name(selection)
    name = _plain_name(path)
    if not name.endswith(SUFFIXES):
        raise UserError(
            f"The name {path} has no ending that says the kind of archive.",
            hint=f"Use a name that ends in {', '.join(SUFFIXES)}.",
        )
    if not path.absolute().parent.is_dir():
        raise UserError(
            f"{path.parent} is not a directory.", hint="Name a file in an existing directory."
        )
    return path.with_name(name + _ENCRYPTED) if encrypted else path


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(_ENCRYPTED)


def _listed(tree: CommitTree) -> Iterator[dict[str, object]]:
    """Yield path, size and SHA-256 of each file; refuse files with a secret."""
    for path, entry in walk(tree):
        names = secrets_in_names("the path", [path])
        if names:
            raise UserError(names[0], hint="Nothing was packed.")
        if entry.kind is not Kind.FILE:
            continue
        data = tree.read(path)
        secrets = secret_messages(path, data)
        if secrets:
            raise UserError(secrets[0], hint="Nothing was packed.")
        yield {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a temporary file in the target's directory; if it still exists afterwards, delete it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.absolute().parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream, temporary
    finally:
        temporary.unlink(missing_ok=True)


def _put(source: Path, target: Path, sha256: str, *, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        if target.is_file() and sha256_file(target) == sha256:
            return
        raise UserError(
            f"{target} exists, with other content.", hint="Use --force, or another name: -o FILE."
        )
    source.chmod(0o644)
    source.replace(target)
    sync_directory(target.absolute().parent)


def _digests(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        sha1 = hashlib.file_digest(stream, "sha1").hexdigest()
    return {"size": path.stat().st_size, "sha1": sha1, "sha256": sha256_file(path)}
