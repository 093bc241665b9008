"""The capabilities that backends declare, so that no other code depends on a backend's name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlrepo.backends.devices import CPU, Device
from mlrepo.errors import Unusable, UserError
from mlrepo.plugins import BACKENDS, load_plugin, plugin_names

if TYPE_CHECKING:
    from mlrepo.backends import BackendOptions

# The option with which a backend runs several inferences in parallel; tuning tries it.
STREAMS = "streams"
# Precisions that a backend must declare, even if they are the model's own.
_CHOSEN = ("fp32", "int8")


@dataclass(frozen=True)
class Capabilities:
    """The model files, devices, precisions and options of a backend, and its requirements.

    Attributes
    ----------
    reads:
        The kinds of model files (:mod:`mlrepo.model_kinds`); None for a backend that does not
        declare them, which is given any model.
    devices:
        The kinds of devices it runs on (``cpu``, ``cuda``, ``gpu``, ``npu`` …) and, for each, the
        precisions in which it computes any model, the usual one first.
    quantizes:
        The precisions with fewer bits to which it converts the weights of any model by itself.
    options:
        The keys of ``--backend-opt``. ``streams`` is how many inferences run in parallel.
    compiles:
        Whether a loaded model is for one batch size only.
    one_input:
        Whether it runs only models with one input.
    tunes:
        Whether it can search for faster code (a method ``tune``); set from its class.
    ways:
        How to get a kind of device that was not found: a sentence with a package, a driver.
    requirements, extras:
        The Python packages that it needs besides mlrepo, as pip requirements, and those that it
        needs for more than running models.
    frameworks:
        The names, in lower case, of its framework in the descriptions of published results.
    endpoint:
        Whether it asks a system under test behind HTTP, which has the model: it reads no file, and
        the server decides on devices, threads and precision.
    predicts, takes_requests:
        Whether it computes batches (a method ``predict``), and whether it answers requests later (a
        method ``submit``); set from its class.
    declared:
        Whether the backend declares its capabilities itself.
    computes:
        Whether its answers come from the model; those of ``null`` do not.
    reference:
        Whether it can be the reference that other backends are compared with (it has a method
        ``is_reference``, which says for which options); set from its class.
    """

    reads: tuple[str, ...] | None = None
    devices: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({CPU: ("fp32",)})
    )
    quantizes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    compiles: bool = False
    one_input: bool = False
    tunes: bool = False
    ways: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    requirements: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    endpoint: bool = False
    predicts: bool = True
    takes_requests: bool = False
    declared: bool = True
    computes: bool = True
    reference: bool = False

    def can_read(self, kind: str) -> bool:
        """Return whether the backend reads model files of a kind."""
        return self.reads is None or kind in self.reads

    def refuse_device(self, name: str, device: Device) -> None:
        """Raise :class:`Unusable` for a kind of device that the backend never runs on."""
        if device.kind not in self.devices:
            raise Unusable(
                f"The backend {name} does not run on {device.kind}.",
                hint=f"It runs on: {', '.join(self.devices)}.",
            )

    def absent(self, device: Device, here: Iterable[Device], what: str) -> Unusable:
        """Return the error for a device that is not among those ``here``, found by ``what``."""
        found = ", ".join(str(one) for one in sorted(set(here))) or "none"
        way = self.ways.get(device.kind, "")
        return Unusable(
            f"The device {device} is not available: {what} finds {found}.",
            hint=f"{way} Or use another device.".strip(),
        )

    def check(self, name: str, options: BackendOptions, also: tuple[str, ...] = ()) -> Device:
        """Return the requested device; refuse options that the backend ``name`` does not support.

        ``also`` are further precisions that it supports for this model. If the requested precision
        is the model's own (fp16, int4, mixed), the framework accepts or refuses it.

        Raises
        ------
        Unusable
            There is no such device, precision or option; the hint lists those that there are.
        """
        device = Device.parse(options.device)
        self.refuse_device(name, device)
        precisions = (*self.devices[device.kind], *also)
        own = options.precision == options.model_precision and options.precision not in _CHOSEN
        if options.precision not in precisions and not own:
            where = "" if device.kind == CPU else f" on {device.kind}"
            raise Unusable(
                f"The backend {name} has no precision {options.precision!r}{where}.",
                hint=f"It has: {', '.join(precisions)}.",
            )
        self.refuse_options(name, options.extra)
        return device

    def refuse_options(self, name: str, options: Iterable[str]) -> None:
        """Raise :class:`Unusable` for an option that the backend ``name`` does not have."""
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise Unusable(
                f"The backend {name} has no option {unknown[0]!r}.",
                hint=f"It has: {', '.join(self.options) or 'none'}.",
            )


def capabilities_of(name: str) -> Capabilities:
    """Return the capabilities of the backend registered as ``name``.

    Raises
    ------
    UserError
        There is no such backend, or its package cannot be imported here.
    """
    return said_by(load_plugin(BACKENDS, name))


def said_by(backend: object) -> Capabilities:
    """Return the capabilities of a backend or of its class.

    A backend that declares none is assumed to read any model and to compute in fp32 on the CPU.
    """
    found = getattr(backend, "capabilities", None)
    if not isinstance(found, Capabilities):
        found = Capabilities(declared=False, computes=bool(getattr(backend, "computes", True)))
    kind = backend if isinstance(backend, type) else type(backend)
    return replace(
        found,
        tunes=callable(getattr(backend, "tune", None)),
        predicts=callable(getattr(backend, "predict", None)),
        takes_requests=callable(getattr(backend, "submit", None)),
        # Its own method: a class that inherits from the reference computes in its own way.
        reference="is_reference" in vars(kind),
    )


def refuse_absent(name: str, device: Device) -> None:
    """Refuse a device that the backend ``name`` cannot run on here, before anything starts.

    Raises
    ------
    UserError
        The backend never runs on such a device, or its framework finds none of the kind.
    """
    capabilities = capabilities_of(name)
    capabilities.refuse_device(name, device)
    find = getattr(load_plugin(BACKENDS, name), "devices_here", None)
    here: Sequence[Device] = find() if find is not None else (device,)
    if device.kind not in {one.kind for one in here}:
        raise capabilities.absent(device, here, f"the backend {name}")


def backends_that(fits: Callable[[Capabilities], bool]) -> list[str]:
    """Return the names of the backends whose capabilities fit, without those that cannot be loaded.

    Reference backends come first; otherwise the order of the registered names is kept.
    """
    found: dict[str, Capabilities] = {}
    for name in plugin_names(BACKENDS):
        with contextlib.suppress(UserError):
            found[name] = capabilities_of(name)
    names = [name for name, one in found.items() if fits(one)]
    return sorted(names, key=lambda name: not found[name].reference)
