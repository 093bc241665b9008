"""Check that a loaded backend runs on the requested device: frameworks fall back silently."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.backends import Backend
from mlrepo.backends.capabilities import said_by
from mlrepo.backends.devices import Device
from mlrepo.errors import UserError


def described_on(backend: Backend, name: str, device: str) -> Mapping[str, object]:
    """Return the description of a loaded backend called ``name``.

    A backend without declared capabilities only runs on the CPU, and its device is not checked.

    Raises
    ------
    UserError
        It runs on another device than ``device``, or does not report its device.
    """
    described = backend.describe()
    if not said_by(backend).declared:
        return described
    told = described.get("device")
    if told is None or Device.parse(str(told)) != Device.parse(device):
        where = f"runs on {told}" if told else "does not say what it runs on"
        raise UserError(
            f"The backend {name} was asked for {device}, and {where}: its results would be those "
            "of another device.",
            hint="A backend refuses in load() what it cannot run on, and describe() returns as "
            "device what it runs on (docs/backends.md).",
        )
    return described
