"""What the commands about keys share: files of public things, and fingerprints that a person can read aloud."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import journal
from edge.journal import JournalError
from liuhen import cose, keys
from liuhen.entry import Entry
from liuhen.errors import FormatError, KeyFileError
from liuhen.kinds import Enrolment, Head, Key

SHORTEST_KID_DIGITS = 8
KID_BYTES = 32


def read_file(path: Path) -> bytes:
    """A small file. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            return file.read(keys.TRUST_FILE_LIMIT_BYTES)
    except OSError as error:
        raise KeyFileError(
            f"{path}: {error.strerror}",
            remedy_zh="请检查文件路径和权限",
            remedy_en="check the path and its permissions",
        ) from error


def grouped(octets: bytes) -> str:
    """Hexadecimal digits in groups a person can read aloud."""
    digits = octets.hex()
    return " ".join(digits[i : i + 8] for i in range(0, len(digits), 8))


def fingerprint(public_key: bytes) -> str:
    """The kid of a key, in groups."""
    return grouped(cose.key_id(public_key))


def say(text: str) -> None:
    """One line of the answer."""
    sys.stdout.write(text + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHistory:
    """What a journal shows on one reading: the keys it has known by kid, and the head at a wanted number."""

    known: dict[bytes, bytes]
    wanted: Head | None

    def key_named(self, text: str) -> bytes:
        """The kid that begins with these digits. Raises KeyFileError."""
        digits = text.replace(" ", "").lower()
        found = [kid for kid in self.known if len(digits) >= SHORTEST_KID_DIGITS and kid.hex().startswith(digits)]
        if len(found) != 1:
            raise KeyFileError(
                f"日志中没有密钥 {text} / no key {text} in this journal",
                remedy_zh="请写该密钥指纹的前 8 位以上；见 `liuhen keys show`",
                remedy_en="write the first 8 digits or more of its fingerprint (`liuhen keys show`)",
            )
        return found[0]


def read_history(root: Path, wanted_seq: int | None = None) -> LogHistory:
    """Read the whole journal of a spool or archive once; what cannot be read is passed over. Raises KeyFileError."""
    known: dict[bytes, bytes] = {}
    wanted: Head | None = None
    try:
        for found in _entries(root / "journal"):
            public_key = _named_key(found)
            if public_key is not None:
                known.setdefault(cose.key_id(public_key), public_key)
            if found.common.seq == wanted_seq:
                wanted = found.head
    except JournalError as error:
        raise KeyFileError(
            str(error), remedy_zh="请检查存储目录", remedy_en="check the spool or archive directory"
        ) from error
    if wanted_seq is not None and wanted is None:
        raise KeyFileError(
            f"{root} 中没有可读的第 {wanted_seq} 号条目 / has no entry {wanted_seq} that can be read",
            remedy_zh="请核对条目编号；最后可信的条目必须在此日志中",
            remedy_en="check the number: the last trusted entry must be in this journal",
        )
    return LogHistory(known=known, wanted=wanted)


def _entries(directory: Path) -> Iterator[Entry]:
    for number in journal.file_numbers(directory):
        yield from journal.entries_of(journal.file_path(directory, number))


def _named_key(found: Entry) -> bytes | None:
    match found.body:
        case Enrolment(public_key=public_key):
            return public_key
        case Key(new_public_key=public_key):
            return public_key
        case _:
            return None


def kid_of(text: str) -> bytes:
    """A kid from 64 digits, or from a card or endorsement file. Raises KeyFileError, FormatError."""
    digits = text.replace(" ", "")
    if len(digits) == 2 * KID_BYTES:
        try:
            return bytes.fromhex(digits)
        except ValueError:
            pass  # then it is the name of a file
    content = read_file(Path(text))
    try:
        return cose.key_id(keys.parse_card(content, where=text).public_key)
    except FormatError:
        _, endorsement = keys.parse_endorsement(content, where=text)
        return cose.key_id(endorsement.public_key)
