"""The panel and its loudspeaker in the configuration: which pins, which times, which words.

Owns nothing. `edge.config` holds these tables as `Config.panel` and `Config.prompts` and checks them with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.buttons import MILLISECOND, Button, Timing
from edge.config_file import Choice, Flag, Location, Problem, Text, Whole, key
from edge.prompts import DEFAULT_WORDS, Prompt

NOT_FITTED = -1
VOICES = ("cmn-latn-pinyin", "cmn", "yue")
"""espeak-ng takes any name that begins like a language's: an invented one would be read in Norwegian (measured)."""
PROMPT_RATES_HZ = (16000, 22050, 32000, 44100, 48000)


def _gpio(default: int, zh: str, en: str) -> int:
    note = key(
        Whole(NOT_FITTED, 27),
        f"{zh}接在哪个 GPIO（BCM 编号），-1 表示没有",
        f"GPIO of {en} (BCM number), -1: not fitted",
    )
    chosen: int = field(default=default, metadata=note)
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Buttons between a GPIO and ground; a pressed one is low."""

    enabled: bool = field(default=False, metadata=key(Flag(), "是否装有按钮面板", "a panel with buttons is fitted"))
    start_gpio: int = _gpio(7, "“开始录制”按钮", "the start button")
    stop_gpio: int = _gpio(8, "“结束录制”按钮（按住 3 秒）", "the stop button (hold for 3 s)")
    mark_gpio: int = _gpio(9, "“重点标记”按钮", "the mark button")
    explain_gpio: int = _gpio(10, "“语音说明”按钮", "the explain button")
    withhold_gpio: int = _gpio(11, "“不得记录”按钮（按下即生效）", "the withhold button (acts at once)")
    debounce_milliseconds: int = field(
        default=30,
        metadata=key(
            Whole(5, 200),
            "按钮稳定多少毫秒才算数（消除抖动）",
            "a button counts once it has been still for this long, in milliseconds (contacts bounce)",
        ),
    )

    def pins(self) -> Mapping[Button, int]:
        """The buttons that are fitted, with their GPIO numbers."""
        numbers = {
            Button.START: self.start_gpio,
            Button.STOP: self.stop_gpio,
            Button.MARK: self.mark_gpio,
            Button.EXPLAIN: self.explain_gpio,
            Button.WITHHOLD: self.withhold_gpio,
        }
        return {button: number for button, number in numbers.items() if number != NOT_FITTED}

    def wires(self) -> dict[str, int]:
        """The pins that are wired, by their key; none without a panel."""
        return {f"panel.{button.value}_gpio": number for button, number in self.pins().items()} if self.enabled else {}

    def timing(self) -> Timing:
        """The times `edge.buttons` works with."""
        return Timing(debounce_ns=self.debounce_milliseconds * MILLISECOND)


def _notice() -> str:
    meaning_zh = "开始录制时的告知用语；空为辖区规则的用语"
    meaning_en = "notice when a recording begins; empty: the words of the jurisdiction's rules"
    chosen: str = field(default="", metadata=key(Text(200, optional=True), meaning_zh, meaning_en))
    return chosen


def _words(prompt: Prompt, zh: str, en: str) -> str:
    chosen: str = field(default=DEFAULT_WORDS[prompt].zh, metadata=key(Text(200), zh, en))
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What the loudspeaker says, in which voice, through which device."""

    enabled: bool = field(default=False, metadata=key(Flag(), "是否用扬声器播放提示", "prompts through a loudspeaker"))
    device: str = field(
        default="default",
        metadata=key(
            Text(100), "扬声器的声音设备名（aplay -L 可查）", "sound device of the loudspeaker (aplay -L lists them)"
        ),
    )
    rate_hz: int = field(
        default=48000, metadata=key(Choice(PROMPT_RATES_HZ), "扬声器采样率（赫兹）", "its sampling rate in hertz")
    )
    channels: int = field(
        default=1, metadata=key(Whole(1, 2), "扬声器声道数（各声道相同）", "its channels, which all play the same")
    )
    directory: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "本单位录制的提示音（notice.wav 等，16 位 WAV）所在目录，空为语音合成",
            "folder with prompts recorded by the unit (notice.wav and so on, 16-bit WAV); empty: they are synthesised",
        ),
    )
    voice: str = field(
        default="cmn-latn-pinyin",
        metadata=key(
            Choice(VOICES),
            "espeak-ng 的语音；1.51 版的 cmn 把汉字按英语拼读，请勿使用",
            "voice of espeak-ng; its cmn of version 1.51 spells Mandarin as if it were English",
        ),
    )
    notice: str = _notice()
    resumed: str = _words(Prompt.RESUMED, "中断后续录时的提示", "request after an interruption")
    withheld: str = _words(Prompt.WITHHELD, "开始“不得记录”时的宣告", "announcement before recording is withheld")
    withheld_ended: str = _words(Prompt.WITHHELD_ENDED, "“不得记录”结束时的提示", "when withholding has ended")
    cannot_resume: str = _words(Prompt.CANNOT_RESUME, "无法恢复录制时的提示", "when recording cannot be resumed")
    stopped: str = _words(Prompt.STOPPED, "结束录制时的提示", "when the recording has ended")

    def words(self) -> Mapping[Prompt, str]:
        """What is spoken for each prompt."""
        return {
            Prompt.NOTICE: self.notice or DEFAULT_WORDS[Prompt.NOTICE].zh,
            Prompt.RESUMED: self.resumed,
            Prompt.WITHHELD: self.withheld,
            Prompt.WITHHELD_ENDED: self.withheld_ended,
            Prompt.CANNOT_RESUME: self.cannot_resume,
            Prompt.STOPPED: self.stopped,
        }


def panel_problems(panel: Panel) -> Iterator[Problem]:
    """A panel without any button; that no pin is used twice is looked at for all wires together."""
    if panel.enabled and not panel.pins():
        yield Problem(
            path="panel.enabled",
            value="true",
            expected_zh="面板至少要有一个按钮",
            expected_en="a panel has at least one button",
            example="start_gpio = 7",
        )
