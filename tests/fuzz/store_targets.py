"""What is read out of a store (FORMAT.md 12), as targets: names, statements, encrypted records, slices of a journal."""

from __future__ import annotations

from pathlib import Path

from liuhen import cbor, cose, entry, sealed_records, store_names, store_statements
from liuhen.errors import FormatError
from liuhen.hashing import sha256
from liuhen.store_journal import JournalWriter
from liuhen.store_names import SliceName
from tests.fuzz import seeds
from tests.fuzz.engine import Broken, Run

FIRST, LAST = 1, 3


def equal(encoded: bytes, again: bytes) -> None:
    """What was accepted comes back as it was."""
    if encoded != again:
        raise Broken(f"{len(encoded)} bytes came back as {len(again)} other ones")


def witness(encoded: bytes) -> None:
    """A witness statement."""
    envelope, said = store_statements.parse_witness(encoded, where="fuzz")
    equal(envelope.payload, cbor.encode(said.to_map()))


def access(encoded: bytes) -> None:
    """An access statement."""
    envelope, said = store_statements.parse_access(encoded, where="fuzz")
    equal(envelope.payload, cbor.encode(said.to_map()))


def sealed_record(encoded: bytes) -> None:
    """An encrypted record."""
    found = sealed_records.parse(encoded, where="fuzz")
    again = (sealed_records.VERSION, found.ephemeral, found.recipients, found.nonce, found.ciphertext)
    equal(encoded, cbor.encode(again))


def store_key(encoded: bytes) -> None:
    """A name in a store, or the URL of one."""
    text = encoded.decode("latin-1")
    try:
        url = store_names.parse_store_url(text)
    except FormatError:
        equal(encoded, store_names.key_of(store_names.parse_key(text)).encode())
        return
    if store_names.parse_store_url(url.text) != url:
        raise Broken("a URL in its one spelling is another store")


def slices(folder: Path) -> Run:
    """The journal out of a sound slice of two entries and one that claims entries 1 to 3."""
    sound = seeds.store_slice()

    def run(encoded: bytes) -> None:
        told: list[str] = []
        (folder / "journal").mkdir(exist_ok=True)
        with JournalWriter(folder / "journal", folder / "hashes", lambda code, words: told.append(words)) as writer:
            writer.add(_name(0, 1, sound), sound)
            writer.add(_name(FIRST, LAST, encoded), encoded)
        content = (folder / "journal" / "00000000.cbor").read_bytes()
        if not content.startswith(sound):
            raise Broken("a later slice changed what stood there")
        if len(content) == len(sound) and not told:
            raise Broken("a slice was left out in silence")
        at, numbers = 0, []
        while at < len(content):
            end = cose.item_end(content, at, where="fuzz") or len(content)
            numbers.append(entry.parse(content[at:end], where="fuzz").common.seq)
            at = end
        if numbers != list(range(len(numbers))) or len(numbers) > LAST + 1:
            raise Broken(f"entries {numbers}")

    return run


def _name(first: int, last: int, octets: bytes) -> SliceName:
    return SliceName(log_id=bytes(16), first=first, last=last, digest=sha256(octets))
