"""Recorded runs that make up a valid submission: what ``mlrepo select`` chooses from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlrepo.digest import sha256_bytes
from mlrepo.logs.detail import parse_detail
from mlrepo.paths import RepoPath
from mlrepo.record import (
    ACCURACY,
    COMPLIANCE,
    PERFORMANCE,
    BackendFacts,
    LoadgenFacts,
    LoadgenSettings,
    Metric,
    ModelFacts,
    Placement,
    RunRecord,
    StoredLog,
)
from mlrepo.repository.experiments import Experiment
from mlrepo.repository.recorder import RUNS, Composition, Recorder
from mlrepo.repository.trailers import commit_message
from tests.samples import sample_record, sample_run_id
from tests.submissions import BENCHMARK, SUBMITTER, SYSTEM, Submission, write_submission

BOX = Experiment("box")
MODEL = ModelFacts(
    file="resnet50_v1.onnx",
    sha256="0" * 64,
    starting_weights_filename="https://zenodo.org/record/4735647/files/resnet50_v1.onnx",
    retraining="no",
    input_data_types="fp32",
    weight_data_types="fp32",
    weight_transformations="no",
)


class Laboratory:
    """Records runs whose logs are those of a valid submission of the round."""

    def __init__(self, recorder: Recorder, scratch: Path, round_name: str = "v6.1") -> None:
        self.submission: Submission = write_submission(scratch / round_name, round_name)
        self.recorder = recorder
        self._numbers = itertools.count(1)

    def result(
        self,
        scenario: str,
        configuration: str = "a",
        experiment: Experiment = BOX,
        **changes: Any,
    ) -> dict[str, str]:
        """Record a whole result and return the ids of its runs by mode or test."""
        ids = {
            ACCURACY: self.run(scenario, ACCURACY, "", {}, configuration, experiment),
            PERFORMANCE: self.run(
                scenario, PERFORMANCE, "", {}, configuration, experiment, **changes
            ),
        }
        for test in sorted(self.submission.tests(scenario)):
            reference = {mode: ids[mode] for mode in (PERFORMANCE, ACCURACY)}
            ids[test] = self.run(scenario, COMPLIANCE, test, reference, configuration, experiment)
        return ids

    def run(
        self,
        scenario: str,
        mode: str,
        test: str = "",
        reference: Mapping[str, str] | None = None,
        configuration: str = "a",
        experiment: Experiment = BOX,
        further: Mapping[str, bytes] | None = None,
        **changes: Any,
    ) -> str:
        """Record one run with ``further`` files; ``changes`` are fields of the record. Its id."""
        round_ = self.submission.round
        result = self.submission.result(scenario)
        directory = result / ("accuracy" if mode == ACCURACY else "performance/run_1")
        folders = [directory]
        if test:
            root = self.submission.compliance(scenario, test)
            folders = [root / "performance/run_1", root / "accuracy", root]
        files = {
            path.name: path.read_bytes()
            for folder in folders
            for path in sorted(folder.glob("*"))
            if path.is_file()
        }
        detail = parse_detail(files["mlperf_log_detail.txt"])
        raw = detail.number(round_.result_key(BENCHMARK, scenario))
        measured = round_.result(BENCHMARK, scenario, raw or 0.0)
        effective = LoadgenSettings.from_dict(dict(detail.group("effective_")))
        run = sample_run_id(next(self._numbers))
        record = replace(
            sample_record(run),
            experiment=experiment.name,
            round=round_.name,
            submitter=SUBMITTER,
            system=SYSTEM,
            sut=SYSTEM,
            benchmark=BENCHMARK,
            scenario=scenario,
            mode=mode,
            test=test,
            reference=dict(reference or {}),
            result=Metric(76.456, "%") if mode == ACCURACY else measured,
            tags=(),
            argv=("mlrepo", "bench", "suite", "--model", BENCHMARK),
            model=MODEL,
            backend=BackendFacts(name="onnx", framework="ONNX Runtime 1.32.0"),
            loadgen=LoadgenFacts(
                package="6.0.17",
                version=detail.version,
                effective=effective,
                seeds=effective.seeds,
            ),
            configuration=configuration,
            placement=Placement(placed=False, reason="made for a test"),
        )
        record = replace(record, **changes)
        if mode != ACCURACY and record.result.value is not None:
            files["mlperf_log_detail.txt"] = self._logged(files, scenario, record.result.value)
        record = replace(
            record,
            logs={
                name: StoredLog(sha256_bytes(data), len(data))
                for name, data in files.items()
                if name.startswith("mlperf_log_")
            },
        )
        self.record(record, files | dict(further or {}), experiment)
        return run

    def _logged(self, files: Mapping[str, bytes], scenario: str, value: float) -> bytes:
        """Return the detail log with the result that the record has."""
        round_ = self.submission.round
        raw = value / round_.result_in_unit(BENCHMARK, scenario, 1.0)
        key = round_.result_key(BENCHMARK, scenario)
        pattern = rf'("key": "{re.escape(key)}", "value": )[^,]+'
        log = files["mlperf_log_detail.txt"].decode()
        return re.sub(pattern, lambda found: f"{found[1]}{raw!r}", log).encode()

    def record(self, record: RunRecord, files: Mapping[str, bytes], experiment: Experiment) -> None:
        """Record a run with its files, its user.conf and the description of its system."""
        system = self.submission.root / "closed" / SUBMITTER / "systems" / f"{SYSTEM}.json"
        directory = RepoPath((RUNS, record.run))
        content = {directory / name: data for name, data in files.items()}
        content[directory / "user.conf"] = b"*.Offline.target_qps = 2600\n"
        content[directory / "system.json"] = system.read_bytes()
        content[directory / "run.json"] = record.to_json()
        self.recorder.record(
            experiment, record.run, dict(content), lambda tip: Composition(commit_message(record))
        )
