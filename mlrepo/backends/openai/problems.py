"""Why a request to an endpoint was not answered."""

from __future__ import annotations


class RequestProblem(Exception):
    """One request was not answered; equal reasons are counted together.

    Parameters
    ----------
    reason:
        What happened, without a full stop, for the end of a sentence.
    hint:
        What the user can do next.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class MalformedStream(RequestProblem):
    """The answer is not a stream as the protocol of OpenAI describes it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"malformed stream: {reason}",
            "The endpoint must stream server-sent events as OpenAI's API does; look into the log "
            "of the server, or of a proxy between.",
        )
