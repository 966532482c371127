"""What a source is made of, asked each time it is opened: not only at a session's start.

Pure but for the message it posts; any thread may ask. A source that comes hours after the start is judged as one that
was there: a production key never signs what did not come from a physical sensor (Jiaozuo Art. 10(5), 14), and a
session's format never changes. CONTROL hears of each opening and tells what it had not told before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.ports import FaultKind, HardwareFault, PictureFormat, SoundFormat, SourceOrigin, Stream

Format = PictureFormat | SoundFormat
Origin = tuple[SourceOrigin, ...]
DEVICES = {Stream.PICTURE: "camera", Stream.SOUND: "microphone"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOpened:
    """A source of the session was opened; `refused` where it must not be recorded under this key."""

    stream: Stream
    origin: Origin
    refused: bool


def substitutes(origin: Origin) -> str:
    """The parts that are not the physical device, with what shows it; empty where there is none."""
    return ", ".join(f"{part.component} ({part.evidence})" for part in origin if not part.genuine)


class OriginCheck:
    """Whether what was opened may be recorded in this session."""

    def __init__(
        self, *, production: bool, promised: Mapping[Stream, Format], post: Callable[[SourceOpened], None]
    ) -> None:
        """`production` says what the key is endorsed for, `promised` what the session's entry names."""
        self._production = production
        self._promised = promised
        self._post = post

    def admit(self, stream: Stream, found: Format, origin: Origin) -> None:
        """Let it be started, and have it told. Raises HardwareFault where it must not be."""
        promised = self._promised.get(stream)
        if found != promised:
            raise HardwareFault(
                device=DEVICES[stream],
                what=f"it offers {found}, the session promised {promised}",
                remedy_zh="设备规格与本场次开始时不同，不能并入本场次；请换回原来的设备或配置",
                remedy_en="the device is not as it was when the session began; put the former one or its settings back",
                kind=FaultKind.FORMAT,
            )
        named = substitutes(origin) if self._production else ""
        self._post(SourceOpened(stream=stream, origin=origin, refused=bool(named)))
        if named:
            raise HardwareFault(
                device=DEVICES[stream],
                what=f"not the physical device: {named}",
                remedy_zh="信号源不是实体设备，正式密钥不得为其签名；请接回真实设备",
                remedy_en="a production key never signs a simulated or substituted source; put the real device back",
            )
