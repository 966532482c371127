"""What tests of the loudspeaker share: a reader that keeps its messages and lets a test wait for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from drivers.loudspeaker import PortAudioLoudspeaker
from drivers.system_clock import SystemClock
from edge.prompts import LoudspeakerMessage, PromptFailed, PromptPlayed, PromptsReady
from edge.settings_panel import Prompts
from tests.drivers.mailbox import Mailbox

LIMIT_SECONDS = 30.0


class Told(Mailbox[LoudspeakerMessage]):
    """What a loudspeaker told."""

    def __init__(self) -> None:
        super().__init__(LIMIT_SECONDS)

    def wait_until_ready(self) -> PromptsReady:
        self.wait_for(lambda: bool(self.of(PromptsReady)))
        return self.of(PromptsReady)[0]

    def wait_for_ends(self, count: int) -> list[PromptPlayed | PromptFailed]:
        """Until so many prompts were played or failed."""
        self.wait_for(lambda: len(self._ends()) >= count)
        return self._ends()

    def _ends(self) -> list[PromptPlayed | PromptFailed]:
        return [message for message in self.kept if isinstance(message, PromptPlayed | PromptFailed)]


@contextmanager
def running_loudspeaker(
    settings: Prompts, told: Told, environment: Mapping[str, str] | None = None
) -> Iterator[PortAudioLoudspeaker]:
    loudspeaker = PortAudioLoudspeaker(settings, clock=SystemClock(), tell=told, environment=environment)
    loudspeaker.start()
    try:
        yield loudspeaker
    finally:
        loudspeaker.stop(LIMIT_SECONDS)
