"""What a pull request has attached, if it is asked for: whether it can be, and how much fits."""

from __future__ import annotations

from collections.abc import Callable

from mlrepo.delivery.proposal_text import attached_in, body_of
from mlrepo.delivery.steps import DONE, WARNING, Step
from mlrepo.errors import UserError
from mlrepo.forge.forge import Forge
from mlrepo.proposal.candidate import Candidate

# Given a submission and a number of characters, returns Markdown that is no longer; see body_of.
Attach = Callable[[Candidate, int], str]


def refuse_unwritten(forge: Forge, official: str) -> None:
    """Raise :class:`UserError` if mlrepo cannot write the text of a forge's requests itself.

    GitLab takes it as a push option of one line, in which there are neither tables nor CSV.
    """
    if not forge.opens_requests:
        raise UserError(
            f"Nothing can be attached to a request at {official}: mlrepo does not write its text "
            f"by itself at a {forge.name}.",
            hint="Submit without --attach-table. `mlrepo submit --rehearse --attach-table --keep "
            "DIR` writes the text into DIR/pull-request.md, to be added by hand.",
        )


def body_with(candidate: Candidate, attach: Attach | None) -> tuple[str, str, list[Step]]:
    """Return the text of a pull request, what is attached in it, and the step that says so.

    Without ``attach`` nothing is, and there is no step.
    """
    selection, report = candidate.selection, candidate.report
    if attach is None:
        return body_of(selection, report), "", []
    body = body_of(selection, report, lambda room: attach(candidate, room))
    attached = attached_in(body)
    if attached:
        said = f"{len(attached)} of the text's {len(body)} characters"
        return body, attached, [Step("attachment", DONE, f"metrics and percentiles: {said}")]
    why = "nothing: no log of a result can be read, or the table of results leaves no room"
    return body, "", [Step("attachment", WARNING, why)]
