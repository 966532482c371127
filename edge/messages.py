"""What reaches CONTROL's inbox from other threads; chain order is the order in which these arrive.

Frozen values only. WRITER posts what became durable, the sources' measures pass through, signals ask for a stop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.buttons import PanelMessage
from edge.disk_pace import StorageSlow, StorageSlowEnded
from edge.disk_watch import DiskSaid
from edge.durable import StorageFault
from edge.guard_link import GuardMessage
from edge.media_watch import MediumSaid
from edge.offload.words import Answer as OffloadAnswer
from edge.offload.words import Words
from edge.origins import SourceOpened
from edge.ports import PictureMeasure, SoundMeasure
from edge.prompts import LoudspeakerMessage
from edge.requests import Answer, Request, Role
from edge.revival import Revived
from edge.scrub import Rot, ScrubDone
from edge.segmenter import Missed, StreamAbsent, StreamPresent
from edge.sensors.readings import Answer as SensorsAnswer
from edge.sensors.readings import Readings
from liuhen.kinds import Segment
from liuhen.registry import EndCause, StopCause


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaBegan:
    """The first fragment of this run is durable; its media was captured from this BOOTTIME on."""

    boottime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentClosed:
    """A segment file is complete and durable; its statement goes into the journal."""

    statement: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterFailed:
    """WRITER cannot write any more; nothing after the last durable fragment exists."""

    fault: StorageFault


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFaulted:
    """A write was refused or lost once; WRITER has left that file and writes the same media to a new one."""

    fault: StorageFault


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterCrashed:
    """WRITER ended by a mistake in this program; a session must not look alive without it."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterEnded:
    """WRITER has written everything it was given, up to the end of the session."""

    cause: EndCause


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """Somebody asked for the end of the session, or with `leaves_open` for the end of the run alone."""

    cause: StopCause
    leaves_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody asks something over the control socket; `answer` takes the answer once and never waits.

    `attachment` is the content of the file that came with it.
    """

    request: Request
    role: Role
    answer: Callable[[Answer], None]
    attachment: bytes | None = None


WriterSays = (
    MediaBegan
    | SegmentClosed
    | WriterFailed
    | StorageFaulted
    | StorageSlow
    | StorageSlowEnded
    | WriterCrashed
    | WriterEnded
    | StreamAbsent
    | StreamPresent
    | Missed
    | PictureMeasure
    | SoundMeasure
)
"""What comes from WRITER about media; CONTROL takes it even while it waits for the end of a stretch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorsTold:
    """The sensors tell what they measured; `answer` takes the answer once and never waits."""

    readings: Readings
    answer: Callable[[SensorsAnswer], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class OffloadTold:
    """The offload process tells; `role` is who really did. `answer` takes the answer once and never waits."""

    words: Words
    role: Role
    answer: Callable[[OffloadAnswer], None]


RoomSays = Asked | SensorsTold | OffloadTold | GuardMessage | PanelMessage | LoudspeakerMessage
"""What comes from people and from the other processes; the desk deals with it, in a session and between two."""

StoreSaid = DiskSaid | MediumSaid | Rot | ScrubDone
"""What is found of the disks and of what lies on them, and of media that are none of the recorder's."""

Message = WriterSays | RoomSays | Revived | SourceOpened | StoreSaid | StopRequested
