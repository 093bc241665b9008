"""Whisper's features: the log-mel spectrogram of 30 seconds of sound.

Source: ``log_mel_spectrogram`` of OpenAI's Whisper (whisper/audio.py), and Slaney's mel scale as in
``librosa.filters.mel``, which made the filters that Whisper ships.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
"""Samples of sound per second."""
SECONDS = 30
"""What Whisper hears at once; the benchmark's clips are padded to it."""
_LENGTH = SAMPLE_RATE * SECONDS
_WINDOW, _HOP = 400, 160
FRAMES = _LENGTH // _HOP
# Slaney's scale: linear up to 1 kHz, then 27 steps for each factor of 6.4.
_LINEAR_HZ, _EDGE_HZ, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def log_mel(sound: npt.NDArray[np.float32], mels: int) -> npt.NDArray[np.float32]:
    """Return the features of a sound, float32 [mels, 3000].

    Parameters
    ----------
    sound:
        Float32 [samples] in [-1, 1] at 16 kHz; longer sounds are cut after 30 seconds.
    mels:
        80, or 128 for large-v3.
    """
    whole = np.zeros(_LENGTH, np.float32)
    heard = sound[:_LENGTH]
    whole[: len(heard)] = heard
    padded = np.pad(whole, _WINDOW // 2, mode="reflect")
    # What comes after the sound is silence: its power is computed once.
    loud = min(FRAMES, -(-(len(heard) + _WINDOW) // _HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:loud]
    spectrum = np.fft.rfft(frames * _hann(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    found = np.full((FRAMES, mels), -10, np.float32)
    found[:loud] = np.log10(np.maximum(power @ _filters(mels), np.float32(1e-10)))
    found = (np.maximum(found, found.max() - 8) + 4) / 4
    return np.ascontiguousarray(found.T)


@lru_cache(maxsize=1)
def _hann() -> npt.NDArray[np.float32]:
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=4)
def _filters(mels: int) -> npt.NDArray[np.float32]:
    """Return triangular filters of equal area, float32 [201, mels]."""
    hertz = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    top = _EDGE_HZ / _LINEAR_HZ + np.log(SAMPLE_RATE / 2 / _EDGE_HZ) / _STEP
    scale = np.linspace(0, top, mels + 2)
    edge = _EDGE_HZ / _LINEAR_HZ
    centres = np.where(scale < edge, scale * _LINEAR_HZ, _EDGE_HZ * np.exp(_STEP * (scale - edge)))
    widths = np.diff(centres)
    slopes = centres[:, None] - hertz
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    area = 2 / (centres[2:] - centres[:-2])
    filters = np.maximum(0, np.minimum(rising, falling)) * area[:, None]
    return np.ascontiguousarray(filters.T.astype(np.float32))
