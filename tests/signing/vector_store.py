"""The vectors of what stands in a store (FORMAT.md 12): names, a slice, statements, an encrypted record. Pure."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from liuhen import cose, entry, records, sealed_records, store_names
from liuhen.entry import Position
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.kinds import Access, Enrolment, Run, Witness
from liuhen.registry import RunCause
from liuhen.store_statements import objects_copied, sign_access, sign_witness
from tests.signing import samples
from tests.signing.jsonlines import Json

URLS = ("s3://store.example/evidence", "s3://store.example:7443/evidence", "file:/srv/evidence")
RESPELT = {"s3://STORE.example/evidence/": URLS[0], "file:///srv/evidence/": URLS[2]}
REFUSED_URLS = (
    "https://store.example/evidence",
    "s3://name:secret@store.example/evidence",
    "s3://store.example",
    "s3://store.example/a/b",
    "s3://store.example/evidence?x=1",
    "file:relative",
)
RECORD = records.make("案号：（2026）第 1 号".encode(), salt=samples.filler("salt of the sealed record"))


def document() -> Json:
    """The whole of store.json."""
    return {
        "about": "FORMAT.md 12. respelt: other spellings of a URL and the one that is hashed. The content of each "
        "object is hex; key is its name in a store.",
        "urls": [{"url": url, "store": _store(url).hex()} for url in URLS],
        "respelt": [{"url": url, "is": meant} for url, meant in RESPELT.items()],
        "refused_urls": list(REFUSED_URLS),
        "slice": _slice(),
        "names": [_named(name) for name in _names()],
        "witness": _witness(),
        "access": _access(),
        "record": _record(),
    }


def witness_statement() -> Witness:
    """What the witness of the vectors says."""
    return Witness(
        version=1,
        log_id=samples.LOG_ID,
        store=_store(URLS[0]),
        size=2,
        root=samples.filler("root of two"),
        utc_ms=samples.UTC_MS + 1000,
        media=tuple(sorted((samples.filler("one file"), samples.filler("other file")))),
    )


def access_statement() -> Access:
    """What the custodian of the vectors says."""
    return Access(
        version=1,
        log_id=samples.LOG_ID,
        utc_ms=samples.UTC_MS + 2000,
        actor="张三",
        purpose="复议审查",
        approval="（2026）第 12 号",
        sessions=(samples.SESSION_ID,),
        objects=objects_copied((samples.filler("one file"), samples.filler("other file"))),
    )


def custodian(name: str) -> X25519PrivateKey:
    """The published X25519 key of a custodian."""
    return X25519PrivateKey.from_private_bytes(samples.seed(f"custodian {name}"))


def slice_bytes() -> bytes:
    """Entries 0 and 1 of a journal."""
    first = _entry(Enrolment(public_key=samples.DEVICE.public_key, endorsements=(), spool_id=bytes(16)), 0, ZERO_HASH)
    run = Run(cause=RunCause.FIRST, software=samples.SOFTWARE, config_hash=samples.filler("configuration"))
    return first + _entry(run, 1, sha256(first))


def _entry(body: Enrolment | Run, seq: int, prev: bytes) -> bytes:
    at = Position(log_id=samples.LOG_ID, run=1, seq=seq, prev=prev)
    return entry.make(
        body, at=at, clock=samples.clock_at(seq * 10**9), session_id=None, seen=None, signer=samples.DEVICE
    )


def _store(url: str) -> bytes:
    return store_names.store_hash(store_names.parse_store_url(url))


def _slice() -> Json:
    octets = slice_bytes()
    name = store_names.SliceName(log_id=samples.LOG_ID, first=0, last=1, digest=hashlib.sha256(octets).digest())
    return {"key": store_names.key_of(name), "content": octets.hex()}


def _names() -> list[store_names.Name]:
    log_id, digest = samples.LOG_ID, samples.filler("an object")
    session, at = samples.SESSION_ID, datetime(2026, 11, 29, 1, 2, 3, tzinfo=UTC)
    return [
        store_names.CheckpointName(log_id=log_id, size=7, digest=digest),
        store_names.RecordName(log_id=log_id, commitment=RECORD.commitment, digest=digest),
        store_names.MediaName(log_id=log_id, session=session, number=12, digest=digest),
        store_names.QuarantineName(log_id=log_id, session=session, number=12, digest=digest),
        store_names.BeaconName(log_id=log_id, at=at, digest=digest),
        store_names.WitnessName(log_id=log_id, size=7, digest=digest),
        store_names.AccessName(log_id=log_id, at=at, digest=digest),
    ]


def _named(name: store_names.Name) -> Json:
    return {"kind": type(name).__name__.removesuffix("Name").lower(), "key": store_names.key_of(name)}


def _witness() -> Json:
    signer = samples.signer("witness")
    octets = sign_witness(signer, witness_statement())
    return {
        "private_seed": samples.seed("witness").hex(),
        "public_key": signer.public_key.hex(),
        "kid": cose.key_id(signer.public_key).hex(),
        "statement": octets.hex(),
    }


def _access() -> Json:
    signer = samples.signer("custodian")
    return {
        "private_seed": samples.seed("custodian").hex(),
        "public_key": signer.public_key.hex(),
        "objects": [samples.filler("one file").hex(), samples.filler("other file").hex()],
        "statement": sign_access(signer, access_statement()).hex(),
    }


def _record() -> Json:
    privates = [custodian("one"), custodian("two")]
    publics = [private.public_key().public_bytes_raw() for private in privates]
    octets = RECORD.to_bytes()
    derived = sealed_records.derive(octets, publics)
    ephemeral = derived.ephemeral.public_key().public_bytes_raw()
    sealed = sealed_records.seal(octets, publics)
    rows: list[Json] = []
    for private, public in zip(privates, publics, strict=True):
        shared = derived.ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
        rows.append(
            {
                "private_key": private.private_bytes_raw().hex(),
                "public_key": public.hex(),
                "recipient": sealed_records.recipient_id(public).hex(),
                "shared_secret": shared.hex(),
                "wrapping_key": sealed_records.wrapping_key(shared, ephemeral=ephemeral, recipient=public).hex(),
            }
        )
    digest = hashlib.sha256(sealed).digest()
    name = store_names.RecordName(log_id=samples.LOG_ID, commitment=RECORD.commitment, digest=digest)
    return {
        "record_file": octets.hex(),
        "commitment": RECORD.commitment.hex(),
        "recipients": rows,
        "ephemeral_private_key": derived.ephemeral.private_bytes_raw().hex(),
        "ephemeral_public_key": ephemeral.hex(),
        "content_key": derived.content_key.hex(),
        "nonce": derived.nonce.hex(),
        "key": store_names.key_of(name),
        "content": sealed.hex(),
    }
