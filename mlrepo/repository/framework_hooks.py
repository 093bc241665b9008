"""What a configuration of the pre-commit framework would run besides mlrepo's own hooks.

The framework runs any command that the file names, at each commit. In a clone the file is someone
else's, so its other hooks are installed only if the user has agreed to exactly this file.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlrepo.digest import sha256_bytes
from mlrepo.repository.consents import Consents
from mlrepo.repository.discovery import ResultsRepository

FRAMEWORK_CONFIGURATION = ".pre-commit-config.yaml"
_WHAT = "hooks"
# mlrepo's own hooks are entry points of its package, and these keys of a hook run nothing.
_OWN = (
    "mlrepo-truncate-accuracy-log",
    "mlrepo-check-submission",
    "mlrepo-large-files",
    "mlrepo-secrets",
    "mlrepo-check-system",
)
_HARMLESS = frozenset(
    {
        "id",
        "name",
        "entry",
        "language",
        "alias",
        "description",
        "files",
        "exclude",
        "types",
        "types_or",
        "exclude_types",
        "require_serial",
        "pass_filenames",
        "stages",
        "always_run",
        "verbose",
        "fail_fast",
        "minimum_pre_commit_version",
    }
)
# Configurations take a few KiB; a larger one is not read, and so not trusted.
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Configuration:
    """The configuration in a working tree.

    Attributes
    ----------
    sha256:
        Of the file; '' if there is none.
    foreign:
        One line for each command that it would run besides mlrepo's own hooks.
    """

    sha256: str
    foreign: tuple[str, ...]


def read_configuration(repository: ResultsRepository) -> Configuration:
    """Read the repository's configuration, without running any of it."""
    path = repository.root / FRAMEWORK_CONFIGURATION
    if not path.is_file():
        return Configuration("", ())
    data = path.read_bytes()
    return Configuration(sha256_bytes(data), tuple(_foreign(data)))


def is_agreed(repository: ResultsRepository, configuration: Configuration) -> bool:
    """Return whether it may run: it has no foreign hooks, or the user agreed to this very file."""
    return not configuration.foreign or Consents.of(repository).holds(_WHAT, [configuration.sha256])


def agree(repository: ResultsRepository, configuration: Configuration) -> None:
    """Remember on this machine that the user agreed to this version of the file."""
    Consents.of(repository).remember(_WHAT, [configuration.sha256])


def disagree(repository: ResultsRepository, configuration: Configuration) -> bool:
    """Withdraw the consent; return whether there was one."""
    return Consents.of(repository).forget(_WHAT, [configuration.sha256])


def _foreign(data: bytes) -> Iterator[str]:
    if len(data) > _LARGEST:
        yield f"{len(data)} bytes, which are not read"
        return
    try:
        repos = _load(data)["repos"] or []
        for repo in repos:
            for hook in repo["hooks"] or []:
                if not _is_own(repo, hook):
                    yield _told(repo, hook)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        yield f"something that cannot be read: {error!r}"


def _load(data: bytes) -> Any:
    import yaml

    text = data.decode("utf-8")
    try:
        # A few hundred bytes of aliases can expand to gigabytes; nobody needs them here.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ValueError("it holds aliases")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _is_own(repo: Mapping[str, object], hook: Mapping[str, object]) -> bool:
    return (
        repo["repo"] == "local"
        and hook.get("language") == "system"
        and hook.get("id") == hook.get("entry")
        and hook["id"] in _OWN
        and set(hook) <= _HARMLESS
    )


def _told(repo: Mapping[str, Any], hook: Mapping[str, Any]) -> str:
    words = hook.get("entry", "")
    runs = " ".join([str(words), *(shlex.quote(str(arg)) for arg in hook.get("args") or [])])
    where = "" if repo["repo"] == "local" else f" from {repo['repo']} at {repo.get('rev')}"
    return f"{hook.get('id')}{where}{': ' + runs if runs.strip() else ''}"
