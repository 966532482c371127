"""The vectors of deterministic CBOR (FORMAT.md 2) and of the envelope (FORMAT.md 3.1).

Pure. Refused encodings are written out by hand, byte by byte, because no encoder of ours would make them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from liuhen import cbor, cose
from tests.signing import samples
from tests.signing.jsonlines import Json, diagnostic

CBOR_ACCEPTED: tuple[cbor.Value, ...] = (
    0,
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    (1 << 32) - 1,
    1 << 32,
    (1 << 64) - 1,
    -1,
    -24,
    -25,
    -(1 << 64),
    None,
    b"",
    b"\x00",
    bytes(24),
    "",
    "留痕",
    "e\u0301",
    (),
    (1, (2, (3, (4,)))),
    {},
    {0: {0: {0: {0: 0}}}},
    {0: 1, 9: b"\xff", 23: (None, "x", -5)},
)

# (rule of FORMAT.md 2, what is wrong, encoding)
CBOR_REFUSED: tuple[tuple[str, str, str], ...] = (
    ("1", "false", "f4"),
    ("1", "true", "f5"),
    ("1", "undefined", "f7"),
    ("1", "simple value 32", "f820"),
    ("1", "simple value 20 in two bytes", "f814"),
    ("1", "half float 1.0", "f93c00"),
    ("1", "single float 1.0", "fa3f800000"),
    ("1", "double float 1.1", "fb3ff199999999999a"),
    ("1", "tag 0, date text", "c0 74 323032362d30312d30315430303a30303a30305a"),
    ("1", "tag 1, epoch", "c11a00000000"),
    ("1", "tag 2, bignum 2^64", "c249010000000000000000"),
    ("1", "tag 2, bignum 1", "c24101"),
    ("1", "tag 28 and 29, an array that contains itself", "d81c81d81d00"),
    ("1", "tag 28 and 29, one array used twice", "82d81c80d81d00"),
    ("1", "tag 55799, self-described", "d9d9f700"),
    ("1", "tag inside a map", "a100c100"),
    ("1", "text that is not UTF-8", "61ff"),
    ("1", "text that ends inside a character", "61e7"),
    ("1", "text with a surrogate", "63eda080"),
    ("1", "text in an overlong encoding", "62c080"),
    ("2", "integer 0 in two bytes", "1800"),
    ("2", "integer 23 in two bytes", "1817"),
    ("2", "integer 255 in three bytes", "1900ff"),
    ("2", "integer 65535 in five bytes", "1a0000ffff"),
    ("2", "integer 2^32 - 1 in nine bytes", "1b00000000ffffffff"),
    ("2", "integer -1 in two bytes", "3800"),
    ("2", "byte string length in two bytes", "580100"),
    ("2", "text length in two bytes", "780161"),
    ("2", "array length in two bytes", "980100"),
    ("2", "map length in two bytes", "b8010000"),
    ("2", "map key in two bytes", "a1180000"),
    ("2", "indefinite byte string", "5f4101ff"),
    ("2", "indefinite text", "7f6161ff"),
    ("2", "indefinite array", "9f00ff"),
    ("2", "indefinite map", "bf0000ff"),
    ("3", "key 24", "a1181800"),
    ("3", "negative key", "a12000"),
    ("3", "text key", "a1616100"),
    ("3", "byte string key", "a1410000"),
    ("3", "null key", "a1f600"),
    ("3", "array key", "a18000"),
    ("3", "keys descend", "a201000000"),
    ("3", "key twice, same value", "a200000000"),
    ("3", "key twice, other value", "a200000001"),
    ("4", "five arrays deep", "818181818100"),
    ("4", "five maps deep", "a100a100a100a100a10000"),
    ("4", "five deep, empty at the end", "8181818180"),
    ("4", "a thousand deep", "81" * 1000 + "00"),
    ("5", "an item follows", "0000"),
    ("5", "a break follows", "00ff"),
    ("5", "nothing", ""),
    ("5", "head cut", "19"),
    ("5", "string cut", "4200"),
    ("5", "array cut", "8200"),
    ("5", "map without its value", "a100"),
    ("5", "array of 2^60 items announced", "9b1000000000000000"),
    ("5", "byte string of 2^64 - 1 bytes announced", "5bffffffffffffffff"),
    ("5", "additional information 28", "1c"),
    ("5", "additional information 31 on an integer", "1f"),
    ("5", "a lone break", "ff"),
)


def cbor_document() -> Json:
    """The whole of cbor.json."""
    return {
        "about": "FORMAT.md 2. accepted: encoding and value in diagnostic notation; rule: number of the broken rule.",
        "accepted": [{"hex": cbor.encode(value).hex(), "value": diagnostic(value)} for value in CBOR_ACCEPTED],
        "refused": [
            {"rule": rule, "name": name, "hex": encoding.replace(" ", "")} for rule, name, encoding in CBOR_REFUSED
        ],
    }


PAYLOAD = cbor.encode({0: 1, 9: b"liuhen"})
KIND = "stop"


def cose_document() -> Json:
    """The whole of cose.json."""
    return {
        "about": "FORMAT.md 3.1. A part of an envelope is hex, or {byte, times} where one byte repeats. Refused "
        "headers are signed as they are, so that only the header is wrong. Rule kid needs the key, the others do not.",
        "private_seed": samples.seed("device").hex(),
        "public_key": samples.DEVICE.public_key.hex(),
        "accepted": list(_accepted()),
        "refused": [{"rule": rule, "name": name, "parts": _parts(envelope)} for rule, name, envelope in _refused()],
    }


def _accepted() -> Iterator[Json]:
    largest = cose.ENTRY_LIMIT_BYTES - len(_envelope(payload=bytes(60_000))) + 60_000
    for name, payload in (("valid", PAYLOAD), ("empty payload", b""), ("65536 bytes", bytes(largest))):
        envelope = cose.sign(samples.DEVICE, KIND, payload)
        parsed = cose.parse(envelope, where=name)
        case: dict[str, Json] = {"name": name, "parts": _parts(envelope), "protected": parsed.protected.hex()}
        if len(payload) < 1000:
            structure = _bstr_array(parsed.protected, payload)
            case |= {"payload": payload.hex(), "sig_structure": structure.hex(), "signature": parsed.signature.hex()}
        yield case


def _refused() -> Iterator[tuple[str, str, bytes]]:
    yield from _refused_headers()
    yield from _refused_layouts()
    yield from _refused_sizes()


def _refused_headers() -> Iterator[tuple[str, str, bytes]]:
    content, kid = cose.content_type(KIND), cose.key_id(samples.DEVICE.public_key)
    headers: tuple[tuple[str, dict[int, cbor.Value]], ...] = (
        ("alg -19 (fully specified Ed25519)", {1: -19, 3: content, 4: kid}),
        ("alg -7", {1: -7, 3: content, 4: kid}),
        ("alg as text", {1: "EdDSA", 3: content, 4: kid}),
        ("no alg", {3: content, 4: kid}),
        ("no content type", {1: -8, 4: kid}),
        ("no kid", {1: -8, 3: content}),
        ("extra key 2 (crit)", {1: -8, 2: (3,), 3: content, 4: kid}),
        ("extra key 5 (iv)", {1: -8, 3: content, 4: kid, 5: b""}),
        ("content type as number", {1: -8, 3: 60, 4: kid}),
        ("kid of 31 bytes", {1: -8, 3: content, 4: kid[:-1]}),
        ("kid of 33 bytes", {1: -8, 3: content, 4: kid + b"\x00"}),
    )
    for name, header in headers:
        yield "protected", name, _envelope(protected=cbor.encode(header))
    yield "protected", "keys out of order", _envelope(protected=_header_in_order(4, 3, 1))
    yield "protected", "empty", _envelope(protected=b"")
    yield (
        "protected",
        "alg in two bytes",
        _envelope(protected=_header_in_order(1, 3, 4).replace(b"\x01\x27", b"\x01\x38\x07")),
    )
    for name in ("application/cbor", "application/vnd.liuhen.stop", "vnd.liuhen.stop+cbor"):
        header_bytes = cbor.encode({1: -8, 3: name, 4: kid})
        yield "content type", name, _envelope(protected=header_bytes)
    yield "kid", "kid of another key", _envelope(protected=_header(kid=cose.key_id(samples.NEXT_DEVICE.public_key)))


def _refused_layouts() -> Iterator[tuple[str, str, bytes]]:
    valid = _envelope()
    protected = _header()
    start = 2 + len(_bstr(protected))
    yield "layout", "tag 17", b"\xd1" + valid[1:]
    yield "layout", "tag 98 (COSE_Sign)", b"\xd8\x62" + valid[1:]
    yield "layout", "tag 18 in two bytes", b"\xd8\x12" + valid[1:]
    yield "layout", "no tag", valid[1:]
    yield "layout", "tag twice", b"\xd2" + valid
    yield "layout", "array of 3", b"\xd2\x83" + valid[2:-66]
    yield "layout", "array of 5", b"\xd2\x85" + valid[2:] + b"\xf6"
    yield "layout", "indefinite array", b"\xd2\x9f" + valid[2:] + b"\xff"
    yield "layout", "array length in two bytes", b"\xd2\x98\x04" + valid[2:]
    for name, unprotected in (
        ("unprotected kid", b"\xa1\x04\x40"),
        ("unprotected indefinite empty map", b"\xbf\xff"),
        ("unprotected map length in two bytes", b"\xb8\x00"),
        ("unprotected null", b"\xf6"),
    ):
        yield "layout", name, valid[:start] + unprotected + valid[start + 1 :]
    yield "layout", "protected as map", b"\xd2\x84" + protected + valid[start:]
    yield "layout", "payload null (detached)", valid[: start + 1] + b"\xf6" + valid[-66:]
    yield "layout", "payload as map", valid[: start + 1] + PAYLOAD + valid[-66:]
    indefinite = b"\x5f" + _bstr(PAYLOAD) + b"\xff"
    yield "layout", "payload indefinite", valid[: start + 1] + indefinite + valid[-66:]
    padded = b"\x58" + bytes([len(PAYLOAD)]) + PAYLOAD
    yield "minimal", "payload length in two bytes", valid[: start + 1] + padded + valid[-66:]
    yield "minimal", "protected length in three bytes", b"\xd2\x84\x59\x00" + valid[3:]
    yield "minimal", "signature length in three bytes", valid[:-66] + b"\x59\x00\x40" + valid[-64:]
    yield "minimal", "signature length in five bytes", valid[:-66] + b"\x5a\x00\x00\x00\x40" + valid[-64:]
    yield "layout", "signature length in nine bytes", valid[:-66] + b"\x5b" + bytes(7) + b"\x40" + valid[-64:]


def _refused_sizes() -> Iterator[tuple[str, str, bytes]]:
    valid = _envelope()
    yield "trailing", "a byte follows", valid + b"\x00"
    yield "trailing", "an envelope follows", valid + valid
    yield "cut", "nothing", b""
    yield "cut", "the last byte is missing", valid[:-1]
    yield "signature size", "signature of 63 bytes", valid[:-66] + b"\x58\x3f" + valid[-64:-1]
    yield "signature size", "signature of 65 bytes", valid[:-66] + b"\x58\x41" + valid[-64:] + b"\x00"
    yield "signature size", "no signature", valid[:-66] + b"\x40"
    largest = cose.ENTRY_LIMIT_BYTES - len(_envelope(payload=bytes(60_000))) + 60_000
    yield "limit", "65537 bytes", _envelope(payload=bytes(largest + 1))


def _header(*, kid: bytes | None = None) -> bytes:
    kid = cose.key_id(samples.DEVICE.public_key) if kid is None else kid
    return cbor.encode({1: cose.ALGORITHM_EDDSA, 3: cose.content_type(KIND), 4: kid})


def _header_in_order(*keys: int) -> bytes:
    """The protected header with its keys in another order than the ascending one."""
    members = {
        1: b"\x01\x27",
        3: b"\x03" + cbor.encode(cose.content_type(KIND)),
        4: b"\x04" + cbor.encode(cose.key_id(samples.DEVICE.public_key)),
    }
    return b"\xa3" + b"".join(members[key] for key in keys)


def _envelope(*, protected: bytes | None = None, payload: bytes = PAYLOAD) -> bytes:
    """An envelope of any header and payload, signed over them by the device key."""
    protected = _header() if protected is None else protected
    signature = samples.DEVICE.sign(_bstr_array(protected, payload))
    return b"\xd2\x84" + _bstr(protected) + b"\xa0" + _bstr(payload) + _bstr(signature)


def _bstr_array(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure, spelled out as FORMAT.md 3.1 has it."""
    return b"\x84\x6aSignature1" + _bstr(protected) + b"\x40" + _bstr(payload)


def _bstr(content: bytes) -> bytes:
    for first, width, limit in ((0x40, 0, 24), (0x58, 1, 1 << 8), (0x59, 2, 1 << 16), (0x5A, 4, 1 << 32)):
        if len(content) < limit:
            head = bytes([first + len(content)]) if width == 0 else bytes([first]) + len(content).to_bytes(width, "big")
            return head + content
    raise ValueError("too long")


def _parts(envelope: bytes) -> Json:
    """The envelope as hex, a long run of zeros written as its length."""
    zeros = envelope.find(bytes(1000))
    if zeros < 0:
        return [envelope.hex()]
    times = len(envelope) - zeros - len(envelope[zeros:].lstrip(b"\x00"))
    return [envelope[:zeros].hex(), {"byte": "00", "times": times}, envelope[zeros + times :].hex()]


def joined(parts: list[Any]) -> bytes:
    """The bytes of an envelope written as parts."""
    return b"".join(
        bytes.fromhex(part) if isinstance(part, str) else bytes.fromhex(part["byte"]) * part["times"] for part in parts
    )
