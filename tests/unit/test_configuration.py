"""The generated ``mlrepo.toml``: every commented line is a valid setting."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from mlrepo.errors import UserError
from mlrepo.repository.configuration import set_value, unset_value
from mlrepo.repository.discovery import parse_settings, read_settings
from mlrepo.settings import SETTINGS, Resolver
from mlrepo.templates import render

_VALUES = {
    "round": "v6.1",
    "division": "open",
    "submitter": "Acme",
    "category": "edge",
    "system": "box",
}
_LINES = render("results_repo/mlrepo.toml", _VALUES).decode().splitlines(keepends=True)
_COMMENTED = [
    number for number, line in enumerate(_LINES) if line.startswith("# ") and " = " in line
]


def _uncommented(numbers: tuple[int, ...]) -> str:
    return "".join(
        line.removeprefix("# ") if number in numbers else line for number, line in enumerate(_LINES)
    )


def test_the_template_offers_settings() -> None:
    """Each of them a known one, and each at most once."""
    keys = [_LINES[number][2:].partition(" = ")[0] for number in _COMMENTED]
    assert {"system", "profile", "hooks", "embargo", "official.repository"} <= set(keys)
    assert len(set(keys)) == len(keys)
    assert set(keys) <= {setting.key for setting in SETTINGS}


@pytest.mark.parametrize(
    "numbers",
    [*((number,) for number in _COMMENTED), *combinations(_COMMENTED, 2), tuple(_COMMENTED)],
    ids=str,
)
def test_lines_can_be_uncommented(numbers: tuple[int, ...]) -> None:
    """Any one, any two, and all: the file can be read, and every value is valid."""
    settings = parse_settings(_uncommented(numbers), "mlrepo.toml")
    assert len(settings) == 4 + len(numbers)
    for key in settings:
        found = Resolver({}, settings).find(key)
        assert found is not None
        assert found.origin == "mlrepo.toml"


@pytest.mark.parametrize("number", _COMMENTED)
def test_a_setting_takes_the_place_of_its_comment(tmp_path: Path, number: int) -> None:
    """So that nobody sets it twice; unsetting it brings the comment back."""
    path = tmp_path / "mlrepo.toml"
    path.write_text("".join(_LINES))
    line = _LINES[number].removeprefix("# ")
    key = line.partition(" = ")[0]
    value = parse_settings(line, "line")[key]
    set_value(path, key, value)
    lines = path.read_text().splitlines(keepends=True)
    assert lines[number].startswith(f'{key} = "{value}"')
    assert [*lines[:number], *lines[number + 1 :]] == [*_LINES[:number], *_LINES[number + 1 :]]
    unset_value(path, key)
    assert key not in read_settings(path)
    assert path.read_text().splitlines()[number].startswith(f"# {key} = ")


def test_settings_of_an_older_template_are_changed_in_their_table(tmp_path: Path) -> None:
    """It had a table for the official repository."""
    path = tmp_path / "mlrepo.toml"
    path.write_text('round = "v6.1"\n\n[official]\nrepository = "https://x/y"\n# branch = "main"\n')
    set_value(path, "official.repository", "https://x/z")
    set_value(path, "official.branch", "dev")
    set_value(path, "embargo", "2027-04-01")
    settings = read_settings(path)
    assert settings["official.repository"] == "https://x/z"
    assert settings["official.branch"] == "dev"
    assert settings["embargo"] == "2027-04-01"
    unset_value(path, "official.branch")
    unset_value(path, "round")
    assert "official.branch" not in read_settings(path)
    with pytest.raises(UserError, match="round is not set"):
        unset_value(path, "round")
