"""``mlrepo-truncate-accuracy-log``: truncate the named accuracy logs; fail if any changed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from mlrepo.errors import MlrepoError
from mlrepo.hooks import verdict


def main() -> int:
    """Truncate the files named on the command line."""
    return verdict(lambda: fix(Path.cwd(), sys.argv[1:]), name="truncate", way_out="")


def fix(root: Path, names: Sequence[str]) -> list[str]:
    """Truncate the named logs below ``root``; return a message per file changed or refused."""
    from mlrepo.guard.truncate import Treatment, is_target, truncate
    from mlrepo.logs.accuracy import TRUNCATED_SIZE
    from mlrepo.repository.discovery import find_git_repository

    repository = find_git_repository(root)
    if repository is None:
        return [f"{root} is not in a Git working tree."]
    messages = []
    for name in names:
        path = root / name
        if not is_target(path) or path.is_symlink() or not path.is_file():
            continue
        try:
            done = truncate(path, repository.store)
        except MlrepoError as error:
            messages.append(f"{error.message} {error.hint}")
            continue
        both = shlex.join([name, str(Path(name).with_name("accuracy.txt"))])
        if done.outcome is Treatment.TRUNCATED:
            messages.append(
                f"truncated {name} ({done.size} → {TRUNCATED_SIZE} bytes); the full log is kept "
                f"in {repository.store / 'raw' / done.sha256}. Then: git add {both}"
            )
        elif done.outcome is Treatment.HASHED:
            messages.append(f"{name}: the hash line was written. Then: git add {both}")
    return messages


if __name__ == "__main__":
    sys.exit(main())
