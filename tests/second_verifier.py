"""Check an archive against the hash, seal and chain rules of FORMAT.md, without any code of the recorder.

Usage: second_verifier.py ARCHIVE_DIR. Prints "ok" and a line of JSON, or the first broken rule with its section.
"""
import hashlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace as Log
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P, L, ZERO = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, bytes(32)
Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
BOXES = {b"ftyp": "f", b"moov": "m", bytes.fromhex("2100a8ad39ef1f522dbac62968b6cb4e"): "i", b"prft": "p",
         b"moof": "o", b"mdat": "d", bytes.fromhex("34af347f03b0f8216fb3e286fd51625d"): "s"}  # fmt: skip

def must(holds: bool, section: str, what: str) -> None:
    if not holds:
        raise ValueError(f"FORMAT.md {section}: {what}")

def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()

def names(folder: Path, pattern: str) -> list[str]:
    found = folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ()
    return sorted(p.name for p in found if re.fullmatch(pattern, p.name) and not p.is_symlink())

def plain(x: Any, level: int) -> bool:
    if type(x) is dict:
        return level < 5 and all(type(k) is int and 0 <= k < 24 and plain(x[k], level + 1) for k in x)
    if type(x) is list:
        return level < 5 and all(plain(v, level + 1) for v in x)
    return x is None or type(x) in (bytes, str) or (type(x) is int and -(2**64) <= x < 2**64)

def decode(data: bytes, where: str) -> Any:
    value = cbor2.loads(data)
    must(plain(value, 1) and cbor2.dumps(value, canonical=True) == data, "2", f"{where}: not deterministic CBOR")
    return value

def envelope(data: bytes, key: bytes, where: str) -> tuple[str, Any, bytes, bytes]:
    """Kind, payload, verified key and bytes of the COSE_Sign1 that data begins with; an empty key is taken from it."""
    protected, _, payload, signature = cbor2.loads(data).value
    middle = [cbor2.dumps(protected), cbor2.dumps(payload)]
    raw = b"\xd2\x84" + b"\xa0".join(middle) + b"\x58\x40" + signature
    must(data.startswith(raw) and len(signature) == 64 and len(raw) <= 65536, "3.1", f"{where}: shape")
    header, p = decode(protected, where), decode(payload, where)
    kind = (re.findall(r"^application/vnd\.liuhen\.([a-z0-9-]+)\+cbor\Z", header[3]) or [""])[0]
    must(list(header) == [1, 3, 4] and header[1] == -8 and kind and p[0] == 1, "3.1", f"{where}: header or version")
    key = p[11] if kind == "key" and p[9] == 3 else key or p[9]
    y, r, s = (int.from_bytes(x, "little") for x in (key, signature[:32], signature[32:]))
    must(len(key) == 32 and header[4] == sha(key), "5.3.1", f"{where}: not by the key in force")
    must(y % 2**255 < P and y % 2**255 not in (0, 1, P - 1, Y8, P - Y8), "3.2.1", f"{where}: public key")
    must(s < L and r % 2**255 < P and r not in (2**255 + 1, 2**255 + P - 1), "3.2.3", f"{where}: signature")
    Ed25519PublicKey.from_public_bytes(key).verify(signature, b"\x84\x6aSignature1" + b"\x40".join(middle))
    return kind, p, key, raw

def tree(leaves: list[bytes]) -> bytes:
    half = 1 << (len(leaves) - 1).bit_length() >> 1
    return leaves[0] if len(leaves) == 1 else sha(b"\1", tree(leaves[:half]), tree(leaves[half:]))

def entry(log: Log, data: bytes) -> int:
    n, where = len(log.heads), f"entry {len(log.heads)}"
    kind, p, key, raw = envelope(data, log.key, where)
    must((kind == "enrolment") == (n == 0) and kind not in ("seal", "endorsement"), "5.3.1", f"{where}: {kind}")
    must(p[3] == n, "5.1", f"{where}: seq is {p[3]}")
    must([p[1], p[4]] == ([log.id, log.heads[-1]] if n else [p[1], ZERO]), "5.1", f"{where}: log_id or prev")
    must(p[2] == log.run or (p[2] > log.run and kind in ("run", "recovered", "key")), "5.1", f"{where}: run")
    log.id, log.run, log.key, log.keys = p[1], p[2], key, log.keys | {(p[2], key)}
    if kind == "key":
        log.key = p[11] or (ZERO if p[9] == 1 else key)
    elif kind == "session":
        must(log.sessions.setdefault(p[5], []) == [] and p[9] == len(log.sessions), "5.3.3", where)
    elif kind == "segment":
        last = [s[14] for s in log.sessions[p[5]]] or [ZERO]
        must(p[9] == len(log.sessions[p[5]]) and p[21] == last[-1], "5.3.4", f"{where}: number or previous")
        log.sessions[p[5]].append(p)
    elif kind == "destroyed":
        log.destroyed |= {digest for what, digest in p[9] if what == 1}
    elif kind == "checkpoint":
        must(p[9] == n and p[10] == tree([sha(b"\0", e) for e in log.raw]), "5.3.7", f"{where}: size or root")
    log.heads.append(sha(raw))
    return len(raw)

def segment(log: Log, path: Path, p: Any, floor: list[int], same: dict[int, Any]) -> int:
    """Fragments of one file, checked against its statement p, or without one up to its last whole seal."""
    data, where, at, boxes = path.read_bytes(), f"{path.parent.name}/{path.name}", 0, []
    must(not p or len(data) >= p[10], "6.4", f"{where}: bytes are missing")
    while 8 <= (size := int.from_bytes(data[at : at + 4], "big")) <= len(data) - at:
        kind = data[at + 8 : at + 24] if data[at + 4 : at + 8] == b"uuid" else data[at + 4 : at + 8]
        boxes.append((BOXES.get(kind, "?"), at, at := at + size))
    layout, letters = "fmi(pods)*s?" if p else "f?|fm|fmi(pods)*(s?|p|po|pod)", "".join(box[0] for box in boxes)
    must(bool(re.fullmatch(layout, letters)) and (at == len(data) or not p), "6.1", f"{where}: boxes {letters[-20:]}")
    if letters[:3] != "fmi":
        return 0
    start, rows, seals = boxes[2][2], [], [box for box in boxes if box[0] == "s"]
    identity, r = decode(data[boxes[2][1] + 24 : start], where), [sha(b"\2", data[:start])]
    for _, at, end in seals:
        rows.append([at - start, sha(b"\0", data[start:at]), end - at, sha(b"\4", data[at + 24 : end])])
        r.append(sha(b"\1", r[-1], rows[-1][1]))
        must(at - start <= 2**24 and end - at <= 1024 + 24 and end <= 2**26, "6.1", f"{where}: too large")
        start = end
    if p:
        found = {10: len(data), 11: sha(data), 12: r[0], 13: rows, 14: r[-1], 21: identity[12]}
        must(all(p[k] == v for k, v in found.items()), "6.4", f"{where}: statement")
        must([p[15][0], p[16][0]] == floor[1:], "5.4", f"{where}: first index")
    same |= {1: log.id, 2: identity[2]}
    must(all(identity[k] == v for k, v in {**same, 13: floor[1], 14: floor[2]}.items()), "6.2", f"{where}: identity")
    must(same[2], identity[10]) in log.keys
    for i, (_, at, end) in enumerate(seals, 1):
        _, seal, _, raw = envelope(data[at + 24 : end], identity[10], f"{where} seal {i}")
    return len(seals)
