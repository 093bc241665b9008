"""The script of a job: a shell starts it wherever it lands, and mlrepo does the rest."""

from __future__ import annotations

import shlex

from mlrepo.engines import EngineJob

# The interpreter in the command of a job: a variable, since a job may make it on the node.
INTERPRETER = "${interpreter}"
_END = "END-OF-JOB"


def bash_script(job: EngineJob) -> str:
    """Return a script for bash; the job's input is part of it, so no file system need be shared.

    The last command replaces the shell, which gets the signals that an engine sends.
    """
    if _END in job.input.splitlines():
        raise ValueError("the input of a job holds the line that ends it")
    return "\n".join(
        (
            "#!/bin/bash",
            *job.setup,
            f"exec {' '.join(map(_quoted, job.command))} <<'{_END}'",
            job.input,
            _END,
            "",
        )
    )


def _quoted(word: str) -> str:
    return f'"{word}"' if word == INTERPRETER else shlex.quote(word)
