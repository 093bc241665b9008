"""The commit that the branch of a submission points to: the existing one, or one made now."""

from __future__ import annotations

from dataclasses import dataclass

from mlrepo.delivery.proposal_text import commit_message
from mlrepo.delivery.steps import DONE, DONE_BEFORE
from mlrepo.errors import UserError
from mlrepo.proposal.selected import Selection
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.official import OfficialCopy
from mlrepo.repository.remotes import Remote
from mlrepo.repository.submission_branch import builds_on


@dataclass(frozen=True)
class ForkBranch:
    """The branch of a submission in the fork, and the commit it points to; '' for none."""

    name: str
    fork: str
    tip: str


def submission_commit(
    repository: ResultsRepository,
    copy: OfficialCopy,
    base: str,
    selection: Selection,
    branch: ForkBranch,
    official: Remote,
    *,
    replace: bool,
) -> tuple[str, str]:
    """Return the commit that the branch should point to, and whether it was made now or before.

    The existing one is kept if it is right. A commit on an older base is right too: the official
    branch moves with every submission.

    Raises
    ------
    UserError
        The branch holds what mlrepo did not make, or a selection that this one is not based on
        (unless ``replace``).
    """
    tip, where = branch.tip, f"The branch {branch.name} of {branch.fork}"
    if tip and copy.holds_exactly(tip, selection.roots) and official.has(f"{tip}^1"):
        return tip, DONE_BEFORE
    if tip and not (before := copy.selection_of(tip)):
        raise UserError(
            f"{where} is at {tip[:10]}, which mlrepo did not make: somebody works on it.",
            hint="Look at it first; --branch NAME submits on another branch.",
        )
    if tip and not replace and not builds_on(repository, selection.commit, before):
        raise UserError(
            f"{where} holds the selection {before[:10]}, and yours ({selection.commit[:10]}) is "
            "not based on it: somebody submitted another one, perhaps a newer one.",
            hint="`git fetch` what your colleagues selected, then `mlrepo select` again; or "
            "replace theirs with yours: --replace.",
        )
    date, message = copy.date_of(selection.commit), commit_message(selection)
    return copy.build(base, selection.roots, message, date=date), DONE
