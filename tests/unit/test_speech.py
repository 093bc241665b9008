"""Speech benchmarks without an engine: features, clips, transcripts and word errors."""

from __future__ import annotations

import io
import lzma
import math
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.errors import InvalidResult, UserError
from mlrepo.logs.accuracy_text import read_metrics
from mlrepo.record import AccuracyEntry
from mlrepo.rounds import SHIPPED
from mlrepo.workloads import Model
from mlrepo.workloads.speech import WHISPER
from mlrepo.workloads.speech.clips import FULL_SET, LibriSpeech, Speech, SpeechClips
from mlrepo.workloads.speech.features import FRAMES, log_mel
from mlrepo.workloads.speech.words import distance, joined, letters_of, text_of
from tests.language import RATE, write_clip, write_manifest

_NO_MODEL = Model("none", Path("none"), "")
_WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "abb"]), max_size=6)


def _slow_mel(hertz: float) -> float:
    """Return a frequency on Slaney's mel scale."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def _slow_log_mel(sound: Sequence[float], frame: int, mels: int) -> list[float]:
    """Return one frame of the features by the definitions, before they are scaled."""
    at = frame * 160 - 200
    window = [
        0.5 * (1 - math.cos(2 * math.pi * n / 400)) * _reflected(sound, at + n) for n in range(400)
    ]
    power = []
    for k in range(201):
        angle = [2 * math.pi * k * n / 400 for n in range(400)]
        real = sum(w * math.cos(a) for w, a in zip(window, angle, strict=True))
        imaginary = sum(w * math.sin(a) for w, a in zip(window, angle, strict=True))
        power.append(real**2 + imaginary**2)
    top = _slow_mel(8000)
    found = []
    for band in range(mels):
        low, mid, high = (_hertz(top * (band + edge) / (mels + 1)) for edge in range(3))
        total = 0.0
        for k, value in enumerate(power):
            hertz = k * RATE / 400
            weight = min((hertz - low) / (mid - low), (high - hertz) / (high - mid))
            total += max(0.0, weight) * 2 / (high - low) * value
        found.append(math.log10(max(total, 1e-10)))
    return found


def _hertz(mel: float) -> float:
    return mel * 200 / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)


def _reflected(sound: Sequence[float], at: int) -> float:
    at = -at if at < 0 else at
    return sound[at] if at < len(sound) else 0.0


@pytest.mark.parametrize("mels", [80, 128])
def test_features_are_those_of_the_definition(mels: int) -> None:
    """The first frame reflects the beginning; frames after the sound are silence."""
    rng = np.random.default_rng(4)
    sound = rng.normal(0, 0.1, 4000).astype(np.float32)
    found = log_mel(sound, mels)
    assert found.shape == (mels, FRAMES)
    assert found.dtype == np.float32
    unscaled = found * 4 - 4
    for frame in (0, 9, 24):
        slow = np.array(_slow_log_mel(sound.tolist(), frame, mels))
        floor = unscaled.max() - 8
        assert np.allclose(unscaled[:, frame], np.maximum(slow, floor), atol=2e-3)
    assert np.ptp(found[:, 100:]) == 0


def test_longer_sounds_are_cut_after_thirty_seconds() -> None:
    """Whisper hears thirty seconds."""
    sound = np.random.default_rng(1).normal(0, 0.1, 31 * RATE).astype(np.float32)
    assert np.array_equal(log_mel(sound, 80), log_mel(sound[: 30 * RATE], 80))


@given(_WORDS, _WORDS)
def test_words_joined_in_one_text_are_no_errors(heard: list[str], spoken: list[str]) -> None:
    """Joining never makes more errors, and changes nothing of what is said."""
    one, other = joined(heard, spoken)
    assert "".join(one) == "".join(heard)
    assert "".join(other) == "".join(spoken)
    assert distance(one, other) <= max(len(heard), len(spoken))
    assert joined(heard, heard) == (heard, heard)


def test_errors_are_counted_by_levenshtein_s_distance() -> None:
    """Insert, remove, replace; written apart or together is the same."""
    assert distance(["a", "b", "c"], ["a", "c"]) == 1
    assert distance(["a", "b", "c"], ["a", "x", "c", "d"]) == 2
    assert distance([], ["a", "b"]) == 2
    assert joined(["ice", "cream", "now"], ["icecream", "now"]) == (
        ["icecream", "now"],
        ["icecream", "now"],
    )


def test_transcripts_are_numbers_of_letters() -> None:
    """In lower case, without what has no number; the numbers are those of MLPerf's script."""
    assert letters_of(" A b'2,$") == [1, 0, 2, 27, 30, 38]
    assert text_of([1, 0, 2, 27, 30, 38]) == "a b'2$"
    with pytest.raises(ValueError, match="letter"):
        text_of([42])


def test_clips_of_a_manifest_become_samples(tmp_path: Path) -> None:
    """Those above thirty seconds are left out, as by MLPerf; a partial set is said to be one."""
    root = write_manifest(
        tmp_path / "speech", [("one", 0.5, "Hello there."), ("long", 31, "x"), ("two", 0.25, "BYE")]
    )
    here = LibriSpeech().add(tmp_path / "home", root, {})
    assert here.samples == 2
    assert f"The whole set has {FULL_SET} clips" in here.warning
    clips = Speech(LibriSpeech().find(tmp_path / "home", _NO_MODEL))
    one, two = clips.load([0, 1])
    assert (len(one), len(two)) == (RATE // 2, RATE // 4)
    assert one.dtype == np.float32
    assert 0.2 < np.abs(one).max() < 0.3
    assert [clips.transcript(0), clips.transcript(1)] == ["hello there", "bye"]
    assert clips.describe()["seconds"] == 0.8
    assert clips.name_of(1) == "two"


def test_clips_come_out_of_a_package(tmp_path: Path) -> None:
    """An ar archive with a compressed tar archive, as Debian's are."""
    package = _package(tmp_path)
    here = SpeechClips().add(tmp_path / "home", package, {})
    assert here.samples == 3
    clips = Speech(SpeechClips().find(tmp_path / "home", _NO_MODEL))
    assert [clips.transcript(index) for index in range(3)] == ["good morning", "so it is", "five"]
    assert not list((tmp_path / "home").rglob("*.wav"))


@pytest.mark.parametrize("damage", ["not a package", "no clips", "rate", "not a sound", "manifest"])
def test_other_files_are_refused_by_name(tmp_path: Path, damage: str) -> None:
    """Nothing is registered then."""
    path = tmp_path / "speech"
    named = "speech"
    if damage == "not a package":
        path = tmp_path / "clips.deb"
        path.write_bytes(b"text")
        named = "clips.deb"
    elif damage == "no clips":
        path.mkdir()
    else:
        write_manifest(path, [("one", 0.1, "one")])
        named = "one.wav"
        if damage == "rate":
            write_clip(path / "wav" / named, 0.1, rate=8000)
        elif damage == "not a sound":
            (path / "wav" / named).write_bytes(b"ID3")
        else:
            named = "dev-all-repack.json"
            (path / named).write_text('[{"files": []}]')
    with pytest.raises(UserError) as refused:
        SpeechClips().add(tmp_path / "home", path, {})
    assert named in refused.value.message
    assert SpeechClips().status(tmp_path / "home") is None


def test_the_accuracy_is_printed_as_by_mlperf(tmp_path: Path) -> None:
    """One minus the word error rate; the round's pattern reads it."""
    pytest.importorskip("whisper_normalizer")
    root = write_manifest(
        tmp_path / "speech", [("one", 0.1, "mr smith's colour"), ("two", 0.1, "no")]
    )
    LibriSpeech().add(tmp_path / "home", root, {})
    clips = Speech(LibriSpeech().find(tmp_path / "home", _NO_MODEL))
    answers = ["Mister Smith's color.", "know"]
    entries = [
        AccuracyEntry(index, np.array(letters_of(text), "<i8").tobytes())
        for index, text in enumerate(answers)
    ]
    found = WHISPER.task.judge(iter(entries), clips)
    # "smith's" is "smith is" after the normalization: five words were said, one is wrong.
    assert found.details == {"errors": 1, "words": 5}
    assert found.value == 80.0
    assert found.metrics["WER"].value == 20.0
    patterns = SHIPPED["v6.1"].accuracy_patterns("whisper", "Offline")
    assert {name: one.number for name, one in read_metrics(found.text, patterns).items()} == {
        "ACCURACY": pytest.approx(80.0)
    }
    with pytest.raises(InvalidResult, match="sample 2"):
        WHISPER.task.judge(iter([AccuracyEntry(2, b"")]), clips)
    with pytest.raises(InvalidResult, match="not a transcript"):
        WHISPER.task.judge(iter([AccuracyEntry(0, b"\xff" * 8)]), clips)


def _package(folder: Path) -> Path:
    tree = folder / "tree"
    for place, transcripts in (
        ("librivox/transcription", (("a", "<s> good morning </s>"), ("b", "<s> so it is </s>"))),
        ("cards/cards.transcription", (("001", "<s> five  </s>"),)),
    ):
        file = tree / "usr/share" / place
        file.parent.mkdir(parents=True)
        file.write_text("".join(f"{words} ({name})\n" for name, words in transcripts))
        for name, _ in transcripts:
            write_clip(file.parent / f"{name}.wav", 0.1)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(tree, ".")
    members = (("debian-binary", b"2.0\n"), ("data.tar.xz", lzma.compress(packed.getvalue())))
    data = b"!<arch>\n"
    for name, content in members:
        head = f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(content):<10}`\n"
        data += head.encode() + content + b"\n" * (len(content) % 2)
    package = folder / "clips.deb"
    package.write_bytes(data)
    return package
