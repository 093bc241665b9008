"""A withdrawn run is never selected, and a selection with one does not leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlrepo.curation.annotate import note
from mlrepo.curation.selected import rounds_that_select
from mlrepo.errors import UserError
from mlrepo.exchange.pack import pack
from mlrepo.proposal.selected import read_selection, refuse_withdrawn
from mlrepo.record import ACCURACY, PERFORMANCE
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.history import find_run
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.rounds import SHIPPED
from mlrepo.selection.select import plan_selection, write_plan
from mlrepo.selection.wanted import Wanted
from tests.curated import restored, withdrawn
from tests.selections import Laboratory

_V61 = SHIPPED["v6.1"]


@pytest.fixture
def laboratory(recorder: Recorder, tmp_path: Path) -> Laboratory:
    """Records runs of v6.1 in :func:`results`."""
    return Laboratory(recorder, tmp_path / "scratch")


def _select(results: ResultsRepository, *runs: str, scenario: str = "") -> set[str]:
    """Select and return the ids of the performance runs."""
    plan = plan_selection(results, _V61, Wanted(runs=runs, scenario=scenario))
    write_plan(results, git_identity(results.root), plan)
    return {planned.result.performance.run.run for planned in plan.results}


def test_the_next_best_run_is_selected(results: ResultsRepository, laboratory: Laboratory) -> None:
    """And named in vain, the withdrawn one says why."""
    first = laboratory.result("Offline")
    second = laboratory.result("Offline")
    assert _select(results) == {second[PERFORMANCE]}
    withdrawn(results, second[PERFORMANCE], why="the fan broke")
    with pytest.raises(UserError, match="was withdrawn: the fan broke") as refused:
        _select(results, second[PERFORMANCE])
    assert f"mlrepo run restore {second[PERFORMANCE][-6:]}" in refused.value.hint
    assert _select(results) == {first[PERFORMANCE]}
    restored(results, second[PERFORMANCE])
    assert _select(results) == {second[PERFORMANCE]}


def test_a_selection_that_holds_a_run_withdrawn_since_does_not_leave(
    results: ResultsRepository, laboratory: Laboratory, tmp_path: Path
) -> None:
    """Neither packed nor kept beside another result; decided anew, it may."""
    offline = laboratory.result("Offline")
    laboratory.result("SingleStream")
    _select(results)
    note(results, git_identity(results.root), [find_run(results, offline[ACCURACY])], "with a note")
    refuse_withdrawn(results, read_selection(results, "v6.1"))
    assert rounds_that_select(results, [offline[ACCURACY]]) == {"v6.1": [offline[ACCURACY]]}
    withdrawn(results, offline[ACCURACY])
    with pytest.raises(UserError, match=f"holds the run {offline[ACCURACY]}, which was withdrawn"):
        pack(results, "v6.1", tmp_path / "packed.tar.gz", allow_invalid=True)
    with pytest.raises(UserError, match=f"The selected run {offline[ACCURACY]} was withdrawn"):
        _select(results, scenario="SingleStream")
    assert len(_select(results)) == 1
    pack(results, "v6.1", tmp_path / "packed.tar.gz", allow_invalid=True)
