"""The prompts: what the device says aloud in the room, and what it tells CONTROL about having said it.

Pure values; owns nothing. Chinese is what is spoken; the English beside it is for the operator's screen. Which words a
jurisdiction wants is configuration (`[prompts]`), these are its defaults.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.ports import HardwareFault


class Prompt(enum.Enum):
    """Everything the device ever says; the value is the name of its WAV file and its key in the configuration."""

    NOTICE = "notice"
    """告知用语 (Jiaozuo Art. 10(1))."""
    RESUMED = "resumed"
    """Recording goes on after an interruption: its cause is to be spoken (Jiaozuo Art. 11)."""
    WITHHELD = "withheld"
    """From now on nothing is recorded, by law; said before capture ends."""
    WITHHELD_ENDED = "withheld_ended"
    CANNOT_RESUME = "cannot_resume"
    """Recording cannot go on: report to the department head, write a statement (Jiaozuo Art. 11)."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One prompt in both languages."""

    zh: str
    en: str


DEFAULT_WORDS: Mapping[Prompt, Words] = {
    Prompt.NOTICE: Words(
        zh="为保护您的合法权益，监督我们的执法行为，本次执法将全程录音录像。",
        en="To protect your rights and to oversee our conduct, all of this is recorded in sound and picture.",
    ),
    Prompt.RESUMED: Words(
        zh="录制已恢复，请说明中止原因。",
        en="Recording has resumed. Please say aloud why it was interrupted.",
    ),
    Prompt.WITHHELD: Words(
        zh="现在起依法停止录音录像。",
        en="From now on, as the law requires, nothing is recorded.",
    ),
    Prompt.WITHHELD_ENDED: Words(
        zh="依法不得记录的情形已结束，录音录像已恢复，请说明原因。",
        en="The withholding has ended and recording has resumed. Please say aloud why it was withheld.",
    ),
    Prompt.CANNOT_RESUME: Words(
        zh="无法继续录制，请立即向部门负责人报告，并在结束后书面说明情况。",
        en="Recording cannot go on. Report to the department head now and write a statement afterwards.",
    ),
    Prompt.STOPPED: Words(
        zh="录音录像已结束。",
        en="The recording has ended.",
    ),
}


class PromptVoice(enum.Enum):
    """Whose voice a prompt has. A tone has no words: what it announces was not said."""

    RECORDED = "recorded"
    SYNTHESISED = "synthesised"
    TONE = "tone"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSound:
    """One prompt as PCM in memory: s16le, one channel, `rate_hz`."""

    prompt: Prompt
    voice: PromptVoice
    rate_hz: int
    pcm: bytes = field(repr=False)

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return len(self.pcm) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptsReady:
    """All prompts are in memory; `why` says in both languages why any has not the voice that was asked for."""

    voices: tuple[tuple[Prompt, PromptVoice], ...]
    why: tuple[Words, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPlayed:
    """A prompt was heard in the room from `from_ns` to `to_ns` (BOOTTIME; drivers say how exact that is)."""

    prompt: Prompt
    voice: PromptVoice
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFailed:
    """A prompt was not heard, or not to its end; `fault` says why and what a person should do."""

    prompt: Prompt
    fault: HardwareFault
    boottime_ns: int


LoudspeakerMessage = PromptsReady | PromptPlayed | PromptFailed
TellPrompt = Callable[[LoudspeakerMessage], None]
"""Called on the loudspeaker's own thread; returns at once and never raises."""


class Announcer(Protocol):
    """A loudspeaker. CONTROL calls; no call waits for the sound."""

    def start(self) -> None:
        """Begin to load the prompts; answers with PromptsReady, later, once. Raises nothing."""

    def play(self, prompt: Prompt) -> None:
        """Say it after what waits; answers with exactly one PromptPlayed or PromptFailed, within a limit."""

    def stop(self, limit_seconds: float) -> None:
        """End, cutting short what is being said; raises HardwareFault when the limit passes first."""
