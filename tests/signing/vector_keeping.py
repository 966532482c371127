"""The vectors of keeping and destruction (FORMAT.md 5.6): short logs that end with a `destroyed` entry. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from liuhen import entry
from liuhen.entry import Position
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.kinds import Amend, Clock, Commitments, Destroyed, EntryBody, Hold, Retention, Session, SessionEnd
from liuhen.registry import ContentKind, EndCause, HoldAct, RecordLabel, RefusalCode, RetentionBasis
from tests.signing import samples
from tests.signing.jsonlines import Json

DAY_MS = 86_400_000
OTHER_ID = samples.filler("other session", 16)
RECORD, ORDER, FILE = samples.filler("kept record"), samples.filler("order"), samples.filler("kept file")
SEGMENT_ROW = (int(ContentKind.SEGMENT), FILE)
RECORD_ROW = (int(ContentKind.RECORD), RECORD)
NOW_MS = samples.UTC_MS + 10 * DAY_MS

Said = tuple[EntryBody, bytes | None]
LastClock = tuple[int, int, int]
"""Of the `destroyed` entry: how many ms ahead, sync, error_ms."""
GOOD_CLOCK: LastClock = (0, 2, 20)


def document() -> Json:
    """The whole of keeping.json."""
    return {
        "about": "FORMAT.md 5.6. Each case: entries in order, the last one is `destroyed` and names one piece of "
        "content. forbidden: null where it is founded, else the refusal code that says why it is not. now_ms: the "
        "verifier's clock.",
        "private_seed": samples.seed("device").hex(),
        "public_key": samples.DEVICE.public_key.hex(),
        "cases": list(_cases()),
    }


def _session(session: bytes, ordinal: int, records: Commitments = ()) -> tuple[Said, Said]:
    begun = Session(
        ordinal=ordinal,
        mode=0,
        config_hash=samples.filler("configuration"),
        profile_hash=None,
        software=samples.SOFTWARE,
        promise=(30_000, 500, 10_000, 3_600_000),
        streams=(),
        records=records,
    )
    ended = SessionEnd(cause=EndCause.STOPPED, segments=0, frames=0, samples=0, gaps=0, records=())
    return (begun, session), (ended, session)


def term(until_ms: int | None, session: bytes = samples.SESSION_ID) -> Said:
    """A term of keeping."""
    return Retention(session=session, until_ms=until_ms, basis=RetentionBasis.CASE_FILE, records=()), None


def hold(session: bytes | None) -> Said:
    """A hold that is placed."""
    return Hold(act=HoldAct.PLACED, session=session, placed=None, records=()), None


def lift(placed: int, session: bytes | None) -> Said:
    """A hold that is lifted."""
    return Hold(act=HoldAct.LIFTED, session=session, placed=placed, records=()), None


def _cases() -> Iterator[Json]:
    named = ((int(RecordLabel.CASE), RECORD),)
    first, second = _session(samples.SESSION_ID, 1, named), _session(OTHER_ID, 2)
    past, later = term(samples.UTC_MS - DAY_MS), term(NOW_MS + DAY_MS)
    again = Amend(refers_to=0, refers_to_hash=ZERO_HASH, length_ns=None, cause=None, records=named), OTHER_ID
    order = ((int(RecordLabel.APPROVAL), ORDER),)
    earlier = Destroyed(contents=(SEGMENT_ROW,), basis=0, records=order), samples.SESSION_ID
    code = RefusalCode
    yield _case("after the term", (*first, past), None)
    yield _case("a record after the term", (*first, past), None, row=RECORD_ROW)
    yield _case("no term", first, code.TERM_UNSET)
    yield _case("in the term", (*first, term(samples.UTC_MS + DAY_MS)), code.IN_TERM)
    yield _case("extended", (*first, past, later), code.IN_TERM)
    yield _case("shortened, which does not count", (*first, later, past), code.IN_TERM)
    yield _case("for good", (*first, past, term(None)), code.PERMANENT)
    yield _case("held", (*first, past, hold(samples.SESSION_ID)), code.HELD)
    yield _case("everything held", (*first, past, hold(None)), code.HELD)
    yield _case("another session held", (*first, past, hold(OTHER_ID)), None)
    yield _case("held and lifted", (*first, past, hold(None), lift(3, None)), None)
    yield _case("lifted elsewhere, which does not count", (*first, past, hold(None), lift(3, OTHER_ID)), code.HELD)
    yield _case("not ended", (first[0], past), code.SESSION_OPEN)
    yield _case("not synchronised", (*first, past), code.CLOCK_UNPROVEN, clock=(0, 1, 20))
    yield _case("holdover", (*first, past), code.CLOCK_UNPROVEN, clock=(0, 3, 20))
    edge = term(samples.UTC_MS + 4_000 - 20)
    yield _case("the clock's error just clears the term", (*first, edge), None)
    yield _case("the clock's error reaches into the term", (*first, edge), code.IN_TERM, clock=(0, 2, 21))
    yield _case(
        "the device's clock is ahead of the verifier's", (*first, later), code.IN_TERM, clock=(30 * DAY_MS, 2, 20)
    )
    yield _case(
        "a record that another session names too", (*first, *second, again, past), code.TERM_UNSET, row=RECORD_ROW
    )
    yield _case("the order of a destruction", (*first, past, earlier), code.PERMANENT, row=(0, ORDER))
    yield _case("a record that nothing names", (*first, past), code.PERMANENT, row=(0, samples.filler("no record")))


def _case(
    name: str,
    said: tuple[Said, ...],
    forbidden: RefusalCode | None,
    *,
    row: tuple[int, bytes] = SEGMENT_ROW,
    clock: LastClock = GOOD_CLOCK,
) -> Json:
    ahead_ms, sync, error_ms = clock
    previous, encoded = ZERO_HASH, list[bytes]()
    destroyed = Destroyed(contents=(row,), basis=0, records=()), samples.SESSION_ID
    for seq, (body, session) in enumerate((*said, destroyed)):
        utc_ms, boottime_ns, boot_id, _, _ = samples.clock_at(1_000_000_000 * (seq + 1))
        last = seq == len(said)
        read: Clock = (utc_ms + ahead_ms * last, boottime_ns, boot_id, sync if last else 2, error_ms if last else 20)
        at = Position(log_id=samples.LOG_ID, run=1, seq=seq, prev=previous)
        encoded.append(entry.make(body, at=at, clock=read, session_id=session, seen=None, signer=samples.DEVICE))
        previous = sha256(encoded[-1])
    return {
        "name": name,
        "now_ms": NOW_MS,
        "entries": [one.hex() for one in encoded],
        "forbidden": None if forbidden is None else int(forbidden),
    }
