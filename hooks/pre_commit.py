"""``pre-commit`` and ``pre-merge-commit``: judge what is staged before it is committed.

Runs as a script, without ``site`` and with the package's directory as its only argument. Most
commits of a results repository touch no result and pass before Python has looked for installed
packages.
"""

from __future__ import annotations

import sys

# Not imported, to start fast; a test checks that they agree with mlrepo.paths.
WATCHED = ("closed/", "open/", "network/", "systems/")
LOG = "/mlperf_log_accuracy.json"


def main() -> int:
    """Judge what is staged; say what to do where mlrepo cannot be imported."""
    try:
        return _judge()
    except ImportError as error:
        print(
            f"mlrepo: {error.name} is not installed for {sys.executable}. Install mlrepo again and "
            "run `mlrepo doctor --fix`, or run git with --no-verify.",
            file=sys.stderr,
        )
        return 1


def _judge() -> int:
    from mlrepo.repository.first_look import nothing_to_judge, staged_changes

    changes = staged_changes()
    if changes is not None and nothing_to_judge(changes, WATCHED, LOG):
        return 0
    if sys.flags.no_site:
        import site

        site.main()
    from mlrepo.hooks.commit import judge_commit

    return judge_commit(changes)


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    sys.exit(main())
