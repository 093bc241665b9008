"""The endpoint that a run is asked to measure, and what an endpoint leaves no choice about."""

from __future__ import annotations

from mlrepo.backends.capabilities import backends_that, capabilities_of
from mlrepo.backends.devices import CPU
from mlrepo.backends.endpoint import Endpoint, check_url
from mlrepo.errors import Unusable
from mlrepo.record.run_request import ENDPOINT_FIELDS, ENDPOINT_KINDS, RunRequest


def requested_endpoint(backend: str, request: RunRequest) -> Endpoint | None:
    """Return the endpoint of a request; None if the backend runs models on this machine.

    Raises
    ------
    Unusable
        The backend asks an endpoint and none is named, or the other way round; or the request
        decides what the server decides.
    UserError
        The URL is not one of an endpoint.
    """
    if not capabilities_of(backend).endpoint:
        _refuse_endpoint(backend, request)
        return None
    for value, flag, example in (
        (
            request.endpoint,
            "--endpoint",
            "URL: the base URL of the API, such as http://127.0.0.1:8000/v1",
        ),
        (
            request.endpoint_model,
            "--endpoint-model",
            "NAME: the name of the model there, as URL/models lists it",
        ),
    ):
        if not value:
            raise Unusable(
                f"The backend {backend} measures a server, and {flag} is missing.",
                hint=f"Give {flag} {example}.",
            )
    check_url(request.endpoint)
    decided: tuple[tuple[str, object], ...] = (
        ("--model-file", request.model_file),
        ("--model-variant", request.model_variant),
        ("--way", request.way),
        ("--layout", request.layout),
        ("--precision", request.precision),
        ("--threads", request.threads),
        ("--max-batchsize", request.max_batch),
        ("--device", request.device if request.device != CPU else ""),
    )
    for flag, chosen in decided:
        if chosen:
            raise Unusable(
                f"{flag} does not apply to the backend {backend}: the server decides.",
                hint="Leave it out, and start the server as you want it. `--backend-opt "
                "connections=N` bounds the requests in flight.",
            )
    return Endpoint(
        request.endpoint.rstrip("/"),
        request.endpoint_model,
        request.endpoint_kind or ENDPOINT_KINDS[0],
        str(request.endpoint_ca or ""),
    )


def _refuse_endpoint(backend: str, request: RunRequest) -> None:
    """Raise :class:`Unusable` if an endpoint is named for a backend that runs models itself."""
    for name in ENDPOINT_FIELDS:
        if getattr(request, name):
            names = ", ".join(backends_that(lambda one: one.endpoint))
            raise Unusable(
                f"--{name.replace('_', '-')} does not apply to the backend {backend}, which runs "
                "models on this machine.",
                hint=f"A server is measured with --backend {names}.",
            )
