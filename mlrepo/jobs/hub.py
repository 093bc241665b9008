"""The hub: the repository that all machines push to."""

from __future__ import annotations

from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import GitError, git
from mlrepo.repository.remotes import refuse_credentials


def hub_url(repository: ResultsRepository, name: str) -> str:
    """Return the URL of the hub, a remote by its name; a path becomes an absolute one.

    Raises
    ------
    UserError
        There is none, or its URL holds credentials: it goes into scripts of jobs.
    """
    try:
        url = git("remote", "get-url", "--", name, cwd=repository.root).strip()
    except GitError as error:
        raise UserError(
            f"This repository has no hub, the remote {name!r}, so no node can get it or send runs.",
            hint="Make a bare repository that all machines reach, then `git remote add origin URL` "
            "and `git push origin HEAD:main`. The setting hub names another remote.",
        ) from error
    refuse_credentials(url)
    if "://" not in url and ":" not in url.partition("/")[0]:
        return str((repository.root / Path(url)).resolve())
    return url
