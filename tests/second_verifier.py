"""Check an archive against the hash, seal and chain rules of FORMAT.md, without any code of the recorder.

Usage: second_verifier.py ARCHIVE_DIR. Prints "ok" and a line of JSON, or the first broken rule with its section.
"""
import json
import re
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace as Log
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P, L, ZERO = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, bytes(32)
Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
BOXES = {b"ftyp": "f", b"moov": "m", bytes.fromhex("2100a8ad39ef1f522dbac62968b6cb4e"): "i", b"prft": "p",
         b"moof": "o", b"mdat": "d", bytes.fromhex("34af347f03b0f8216fb3e286fd51625d"): "s"}  # fmt: skip

def must(section: str, where: str, **rules: object) -> None:
    if broken := [name for name, holds in rules.items() if not holds]:
        raise ValueError(f"FORMAT.md {section}: {where}: {', '.join(broken)}")

def sha(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()

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
    must("2", where, deterministic=plain(value, 1) and cbor2.dumps(value, canonical=True) == data)
    return value

def envelope(data: bytes, key: bytes, where: str) -> tuple[str, Any, bytes, bytes]:
    """Kind, payload, bytes and key of the COSE_Sign1 (3) that data begins with; an unknown key is taken from it."""
    protected, _, payload, signature = cbor2.loads(data).value
    middle = [cbor2.dumps(protected), cbor2.dumps(payload)]
    raw = b"\xd2\x84" + b"\xa0".join(middle) + b"\x58\x40" + signature
    must("3.1", where, shape=data.startswith(raw) and len(signature) == 64, size=len(raw) <= 65536)
    header, p = decode(protected, where), decode(payload, where)
    kind = re.findall(r"^application/vnd\.liuhen\.([a-z0-9-]+)\+cbor\Z", header[3])
    must("3.1", where, header=list(header) == [1, 3, 4] and header[1] == -8, content_type=kind, version=p[0] == 1)
    key = p[11] if kind == ["key"] and p[9] == 3 else key or p[9]
    must("5.3.1", where, key_in_force=len(key) == 32 and header[4] == sha(key))
    y, r, s = (int.from_bytes(x, "little") for x in (key, signature[:32], signature[32:]))
    must("3.2.1-2", where, public_key=y % 2**255 < P and y % 2**255 not in (0, 1, P - 1, Y8, P - Y8))
    must("3.2.3-4", where, S=s < L, R=r % 2**255 < P and r not in (2**255 + 1, 2**255 + P - 1))
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, b"\x84\x6aSignature1" + b"\x40".join(middle))
    except Exception:
        must("3.2.5", where, signature=False)
    return kind[0], p, raw, key

def tree(leaves: list[bytes]) -> bytes:
    half = 1 << (len(leaves) - 1).bit_length() >> 1
    return leaves[0] if half == 0 else sha(b"\1", tree(leaves[:half]), tree(leaves[half:]))

def entry(log: Log, data: bytes) -> int:
    n, where = len(log.heads), f"entry {len(log.heads)}"
    kind, p, raw, key = envelope(data, log.key, where)
    must("5.3.1", where, kind=(kind == "enrolment") == (n == 0) and kind not in ("seal", "endorsement"))
    rise = p[2] > log.run and kind in ("run", "recovered", "key")
    must("5.1", where, seq=p[3] == n, prev=p[4] == log.heads[-1], log_id=log.id in (None, p[1]), run=rise or p[2] == log.run)
    log.heads.append(sha(raw))
    log.leaves.append(sha(b"\0", raw))
    log.id, log.run, log.key, log.keys = p[1], p[2], key, log.keys | {(p[2], key)}
    if kind == "key":
        log.key = p[11] or (ZERO if p[9] == 1 else key)
    elif kind == "session":
        must("5.3.3", where, id=log.sessions.setdefault(p[5], []) == [], ordinal=p[9] == len(log.sessions))
    elif kind == "segment":
        last = [s[14] for s in log.sessions[p[5]]] or [ZERO]
        must("5.3.4", where, number=p[9] == len(log.sessions[p[5]]), previous=p[21] == last[-1])
        log.sessions[p[5]].append(p)
    elif kind == "destroyed":
        log.destroyed |= {digest for what, digest in p[9] if what == 1}
    elif kind == "checkpoint":
        must("5.3.7", where, size=p[9] == n, root=p[10] == tree(log.leaves[:n]))
    return len(raw)

def segment(log: Log, path: Path, p: Any, floor: list[int], same: dict[int, Any]) -> int:
    """Number of fragments; statement p is None for a file that has none and counts up to its last whole seal."""
    data, where, at, boxes = path.read_bytes(), f"{path.parent.name}/{path.name}", 0, []
    while 8 <= (size := int.from_bytes(data[at : at + 4], "big")) <= len(data) - at:
        kind = data[at + 8 : at + 24] if data[at + 4 : at + 8] == b"uuid" else data[at + 4 : at + 8]
        boxes.append((BOXES.get(kind, "?"), at, at := at + size))
    layout, letters = "fmi(pods)*s?" if p else "f?|fm|fmi(pods)*(s?|p|po|pod)", "".join(box[0] for box in boxes)
    must("6.4", where, missing_bytes=not p or len(data) >= p[10])
    must("6.1", where, boxes=re.fullmatch(layout, letters) and (at == len(data) or not p), size=len(data) <= 2**26)
    if letters[:3] != "fmi":
        return 0
    start, rows, seals = boxes[2][2], [], [box for box in boxes if box[0] == "s"]
    identity, r = decode(data[boxes[2][1] + 24 : start], where), [sha(b"\2", data[:start])]
    for _, at, end in seals:
        rows.append([at - start, sha(b"\0", data[start:at]), end - at, sha(b"\4", data[at + 24 : end])])
        r.append(sha(b"\1", r[-1], rows[-1][1]))
        must("6.1", where, fragment_size=at - start <= 2**24, seal_size=end - at <= 24 + 1024)
        start = end
    found = {10: len(data), 11: sha(data), 12: r[0], 13: rows, 14: r[-1], 21: identity[12]}
    must("6.4", where, statement=not p or all(p[k] == found[k] for k in found))
    same |= {1: log.id, 2: identity[2]}
    must("6.2", where, fields=all(identity[k] == same[k] for k in same), key=(identity[2], identity[10]) in log.keys)
    del same[12], same[13], same[14]
    for i, (_, at, end) in enumerate(seals, 1):
        kind, s, raw, _ = envelope(data[at + 24 : end], identity[10], f"{where} seal {i}")
        same |= {10: i, 11: r[i], 12: at}
        must("6.3", f"{where} seal {i}", kind=kind == "seal", box=len(raw) == end - at - 24, fields=all(s[k] == same[k] for k in same),
             head=log.heads[s[13][0] + 1 :][:1] == s[13][1:], end=s[18] is None or end == len(data),
             falls=all(a <= b for a, b in zip(floor, [s[13][0], s[14], s[15]])), empty=rows[i - 1][0] or s[18] is not None)
        floor[:] = [s[13][0], s[14], s[15]]
    return len(seals)

def main(root: Path) -> dict[str, Any]:
    log, folder = Log(heads=[ZERO], leaves=[], key=b"", id=None, run=1, keys=set(), sessions={}, destroyed=set()), root / "journal"
