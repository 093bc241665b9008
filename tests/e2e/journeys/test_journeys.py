"""The guides reach their goals: every command in them runs, and few are needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.journeys import DOCS, JOURNEYS, Journey, commands, run


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: Path(journey.page).stem)
def test_a_guide_leads_to_its_goal(journey: Journey, tmp_path: Path) -> None:
    """Every command of the guide ends as it says, and few of them lead to the goal."""
    steps = run(journey.page, tmp_path)
    assert not [step for step in steps if step.failed]
    needed = [step for step in steps if step.section in journey.reached_in and step.of_mlrepo]
    assert 0 < len(needed) <= journey.most


def test_the_commands_of_other_pages_run(tmp_path: Path) -> None:
    """Pages beside the guides that show commands show such that run."""
    others = [
        path.relative_to(DOCS).as_posix()
        for path in DOCS.rglob("*.md")
        if "design" not in path.parts and path.name != "tutorial.md"
    ]
    pages = [page for page in others if any(commands(page))]
    guides = {journey.page for journey in JOURNEYS}
    assert guides <= set(pages)
    for number, page in enumerate(sorted(set(pages) - guides)):
        directory = tmp_path / str(number)
        directory.mkdir()
        assert not [step for step in run(page, directory) if step.failed], page
