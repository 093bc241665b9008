"""The Git hooks: one small file per hook, from arguments to a verdict.

They are found here by the shims that ``mlrepo init`` lays into ``.git/hooks``, and by the hook
ids of ``.pre-commit-hooks.yaml``. A hook never runs ``git add``: it mends the file, says so and
fails, and the user looks and adds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from mlrepo.errors import MlrepoError
from mlrepo.findings import visible


def verdict(judge: Callable[[], Sequence[str]], *, name: str, way_out: str) -> int:
    """Print what ``judge`` finds and return the exit code of the hook.

    A message is printed on one line: a file's name may hold a newline or a terminal's escapes. It
    may hold a secret too, which ends in the logs of whoever runs the hook.

    Parameters
    ----------
    judge:
        Returns one message for each thing that must not go through.
    way_out:
        What is said after the messages.
    """
    try:
        messages = judge()
    except MlrepoError as error:
        messages = [error.message, *filter(None, [error.hint])]
    except OSError as error:
        messages = [f"{error.filename}: {error.strerror}.", "Check permissions and free space."]
    except KeyboardInterrupt:
        return 130
    for message in messages:
        print(f"mlrepo {name}: {visible(_shown(message))}", file=sys.stderr)
    if messages and way_out:
        print(f"mlrepo {name}: {visible(way_out)}", file=sys.stderr)
    return 1 if messages else 0


def _shown(message: str) -> str:
    from mlrepo.secret_scan import without_secrets

    return without_secrets(message.encode(errors="surrogateescape"))[0].decode(
        errors="surrogateescape"
    )
