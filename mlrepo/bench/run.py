"""One benchmark run from request to commit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlrepo.backends.devices import CUDA, Device
from mlrepo.backends.endpoint import is_this_machine
from mlrepo.bench.conclude import ConcludedRun, conclude
from mlrepo.bench.consent import Ask, Gate, refuse
from mlrepo.bench.described import DescribedSystem
from mlrepo.bench.execute import NotStartedError, Progress, execute
from mlrepo.bench.inputs import Inputs, find_requested, gather_inputs
from mlrepo.bench.query_list import refuse_long_list
from mlrepo.bench.recording import NOISE_FILE
from mlrepo.bench.request import BenchRequest
from mlrepo.bench.settings import Configured, Rules, configure, refuse_without_tokens
from mlrepo.bench.starting import StartingRun
from mlrepo.bench.traces import save_machine
from mlrepo.bench.tuned import find_tuned, tuned_file
from mlrepo.errors import Busy, Interrupted, UserError
from mlrepo.harness.spec import read_events
from mlrepo.plugins import WORKLOADS, load_plugin
from mlrepo.record import EXPERIMENT_TAG, MODES, DescriptionFacts, SettingFacts
from mlrepo.record.request import AnyRequest
from mlrepo.redaction import Redactor
from mlrepo.repository.commits import refuse_if_immovable
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.experiments import ANOTHER_EXPERIMENT, Experiment
from mlrepo.repository.files import write_atomically
from mlrepo.repository.identity import git_identity
from mlrepo.repository.recorder import Recorder
from mlrepo.repository.source import collect_garbage
from mlrepo.repository.spool import SpooledRun
from mlrepo.rounds import Round
from mlrepo.scenarios import SCENARIOS
from mlrepo.settings import Resolved
from mlrepo.systems.description import read_description
from mlrepo.systems.gpu_sensors import GpuSensors
from mlrepo.systems.machine import Machine
from mlrepo.systems.machine_trace import MachineTrace
from mlrepo.systems.neighbours import Announcement
from mlrepo.systems.noise import NoiseMeter, glance
from mlrepo.systems.profiles import NONE, Profile, load_profile
from mlrepo.systems.tuning import Tuner
from mlrepo.workloads import Workload


def _nobody(remark: str) -> None:
    """Drop a remark: nobody reads it."""


@dataclass(frozen=True)
class ReadyRun:
    """A run that can start: nothing of it is missing, and nothing is written yet.

    Attributes
    ----------
    request, typed:
        With and without the tags that mlrepo adds; tuned values are in both.
    configured:
        LoadGen's settings.
    settings, tuned:
        Under which it is recorded; and the tuned settings among them.
    description, described:
        The content of ``system.json``, and how it fits this machine.
    """

    request: BenchRequest
    typed: BenchRequest
    inputs: Inputs
    configured: Configured
    settings: Mapping[str, Resolved]
    tuned: Mapping[str, SettingFacts]
    profile: Profile
    description: bytes
    described: DescriptionFacts


@dataclass(frozen=True)
class Bench:
    """What the runs of one session in a repository have in common.

    Attributes
    ----------
    settings:
        The resolved round, division, submitter, category, system and platform profile.
    environ:
        The environment of the child.
    argv:
        The command as the user typed it.
    request:
        The request of the command, with every setting decided.
    home:
        The directory of this user's models, data sets and compiled models.
    ask:
        Asks the user whether other people's words may run.
    tell:
        Receives each remark on the settings of a run before it starts.
    """

    repository: ResultsRepository
    settings: Mapping[str, Resolved]
    experiment: Experiment
    environ: Mapping[str, str]
    redactor: Redactor
    argv: Sequence[str]
    request: AnyRequest
    home: Path
    ask: Ask = refuse
    tell: Callable[[str], None] = _nobody

    @property
    def round(self) -> Round:
        """The round that the runs are for."""
        return self.repository.rounds[self.settings["round"].value]

    @cached_property
    def described(self) -> DescribedSystem:
        """The system that the runs are recorded as."""
        name = self.settings["system"].value
        return DescribedSystem(self.repository.systems, name, self.request.run.any_system)

    @property
    def gate(self) -> Gate:
        """The gate for other people's words."""
        return Gate(self.repository, self.ask)

    def run(
        self,
        request: BenchRequest,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> ConcludedRun:
        """Execute and record one run; a run that started is recorded however it ends.

        Raises
        ------
        UserError
            The request cannot be executed; nothing was started or written.
        Busy
            The machine must be quiet and is not, or another run has set it up.
        MlrepoError
            The run could not be recorded; it waits in the spool.
        """
        ready = self.ready(request)
        request, inputs, typed = ready.request, ready.inputs, ready.typed
        recorder = Recorder(self.repository, git_identity(self.repository.root))
        _refuse_if_noisy(request)
        with self.tuner.applied(ready.profile) as applied:
            request = dataclasses.replace(request, prefix=(*applied.prefix, *request.prefix))
            starting = StartingRun(
                self.repository,
                self.redactor,
                self.environ,
                request,
                inputs,
                ready.configured.conf,
                ready.configured.source.removeprefix(f"{self.repository.root}/"),
            )
            facts = starting.facts(
                ready.settings,
                ready.tuned,
                experiment=self.experiment.name,
                argv=self.argv,
                asked=self.request,
                applied=applied,
                described=ready.described,
            )
            spooled = starting.spool(facts, ready.description)
            try:
                self._measure(spooled, request, on_progress)
            except NotStartedError:
                spooled.discard()
                raise
            except BaseException:
                spooled.release()
                raise
        self.gate.remember_typed(typed, self.redactor)
        try:
            concluded = conclude(spooled, recorder, self.redactor)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"Interrupted before the run {spooled.run_id} was recorded.",
                hint="It is kept; `mlrepo doctor --fix` or the next run records it.",
            ) from error
        finally:
            spooled.release()
        collect_garbage(self.repository)
        return concluded

    def ready(self, request: BenchRequest) -> ReadyRun:
        """Return a run that could start now, after all remarks on its settings.

        Raises
        ------
        UserError
            The request cannot be executed or recorded.
        """
        settings = self._settings_for(request)
        request, inputs, tuned = self.prepare(request.checked())
        typed = request
        git_identity(self.repository.root)
        refuse_if_immovable(self.repository, self.experiment.ref, instead=ANOTHER_EXPERIMENT)
        _ = self.repository.git  # refuse formats that cannot be written before the benchmark
        configured = configure(request, inputs.workload, self._rules())
        root = f"{self.repository.root}/"
        for remark in (*configured.notes, *configured.no_result):
            self.tell(remark.replace(root, ""))
        if configured.no_result:
            request = dataclasses.replace(request, tags=(*request.tags, EXPERIMENT_TAG))
        audit = request.test.audit if request.test else ""
        refuse_long_list(inputs.spec, inputs.workload, configured.conf, audit)
        profile = self._profile(settings)
        description = read_description(self.repository.systems, self.settings["system"].value)
        url = inputs.spec.endpoint.get("url", "")
        described = (
            self.described.facts_elsewhere(url)
            if url and not is_this_machine(url)
            else self.described.facts(inputs.spec.device)
        )
        for remark in described.remarks:
            self.tell(remark)
        return ReadyRun(
            request, typed, inputs, configured, settings, tuned, profile, description, described
        )

    def prepare(
        self, request: BenchRequest
    ) -> tuple[BenchRequest, Inputs, dict[str, SettingFacts]]:
        """Return the request with tuned values, the inputs of its run, and the tuned settings.

        Raises
        ------
        UserError
            The benchmark, backend, model or data set is not here, or tuned settings may not be
            used.
        """
        refuse_without_tokens(request, load_plugin(WORKLOADS, request.benchmark), self._round())
        inputs = gather_inputs(self.home, self._round(), request)
        request, tuned = self._with_tuned(request, inputs)
        if tuned:
            inputs = gather_inputs(self.home, self._round(), request)
        return request, inputs, tuned

    def check(self, request: BenchRequest) -> None:
        """Raise :class:`UserError` for what a request names and is not here; nothing is run.

        It may leave scenario and mode open, as the request of a suite does.
        """
        if request.scenario and request.mode in MODES:
            request = request.checked()
            refuse_without_tokens(request, load_plugin(WORKLOADS, request.benchmark), self._round())
        find_requested(self.home, self._round(), request)

    def check_settings(self, request: BenchRequest) -> None:
        """Raise :class:`UserError` if :meth:`run` would for the settings of a run."""
        request = request.checked()
        refuse_without_tokens(request, load_plugin(WORKLOADS, request.benchmark), self._round())
        self.configured(request)

    def configured(self, request: BenchRequest) -> Configured:
        """Return LoadGen's settings of a run: see :func:`configure`."""
        workload: Workload = load_plugin(WORKLOADS, request.benchmark)
        return configure(request, workload, self._rules())

    def _rules(self) -> Rules:
        return Rules(
            self._round(),
            self.settings["division"].value,
            self.repository.systems,
            self.settings["system"].value,
        )

    def agree_to_tuned(self, request: BenchRequest) -> None:
        """Ask about the tuned settings of a run before anything runs; see :meth:`Gate.tuned`."""
        if tuned_file(self.repository.systems, self.settings["system"].value).is_file():
            self.prepare(request)

    def _with_tuned(
        self, request: BenchRequest, inputs: Inputs
    ) -> tuple[BenchRequest, dict[str, SettingFacts]]:
        """Fill what the user left open with tuned values; return them as a setting, too.

        Tuned values were measured together, so one value chosen by the user excludes them all. A
        run that repeats, completes or verifies another one does not use them.
        """
        path = tuned_file(self.repository.systems, self.settings["system"].value)
        chosen = request.threads or request.max_batch or request.test or request.recorded
        if chosen or not path.is_file():
            return request, {}
        spec = inputs.spec
        key = inputs.files.digest, spec.backend, spec.precision, spec.scenario, spec.device
        found = find_tuned(path, *key)
        if found is None or set(found.options) & set(spec.backend_options):
            return request, {}
        self.gate.tuned(path, found)
        # The batch of a Server depends on the latency bound.
        batch = None if SCENARIOS[request.scenario].bounded else found.max_batch
        request = dataclasses.replace(
            request,
            threads=found.threads,
            max_batch=batch,
            backend_options={**spec.backend_options, **found.options},
        ).refuse_too_many()
        value = json.dumps(dataclasses.asdict(found))
        origin = str(path.relative_to(self.repository.root))
        return request, {"tuned": SettingFacts(value, origin)}

    @property
    def tuner(self) -> Tuner:
        """The tuner that sets this machine up for a run and restores it."""
        return Tuner(Machine(), self.repository.store / "platform")

    def _settings_for(self, request: BenchRequest) -> Mapping[str, Resolved]:
        """Return the settings of a run: one that completes a result has its platform profile."""
        same = request.completes
        if same is None:
            return self.settings
        return {**self.settings, "platform": Resolved(same.platform, f"runs/{same.run}/run.json")}

    def _profile(self, settings: Mapping[str, Resolved]) -> Profile:
        chosen = settings.get("platform")
        return load_profile(self.repository.platforms, chosen.value if chosen else NONE)

    def _measure(
        self, spooled: SpooledRun, request: BenchRequest, on_progress: Callable[[Progress], None]
    ) -> None:
        """Execute the run and save what disturbed it beside its logs."""
        with Announcement() as announced:
            on_gpus = Device.parse(request.device).kind == CUDA
            meter = NoiseMeter()
            machine = MachineTrace(gpus=GpuSensors() if on_gpus else None)

            def watch(progress: Progress) -> None:
                announced.beat()
                meter.sample()
                machine.sample()
                on_progress(progress)

            execute(
                spooled.directory,
                self.environ,
                prefix=request.prefix,
                timeout=request.timeout,
                on_progress=watch,
            )
            _refuse_unusable(spooled.directory)
            machine.close()
            noise = {**meter.report(), "required_quiet": request.require_quiet}
        # The run is complete without it: a full disk must not lose the record.
        with contextlib.suppress(OSError):
            write_atomically(spooled.directory / NOISE_FILE, json.dumps(noise).encode())
            save_machine(spooled.directory, machine.series())

    def _round(self) -> Round:
        """Return the round; refuse those before v1.0."""
        round_ = self.round
        if not round_.has_detail_log():
            raise UserError(
                f"Runs for {round_.name} cannot be judged: LoadGen's logs were others then.",
                hint="Use a round from v1.0 on: --round v6.1, or `mlrepo config set round v6.1`.",
            )
        return round_


def _refuse_unusable(directory: Path) -> None:
    """Raise :class:`NotStartedError` if the child could not use what was asked for."""
    failed = next((one for one in read_events(directory) if one["event"] == "failed"), {})
    if failed.get("usage"):
        raise NotStartedError(str(failed["message"]), hint=str(failed.get("hint", "")))


def _refuse_if_noisy(request: BenchRequest) -> None:
    """Raise :class:`Busy` if ``--require-quiet`` was given and the machine is not quiet."""
    noisy = glance() if request.require_quiet else []
    if noisy:
        raise Busy(
            f"The machine is not quiet: {'; '.join(noisy)}.",
            hint="End what disturbs and try again, or leave --require-quiet out: it is recorded.",
        )
