"""The backend ``openai``: a system under test behind HTTP, asked in the protocol of OpenAI's API.

The protocol is that of chat completions and completions with streaming, which vLLM, SGLang,
TensorRT-LLM, llama.cpp, Ollama and others serve.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlrepo.backends import Answers, BackendOptions, Capabilities, SampleRequest
from mlrepo.backends.context import refuse_too_long
from mlrepo.backends.endpoint import Endpoint
from mlrepo.backends.requirements import ENDPOINT, TOKENIZERS
from mlrepo.errors import Unusable, UserError

if TYPE_CHECKING:
    from mlrepo.backends.openai.client import Client
    from mlrepo.backends.openai.prompts import Prompts
    from mlrepo.backends.openai.server import ServerWords

# More would rather fill the server's queue; vLLM computes 256 to 1,024 sequences at a time.
_CONNECTIONS = 1024
_STALL_SECONDS = 120
# Servers that return token ids if they are asked to; others may refuse the unknown field.
_RETURN_IDS = ("vLLM",)


class OpenAiBackend:
    """Asks a server for each sample; the server computes."""

    capabilities = Capabilities(
        reads=(),
        devices={},
        options=("connections", "extra_body", "stall", "token_ids", "tokenizer"),
        requirements=ENDPOINT,
        extras=TOKENIZERS,
        endpoint=True,
    )

    # The client watches by itself whether bytes arrive; one long answer may take hours.
    stall_seconds = 86_400.0
    _client: Client | None = None

    def load(self, model: Path, options: BackendOptions) -> None:
        """Reach the endpoint, and ask it about itself and its model.

        Raises
        ------
        UserError
            It cannot be reached, refuses, or does not serve the model.
        """
        from mlrepo.backends.openai.address import EndpointAddress
        from mlrepo.backends.openai.client import Client
        from mlrepo.backends.openai.problems import RequestProblem
        from mlrepo.backends.openai.prompts import Prompts
        from mlrepo.backends.openai.server import ask_server
        from mlrepo.backends.openai.tokens import tokenizer_of

        assert options.endpoint is not None
        self._endpoint: Endpoint = options.endpoint
        url, authority = self._endpoint.url, self._endpoint.authority
        file = options.extra.get("tokenizer", "")
        self._encode = encode = tokenizer_of(Path(file)) if file else None
        body = _extra_body(options.extra.get("extra_body", "{}"))
        ids = options.choice("token_ids", ("auto", "yes", "no"))
        limits = {
            "connections": options.positive("connections", _CONNECTIONS),
            "stall": options.positive("stall", _STALL_SECONDS),
        }
        address = EndpointAddress.find(url, Path(authority) if authority else None, os.environ)
        self._proxy = address.proxy is not None
        self._client = client = Client(address, **limits, encode=encode)
        try:
            self._server: ServerWords = ask_server(client, address.base, self._endpoint.model)
        except RequestProblem as problem:
            client.close()
            raise Unusable(
                f"The endpoint {address} cannot be used: {problem.reason}.", hint=problem.hint
            ) from None
        except BaseException:
            client.close()
            raise
        asked_for_ids = ids == "yes" or (ids == "auto" and self._server.name in _RETURN_IDS)
        self._prompts: Prompts = Prompts(
            self._endpoint.model, self._endpoint.kind, asked_for_ids, body
        )

    def prepare(self, sample: object, name: str) -> object:
        """Refuse a sample that the server's context is too short for, as far as both are known.

        Token ids are counted, and texts if the model's tokenizer is given. A server puts a chat
        into the model's template, so that a prompt is a little longer than what is counted here.

        Raises
        ------
        UserError
            Prompt and answer do not fit.
        """
        if self._server.context:
            prompt, answer = self._prompts.size(sample, self._encode)
            refuse_too_long(name, prompt, answer, self._server.context, "the endpoint's model")
        return sample

    def submit(self, requests: Sequence[SampleRequest], answers: Answers) -> None:
        """Send the samples; each answer comes when the server has streamed it."""
        assert self._client is not None
        self._client.submit(requests, self._prompts, answers)

    def close(self) -> None:
        """Cancel what is in flight and close all connections."""
        if self._client is not None:
            self._client.close()

    def describe(self) -> Mapping[str, Any]:
        """Return the server's words about itself; they say nothing of its hardware."""
        server, endpoint = self._server, self._endpoint
        return {
            "name": "openai",
            "framework": server.title or "OpenAI API",
            "framework_name": (server.name or "openai").lower(),
            "framework_version": server.version,
            "target": "endpoint",
            "options": {"kind": endpoint.kind, "token_ids": self._prompts.token_ids},
            "server": {**server.words(), "proxy": self._proxy},
        }

    def traffic(self) -> Mapping[str, Any]:
        """Return what happened to the requests since the warm-up was over."""
        assert self._client is not None
        return {**self._client.counts.words(), "served": self._client.served.words()}

    def begin(self) -> None:
        """Take the warm-up as over: its prompts are not those of the samples."""
        assert self._client is not None
        self._client.begin()


def _extra_body(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UserError(
            f"--backend-opt extra_body={text}: this is not a JSON object.",
            hint="Give one, such as --backend-opt 'extra_body={\"ignore_eos\": true}'.",
        )
    return found
