"""Speech as sound: Mandarin sentences of a hearing, spoken in turn by four voices over the quiet noise of a room.

Owns nothing but the sentences: they are spoken once in a process for each rate, when the first source of that rate is
made, by espeak-ng or, where that is not installed, by a small voice of our own that has vowels and tones but no words.
What is read depends on the position alone, not on block sizes.
"""

from __future__ import annotations

import enum
import math
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy
from numpy.typing import NDArray

Signal = NDArray[numpy.float64]

SPEECH_DBFS = -20.0
NOISE_DBFS = -60.0
PAUSE_SECONDS = 0.9
_FULL_SCALE = 32768.0
_NOISE_SECONDS = 7.3
_SPEAK_LIMIT_SECONDS = 20.0
_VOICED_SHARE = 0.05
_SEED = 20250101
# The voice "cmn" of espeak-ng 1.51 spells Mandarin as if it were English; this one has its sounds and tones.
_MANDARIN = "cmn-latn-pinyin"
_FIRST_HAN, _LAST_HAN = 0x4E00, 0x9FFF


class Voice(enum.Enum):
    """Who speaks: the value says it in Chinese and English."""

    ESPEAK = "espeak-ng 普通话 Mandarin"
    FORMANTS = "元音合成 vowels without words (espeak-ng is not installed)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sentence with the manner of its speaker: espeak-ng's voice variant, pitch 0..99, words per minute."""

    words: str
    variant: str
    pitch: int
    speed: int


def _host(words: str) -> Line:
    return Line(words=words, variant="m3", pitch=34, speed=165)


def _officer(words: str) -> Line:
    return Line(words=words, variant="m1", pitch=48, speed=180)


def _party(words: str) -> Line:
    return Line(words=words, variant="m7", pitch=56, speed=170)


def _agent(words: str) -> Line:
    return Line(words=words, variant="f2", pitch=60, speed=175)


LINES: tuple[Line, ...] = (
    _host("现在开始听证。本次听证全程录音录像。"),
    _host("请书记员核对听证参加人的身份。"),
    _host("请案件调查人员陈述当事人违法的事实、证据和处罚建议。"),
    _officer("经查，当事人于今年三月未按规定办理审批手续。"),
    _officer("上述事实，有现场检查笔录和照片为证。"),
    _host("当事人，你对以上事实和证据有无异议？"),
    _party("有异议。我们在检查当天已经提交了申请材料。"),
    _agent("我方请求从轻处理，并提交受理回执作为证据。"),
    _host("请双方就证据进行质证。"),
    _officer("该回执的日期晚于检查日期，我们认为不影响违法事实的认定。"),
    _host("当事人还有最后陈述吗？"),
    _party("希望依法公正处理。"),
    _host("听证结束，请各方核对笔录并签字。"),
)


class Speech:
    """A SoundSource of one hearing without end at `rate` Hz in `channels` equal channels with noise of their own.

    `voice` says who speaks, `seconds` how long the hearing is before it begins again.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.voice = Voice.ESPEAK if shutil.which("espeak-ng") is not None else Voice.FORMANTS
        self._programme = _programme(self.voice, rate)
        self._noise = _room_noise(round(_NOISE_SECONDS * rate), channels)
        self._channels = channels
        self._position = 0
        self.seconds = len(self._programme) / rate

    def read(self, samples: int) -> bytes:
        """Return the next `samples` per channel as s16le interleaved."""
        places = numpy.arange(self._position, self._position + samples)
        self._position += samples
        spoken = self._programme[places % len(self._programme)]
        heard = self._noise[places % len(self._noise)] + spoken[:, None]
        return heard.astype("<i2").tobytes()


@cache
def _programme(voice: Voice, rate: int) -> NDArray[numpy.int16]:
    """All sentences with their pauses, at most a few rates in a process; read-only, for every source reads it."""
    spoken = _speak_all(rate) if voice is Voice.ESPEAK else [_hum(line, rate) for line in LINES]
    pause = numpy.zeros(round(PAUSE_SECONDS * rate))
    parts = numpy.concatenate([part for sentence in spoken for part in (pause, _levelled(sentence))])
    programme: NDArray[numpy.int16] = parts.round().astype(numpy.int16)
    programme.flags.writeable = False
    return programme


def _speak_all(rate: int) -> list[Signal]:
    with tempfile.TemporaryDirectory(prefix="liuhen-speech-") as folder:
        return [_speak(line, rate, Path(folder) / f"{number}.wav") for number, line in enumerate(LINES)]


def _speak(line: Line, rate: int, target: Path) -> Signal:
    options = ["-v", f"{_MANDARIN}+{line.variant}", "-p", str(line.pitch), "-s", str(line.speed), "-w", str(target)]
    subprocess.run(
        ["espeak-ng", *options, line.words],
        check=True,
        timeout=_SPEAK_LIMIT_SECONDS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with wave.open(str(target), "rb") as recording:
        pcm = numpy.frombuffer(recording.readframes(recording.getnframes()), "<i2").astype(numpy.float64)
        return _resampled(pcm, recording.getframerate(), rate)


def _resampled(signal: Signal, from_rate: int, to_rate: int) -> Signal:
    """Change the rate of a whole sentence in the frequency domain: no images above the old band, no aliases."""
    length = len(signal) * to_rate // from_rate
    spectrum = numpy.fft.rfft(signal)
    kept = min(len(spectrum), length // 2 + 1)
    stretched: Signal = numpy.fft.irfft(spectrum[:kept], length)
    return stretched * (length / len(signal))


def _levelled(sentence: Signal) -> Signal:
    """Bring the voiced part of a sentence to SPEECH_DBFS (RMS), peaks below full scale."""
    size = numpy.abs(sentence)
    voiced = sentence[size > _VOICED_SHARE * size.max()]
    gain = _FULL_SCALE * 10 ** (SPEECH_DBFS / 20) / math.sqrt(float(numpy.square(voiced).mean()))
    limited: Signal = (sentence * gain).clip(-0.9 * _FULL_SCALE, 0.9 * _FULL_SCALE)
    return limited


def _room_noise(samples: int, channels: int) -> NDArray[numpy.int16]:
    drawn = numpy.random.default_rng(_SEED).normal(0, _FULL_SCALE * 10 ** (NOISE_DBFS / 20), (samples, channels))
    return drawn.round().clip(-200, 200).astype(numpy.int16)


_VOWELS: tuple[tuple[float, float, float], ...] = (
    (850, 1220, 2810),
    (300, 2700, 3300),
    (430, 1100, 2500),
    (340, 750, 2400),
    (500, 1850, 2550),
)
_TONES: tuple[tuple[float, float], ...] = ((1.25, 1.25), (0.95, 1.3), (0.85, 0.8), (1.35, 0.8))


def _hum(line: Line, rate: int) -> Signal:
    """Speak a sentence as vowels on Mandarin tones: each character gives a syllable, punctuation gives a rest."""
    return numpy.concatenate([_syllable(ord(sign), 90.0 + line.pitch * 1.6, rate) for sign in line.words])


def _syllable(code: int, pitch_hz: float, rate: int) -> Signal:
    moments = numpy.arange(round(0.19 * rate)) / rate
    if not _FIRST_HAN <= code <= _LAST_HAN:
        return numpy.zeros(len(moments))
    start, end = _TONES[code % len(_TONES)]
    fundamental = pitch_hz * numpy.linspace(start, end, len(moments))
    phase = 2 * math.pi * numpy.cumsum(fundamental) / rate
    formants = numpy.array(_VOWELS[code % len(_VOWELS)])
    sound = numpy.zeros(len(moments))
    for harmonic in range(1, int(min(3600.0, rate / 2.5) / (pitch_hz * 1.35))):
        nearness = numpy.exp(-(((harmonic * pitch_hz - formants) / 180.0) ** 2)).sum() + 0.02
        sound += nearness / harmonic**0.5 * numpy.sin(harmonic * phase)
    envelope = numpy.minimum(1, numpy.minimum(moments / 0.025, (moments[-1] - moments) / 0.05))
    shaped: Signal = sound * envelope
    return shaped
