"""Record the runs whose ``mlrepo`` died before it could."""

from __future__ import annotations

from mlrepo.bench.conclude import ConcludedRun, conclude
from mlrepo.errors import MlrepoError, UserError, error_line
from mlrepo.harness.spec import SPEC_FILE
from mlrepo.redaction import Redactor
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.spool import Spool


def recover(
    repository: ResultsRepository, redactor: Redactor
) -> tuple[list[ConcludedRun], list[tuple[str, MlrepoError]]]:
    """Record the runs that dead processes left in the spool.

    Returns
    -------
    The recorded runs, and the id and error of each that could not be recorded; those are kept.
    """
    spool = Spool(repository.store / "spool")
    spool.sweep()
    done: list[ConcludedRun] = []
    failed: list[tuple[str, MlrepoError]] = []
    for spooled in spool.orphans():
        try:
            if not (spooled.directory / SPEC_FILE).is_file():
                spooled.discard()  # died before anything was started
                continue
            recorder = Recorder(repository, git_identity(repository.root))
            done.append(conclude(spooled, recorder, redactor))
        except MlrepoError as error:
            failed.append((spooled.run_id, error))
        except Exception as error:  # a bug triggered by an old run must not block new ones
            failed.append((spooled.run_id, UserError(f"{error_line(error)}.")))
        finally:
            spooled.release()
    return done, failed
