"""``mlrepo-check-submission``: the checker's findings for what is committed or pushed.

Called by the pre-commit framework without file names. In its ``pre-push`` stage the hook judges
the range that the framework names; otherwise what is staged, or the whole index if nothing is
staged (``--all-files``).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mlrepo.hooks import verdict
from mlrepo.repository.first_look import on_experiment_branch
from mlrepo.repository.outgoing import pushed_change, staged


def main() -> int:
    """Judge the repository that contains the working directory."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--round", help="whose rules hold; else the setting in mlrepo.toml")
    parser.add_argument("--profile", choices=("strict", "official"), help="else the setting")
    given = parser.parse_args()
    return verdict(lambda: _judge(given.round, given.profile), name="check", way_out="")


def _judge(round_: str | None, profile: str | None) -> list[str]:
    from mlrepo.guard.changed import judge_branch, judge_index
    from mlrepo.guard.contents import settings_for_hooks

    root = Path.cwd()
    flags = {"MLREPO_ROUND": round_, "MLREPO_PROFILE": profile}
    environ = {**os.environ, **{name: value for name, value in flags.items() if value}}
    settings = settings_for_hooks(root, environ)
    commit, there = (environ.get(f"PRE_COMMIT_{end}_REF") for end in ("TO", "FROM"))
    if commit and there:
        if environ.get("PRE_COMMIT_REMOTE_BRANCH", "").startswith("refs/heads/exp/"):
            return []
        remote = environ.get("PRE_COMMIT_REMOTE_NAME", "")
        return judge_branch(root, commit, pushed_change(root, remote, commit, there), settings)
    if on_experiment_branch():
        return []
    paths = staged(root).paths or None
    index_file = environ.get("GIT_INDEX_FILE", "")
    return judge_index(root, paths, index_file=index_file, settings=settings)


if __name__ == "__main__":
    sys.exit(main())
