"""What engines raise besides the errors of mlrepo."""

from __future__ import annotations

from mlrepo.errors import Busy


class Full(Busy):
    """The engine takes no more jobs of this user now; the job may be submitted later."""
