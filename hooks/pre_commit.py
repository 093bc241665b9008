"""``pre-commit`` and ``pre-merge-commit``: what is staged, judged before it becomes a commit.

Run as a script, without ``site`` and with the directory of the package as its only argument: most
commits of a results repository touch no result, and are let through before Python has found out
what is installed.
"""

from __future__ import annotations

import sys

# Spelled out: a test holds that these are the divisions and the systems of mlrepo.paths.
WATCHED = ("closed/", "open/", "network/", "systems/")
LOG = "/mlperf_log_accuracy.json"


def main() -> int:
    """Judge what is staged in the repository around the working directory."""
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
