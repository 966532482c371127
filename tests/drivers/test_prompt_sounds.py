"""A prompt is the unit's recording, else the configured words spoken, else a tone, and what is lacking is said."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from drivers.children import Children
from drivers.prompt_sounds import load_prompts, tone
from edge.prompts import Prompt, PromptVoice
from edge.settings_panel import Prompts
from tests.required import unavailable

SPOKEN_HZ = 22_050


def wav(
    seconds: float = 0.5, *, rate_hz: int = SPOKEN_HZ, channels: int = 1, sample_bytes: int = 2, pitch_hz: float = 440
) -> bytes:
    moments = np.arange(round(seconds * rate_hz)) / rate_hz
    one = (10_000 * np.sin(2 * np.pi * pitch_hz * moments)).astype("<i2")
    pcm = np.repeat(one, channels).tobytes() if sample_bytes == 2 else bytes(len(one) * channels * sample_bytes)
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(sample_bytes)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return target.getvalue()


class Speaker:
    """A synthesiser that says a half second, and keeps what it was asked for."""

    def __init__(self, failure: Exception | None = None, answer: bytes | None = None) -> None:
        self.asked: list[tuple[list[str], str]] = []
        self._failure = failure
        self._answer = answer if answer is not None else wav()

    def __call__(self, command: list[str], words: bytes, limit_seconds: float) -> bytes:
        assert limit_seconds > 0
        self.asked.append((command, words.decode()))
        if self._failure is not None:
            raise self._failure
        return self._answer


def pitch_hz(pcm: bytes, rate_hz: int) -> float:
    signal = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(signal))) * rate_hz / len(signal))


def test_the_configured_words_are_spoken_and_no_word_can_be_an_option() -> None:
    speaker = Speaker()
    sounds, why = load_prompts(Prompts(notice="--phonout=x 本次听证全程录音。"), speaker)
    assert {sound.voice for sound in sounds.values()} == {PromptVoice.SYNTHESISED}
    assert why == ()
    assert next(words for _, words in speaker.asked) == "--phonout=x 本次听证全程录音。"
    assert all("--phonout=x" not in command for command, _ in speaker.asked)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_whatever_the_synthesiser_speaks_in_comes_out_at_the_loudspeakers_rate(rate_hz: int) -> None:
    sound = load_prompts(Prompts(rate_hz=rate_hz), Speaker())[0][Prompt.NOTICE]
    assert sound.rate_hz == rate_hz
    assert sound.samples / rate_hz == pytest.approx(0.5, abs=0.005)
    assert pitch_hz(sound.pcm, rate_hz) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_units_recording_wins_over_the_synthesiser(channels: int, tmp_path: Path) -> None:
    (tmp_path / "notice.wav").write_bytes(wav(1.5, rate_hz=44_100, channels=channels, pitch_hz=1000))
    speaker = Speaker()
    sounds, why = load_prompts(Prompts(directory=tmp_path), speaker)
    notice = sounds[Prompt.NOTICE]
    assert notice.voice is PromptVoice.RECORDED
    assert notice.samples == pytest.approx(72_000, abs=200)
    assert pitch_hz(notice.pcm, 48_000) == pytest.approx(1000, abs=3)
    assert {sound.voice for prompt, sound in sounds.items() if prompt is not Prompt.NOTICE} == {PromptVoice.SYNTHESISED}
    assert len(speaker.asked) == len(why) == len(Prompt) - 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ""),
        (b"RIFF1234WAVE", ""),
        (b"ID3 this is no WAV file at all", "RIFF"),
        (wav(sample_bytes=3), "24 bit"),
        (wav(channels=6), "6 channels"),
        (wav(0.0), "0.0 s"),
        (wav(61, rate_hz=8000), "60.0 s"),
    ],
    ids=["empty", "headless", "mp3", "24-bit", "surround", "no-samples", "too-long"],
)
def test_a_recording_that_cannot_be_used_is_named_and_the_words_are_spoken_instead(
    content: bytes, said: str, tmp_path: Path
) -> None:
    for prompt in Prompt:
        (tmp_path / f"{prompt.value}.wav").write_bytes(wav())
    (tmp_path / "stopped.wav").write_bytes(content)
    sounds, (why,) = load_prompts(Prompts(directory=tmp_path), Speaker())
    assert sounds[Prompt.STOPPED].voice is PromptVoice.SYNTHESISED
    assert sounds[Prompt.NOTICE].voice is PromptVoice.RECORDED
    assert "stopped.wav" in why.zh
    assert "stopped.wav" in why.en
    assert said in why.en


@pytest.mark.parametrize(
    "speaker",
    [
        Speaker(FileNotFoundError(2, "No such file or directory")),
        Speaker(subprocess.TimeoutExpired("espeak-ng", 10)),
        Speaker(subprocess.CalledProcessError(1, "espeak-ng")),
        Speaker(answer=b""),
        Speaker(answer=wav(0.01)),
    ],
    ids=["missing", "hangs", "fails", "says-nothing", "too-short"],
)
def test_without_a_synthesiser_there_is_a_tone_it_is_said_and_it_is_asked_once(speaker: Speaker) -> None:
    sounds, (why,) = load_prompts(Prompts(), speaker)
    assert {sound.voice for sound in sounds.values()} == {PromptVoice.TONE}
    assert len(speaker.asked) == 1
    assert "espeak-ng" in why.zh
    assert "espeak-ng" in why.en


def test_the_tone_is_two_falling_notes_without_a_click() -> None:
    samples = np.frombuffer(tone(48_000), "<i2").astype(int)
    assert pitch_hz(samples[:16_000].astype("<i2").tobytes(), 48_000) > pitch_hz(
        samples[-16_000:].astype("<i2").tobytes(), 48_000
    )
    assert np.abs(np.diff(samples)).max() < 2_000
    assert 8_000 < np.abs(samples).max() < 20_000


def test_the_real_synthesiser_speaks_every_prompt() -> None:
    if shutil.which("espeak-ng") is None:
        unavailable("espeak-ng")
    spoken, why = load_prompts(Prompts(), Children().run)
    assert why == ()
    assert {sound.voice for sound in spoken.values()} == {PromptVoice.SYNTHESISED}
    assert 4 < spoken[Prompt.NOTICE].samples / 48_000 < 15


def test_a_child_that_never_answers_is_ended_at_its_limit_and_one_may_be_ended_at_any_time() -> None:
    children = Children()
    with pytest.raises(subprocess.TimeoutExpired):
        children.run(["tail", "-f", "/dev/null"], b"", 0.1)
    children.end()
    with pytest.raises(OSError, match="ended"):
        children.run(["true"], b"", 1)
