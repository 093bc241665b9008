"""Return the ``mlrepo bench`` command that would produce a published result today."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlrepo.backends import Capabilities
from mlrepo.backends.capabilities import backends_that, capabilities_of
from mlrepo.plugins import WORKLOADS, plugin_names
from mlrepo.predecessor import REFERENCE_OPTIONS
from mlrepo.record import ACCURACY, PERFORMANCE, RunRecord
from mlrepo.rounds import Round
from mlrepo.scenarios import named
from mlrepo.workloads.catalog import ReferenceModel, variants


@dataclass(frozen=True)
class TodaysCommand:
    """A command, and which parts of the published run it does not repeat.

    Attributes
    ----------
    arguments:
        Empty if nothing installed can run the benchmark.
    """

    arguments: tuple[str, ...]
    remarks: tuple[str, ...]


def todays_command(record: RunRecord, workflow: Mapping[str, Any], round_: Round) -> TodaysCommand:
    """Return the command for an imported performance or accuracy run.

    Parameters
    ----------
    workflow:
        The input of the automation of 2021 (CK), if it was published with the result.
    round_:
        The round that the command is for.
    """
    remarks: list[str] = []
    if record.benchmark not in _installed(WORKLOADS):
        return TodaysCommand((), (f"no installed benchmark is called {record.benchmark}",))
    variant = _variant(record)
    backend = _backend(record, variant, remarks)
    if not backend:
        return TodaysCommand((), tuple(remarks))
    arguments = [
        *("mlrepo", "bench", "run", "--benchmark", record.benchmark, "--backend", backend),
        *("--scenario", record.scenario, "--mode", record.mode),
    ]
    if variant is not None:
        arguments += ["--model-variant", variant.variant]
    load = _Load(record, workflow.get("env") or {}, round_)
    arguments += load.arguments(backend, remarks)
    place = ("--system", record.system, "--division", record.division, "--round", round_.name)
    return TodaysCommand((*arguments, *place), tuple(dict.fromkeys(remarks)))


@functools.cache
def _installed(group: str) -> frozenset[str]:
    # A whole round is thousands of commands; each lookup reads the metadata of every package.
    return frozenset(plugin_names(group))


@functools.cache
def _variants(benchmark: str) -> tuple[ReferenceModel, ...]:
    return variants(benchmark)


def _variant(record: RunRecord) -> ReferenceModel | None:
    wanted = record.model.file
    for model in _variants(record.benchmark):
        if wanted and model.file_name == wanted:
            return model
    return None


def _backend(record: RunRecord, variant: ReferenceModel | None, remarks: list[str]) -> str:
    framework = record.backend.framework
    installed = _backends()
    ours = _of_framework(framework, installed)
    readers = ours
    if variant is not None:
        readers = [name for name, one in installed.items() if one.can_read(variant.framework)]
    fitting = [name for name in ours if name in readers]
    if fitting:
        return fitting[0]
    what = variant.file_name if variant is not None else record.model.file
    if not ours:
        remarks.append(f"no backend of mlrepo is {framework or 'named in the description'}")
    if readers:
        remarks.append(f"{framework} ran it then; of today's backends {readers[0]} reads {what}")
        return readers[0]
    return ""


@functools.cache
def _backends() -> Mapping[str, Capabilities]:
    names = backends_that(lambda one: one.declared and one.computes)
    return {name: capabilities_of(name) for name in names}


def _of_framework(framework: str, backends: Mapping[str, Capabilities]) -> list[str]:
    """Return the backends that run a framework of a published description.

    If it names several, prefer the compilers: they compile models of another framework.
    """
    text = framework.lower()
    named = [name for name, one in backends.items() if any(w in text for w in one.frameworks)]
    compiling = [name for name in named if backends[name].compiles]
    return sorted(compiling, reverse=True) or named


@dataclass(frozen=True)
class _Load:
    """The requested load, and how the machine was used."""

    record: RunRecord
    environment: Mapping[str, object]
    round: Round

    def arguments(self, backend: str, remarks: list[str]) -> Iterator[str]:
        asked = dict(self._asked(remarks)) or dict(self._logged())
        if self.record.mode == ACCURACY:
            asked = {flag: value for flag, value in asked.items() if flag == "--count"}
        batch = self.environment.get("TVM_BATCH_SIZE")
        if batch is not None:
            asked.setdefault("--max-batchsize", str(batch))
        for flag, value in asked.items():
            yield from (flag, value)
        target = str(self.environment.get("MLPERF_TVM_TARGET", ""))
        for word in target.split():
            if word.startswith("-mcpu=") and "mcpu" in _backends()[backend].options:
                yield from ("--backend-opt", word.removeprefix("-"))
            elif word != "llvm":
                remarks.append(f"TVM's target was {target}")
        for name in ("MLPERF_TVM_EXECUTOR", "MLPERF_TVM_USE_DNNL", "MLPERF_TVM_APPLY_HISTORY"):
            if self.environment.get(name):
                remarks.append(f"{name}={self.environment[name]} has no equivalent")
        threads = self.environment.get("TVM_NUM_THREADS") or self.environment.get("OMP_NUM_THREADS")
        if threads is not None:
            remarks.append(
                f"it ran several instances of {threads} thread(s); mlrepo runs one model with all "
                "usable CPUs, or with --threads N"
            )

    def _asked(self, remarks: list[str]) -> Iterator[tuple[str, str]]:
        """Yield what the automation was given in EXTRA_OPS."""
        words = iter(_words(str(self.environment.get("EXTRA_OPS", ""))))
        for word in words:
            flag, equals, value = word.partition("=")
            value = value if equals else next(words, "")
            if here := REFERENCE_OPTIONS.get(flag.removeprefix("--")):
                yield here, value
            else:
                remarks.append(f"{flag} {value} has no equivalent".strip())

    def _logged(self) -> Iterator[tuple[str, str]]:
        """Yield the settings in LoadGen's log that differ from the round's."""
        requested = self.record.loadgen.requested
        if self.record.mode != PERFORMANCE:
            return
        scenario = named(self.record.scenario)
        rate = requested.offline_expected_qps if scenario.at_once else requested.server_target_qps
        if rate and not scenario.is_stream:
            yield "--qps", f"{rate:g}"
        lasted = requested.min_duration_ms
        if lasted and int(lasted) != self.round.min_duration_ms():
            yield "--time", f"{int(lasted) / 1e3:g}"


def _words(text: str) -> Sequence[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
