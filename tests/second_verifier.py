"""Check ARCHIVE_DIR against the hash, seal and chain rules of FORMAT.md without any code of the recorder."""
import json
import re
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace as State
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P, Y8 = 2**255 - 19, 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
BAD_Y = {0, 1, P - 1, Y8, P - Y8, *range(P, 2**255)}  # of keys of small order (Y8: order 8) or not canonical
BOXES = {b"ftyp": "f", b"moov": "m", bytes.fromhex("2100a8ad39ef1f522dbac62968b6cb4e"): "i", b"prft": "p",
         b"moof": "o", b"mdat": "d", bytes.fromhex("34af347f03b0f8216fb3e286fd51625d"): "s"}
LOG = State(at="1", head=bytes(32), id=None, run=1, key=b"", keys=set(), raws=[], sessions={}, gone=set(),
            ended=set(), terms={}, holds=set(), usurped=False, placed={}, due=set(), owed=set(),
            kept={}, orders={}, seen=set())
def must(section: str, **rules: object) -> None:
    if broken := [name for name, holds in rules.items() if not holds]:
        raise ValueError(f"{section}: {', '.join(broken)}")
def sha(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()
def tree(entries: list[bytes]) -> bytes:
    half = 1 << (len(entries) - 1).bit_length() >> 1
    return sha(b"\1", tree(entries[:half]), tree(entries[half:])) if half else sha(b"\0", entries[0])
def plain(x: Any, level: int = 1) -> bool:
    if type(x) in (list, dict):
        inner = x if type(x) is list else [*x, *x.values()] if x.keys() <= {*range(24)} else [x]
        return level < 5 and all(plain(v, level + 1) for v in inner)
    return x is None or type(x) in (bytes, str) or (type(x) is int and -(2**64) <= x < 2**64)
def decode(data: bytes) -> Any:
    must("2", deterministic=plain(value := cbor2.loads(data)) and cbor2.dumps(value, canonical=True) == data)
    return value

def envelope(data: bytes, key: bytes) -> tuple[str, Any, bytes, bytes]:
    protected, _, payload, signature = cbor2.loads(data).value
    middle = [cbor2.dumps(protected), cbor2.dumps(payload)]
    raw = b"\xd2\x84" + b"\xa0".join(middle) + b"\x58\x40" + signature
    must("3.1", shape=data.startswith(raw) and len(signature) == 64)
    header, p = decode(protected), decode(payload)
    kind = re.findall(r"^application/vnd\.liuhen\.([a-z0-9-]+)\+cbor\Z", header[3])
    must("3.1", header=list(header) == [1, 3, 4] and header[1] == -8, content_type=kind, version=p[0] == 1)
    key = p[11] if kind == ["key"] and p[9] in (3, 4) else key or p[9]  # acts 3, 4, entry 0 (5.3.1)
    must("3", kid=header[4] == sha(key), public_key=int.from_bytes(key, "little") % 2**255 not in BAD_Y)
    Ed25519PublicKey.from_public_bytes(key).verify(signature, b"\x84\x6aSignature1" + b"\x40".join(middle))
    return kind[0], p, raw, key

def keeping(kind: str, p: Any, n: int) -> None:
    LOG.ended |= {p[5]} if kind == "session-end" else set()
    LOG.usurped = p[9] == 3 if kind == "key" and p[9] in (3, 4) else LOG.usurped
    if kind == "retention":
        until = float("inf") if p[10] is None else p[10]
        must("5.6.1", extends=until > LOG.terms.get(p[9], float("-inf")))
        LOG.terms[p[9]] = until
    elif kind == "hold":
        hold = (n if p[9] == 0 else p[11], p[10])
        must("5.6.2", pairs=p[11] is None if p[9] == 0 else p[9] == 1 and hold in LOG.holds)
        LOG.holds ^= {hold}
    elif kind == "destroyed":
        must("5.6.3", ended=p[5] in LOG.ended, held=not {p[5], None} & {session for _, session in LOG.holds},
             term=p[6][0] - p[6][4] >= LOG.terms.get(p[5], float("inf")), sync=p[6][3] == 2, key=not LOG.usurped)
        LOG.gone |= {(p[5], digest) for what, digest in p[9] if what == 1}

def store(kind: str, p: Any, n: int) -> None:
    LOG.seen |= {tuple(p[8])} if p[8] else set()
    LOG.kept |= {n: p} if kind == "receipt" else {}
    LOG.orders |= {n: (p[9], p[10])} if kind == "order" else {}
    if kind == "reclaimed":
        must("5.8.3", receipts=p[10] == sorted({*p[10]} & {*LOG.kept}), order=p[12] is None or p[12] in LOG.orders)
        why = LOG.orders.get(p[12]) in ((1, None), (1, p[5])) or (p[11] and tuple(p[11]) in LOG.seen)
        free = p[5] in LOG.ended and not {p[5], None} & {session for _, session in LOG.holds} and not LOG.usurped
        good, floor = (term := LOG.terms.get(p[5])) == float("inf"), p[6][0] + 1
        for digest in [digest for what, digest in p[9] if what == 1 and why and free and term is not None]:
            stores = {(r[9], r[12]) for r in map(LOG.kept.get, p[10]) if r[10] and r[11] in (2, 3) for o in r[13]
                      if o[:2] == [1, digest] and o[5] is not None and o[5] >= (floor if good else term)}
            names, servers = {name for name, _ in stores}, {key for _, key in stores}
            apart = not good or len(servers) > 1 or servers == {None}
            LOG.gone |= {(p[5], digest)} if len(names) > good and apart else set()

def room(kind: str, p: Any, n: int) -> None:
    due = kind in ("gap", "session-end") or (kind == "refusal" and p[9] not in range(11, 19))
    LOG.due |= {n} if due or (kind == "event" and p[9] == 162) else set()
    if kind == "inhibition":
        must("5.7.1", at=p[11][0] == p[6][2] and p[11][1] <= p[6][1], placed=(p[12] is None) == (p[10] == 0))
        code, boot, at_ns, over = LOG.placed.setdefault(n if p[10] == 0 else p[12], (0, b"", 0, True))
        if p[10] == 0:
            LOG.placed[n] = (p[9], *p[11], False)
        else:
            must("5.7.1", code=code == p[9], once=p[10] == 1 or not over,
                 order=p[10] == 1 or boot != p[11][0] or at_ns <= p[11][1])
            LOG.placed[p[12]] = (code, boot, at_ns, over or p[10] == 2)
    elif kind == "duty":
        duty = (n if p[10] == 0 else p[11], p[9])
        must("5.7.4", due=p[10] or p[11] in LOG.due, open=p[10] == 0 or duty in LOG.owed,
             given=(p[10], p[9]) != (1, 2) or p[12])
        LOG.owed ^= {duty}

def entry(data: bytes) -> int:
    LOG.at = f"5, entry {(n := len(LOG.raws))}"
    kind, p, raw, key = envelope(data, LOG.key)
    must("5.3.1", kind=(kind == "enrolment") == (n == 0) and kind not in ("seal", "endorsement"),
         key=kind != "key" or p[9] not in (0, 3, 4) or (p[9] == 4) == (p[11] in {known for _, known in LOG.keys}))
    must("5.1", seq=p[3] == n, prev=p[4] == LOG.head, log_id=LOG.id in (None, p[1]),
         run=p[2] == LOG.run or (p[2] > LOG.run and kind in ("run", "recovered", "key")))
    must("5.3.7", root=kind != "checkpoint" or (p[9] == n and p[10] == tree(LOG.raws)))
    LOG.id, LOG.run, LOG.head, LOG.keys = p[1], p[2], sha(raw), LOG.keys | {(p[2], key)}
    LOG.key = key if kind != "key" else p[11] or (bytes(32) if p[9] == 1 else key)
    keeping(kind, p, n)
    room(kind, p, n)
    store(kind, p, n)
    if kind == "session":
        must("5.3.3", id=LOG.sessions.setdefault(p[5], []) == [], ordinal=p[9] == len(LOG.sessions))
    elif kind == "segment":
        LOG.sessions[p[5]].append(p)
    LOG.raws.append(raw)
    return len(raw)

def segment(data: bytes, p: Any, floor: list[int], same: dict[int, Any]) -> int:
    at, boxes, rows = 0, list[tuple[str, int, int]](), list[Any]()
    while 8 <= (size := int.from_bytes(data[at : at + 4], "big")) <= len(data) - at:
        kind = data[at + 8 : at + 24] if data[at + 4 : at + 8] == b"uuid" else data[at + 4 : at + 8]
        boxes.append((BOXES.get(kind, "?"), at, at := at + size))
    must("6.1", boxes=re.fullmatch("f?|fm|fmi(pods)*(s?|p|po|pod)", "".join(box[0] for box in boxes)))
    if len(boxes) < 3 and not p:  # p is the statement, None without one: then the file may end anywhere
        return 0
    identity, start = decode(data[boxes[2][1] + 24 : boxes[2][2]]), boxes[2][2]
    must("6.2", fields=all(identity[k] == same[k] for k in same), key=(identity[2], identity[10]) in LOG.keys)
    r = [sha(b"\2", data[:start])]
    for i, (_, at, end) in enumerate((box for box in boxes if box[0] == "s"), 1):
        rows.append([at - start, sha(b"\0", data[start:at]), end - at, sha(b"\4", data[at + 24 : end])])
        r.append(sha(b"\1", r[-1], rows[-1][1]))
        must("6.4", row=not p or p[13][i - 1 : i] == rows[-1:])
        name, s, raw, _ = envelope(data[at + 24 : end], identity[10])
        same, now = {**same, 2: identity[2], 10: i, 11: r[i], 12: at}, [s[13][0], s[14], s[15]]
        must("6.3", kind=name == "seal", fields=all(s[k] == same[k] for k in (0, 1, 2, 5, 9, 10, 11, 12)),
             size=len(raw) == end - at - 24 <= 1024, counts=[*map(max, floor, now)] == now,
             keys={*s} == {0, 1, 2, 5, *range(9, 19)}, head=s[13][1:] == [*map(sha, LOG.raws[now[0] :][:1])],
             end=(end == len(data) or s[18] is None) and (start < at or s[18] is not None))
        floor[:], start = now, end
    facts = [len(data), sha(data), r[0], rows, r[-1], [start, *floor[1:]]]
    must("6.4", statement=not p or facts == [*(p[k] for k in range(10, 15)), [p[10], sum(p[15]), sum(p[16])]])
    return len(rows)

def main(root: Path) -> str:
    found = sorted(str(f.relative_to(root)) for f in root.rglob("*") if f.is_file() and not f.is_symlink())
    files = [f for f in found if re.fullmatch(r"journal/[0-9]{8}\.cbor", f)]
    must("1.1", journal=files and files == [f"journal/{i:08d}.cbor" for i in range(len(files))])
    for data in [(root / f).read_bytes() for f in files]:
        at = 0
        while at < len(data):
            at += entry(data[at : at + 65536])
    files, counts = [f for f in found if re.fullmatch(r"sessions/[0-9a-f]{32}/[0-9]{6}\.mp4", f)], []
    for session, statements in LOG.sessions.items():
        last, floor = bytes(32), [0, 0, 0]
        for i, p in enumerate([*statements, None]):
            LOG.at = "6, " + (name := f"sessions/{session.hex()}/{i:06d}.mp4")
            must("5.3.4", number=not p or p[9] == i, previous=not p or p[21] == last)
            must("6.4", missing=name in files or not p or (session, p[11]) in LOG.gone)
            if name in files:
                same = {0: 1, 1: LOG.id, 5: session, 9: i, 12: last, 13: floor[1], 14: floor[2]}
                counts.append(segment((root / name).read_bytes(), p, floor, same))
            last, floor = (p[14], [floor[0], sum(p[15]), sum(p[16])]) if p else (last, floor)
    must("5.3", enrolment=LOG.raws, segments_without_entry=len(files) == len(counts))
    for name in (f for f in found if re.fullmatch(r"records/[0-9a-f]{64}\.record", f)):
        must("5.5", **{name: sha(b"\3", (root / name).read_bytes()).hex() == name[8:72]})
    return json.dumps({"entries": len(LOG.raws), "head": LOG.head.hex(),
                       "sessions": len(LOG.sessions), "segments": len(counts), "fragments": sum(counts)})

if __name__ == "__main__":
    try:
        sys.stdout.write(f"ok\n{main(Path(sys.argv[1]))}\n")
    except Exception as error:  # noqa: BLE001
        sys.exit(f"FORMAT.md {str(error) or '3.2.5: signature'} (in section {LOG.at})")
