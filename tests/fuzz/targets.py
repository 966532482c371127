"""Everything of this project that reads bytes from outside, each with what may leave it and what must hold.

A reader that accepts an input must give the same bytes back, or its parts must add up; anything but its own refusal is
a fault. Files are written below the folder a target is given.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import config, header, journal, journal_slots, last_good, profiles, recovery, schedule
from edge.calendar_file import read_calendar
from edge.config_file import ConfigError
from edge.guard import packets
from edge.guard.core import Said
from edge.guard.lamp import Wish
from edge.guard.latch import LatchRecord
from edge.guard.words import Lamp, Pair, Reason
from edge.head_memory import ForgottenHead, HeadMemory
from edge.journal import Beliefs, JournalError
from edge.journal_state import JournalState
from edge.offload import words
from edge.profiles.difference import differences
from edge.profiles.lint import lint
from edge.requests import BadRequest
from edge.schedule import ScheduleError
from edge.sensors.strict_json import BadPacket
from edge.spool import Identity, OneDisk, Spool
from liuhen import (
    archive,
    cbor,
    cose,
    ed25519,
    endorsement,
    entry,
    keys,
    merkle,
    reader,
    records,
    segment,
    trust,
    verify_journal,
)
from liuhen.boxes import SEAL_USERTYPE, UUID_HEADER_BYTES, uuid_box
from liuhen.errors import FormatError, KeyFileError
from liuhen.hashing import sha256
from liuhen.kinds import Key
from liuhen.registry import EventCode, KeyAct, ObjectKind, RetentionMode
from liuhen.report import Language, Report, to_json, to_text
from liuhen.verify import Request, verify
from sim import scenario_file
from sim.scenario_file import BadScenario
from tests.fuzz import lines, seeds, store_targets
from tests.fuzz.engine import Broken, Run, Target
from tests.fuzz.mutation import BOUNDARIES, mutated, mutated_value
from tests.fuzz.mutation import encoded as encoded_value
from tests.signing.archives import UTC_START_MS, open_archive, signer, trust_of
from tests.signing.evidence import Original, joined
from tests.signing.tampering import pieces_of

Draw = Callable[[random.Random], bytes]
SMALL_BUFFER_BYTES = 4096


def equal(encoded: bytes, again: bytes) -> None:
    """What was accepted comes back as it was."""
    if encoded != again:
        raise Broken(f"{len(encoded)} bytes came back as {len(again)} other ones")


# --- drawing ---------------------------------------------------------------------------------------------------------


def bytes_of(corpus: Sequence[bytes]) -> Draw:
    """Changed bytes."""
    return lambda rng: mutated(rng, corpus)


def values_of(corpus: Sequence[bytes]) -> Draw:
    """Half changed bytes, half the deterministic encoding of a changed value."""
    decoded = [cbor.decode(encoded, where="seed") for encoded in corpus if _decodes(encoded)]

    def draw(rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            return mutated(rng, corpus)
        value = rng.choice(decoded)
        for _ in range(rng.randint(1, 3)):
            value = mutated_value(rng, value)
        return encoded_value(value)

    return draw


def _decodes(encoded: bytes) -> bool:
    try:
        cbor.decode(encoded, where="seed")
    except FormatError:
        return False
    return True


def envelopes_of(corpus: Sequence[bytes]) -> Draw:
    """Half changed bytes, half an envelope whose lengths fit around a changed header or payload."""
    sound = [cose.parse(encoded, where="seed") for encoded in corpus if _parses(encoded)]

    def draw(rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            return mutated(rng, corpus)
        chosen = rng.choice(sound)
        protected, payload = chosen.protected, chosen.payload
        if rng.random() < 0.2:
            protected = _changed(rng, protected)
        else:
            payload = _changed(rng, payload)
        return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, chosen.signature]), canonical=True)

    return draw


def _changed(rng: random.Random, encoded: bytes) -> bytes:
    if not _decodes(encoded):
        return mutated(rng, [encoded])
    return encoded_value(mutated_value(rng, cbor.decode(encoded, where="seed")))


def _parses(encoded: bytes) -> bool:
    try:
        cose.parse(encoded, where="seed")
    except FormatError:
        return False
    return True


# --- CBOR, COSE, statements ------------------------------------------------------------------------------------------


def _cbor(encoded: bytes) -> None:
    equal(encoded, cbor.encode(cbor.decode(encoded, where="fuzz")))


def _cose(encoded: bytes) -> None:
    end = cose.item_end(encoded, 0, where="fuzz")
    if end is not None and not 0 < end <= len(encoded):
        raise Broken(f"the envelope ends at {end} of {len(encoded)} bytes")
    envelope = cose.parse(encoded, where="fuzz")
    parts = [envelope.protected, {}, envelope.payload, envelope.signature]
    equal(encoded, cbor2.dumps(cbor2.CBORTag(18, parts), canonical=True))
    if end != len(encoded):
        raise Broken(f"parsed whole, but its end is {end}")


def _entry(encoded: bytes) -> None:
    parsed = entry.parse(encoded, where="fuzz")
    if parsed.body is not None:
        fields = {**parsed.common.to_map(), **parsed.body.to_map()}
        equal(parsed.envelope.payload, cbor.encode(fields))


def _seal(encoded: bytes) -> None:
    envelope, seal = segment.parse_seal(encoded, where="fuzz")
    equal(envelope.payload, cbor.encode(seal.to_map()))


def _identity(encoded: bytes) -> None:
    equal(encoded, cbor.encode(segment.parse_identity(encoded, where="fuzz").to_map()))


def _endorsement(encoded: bytes) -> None:
    envelope, said = endorsement.parse_endorsement(encoded, where="fuzz")
    equal(envelope.payload, cbor.encode(said.to_map()))
    believed = trust_of((signer("root 0"),))
    standing = trust.judge((encoded,) * 8, log_id=said.log_id, public_key=said.public_key, trust=believed)
    if standing.endorsed:
        raise Broken("endorsed by a root that never signed it")
    trust.claimed_demo((encoded,), log_id=said.log_id, public_key=said.public_key)


def _trust(encoded: bytes) -> None:
    equal(encoded, keys.trust_bytes(keys.parse_trust(encoded, where="fuzz")))


def _card(encoded: bytes) -> None:
    equal(encoded, keys.card_bytes(keys.parse_card(encoded, where="fuzz")))


def _record(encoded: bytes) -> None:
    equal(encoded, records.parse(encoded, where="fuzz").to_bytes())


def _signature(encoded: bytes) -> None:
    ed25519.verify(encoded[:32], encoded[32:96], encoded[96:], where="fuzz")


def _proof(encoded: bytes) -> None:
    """[which, index or old size, size, root, leaf or old root, path]: an answer comes, whatever they say."""
    match cbor.decode(encoded, where="fuzz"):
        case (int(which), int(index), int(size), bytes(root), bytes(old), tuple(path)):
            nodes = [node for node in path if isinstance(node, bytes)]
        case _:
            raise FormatError("fuzz", "not a proof")
    match which:
        case 0:
            merkle.verify_inclusion(leaf=old, index=index, size=size, proof=nodes, root=root)
        case 1:
            merkle.verify_consistency(old_size=index, old_root=old, size=size, root=root, proof=nodes)
        case _:
            merkle.Peaks(size, nodes).root()


def _proofs() -> list[bytes]:
    told = seeds.vectors("merkle.json")
    roots = [bytes.fromhex(root) for root in told["roots"]]
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(len(roots))]
    rows: list[cbor.Value] = [
        (0, index, size, roots[size], leaves[index], tuple(bytes.fromhex(node) for node in path))
        for size, index, path in told["inclusion"]
    ]
    rows += [
        (1, old, size, roots[size], roots[old], tuple(bytes.fromhex(node) for node in path))
        for old, size, path in told["consistency"]
    ]
    return [cbor.encode(row) for row in rows]


# --- segments --------------------------------------------------------------------------------------------------------


def _walk(encoded: bytes) -> None:
    """The parts add up to the file, whatever its sizes claim."""
    total = 0
    for item in reader.walk(reader.Cursor(io.BytesIO(encoded), buffer=bytearray(SMALL_BUFFER_BYTES))):
        match item:
            case reader.Initialisation():
                total += item.size
            case reader.SealedFragment():
                total += item.size + item.seal_box_size
                if item.end_offset != total:
                    raise Broken(f"a seal ends at {item.end_offset}, the parts so far are {total}")
            case reader.Tail():
                total += item.size
    if total != len(encoded):
        raise Broken(f"the parts are {total} of {len(encoded)} bytes")


def _resealed(rng: random.Random, pieces: tuple[bytes, list[tuple[bytes, bytes]]]) -> bytes:
    """Seals whose fields say something else, under a signature that holds."""
    init, fragments = pieces
    content = init
    for fragment, sealed in fragments:
        seal = sealed
        if rng.random() < 0.4:
            payload = _changed(rng, cose.parse(seal[UUID_HEADER_BYTES:], where="seed").payload)
            seal = uuid_box(SEAL_USERTYPE, cose.sign(signer("device 1"), "seal", payload))
        content += fragment + seal
    return content


# --- journal files and archives --------------------------------------------------------------------------------------


def _journal_reader(folder: Path) -> Run:
    root = folder / "archive"
    (root / "journal").mkdir(parents=True)
    path = root / "journal" / "00000000.cbor"

    def run(encoded: bytes) -> None:
        path.write_bytes(encoded)
        at = 0
        for item in verify_journal.items(archive.journal_files(root), root, lambda _: None):
            if item.offset != at or item.size <= 0:
                raise Broken(f"an item of {item.size} bytes at {item.offset}, expected at {at}")
            at += item.size
        if at != len(encoded):
            raise Broken(f"the items are {at} of {len(encoded)} bytes")

    return run


def reported(root: Path) -> Report:
    """The whole verification with all three forms of the report."""
    target = archive.locate(root)
    if target is None:
        raise FormatError("fuzz", "not an archive")
    report = verify(Request(target=target, trust=trust_of((signer("root 0"),)), now_ms=UTC_START_MS))
    for language in Language:
        text = to_text(report, language, integrity_only=False)
        if not all(line.isprintable() for line in text.splitlines()):
            raise Broken("the report holds a character that a terminal would act upon")
    json.dumps(to_json(report))
    return report


def _archive_reader(pattern: str, which: int) -> Callable[[Path], Run]:
    """An archive as a power cut leaves it, in which one of the files that fit the pattern is the input."""

    def prepare(folder: Path) -> Run:
        device = open_archive(folder / "archive", fragments=2)
        path = sorted(device.root.glob(pattern))[which]

        def run(encoded: bytes) -> None:
            path.write_bytes(encoded)
            reported(device.root)

        return run

    return prepare


def _resigned(rng: random.Random, own: Sequence[entry.Entry], others: Sequence[entry.Entry]) -> bytes:
    """A journal whose entries say something else, in a chain and under signatures that hold; any kind may follow."""
    key, previous, content = signer("device 1"), bytes(32), b""
    chosen = [*own, *rng.choices(others, k=rng.randint(0, 4))]
    last = _fields(own[-1])
    must = rng.randrange(1, len(chosen))
    for number, parsed in enumerate(chosen):
        fields = _fields(parsed)
        if number >= len(own):
            fields = {**fields, **{common: last[common] for common in (1, 2, 5, 6)}}
        if number == must or (number and rng.random() < 0.1):
            changed = mutated_value(rng, fields)
            fields = changed if isinstance(changed, dict) else fields
        if rng.random() < 0.95:
            fields = {**fields, 3: number, 4: previous}
        again = cose.sign(key, parsed.kind, encoded_value(fields))
        previous = sha256(again)
        content += again * (1 + (rng.random() < 0.03))
    return content


def _fields(parsed: entry.Entry) -> dict[int, cbor.Value]:
    return dict(cbor.decode_map(parsed.envelope.payload, where="seed"))


# --- files of the device ---------------------------------------------------------------------------------------------


def _head_memory(folder: Path) -> Run:
    memory = HeadMemory(folder / "device.key", log_id=bytes(16), spool_id=bytes(16))

    def run(encoded: bytes) -> None:
        memory.path.write_bytes(encoded)
        memory.recall()

    return run


def _heads(folder: Path) -> list[bytes]:
    memory = HeadMemory(folder / "device.key", log_id=bytes(16), spool_id=bytes(16))
    for seq in range(3):
        memory.remember(1, (seq, bytes(32)))
    return [memory.path.read_bytes()]


def _slots(folder: Path) -> Run:
    one, _ = journal_slots.slot_paths(folder)
    one.parent.mkdir(parents=True)

    def run(encoded: bytes) -> None:
        one.write_bytes(encoded)
        journal_slots.read_slots(folder)

    return run


def _start(folder: Path) -> Run:
    """What a start reads of a journal: whatever stands there, it finds an end to go on from."""
    path = folder / "journal" / "00000000.cbor"
    path.parent.mkdir()
    device = signer("device 1")
    blank = JournalState(public_key=device.public_key)

    def run(encoded: bytes) -> None:
        path.write_bytes(encoded)
        beliefs = Beliefs(
            blank=replace(blank, log_id=_log_id(encoded)), held=frozenset({device.public_key}), remembered_seq=-1
        )
        found = journal.find(folder, beliefs)
        unreadable = sum(part.size for part in (*found.rotten, *((found.tail,) if found.tail else ())))
        if found.state.head is None and unreadable != len(encoded):
            raise Broken(f"no entry is found, and {unreadable} of {len(encoded)} bytes are unreadable")
        if found.place is not None and found.place.end > len(encoded):
            raise Broken("the newest entry ends behind the file")

    return run


def _survey(folder: Path) -> Run:
    """What a start reads of the file that a power cut left open: its good part is never longer than the file."""
    device = open_archive(folder / "archive", fragments=2)
    session, path = device.session_id or b"", sorted(device.root.glob("sessions/*/*"))[1]
    spool = Spool(Identity(log_id=device.log_id, spool_id=bytes(16)), OneDisk(device.root, -1))
    kid = cose.key_id(device.key.public_key)

    def run(encoded: bytes) -> None:
        path.write_bytes(encoded)
        found = recovery.survey(spool, session, kids=frozenset((kid,)), first=1)
        if any(file.good_bytes > len(encoded) for file in found.files):
            raise Broken(f"more than its {len(encoded)} bytes are good")

    return run


def _log_id(encoded: bytes) -> bytes:
    """The log of the first entry, so that inputs of every origin are read on."""
    try:
        end = cose.item_end(encoded, 0, where="fuzz")
        return entry.parse(encoded[:end], where="fuzz").common.log_id
    except FormatError:
        return bytes(16)


def _taken_over(rng: random.Random, journal_bytes: bytes, own: Sequence[entry.Entry]) -> bytes:
    """A journal that somebody without the key goes on with: an emergency entry that brings its own key, any number."""
    thief, last = signer("thief"), own[-1].common
    body = Key(
        act=KeyAct.EMERGENCY,
        subject=own[0].envelope.kid,
        new_public_key=thief.public_key,
        endorsements=(),
        last_trusted=None,
        old_head=None,
        cause=0,
    )
    seq = rng.choice([last.seq + 1, rng.choice(BOUNDARIES) % 2**63, rng.getrandbits(40)])
    at = entry.Position(log_id=last.log_id, run=last.run, seq=seq, prev=rng.choice([own[-1].hash, bytes(32)]))
    taken = entry.make(body, at=at, clock=last.clock, session_id=None, seen=None, signer=thief)
    return journal_bytes + taken + rng.choice([b"", taken[: rng.randrange(len(taken))]])


def _config(encoded: bytes) -> None:
    try:
        config.parse(encoded)
    except ConfigError as error:
        if not all(problem.line().isprintable() for problem in error.problems):
            raise Broken("a problem is more than one line") from error
        raise


SESSION_HEADER = (
    "procedure=hearing\ncase_number=一号\nmatter=24\nparties=张三；李四\nofficials=甲；乙\ncertificates=1；2\nsecrecy=privacy\n"
).encode()


def _session_header(encoded: bytes) -> None:
    try:
        found = header.parse(encoded)
    except BadRequest as error:
        if not (error.words_zh + error.words_en).isprintable():
            raise Broken("a refusal is more than one line") from error
        raise
    if header.parse(header.to_bytes(found)) != found:
        raise Broken("what was read is not what is said again")


def _scenario(encoded: bytes) -> None:
    try:
        found = scenario_file.parse(encoded)
    except BadScenario as error:
        if not str(error).isprintable():
            raise Broken("a refusal is more than one line") from error
        raise
    if any(not 0 <= step.at <= found.seconds for step in found.steps):
        raise Broken("an act outside its scenario")


def _key_file(folder: Path) -> Run:
    path = folder / "device.key"
    path.touch(mode=0o600)

    def run(encoded: bytes) -> None:
        path.write_bytes(encoded)
        keys.load_signer(path)

    return run


def _key_files(folder: Path) -> list[bytes]:
    path = folder / "seed.key"
    keys.save_private_key(path, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    return [path.read_bytes()]


# --- the list --------------------------------------------------------------------------------------------------------


def targets(folder: Path) -> dict[str, Target]:
    """Every target by name. `folder` takes the archives that inputs start from."""
    folder.mkdir(parents=True, exist_ok=True)
    lists = (
        _statements(),
        _media(folder),
        _archives(folder),
        _device_files(folder),
        lines.targets(),
        _guard_packets(),
        _told(),
        _store(),
    )
    found = [target for each in lists for target in each]
    return {target.name: target for target in found}


def _simple(
    name: str, run: Run, draw: Callable[[Sequence[bytes]], Draw], corpus: Sequence[bytes], share: int
) -> Target:
    """A target that needs no folder and refuses with FormatError alone."""
    kept = [*corpus, *seeds.regression(name)]
    return Target(
        name=name, draw=draw(kept), prepare=lambda _: run, refusals=(FormatError,), share=share, seeds=tuple(kept)
    )


def _statements() -> list[Target]:
    signatures = [
        b"".join(bytes.fromhex(row[part]) for part in ("public_key", "signature", "message"))
        for row in seeds.vectors("ed25519.json")["vectors"]
    ]
    return [
        _simple("cbor", _cbor, values_of, seeds.payloads(), 200),
        _simple("cose", _cose, envelopes_of, seeds.envelopes(), 150),
        _simple("entry", _entry, envelopes_of, seeds.entries(), 200),
        _simple("seal", _seal, envelopes_of, seeds.seals(), 80),
        _simple("identity", _identity, values_of, seeds.identities(), 50),
        _simple("endorsement", _endorsement, envelopes_of, seeds.endorsements(), 60),
        _simple("trust", _trust, values_of, seeds.trust_files(), 60),
        _simple("card", _card, values_of, [seeds.card()], 40),
        _simple("record", _record, bytes_of, seeds.records(), 10),
        _simple("signature", _signature, bytes_of, signatures, 20),
        _simple("proof", _proof, values_of, _proofs(), 30),
    ]


def _store() -> list[Target]:
    stored = seeds.vectors("store.json")
    names = [row["key"] for row in (*stored["names"], stored["slice"], stored["record"])]
    texts = [text.encode() for text in (*names, *(row["url"] for row in (*stored["urls"], *stored["respelt"])))]
    parts = [seeds.store_slice(), *(seeds.entries()), *seeds.regression("slice")]
    return [
        _simple("witness", store_targets.witness, envelopes_of, seeds.store_octets("witness", "statement"), 40),
        _simple("access", store_targets.access, envelopes_of, seeds.store_octets("access", "statement"), 40),
        _simple("sealed", store_targets.sealed_record, values_of, seeds.store_octets("record", "content"), 30),
        _simple("store-key", store_targets.store_key, bytes_of, texts, 30),
        Target(
            name="slice",
            draw=bytes_of(parts),
            prepare=store_targets.slices,
            refusals=(),
            share=20,
            seeds=tuple(parts),
        ),
    ]


def _media(folder: Path) -> list[Target]:
    original = Original(root=open_archive(folder / "media", fragments=3).root)
    corpus = [*(original.files[name] for name in original.seal_ends), seeds.segment(), *seeds.regression("walk")]
    return [
        Target(
            name="walk",
            draw=_segments(original, corpus),
            prepare=lambda _: _walk,
            refusals=(),
            share=40,
            seeds=tuple(corpus),
        )
    ]


def _segments(original: Original, corpus: Sequence[bytes]) -> Draw:
    """Changed bytes, or fields that say something else below seals that hold."""
    changed, pieces = bytes_of(corpus), [pieces_of(original, name) for name in original.seal_ends]
    return lambda rng: changed(rng) if rng.random() < 0.6 else _resealed(rng, rng.choice(pieces))


def _archives(folder: Path) -> list[Target]:
    original = Original(root=open_archive(folder / "archive", fragments=2).root)
    journal_bytes, files = joined(original.files), [original.files[name] for name in original.seal_ends]
    corpus = [journal_bytes, seeds.journal(), *seeds.regression("journal")]
    changed = bytes_of(corpus)
    others = [entry.parse(encoded, where="vector") for encoded in seeds.entries()]
    resigned = [journal_bytes, *seeds.regression("archive-journal")]
    return [
        Target(name="journal", draw=changed, prepare=_journal_reader, refusals=(), share=40, seeds=tuple(corpus)),
        Target(
            name="start",
            draw=lambda rng: (
                _taken_over(rng, journal_bytes, original.parsed)
                if rng.random() < 0.1
                else rng.choice([changed(rng), _resigned(rng, original.parsed, others)])
            ),
            prepare=_start,
            refusals=(JournalError,),
            share=20,
            seeds=(*resigned, *seeds.regression("start")),
        ),
        Target(
            name="archive-journal",
            draw=lambda rng: changed(rng) if rng.random() < 0.3 else _resigned(rng, original.parsed, others),
            prepare=_archive_reader("journal/*", 0),
            refusals=(),
            share=20,
            seeds=tuple(resigned),
        ),
        Target(
            name="survey",
            draw=_segments(original, files),
            prepare=_survey,
            refusals=(),
            share=15,
            seeds=(*files, *seeds.regression("survey")),
        ),
        *(
            Target(
                name=name,
                draw=_segments(original, files),
                prepare=_archive_reader("sessions/*/*", which),
                refusals=(),
                share=8,
                seeds=(*files, *seeds.regression(name)),
            )
            for which, name in enumerate(("archive-stated", "archive-unstated"))
        ),
    ]


CONFIG_FILE = Path("/etc/liuhen/recorder.toml")


_NOW = datetime(2026, 9, 1, tzinfo=UTC)
_CALENDAR = b"""BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:a\r
DTSTART;TZID=Asia/Shanghai:20260903T090000\r\nDTEND;TZID=Asia/Shanghai:20260903T110000\r
RRULE:FREQ=WEEKLY;BYDAY=TH;COUNT=4\r\nEXDATE;TZID=Asia/Shanghai:20260910T090000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"""


def _calendar(encoded: bytes) -> None:
    """What is taken in is read back by the recorder as it was written."""
    found = read_calendar(encoded, now=_NOW, utc_offset_minutes=480, room="第一听证室")
    hearings = found.here + found.elsewhere
    written = schedule.to_bytes(hearings)
    equal(schedule.to_bytes(schedule.parse(written)), written)


def _profile(encoded: bytes) -> None:
    """Rules are whole, with words for every part and a hash of these very bytes, or every reason is one line."""
    try:
        profile = profiles.parse(encoded)
    except profiles.ProfileError as error:
        if not str(error) or not all(line.isprintable() for line in str(error).split("\n")):
            raise Broken("a reason is more than one line") from error
        raise
    equal(profile.digest, sha256(encoded))
    list(differences(profile, profile))
    lint(profile)


def _last_good(encoded: bytes) -> None:
    """A copy is whole, or it is none."""
    copied = last_good.parse_copy(encoded, CONFIG_FILE)
    if copied is not None:
        equal(encoded, last_good.bytes_of(CONFIG_FILE, copied))


def _device_files(folder: Path) -> list[Target]:
    heads = [*_heads(folder), *seeds.regression("head-memory")]
    key_files = [*_key_files(folder), *seeds.regression("key-file")]
    slots = [
        cose.sign(signer("device 1"), "slot", cose.parse(encoded, where="seed").payload) for encoded in seeds.entries()
    ]
    slots += seeds.regression("slot")
    defaults = [config.template().encode(), *seeds.regression("config")]
    scenarios = [path.read_bytes() for path in sorted(scenario_file.FOLDER.glob("*.toml"))]
    scenarios += seeds.regression("scenario")
    calendars = [_CALENDAR, *seeds.regression("calendar")]
    books = [profiles.read_named(name) for name in ("neutral", "xinhua", "nongan")]
    books += seeds.regression("profile")
    session_headers = [
        SESSION_HEADER,
        header.to_bytes(header.parse(SESSION_HEADER)),
        *seeds.regression("session-header"),
    ]
    copies = [last_good.bytes_of(CONFIG_FILE, last_good.Copied(content=content)) for content in (b"", *defaults)]
    copies.append(last_good.bytes_of(CONFIG_FILE, last_good.Copied(content=b"x", rules=b"y")))
    copies += seeds.regression("last-good")
    return [
        Target(
            name="head-memory",
            draw=bytes_of(heads),
            prepare=_head_memory,
            refusals=(ForgottenHead,),
            share=15,
            seeds=tuple(heads),
        ),
        Target(name="slot", draw=envelopes_of(slots), prepare=_slots, refusals=(), share=15, seeds=tuple(slots)),
        Target(
            name="config",
            draw=bytes_of(defaults),
            prepare=lambda _: _config,
            refusals=(ConfigError,),
            share=10,
            seeds=tuple(defaults),
        ),
        Target(
            name="profile",
            draw=bytes_of(books),
            prepare=lambda _: _profile,
            refusals=(profiles.ProfileError,),
            share=10,
            seeds=tuple(books),
        ),
        Target(
            name="session-header",
            draw=bytes_of(session_headers),
            prepare=lambda _: _session_header,
            refusals=(BadRequest,),
            share=10,
            seeds=tuple(session_headers),
        ),
        Target(
            name="calendar",
            draw=bytes_of(calendars),
            prepare=lambda _: _calendar,
            refusals=(ScheduleError,),
            share=5,
            seeds=tuple(calendars),
        ),
        Target(
            name="last-good",
            draw=bytes_of(copies),
            prepare=lambda _: _last_good,
            refusals=(),
            share=5,
            seeds=tuple(copies),
        ),
        Target(
            name="key-file",
            draw=bytes_of(key_files),
            prepare=_key_file,
            refusals=(KeyFileError,),
            share=5,
            seeds=tuple(key_files),
        ),
        Target(
            name="scenario",
            draw=bytes_of(scenarios),
            prepare=lambda _: _scenario,
            refusals=(BadScenario,),
            share=10,
            seeds=tuple(scenarios),
        ),
    ]


# --- the guard's socket and its latch --------------------------------------------------------------------------------


def _guard_packets() -> list[Target]:
    said = Said(
        permit=True, latched=False, reason=Reason.NONE, pair=Pair.PERMIT, healthy=True, lamp=Lamp.READY, since_ns=5
    )
    wish = Wish(lamp=Lamp.RECORDING, session=True, durable=7, buzzer=False)
    lease = packets.LeaseGiven(permit=True, boottime_ns=7, reason="NONE")
    latches = [
        LatchRecord(boot_id=bytes(16), tripped=tripped, reason=Reason.OPEN, clean_stop=not tripped).to_bytes()
        for tripped in (False, True)
    ]
    refused = (packets.BadPacket,)
    return [
        _packets("guard-said", _guard_said, [packets.said_packet(said, 1, 9)], refused),
        _packets("guard-first", _guard_first, [packets.wish_packet(wish, 1), packets.gas_role_packet()], refused),
        _packets("guard-lease", _guard_lease, [packets.lease_packet(lease, 1)], refused),
        _packets("guard-latch", _guard_latch, latches, (FormatError,)),
    ]


def _packets(name: str, run: Run, corpus: Sequence[bytes], refusals: tuple[type[Exception], ...]) -> Target:
    kept = [*corpus, *seeds.regression(name)]
    return Target(name=name, draw=bytes_of(kept), prepare=lambda _: run, refusals=refusals, share=20, seeds=tuple(kept))


def _guard_said(encoded: bytes) -> None:
    found = packets.read_said(encoded)
    again = packets.said_packet(found.said, found.number, found.boottime_ns)
    if packets.read_said(again) != found:
        raise Broken("what was read is not what is said again")


def _guard_first(encoded: bytes) -> None:
    found = packets.read_first(encoded)
    if isinstance(found, Wish) and packets.read_wish(packets.wish_packet(found, 0)) != found:
        raise Broken("what was read is not what is wished again")


def _guard_lease(encoded: bytes) -> None:
    found = packets.read_lease(encoded)
    if packets.read_lease(packets.lease_packet(found, 0)) != found:
        raise Broken("what was read is not what is given again")


def _guard_latch(encoded: bytes) -> None:
    found = LatchRecord.parse(encoded)
    if found is None:
        raise FormatError("latch", "unknown, which is tripped")
    equal(encoded, found.to_bytes())


# --- what the offload process tells ----------------------------------------------------------------------------------


def _told() -> list[Target]:
    row = (int(ObjectKind.SEGMENT), bytes(32), bytes(range(32)), 7, "v", UTC_START_MS, UTC_START_MS)
    told: tuple[words.Words, ...] = (
        words.ReceiptsTold(
            store="s3://store:7443/room", mode=RetentionMode.COMPLIANCE, server_key=bytes(32), rows=(row,)
        ),
        words.StoreTold(store="s3://store:7443/room", code=EventCode.STORE_REFUSES, measured=(403,)),
        words.WitnessTold(statement=bytes(100)),
        words.OffloadAlive(
            store="s3://store:7443/room",
            waiting_objects=2,
            waiting_bytes=9,
            oldest_seconds=3,
            bytes_per_second=5,
            unreachable=130,
        ),
    )
    answers = [words.Answer(ok=True, seq=5, unknown=(bytes(32),)), words.Answer(ok=False, why="no")]
    return [
        _words("offload-words", _offload_words, [words.packet_of(one) for one in told]),
        _words("offload-answer", _offload_answer, [words.answer_packet(one) for one in answers]),
    ]


def _words(name: str, run: Run, corpus: Sequence[bytes]) -> Target:
    kept = [*corpus, *seeds.regression(name)]
    refusals = (BadPacket,)
    return Target(
        name=name, draw=values_of(kept), prepare=lambda _: run, refusals=refusals, share=20, seeds=tuple(kept)
    )


def _offload_words(encoded: bytes) -> None:
    equal(encoded, words.packet_of(words.parse(encoded)))


def _offload_answer(encoded: bytes) -> None:
    equal(encoded, words.answer_packet(words.parse_answer(encoded)))
