"""Benchmarks of speech recognition: MLPerf's whisper, and Whisper base for the open division."""

from __future__ import annotations

from dataclasses import replace

from mlrepo.workloads import Workload
from mlrepo.workloads.speech.clips import FULL_SET, LibriSpeech, Speech, SpeechClips
from mlrepo.workloads.speech.models import WHISPER_BASE_MODELS, join_model
from mlrepo.workloads.speech.task import Transcription

WHISPER = Workload(
    name="whisper",
    task=Transcription(),
    follows="whisper",
    loadgen_model="whisper",
    performance_samples=FULL_SET,
    model=None,
    open_dataset=Speech,
    dataset=LibriSpeech(),
)
# It counts tokens like whisper.
WHISPER_BASE = replace(
    WHISPER,
    name="whisper-base",
    loadgen_model="whisper-base",
    dataset=SpeechClips(),
    models=WHISPER_BASE_MODELS,
    make_model=join_model,
    measured_as="whisper",
    settings={"Offline": {"use_token_latencies": "1"}},
    remark="ten clips of real speech",
)
