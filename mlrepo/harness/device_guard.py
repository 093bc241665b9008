"""Check that a loaded backend runs on the requested device: frameworks fall back silently."""

from __future__ import annotations

from collections.abc import Mapping

from mlrepo.backends import Backend, SubmitBackend
from mlrepo.backends.capabilities import said_by
from mlrepo.backends.devices import Device
from mlrepo.errors import UserError


def described_on(backend: Backend | SubmitBackend, name: str, device: str) -> Mapping[str, object]:
    """Return the description of a loaded backend called ``name``.

    A backend without declared capabilities only runs on the CPU, and its device is not checked;
    neither is that of an endpoint, whose server decides.

    Raises
    ------
    UserError
        It runs on another device than ``device``, or does not report its device.
    """
    described = backend.describe()
    capabilities = said_by(backend)
    if not capabilities.declared or capabilities.endpoint:
        return described
    stated = described.get("device")
    if stated is None or Device.parse(str(stated)) != Device.parse(device):
        where = f"runs on {stated}" if stated else "does not say what it runs on"
        raise UserError(
            f"The backend {name} was requested on {device}, but {where}: its results would be "
            "those of another device.",
            hint="A backend's load() refuses a device it cannot run on; its describe() returns as "
            "device what it runs on (docs/backends.md).",
        )
    return described
