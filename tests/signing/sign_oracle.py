"""Asks pycose and cwt to sign what liuhen signs, to compare the bytes.

Runs under the Python of `.venv-oracles` and imports nothing of ours. Reads from standard input
{"seed": hex, "public_key": hex, "kid": hex, "questions": [{"content_type": text, "payload": hex}, ...]} and writes to
standard output [{"pycose": hex, "cwt": hex}, ...].
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from cwt import COSE, COSEKey
from pycose.headers import KID, Algorithm, ContentType
from pycose.keys import OKPKey
from pycose.messages import Sign1Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signs."""

    seed: bytes
    public_key: bytes
    kid: bytes


def by_pycose(who: Identity, content_type: str, payload: bytes) -> bytes:
    """The envelope as pycose makes it."""
    headers = {Algorithm: "EDDSA", ContentType: content_type, KID: who.kid}
    message = Sign1Message(phdr=headers, uhdr={}, payload=payload)
    message.key = OKPKey(crv="ED25519", x=who.public_key, d=who.seed)
    return bytes(message.encode())


def by_cwt(who: Identity, content_type: str, payload: bytes) -> bytes:
    """The envelope as cwt makes it."""
    key = COSEKey.new({1: 1, 2: who.kid, 3: -8, -1: 6, -2: who.public_key, -4: who.seed})
    headers = {1: -8, 3: content_type, 4: who.kid}
    return bytes(COSE.new().encode_and_sign(payload, key, protected=headers, unprotected={}))


def main() -> int:
    """One question in, one answer out."""
    question = json.load(sys.stdin)
    who = Identity(**{name: bytes.fromhex(question[name]) for name in ("seed", "public_key", "kid")})
    answers = []
    for asked in question["questions"]:
        what = (asked["content_type"], bytes.fromhex(asked["payload"]))
        answers.append({"pycose": by_pycose(who, *what).hex(), "cwt": by_cwt(who, *what).hex()})
    json.dump(answers, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
