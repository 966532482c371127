"""Ways to tamper with an archive's evidence: bytes, files, entries, fragments and boxes changed, gone, doubled, moved.

Pure: files as bytes in, files as bytes out; everything follows from the random source. A verb returns None where the
place it drew has nothing for it to do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import cached_property

from liuhen import cose
from liuhen.boxes import SEAL_USERTYPE
from liuhen.errors import FormatError
from liuhen.kinds import Heartbeat
from tests.signing.archives import box
from tests.signing.evidence import Files, Original, names

EVIDENCE = ("journal/", "sessions/", "records/", "quarantine/")
INSERTED_BYTES = 60


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a verb works on: an original, and another device's archive to take genuine but foreign pieces from."""

    original: Original
    foreign: Original

    @cached_property
    def evidence(self) -> list[str]:
        """The files a verb may change."""
        return [name for name in self.original.files if name.startswith(EVIDENCE)]

    @cached_property
    def segments(self) -> list[str]:
        """The segment files."""
        return names(self.original.files, "sessions")

    @cached_property
    def journal(self) -> list[tuple[str, list[bytes]]]:
        """The journal files with their entries."""
        return [(name, _cut(self.original.files[name])) for name in names(self.original.files, "journal")]


Verb = Callable[[random.Random, Stage], Files | None]


def _cut(content: bytes) -> list[bytes]:
    """The envelopes of a journal file."""
    found, at = [], 0
    while at < len(content):
        end = cose.item_end(content, at, where="journal")
        assert end is not None
        found.append(content[at:end])
        at = end
    return found


def _changed(stage: Stage, changed: dict[str, bytes | None]) -> Files:
    """The original with some files changed, or gone (None)."""
    files = {**stage.original.files, **changed}
    return {name: content for name, content in files.items() if content is not None}


def _place(rng: random.Random, stage: Stage) -> tuple[str, bytes]:
    """A file, each with the same chance, and its content."""
    name = rng.choice(stage.evidence)
    return name, stage.original.files[name]


def _range(rng: random.Random, size: int, *, most: int | None = None) -> tuple[int, int]:
    """A range that is not empty; short ones are as likely as long ones."""
    start = rng.randrange(size)
    longest = min(size - start, most or size)
    return start, start + rng.randint(1, max(1, min(longest, 2 ** rng.randint(0, longest.bit_length()))))


# --- blind -----------------------------------------------------------------------------------------------------------


def flip_a_bit(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    at = rng.randrange(len(content))
    return _changed(stage, {name: content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]})


def overwrite_a_range(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    start, end = _range(rng, len(content), most=INSERTED_BYTES)
    return _changed(stage, {name: content[:start] + rng.randbytes(end - start) + content[end:]})


def zero_a_range(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    start, end = _range(rng, len(content))
    return _changed(stage, {name: content[:start] + bytes(end - start) + content[end:]})


def remove_a_range(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    start, end = _range(rng, len(content))
    return _changed(stage, {name: content[:start] + content[end:]})


def cut_the_end(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    return _changed(stage, {name: content[: rng.randrange(len(content))]})


def insert_bytes(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    at = rng.randint(0, len(content))
    return _changed(stage, {name: content[:at] + rng.randbytes(rng.randint(1, INSERTED_BYTES)) + content[at:]})


def append_bytes(rng: random.Random, stage: Stage) -> Files | None:
    """Noise, zeros, or the beginning of what could come next."""
    name, content = _place(rng, stage)
    donor = stage.original.files[rng.choice(stage.evidence)]
    start, end = _range(rng, len(donor))
    return _changed(
        stage, {name: content + rng.choice([rng.randbytes(9), bytes(rng.randint(1, 99)), donor[start:end]])}
    )


def double_a_range(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    start, end = _range(rng, len(content))
    return _changed(stage, {name: content[:end] + content[start:end] + content[end:]})


def swap_two_ranges(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    if len(content) < 4:
        return None
    a, b, c, d = sorted(rng.sample(range(len(content) + 1), 4))
    return _changed(stage, {name: content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]})


def swap_ranges_of_two_files(rng: random.Random, stage: Stage) -> Files | None:
    (one, first), (other, second) = _place(rng, stage), _place(rng, stage)
    if one == other:
        return None
    (a, b), (c, d) = _range(rng, len(first)), _range(rng, len(second))
    return _changed(stage, {one: first[:a] + second[c:d] + first[b:], other: second[:c] + first[a:b] + second[d:]})


# --- files -----------------------------------------------------------------------------------------------------------


def remove_a_file(rng: random.Random, stage: Stage) -> Files | None:
    return _changed(stage, {rng.choice(stage.evidence): None})


def empty_a_file(rng: random.Random, stage: Stage) -> Files | None:
    return _changed(stage, {rng.choice(stage.evidence): b""})


def swap_two_files(rng: random.Random, stage: Stage) -> Files | None:
    one, other = rng.sample(stage.evidence, 2)
    files = stage.original.files
    return _changed(stage, {one: files[other], other: files[one]})


def put_a_file_over_another(rng: random.Random, stage: Stage) -> Files | None:
    one, other = rng.sample(stage.evidence, 2)
    return _changed(stage, {one: stage.original.files[other]})


def double_a_file(rng: random.Random, stage: Stage) -> Files | None:
    """Under another name that evidence may have."""
    name, content = _place(rng, stage)
    return _changed(stage, {_free_name(rng, stage, name): content})


def rename_a_file(rng: random.Random, stage: Stage) -> Files | None:
    name, content = _place(rng, stage)
    return _changed(stage, {name: None, _free_name(rng, stage, name): content})


def add_a_file_of_another_device(rng: random.Random, stage: Stage) -> Files | None:
    """Its own name, or that of the next file here."""
    name = rng.choice([name for name in stage.foreign.files if name.startswith(EVIDENCE)])
    content = stage.foreign.files[name]
    return _changed(stage, {rng.choice([name, _free_name(rng, stage, rng.choice(stage.evidence))]): content})


def _free_name(rng: random.Random, stage: Stage, name: str) -> str:
    """The name of the next file beside this one, or of one far behind it; of a record or session, another."""
    folder, last = name.rsplit("/", 1)
    taken = names(stage.original.files, folder)
    step = rng.choice([0, 1, 70])
    match folder.split("/", 1)[0], rng.random() < 0.2:
        case "journal", _:
            return f"journal/{len(taken) + step:08d}.cbor"
        case "records", _:
            return f"records/{rng.randbytes(32).hex()}.record"
        case "quarantine", _:
            return rng.choice([f"quarantine/{last}x", f"quarantine/{rng.randbytes(16).hex()}-000000-0.bin"])
        case _, True:
            return f"sessions/{rng.randbytes(16).hex()}/{last}"
        case _:
            return f"{folder}/{len(taken) + step:06d}.mp4"


# --- entries ---------------------------------------------------------------------------------------------------------


def _entries(rng: random.Random, stage: Stage) -> tuple[str, list[bytes]]:
    name, found = rng.choice(stage.journal)
    return name, list(found)


def remove_entries(rng: random.Random, stage: Stage) -> Files | None:
    name, found = _entries(rng, stage)
    start, end = _range(rng, len(found))
    return _changed(stage, {name: b"".join(found[:start] + found[end:])})


def double_an_entry(rng: random.Random, stage: Stage) -> Files | None:
    name, found = _entries(rng, stage)
    _, others = _entries(rng, stage)
    found.insert(rng.randint(0, len(found)), rng.choice(others))
    return _changed(stage, {name: b"".join(found)})


def swap_two_entries(rng: random.Random, stage: Stage) -> Files | None:
    name, found = _entries(rng, stage)
    if len(found) < 2:
        return None
    one, other = rng.sample(range(len(found)), 2)
    found[one], found[other] = found[other], found[one]
    return _changed(stage, {name: b"".join(found)})


def put_an_entry_of_another_device(rng: random.Random, stage: Stage) -> Files | None:
    """In the place of one, or between two."""
    name, found = _entries(rng, stage)
    at = rng.randrange(len(found))
    found[at : at + rng.randint(0, 1)] = [rng.choice(stage.foreign.entries)]
    return _changed(stage, {name: b"".join(found)})


def change_an_entry_inside(rng: random.Random, stage: Stage) -> Files | None:
    """A field's bytes, the signature left as it was; or the signature of another entry."""
    name, found = _entries(rng, stage)
    at = rng.randrange(len(found))
    encoded = found[at]
    if rng.random() < 0.3:
        found[at] = encoded[:-64] + rng.choice(stage.original.entries)[-64:]
        return _changed(stage, {name: b"".join(found)})
    where = rng.randrange(len(encoded) - 66)
    found[at] = encoded[:where] + rng.randbytes(rng.choice([1, 2, 8]))[: len(encoded) - where] + encoded[where + 1 :]
    return _changed(stage, {name: b"".join(found)})


def put_another_envelope_in_the_journal(rng: random.Random, stage: Stage) -> Files | None:
    """A genuine seal of this device stands where an entry belongs."""
    name, found = _entries(rng, stage)
    segment = rng.choice(stage.segments)
    seals = _seals(stage, segment)
    if not seals:
        return None
    found.insert(rng.randint(0, len(found)), rng.choice(seals)[24:])
    return _changed(stage, {name: b"".join(found)})


def cut_the_journal_and_go_on_with_another(rng: random.Random, stage: Stage) -> Files | None:
    """The end is replaced by another device's end."""
    name, found = stage.journal[-1]
    at = rng.randrange(len(found))
    tail = stage.foreign.entries[-rng.randint(1, 4) :]
    return _changed(stage, {name: b"".join([*found[:at], *tail])})


# --- fragments, seals, boxes -----------------------------------------------------------------------------------------


Pieces = tuple[bytes, list[tuple[bytes, bytes]]]


def pieces_of(original: Original, name: str) -> Pieces:
    """init, and (fragment, seal box) in order, of a file that is whole up to its last seal."""
    whole = original.files[name]
    pieces, at = [], _init_end(whole)
    init = whole[:at]
    for end in original.seal_ends[name]:
        seal_at = whole.rfind(b"uuid" + SEAL_USERTYPE, at, end) - 4
        pieces.append((whole[at:seal_at], whole[seal_at:end]))
        at = end
    return init, pieces


def _pieces(stage: Stage, name: str) -> Pieces:
    return pieces_of(stage.original, name)


def _init_end(whole: bytes) -> int:
    at = 0
    for _ in range(3):
        at += int.from_bytes(whole[at : at + 4], "big")
    return at


def _seals(stage: Stage, name: str) -> list[bytes]:
    return [seal for _, seal in _pieces(stage, name)[1]]


def _joined(init: bytes, pieces: list[tuple[bytes, bytes]]) -> bytes:
    return init + b"".join(fragment + seal for fragment, seal in pieces)


def remove_a_fragment(rng: random.Random, stage: Stage) -> Files | None:
    """With its seal, without it, or the seal alone."""
    name = rng.choice(stage.segments)
    init, pieces = _pieces(stage, name)
    at = rng.randrange(len(pieces))
    fragment, seal = pieces[at]
    pieces[at] = rng.choice([(b"", b""), (b"", seal), (fragment, b"")])
    return _changed(stage, {name: _joined(init, pieces)})


def double_a_fragment(rng: random.Random, stage: Stage) -> Files | None:
    name = rng.choice(stage.segments)
    init, pieces = _pieces(stage, name)
    pieces.insert(rng.randint(0, len(pieces)), rng.choice(pieces))
    return _changed(stage, {name: _joined(init, pieces)})


def swap_two_fragments(rng: random.Random, stage: Stage) -> Files | None:
    """With their seals, or below the seals of their places."""
    name = rng.choice(stage.segments)
    init, pieces = _pieces(stage, name)
    if len(pieces) < 2:
        return None
    one, other = rng.sample(range(len(pieces)), 2)
    pieces[one], pieces[other] = pieces[other], pieces[one]
    if rng.random() < 0.5:
        pieces[one], pieces[other] = (pieces[one][0], pieces[other][1]), (pieces[other][0], pieces[one][1])
    return _changed(stage, {name: _joined(init, pieces)})


def put_a_fragment_of_another_file(rng: random.Random, stage: Stage) -> Files | None:
    """In the place of one, or between two, or at the end; of this device or of another."""
    name = rng.choice(stage.segments)
    init, pieces = _pieces(stage, name)
    donor = rng.choice([stage.original, stage.foreign])
    given = rng.choice(pieces_of(donor, rng.choice(sorted(donor.seal_ends)))[1])
    at = rng.randint(0, len(pieces))
    pieces[at : at + rng.randint(0, 1)] = [given]
    return _changed(stage, {name: _joined(init, pieces)})


def put_the_head_of_another_file(rng: random.Random, stage: Stage) -> Files | None:
    one, other = rng.sample(stage.segments, 2)
    return _changed(stage, {one: _joined(_pieces(stage, other)[0], _pieces(stage, one)[1])})


def insert_a_box(rng: random.Random, stage: Stage) -> Files | None:
    """Where a box may begin, of any kind."""
    name = rng.choice(stage.segments)
    init, pieces = _pieces(stage, name)
    at = rng.randint(0, len(pieces))
    kind = rng.choice([b"free", b"skip", b"uuid", b"moof", b"mdat", b"prft", b"mfra", b"emsg"])
    new = box(kind, rng.randbytes(rng.randint(0, INSERTED_BYTES)))
    return _changed(stage, {name: _joined(init, pieces[:at]) + new + b"".join(a + b for a, b in pieces[at:])})


def change_a_box_size(rng: random.Random, stage: Stage) -> Files | None:
    """A size on the way of the boxes says something else."""
    name = rng.choice(stage.segments)
    whole = stage.original.files[name]
    starts, at = [], 0
    while at < len(whole):
        starts.append(at)
        at += int.from_bytes(whole[at : at + 4], "big")
    at = rng.choice(starts)
    size = int.from_bytes(whole[at : at + 4], "big")
    new = rng.choice([0, 1, 7, 8, size - 1, size + 1, size + 8, 2**31, 2**32 - 1, len(whole) - at])
    return _changed(stage, {name: whole[:at] + (new % 2**32).to_bytes(4, "big") + whole[at + 4 :]})


def cut_at_a_seal(rng: random.Random, stage: Stage) -> Files | None:
    name = rng.choice(stage.segments)
    init, pieces = _pieces(stage, name)
    return _changed(stage, {name: _joined(init, pieces[: rng.randrange(len(pieces))])})


# --- tails -----------------------------------------------------------------------------------------------------------


def cut_the_journal_anywhere(rng: random.Random, stage: Stage) -> Files | None:
    """Files behind the cut go with it."""
    at = rng.randrange(1, sum(len(stage.original.files[name]) for name, _ in stage.journal))
    changed: dict[str, bytes | None] = {}
    for name, _ in stage.journal:
        content = stage.original.files[name]
        changed[name] = content[:at] if at else None
        at = max(0, at - len(content))
    return _changed(stage, changed)


def cut_journal_and_media(rng: random.Random, stage: Stage) -> Files | None:
    """What somebody does who wants the end to be gone: entries from one on, and every file they do not state."""
    return clean_tail(stage, rng.randint(1, stage.original.last_seq), keep_unstated=rng.random() < 0.3)


def clean_tail(stage: Stage, kept: int, *, keep_unstated: bool) -> Files:
    """The first `kept` entries and the files they state; of the rest all, or only what a heartbeat among them names."""
    original = stage.original
    named = {
        **{name: original.stated.get(name, original.last_seq) for name in stage.segments},
        **original.named_records,
    }
    changed: dict[str, bytes | None] = {name: None for name, seq in named.items() if seq >= kept and not keep_unstated}
    for parsed in original.parsed[:kept]:
        match parsed.body, parsed.common.session_id:
            case Heartbeat(position=(number, fragment, _)), bytes(session):
                name = f"sessions/{session.hex()}/{number:06d}.mp4"
                if name in changed:
                    changed[name] = original.files[name][: original.seal_ends[name][fragment - 1]]
            case _:
                pass
    for name, found in stage.journal:
        changed[name] = b"".join(found[: max(0, kept)]) or None
        kept -= len(found)
    return _changed(stage, changed)


# --- together --------------------------------------------------------------------------------------------------------


def cut_the_tail_and_change_what_is_left(rng: random.Random, stage: Stage) -> Files | None:
    """Beyond the cut no statement covers the files any more."""
    files = cut_journal_and_media(rng, stage)
    return None if files is None else _edited(rng, files)


def change_two_files(rng: random.Random, stage: Stage) -> Files | None:
    return _edited(rng, _edited(rng, stage.original.files))


def _edited(rng: random.Random, files: Files) -> Files:
    """One file with one blind change."""
    name = rng.choice([name for name in sorted(files) if name.startswith(EVIDENCE)])
    content = files[name]
    at, end = sorted((rng.randint(0, len(content)), rng.randint(0, len(content))))
    edits = [
        content[:at] + rng.randbytes(rng.randint(1, 9)) + content[at:],
        content[:at] + content[end:],
        content[:at] + bytes(end - at) + content[end:],
        content[:at],
        content + content[at:end],
    ]
    return {**files, name: rng.choice(edits)}


def several_changes(rng: random.Random, stage: Stage) -> Files | None:
    """Two or three of the others in turn, each on what the one before left: none hides what another did.

    A verb that no longer finds the place it drew, because the one before broke it, is left out.
    """
    files: Files = stage.original.files
    for verb in rng.sample(VERBS[:-1], rng.randint(2, 3)):
        now = copy(stage.original)
        vars(now)["files"] = files  # read once, as if from disk; entries and seals stay those of the original
        with suppress(AssertionError, FormatError, IndexError, KeyError, ValueError):
            files = verb(rng, Stage(original=now, foreign=stage.foreign)) or files
    return files


VERBS: tuple[Verb, ...] = (
    flip_a_bit,
    overwrite_a_range,
    zero_a_range,
    remove_a_range,
    cut_the_end,
    insert_bytes,
    append_bytes,
    double_a_range,
    swap_two_ranges,
    swap_ranges_of_two_files,
    remove_a_file,
    empty_a_file,
    swap_two_files,
    put_a_file_over_another,
    double_a_file,
    rename_a_file,
    add_a_file_of_another_device,
    remove_entries,
    double_an_entry,
    swap_two_entries,
    put_an_entry_of_another_device,
    change_an_entry_inside,
    put_another_envelope_in_the_journal,
    cut_the_journal_and_go_on_with_another,
    remove_a_fragment,
    double_a_fragment,
    swap_two_fragments,
    put_a_fragment_of_another_file,
    put_the_head_of_another_file,
    insert_a_box,
    change_a_box_size,
    cut_at_a_seal,
    cut_the_journal_anywhere,
    cut_journal_and_media,
    cut_the_tail_and_change_what_is_left,
    change_two_files,
    several_changes,
)
