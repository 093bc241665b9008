"""Which lines of a ``user.conf`` have an effect on a run, and which only seem to.

LoadGen silently ignores lines that it does not look up. Here each such line gets a note with its
number; and a benchmark's own name works even if LoadGen does not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mlrepo.logs.user_conf import KEYS, UserConf, looked_up
from mlrepo.nearest import meant
from mlrepo.scenarios import LOADGEN_SCENARIOS, Scenario

_ANY = "*"
# The scenarios in which FromConfig looks for a key (test_settings_internal.cc); all for the others.
_READ_BY: Mapping[str, Callable[[Scenario], bool]] = {
    "target_qps": lambda scenario: not scenario.is_stream,
    "target_latency": lambda scenario: not scenario.at_once,
    "target_latency_percentile": lambda scenario: not scenario.at_once,
    "samples_per_query": lambda scenario: scenario.samples_per_query > 1,
    **dict.fromkeys(
        ("coalesce_queries", "max_async_queries", "ttft_latency", "tpot_latency"),
        lambda scenario: scenario.at_random,
    ),
}
_READ_IN = {
    key: tuple(name for name, each in LOADGEN_SCENARIOS.items() if is_read(each))
    for key, is_read in _READ_BY.items()
}


@dataclass(frozen=True)
class Names:
    """The names under which a run's settings may appear.

    Attributes
    ----------
    benchmark:
        The benchmark's own name.
    loadgen:
        LoadGen's name of the benchmark.
    official:
        The official benchmark that LoadGen's name refers to; empty for none.
    others:
        All other benchmarks that may have settings.
    """

    benchmark: str
    loadgen: str
    official: str = ""
    others: frozenset[str] = frozenset()

    @property
    def own(self) -> tuple[str, ...]:
        """The names of this benchmark, in order of precedence."""
        names = (self.benchmark, self.official, self.loadgen)
        return tuple(dict.fromkeys(name for name in names if name))


def fitted(conf: UserConf, names: Names, scenario: str, where: str) -> UserConf:
    """Return the configuration as LoadGen should read it, with a note on each other line.

    Lines under the benchmark's own name are repeated under LoadGen's. Lines for another scenario
    get no note: a ``user.conf`` covers all scenarios. ``where`` is the file, for the notes.
    """
    seen: dict[str, str] = {}
    notes = list(conf.notes)
    for name in names.own:
        for full in (key for key in conf.values if key.rsplit(".", 2)[0] == name):
            asked = f"{names.loadgen}{full.removeprefix(name)}"
            first = seen.setdefault(asked, full)
            if conf.values[first] != conf.values[full]:
                notes.append(_overridden(conf, full, first, where))
    added = {asked: conf.values[full] for asked, full in seen.items() if asked != full}
    fit = conf.with_lines(f"as LoadGen calls {names.benchmark}", added)
    fit = replace(fit, lines={**conf.lines, **{key: conf.lines[seen[key]] for key in added}})
    notes += _strange(conf, names, where)
    notes += _unread(conf, names, where)
    notes += _beaten(fit, names, scenario, where)
    return replace(fit, notes=tuple(dict.fromkeys(notes)))


def overruled(conf: UserConf, typed: Mapping[str, str], where: str) -> tuple[str, ...]:
    """Return a note on each line of a file that a command-line setting overrides.

    ``typed`` is by full key, with LoadGen's name of the benchmark and the scenario.
    """
    notes = []
    for asked, value in typed.items():
        lines = [one for one in looked_up(*asked.rsplit(".", 2)) if one in conf.lines]
        if lines and conf.values[lines[0]] != value:
            at = f"{where}:{conf.lines[lines[0]]}: {lines[0]}"
            notes.append(f"{at} has no effect on this run: the command line sets it to {value}.")
    return tuple(notes)


def strange_lines(conf: UserConf, known: Iterable[str], where: str) -> tuple[str, ...]:
    """Return notes on the lines of a configuration that affect no benchmark."""
    names = Names("", "", others=frozenset(known))
    return (*conf.notes, *_strange(conf, names, where, of_any=True), *_unread(conf, names, where))


def _strange(conf: UserConf, names: Names, where: str, *, of_any: bool = False) -> Iterator[str]:
    """Yield a note on each benchmark name that does not apply to the run."""
    lines: dict[str, list[int]] = {}
    for full in conf.values:
        lines.setdefault(full.rsplit(".", 2)[0], []).append(conf.lines.get(full, 0))
    for name in (name for name in lines if name not in (_ANY, *names.own)):
        at = f"{where}:{', '.join(map(str, sorted(lines[name])))}"
        if name not in names.others:
            near = meant(name, {*names.own, *names.others})
            yield f"{at}: no benchmark is called {name!r}, so this has no effect. {near}".rstrip()
        elif not of_any:
            yield f"{at}: {name} is not {names.benchmark}: this has no effect on the run."


def _unread(conf: UserConf, names: Names, where: str) -> Iterator[str]:
    """Yield a note on each line with a key that LoadGen or mlrepo never reads there."""
    for full in conf.values:
        model, scenario, key = full.rsplit(".", 2)
        if model not in (_ANY, *names.own, *names.others):
            continue
        at = f"{where}:{conf.lines.get(full, 0)}: {full}"
        if key == "mode":
            yield f"{at} has no effect: --mode decides what a run does."
        elif scenario not in (_ANY, *_READ_IN.get(key, (scenario,))):
            yield f"{at} has no effect: LoadGen reads it for {', '.join(_READ_IN[key])} only."


def _beaten(conf: UserConf, names: Names, scenario: str, where: str) -> Iterator[str]:
    """Yield a note on each line of the run's scenario that a more specific line overrides."""
    for key in KEYS:
        lines = [one for one in looked_up(names.loadgen, scenario, key) if one in conf.lines]
        for full in lines[1:]:
            if conf.values[full] != conf.values[lines[0]] and scenario in _READ_IN.get(
                key, (scenario,)
            ):
                yield _overridden(conf, full, lines[0], where)


def _overridden(conf: UserConf, full: str, winner: str, where: str) -> str:
    return (
        f"{where}:{conf.lines.get(full, 0)}: {full} has no effect on this run: "
        f"{winner} of line {conf.lines.get(winner, 0)} comes before it."
    )
