"""Finding the results repository that a command works on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.bounded import parse_toml
from mlrepo.errors import MlrepoError, UserError
from mlrepo.repository.process import GitError, git
from mlrepo.settings import FILE_NAME, SETTINGS, which_settings
from mlrepo.shell import quoted

if TYPE_CHECKING:
    import pygit2

    from mlrepo.rounds import Rounds


@dataclass(frozen=True)
class ResultsRepository:
    """A Git repository with an ``mlrepo.toml`` in the root of its working tree.

    Attributes
    ----------
    root:
        The working tree.
    git_dir:
        The Git directory of this working tree.
    common_dir:
        The Git directory shared by linked working trees: refs, objects and mlrepo's own store.
    """

    root: Path
    git_dir: Path
    common_dir: Path

    @property
    def store(self) -> Path:
        """mlrepo's own directory: spool, raw logs, crash reports, locks. Never committed."""
        return self.common_dir / "mlrepo"

    @property
    def settings_file(self) -> Path:
        """The path of ``mlrepo.toml``."""
        return self.root / FILE_NAME

    @property
    def systems(self) -> Path:
        """The directory with one directory per system."""
        return self.root / "systems"

    @property
    def platforms(self) -> Path:
        """The directory with the repository's own platform profiles; may be absent."""
        return self.root / "platforms"

    @cached_property
    def rounds(self) -> Rounds:
        """The rounds that come with mlrepo, and those whose rules the working tree holds."""
        from mlrepo.rounds import Rounds  # not needed by a commit that only truncates logs

        return Rounds.of_repository(self.root)

    @cached_property
    def damage(self) -> dict[str, MlrepoError]:
        """What could not be read so far, by reference or run: :mod:`mlrepo.repository.damage`."""
        return {}

    @cached_property
    def left_out(self) -> dict[str, dict[str, None]]:
        """What this mlrepo does not know of runs, and which: :mod:`mlrepo.repository.left_out`."""
        return {}

    @cached_property
    def known_twice(self) -> dict[tuple[str, ...], set[str]]:
        """Runs that were imported into several experiments: :mod:`mlrepo.repository.claims`."""
        return {}

    @cached_property
    def also_summarised(self) -> set[str]:
        """Rows of summaries that count no longer: :mod:`mlrepo.repository.summary_rows`."""
        return set()

    @cached_property
    def git(self) -> pygit2.Repository:
        """The open repository; raises a clear error if libgit2 does not support its formats."""
        refuse_unsupported_formats(self.common_dir)
        import pygit2
        from pygit2.enums import RepositoryOpenFlag

        # A power cut must not lose a run reported as recorded: blobs, trees, commit and ref are
        # synced in this order. The option is process-wide in libgit2.
        pygit2.settings.enable_fsync_gitdir(True)
        try:
            return pygit2.Repository(str(self.git_dir), RepositoryOpenFlag.NO_SEARCH)
        except pygit2.GitError as error:
            raise UserError(
                f"{self.git_dir} cannot be opened: {error}.",
                hint="If it belongs to another user, see `git help config`, safe.directory.",
            ) from error

    def reopen(self) -> None:
        """Let go of the open repository: whoever asks next gets one that knows today's packs.

        pygit2's repositories refer to themselves. One that is merely dropped lives on, with up to
        16 MB of cached trees for each pack, and libgit2 shares its packs with every one opened
        after it.
        """
        opened: pygit2.Repository | None = self.__dict__.pop("git", None)
        if opened is not None:
            opened.free()

    def file_settings(self) -> dict[str, str]:
        """Return ``mlrepo.toml`` as dotted keys with their values as text."""
        return read_settings(self.settings_file)

    def clone_setting(self, key: str) -> str:
        """Return the value of a key in the clone's own Git configuration, '' if it is not set."""
        try:
            return git("config", "--local", "--get", key, cwd=self.root).removesuffix("\n")
        except GitError:  # also of a configuration that git cannot read, which others report
            return ""


def find_repository(start: Path) -> ResultsRepository:
    """Return the results repository that ``start`` lies in.

    Raises
    ------
    UserError
        ``start`` is not in a Git working tree, or that tree has no ``mlrepo.toml``.
    """
    repository = find_git_repository(start)
    if repository is None:
        raise UserError(
            f"{start} is not inside a results repository.",
            hint="Make one with `mlrepo init DIR`, get one with `mlrepo clone URL`, or cd into it.",
        )
    if not repository.settings_file.exists():
        from mlrepo.repository.settings_branches import branch_to_switch_to

        branch = branch_to_switch_to(repository.root)
        hint = "Turn it into one with `mlrepo init --adopt` (nothing that exists is changed)."
        raise UserError(
            f"{repository.root} is a Git repository, but not a results repository: it has no "
            f"{FILE_NAME}.",
            hint=f"The branch {branch} has one: `git switch {quoted(branch)}`." if branch else hint,
        )
    return repository


def find_git_repository(start: Path) -> ResultsRepository | None:
    """Return the Git working tree around ``start``, results repository or not, or None."""
    if not start.is_dir():
        raise UserError(f"The directory {start} does not exist.", hint="Check the path.")
    try:
        lines = git(
            "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir", cwd=start
        ).splitlines()
    except GitError as error:
        if "not a git repository" in error.stderr or "in a work tree" in error.stderr:
            return None
        raise UserError(
            f"Git refuses the repository at {start}: {error.stderr}",
            hint="Do what git says; a newer git may know the repository's format.",
        ) from error
    root, git_dir, common = lines
    return ResultsRepository(Path(root), Path(git_dir), (start / common).resolve())


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings in an ``mlrepo.toml`` by dotted key; none if the file is missing.

    Raises
    ------
    UserError
        The file is not TOML, has an unknown key, or a value that is not a plain value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}.", hint="Correct the line.") from error
    return parse_settings(text, str(path))


def parse_settings(text: str, path: str) -> dict[str, str]:
    """Parse a text as :func:`read_settings` does; ``path`` is where it is, for messages."""
    try:
        raw = parse_toml(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid TOML: {error}.", hint="Correct the line.") from error
    flat = _flatten(raw)
    known = {setting.key for setting in SETTINGS}
    for key, value in flat.items():
        if key not in known:
            raise UserError(
                f"{path} has an unknown setting {key!r}.",
                hint=which_settings(key),
            )
        if isinstance(value, (list, dict)):
            raise UserError(f"{path}: {key} must be one plain value.")
    return {key: str(value) for key, value in flat.items()}


def _flatten(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def refuse_unsupported_formats(common_dir: Path) -> None:
    """Raise :class:`UserError` for repository formats that libgit2 cannot write (yet)."""
    for key, name, wanted in (
        ("extensions.objectFormat", "SHA-256 objects", "sha1"),
        ("extensions.refStorage", "the reftable format", "files"),
    ):
        try:
            value = git(
                "config", "--file", str(common_dir / "config"), "--get", key, cwd=common_dir
            )
        except GitError:
            continue
        if value.strip().lower() != wanted:
            raise UserError(
                f"{common_dir} uses {name}, which libgit2 cannot write yet.",
                hint="Make the results repository with `git init --object-format=sha1 "
                "--ref-format=files`, or let `mlrepo init` make it.",
            )
