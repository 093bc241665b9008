"""The hub: the repository that all machines push to."""

from __future__ import annotations

from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.process import GitError, git
from mlrepo.repository.remotes import refuse_credentials

HUB = "origin"


def hub_url(repository: ResultsRepository) -> str:
    """Return the URL of the hub, a path as an absolute one.

    Raises
    ------
    UserError
        There is none, or its URL holds credentials: it goes into scripts of jobs.
    """
    try:
        url = git("remote", "get-url", HUB, cwd=repository.root).strip()
    except GitError as error:
        raise UserError(
            "This repository has no hub, so no node can get it or send its runs.",
            hint="Make a bare repository that all machines reach, then `git remote add origin URL` "
            "and `git push origin HEAD:main`.",
        ) from error
    refuse_credentials(url)
    if "://" not in url and ":" not in url.partition("/")[0]:
        return str((repository.root / Path(url)).resolve())
    return url
