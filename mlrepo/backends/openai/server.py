"""What a server says about itself: which program it is, and which model it serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.backends.openai.answer import printable
from mlrepo.backends.openai.client import Client, Reply
from mlrepo.backends.openai.problems import RequestProblem
from mlrepo.errors import UserError

# Parts of a model's entry that differ from call to call, or concern accounts.
_PASSING = ("created", "permission", "object")
# Servers whose name in ``owned_by`` (/v1/models) or ``Server`` is not how people write it.
_NAMES = {"vllm": "vLLM", "sglang": "SGLang", "llamacpp": "llama.cpp", "library": "Ollama"}
_MOST_NAMED = 8


@dataclass(frozen=True)
class ServerWords:
    """A server's words about itself; texts are empty where it says nothing.

    Attributes
    ----------
    name:
        The program: vLLM, SGLang, llama.cpp; else its ``Server`` header.
    version:
        From ``/version``.
    header:
        The ``Server`` header of its replies.
    entry:
        What ``/v1/models`` says about the requested model.
    """

    name: str = ""
    version: str = ""
    header: str = ""
    entry: Mapping[str, object] | None = None

    @property
    def title(self) -> str:
        """Name and version."""
        return " ".join(part for part in (self.name, self.version) if part)

    @property
    def context(self) -> int:
        """How many tokens prompt and answer may have together; 0 if it does not say.

        vLLM and SGLang call it ``max_model_len``, llama.cpp ``meta.n_ctx`` (and that of the
        training ``n_ctx_train``), routers ``context_length``.
        """
        entry = self.entry or {}
        meta = entry.get("meta")
        places = [(entry, "max_model_len"), (entry, "context_length")]
        if isinstance(meta, dict):
            places += [(meta, "n_ctx"), (meta, "n_ctx_train")]
        found = (place.get(key) for place, key in places)
        return next((one for one in found if type(one) is int and one > 0), 0)

    def words(self) -> dict[str, object]:
        """Return the facts for a record."""
        return {
            "name": self.name,
            "version": self.version,
            "header": self.header,
            "entry": dict(self.entry or {}),
        }


def ask_server(client: Client, base: str, model: str) -> ServerWords:
    """Return what the server at a base URL says about itself and about a model.

    A server without a list of models, or without a version, is asked no further.

    Raises
    ------
    RequestProblem
        It cannot be reached, or refuses.
    UserError
        It does not serve the model.
    """
    reply = client.get(f"{base}/models")
    if reply.status in (401, 403):
        raise client.refusal(reply)
    if 300 <= reply.status < 400:
        raise client.refusal(reply)
    header = printable(reply.headers.get("server", ""), 80)
    listed = _object(reply).get("data") if reply.status == 200 else None
    entry = _entry(listed, base, model) if isinstance(listed, list) else None
    owner = str((entry or {}).get("owned_by", ""))
    name = _NAMES.get(owner.lower()) or _NAMES.get(header.lower()) or header or owner
    return ServerWords(name, _version(client, base), header, entry)


def _entry(listed: list[object], base: str, model: str) -> Mapping[str, object]:
    models = [one for one in listed if isinstance(one, dict)]
    for one in models:
        aliases = one.get("aliases")
        if one.get("id") == model or (isinstance(aliases, list) and model in aliases):
            return {key: value for key, value in one.items() if key not in _PASSING}
    names = [printable(str(one.get("id", "")), 80) for one in models]
    shown = ", ".join(names[:_MOST_NAMED]) or "none"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    raise UserError(
        f"The endpoint {base} does not serve the model {model!r}.",
        hint=f"It serves: {shown}{more}. Name one with --endpoint-model.",
    )


def _version(client: Client, base: str) -> str:
    """Return the version by ``/version`` beside ``/v1`` (vLLM, Ollama: ``/api/version``)."""
    root = base.removesuffix("/v1")
    for path in ("version", "api/version"):
        try:
            reply = client.get(f"{root}/{path}")
        except RequestProblem:
            return ""
        found = _object(reply).get("version") if reply.status == 200 else None
        if isinstance(found, str):
            return printable(found, 80)
    return ""


def _object(reply: Reply) -> Mapping[str, object]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
