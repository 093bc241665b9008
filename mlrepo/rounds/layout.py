"""Where each file of a result belongs in a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.paths import RepoPath


@dataclass(frozen=True)
class Place:
    """The names that make up a path in a round's layout."""

    division: str
    submitter: str
    system: str
    benchmark: str
    scenario: str = ""


@dataclass(frozen=True)
class RoundLayout:
    """The layout of a round.

    Attributes
    ----------
    templates:
        The round's table ``layout``: a path with names in braces for each kind of directory.
    """

    templates: Mapping[str, str]

    def result_directory(self, place: Place) -> RepoPath:
        """Return the directory of one result."""
        return self._path("results", place)

    def run_directory(self, place: Place, mode: str) -> RepoPath:
        """Return the directory of the logs of a performance or accuracy run."""
        result = self.result_directory(place)
        if mode == "accuracy":
            return result / "accuracy"
        run = self.templates["performance"].replace("{1..N}", "1")
        return RepoPath.parse(f"{result}/{run}")

    def test_directory(self, place: Place, test: str) -> RepoPath:
        """Return the directory of the files of a compliance test."""
        return self._path("compliance", place, test)

    def measurements_directory(self, place: Place) -> RepoPath:
        """Return the directory of ``user.conf``, ``README.md`` and the measurements file."""
        return self._path("measurements", place)

    def measurements_file(self, place: Place) -> RepoPath:
        """Return the path of the measurements JSON file."""
        name = self.templates["measurements_json"]
        if "*" in name:
            name = f"{place.system}_{place.scenario}.json"
        return self.measurements_directory(place) / name

    def code_readme(self, place: Place) -> RepoPath:
        """Return the README of the code that a benchmark was run with."""
        layout = self.templates["code"]
        directory = self._path("code", place)
        return (directory if "{model}" in layout else directory / place.benchmark) / "README.md"

    def system_file(self, place: Place) -> RepoPath:
        """Return the path of the system description in the layout."""
        return self._path("systems", place)

    def _path(self, kind: str, place: Place, test: str = "") -> RepoPath:
        return RepoPath.parse(
            self.templates[kind].format(
                division=place.division,
                submitter=place.submitter,
                system=place.system,
                model=place.benchmark,
                scenario=place.scenario,
                TEST=test,
            )
        )
