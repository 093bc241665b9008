"""A loaded backend that computes batches of tensors: its feed, its pipeline, its comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlrepo.backends import Array, Backend, BackendOptions
from mlrepo.harness import agreement, warmup
from mlrepo.harness.by_length import SortingSut, lengths_of
from mlrepo.harness.events import Reporter
from mlrepo.harness.feed import Feed, described_outputs, outputs_of, plan_feed, rows_of
from mlrepo.harness.reference import ReferenceRequest
from mlrepo.harness.samples import SampleSource
from mlrepo.harness.spec import SPEED, RunSpec
from mlrepo.harness.sut import InlineSut, Pipeline, ServerSut
from mlrepo.record import ACCURACY
from mlrepo.scenarios import Scenario
from mlrepo.workloads import Workload
from mlrepo.workloads.described import refuse_outputs
from mlrepo.workloads.task import task_of_run


class PredictingSystem:
    """A model in a backend that has ``predict``.

    Parameters
    ----------
    loaded:
        The samples that are loaded before LoadGen starts.
    largest_query:
        The largest number of samples in a query of MultiStream.
    """

    def __init__(
        self,
        spec: RunSpec,
        workload: Workload,
        backend: Backend,
        source: SampleSource,
        options: BackendOptions,
        loaded: Sequence[int],
        largest_query: int,
        reporter: Reporter,
    ) -> None:
        self._spec, self._workload, self._backend = spec, workload, backend
        self._source, self._compared = source, agreement.spread(loaded)
        self._reporter = reporter
        self._feed, self._expected = self._load(options)
        self.fixed = self._feed.static_batch or spec.max_batch
        self._buffer = self.fixed or warmup.LARGEST_BATCH
        self.library = source.library(self._feed, max(self._buffer, largest_query))

    def _load(self, options: BackendOptions) -> tuple[Feed, agreement.Expected]:
        """Load the model while another process computes its expected outputs."""
        spec, source, backend = self._spec, self._source, self._backend
        model = Path(spec.model_file)
        names = {one.name: one.aliases for one in source.tensors}
        with agreement.expectation(
            model,
            backend,
            options,
            ReferenceRequest(
                spec.model_file, spec.threads, spec.max_batch or agreement.SAMPLES, names
            ),
            lambda: source.load(self._compared),
            check=spec.agreement_check and spec.mode != SPEED,
        ) as wait:
            backend.load(model, options)
            return plan_feed(backend, source.tensors, model), wait()

    def sut(self, scenario: Scenario) -> InlineSut | ServerSut:
        """Return what LoadGen's queries go to."""
        if self._spec.by_length:
            lengths = lengths_of(self._source.dataset)
            return SortingSut(self.pipeline, self._reporter, lengths)
        kind = ServerSut if scenario.at_random else InlineSut
        return kind(self.pipeline, self._reporter)

    def measure(self, loaded: list[int], query: int, *, estimates: bool) -> dict[int, float]:
        """Return the seconds by batch size; the batch of a run follows from them."""
        return warmup.measure_batches(self.pipeline, loaded, self.fixed, query)

    def prepare(self, loaded: Sequence[int]) -> Pipeline:
        """Load samples and return what computes them, for the outputs that the model gives.

        Raises
        ------
        UserError
            Answers from these outputs could not be judged, in an accuracy run. The parent has
            checked this by the model's file, but not every file says its outputs.
        """
        spec, static = self._spec, self._feed.static_batch
        self.library.load(loaded)
        first = self.library.batch(self.library.rows(self._compared[:1]))
        outputs = described_outputs(outputs_of(self._backend, first, static), Path(spec.model_file))
        if spec.mode == ACCURACY:
            refuse_outputs(Path(spec.model_file).name, self._workload, outputs)
        self._task = task_of_run(self._workload.task, self._source.dataset, outputs)
        self.pipeline = Pipeline(
            self.library, self._backend, self._task, self._buffer, self._reporter, static
        )
        return self.pipeline

    def compare(self, scenario: Scenario, query: int) -> Mapping[str, object]:
        """Compare outputs with the reference; return what the record says about it.

        Raises
        ------
        UserError
            The backend's outputs differ or are unusable.
        """
        spec, most = self._spec, self.pipeline.max_batch
        kind = agreement.allowed_type(Path(spec.model_file), spec.precision, self._feed)
        predict: Callable[[Sequence[int]], Sequence[Array]] = self.pipeline.outputs
        if self._source.collate is not None:
            predict = self._together()
        check = agreement.AgreementCheck(spec.backend, predict, self._compared, kind, self._task)
        batches = {1, min(most, query) if scenario.is_stream else most}
        return check.run(self._expected, sorted(batches))

    def _together(self) -> Callable[[Sequence[int]], list[Array]]:
        """Return the outputs for objects as the reference computes them: padded to one batch."""
        batch = self._feed.cast(self._source.load(self._compared))

        def predict(indices: Sequence[int]) -> list[Array]:
            rows = [self._compared.index(index) for index in indices]
            return outputs_of(self._backend, rows_of(batch, rows), self._feed.static_batch)

        return predict

    def describe_input(self) -> dict[str, Any]:
        """Return the model's inputs and how samples are cast, for the record."""
        return dict(self._feed.describe())
