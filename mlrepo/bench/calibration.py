"""Find the samples from which a quantization derives the ranges of activations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlrepo.bench.inputs import find_dataset
from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.workloads import Workload
from mlrepo.workloads.described import described
from mlrepo.workloads.quantize import Calibration
from mlrepo.workloads.stored_model import StoredModel

# The default number of generated samples for calibration.
_GENERATED = 32


def find_calibration(
    home: Path, base: StoredModel, text: str | None, count: int | None
) -> Calibration:
    """Return the samples that a model is calibrated with.

    Raises
    ------
    UserError
        A list is missing although there is a data set, or given although there is none; the data
        set is not prepared; or there are fewer than ``count`` samples.
    """
    workload: Workload = load_plugin(WORKLOADS, base.about.benchmark)
    model = described(base.model_file(), workload, base.model_file().layout)
    if not workload.dataset:
        if text is not None:
            raise UserError(
                f"{workload.name} runs on generated samples: --calibration does not apply.",
                hint="Leave it out.",
            )
        dataset = workload.open("", model.layout, model.size)
        indices = list(range(min(count or _GENERATED, dataset.total)))
        name = f"the first {len(indices)} generated samples"
        return Calibration(dataset, indices, name, sha256_bytes(name.encode()))
    if text is None:
        raise UserError(
            "--calibration is missing: which samples may the quantization look at?",
            hint="Give a file with their names, or one of MLPerf's lists, such as mlperf-1.",
        )
    chosen = workload.dataset.calibration(text)
    prepared = find_dataset(home, workload, model)
    if count is not None:
        if count > len(chosen.files):
            raise UserError(
                f"--count {count} is more than the {len(chosen.files)} {workload.dataset.unit} of "
                f"{chosen.source}.",
                hint="Leave it out to use all.",
            )
        first = chosen.files[:count]
        chosen = replace(chosen, files=first, source=f"{chosen.source}, first {count}")
    indices = chosen.indices(workload.dataset.sample_names(home))
    dataset = workload.open(str(prepared), model.layout, model.size)
    return Calibration(dataset, indices, chosen.source, chosen.sha256)
