"""Devices by the names that users type: ``cpu``, ``cuda``, ``cuda:1``, ``gpu``, ``npu``.

A name is a kind, one of those in a backend's :class:`~mlrepo.backends.capabilities.Capabilities`,
and an index if there are several devices. ``cuda`` and ``cuda:0`` are the same device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlrepo.errors import UserError

CPU, CUDA, GPU, NPU = "cpu", "cuda", "gpu", "npu"
_NAME = re.compile(r"([a-z][a-z0-9]{0,19})(?::([0-9]{1,4}))?")


@dataclass(frozen=True, order=True)
class Device:
    """One device of a kind."""

    kind: str = CPU
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}" if self.index else self.kind

    @classmethod
    def parse(cls, text: str) -> Device:
        """Return the device that a text names, in any case; otherwise raise :class:`UserError`."""
        match = _NAME.fullmatch(text.strip().lower())
        if match is None:
            raise UserError(
                f"{text!r} is not the name of a device.",
                hint="Use cpu, cuda, gpu or npu, with a number for a further one, such as cuda:1.",
            )
        return cls(match[1], int(match[2] or 0))
