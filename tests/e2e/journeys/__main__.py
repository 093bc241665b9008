"""Print the transcripts of the four journeys, and their costs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.e2e.journeys import JOURNEYS, run


def main() -> None:
    """Run each journey in a directory of its own."""
    for journey in JOURNEYS:
        with tempfile.TemporaryDirectory() as directory:
            steps = [
                s for s in run(journey.page, Path(directory)) if s.section in journey.reached_in
            ]
        print(f"# {journey.page}: {journey.goal}\n")
        for step in steps:
            print(f"$ {step.command}\n{step.out}{step.err}", end="")
        took, errors = sum(s.of_mlrepo for s in steps), sum(s.failed for s in steps)
        print(f"\n{took} commands of mlrepo (at most {journey.most}), {errors} errors\n")


if __name__ == "__main__":
    main()
