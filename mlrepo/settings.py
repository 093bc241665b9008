"""The settings of a results repository and how they are resolved.

Order: command-line flag, ``MLREPO_*``, ``CK_MLPERF_INFERENCE_*`` (scripts written for the CK
automation keep working), the clone's own value, ``mlrepo.toml``, default. Each resolved value
remembers where it came from; an unresolved one is an error that names every way to set it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mlrepo.errors import UserError
from mlrepo.paths import name_problem
from mlrepo.predecessor import KERNEL_VARIABLES, SETTING_VARIABLES

FILE_NAME = "mlrepo.toml"
# The section of a clone's Git configuration that holds its own settings.
CLONE_SECTION = "mlrepo"


@dataclass(frozen=True)
class Setting:
    """A key of ``mlrepo.toml``: its meaning and its valid values.

    Attributes
    ----------
    set_with:
        The command for a setting that each clone has for itself, because clones are on different
        machines; '' for the settings that all share.
    """

    key: str
    summary: str
    flag: str = ""
    default: str | None = None
    choices: tuple[str, ...] = ()
    parse: Callable[[str], str] = str
    set_with: str = ""

    @property
    def clone_key(self) -> str:
        """The key of the Git configuration with a clone's own value, or ''."""
        return f"{CLONE_SECTION}.{self.key}" if self.set_with else ""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "MLREPO_" + self.key.upper().replace(".", "_")

    @property
    def legacy_variables(self) -> tuple[str, ...]:
        """The variables of the CK automation of 2021 that set it."""
        return SETTING_VARIABLES.get(self.key, ())

    def check(self, value: str, origin: str) -> str:
        """Return the value in its canonical spelling; raise :class:`UserError` if it is invalid."""
        try:
            parsed = self.parse(value.strip())
        except ValueError as error:
            raise UserError(
                f"{value!r} is not a valid {self.key} ({origin}): {error}.",
                hint=f"{self.key}: {self.summary}",
            ) from None
        if self.choices and parsed not in self.choices:
            raise UserError(
                f"{value!r} is not a valid {self.key} ({origin}).",
                hint=f"Use one of: {', '.join(self.choices)}.",
            )
        return parsed


def _round(text: str) -> str:
    match = re.fullmatch(r"[vV]?([0-9]+\.[0-9]+)", text)
    if not match:
        raise ValueError("a round is written like v6.1")
    return "v" + match[1]


def _name(text: str) -> str:
    problem = name_problem(text)
    if problem:
        raise ValueError(problem)
    return text


def _category(text: str) -> str:
    words = sorted(word.strip() for word in text.lower().split(","))
    return ",".join(words)


def _remote(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", text) or ".." in text:
        raise ValueError("it is the name of a remote, such as origin, not a URL")
    return text


def _date(text: str) -> str:
    return datetime.date.fromisoformat(text).isoformat()


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "round",
        "the MLPerf Inference round, such as v6.1",
        "--round",
        default="v6.1",
        parse=_round,
    ),
    Setting(
        "division",
        "closed, open or network",
        "--division",
        choices=("closed", "open", "network"),
        parse=str.lower,
    ),
    Setting(
        "submitter",
        "your organisation, as MLCommons spells it",
        "--submitter",
        parse=_name,
    ),
    Setting(
        "category",
        "edge, datacenter or datacenter,edge",
        "--category",
        default="edge",
        choices=("edge", "datacenter", "datacenter,edge"),
        parse=_category,
    ),
    Setting(
        "system",
        "the system that this clone measures: a directory below systems/",
        "--system",
        parse=_name,
        set_with="mlrepo system use NAME",
    ),
    Setting(
        "platform",
        "the platform profile of every run: see `mlrepo platform list`",
        "--platform",
        default="none",
        parse=_name,
    ),
    Setting("official.repository", "URL of the official repository that gets the pull request"),
    Setting("official.branch", "its branch", default="main"),
    Setting(
        "official.visibility",
        "public or private",
        default="public",
        choices=("public", "private"),
        parse=str.lower,
    ),
    Setting(
        "official.fork",
        "where the branch of the pull request is pushed: OWNER, OWNER/NAME or "
        "a URL; on GitHub by default your own fork, made when there is none",
        "--fork",
    ),
    Setting(
        "official.forge",
        "where the official repository is hosted: github, gitlab, or git for "
        "any other server; by default from its URL",
        choices=("github", "gitlab", "git"),
        parse=str.lower,
    ),
    Setting(
        "official.api_url",
        "root of the GitHub REST API; by default https://api.github.com or https://HOST/api/v3",
    ),
    Setting("embargo", "no result may become public before this date (YYYY-MM-DD)", parse=_date),
    Setting(
        "private_remotes",
        "names or URLs of Git remotes that the public cannot read, "
        "separated by commas; results may go there before the embargo ends",
    ),
    Setting(
        "hub",
        "the Git remote through which everybody exchanges runs (`mlrepo sync`)",
        "--hub",
        default="origin",
        parse=_remote,
    ),
    Setting(
        "profile",
        "which verdict `mlrepo check` and the hooks use: strict or official",
        "--profile",
        default="strict",
        choices=("strict", "official"),
        parse=str.lower,
    ),
    Setting(
        "hooks",
        "which Git hooks are installed: plain, pre-commit (the framework), none, or auto",
        default="auto",
        choices=("auto", "plain", "pre-commit", "none"),
        parse=str.lower,
    ),
)

_BY_KEY = {setting.key: setting for setting in SETTINGS}


def setting_named(key: str) -> Setting:
    """Return the setting ``key``; raise :class:`UserError` naming all keys when there is none."""
    if key not in _BY_KEY:
        raise UserError(
            f"There is no setting {key!r}.",
            hint=f"{which_settings(key)} `mlrepo config list` explains each.",
        )
    return _BY_KEY[key]


def which_settings(key: str) -> str:
    """Return a sentence for an unknown key: which setting was meant, else all of them."""
    if here := KERNEL_VARIABLES.get(key):
        return f"{key} of CK's kernel is {here} here: `mlrepo config set {here} VALUE`."
    return f"Settings are: {', '.join(_BY_KEY)}."


@dataclass(frozen=True)
class Resolved:
    """A setting's value and where it came from."""

    value: str
    origin: str


def _no_clone(key: str) -> str:
    """Return no value: there is no repository."""
    return ""


@dataclass(frozen=True)
class Resolver:
    """Look up settings in flags, environment, clone and file.

    Attributes
    ----------
    environ:
        The process environment (only the CLI reads the real one).
    file:
        Dotted keys of ``mlrepo.toml`` and their values as text.
    clone:
        Returns the clone's own value of a key of the Git configuration, or ''; called only for
        settings that a clone has for itself.
    """

    environ: Mapping[str, str]
    file: Mapping[str, str]
    clone: Callable[[str], str] = _no_clone

    def find(self, key: str, flag: str | None = None) -> Resolved | None:
        """Return the resolved setting, or None when nothing sets it and it has no default."""
        setting = setting_named(key)
        candidates: tuple[tuple[str, str | None], ...] = (
            (setting.flag, flag),
            (setting.variable, self.environ.get(setting.variable)),
            *((name, self.environ.get(name)) for name in setting.legacy_variables),
        )
        for origin, value in (*candidates, *self._of_repository(setting)):
            if value is not None and value.strip():
                return Resolved(setting.check(value, origin), origin)
        return None

    def _of_repository(self, setting: Setting) -> Iterator[tuple[str, str | None]]:
        """Yield what the clone, the file and mlrepo itself say, in this order."""
        if setting.clone_key:
            yield f"git config {setting.clone_key}", self.clone(setting.clone_key)
        yield FILE_NAME, self.file.get(setting.key)
        yield "default", setting.default

    def require(self, key: str, flag: str | None = None) -> Resolved:
        """Like :meth:`find`, but an unset value is an error that names all ways to set it."""
        found = self.find(key, flag)
        if found:
            return found
        setting = setting_named(key)
        flag = f"the flag {setting.flag}, " if setting.flag else ""
        legacy = (
            f" (or {' or '.join(setting.legacy_variables)})" if setting.legacy_variables else ""
        )
        command = setting.set_with or f"mlrepo config set {key} VALUE"
        raise UserError(
            f"{key if '.' in key else f'The {key}'} is not set ({setting.summary}).",
            hint=f"Use {flag}the environment variable {setting.variable}{legacy}, or, in a results "
            f"repository, `{command}`.",
        )
