"""Where the prompts' sound comes from: the unit's own recordings, else a synthesiser, else a tone.

Owns nothing but the synthesiser's process while it speaks. Reads the configured folder once; touches no disk otherwise.
A recording by a person is understood best and wins where there is one. Without it espeak-ng says the configured words:
a robot's Mandarin, but words, and they follow the configuration without anybody recording them anew. Where that is
missing too, a tone says that something was announced, and `PromptsReady` and every `PromptPlayed` say that it was
no words: a notice that nobody could understand was not given.
"""

from __future__ import annotations

import array
import io
import math
import subprocess
import wave
from collections.abc import Callable, Mapping
from pathlib import Path

import av

from edge.prompts import Prompt, PromptSound, PromptVoice, Words
from edge.settings_panel import Prompts

SYNTHESIS_SECONDS = 10.0
LONGEST_SECONDS = 60
LARGEST_FILE_BYTES = 32 * 1024 * 1024
SHORTEST_SECONDS = 0.2
_TONE_PARTS = ((880.0, 0.35), (660.0, 0.45))
_TONE_PEAK = 14_000
_EDGE_SECONDS = 0.02
_SAMPLE_BYTES = 2
_MOST_CHANNELS = 2

Speak = Callable[[list[str], bytes, float], bytes]
"""(command, standard input, limit in seconds) to standard output; raises OSError or subprocess.SubprocessError."""


class _Unusable(Exception):
    """This source has no sound for a prompt; says why in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.words = Words(zh=zh, en=en)


def load_prompts(settings: Prompts, speak: Speak) -> tuple[Mapping[Prompt, PromptSound], tuple[Words, ...]]:
    """The sound of every prompt, and why any has not the voice that was asked for. Raises nothing.

    Takes at most SYNTHESIS_SECONDS longer than the prompts that can be spoken: after one failure the synthesiser is
    not asked again.
    """
    why: list[Words] = []
    sounds: dict[Prompt, PromptSound] = {}
    voices = [lambda prompt: _recorded(prompt, settings)] if settings.directory is not None else []
    synthesiser = _Synthesiser(settings, speak)
    for prompt in Prompt:
        sounds[prompt] = _first_usable(prompt, [*voices, synthesiser.say], why, settings.rate_hz)
    return sounds, tuple(dict.fromkeys(why))


def _first_usable(
    prompt: Prompt, voices: list[Callable[[Prompt], PromptSound]], why: list[Words], rate_hz: int
) -> PromptSound:
    for voice in voices:
        try:
            return voice(prompt)
        except _Unusable as unusable:
            why.append(unusable.words)
    return PromptSound(prompt=prompt, voice=PromptVoice.TONE, rate_hz=rate_hz, pcm=tone(rate_hz))


def tone(rate_hz: int) -> bytes:
    """Two falling notes, s16le mono."""
    samples = array.array("h")
    for frequency_hz, seconds in _TONE_PARTS:
        length, edge = round(seconds * rate_hz), _EDGE_SECONDS * rate_hz
        for number in range(length):
            loudness = min(1.0, number / edge, (length - number) / edge)
            samples.append(round(_TONE_PEAK * loudness * math.sin(2 * math.pi * frequency_hz * number / rate_hz)))
    return _little_endian(samples)


def _recorded(prompt: Prompt, settings: Prompts) -> PromptSound:
    """The unit's own recording. Raises _Unusable."""
    name = f"{prompt.value}.wav"
    try:
        with (Path(settings.directory or "") / name).open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise ValueError("too large")
        pcm = _decoded(content, settings.rate_hz)
    except (OSError, EOFError, ValueError, wave.Error, av.error.FFmpegError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise _Unusable(
            f"提示音文件 {name} 不能使用（{reason}）；须为 16 位单声道或立体声 WAV，不超过 {LONGEST_SECONDS} 秒",
            f"the prompt {name} cannot be used ({reason}); a 16-bit mono or stereo WAV of at most {LONGEST_SECONDS} s",
        ) from failure
    return PromptSound(prompt=prompt, voice=PromptVoice.RECORDED, rate_hz=settings.rate_hz, pcm=pcm)


class _Synthesiser:
    """espeak-ng, until it fails once."""

    def __init__(self, settings: Prompts, speak: Speak) -> None:
        self._settings = settings
        self._speak = speak
        self._failed: _Unusable | None = None

    def say(self, prompt: Prompt) -> PromptSound:
        """Raises _Unusable."""
        if self._failed is not None:
            raise self._failed
        words = self._settings.words()[prompt]
        command = ["espeak-ng", "-v", self._settings.voice, "-b", "1", "--stdin", "--stdout"]
        try:
            pcm = _decoded(self._speak(command, words.encode(), SYNTHESIS_SECONDS), self._settings.rate_hz)
        except (OSError, EOFError, ValueError, wave.Error, subprocess.SubprocessError, av.error.FFmpegError) as failure:
            reason = f"{type(failure).__name__}: {failure}"
            self._failed = _Unusable(
                f"语音合成不可用（{reason}），提示只有信号音；请安装 espeak-ng，或在 [prompts] 中指定提示音目录",
                f"no speech synthesis ({reason}), prompts are tones only: install espeak-ng, or name a folder of "
                "recorded prompts under [prompts] directory",
            )
            raise self._failed from failure
        return PromptSound(prompt=prompt, voice=PromptVoice.SYNTHESISED, rate_hz=self._settings.rate_hz, pcm=pcm)


def _decoded(content: bytes, rate_hz: int) -> bytes:
    """A WAV file as s16le mono at `rate_hz`. Raises wave.Error, EOFError, ValueError or FFmpegError."""
    with wave.open(io.BytesIO(content), "rb") as recording:
        channels, from_hz = recording.getnchannels(), recording.getframerate()
        if recording.getsampwidth() != _SAMPLE_BYTES or not 1 <= channels <= _MOST_CHANNELS:
            raise ValueError(f"{recording.getsampwidth() * 8} bit, {channels} channels")
        pcm = recording.readframes(LONGEST_SECONDS * from_hz + 1)  # a piped file's own count is made up
    samples = len(pcm) // (channels * _SAMPLE_BYTES)
    if not SHORTEST_SECONDS * from_hz <= samples <= LONGEST_SECONDS * from_hz:
        raise ValueError(f"{samples / from_hz:.1f} s")
    return _resampled(pcm, samples, (channels, from_hz), rate_hz)


def _resampled(pcm: bytes, samples: int, source: tuple[int, int], rate_hz: int) -> bytes:
    channels, from_hz = source
    frame = av.AudioFrame(format="s16", layout="mono" if channels == 1 else "stereo", samples=samples)
    frame.sample_rate = from_hz
    frame.planes[0].update(pcm[: samples * channels * _SAMPLE_BYTES].ljust(frame.planes[0].buffer_size, b"\0"))
    resampler = av.AudioResampler("s16", "mono", rate_hz)
    done = [*resampler.resample(frame), *resampler.resample(None)]
    return b"".join(bytes(one.planes[0])[: one.samples * _SAMPLE_BYTES] for one in done)


def _little_endian(samples: array.array[int]) -> bytes:
    if array.array("H", [1]).tobytes() != b"\x01\x00":
        samples.byteswap()
    return samples.tobytes()
