"""Write what is known about a run before it starts into its spool directory."""

from __future__ import annotations

import dataclasses
import datetime
import json
import platform
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mlrepo
from mlrepo.bench.audit import PreparedTest
from mlrepo.bench.evidence import ENVIRONMENT_FILE, SYSTEM_FILE, redacted_facts
from mlrepo.bench.inputs import Inputs
from mlrepo.bench.pending import PendingRun, ReferenceFacts, StartFacts
from mlrepo.bench.request import BenchRequest
from mlrepo.compliance.evidence import REFERENCE_ACCURACY
from mlrepo.distributions import installed_packages
from mlrepo.errors import UserError
from mlrepo.harness.spec import AUDIT_FILE, SPEC_FILE, USER_CONF_FILE, RunSpec
from mlrepo.logs.user_conf import UserConf
from mlrepo.record import (
    DescriptionFacts,
    ModelFacts,
    ModelFileFacts,
    NamingFacts,
    PlatformFacts,
    SettingFacts,
    new_run_id,
    timestamp,
)
from mlrepo.record.request import AnyRequest
from mlrepo.redaction import Redactor, recorded_environment
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.files import write_atomically
from mlrepo.repository.source import source_state
from mlrepo.repository.spool import Spool, SpooledRun
from mlrepo.settings import Resolved
from mlrepo.systems.applied import Applied
from mlrepo.systems.detect import host_facts
from mlrepo.systems.noise import load_now
from mlrepo.workloads.catalog import CALIBRATION_DOCUMENT, INT8
from mlrepo.workloads.described import CONVERTED
from mlrepo.workloads.weights import MIXED


@dataclass(frozen=True)
class StartingRun:
    """A run that is about to start.

    Attributes
    ----------
    conf, conf_source:
        LoadGen's settings, and the origin of the user's.
    masked:
        The number of masked secrets of each kind.
    """

    repository: ResultsRepository
    redactor: Redactor
    environ: Mapping[str, str]
    request: BenchRequest
    inputs: Inputs
    conf: UserConf
    conf_source: str
    masked: dict[str, int] = field(default_factory=dict)

    def facts(
        self,
        settings: Mapping[str, Resolved],
        tuned: Mapping[str, SettingFacts],
        *,
        experiment: str,
        argv: Sequence[str],
        asked: AnyRequest,
        applied: Applied,
        described: DescriptionFacts,
    ) -> StartFacts:
        """Return what is known about the run before it starts, redacted because it is on disk."""
        request = self.request
        recorded = {
            name: SettingFacts(setting.value, setting.origin) for name, setting in settings.items()
        }
        source = self._clean(self.conf_source)[0]
        recorded["user.conf"] = SettingFacts(json.dumps(self.conf.values), source)
        started = timestamp(datetime.datetime.now(datetime.UTC))
        facts = StartFacts(
            run="",
            started=started,
            experiment=experiment,
            round=settings["round"].value,
            division=settings["division"].value,
            submitter=settings["submitter"].value,
            category=settings["category"].value,
            system=settings["system"].value,
            platform=settings["platform"].value if "platform" in settings else "none",
            tool=f"mlrepo {mlrepo.__version__}",
            place=request.place,
            replays=request.replays.run if request.replays else "",
            tags=tuple(dict.fromkeys(self._clean(*request.tags))),
            argv=self._clean(*argv),
            request=asked.redacted(self.redactor, self._count),
            prefix=self._clean(*request.prefix),
            naming=NamingFacts(
                request.framework_version, request.framework_ext, request.skip_system_ext
            ),
            compliance=_reference(request.test),
            settings={**recorded, **tuned},
            model=_model_facts(self.inputs),
            source=source_state(self.repository),
            host=dataclasses.replace(
                host_facts(),
                platform=self._platform(applied),
                description=redacted_facts(described, self.redactor, self.masked),
            ),
            load=load_now(),
        )
        facts = dataclasses.replace(facts, redactions=dict(self.masked))
        # Two runs in the same second with the same configuration get different ids.
        written = {"run": self.inputs.spec.to_dict(), "record": facts.to_dict()}
        content = json.dumps({**written, "nonce": secrets.token_hex(8)}, sort_keys=True)
        run = new_run_id(datetime.datetime.fromisoformat(started), content.encode())
        return dataclasses.replace(facts, run=run)

    def spool(self, facts: StartFacts, system_json: bytes) -> SpooledRun:
        """Write the run's inputs into a new directory of the spool; all of them or none."""
        spec, test = self.inputs.spec, self.request.test
        spooled = Spool(self.repository.store / "spool").create(facts.run)
        environment = {
            "python": platform.python_version(),
            "variables": recorded_environment(self.environ),
            "packages": installed_packages(),
        }
        files = {
            USER_CONF_FILE: self.conf.text.encode(),
            SYSTEM_FILE: system_json,
            ENVIRONMENT_FILE: (json.dumps(environment, indent=2, sort_keys=True) + "\n").encode(),
        }
        calibration = self.inputs.model.document(CALIBRATION_DOCUMENT)
        if spec.precision in (INT8, MIXED) and calibration.is_file():
            files[CALIBRATION_DOCUMENT] = calibration.read_bytes()
        if test is not None:
            files[AUDIT_FILE] = test.audit.encode()
            if test.accuracy_log:
                files[REFERENCE_ACCURACY] = test.accuracy_log
        try:
            for name, data in files.items():
                (spooled.directory / name).write_bytes(data)
            # Written last: a directory without it is incomplete and can be discarded.
            write_atomically(spooled.directory / SPEC_FILE, PendingRun(spec, facts).to_json())
        except OSError as error:
            spooled.discard()
            raise UserError(
                f"The run's directory {spooled.directory} cannot be written: {error.strerror}.",
                hint="Make room on the disk and run the command again; nothing was started.",
            ) from error
        return spooled

    def _clean(self, *texts: str) -> tuple[str, ...]:
        cleaned, found = self.redactor.arguments(texts)
        self._count(found)
        return tuple(cleaned)

    def _clean_text(self, text: str) -> str:
        cleaned, found = self.redactor.text(text)
        self._count(found)
        return cleaned

    def _count(self, found: Mapping[str, int]) -> None:
        for kind, number in found.items():
            self.masked[kind] = self.masked.get(kind, 0) + number

    def _platform(self, applied: Applied) -> PlatformFacts:
        """Return how the profile was applied, redacted: scripts may print anything."""
        facts = applied.facts()
        script = facts.script
        if script is not None:
            script = dataclasses.replace(
                script,
                output=self._clean_text(script.output),
                problem=self._clean_text(script.problem),
            )
        problems = tuple(self._clean_text(text) for text in applied.problems)
        return dataclasses.replace(facts, script=script, problems=problems)


def _model_facts(inputs: Inputs) -> ModelFacts:
    model, files = inputs.model, inputs.files
    facts = ModelFacts(
        name=model.name,
        file=model.path.name,
        sha256=files.digest,
        size=files.size,
        files=tuple(ModelFileFacts(file.name, file.size, file.sha256) for file in files.files),
        starting_weights_filename=model.starting_weights_filename,
        retraining=model.retraining,
        input_data_types=model.input_data_types,
        weight_data_types=model.weight_data_types,
        weight_transformations=model.weight_transformations,
        preprocessing=model.preprocessing,
        layout=model.layout,
        others={"licence": model.licence} if model.licence else {},
    )
    return _with_conversion(facts, inputs.spec)


def _with_conversion(model: ModelFacts, spec: RunSpec) -> ModelFacts:
    """Note in the model's facts that the backend converts the weights."""
    kind = spec.precision
    if kind not in CONVERTED or model.weight_data_types == kind:
        return model
    before, done = model.weight_transformations, f"converted to {kind} by {spec.backend}"
    if done not in before:  # already there if a recorded run is repeated
        before = done if before == "no" else f"{before}; {done}"
    return dataclasses.replace(model, weight_data_types=kind, weight_transformations=before)


def _reference(test: PreparedTest | None) -> ReferenceFacts | None:
    if test is None:
        return None
    return ReferenceFacts(test.reference, test.score, test.target_latency)
