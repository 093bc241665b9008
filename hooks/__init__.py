"""The Git hooks: one small file per hook, from arguments to a verdict.

The shims that ``mlrepo init`` installs in ``.git/hooks`` call them, and so do the hook ids of
``.pre-commit-hooks.yaml``. A hook never runs ``git add``: it fixes the file, says so and fails, so
that the user reviews the change and adds it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from mlrepo.errors import MlrepoError
from mlrepo.findings import visible


def verdict(judge: Callable[[], Sequence[str]], *, name: str, way_out: str) -> int:
    """Print what ``judge`` finds and return the exit code of the hook.

    Each message is printed on one line, without control characters and with secrets masked: a
    file name may contain newlines, terminal escapes, or a secret that would end up in CI logs.

    Parameters
    ----------
    judge:
        Returns one message for each thing that must not pass.
    way_out:
        Printed after the messages.
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
