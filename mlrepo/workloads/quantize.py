"""Post-training static quantization to int8 by ONNX Runtime: QDQ, weights per channel.

Weights become signed, activations unsigned 8-bit integers, as VNNI multiplies them. A quantized
model is an ONNX model with QuantizeLinear and DequantizeLinear, which ONNX Runtime, OpenVINO and
TVM read.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlrepo.distributions import installed_version
from mlrepo.errors import UserError
from mlrepo.model_kinds import ONNX
from mlrepo.workloads.catalog import CALIBRATION_DOCUMENT, INT8, ReferenceModel
from mlrepo.workloads.tensors import matched, tensors_of

if TYPE_CHECKING:
    from mlrepo.workloads import Dataset
    from mlrepo.workloads.model_store import ModelStore
    from mlrepo.workloads.stored_model import StoredModel

# Methods of finding the range of an activation: our names -> ONNX Runtime's.
METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
# The first opset whose QuantizeLinear supports one scale per channel.
_OPSET = 13
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Calibration:
    """The samples that the ranges of activations are taken from.

    Attributes
    ----------
    source, sha256:
        Name and hash of the list, for the documents.
    """

    dataset: Dataset
    indices: Sequence[int]
    source: str
    sha256: str


def quantize(
    store: ModelStore,
    base: StoredModel,
    name: str,
    method: str,
    calibration: Calibration,
    on_progress: OnProgress = lambda done, total: None,
) -> StoredModel:
    """Quantize a model and register the result as variant ``name`` of the same benchmark.

    A draft of the calibration document that a closed submission requires is written beside it.

    Raises
    ------
    UserError
        The name is taken, the model is not an fp32 ONNX model, or ONNX Runtime cannot quantize it.
    """
    about = _about(base.about, name, method, calibration)
    store.check_new(about)
    if base.about.framework != ONNX or base.about.weight_data_types != "fp32":
        raise UserError(
            f"{base.about.name} is {base.about.weight_data_types} in {base.about.framework}; only "
            "fp32 ONNX models are quantized.",
            hint="Name another model: `mlrepo model list`.",
        )
    _ = base.model_file().files  # refuses files that have changed since they were recorded
    with tempfile.TemporaryDirectory(prefix="mlrepo-quantize-") as directory:
        result = Path(directory) / "int8.onnx"
        _quantize(base.path, result, METHODS[method], calibration, on_progress)
        document = _document(base, about, method, calibration)
        return store.register(about, result, {CALIBRATION_DOCUMENT: document})


def _quantize(
    source: Path, target: Path, method: str, calibration: Calibration, on_progress: OnProgress
) -> None:
    try:
        import onnx
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise UserError(
            f"Quantizing needs the package onnx: {error}.",
            hint="`mlrepo bench prereq --backend onnx` installs it.",
        ) from error
    prepared = target.with_name("prepared.onnx")
    tried, hint = f"onnx cannot load {source.name}", "Export the model with a newer opset."
    # It logs advice to preprocess the model, which has just been done.
    logging.getLogger().addFilter(_unprepared)
    try:
        model = onnx.load(str(source), format="protobuf")
        opset = _opset_of(model)
        if opset < _OPSET:
            tried = f"onnx cannot convert {source.name} from opset {opset} to {_OPSET}"
            model = onnx.version_converter.convert_version(model, _OPSET)
        weights = {weight.name for weight in model.graph.initializer}
        given = [value for value in model.graph.input if value.name not in weights]
        feeds = _feeds([value.name for value in given], calibration.dataset, source)
        batch = _batch_of(given[0])
        tried = f"ONNX Runtime cannot prepare {source.name} for quantizing"
        quant_pre_process(model, str(prepared), skip_symbolic_shape=True)
        tried = f"ONNX Runtime cannot quantize {source.name}"
        inputs = ", ".join(f"{value.name} {_sizes(value)}" for value in given)
        hint = f"Its input is {inputs}; use another --method."
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress for each sample
            quantize_static(
                str(prepared),
                str(target),
                _reader(feeds, batch, calibration, on_progress),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod[method],
                # One sample at a time: the activations of all would not fit into memory.
                extra_options={"CalibStridedMinMax": 1},
            )
    except UserError:
        raise
    except Exception as error:  # onnx and ONNX Runtime raise errors of any kind
        raise UserError.caused_by(tried, error, hint=hint) from error
    finally:
        logging.getLogger().removeFilter(_unprepared)


def _opset_of(model: Any) -> int:
    versions = (e.version for e in model.opset_import if e.domain in ("", "ai.onnx"))
    return max(versions, default=1)


def _batch_of(given: Any) -> int:
    """Return how many samples a model takes at once: its fixed batch, or 1 if it is open."""
    dims = given.type.tensor_type.shape.dim
    return dims[0].dim_value or 1 if dims else 1


def _sizes(given: Any) -> str:
    dims = given.type.tensor_type.shape.dim
    return f"[{', '.join(str(d.dim_value or d.dim_param or '?') for d in dims)}]"


def _unprepared(record: logging.LogRecord) -> bool:
    return "pre-process" not in record.getMessage()


def _feeds(names: Sequence[str], dataset: Dataset, model: Path) -> dict[str, str]:
    """Return the name of the data set's tensor for each input of a model.

    Raises
    ------
    UserError
        An input has no tensor, or the samples are objects of any size.
    """
    tensors = tensors_of(dataset)
    found = matched(tensors, names)
    if found is None:
        have = "; ".join(map(str, tensors)) or "Python objects"
        raise UserError(
            f"{model.name} takes {', '.join(names)}, and the samples for the calibration are "
            f"{have}.",
            hint="Quantize the model elsewhere, and register it with `mlrepo model add NAME FILE`.",
        )
    return {name: tensor.name for name, tensor in zip(names, found, strict=True)}


def _reader(
    feeds: Mapping[str, str], batch: int, calibration: Calibration, on_progress: OnProgress
) -> Any:
    """Return a reader of the samples in batches; the first samples fill up the last batch."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Reads one batch at a time, as ONNX Runtime requests them."""

        def __init__(self) -> None:
            self._waiting = range(0)

        def __len__(self) -> int:
            return -(-len(calibration.indices) // batch)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._waiting = range(start_index, end_index)

        def get_next(self) -> dict[str, object] | None:
            if not self._waiting:
                return None
            row, self._waiting = self._waiting[0], self._waiting[1:]
            rows = range(row * batch, (row + 1) * batch)
            total = len(calibration.indices)
            on_progress(min(rows.stop, total), total)
            indices = [calibration.indices[row % total] for row in rows]
            samples = calibration.dataset.load(indices)
            if not isinstance(samples, Mapping):
                return dict.fromkeys(feeds, samples)
            return {name: samples[tensor] for name, tensor in feeds.items()}

    return Reader()


def _onnxruntime() -> str:
    return installed_version("onnxruntime") or "of unknown version"


def _about(
    base: ReferenceModel, name: str, method: str, calibration: Calibration
) -> ReferenceModel:
    done = (
        f"int8 by post-training static quantization: ONNX Runtime "
        f"{_onnxruntime()}, QDQ, weights per channel, ranges by {method} from "
        f"{len(calibration.indices)} samples ({calibration.source})"
    )
    before = "" if base.weight_transformations == "no" else f"{base.weight_transformations}; "
    return replace(
        base,
        variant=name,
        summary=f"{base.variant} quantized to int8 ({method}, {calibration.source})",
        url="",
        md5="",
        seed=None,
        package="",
        weights=base.starting_weights_filename,
        accuracy=None,
        weight_data_types=INT8,
        weight_transformations=before + done,
    )


def _document(
    base: StoredModel, about: ReferenceModel, method: str, calibration: Calibration
) -> str:
    data = calibration.dataset.describe()
    return f"""# Calibration of {about.benchmark}

- Model: {base.about.name}, starting weights {base.about.starting_weights_filename}.
  SHA-256 `{base.sha256}`.
- Calibration data: {len(calibration.indices)} samples of {data["name"]}, prepared as for
  inference{f" ({about.preprocessing})" if about.preprocessing else ""}: {calibration.source}.
  SHA-256 of the names `{calibration.sha256}`.
- Tool: ONNX Runtime {_onnxruntime()}, `quantize_static` after `quant_pre_process`
  (constants folded, batch normalization fused into convolutions).

## Quantization

Numbers are mapped linearly, `q = round(x / scale) + zero_point`, saturated to 8 bits.

- Weights: int8, symmetric, one scale per output channel, from the largest absolute value.
- Activations: uint8, asymmetric, one scale and zero point per tensor; the range is found by
  the method {method} on the calibration data.
- Biases: int32, scale of the input times scale of the weight.
- Not quantized: operators without an int8 form in ONNX Runtime; they take dequantized values.

No weight was changed otherwise; nothing was trained.
"""
