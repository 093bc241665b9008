"""Where the files of a run go in the layout of its round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlrepo.compliance import compliance_test
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG, USER_CONF_FILE
from mlrepo.paths import RepoPath
from mlrepo.record import ACCURACY
from mlrepo.rounds import Place, Round

if TYPE_CHECKING:
    from mlrepo.record import RunRecord

ACCURACY_TEXT = "accuracy.txt"


def place_of(record: RunRecord, scenario: str = "") -> Place:
    """Return the names that the path of a run's result is made of.

    ``scenario`` is that of the result where it is inferred from a run of another one.
    """
    return Place(
        record.division,
        record.submitter,
        record.sut,
        record.benchmark,
        scenario or record.scenario,
    )


def logs_directory(record: RunRecord, place: Place, round_: Round) -> RepoPath:
    """Return the directory of a run's LoadGen logs in the result at ``place``."""
    if not record.test:
        return round_.layout.run_directory(place, record.mode)
    return round_.layout.test_directory(place, record.test) / "performance/run_1"


def logs_of(record: RunRecord, place: Place, round_: Round) -> dict[RepoPath, str]:
    """Return the paths that a run's logs get, each with the name of the file in ``runs/<id>``."""
    logs = logs_directory(record, place, round_)
    found = {logs / name: name for name in (SUMMARY_LOG, DETAIL_LOG)}
    if record.test:
        test = compliance_test(record.test)
        directory = round_.layout.test_directory(place, record.test)
        found |= {directory / name: name for name in test.texts}
        if test.logs_responses:
            found |= {directory / "accuracy" / name: name for name in (ACCURACY_LOG, ACCURACY_TEXT)}
    elif record.mode == ACCURACY:
        found |= {logs / name: name for name in (ACCURACY_LOG, ACCURACY_TEXT)}
    return found


def user_conf_path(place: Place, round_: Round) -> RepoPath:
    """Return the path of a result's LoadGen settings."""
    return round_.layout.measurements_directory(place) / USER_CONF_FILE
