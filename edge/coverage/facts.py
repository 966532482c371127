"""What an archive says of one session, as far as a coverage report asks: frozen values on one axis of time. Pure.

`edge.coverage.reading` makes them from a verified archive. Nothing here judges; every time is the device's own claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.coverage.words import Said, harmless
from liuhen.kinds import Commitments, Instant
from liuhen.proceedings import Marked, Told
from liuhen.registry import RecordLabel
from liuhen.report_room import Presented
from liuhen.verify_gaps import GapSummary
from liuhen.verify_inhibitions import InhibitionSummary

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Moment:
    """A point on the session's axis: its boots in their order, BOOTTIME within one. Two are compared by that alone."""

    boot: int
    ns: int
    utc_ms: int = field(compare=False)

    def until_ms(self, later: Moment) -> int:
        """Milliseconds to another moment: exact within a boot, by the device's UTC between two."""
        if self.boot == later.boot:
            return (later.ns - self.ns) // NS_PER_MS
        return later.utc_ms - self.utc_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where to put the player: a segment, milliseconds in it, and the session's frame and sample where known."""

    segment: int
    offset_ms: int
    frame_index: int | None = None
    sample_index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the verifier answered. `broken` are its findings that break the archive, in words."""

    intact: bool
    vouched_by: str | None
    trust_given: bool
    demo: bool
    synchronised: bool
    broken: tuple[Said, ...]
    not_here: int
    """Fragments whose bytes are in a store and were not verified here."""
    complete_up_to: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A time in which picture or sound was not as it should be, by the device's own events; `until` may lack."""

    code: int
    words: Said
    entry: int
    since: Moment
    until: Moment | None
    where: Where | None = None
    until_where: Where | None = None
    """Where the film stands at both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """The media of one segment, from its first to its last moment."""

    segment: int
    since: Moment
    until: Moment

    def at(self, moment: Moment) -> Where:
        """The place of a moment in it; of one outside it the nearer end."""
        return Where(segment=self.segment, offset_ms=self.since.until_ms(max(self.since, min(moment, self.until))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """What the device said about a term: of the session or visit, or of a stage of its case (`about`), and when."""

    code: int
    entry: int
    about: int
    utc_ms: int
    error_ms: int
    measured: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How far a person said the case has come, on which day since 1970; `due` where a special law sets the last day."""

    entry: int
    stage: int
    day: int
    due: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit of an always-on room's day: its interval, how it ended, and where its media begins."""

    entry: int
    number: str
    sort: Said
    since: Moment
    until: Moment | None
    ended: Said
    told_ms: int | None
    """How long after its beginning somebody said that it is recorded; None where nobody did."""
    segments: tuple[tuple[int, int], ...]
    """Each segment that holds a part of it, and milliseconds into it."""
    being_written: bool = False
    """Whether it was recorded and no entry states its segment yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a report is decided from, with the profile."""

    session: bytes
    log_id: bytes
    told: Told
    verified: Verified
    boots: tuple[bytes, ...]
    media: tuple[Moment, Moment] | None
    """Where the session's media begins and ends."""
    segments: int
    recorded_ms: int
    gaps: tuple[GapSummary, ...]
    withheld: tuple[InhibitionSummary, ...]
    troubles: tuple[Trouble, ...]
    where: Mapping[int, Where]
    """Of a mark, by its entry; missing where nothing was recorded at its moment."""
    texts: Mapping[bytes, str]
    """Of each record that is here and is what was committed to."""
    presented: Mapping[bytes, Presented]
    destroyed: Mapping[bytes, int]
    """The entry that ordered it, of each content of this session that was destroyed, by its hash."""
    files: frozenset[bytes]
    """The hash of each segment file of the session."""
    visits: tuple[Visit, ...] = ()
    film: tuple[Film, ...] = ()
    """The session's media in their order."""
    milestones: tuple[Milestone, ...] = ()
    stages: tuple[Stage, ...] = ()
    ended_error_ms: int = 0
    """How far off the clock may have been when the session ended."""
    read_until_ms: int = 0
    """UTC of the newest entry that is believed: what came later this archive does not know."""
    not_told: int = 0
    """Entries that were too many to be kept."""

    def moment(self, at: Instant, utc_ms: int | None) -> Moment:
        """An instant of the journal on this session's axis; a boot it never saw comes last."""
        boot = self.boots.index(at[0]) if at[0] in self.boots else len(self.boots)
        return Moment(boot=boot, ns=at[1], utc_ms=utc_ms or 0)

    def film_before(self, moment: Moment) -> Where | None:
        """The place of a moment in the film, or the end of what was recorded before it; None where nothing was."""
        before = [one for one in self.film if one.since <= moment]
        return before[-1].at(moment) if before else None

    def film_after(self, moment: Moment) -> Where | None:
        """The place of a moment in the film, or the beginning of what was recorded after it; None where nothing was."""
        return next((one.at(moment) for one in self.film if moment < one.until), None)

    def of_mark(self, mark: Marked) -> Moment:
        """The moment a mark means."""
        return self.moment(mark.at, mark.utc_ms)

    def text_of(self, records: Commitments, *labels: RecordLabel) -> str | None:
        """The first text of one of these labels that is here, as it may be shown."""
        found = (self.texts[named] for label, named in records if label in labels and named in self.texts)
        return next((harmless(text) for text in found), None)
