"""Which sources of a session open, and what stays promised of one that does not.

Runs on CONTROL; touches no disk. A session that is begun needs all of its sources. One that an earlier run left open
goes on with what there is: the rest is promised as before and absent until its device opens. While something forbids
recording nothing is opened at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge.journal_state import StreamRow
from edge.origins import Format, Origin
from edge.ports import Hardware, HardwareFault, PictureFormat, SoundFormat, SourceOrigin, Stream
from edge.stretch import Unstarted


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A session's streams; `origins` are of those whose device is open, `unopened` the others with what they said."""

    picture: PictureFormat | None = None
    sound: SoundFormat | None = None
    origins: Mapping[Stream, Origin]
    unopened: Unstarted = ()

    @property
    def rows(self) -> tuple[StreamRow, ...]:
        """As the session entry names them."""
        rows: list[StreamRow] = []
        if self.picture is not None:
            rows.append((0, "h264", self.picture.width, self.picture.height, self.picture.frames_per_second))
        if self.sound is not None:
            rows.append((1, "flac", self.sound.rate_hz, self.sound.channels, 0))
        return tuple(rows)

    @property
    def formats(self) -> Mapping[Stream, Format]:
        """What each source has to deliver."""
        both: tuple[tuple[Stream, Format | None], ...] = ((Stream.PICTURE, self.picture), (Stream.SOUND, self.sound))
        return {stream: found for stream, found in both if found is not None}

    @property
    def parts(self) -> tuple[SourceOrigin, ...]:
        """What all open sources are made of, the picture's first."""
        return tuple(part for stream in sorted(self.origins) for part in self.origins[stream])

    def with_those_of(self, rows: tuple[StreamRow, ...], hardware: Hardware) -> Promised:
        """The same with what an open session promised of the sources that did not open. Raises HardwareFault.

        A picture is known by its row; how sound is encoded only its encoder knows, which needs no device.
        """
        whole = self
        for stream, fault in self.unopened:
            row = next((row for row in rows if row[0] == stream), None)
            if row is None:
                raise fault
            whole = _with_row(whole, row, hardware)
        return whole


def of_session(rows: tuple[StreamRow, ...], hardware: Hardware) -> Promised:
    """What an open session promised, with no device opened: while something forbids recording none is claimed.

    A stream whose source this device no longer has is left out, so that the rows differ.
    """
    whole = Promised(origins={})
    for row in rows:
        whole = _with_row(whole, row, hardware)
    return whole


def _with_row(promised: Promised, row: StreamRow, hardware: Hardware) -> Promised:
    if row[0] == Stream.PICTURE and hardware.camera is not None:
        return replace(promised, picture=PictureFormat(width=row[2], height=row[3], frames_per_second=row[4]))
    if row[0] == Stream.SOUND and hardware.microphone is not None:
        return replace(promised, sound=hardware.microphone.format())
    return promised


def open_what_opens(hardware: Hardware) -> Promised:
    """Claim every source this device has. Sound first: it is ready at once; a camera may take its time to fail."""
    picture, sound = None, None
    origins: dict[Stream, Origin] = {}
    faults: dict[Stream, HardwareFault] = {}
    if hardware.microphone is not None:
        try:
            sound = hardware.microphone.open()
            origins[Stream.SOUND] = hardware.microphone.origin()
        except HardwareFault as fault:
            faults[Stream.SOUND] = fault
    if hardware.camera is not None:
        try:
            picture = hardware.camera.open()
            origins[Stream.PICTURE] = hardware.camera.origin()
        except HardwareFault as fault:
            faults[Stream.PICTURE] = fault
    return Promised(picture=picture, sound=sound, origins=origins, unopened=tuple(sorted(faults.items())))
