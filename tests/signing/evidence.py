"""An archive of every sort of evidence, kept in memory, and an oracle that says whether a change to it went unseen.

Pure but for the files below the given folder. The oracle knows the original's bytes and asks nothing of the verifier
but its report: whatever the report believes must stand in the original, at the same place, byte for byte.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from liuhen import entry as entry_format
from liuhen.findings import Code, Severity, Verdict
from liuhen.hashing import sha256
from liuhen.kinds import Recovered, Segment
from liuhen.registry import EndCause, GapCause, RecordLabel
from liuhen.report import Language, Report, to_text
from tests.signing.archives import SECOND_NS, Device, entries, fragments_of, signer

Files = Mapping[str, bytes]
"""Relative name to content."""

TORN_BYTES = 150
OTHERWISE_JUDGED = ("records/", "journal/", "quarantine/")
"""A name more in these is judged by its content; quarantine holds nothing that anybody believes."""


# --- the archives ----------------------------------------------------------------------------------------------------


def rich_archive(root: Path, *, seed: int = 1, ended: bool = True) -> Device:
    """Three sessions under two keys in three journal files, with records, gaps, a power cut, recovery and quarantine.

    Not `ended`: the last session is left by another power cut, with a file that nothing states and nothing ends.
    """
    device = Device(root=root, seed=seed, media_bytes=40)
    device.enrol()
    device.start()
    labels = (RecordLabel.CASE, RecordLabel.PERSONS)
    device.begin(commitments=tuple((label, device.record(f"内容 {label}")) for label in labels))
    device.segment(3, cause=EndCause.DEVICE_FAULT)
    _interruption(device)
    device.segment(2, cause=EndCause.STOPPED)
    device.end()
    device.checkpoint()
    device.rotate_journal()
    device.rotate_key(signer(f"second {seed}"))
    device.begin()
    device.segment(2)
    _power_cut_and_recovery(device)
    device.segment(2, cause=EndCause.STOPPED)
    device.end()
    device.checkpoint()
    device.rotate_journal()
    device.begin()
    device.segment(2)
    device.open_segment()
    device.fragment(3)
    if ended:
        device.finish_file(EndCause.STOPPED)
        device.state(EndCause.STOPPED)
        device.end()
        device.checkpoint()
        device.stop()
    return device


def _interruption(device: Device) -> None:
    """Two seconds without media, announced and explained."""
    since_ns = device.now_ns
    gap = device.gap()
    device.pass_ns(2 * SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)


def _power_cut_and_recovery(device: Device) -> None:
    """A file ends inside a fragment; the next run sets those bytes aside, states what is sealed and goes on."""
    device.open_segment()
    device.fragment(2)
    growing, session, statement = device.file, device.session_id, device.statement(EndCause.RECOVERED)
    assert growing is not None
    assert session is not None
    torn = device.fragment_bytes()[:TORN_BYTES]
    folder = device.root / "quarantine"
    folder.mkdir()
    (folder / f"{session.hex()}-{growing.number:06d}-{growing.sealer.size}.bin").write_bytes(torn)
    found = Recovered(
        head=device.head,
        torn_journal_bytes=0,
        last_durable=(session, growing.number, growing.sealer.count),
        quarantined=((session, growing.number, len(torn), sha256(torn)),),
        rotten=(),
        since=(device.boot_id, device.now_ns),
        length_ns=(59 * SECOND_NS, 61 * SECOND_NS),
        cause=GapCause.POWER_LOW,
    )
    device.boot()
    device.start(recovered=found)
    device.mark(refers_to=device.append(statement) - 1)
    device.segments, device.last_r = device.segments + 1, statement.last


# --- what the oracle knows -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Original:
    """An untouched archive. Its content and places are read once, from the files and the producer's own words."""

    root: Path

    @cached_property
    def files(self) -> dict[str, bytes]:
        """All evidence."""
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in sorted(paths)}

    @cached_property
    def entries(self) -> list[bytes]:
        """The journal, entry by entry."""
        return [
            encoded for number in range(len(names(self.files, "journal"))) for encoded in entries(self.root, number)
        ]

    @cached_property
    def parsed(self) -> list[entry_format.Entry]:
        """The same, parsed."""
        return [entry_format.parse(encoded, where="original") for encoded in self.entries]

    @cached_property
    def stated(self) -> dict[str, int]:
        """Segment file to the seq of its statement."""
        return {
            f"sessions/{parsed.common.session_id.hex()}/{parsed.body.number:06d}.mp4": parsed.common.seq
            for parsed in self.parsed
            if isinstance(parsed.body, Segment) and parsed.common.session_id is not None
        }

    @cached_property
    def named_records(self) -> dict[str, int]:
        """Record file to the seq of the first entry that names it."""
        named: dict[str, int] = {}
        for parsed in self.parsed:
            for _, commitment in getattr(parsed.body, "records", ()):
                named.setdefault(f"records/{commitment.hex()}.record", parsed.common.seq)
        return named

    @cached_property
    def seal_ends(self) -> dict[str, list[int]]:
        """Segment file to the ends of its seals."""
        return {name: [end for _, _, end in fragments_of(self.root / name)] for name in names(self.files, "sessions")}

    @property
    def last_seq(self) -> int:
        """The number of the last entry."""
        return len(self.entries) - 1

    def journal_up_to(self, seq: int) -> bytes:
        """All bytes of the entries 0..seq."""
        return b"".join(self.entries[: seq + 1])


def names(files: Files, folder: str) -> list[str]:
    """The files of one folder of evidence, sorted."""
    return sorted(name for name in files if name.startswith(f"{folder}/"))


def joined(files: Files) -> bytes:
    """The journal: its files in order (FORMAT.md 5)."""
    return b"".join(files[name] for name in names(files, "journal"))


def same_evidence(one: Files, other: Files) -> bool:
    """Whether two archives hold the same evidence: where the journal is cut into files does not matter."""
    rest = [{name: files[name] for name in files if not name.startswith("journal/")} for files in (one, other)]
    return rest[0] == rest[1] and joined(one) == joined(other)


def lay_out(original: Original, files: Files, folder: Path) -> None:
    """Write an archive: hard links to what is unchanged, new files for the rest."""
    for name in ("journal", "sessions", "records"):
        (folder / name).mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if original.files.get(name) is content:
            os.link(original.root / name, path)
        else:
            path.write_bytes(content)


# --- the oracle ------------------------------------------------------------------------------------------------------


def unseen(original: Original, files: Files, report: Report) -> str:
    """Why the report of a changed archive says more than is true; empty where the change was found.

    Found means: not intact, or not vouched. Beside that there are exactly these exceptions, each told by the report:
    a clean tail is gone ("complete up to N"), or what a tail left behind is not believed, or a record or a piece
    in quarantine is not presented, or something foreign is named as foreign.
    """
    if not report.intact or report.vouched is None:
        return ""
    upto = report.complete_up_to
    if upto is None or upto.entry > original.last_seq:
        return "it reaches beyond the original"
    rules = (_journal_wrong, _media_wrong, _records_wrong, _quarantine_wrong, _strangers_wrong, _words_wrong)
    return next((why for rule in rules if (why := rule(original, files, report, upto.entry))), "")


def unseen_alone(original: Original, name: str, content: bytes, report: Report) -> str:
    """The same for one segment file that stands alone: sealed beginnings of the original, told as such, and no more."""
    if not report.intact or report.vouched is None:
        return ""
    sealed = _sealed_prefix(original, name, content)
    told = report.verdicts.get(Verdict.AUTHENTIC, 0) + report.verdicts.get(Verdict.AUTHENTIC_PREFIX, 0)
    unsealed = len(content) - max(sealed, default=0)
    if (told, report.unsealed_bytes) != (len(sealed), unsealed):
        return f"authentic {told}, unsealed {report.unsealed_bytes}; true are {len(sealed)}, {unsealed}"
    if len(sealed) < len(original.seal_ends[name]) and report.upto_fragment != (report.segment, len(sealed)):
        return f"it ends at fragment {len(sealed)}, told is {report.upto_fragment}"
    return ""


def _journal_wrong(original: Original, files: Files, report: Report, upto: int) -> str:
    """The believed entries are the first ones of the original; what follows is told to be torn."""
    believed, journal = original.journal_up_to(upto), joined(files)
    if not journal.startswith(believed):
        return f"other entries up to {upto} are believed"
    if len(journal) - len(believed) != report.torn_journal_bytes:
        return f"{len(journal) - len(believed)} bytes follow entry {upto}, {report.torn_journal_bytes} of them told"
    return ""


def _media_wrong(original: Original, files: Files, report: Report, upto: int) -> str:
    """A stated file is there, byte for byte. Any other is the beginning of the original's, up to a seal."""
    stated = {name for name, seq in original.stated.items() if seq <= upto}
    present = names(files, "sessions")
    for name in stated:
        if files.get(name) != original.files[name]:
            return f"{name}, which entry {original.stated[name]} states, differs"
    good = sum(len(original.seal_ends[name]) for name in stated)
    unsealed, open_files = 0, [name for name in present if name not in stated and name in original.files]
    for name in open_files:
        sealed = _sealed_prefix(original, name, files[name])
        good += len(sealed)
        unsealed += len(files[name]) - max(sealed, default=0)
        if not _is_end_of_session(name, files) and files[name] != original.files[name]:
            return f"{name} is shorter and a later file is here"
    told = report.verdicts.get(Verdict.AUTHENTIC, 0) + report.verdicts.get(Verdict.AUTHENTIC_PREFIX, 0)
    if (told, report.unsealed_bytes) != (good, unsealed):
        return f"authentic {told}, unsealed {report.unsealed_bytes}; true are {good}, {unsealed}"
    return "" if _without_holes(original, files) else "a file is gone and a later one is here"


def _sealed_prefix(original: Original, name: str, content: bytes) -> list[int]:
    """The ends of the seals up to which the content is the original's."""
    whole = original.files[name]
    return [end for end in original.seal_ends[name] if content[:end] == whole[:end]]


def _is_end_of_session(name: str, files: Files) -> bool:
    session = name.rsplit("/", 1)[0]
    return name == names(files, session)[-1]


def _without_holes(original: Original, files: Files) -> bool:
    """Of each session, a beginning of its files is here."""
    sessions = {name.rsplit("/", 1)[0] for name in original.seal_ends}
    return all(
        names(files, session) == names(original.files, session)[: len(names(files, session))] for session in sessions
    )


def _records_wrong(original: Original, files: Files, report: Report, upto: int) -> str:
    """Each named record is the original's, or told as not presented."""
    named = {name for name, seq in original.named_records.items() if seq <= upto}
    absent = sum(name not in files for name in named)
    told = sum(finding.code is Code.RECORD_ABSENT for finding in report.findings)
    if absent != told:
        return f"{absent} records are absent, {told} told"
    if any(files[name] != original.files[name] for name in named if name in files):
        return "a changed record is believed"
    return ""


def _quarantine_wrong(original: Original, files: Files, report: Report, upto: int) -> str:
    """What recovery set aside is here under a name of its segment, or told as not presented."""
    absent = 0
    for parsed in original.parsed[: upto + 1]:
        for session, number, _, digest in parsed.body.quarantined if isinstance(parsed.body, Recovered) else ():
            here = names(files, "quarantine")
            prefix = f"quarantine/{session.hex()}-{number:06d}-"
            absent += not any(name.startswith(prefix) and sha256(files[name]) == digest for name in here)
    told = sum(finding.code is Code.QUARANTINE_ABSENT for finding in report.findings)
    return "" if absent == told else f"{absent} pieces in quarantine are absent, {told} told"


def _strangers_wrong(original: Original, files: Files, report: Report, upto: int) -> str:
    """What is not of the original is told to be foreign."""
    named = {name for name, seq in original.named_records.items() if seq <= upto}
    foreign = [name for name in names(files, "records") if name not in named]
    foreign += [name for name in files if name not in original.files and not name.startswith(OTHERWISE_JUDGED)]
    told = {finding.what_en for finding in report.findings if finding.code in (Code.RECORD_FOREIGN, Code.FOREIGN_FILE)}
    for name in foreign:
        if not any(Path(name).stem in words for words in told):
            return f"{name} is not of the original and is not told"
    return ""


def _words_wrong(original: Original, files: Files, report: Report, upto: int) -> str:
    """The text ends at the same entry in both languages, and a session without its end is told."""
    zh, en = (to_text(report, language, integrity_only=False) for language in Language)
    if f"完整截至：第 {upto} 号条目" not in zh or "此后情况不明" not in zh:
        return "the Chinese text does not say how far it reaches"
    if f"Complete up to: entry {upto}," not in en or "nothing is known after" not in en:
        return "the English text does not say how far it reaches"
    last = original.parsed[upto]
    is_open = last.common.session_id is not None and last.kind != "session-end"
    told = {finding.code for finding in report.findings if finding.severity is Severity.WARNING}
    return "a session without end is not told" if is_open and Code.SESSION_OPEN_END not in told else ""
