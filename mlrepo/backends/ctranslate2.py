"""Models of the Whisper family on CTranslate2, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo import model_kinds as kinds
from mlrepo.backends import Array, BackendOptions, Capabilities, available_threads
from mlrepo.backends.capabilities import STREAMS
from mlrepo.backends.devices import CPU
from mlrepo.backends.inputs import TensorSpec
from mlrepo.errors import Unusable, UserError

MEL, PROMPT = "mel", "prompt"
# CPUs compute fp16 weights in float32.
_TYPES = {
    "fp32": "float32",
    "fp16": "float32",
    "bf16": "bfloat16",
    "int16": "int16",
    "int8": "int8",
}
# The reference's limit of new tokens (speech2text/reference_SUT.py).
_MOST_TOKENS = 200


class CTranslate2Backend:
    """One model of the Whisper family.

    Inputs: ``mel``, float32 [n, mels, 3000], and ``prompt``, int64 [n, tokens]. Output: the token
    ids of each answer without those of the prompt, int32 [n, longest], filled with -1.
    Options: ``beam_size`` (default 1: greedy), ``max_length`` (tokens of an answer), ``streams``,
    how many batches are computed in parallel, each with a part of the threads.
    """

    capabilities = Capabilities(
        reads=(kinds.CTRANSLATE2,),
        devices={CPU: ("fp32", "bf16", "int8", "int16")},
        quantizes=("int8", "int16"),
        options=("beam_size", "max_length", STREAMS),
        requirements=("ctranslate2>=4.5",),
        frameworks=("ctranslate2",),
    )

    def load(self, model: Path, options: BackendOptions) -> None:
        """Load the model; its weights are converted to the precision that was asked for."""
        self.capabilities.check("ctranslate2", options)
        library = _library()
        self._version = library.__version__
        self._threads = options.threads or available_threads()
        self._streams = options.positive(STREAMS, 1)
        self._beam = options.positive("beam_size", 1)
        self._most = options.positive("max_length", _MOST_TOKENS)
        precision = options.precision if options.precision in _TYPES else "fp32"
        try:
            self._model = library.models.Whisper(
                str(model),
                device=CPU,
                compute_type=_TYPES[precision],
                inter_threads=self._streams,
                intra_threads=max(1, self._threads // self._streams),
            )
        except Exception as error:  # RuntimeError and ValueError, by what is wrong
            raise UserError.caused_by(
                f"CTranslate2 cannot load {model.name} as a Whisper model",
                error,
                hint="Convert the model with ct2-transformers-converter; its directory needs "
                "model.bin, config.json and the vocabulary.",
            ) from error
        self._view = library.StorageView.from_array

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The inputs of the model."""
        return (
            TensorSpec(MEL, "float32", (None, self._model.n_mels, None)),
            TensorSpec(PROMPT, "int64", (None, None)),
        )

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the features."""
        return (None, self._model.n_mels, None)

    def predict(self, batch: Array | Mapping[str, Array]) -> Sequence[Array]:
        """Return the token ids of each answer."""
        assert isinstance(batch, Mapping)
        results = self._model.generate(
            self._view(np.ascontiguousarray(batch[MEL])),
            batch[PROMPT].tolist(),
            beam_size=self._beam,
            max_length=self._most + batch[PROMPT].shape[1],
        )
        answers = [result.sequences_ids[0] for result in results]
        tokens = np.full((len(answers), max(map(len, answers), default=0)), -1, np.int32)
        for row, ids in zip(tokens, answers, strict=True):
            row[: len(ids)] = ids
        return [tokens]

    def describe(self) -> Mapping[str, Any]:
        """Return versions, threads and the type in which it computes."""
        return {
            "name": "ctranslate2",
            "framework": f"CTranslate2 {self._version}",
            "framework_name": "ctranslate2",
            "framework_version": self._version,
            "target": CPU,
            "device": CPU,
            "options": {
                "threads": self._threads,
                STREAMS: self._streams,
                "beam_size": self._beam,
                "max_length": self._most,
                "compute_type": self._model.compute_type,
            },
        }


def _library() -> Any:
    try:
        import ctranslate2
    except ImportError as error:
        raise Unusable(
            "The backend ctranslate2 needs CTranslate2, which is not installed.",
            hint="`mlrepo bench prereq --backend ctranslate2` installs it.",
        ) from error
    return ctranslate2
