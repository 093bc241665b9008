"""The errors a user can meet, each with what is wrong, where, and what to do next.

Rule violations of a submission are values (:mod:`mlrepo.findings`), never exceptions. Anything
raised that is not an :class:`MlrepoError` is a bug of mlrepo.
"""

from __future__ import annotations


class MlrepoError(Exception):
    """An expected failure: one message for the user, one hint, one exit code.

    Parameters
    ----------
    message:
        What is wrong, naming the file, setting or argument.
    hint:
        What the user can do next.
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidResult(MlrepoError):
    """Something was judged and found invalid (exit code 1)."""

    exit_code = 1


class UserError(MlrepoError):
    """Wrong usage, or something in the user's files or environment must change (exit code 2)."""

    exit_code = 2


class RemoteUnavailable(MlrepoError):
    """A remote did not answer or refused (exit code 69, EX_UNAVAILABLE)."""

    exit_code = 69


class Unanswered(RemoteUnavailable):
    """The connection or the server failed: nobody knows whether a request took effect."""


class NotThere(RemoteUnavailable):
    """The remote says that there is nothing there, or nothing that may be seen."""


class Busy(MlrepoError):
    """Another process holds what is needed; trying again later is right (75, EX_TEMPFAIL)."""

    exit_code = 75


class Interrupted(MlrepoError):
    """The user stopped the work (exit code 130)."""

    exit_code = 130
