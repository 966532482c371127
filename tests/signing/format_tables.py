"""Renders the tables of FORMAT.md from the code that enforces them: `python -m tests.signing.format_tables [--check]`.

Owns the text between `<!-- table: NAME -->` and `<!-- end -->`, nothing else of that file. A field without a meaning, a
meaning without a field, and a marker without a table all fail.
"""

from __future__ import annotations

import enum
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from liuhen import registry
from liuhen.cose import content_type
from liuhen.keys import Card, Trust
from liuhen.kinds import (
    ENTRY_KINDS,
    Access,
    Amend,
    Body,
    Case,
    Check,
    Checkpoint,
    Choice,
    Common,
    Destroyed,
    Duty,
    Endorsement,
    Enrolment,
    Event,
    Gap,
    GapEnd,
    Header,
    Heartbeat,
    Hold,
    Identity,
    Inhibition,
    Key,
    LateMark,
    Maintenance,
    Mark,
    Order,
    Plate,
    Procedure,
    Receipt,
    Reclaimed,
    Recovered,
    Refusal,
    Retention,
    Run,
    Seal,
    Segment,
    Session,
    SessionEnd,
    Stop,
    Visit,
    Witness,
    columns,
)
from liuhen.registry import EVENTS, EntryClass, EventCode, GapCause

FORMAT_MD = Path(__file__).resolve().parents[2] / "signing" / "FORMAT.md"
_TABLE = re.compile(r"(<!-- table: ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

_RECORDS = "commitments to detached records (5.5); label: record label"
_MEASURED = "what was measured, integers; for the meaning see {}"

MEANINGS: dict[type[Body], dict[str, str]] = {
    Common: {
        "version": "format version; names the suite too",
        "log_id": "the device's log, 16 random bytes made at enrolment",
        "run": "number of this life of the recorder process",
        "seq": "number of the entry in the log, from 0",
        "prev": "hash of the entry before",
        "session_id": "session the entry belongs to; null outside a session",
        "clock": "both clocks when the entry was made; sync: 0 unknown, 1 unsynchronised, 2 synchronised, 3 holdover",
        "entry_class": "0 information, 1 opens a gap, 2 closes a gap, 3 state; fixed for each kind",
        "seen": "newest cosigned checkpoint verified: its size, root, the witness's time and kid",
    },
    Enrolment: {
        "public_key": "raw Ed25519 key the log starts with; its hash is the kid of this entry",
        "endorsements": "endorsement envelopes (9.2) of that key",
        "spool_id": "16 random bytes that name the storage the log was begun on",
    },
    Run: {
        "cause": "run cause",
        "software": "what runs: component, version, what shows the version; genuine is 0 where a simulated "
        "or substitute part stands in",
        "config_hash": "SHA-256 of the configuration in force",
    },
    Stop: {"cause": "stop cause"},
    Session: {
        "ordinal": "number of the session in the log, from 1",
        "mode": "0 session, 1 the day's duty stream of an always-on room",
        "config_hash": "SHA-256 of the configuration in force",
        "profile_hash": "SHA-256 of the trade's profile, or null without one",
        "software": "as in run, for the parts of this session",
        "promise": "longest segment, longest fragment, longest time between heartbeats and between checkpoints",
        "streams": "promised streams, ascending. Picture: codec `h264`, a width, b height in pixels, c frames per "
        "second. Sound: codec `flac`, a samples per second, b channels, c 0",
        "records": _RECORDS,
    },
    SessionEnd: {
        "cause": "end cause",
        "segments": "number of segment entries of the session",
        "frames": "frames of the session",
        "samples": "samples of the session",
        "gaps": "number of gap entries of the session",
        "records": _RECORDS,
    },
    Segment: {
        "number": "number of the segment in the session, from 0",
        "size": "size of the file in bytes",
        "file_hash": "SHA-256 of the file",
        "initial": "r_0",
        "fragments": "one row for each fragment in order, the empty one of a final seal included: size in bytes, h_i, "
        "size of the whole seal box, seal hash",
        "last": "r_n",
        "frames": "index of the first frame and number of frames",
        "samples": "index of the first sample and number of samples",
        "span_ns": "capture time, start of the first to end of the last frame or sample, BOOTTIME",
        "missed": "frames and samples known to be missing inside the segment",
        "end_cause": "end cause",
        "sound_clock": "capture time of the first sample, deviation of the sound clock, measured 0: nominal value; "
        "null without sound",
        "previous": "last of the segment before; zero for number 0",
    },
    Gap: {
        "stream": "the absent stream, or null for both",
        "cause": "gap cause",
        "since": "the boot and its BOOTTIME from which media is absent",
        "measured": _MEASURED.format("the event entries in evidence"),
        "evidence": "seqs of the entries that led to this one, ascending",
        "records": _RECORDS,
    },
    GapEnd: {
        "gap_seq": "seq of the gap entry that ends",
        "until": "the boot and its BOOTTIME until which media was absent",
        "length_ns": "bounds of the length; equal within one boot",
        "lost": "frames and samples known to be lost; null: not known",
        "resumed": "1 media is back, 0 the session ends without it",
    },
    Mark: {
        "code": "mark code",
        "boottime_ns": "moment of the mark, BOOTTIME of the entry's boot",
        "frame_index": "newest frame at that moment, or null",
        "sample_index": "newest sample at that moment, or null",
        "refers_to": "seq of the entry the mark is about, or null",
        "step": "number of the step (code 0) or of the point (code 1) in the procedure (5.9), or null",
        "records": _RECORDS,
    },
    Event: {
        "code": "event code",
        "severity": "severity",
        "stream": "stream concerned, or null",
        "span_ns": "time the measurement covers, BOOTTIME",
        "measured": _MEASURED.format("the event's row in section 8"),
        "refers_to": "seq of the entry the event is about (the start of what ended), or null",
        "records": _RECORDS,
    },
    Heartbeat: {
        "position": "newest durable fragment of the session and its r_i, or null without one",
        "frames": "durable frames of the session",
        "samples": "durable samples of the session",
        "missed": "frames and samples known to be missing in the session",
        "queue_ms": "media waiting to be written, in time",
        "seal_delay_ms": "largest delay_ms of a seal since the last heartbeat",
        "free_bytes": "free space of the storage",
        "parts_per_billion": "measured deviation of the sound clock, or null",
        "level_millibel": "sound level since the last heartbeat relative to full scale, or null without sound",
    },
    Checkpoint: {
        "size": "number of entries covered, the seq of this entry",
        "root": "RFC 6962 root over entries 0..size-1",
        "peaks": "roots of the perfect subtrees, largest first",
    },
    Amend: {
        "refers_to": "seq of the entry that is amended",
        "refers_to_hash": "hash of that entry",
        "length_ns": "narrower bounds of a gap-end, or null",
        "cause": "better known gap cause, or null",
        "records": _RECORDS,
    },
    Recovered: {
        "head": "newest entry found whole, or null",
        "torn_journal_bytes": "bytes behind it that are no whole entry and were set aside",
        "last_durable": "newest fragment that verifies, or null",
        "quarantined": "media bytes set aside: where they were cut off, how many, their SHA-256",
        "rotten": "journal ranges that do not verify although entries after them do; kept",
        "since": "last instant known to be recorded, or null",
        "length_ns": "bounds of the time from since to this run, or null",
        "cause": "gap cause",
    },
    Destroyed: {
        "contents": "what is destroyed: content kind; hash: the commitment of a record, the file hash of a segment, "
        "the SHA-256 of bytes in quarantine as `recovered.quarantined` names them",
        "basis": "basis of the order: 0, without a registry in version 1; a record says it",
        "records": _RECORDS,
    },
    Key: {
        "act": "key act",
        "subject": "kid of the key the act is about",
        "new_public_key": "raw Ed25519 key that takes over, or null",
        "endorsements": "endorsement envelopes (9.2) of the new key",
        "last_trusted": "last entry of subject still to be believed (act 2), or null",
        "old_head": "newest entry before this one that the device knew of (acts 3 and 4), or null",
        "cause": "key cause",
    },
    Refusal: {
        "code": "refusal code",
        "measured": _MEASURED.format("the refusal's words"),
        "records": _RECORDS,
    },
    Choice: {
        "code": "choice code",
        "value": "what was chosen; 1 yes, 0 no",
        "records": _RECORDS,
    },
    Retention: {
        "session": "the session that is to be kept, with its records",
        "until_ms": "UTC milliseconds since 1970 before which nothing of it is destroyed; null: never",
        "basis": "retention basis",
        "records": _RECORDS,
    },
    Hold: {
        "act": "hold act",
        "session": "the session held, or null for every session of the log",
        "placed": "act 1: seq of the entry that placed the hold; act 0: null",
        "records": _RECORDS,
    },
    Inhibition: {
        "code": "inhibition code",
        "act": "inhibition act",
        "at": "the boot and its BOOTTIME from which recording is forbidden (act 0), the approval (1), or from which "
        "it is allowed again (2)",
        "placed": "acts 1 and 2: seq of the entry that set it; act 0: null",
        "records": _RECORDS,
    },
    Duty: {
        "code": "duty code",
        "act": "duty act",
        "refers_to": "act 0: seq of the gap, refusal, session-end or event 162 that makes it due; act 1: seq of the "
        "duty entry that opened it",
        "records": _RECORDS,
    },
    Check: {
        "code": "check code",
        "rows": "what was checked and how it was found; measured: in the item's own unit (5.7)",
        "records": _RECORDS,
    },
    Maintenance: {
        "code": "maintenance code",
        "records": _RECORDS,
    },
    Receipt: {
        "store": "hash of the store's name (12.1)",
        "designated": "1 where the device's configuration names this store as the designated one",
        "mode": "retention mode",
        "server_key": "SHA-256 of the server's TLS public key (SubjectPublicKeyInfo), or null without TLS",
        "objects": "what was read back whole: object kind; what it is (12.2); SHA-256 of the bytes read back; their "
        "number; version, empty where the store has none; retention as the store reported it, or null; the store's "
        "own clock then",
        "records": _RECORDS,
    },
    Order: {
        "code": "order code",
        "session": "the session it is about, or null for every session that has ended by then",
        "records": _RECORDS,
    },
    Reclaimed: {
        "contents": "what goes: content kind and the hash that names it, as in destroyed",
        "receipts": "seqs of the receipt entries it rests on, ascending",
        "witness": "the cosigned checkpoint it rests on, columns as in seen, or null",
        "order": "seq of the order that stands for a witness, or null",
        "records": _RECORDS,
    },
    Procedure: {
        "profile": "name and SHA-256 of the profile the session follows",
        "code": "procedure code",
        "steps": "the steps in order, counted from 1; required: a session that ends without it ended early",
        "points": "what a mark with code 1 may name, counted from 1",
        "notice_ms": "within how long of a party's arrival it is told that it is recorded; null: nothing is due",
        "plate": "1 where the sign of the place has to be in the picture, or the place named aloud",
    },
    Header: {
        "amends": "seq of the header before it in the session; null for the first",
        "matter": "number of the item in the profile's list, or null",
        "secrecy": "secrecy class",
        "ex_status": "ex status",
        "records": "commitments to detached records (5.5), each label at most once; label: record label",
    },
    LateMark: {
        "code": "mark code",
        "meant": "the boot and its BOOTTIME that is meant, as a person said afterwards",
        "refers_to": "as in mark",
        "step": "as in mark",
        "records": _RECORDS,
    },
    Plate: {
        "segment": "number of the segment in the session",
        "fragment": "number of the fragment in it, from 1",
        "frame_index": "index of the frame",
        "seal_hash": "seal hash of that fragment",
        "records": _RECORDS,
    },
    Visit: {
        "act": "visit act",
        "sort": "visit sort; an end repeats that of its beginning",
        "number": "the queue number: 1 to 16 ASCII letters, digits and hyphens; an end repeats that of its beginning",
        "at": "when it began or ended; not later than this entry",
        "frame_index": "index of the newest durable frame then, or null",
        "sample_index": "index of the newest durable sample then, or null",
        "began": "of an end: seq of the entry it ends; else null",
        "cause": "visit end; 0 for a beginning",
        "records": _RECORDS,
    },
    Case: {
        "stage": "case stage",
        "session": "the session whose case it is",
        "day": "the day on which it was reached, counted from 1970-01-01 in the device's local time",
        "due": "the last day for archiving where a special law sets one, counted likewise; else null",
        "records": _RECORDS,
    },
    Witness: {
        "version": "format version",
        "log_id": "log that was looked at",
        "store": "hash of the name of the store in which it was found (12.1)",
        "size": "size of the checkpoint that is cosigned",
        "root": "RFC 6962 root over entries 0..size-1, computed by the witness itself",
        "utc_ms": "the witness's own clock, UTC milliseconds since 1970",
        "media": "SHA-256 of each media object that it read back whole and found as an entry below size states it, "
        "ascending",
    },
    Access: {
        "version": "format version",
        "log_id": "log that content was copied from",
        "utc_ms": "clock of the machine that copied, UTC milliseconds since 1970",
        "actor": "who copied",
        "purpose": "what for",
        "approval": "number of the approval it rests on",
        "sessions": "sessions of which media or records were copied, ascending",
        "objects": "how many objects, and the RFC 6962 root over their SHA-256 in ascending order",
    },
    Identity: {
        "version": "format version",
        "log_id": "log of the device",
        "run": "run that opened the file",
        "session_id": "session of the segment",
        "clock": "anchor of both clocks when the file was opened, columns as in 5.1",
        "segment": "number of the segment in the session",
        "public_key": "raw Ed25519 key that signs the seals of this file",
        "endorsements": "endorsement envelopes (9.2) of that key",
        "previous": "r of the last seal of the segment before; zero for segment 0",
        "first_frame": "index of the first frame",
        "first_sample": "index of the first sample",
        "streams": "live streams, ascending",
    },
    Seal: {
        "version": "format version",
        "log_id": "log of the device",
        "run": "run that opened the file",
        "session_id": "session of the segment",
        "segment": "number of the segment in the session",
        "fragment": "i, from 1",
        "r": "r_i",
        "offset": "file offset of the first byte of this seal box",
        "head": "newest durable journal entry",
        "frames": "frames of the session, this fragment included",
        "samples": "samples of the session, this fragment included",
        "span_ns": "capture time of this fragment, BOOTTIME",
        "delay_ms": "from span_ns.from to the moment of signing",
        "end_cause": "end cause on the last seal of the file, else null",
    },
    Card: {
        "version": "format version",
        "log_id": "log the key is to speak for",
        "public_key": "raw Ed25519 key of the device",
        "custody": "custody",
    },
    Trust: {
        "version": "format version",
        "organisation": "name for people",
        "issued_ms": "when the file was issued, UTC milliseconds since 1970",
        "threshold": "how many different roots must endorse a key",
        "roots": "raw Ed25519 keys believed, each with a name for people",
        "revoked": "device keys believed up to the entry last_trusted, null: not at all; cause: 0, no registry in "
        "version 1",
    },
    Endorsement: {
        "version": "format version",
        "log_id": "log the device key speaks for",
        "public_key": "raw Ed25519 key of the device",
        "purpose": "purpose",
        "custody": "custody",
        "not_before_ms": "when the root signed, UTC milliseconds since 1970",
    },
}

# The order of section 8, with the fields that hold the codes.
REGISTRIES: tuple[tuple[type[enum.IntEnum], str], ...] = (
    (registry.Stream, "stream columns and fields"),
    (registry.EntryClass, "entry_class"),
    (registry.EndCause, "segment.end_cause, seal.end_cause, session-end.cause"),
    (registry.GapCause, "gap.cause, amend.cause, recovered.cause"),
    (registry.MarkCode, "mark.code, late-mark.code"),
    (registry.KeyAct, "key.act"),
    (registry.KeyCause, "key.cause"),
    (registry.RunCause, "run.cause"),
    (registry.StopCause, "stop.cause"),
    (registry.RecordLabel, "label in records"),
    (registry.Severity, "event.severity"),
    (registry.EventCode, "event.code"),
    (registry.RefusalCode, "refusal.code"),
    (registry.ChoiceCode, "choice.code"),
    (registry.Purpose, "endorsement.purpose"),
    (registry.Custody, "card.custody, endorsement.custody"),
    (registry.RetentionBasis, "retention.basis"),
    (registry.HoldAct, "hold.act"),
    (registry.ContentKind, "what in destroyed.contents"),
    (registry.InhibitionCode, "inhibition.code"),
    (registry.InhibitionAct, "inhibition.act"),
    (registry.DutyCode, "duty.code"),
    (registry.DutyAct, "duty.act"),
    (registry.CheckCode, "check.code"),
    (registry.CheckItem, "item in check.rows"),
    (registry.CheckOutcome, "outcome in check.rows"),
    (registry.MaintenanceCode, "maintenance.code"),
    (registry.ObjectKind, "what in receipt.objects"),
    (registry.RetentionMode, "receipt.mode"),
    (registry.OrderCode, "order.code"),
    (registry.ProcedureCode, "procedure.code"),
    (registry.SecrecyClass, "header.secrecy"),
    (registry.ExStatus, "header.ex_status"),
    (registry.VisitAct, "visit.act"),
    (registry.VisitSort, "visit.sort"),
    (registry.VisitEnd, "visit.cause"),
    (registry.CaseStage, "case.stage"),
    (registry.MissedCause, "cause measured by DEADLINE_MISSED"),
)


def shape_of(name: str, described: str) -> str:
    """The notation of FORMAT.md 5: 32 bytes are a `hash` unless they are a key, 16 an `id`."""
    if name.endswith("public_key"):
        return described.replace("bstr .size 32", "bstr of 32")
    described = described.replace("public_key: bstr .size 32", "public_key: bstr of 32")
    return described.replace("bstr .size 32", "hash").replace("bstr .size 16", "id")


def fields_table(kind: type[Body], meanings: Mapping[str, str]) -> list[str]:
    """One row for each field in key order; raises KeyError for a field without a meaning or the reverse."""
    table = columns(kind)
    if meanings.keys() != (names := {name for _, name, _ in table}):
        raise KeyError(f"{kind.__name__}: fields and meanings differ in {sorted(meanings.keys() ^ names)}")
    rows = (
        (str(key), f"`{name}`", f"`{shape_of(name, shape.describe())}`", meanings[name]) for key, name, shape in table
    )
    return _table(("key", "name", "shape", "meaning"), rows)


def kinds_table() -> list[str]:
    """The overview of all entry kinds, then the fields of each."""
    rows = (
        (
            f"`{kind.KIND}`",
            f"`{content_type(kind.KIND)}`",
            f"{kind.CLASS.value} {_words(EntryClass(kind.CLASS))}",
            _summary(kind),
        )
        for kind in ENTRY_KINDS.values()
    )
    lines = _table(("kind", "content type", "class", "says"), rows)
    for kind in ENTRY_KINDS.values():
        lines += ["", f"#### {kind.KIND}", "", *fields_table(kind, MEANINGS[kind])]
    return lines


def registry_table() -> list[str]:
    """Every enumeration with its codes; gap causes and events with their words."""
    lines: list[str] = []
    for codes, used_in in REGISTRIES:
        lines += ["", f"#### {_title(codes)}", "", f"{_summary(codes)} Used in {used_in}.", ""]
        if codes is EventCode:
            lines += _events()
        elif codes is GapCause:
            rows = ((str(cause.value), _words(cause), cause.words_zh) for cause in GapCause)
            lines += _table(("code", "name", "words"), rows)
        else:
            lines += _table(("code", "name"), ((str(code.value), _words(code)) for code in codes))
    return lines[1:]


def _events() -> list[str]:
    rows = (
        (
            str(code.value),
            meaning.words_en,
            meaning.words_zh,
            f"{meaning.severity.value} {_words(meaning.severity)}",
            ", ".join(f"`{name}`" for name in meaning.measured) or "nothing",
        )
        for code, meaning in sorted(EVENTS.items())
    )
    return _table(("code", "name", "words", "severity", "measured, in this order"), rows)


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * len(titles),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _summary(documented: type) -> str:
    return (documented.__doc__ or "").partition("\n")[0]


def _words(code: enum.IntEnum) -> str:
    return code.name.lower().replace("_", " ")


def _title(codes: type[enum.IntEnum]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", codes.__name__).capitalize()


TABLES: dict[str, Callable[[], list[str]]] = {
    "common": lambda: fields_table(Common, MEANINGS[Common]),
    "kinds": kinds_table,
    "identity": lambda: fields_table(Identity, MEANINGS[Identity]),
    "seal": lambda: fields_table(Seal, MEANINGS[Seal]),
    "registry": registry_table,
    "card": lambda: fields_table(Card, MEANINGS[Card]),
    "trust": lambda: fields_table(Trust, MEANINGS[Trust]),
    "endorsement": lambda: fields_table(Endorsement, MEANINGS[Endorsement]),
    "witness": lambda: fields_table(Witness, MEANINGS[Witness]),
    "access": lambda: fields_table(Access, MEANINGS[Access]),
}


def render(text: str) -> str:
    """The text with every table as the code has it. Raises KeyError unless exactly the known tables are in it."""
    found = [match[2] for match in _TABLE.finditer(text)]
    if sorted(found) != sorted(TABLES):
        raise KeyError(f"tables {sorted(found)} are not {sorted(TABLES)}, each once")
    return _TABLE.sub(lambda match: "\n".join([match[1], *TABLES[match[2]](), "", match[4]]), text)


def main(arguments: list[str]) -> int:
    """Rewrite FORMAT.md, or with `--check` say whether it is current."""
    text = FORMAT_MD.read_text(encoding="utf-8")
    current = render(text)
    if "--check" in arguments:
        return 0 if current == text else 1
    if current != text:
        fresh = FORMAT_MD.with_suffix(".new")
        fresh.write_text(current, encoding="utf-8")
        os.replace(fresh, FORMAT_MD)  # noqa: PTH105 -- one step, so that no reader sees half a file
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
