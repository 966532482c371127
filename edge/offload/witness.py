"""What witnesses left in the store for this device: found by name, read, hashed, and handed to the recorder as it is.

Looked for now and then on one of the streams. Nothing in it is believed here; only the recorder knows the pinned keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from itertools import islice

from edge.offload.retry import Doing
from edge.offload.sender import Failed, Statement, WitnessRead
from edge.offload.words import STATEMENT_LIMIT_BYTES
from edge.store import Store, StoreFault, Version
from liuhen.errors import FormatError
from liuhen.hashing import sha256
from liuhen.store_names import WitnessName, parse_key, prefix_of

A_LIFE = 8
"""So many statements are read in one life; the next ones in the next."""
LISTED_LIMIT = 100_000


def read_witness(store: Store, log_id: bytes, known: Callable[[], Set[str]]) -> WitnessRead | Failed:
    """The next statements that nobody here knows yet."""
    try:
        fresh = list(islice(_fresh(store, log_id, known()), A_LIFE + 1))
        found: dict[str, bytes | None] = {}
        for version in fresh[:A_LIFE]:
            found[_name(version)] = found.get(_name(version)) or _whole(store, version)
    except StoreFault as fault:
        return Failed(task=None, doing=Doing.LOOKING, fault=fault)
    return WitnessRead(
        statements=tuple(Statement(name=name, encoded=encoded) for name, encoded in found.items() if encoded),
        bad=tuple(name for name, encoded in found.items() if not encoded),
        more=len(fresh) > A_LIFE,
    )


def _fresh(store: Store, log_id: bytes, known: Set[str]) -> Iterator[Version]:
    for version in islice(store.versions(prefix_of(log_id, "witness")), LISTED_LIMIT):
        fits = not version.is_delete_marker and 0 < version.size <= STATEMENT_LIMIT_BYTES
        if fits and _is_statement(version.key) and _name(version) not in known:
            yield version


def _is_statement(key: str) -> bool:
    try:
        return isinstance(parse_key(key), WitnessName)
    except FormatError:
        return False


def _name(version: Version) -> str:
    return version.key.rpartition("/")[2]


def _whole(store: Store, version: Version) -> bytes | None:
    """Its bytes, where they are those that its key names."""
    content = b""
    with store.open(version.key, version.version_id) as reading:
        while len(content) <= STATEMENT_LIMIT_BYTES and (chunk := reading.read(STATEMENT_LIMIT_BYTES + 1)):
            content += chunk
    return content if sha256(content) == parse_key(version.key).digest else None
