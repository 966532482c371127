"""What stands around a recorder's camera and microphone: guard, panel, loudspeaker, control socket, supervisor.

Each is made by the composition root and given where to say what it has to say; all are optional. `Neighbours` owns
those of a run: made when the run begins, ended with it, in reverse order, each within its limit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from edge.buttons import PanelMessage
from edge.guard.words import Lamp
from edge.guard_link import GuardWord
from edge.messages import Asked, OffloadTold, RoomSays, SensorsTold
from edge.ports import HardwareFault
from edge.prompts import Announcer, LoudspeakerMessage, Prompt
from edge.session.effects import Announcement
from edge.watchdog import Supervisor

STOP_LIMIT_SECONDS = 5.0

PROMPT_OF = {
    Announcement.NOTICE: Prompt.NOTICE,
    Announcement.WITHHOLDING: Prompt.WITHHELD,
    Announcement.WITHHOLDING_ENDED: Prompt.WITHHELD_ENDED,
    Announcement.EXPLAIN: Prompt.RESUMED,
    Announcement.CANNOT_RESUME: Prompt.CANNOT_RESUME,
}


class Guard(Protocol):
    """The guard as the recorder sees it. No call waits."""

    def want(self, lamp: Lamp, *, session: bool, durable: int, buzzer: bool = False) -> None:
        """Which lamp is wanted, whether a session is open, how many fragments have become durable."""

    def close(self) -> None:
        """Let go of it."""


class Panel(Protocol):
    """The buttons. CONTROL's thread calls."""

    def start(self) -> None:
        """Begin to look. Raises HardwareFault."""

    def stop(self, limit_seconds: float) -> None:
        """End. Raises HardwareFault."""


class ControlSocket(Protocol):
    """Those who ask."""

    def close(self) -> None:
        """Hang up and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """How each is made; None where this recorder has none."""

    guard: Callable[[Callable[[GuardWord], None]], Guard] | None = None
    panel: Callable[[Callable[[PanelMessage], None]], Panel] | None = None
    loudspeaker: Callable[[Callable[[LoudspeakerMessage], None]], Announcer] | None = None
    control: Callable[[Callable[[Asked | SensorsTold | OffloadTold], None]], ControlSocket] | None = None
    supervisor: Supervisor | None = None
    media: Callable[[], frozenset[str]] | None = None
    """The removable media that are plugged in now (`edge.media_watch`)."""


NO_SURROUNDINGS = Surroundings()
"""A recorder that stands alone."""


class Neighbours:
    """See the module. CONTROL's thread."""

    def __init__(
        self,
        surroundings: Surroundings,
        post: Callable[[RoomSays], None],
        say: Callable[[str, str], None],
        guard_speaks: Callable[[GuardWord], None],
    ) -> None:
        """Nothing is made yet. `guard_speaks` is called on the guard's own thread, for every word."""
        self._guard_speaks = guard_speaks
        self._surroundings = surroundings
        self._post = post
        self._say = say
        self._stack = ExitStack()
        self.guard: Guard | None = None
        self._loudspeaker: Announcer | None = None

    def open(self) -> None:
        """Make them all; a panel that cannot be read is told and done without."""
        around = self._surroundings
        if around.guard is not None:
            self.guard = around.guard(self._guard_speaks)
            self._stack.callback(self.guard.close)
        if around.loudspeaker is not None:
            self._loudspeaker = around.loudspeaker(self._post)
            self._loudspeaker.start()
            self._stack.callback(self._quietly, self._loudspeaker.stop)
        if around.panel is not None:
            panel = around.panel(self._post)
            self._stack.callback(self._quietly, panel.stop)
            try:
                panel.start()
            except HardwareFault as fault:
                self._say(f"{fault.what}；{fault.remedy_zh}", f"{fault.what}; {fault.remedy_en}")
        if around.control is not None:
            self._stack.callback(around.control(self._post).close)

    def announce(self, what: Announcement) -> bool:
        """Say it in the room; False where there is no loudspeaker."""
        if self._loudspeaker is None:
            return False
        self._loudspeaker.play(PROMPT_OF[what])
        return True

    def close(self) -> None:
        """End them all."""
        self._stack.close()

    def _quietly(self, stop: Callable[[float], None]) -> None:
        try:
            stop(STOP_LIMIT_SECONDS)
        except HardwareFault as fault:
            self._say(f"{fault.what}；{fault.remedy_zh}", f"{fault.what}; {fault.remedy_en}")
