"""Language models on OpenVINO GenAI: GGUF files and IR, with continuous batching, on the CPU."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlrepo import model_kinds as kinds
from mlrepo.backends import BackendOptions, Capabilities, available_threads
from mlrepo.backends.context import refuse_too_long
from mlrepo.backends.devices import CPU
from mlrepo.errors import Unusable, UserError
from mlrepo.generated import Generated
from mlrepo.gguf import BadGguf, Gguf, read_gguf

if TYPE_CHECKING:
    from mlrepo.backends import Answers, SampleRequest

_CONFIG = "config.json"
# What OpenVINO GenAI makes a model of (src/cpp/src/gguf_utils of openvino.genai, 2026.4).
_ARCHITECTURES = ("llama", "qwen2", "qwen3")


@dataclass
class _Running:
    """A request in the engine, and the tokens that it has so far."""

    request: SampleRequest
    handle: Any
    tokens: list[int] = field(default_factory=list)


class OpenVinoGenAiBackend:
    """One engine; it computes a token for each request in flight in one step.

    Options, with the engine's own names: ``max_num_seqs``, how many requests are computed together
    (default: 8 for each thread, at least 16; also ``--max-batchsize``); ``max_num_batched_tokens``,
    how many tokens of prompts and answers a step has at most; ``cache_size``, the memory for keys
    and values in GB (default: it grows). Decoding is greedy. Prefixes are not cached: that a sample
    is asked twice must not make it faster.
    """

    capabilities = Capabilities(
        reads=(kinds.GGUF, kinds.OPENVINO_GENAI),
        devices={CPU: ("fp32", "bf16")},
        options=("cache_size", "max_num_batched_tokens", "max_num_seqs"),
        requirements=("openvino-genai>=2026.0",),
        frameworks=("openvino genai",),
    )

    _worker: threading.Thread | None = None

    def load(self, model: Path, options: BackendOptions) -> None:
        """Read the model and make the engine.

        Raises
        ------
        UserError
            The file is cut short, of an architecture that the engine does not know, or the engine
            refuses it.
        """
        self.capabilities.check("openvino-genai", options)
        self._context = _context_of(model)
        genai = _genai()
        self._version = genai.get_version()
        self._threads = options.threads or available_threads()
        scheduler = genai.SchedulerConfig()
        scheduler.enable_prefix_caching = False
        # More delay the next token of every answer, and are hardly faster in all.
        scheduler.max_num_seqs = options.most or max(16, 8 * self._threads)
        for name in self.capabilities.options:
            if name in options.extra:
                setattr(scheduler, name, options.positive(name, 1))
        self._scheduler = scheduler
        settings: dict[str, object] = {"INFERENCE_NUM_THREADS": self._threads}
        if options.precision == "bf16":
            settings["INFERENCE_PRECISION_HINT"] = "bf16"
        self._settings = settings
        try:
            self._pipeline = genai.ContinuousBatchingPipeline(
                str(model), scheduler, CPU.upper(), settings
            )
        except Exception as error:  # the binding raises RuntimeError, and others for bad files
            raise UserError.caused_by(
                f"OpenVINO GenAI cannot load {model.name}",
                error,
                hint="Check that the files are complete; its documentation lists the architectures "
                "that it knows.",
            ) from error
        self._genai = genai
        self._tokenizer = self._pipeline.get_tokenizer()
        self._defaults = self._pipeline.get_config()
        self._waiting: deque[SampleRequest] = deque()
        self._queue: queue.SimpleQueue[tuple[Sequence[SampleRequest], Answers] | None] = (
            queue.SimpleQueue()
        )
        self._number = 0
        self._worker = threading.Thread(target=self._work, name="openvino-genai", daemon=True)
        self._worker.start()

    def prepare(self, sample: object, name: str) -> object:
        """Return a sample with its prompt as token ids.

        Samples are mappings: ``input_ids``, or ``messages`` for the model's chat template, or
        ``prompt``; ``max_new_tokens`` limits the answer.

        Raises
        ------
        UserError
            It has no prompt, or prompt and answer are longer than the model's context.
        """
        if not isinstance(sample, Mapping):
            raise UserError(
                "The backend openvino-genai needs samples with messages, prompt or input_ids; the "
                f"benchmark gives {type(sample).__name__}.",
                hint="Use a benchmark of a language model.",
            )
        ids, most = self._ids(sample), int(sample.get("max_new_tokens") or 1)
        refuse_too_long(name, len(ids), most, self._context, "the model")
        return {**sample, "input_ids": ids}

    def submit(self, requests: Sequence[SampleRequest], answers: Answers) -> None:
        """Queue requests; the engine takes them up at its next step."""
        self._queue.put((requests, answers))

    def close(self) -> None:
        """Cancel what is in flight and end the engine."""
        if self._worker is not None:
            self._queue.put(None)
            self._worker.join()
            self._worker = None

    def describe(self) -> Mapping[str, Any]:
        """Return versions, threads, and how the engine schedules requests."""
        scheduler = self._scheduler
        return {
            "name": "openvino-genai",
            "framework": f"OpenVINO GenAI {self._version.partition('-')[0]}",
            "framework_name": "openvino genai",
            "framework_version": self._version,
            "target": CPU,
            "device": CPU,
            "options": {
                "threads": self._threads,
                "max_num_seqs": scheduler.max_num_seqs,
                "max_num_batched_tokens": scheduler.max_num_batched_tokens,
                "cache_size": scheduler.cache_size,
                **{key.lower(): value for key, value in self._settings.items()},
            },
        }

    def _ids(self, sample: Mapping[str, object]) -> list[int]:
        ids, messages, prompt = (sample.get(key) for key in ("input_ids", "messages", "prompt"))
        if isinstance(ids, Sequence) and not isinstance(ids, str | bytes):
            return [int(one) for one in ids]
        special = True
        if isinstance(messages, Sequence) and not isinstance(messages, str):
            # A chat template writes the tokens that begin a text itself.
            prompt, special = self._tokenizer.apply_chat_template(list(messages), True), False
        if not isinstance(prompt, str):
            raise UserError(
                "A sample has neither messages, prompt nor input_ids.",
                hint="Use a benchmark of a language model.",
            )
        encoded = self._tokenizer.encode(prompt, add_special_tokens=special)
        found: list[int] = encoded.input_ids.data[0].tolist()
        return found

    def _work(self) -> None:
        """Step while there is work; a failure ends the run for every request in flight."""
        running: list[_Running] = []
        try:
            while self._take(wait=not running and not self._waiting):
                self._feed(running)
                self._pipeline.step()
                running = list(self._collected(running))
        except BaseException as error:
            failed = next((one.request for one in running), None) or self._waiting[0]
            self._answers.fail(failed.key, error)
            return
        for one in running:
            one.handle.cancel()

    def _take(self, *, wait: bool) -> bool:
        """Take what was submitted; return whether to go on."""
        while wait or not self._queue.empty():
            item = self._queue.get()
            if item is None:
                return False
            requests, self._answers = item
            self._waiting.extend(requests)
            wait = False
        return True

    def _feed(self, running: list[_Running]) -> None:
        # The engine itself holds to the limit only if it does not mix prompts and answers.
        room = self._scheduler.max_num_seqs - len(running)
        while self._waiting and room > 0:
            request = self._waiting[0]
            running.append(_Running(request, self._add(request)))
            self._waiting.popleft()
            room -= 1

    def _add(self, request: SampleRequest) -> Any:
        import openvino

        sample: Any = request.sample
        config = self._genai.GenerationConfig(do_sample=False)
        config.eos_token_id = self._defaults.eos_token_id
        config.stop_token_ids = self._defaults.stop_token_ids
        config.max_new_tokens = int(sample["max_new_tokens"])
        config.min_new_tokens = int(sample.get("min_new_tokens") or 0)
        ids = np.array([sample["input_ids"]], np.int64)
        self._number += 1
        return self._pipeline.add_request(self._number, openvino.Tensor(ids), config)

    def _collected(self, running: list[_Running]) -> Iterator[_Running]:
        """Hand over what the last step brought; yield the requests that go on."""
        status = self._genai.GenerationStatus
        done: list[_Running] = []
        first: list[_Running] = []
        left: list[_Running] = []
        for one in running:
            while one.handle.can_read():
                if not one.tokens:
                    first.append(one)
                for output in one.handle.read().values():
                    one.tokens += output.generated_ids
            found = one.handle.get_status()
            if found == status.RUNNING:
                left.append(one)
            elif found == status.FINISHED and one.tokens:
                done.append(one)
            else:
                raise UserError(
                    f"OpenVINO GenAI dropped a request ({found.name.lower()}): its prompt has "
                    f"{len(one.request.sample['input_ids'])} tokens.",
                    hint="Give the cache more memory: --backend-opt cache_size=GB.",
                )
        for one in first:
            self._answers.first_token(one.request.key, Generated("", one.tokens[:1], 1))
        if done:
            outputs = [Generated("", one.tokens, len(one.tokens)) for one in done]
            self._answers.complete([one.request.key for one in done], outputs)
        yield from left


def _context_of(model: Path) -> int:
    """Return how many tokens prompt and answer may have together; 0 if the files do not say.

    Raises
    ------
    UserError
        A GGUF file is cut short, damaged, or of another architecture.
    """
    if kinds.kind_of(model) == kinds.GGUF:
        file = _readable(model)
        if file.architecture not in _ARCHITECTURES:
            raise UserError(
                f"OpenVINO GenAI cannot run {model.name}: its architecture is "
                f"{file.architecture or 'unknown'}.",
                hint=f"Of GGUF files it reads: {', '.join(_ARCHITECTURES)}. Convert the model to "
                "OpenVINO's IR with optimum-intel.",
            )
        length = file.of_architecture("context_length")
        return length if isinstance(length, int) else 0
    import json

    try:
        found = json.loads((model / _CONFIG).read_text(encoding="utf-8"))
        return int(found.get("max_position_embeddings") or 0)
    except (OSError, ValueError, AttributeError, TypeError):
        return 0


def _readable(model: Path) -> Gguf:
    try:
        return read_gguf(model)
    except BadGguf as error:
        raise UserError(
            f"The model {model} cannot be read: {error}.", hint="Copy or download it again."
        ) from error


def _genai() -> Any:
    try:
        import openvino_genai
    except ImportError as error:
        raise Unusable(
            "The backend openvino-genai needs OpenVINO GenAI, which is not installed.",
            hint="`mlrepo bench prereq --backend openvino-genai` installs it.",
        ) from error
    return openvino_genai
