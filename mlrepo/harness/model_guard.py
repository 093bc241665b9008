"""Check that the model a run loads and keeps is the one named in its record."""

from __future__ import annotations

from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.harness.spec import RunSpec
from mlrepo.model_files import FileState, file_states, find_model_files


class ModelGuard:
    """Compares a model's files with those that were hashed for the record.

    The state of the files (device, inode, size, times) is compared; they are hashed again only if
    it has changed.

    Raises
    ------
    UserError
        Raised by each method: the files are not those of the record, or one cannot be read.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._entry, self._digest = Path(spec.model_file), spec.model_digest
        self._states = {name: tuple(state) for name, state in spec.model_states.items()}

    def before_loading(self) -> None:
        """Refuse a model that was changed since it was hashed."""
        self._compare("before it was loaded")

    def after_loading(self) -> None:
        """Refuse a model whose files changed during loading: what was read is unknown."""
        when = "while it was loaded"
        if self._digest and self._now(when) != self._states:
            raise self._changed(when)

    def after_run(self) -> None:
        """Refuse a model that was changed during the run: a backend may map its files."""
        self._compare("during the run")

    def _compare(self, when: str) -> None:
        if not self._digest:
            return
        states = self._now(when)
        if states == self._states:
            return
        if find_model_files(self._entry).digest != self._digest:
            raise self._changed(when)
        self._states = states

    def _now(self, when: str) -> dict[str, FileState]:
        try:
            return file_states(self._entry)
        except UserError as error:
            raise self._changed(when, f" {error.message}") from error

    def _changed(self, when: str, how: str = "") -> UserError:
        return UserError(
            f"The model {self._entry} was changed {when}: it is not the recorded one, whose "
            f"SHA-256 is {self._digest}.{how}",
            hint="Run again once nothing writes to the model's files.",
        )
