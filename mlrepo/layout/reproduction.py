"""The command that repeats a recorded run, and with what it was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlrepo.record import RunRecord
from mlrepo.shell import shell_command

# Options of a run that its record holds only as typed; whether a value follows.
_AS_TYPED = {
    "--backend-opt": True,
    "--model-variant": True,
    "--model-file": True,
    "--way": True,
    "--layout": True,
    "--framework-version": True,
    "--framework-ext": True,
    "--skip-system-ext": False,
}


def bench_command(record: RunRecord, user_conf: str = "user.conf") -> tuple[str, ...]:
    """Return the command that makes the run again; ``user_conf`` is where its settings stand.

    A compliance test follows its performance run and takes that run's settings.
    """
    what = (
        "--model",
        record.benchmark,
        "--backend",
        record.backend.name,
        "--scenario",
        record.scenario,
    )
    if record.test:
        return ("mlrepo", "bench", "compliance", *what, "--test", record.test, *_how(record))
    mode = ("--mode", record.mode, "--user-conf", user_conf)
    return ("mlrepo", "bench", "run", *what, *mode, *_how(record))


def init_command(record: RunRecord) -> tuple[str, ...]:
    """Return the command that makes a results repository in which the run can be repeated."""
    return (
        "mlrepo",
        "init",
        "results",
        "--submitter",
        record.submitter,
        "--division",
        record.division,
        "--category",
        record.category,
        "--round",
        record.round,
        "--system",
        record.system,
    )


def _how(record: RunRecord) -> Iterator[str]:
    backend = record.backend
    if backend.precision not in ("", "fp32"):
        yield from ("--precision", backend.precision)
    for option, value in (("--threads", backend.threads), ("--max-batchsize", backend.max_batch)):
        if value is not None:
            yield from (option, str(value))
    yield from _typed(record.argv)
    prefix = backend.prefix
    if record.platform != "none":
        yield from ("--platform", record.platform)
        prefix = prefix[len(record.host.platform.prefix) :]
    if prefix and not record.test:
        yield from ("--prefix", shell_command(prefix))


def _typed(argv: Sequence[str]) -> Iterator[str]:
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name not in _AS_TYPED:
            continue
        if not _AS_TYPED[name]:
            yield name
        else:
            yield from (name, value if equals else next(words, ""))
