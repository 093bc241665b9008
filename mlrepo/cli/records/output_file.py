"""Files that commands write for people or other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.shell import quoted

if TYPE_CHECKING:
    from mlrepo.repository.discovery import ResultsRepository


def write_output(repository: ResultsRepository, path: Path, data: bytes, option: str) -> None:
    """Write a file, whole or not at all, and keep it out of Git where it is in the working tree.

    Parameters
    ----------
    option:
        The option that names the file.

    Raises
    ------
    UserError
        It cannot be written.
    """
    from mlrepo.repository.files import write_where_named
    from mlrepo.repository.ignored import ignore_here

    if not path.parent.is_dir():
        raise UserError(
            f"The directory {path.parent} does not exist.",
            hint=f"Make it first: mkdir -p {quoted(path.parent)}",
        )
    try:
        write_where_named(path, data)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}.", hint=f"Name another file with {option}."
        ) from error
    ignore_here(repository, path)
