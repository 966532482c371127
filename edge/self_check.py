"""The check of the device as an entry: before each recording with what the start found, and once a day by the service.

Runs on CONTROL. `daily_due` decides, pure; `SelfCheck` gathers what this run knows, and on return of `append` the check
is in the journal. A daily check with no session open also claims the sources for a moment, as a start does; one in an
open session touches nothing, and says of them whether they record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge import clock_trust
from edge.capture import Sources
from edge.clock_trust import Bounds, ClockWatch
from edge.desk import Desk
from edge.durable import StorageFault
from edge.journal_state import LastCheck
from edge.opening import Opening
from edge.ports import Camera, ClockReading, Hardware, HardwareFault, Microphone, Stream
from edge.precheck import MINUTES_PER_HOUR, Facts, Seen, Sight, judge
from edge.room import Room
from edge.sensors.readings import PowerState
from liuhen.kinds import Check
from liuhen.registry import CheckCode, EventCode, RefusalCode

DAY_MS = 86_400_000
NS_PER_MS = 1_000_000
SECONDS_PER_MINUTE = 60
_NO_CAMERA = frozenset({RefusalCode.NO_CAMERA, RefusalCode.CAMERA_BUSY})
_NO_MICROPHONE = frozenset({RefusalCode.NO_MICROPHONE, RefusalCode.MICROPHONE_FORMAT})


def daily_due(checks: Iterable[LastCheck], reading: ClockReading, boot_id: bytes, *, session_open: bool) -> bool:
    """Whether a daily check is wanted now.

    With no session open: a day after the last daily one. In an open session only a day after the last check of any
    sort, which is the one that the session began with: a hearing is left alone, a room that always records is not left
    unchecked. Within a boot BOOTTIME counts; across boots UTC, and a check that lies in the future then counts as old.
    """
    newest = [one for one in checks if session_open or one.code == CheckCode.DAILY]
    return all(_old(one, reading, boot_id) for one in newest)


def _old(check: LastCheck, reading: ClockReading, boot_id: bytes) -> bool:
    if check.at[0] == boot_id:
        return reading.boottime_ns - check.at[1] >= DAY_MS * NS_PER_MS
    return not 0 <= reading.utc_ms - check.utc_ms < DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesSeen:
    """Whether each source is there and can be used; None where this device has none, or nobody has looked."""

    picture: bool | None = None
    sound: bool | None = None

    def sights(self, hardware: Hardware) -> tuple[Sight, Sight]:
        """Picture and sound in the words of a check; what this device has and nobody has looked at is unseen."""
        return _sight(self.picture, hardware.camera), _sight(self.sound, hardware.microphone)


def _sight(found: bool | None, source: Camera | Microphone | None) -> Sight:
    if source is None:
        return Sight.NOT_FITTED
    if found is None:
        return Sight.UNSEEN
    return Sight.WELL if found else Sight.ABSENT


def every_source(hardware: Hardware) -> SourcesSeen:
    """A start has claimed every source of this device."""
    return SourcesSeen(
        picture=None if hardware.camera is None else True,
        sound=None if hardware.microphone is None else True,
    )


def seen_by_refusal(hardware: Hardware, code: RefusalCode) -> SourcesSeen:
    """What a refusal says of the sources: the camera is named first, so of a sound beside it nothing is said."""
    both = every_source(hardware)
    if code in _NO_CAMERA:
        return SourcesSeen(picture=False)
    if code in _NO_MICROPHONE:
        return SourcesSeen(picture=both.picture, sound=False)
    if code is RefusalCode.SUBSTITUTED_SOURCE:
        return SourcesSeen(picture=_genuine(hardware.camera), sound=_genuine(hardware.microphone))
    return SourcesSeen() if code is RefusalCode.SPACE else both


def _genuine(source: Camera | Microphone | None) -> bool | None:
    return None if source is None else all(origin.genuine for origin in source.origin())


class SelfCheck:
    """See the module."""

    def __init__(self, room: Room, desk: Desk, opening: Opening, hardware: Hardware) -> None:
        """Nothing is asked yet."""
        self._room = room
        self._desk = desk
        self._opening = opening
        self._hardware = hardware
        self.newest = SourcesSeen()
        """What the newest check of this run found, for who asks an idle recorder."""

    def append(self, code: CheckCode, seen: SourcesSeen, watch: ClockWatch) -> None:
        """The check, with what is known now. Raises StorageFault."""
        self.newest = seen
        rows = judge(self._facts(*seen.sights(self._hardware), watch))
        self._room.append(Check(code=int(code), rows=tuple(row.entry for row in rows), records=()))

    def daily(self, watch: ClockWatch) -> None:
        """The daily check, where one is due. Raises StorageFault."""
        state, clock = self._room.tools.journal.state, self._hardware.clock
        if daily_due(state.checks, clock.read(), clock.boot_id, session_open=state.session is not None):
            self.append(CheckCode.DAILY, self._look(idle=state.session is None), watch)

    def _look(self, *, idle: bool) -> SourcesSeen:
        state = self._room.state
        if idle and not state.inhibitions:
            self._touch_the_disks()
            return self._claim()
        if not state.capturing:
            return SourcesSeen()  # what must not record, or has no power, is not claimed to see whether it could
        recording = {stream: stream not in state.absent for stream in state.promised}
        both = every_source(self._hardware)
        return SourcesSeen(
            picture=recording.get(Stream.PICTURE) if both.picture else None,
            sound=recording.get(Stream.SOUND) if both.sound else None,
        )

    def _touch_the_disks(self) -> None:
        """Each disk is written, which also asks it for its space: one that sleeps or has failed is found here."""
        tools = self._room.tools
        try:
            tools.spool.hold_reserve(tools.config.spool.journal_reserve_bytes)
        except StorageFault as fault:
            self._room.event(EventCode.STORAGE_FAULT, (fault.code,))

    def _claim(self) -> SourcesSeen:
        """Claim each source as a start does, and give it back."""
        try:
            return SourcesSeen(picture=_opens(self._hardware.camera), sound=_opens(self._hardware.microphone))
        finally:
            Sources(hardware=self._hardware, caption="", say=self._room.tools.say).stop()

    # -- what this run knows ------------------------------------------------------------------------------------------

    def _facts(self, picture: Sight, sound: Sight, watch: ClockWatch) -> Facts:
        config, reading = self._room.tools.config, self._hardware.clock.read()
        sensors, guard = self._desk.sensors, self._desk.guard.heard
        believed, _ = clock_trust.watch(watch, reading, Bounds.of(config.clock))
        power, silent = sensors.power, sensors.lost and config.ups.kind != "none"
        return Facts(
            clock_plausible=bool(believed.trusted),
            clock_error_ms=reading.error_ms,
            picture=Seen(sight=picture),
            sound=Seen(sight=sound),
            space_minutes=self._minutes(self._free_bytes()) or 0,
            minimum_minutes=int(config.spool.minimum_free_hours * MINUTES_PER_HOUR),
            key=not self._opening.custody.emergency,
            store=self._desk.store.shelf,
            store_waiting=self._desk.store.waiting_objects,
            power=PowerState.SILENT if silent else power.state if power is not None else None,
            power_fitted=config.ups.kind != "none",
            power_minutes=power.minutes_left if power is not None else None,
            interlock=config.interlock.enabled,
            permit=guard.permit if guard is not None else None,
            mirror_fitted=config.spool.mirror is not None,
            mirror_minutes=self._minutes(self._opening.lesser_free_bytes()),
            milli_celsius=sensors.milli_celsius,
            temperature_fitted=config.board.enabled,
            hot_milli_celsius=config.board.hot_celsius * 1000,
        )

    def _free_bytes(self) -> int:
        """A disk that does not even say how much is free has no space."""
        try:
            return self._room.tools.spool.free_bytes()
        except StorageFault:
            return 0

    def _minutes(self, free_bytes: int | None) -> int | None:
        if free_bytes is None:
            return None
        return free_bytes // max(1, self._room.tools.config.media_bytes_per_second()) // SECONDS_PER_MINUTE


def _opens(source: Camera | Microphone | None) -> bool | None:
    if source is None:
        return None
    try:
        source.open()
    except HardwareFault:
        return False
    return True
