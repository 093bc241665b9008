"""``pre-push``: check what is pushed, or say what to do where mlrepo cannot be imported."""

from __future__ import annotations

import sys


def main() -> int:
    """Judge the push that Git describes; return the exit code."""
    try:
        from mlrepo.hooks.push import judge_push

        return judge_push()
    except ImportError as error:
        print(
            f"mlrepo: {error.name} is not installed for {sys.executable}. Install mlrepo again and "
            "run `mlrepo doctor --fix`, or run git with --no-verify.",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
