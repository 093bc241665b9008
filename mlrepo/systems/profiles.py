"""Platform profiles: the state that a machine is wanted in, as declarative TOML.

Files of the repository (``platforms/<name>.toml``) take precedence over those of the package.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from mlrepo.bounded import parse_toml
from mlrepo.errors import UserError
from mlrepo.paths import name_problem
from mlrepo.systems.scripts import Script

NONE = "none"
_TEXT, _SWITCH, _NUMBER = "a text", "true or false", "a whole number"
_STATE = {
    "governor": (_TEXT,),
    "frequency_min": (_TEXT, _NUMBER),
    "frequency_max": (_TEXT, _NUMBER),
    "turbo": (_SWITCH,),
    "smt": (_SWITCH,),
    "online": (_TEXT,),
    "transparent_hugepages": (_TEXT,),
    "swappiness": (_NUMBER,),
}
_PIN = {"cpus": (_TEXT,), "numa_node": (_NUMBER,)}
_TOP = ("summary", "required", "state", "pin", "script")
_CHOICES = {"transparent_hugepages": ("always", "madvise", "never")}


@dataclass(frozen=True)
class Profile:
    """A wanted state.

    Attributes
    ----------
    state:
        ``governor``, ``frequency_min`` and ``frequency_max`` (``max``, ``min`` or MHz), ``turbo``,
        ``smt``, ``online`` (a list of CPUs; the others go offline), ``transparent_hugepages``,
        ``swappiness``.
    pin:
        ``cpus`` (such as ``0-3``) or ``numa_node``: the benchmark runs there only.
    script:
        What is run with ``apply`` after the state was set, and with ``restore`` before it is put
        back, where the user trusts it (:mod:`mlrepo.systems.scripts`).
    required:
        Whether a run is refused when the state cannot be reached; else what failed is reported.
    """

    name: str
    summary: str = ""
    required: bool = False
    state: Mapping[str, object] = field(default_factory=dict)
    pin: Mapping[str, object] = field(default_factory=dict)
    script: Script | None = None


def profile_files(own: Path) -> dict[str, Traversable]:
    """Return the files of all profiles by name; ``own``: the repository's ``platforms/``."""
    package = resources.files("mlrepo.templates") / "platforms"
    found: dict[str, Traversable] = {
        entry.name.removesuffix(".toml"): entry
        for entry in package.iterdir()
        if entry.name.endswith(".toml")
    }
    found |= {path.stem: path for path in own.glob("*.toml")}
    return dict(sorted(found.items()))


def load_profile(own: Path, name: str) -> Profile:
    """Return the profile ``name``.

    Raises
    ------
    UserError
        There is none, or its file says something that profiles cannot.
    """
    files = profile_files(own)
    if name not in files or name_problem(name):
        raise UserError(
            f"There is no platform profile {name!r}.",
            hint=f"Profiles: {', '.join(files)}. `mlrepo platform add NAME` makes one.",
        )
    return parse_profile(name, files[name].read_text(encoding="utf-8"), str(files[name]), own)


def parse_profile(name: str, text: str, where: str, own: Path) -> Profile:
    """Read a profile, and its script from ``own``; a :class:`UserError` names what cannot be."""
    try:
        raw = parse_toml(text)
    except ValueError as error:
        raise UserError(f"{where} is not valid TOML: {error}.", hint="Correct the line.") from error
    _refuse_unknown(raw, _TOP, where)
    state, pin = raw.get("state", {}), raw.get("pin", {})
    for table, allowed, label in ((state, _STATE, "state"), (pin, _PIN, "pin")):
        if not isinstance(table, dict):
            raise UserError(f"{where}: {label} must be a table.", hint=f"Write [{label}].")
        _refuse_unknown(table, allowed, f"{where} [{label}]")
        for key, value in table.items():
            _check_value(key, value, allowed[key], f"{where} [{label}]")
    if len(pin) > 1:
        raise UserError(f"{where}: cpus and numa_node exclude each other.", hint="Keep one.")
    if not isinstance(raw.get("required", False), bool):
        raise UserError(f"{where}: required must be true or false.", hint="Correct the line.")
    return Profile(
        name,
        str(raw.get("summary", "")),
        raw.get("required", False),
        state,
        pin,
        _script(raw["script"], where, own) if "script" in raw else None,
    )


def _script(name: object, where: str, own: Path) -> Script:
    path = own / str(name)
    problem = "it is not a text"
    if isinstance(name, str):
        problem = name_problem(name)
        if not problem and (path.is_symlink() or not path.is_file()):
            problem = f"{path} is no plain file"
    if problem:
        raise UserError(
            f"{where}: script = {name!r} cannot be: {problem}.",
            hint="Name a file that stands beside the repository's own profiles, in platforms/.",
        )
    return Script(path.name, path.read_bytes())


def cpu_numbers(text: str) -> list[int]:
    """Return the CPUs of a kernel list such as ``0-3,8``; raise :class:`ValueError` for no list."""
    found: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"{part!r} is no CPU and no range of CPUs")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return sorted(set(found))


def _refuse_unknown(table: Mapping[str, object], allowed: Collection[str], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise UserError(
                f"{where} has an unknown key {key!r}.", hint=f"Keys: {', '.join(allowed)}."
            )


def _check_value(key: str, value: object, kinds: tuple[str, ...], where: str) -> None:
    kind = {bool: _SWITCH, int: _NUMBER, str: _TEXT}.get(type(value), "")
    problem = "" if kind in kinds else f"must be {' or '.join(kinds)}"
    if not problem and isinstance(value, int) and value < 0:
        problem = "must not be negative"
    if not problem and key in ("cpus", "online"):
        try:
            problem = "" if cpu_numbers(str(value)) else "names no CPU"
        except ValueError as error:
            problem = str(error)
    if (
        not problem
        and key.startswith("frequency")
        and kind == _TEXT
        and value not in ("max", "min")
    ):
        problem = 'must be "max", "min" or a number of MHz'
    if not problem and value not in _CHOICES.get(key, (value,)):
        problem = f"must be one of: {', '.join(_CHOICES[key])}"
    if problem:
        raise UserError(f"{where}: {key} = {value!r} {problem}.", hint="Correct the line.")
