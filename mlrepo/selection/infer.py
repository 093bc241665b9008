"""Results that a round infers: one scenario's logs are used for another scenario, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from mlrepo.layout.files import place_of
from mlrepo.rounds import Round
from mlrepo.rounds.inference import sources_of
from mlrepo.selection.choose import ChosenResult


def inferable(
    results: Iterable[ChosenResult],
    round_: Round,
    official: Callable[[str], str],
    tests_of: Callable[[str, str], Sequence[str]],
) -> Iterator[ChosenResult]:
    """Yield results inferred for scenarios that the category requires but that were not run.

    ``official`` names the official benchmark that a benchmark follows, ``tests_of`` the compliance
    tests that it needs in a scenario: nothing is inferred from a result that lacks one of them.
    """
    systems: dict[tuple[str, ...], dict[str, ChosenResult]] = {}
    for result in results:
        record = result.performance.record
        key = (record.division, record.submitter, record.sut, record.benchmark)
        systems.setdefault(key, {})[result.scenario] = result
    for own in systems.values():
        record = next(iter(own.values())).performance.record
        for scenario in round_.scenarios_of(record.category, official(record.benchmark)):
            if scenario in own:
                continue
            needed = set(tests_of(record.benchmark, scenario) if record.division != "open" else ())
            for name in sources_of(round_, scenario, record.category):
                source = own.get(name)
                if source is None or source.is_inferred:
                    continue
                tests = tuple(test for test in source.tests if test.record.test in needed)
                if len(tests) == len(needed):
                    place = place_of(source.performance.record, scenario)
                    path = round_.layout.result_directory(place)
                    yield ChosenResult(path, scenario, source.performance, source.accuracy, tests)
                    break
