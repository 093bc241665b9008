"""The facts of a system under test behind HTTP: as requested, in its own words, and its traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from mlrepo.record.codec import Facts
from mlrepo.record.forms import Chosen, Others, Said, Use


@dataclass(frozen=True)
class EndpointFacts(Facts):
    """A system under test behind HTTP, as requested.

    Attributes
    ----------
    url, model, kind:
        Its base URL, the name of the model there, and the resource that was asked.
    authority:
        The file of trusted certificates; empty for the system's.
    here:
        Whether it was on this machine; otherwise the facts about the host are the client's.
    """

    url: Annotated[str, Use.PROCESS] = ""
    model: Chosen = ""
    kind: Chosen = ""
    authority: Annotated[str, Use.PROCESS] = ""
    here: bool = False


@dataclass(frozen=True)
class ServerFacts(Facts):
    """A server's words about itself; texts are empty where it said nothing.

    Attributes
    ----------
    name, version, header:
        The program, its version, and the ``Server`` header of its replies.
    entry:
        What its list of models said about the requested one.
    proxy:
        Whether a proxy was between.
    """

    name: Said = ""
    version: Said = ""
    header: Said = ""
    entry: object = None
    proxy: bool = False
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class TrafficFacts(Facts):
    """What happened to the requests of a run; those of its warm-up are not among them.

    Attributes
    ----------
    sent, answered:
        Requests, and those with a whole answer.
    busy:
        How often the server refused a request for now (429, 503) and was asked again when it said.
    resent:
        Requests sent again because the server had closed an idle connection.
    most_in_flight:
        The largest number of requests that waited for answers at one time.
    tokens, prompt_tokens, cached_tokens:
        Generated tokens, those of the prompts, and those of the prompts that the server had cached.
    counted:
        How many answers had their tokens counted by ``token ids``, ``usage`` or ``tokenizer``.
    served:
        Milliseconds from sending a request: ``latency``, ``ttft`` and ``tpot``, each by percentile
        (``50``, ``90``, ``99``). LoadGen's own latencies begin with its query, when a request may
        still wait in the client.
    """

    sent: int = 0
    answered: int = 0
    busy: int = 0
    resent: int = 0
    most_in_flight: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    counted: Mapping[str, int] = field(default_factory=dict)
    served: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    others: Others = field(default_factory=dict)

    sparse: ClassVar[bool] = True
