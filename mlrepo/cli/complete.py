"""What the shell offers after TAB: names from the repository and from what is installed.

Click resolves the words and knows commands and options; here are the values of options and
arguments, found by the names of these. Each source reads as little as it can.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

Source = Callable[[click.Context], Iterable[str]]

VARIABLE = "_MLREPO_COMPLETE"
"""The variable by which a shell's function asks for candidates."""
# More of them help nobody: the user types a part of the name and asks again.
_MOST_RUNS = 100


def answer(cli: click.Command, instruction: str) -> str:
    """Return what a shell's function reads; nothing for an unknown instruction."""
    shell, _, what = instruction.partition("_")
    kind = get_completion_class(shell)
    if kind is None or what != "complete":
        return ""
    return kind(cli, {}, "mlrepo", VARIABLE).complete()


def add_sources(command: click.Command, path: str = "") -> None:
    """Let the options and arguments of a command, and those below it, offer their values."""
    path = f"{path} {command.name}".strip()
    for param in command.params:
        name = param.opts[0] if isinstance(param, click.Option) else str(param.name)
        source = _SOURCES.get(f"{path} {name}") or _SOURCES.get(name)
        if source is not None:
            param._custom_shell_complete = _Offer(source)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_sources(below, path)


class _Offer:
    """Offers the names of a source that begin with what was typed."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        if directory := ctx.find_root().params.get("directory"):
            os.chdir(directory)  # -C; the process ends with its answer
        if self._source is _files:
            return [CompletionItem(incomplete, type="file")]
        if self._source is _runs:
            return [CompletionItem(name) for name in _matching_runs(incomplete)]
        wanted = incomplete.lower()
        return [
            CompletionItem(name) for name in self._source(ctx) if name.lower().startswith(wanted)
        ]


def _root() -> Path | None:
    """Return the working tree of the results repository around the working directory."""
    from mlrepo.settings import FILE_NAME

    here = Path.cwd()
    return next((path for path in (here, *here.parents) if (path / FILE_NAME).is_file()), None)


def _below(name: str) -> list[str]:
    """Return the names of the directories in a directory of the repository."""
    root = _root()
    entries = sorted((root / name).glob("*/")) if root else []
    return [entry.name for entry in entries]


def _files(ctx: click.Context) -> Iterable[str]:
    return ()


def _words(*words: str) -> Source:
    return lambda ctx: words


def _plugins(group: str) -> Source:
    def names(ctx: click.Context) -> Iterable[str]:
        from mlrepo.plugins import plugin_names

        return plugin_names(group)

    return names


def _scenarios(ctx: click.Context) -> Iterable[str]:
    from mlrepo.scenarios import SCENARIOS

    return SCENARIOS


def _rounds(ctx: click.Context) -> Iterable[str]:
    from mlrepo.rounds import Rounds

    return Rounds.of_repository(_root() or Path.cwd())


def _tests(ctx: click.Context) -> Iterable[str]:
    from mlrepo.compliance import known_tests

    return (test.name for test in known_tests())


def _systems(ctx: click.Context) -> Iterable[str]:
    return _below("systems")


def _bases(ctx: click.Context) -> Iterable[str]:
    from mlrepo.systems.past import past_systems

    return [*_below("systems"), *(system.name for system in past_systems())]


def _profiles(ctx: click.Context) -> Iterable[str]:
    from mlrepo.systems.profiles import profile_files

    return profile_files((_root() or Path.cwd()) / "platforms")


def _models(ctx: click.Context) -> Iterable[str]:
    from mlrepo.cli.context import user_directory
    from mlrepo.workloads.model_store import ModelStore

    return (model.name for model in ModelStore(user_directory()).known())


def _datasets(ctx: click.Context) -> Iterable[str]:
    from mlrepo.workloads.registered import registered_datasets

    return registered_datasets()


def _ways(ctx: click.Context) -> Iterable[str]:
    """Yield the ways of the data set or the benchmark that was typed before, else of all."""
    from mlrepo.workloads.registered import dataset_of, registered_datasets

    found = registered_datasets()
    name = (ctx.params.get("name") or ctx.params.get("benchmark") or "").partition("/")[0]
    asked = found.get(name) or dataset_of(name)
    return sorted({way for one in ([asked] if asked else found.values()) for way in one.ways})


def _variants(ctx: click.Context) -> Iterable[str]:
    wanted = ctx.params.get("benchmark")
    pairs = (name.partition("/") for name in _models(ctx))
    return [variant for benchmark, _, variant in pairs if wanted in (None, "", benchmark)]


def _settings(ctx: click.Context) -> Iterable[str]:
    from mlrepo.settings import SETTINGS

    return (setting.key for setting in SETTINGS)


def _values(ctx: click.Context) -> Iterable[str]:
    """Yield the values of the setting that was typed before."""
    from mlrepo.settings import SETTINGS

    key = ctx.params.get("key")
    sources: dict[object, Source] = {"round": _rounds, "system": _systems, "platform": _profiles}
    if key in sources:
        return sources[key](ctx)
    return next((setting.choices for setting in SETTINGS if setting.key == key), ())


def _columns(ctx: click.Context) -> Iterable[str]:
    from mlrepo.report.listing import COLUMNS

    return COLUMNS


def _loadgen_settings(ctx: click.Context) -> Iterable[str]:
    from mlrepo.logs.user_conf import KEYS

    return (f"{key}=" for key in KEYS)


def _backend_options(ctx: click.Context) -> Iterable[str]:
    from mlrepo.backends.capabilities import capabilities_of
    from mlrepo.plugins import DEFAULT_BACKEND

    backends = ctx.params.get("backends") or [ctx.params.get("backend") or DEFAULT_BACKEND]
    return (f"{name}=" for one in backends for name in capabilities_of(one).options)


def _rules(ctx: click.Context) -> Iterable[str]:
    from mlrepo.checker.rules import RULES

    return RULES


def _commands(ctx: click.Context) -> Iterable[str]:
    """Yield the commands after those that were typed."""
    from mlrepo.cli.help import ENVIRONMENT

    command: click.Command | None = ctx.find_root().command
    if not ctx.params.get("words"):
        return [*_names_in(command, ctx), ENVIRONMENT]
    for word in ctx.params.get("words") or ():
        command = command.get_command(ctx, word) if isinstance(command, click.Group) else None
    return _names_in(command, ctx)


def _names_in(command: click.Command | None, ctx: click.Context) -> list[str]:
    return command.list_commands(ctx) if isinstance(command, click.Group) else []


def _refs(prefix: str) -> Iterator[str]:
    from mlrepo.repository.process import git

    root = _root()
    if root is not None:
        form = "--format=%(refname:lstrip=2)"
        yield from git("for-each-ref", form, prefix, cwd=root).split()


def _experiments(ctx: click.Context) -> Iterable[str]:
    return (name.removeprefix("exp/") for name in _refs("refs/heads/exp/"))


def _revisions(ctx: click.Context) -> Iterable[str]:
    return _refs("refs/heads/")


def _tags(ctx: click.Context) -> Iterable[str]:
    from mlrepo.repository.discovery import find_repository
    from mlrepo.repository.history import recorded_runs

    runs = recorded_runs(find_repository(Path.cwd()))
    return sorted({tag for run in runs for tag in run.tags})


def _runs(ctx: click.Context) -> Iterable[str]:
    return _matching_runs("")


def _matching_runs(incomplete: str) -> Iterator[str]:
    """Yield the newest runs whose id begins with a text, or whose last part does."""
    from itertools import islice

    from mlrepo.repository.run_ids import run_ids

    root = _root()
    if root is None:
        return
    if "latest".startswith(incomplete):
        yield "latest"
    names = run_ids(root)
    whole = [name for name in names if name.startswith(incomplete)]
    parts = (name.rpartition("-")[2] for name in names)
    yield from islice(whole or (part for part in parts if part.startswith(incomplete)), _MOST_RUNS)


# By the name of an option or argument, or by that with the command's before it.
_SOURCES: dict[str, Source] = {
    "--benchmark": _plugins("mlrepo.workloads"),
    "bench list benchmark": _plugins("mlrepo.workloads"),
    "--backend": _plugins("mlrepo.backends"),
    "--scenario": _scenarios,
    "--mode": _words("accuracy", "performance"),
    "log --mode": _words("accuracy", "performance", "compliance"),
    "--test": _tests,
    "--round": _rounds,
    "round show name": _rounds,
    "--division": _words("closed", "open", "network"),
    "--category": _words("edge", "datacenter", "datacenter,edge"),
    "--system": _systems,
    "system add --base": _bases,
    "system check name": _systems,
    "system path name": _systems,
    "system show name": _systems,
    "system use name": _systems,
    "--platform": _profiles,
    "platform add --base": _profiles,
    "platform apply name": _profiles,
    "platform path name": _profiles,
    "platform show name": _profiles,
    "platform use name": _profiles,
    "profile": _profiles,
    "--model": _models,
    "model fetch name": _models,
    "model quantize name": _models,
    "model show name": _models,
    "--model-variant": _variants,
    "--dataset": _datasets,
    "dataset add name": _datasets,
    "dataset prepare name": _datasets,
    "dataset verify name": _datasets,
    "--way": _ways,
    "bench sweep plan_file": _files,
    "bench sweep --set": _loadgen_settings,
    "bench sweep --limit": _words("latency=", "ttft=", "tpot="),
    "--device": _words("cpu", "cuda", "gpu", "npu"),
    "--precision": _words("fp32", "bf16", "fp16", "int8"),
    "--backend-opt": _backend_options,
    "bench run --set": _loadgen_settings,
    "--columns": _columns,
    "--sort": _columns,
    "--from": _experiments,
    "--from-tree": _files,
    "old": _experiments,
    "key": _settings,
    "value": _values,
    "--explain": _rules,
    "words": _commands,
    "--experiment": _experiments,
    "experiment rename old": _experiments,
    "--rev": _revisions,
    "--tag": _tags,
    "run": _runs,
    "runs": _runs,
    "run note words": _runs,
    "run tag words": _runs,
    "sides": _runs,
    "--run": _runs,
    "--drop": _runs,
    "--model-file": _files,
    "--user-conf": _files,
    "--database": _files,
    "source": _files,
}
