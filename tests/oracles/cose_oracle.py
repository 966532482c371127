"""Asks two independent COSE implementations, pycose and cwt, whether signed entries hold.

Runs under the Python of `.venv-oracles` and imports nothing of ours. Reads from standard input
{"public_key": hex of 32 bytes, "entries": [hex of COSE_Sign1, ...]} and writes to standard output
{"versions": {name: version}, "results": [{"pycose": verdict, "cwt": verdict}, ...]} in the order of the entries.
A verdict is {"valid": true, "payload": hex} or {"valid": false, "why": text}. Exit 2 when the question cannot be read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import cbor2
from cwt import COSE, COSEKey
from pycose.keys import OKPKey
from pycose.messages import CoseMessage, Sign1Message

Verdict = dict[str, Any]


def ask_pycose(entry: bytes, public_key: bytes) -> bytes:
    """The payload as pycose sees it; raises whatever pycose raises when the signature does not hold."""
    message = CoseMessage.decode(entry)
    if not isinstance(message, Sign1Message):
        raise TypeError(f"not a COSE_Sign1 but {type(message).__name__}")
    message.key = OKPKey(crv="ED25519", x=public_key, optional_params={"KEY_OPS": ["VERIFY"]})
    if not message.verify_signature():
        raise ValueError("the signature does not hold")
    return bytes(message.payload)


def ask_cwt(entry: bytes, public_key: bytes) -> bytes:
    """The payload as cwt sees it; raises whatever cwt raises when the signature does not hold."""
    # cwt picks the key by its kid, so the key is given the one the entry names; it has no say in the signature.
    key = {1: 1, 3: -8, -1: 6, -2: public_key}
    kid = _kid_of(entry)
    if kid is not None:
        key[2] = kid
    return bytes(COSE.new().decode(entry, COSEKey.new(key)))


def _kid_of(entry: bytes) -> bytes | None:
    protected = cbor2.loads(entry).value[0]
    header = cbor2.loads(protected) if protected else {}
    kid = header.get(4)
    return kid if isinstance(kid, bytes) else None


def verdict(ask: Callable[[bytes, bytes], bytes], entry: bytes, public_key: bytes) -> Verdict:
    """What one implementation answers; any exception of it is a no, with its words."""
    try:
        return {"valid": True, "payload": ask(entry, public_key).hex()}
    except Exception as error:  # noqa: BLE001 -- the libraries raise many kinds, and every one means "refused"
        return {"valid": False, "why": f"{type(error).__name__}: {error}"}


def main() -> int:
    """One question in, one answer out."""
    try:
        question = json.load(sys.stdin)
        public_key = bytes.fromhex(question["public_key"])
        entries = [bytes.fromhex(entry) for entry in question["entries"]]
    except (ValueError, KeyError, TypeError) as error:
        print(f"cose_oracle: the question cannot be read: {error!r}", file=sys.stderr)
        return 2
    results = [
        {"pycose": verdict(ask_pycose, entry, public_key), "cwt": verdict(ask_cwt, entry, public_key)}
        for entry in entries
    ]
    json.dump({"versions": {name: version(name) for name in ("pycose", "cwt")}, "results": results}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
