"""What each failing system call of the storage code ends in; run as a program (`python -m`) it writes the page.

Owns the table behind edge/STORAGE_FAULTS.md. A call site in the code without a row here fails a test, and so does a row
without its call site.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "edge" / "STORAGE_FAULTS.md"
FAULTS = ("EIO", "ENOSPC", "EROFS", "EINTR", "short", "stall")
AGAIN = (
    "repeated by Python (PEP 475); a name made, moved or removed, or a question, counts as EIO (local disks never do)"
)
NO_WRITE = "cannot happen, nothing is written"
REST = "the rest is written next; a file that is then not as long as it should be counts as EIO"
WAITS = "CONTROL waits; media goes on into the queue (20 s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a fault at some call ends in, for each of FAULTS in order; `says` is one line about these calls."""

    says: str
    eio: str
    enospc: str
    erofs: str
    short: str = REST
    stall: str = WAITS
    eintr: str = AGAIN

    @property
    def columns(self) -> tuple[str, ...]:
        """In the order of FAULTS."""
        return (self.eio, self.enospc, self.erofs, self.eintr, self.short, self.stall)


def _reading(says: str, outcome: str, *, stall: str = "the start takes longer") -> Outcome:
    return Outcome(says=says, eio=outcome, enospc=NO_WRITE, erofs=NO_WRITE, short=NO_WRITE, stall=stall)


def _same(says: str, outcome: str, *, stall: str = WAITS, short: str = REST) -> Outcome:
    return Outcome(says=says, eio=outcome, enospc=outcome, erofs=outcome, short=short, stall=stall)


OUTCOMES: dict[str, Outcome] = {
    "fragment": Outcome(
        says="A fragment with its seal, on WRITER. The session's state is named in the journal by CONTROL.",
        eio="recording: the file is cut to its last seal and stated (end cause 9), the packets begin the next segment; "
        "event STORAGE_FAULT with errno, no gap. A second fault within 20 fragments: session ends `storage`, "
        "gap `device fault` from the last durable media, exit 1; the next start finds an orderly end",
        enospc="session ends `storage`, gap `storage full`, the reserve is given to the journal (events STORAGE_FAULT, "
        "JOURNAL_RESERVE_USED), exit 1; the next start is refused (exit 4, entry `refusal`) until there is space, "
        "then records",
        erofs="session ends `storage`, the operator is told of the read-only disk, reboot and fsck, exit 1; if the "
        "journal is on that disk it cannot say so: then the next start that can write does (`recovered`), exit 4 until "
        "then",
        stall="over 2 s (spool.slow_write_milliseconds): event STORAGE_SLOW once, STORAGE_SLOW_ENDED after ten quick "
        "writes; the queue holds 20 s, then QUEUE_OVERFLOW and an exact gap; a write that never returns: the end "
        "waits 30 s for WRITER, exit 1",
    ),
    "abandon": _same(
        "The failed segment file is cut to its last seal, or removed if it has none.",
        "nothing is stated; session ends `storage`, exit 1; CONTROL at the end, or the next start, states the file by "
        "its seals and sets the rest aside",
        short=NO_WRITE,
        stall="as for a fragment",
    ),
    "entry": Outcome(
        says="One journal entry, on CONTROL.",
        eio="the file is cut to its whole entries and the entry goes to the next file, whole and from memory; event "
        "STORAGE_FAULT. Again before CONTROL could tell: session ends `storage`, exit 1, with its end in the journal "
        "if that can be written, otherwise the next start says so (`recovered`)",
        enospc="the reserve is given back, the entry is written; event JOURNAL_RESERVE_USED. Without a reserve: "
        "session ends `storage`, exit 1; the next start says so",
        erofs="session ends `storage`, exit 1, the words say that the journal has no end; the next start says so",
    ),
    "entry again": _same(
        "The failed journal file is cut to its whole entries, or removed, before the entry is written anew.",
        "nothing more is written in this run, for nobody knows whether the entry will be found and its number must not "
        "be used twice; exit 1; the next start reads what is there",
        short=NO_WRITE,
    ),
    "beside": _same(
        "The memory beside the key and the slots: no entry depends on them.",
        "recording: the entry is durable; event STORAGE_FAULT once in a session; the next start reads more of the "
        "journal, and a roll-back of the disk by those entries alone stays unnoticed",
    ),
    "record": _same(
        "Before a session: its folder, its reserve, the record of its room.",
        "no session; exit 4 with one message; at most a record nobody names or an empty folder is left",
        stall="the start takes longer",
    ),
    "recovery": _same(
        "Recovery copies and cuts what an unclean end left.",
        "at a start: refused, exit 4; at the end of a session whose disk failed: exit 1 without its end entries. Every "
        "step is repeated by the next start",
        stall="the start takes longer; capture fills the queue meanwhile",
    ),
    "open": _reading("Opening, locking and identifying the spool.", "refused, exit 4; nothing was written"),
    "read identity": _reading(
        "Reading which log and disk this is, from the identity file or, where that fails, from entry 0.",
        "entry 0 says it instead; where both fail refused, exit 4; nothing was written",
    ),
    "read journal": _reading("Reading the journal's end at a start.", "refused, exit 4; nothing was written"),
    "read slot": _reading("Reading a slot.", "the journal is read from its first entry instead"),
    "read segment": _reading(
        "Reading the segment files without a statement.",
        "the file stays as it is, unstated; the session is closed there and a new one begins",
    ),
    "key": _reading(
        "Reading the memory beside the key (the key itself: edge/custody.py).", "refused, exit 5; nothing was written"
    ),
    "space": _reading(
        "The question for free space.",
        "before a session: refused, exit 4. In a session: recording, the last answer stands; event STORAGE_FAULT once",
        stall=WAITS,
    ),
    "let go": Outcome(
        says="Closing a file in which everything is flushed already, or the lock at the end.",
        eio="nothing: what was written is durable, the descriptor is gone",
        enospc="as EIO",
        erofs=NO_WRITE,
        short=NO_WRITE,
    ),
    "prepare": _same(
        "`liuhen spool init` and the demo's own spool: no recorder runs.",
        "one message, exit 2; the command says to name an empty folder",
        stall="the command takes longer",
    ),
    "copy": _same(
        "`liuhen fetch`: a custodian's copy out of a store, on another machine; no recorder runs.",
        "one message, exit 4; what was copied whole stays and is not fetched again",
        stall="the command takes longer",
    ),
    "kept": _same(
        "A record that an entry is to name: what somebody says in a session, or an order between sessions.",
        "no entry names it; in a session it is written once more under another name, event STORAGE_FAULT, and where "
        "that fails too the session ends `storage`, exit 1; between sessions one message, exit 4",
    ),
    "removal": _same(
        "A destruction or a reclaim: its mark, the files it names, the mark's end.",
        "between sessions one message, exit 4, and the next start finishes it; at a start one line, and recording goes "
        "on; what of it is done stays done",
        stall="the start or the command takes longer",
    ),
    "slices": _same(
        "The boundaries of what is sent of the journal, and what the offload process reads of them.",
        "recording: no entry waits for it; told once, and tried again after 30 s from the newest boundary",
        stall="CONTROL waits; media goes on into the queue (20 s)",
    ),
    "local": _same(
        "The schedule's file and the end of the journal it is read back from.",
        "recording: the schedule is in force from memory, the file is told once and tried again every 5 s; what cannot "
        "be read is read back from its record, or the operator is told to import it again",
    ),
    "witnesses": _same(
        "What pinned witnesses said, kept beside the journal.",
        "recording: nothing goes by a witness's word until it can be read; a statement that cannot be kept is told "
        "again by the offload process. An order to settle one that contradicts: as for a record",
    ),
    "key files": _same(
        "The files beside the key at a rotation, an emergency and their end.",
        "refused, exit 5 for what cannot be read and exit 4 for what cannot be written; each step is repeated by the "
        "next start",
        stall="the start or the command takes longer",
    ),
    "rights": _same(
        "Closing what of a spool is open to other users.",
        "recording: told once how many are left open, and tried again by the next start",
        stall="the start takes longer",
    ),
    "one of two": Outcome(
        says="With a mirror: a write on one of the two disks, while the other takes it.",
        eio="recording: the disk is left (MIRROR_LOST with side and errno), the other goes on, no frame is lost; after "
        "5 s it is opened again, caught up, and MIRROR_BACK. Where both fail at once the one that leads goes on as a "
        "disk alone does, above",
        enospc="as EIO; where the errno says read-only or removed, STORAGE_READ_ONLY or STORAGE_REMOVED before it",
        erofs="as ENOSPC",
        stall="over 3 s (spool.mirror_stall_milliseconds) while the other has answered: as EIO with ETIMEDOUT; where "
        "neither answers, as for a disk alone",
    ),
    "catch up": _same(
        "With a mirror: what is read, compared and copied on the MIRROR thread while a disk is behind.",
        "recording: the disk that is behind is left, MIRROR_LOST, and tried again later; what the leader itself cannot "
        "read stays behind and is found by a scrub (STORAGE_ROT)",
        stall="10 s, then as EIO; nobody but the MIRROR thread waits",
    ),
    "open two": _reading(
        "With a mirror: opening the two disks at a start.",
        "the other goes on alone, MIRROR_LOST; with neither: refused, exit 4",
        stall="20 s, then as EIO",
    ),
    "scrub": _reading(
        "Reading stored segments again on the SCRUB thread, and writing down where it was.",
        "recording: what cannot be read is STORAGE_ROT once per place; a place not remembered is read again",
        stall="nobody but the SCRUB thread waits",
    ),
    "read back": _reading(
        "Asking at a start whether the disk still has its last commits.",
        "the start goes on without the answer",
    ),
    "look": _reading(
        "Where no recorder runs, the check before a recording asks the lock and what the journal says stands.",
        "nothing is signed and no device is opened: the check says that the journal cannot be read",
        stall="the check takes longer",
    ),
    "watch": _reading(
        "Asking whether a disk is still the disk it was, on a thread of its own.",
        "STORAGE_REMOVED, STORAGE_READ_ONLY or STORAGE_WRONG_MEDIUM once, by what can still be read",
        stall="3 s, then the disk is called silent; nobody waits",
    ),
    "step": Outcome(
        says="A step inside a function of edge/durable.py, or on the way there. Its caller's row says what follows.",
        eio="StorageFault with errno; what it was to make is not named by anything; an open file takes nothing more",
        enospc="StorageFault (`full`)",
        erofs="StorageFault (`read_only`)",
        stall="as its caller's row says",
    ),
}

SITES: dict[str, tuple[str, ...]] = {
    "key files": (
        "custody.Custody.prepare: durable.create_file",
        "custody.Custody.prepare: durable.exists",
        "custody._keep: durable.create_file",
        "custody._keep: durable.exists",
        "custody._keep: load_signer",
        "custody._load: load_signer",
        "custody._load_patiently: load_signer",
        "custody._set_aside: durable.remove_file",
        "custody.promote: durable.remove_file",
        "custody.promote: durable.replace_file",
        "custody.read_endorsements: .open",
        "custody.read_endorsements: .read",
    ),
    "local": (
        "desk_schedule.ScheduleClerk._file: .exists",
        "desk_schedule.ScheduleClerk._file: .read",
        "desk_schedule.ScheduleClerk._file: durable.opened",
        "desk_schedule.ScheduleClerk._keep: durable.Replace",
        "journal._last_bytes: .read",
        "journal._last_bytes: .seek",
        "journal._last_bytes: durable.opened",
        "journal._last_bytes: os.fstat",
    ),
    "removal": (
        "destruction._files: .glob",
        "destruction._hash_of: .read",
        "destruction._hash_of: durable.opened",
        "destruction._is_plain: .is_file",
        "destruction._is_plain: .is_symlink",
        "destruction._size_bytes: .stat",
        "destruction.begin: durable.Create",
        "destruction.begin: durable.Replace",
        "destruction.begin: durable.exists",
        "destruction.destroy: durable.Remove",
        "destruction.finish: durable.Remove",
        "destruction.finish: durable.exists",
        "destruction.finish_destructions: durable.exists",
        "destruction.is_put_off: .read",
        "destruction.is_put_off: durable.opened",
        "destruction.put_off: durable.Replace",
        "destruction.put_off: durable.exists",
        "destruction.remove_contents: durable.Remove",
        "reclaiming.finish: durable.Remove",
        "reclaiming.finish: durable.exists",
        "reclaiming.finish_reclaims: durable.exists",
        "reclaiming.reclaim: durable.Remove",
    ),
    "kept": (
        "destruction.keep_record: durable.Create",
        "destruction.keep_record: durable.Remove",
    ),
    "rights": (
        "narrowing._is_open: .lstat",
        "narrowing.close_to_others: os.close",
        "narrowing.close_to_others: os.fchmod",
        "narrowing.close_to_others: os.fstat",
        "narrowing.close_to_others: os.open",
        "narrowing.open_to_others: .is_file",
        "narrowing.open_to_others: os.scandir",
    ),
    "slices": (
        "slices.SliceCutter._cut: .read",
        "slices.SliceCutter._cut: .seek",
        "slices.SliceCutter._cut: durable.opened",
        "slices.SliceCutter._keep: durable.Replace",
        "slices.SliceCutter._take_over: durable.Remove",
        "slices.SliceCutter.turn: .read",
        "slices.SliceReader._rest: .exists",
        "slices.SliceReader._version: .exists",
        "slices.SliceReader._version: .stat",
        "slices.SliceReader._rest: .read",
        "slices.SliceReader._rest: durable.opened",
        "slices._numbers: .glob",
        "slices._rows_of: .exists",
        "slices._rows_of: .read",
        "slices._rows_of: durable.opened",
        "slices.slice_bytes: .read",
        "slices.slice_bytes: .seek",
        "slices.slice_bytes: durable.opened",
    ),
    "witnesses": (
        "witnessing._in: .iterdir",
        "witnessing.is_contradicted: durable.exists",
        "witnessing.is_settled: durable.exists",
        "witnessing.keep: durable.MakeDirectory",
        "witnessing.keep: durable.Remove",
        "witnessing.keep: durable.Replace",
        "witnessing.read: .read",
        "witnessing.read: durable.opened",
        "witnessing.settle: .exists",
        "witnessing.settle: durable.MakeDirectory",
        "witnessing.settle: durable.Remove",
        "witnessing.settle: durable.Replace",
    ),
    "scrub": (
        "scrub.remembered: durable.content_of",
        "scrub.ScrubRunner._save: durable.Replace",
        "scrub._absent: .stat",
        "scrub._read: os.close",
        "scrub._read: durable.open_plain",
        "scrub._read: os.posix_fadvise",
        "scrub._read: os.pread",
    ),
    "read back": (
        "read_back._last_entries: durable.opened",
        "read_back._last_entries: .read",
        "read_back._last_entries: .seek",
        "read_back._last_entries: .stat",
        "read_back._shorter: .exists",
        "read_back._shorter: .stat",
    ),
    "one of two": (
        "mirror.Pair._lose: durable.Replace",
        "mirror.Pair.take_new_number: durable.Replace",
        "mirror.step_number: durable.content_of",
        "mirror_side.SideThread._ask_for_space: durable.free_bytes",
        "mirror_side.SideThread._run: os.close",
        "mirror_side.SideThread.close_file: file.close",
        "mirror_side.SideThread.open_file: AppendFile",
    ),
    "catch up": (
        "mirror_catch_up.CatchUp._renew: .is_dir",
        "mirror_catch_up._put: .exists",
        "mirror_catch_up.CatchUp._renew: .exists",
        "mirror_catch_up.CatchUp._copy_everything: .exists",
        "mirror_catch_up.CatchUp._copy_state: .exists",
        "mirror_catch_up.CatchUp._copy_state: .stat",
        "mirror_catch_up.CatchUp._copy_state: durable.HoldSpace",
        "mirror_catch_up.CatchUp._copy_state: durable.Replace",
        "mirror_catch_up.CatchUp._look_for_loose_files: .exists",
        "mirror_catch_up.CatchUp._make_folder: durable.MakeDirectory",
        "mirror_catch_up.CatchUp._only_there: durable.Remove",
        "mirror_catch_up.CatchUp._quarantine: .exists",
        "mirror_catch_up.CatchUp._quarantine: durable.content_of",
        "mirror_catch_up.CatchUp._quarantine: durable.Create",
        "mirror_catch_up.CatchUp._set_aside: durable.Shorten",
        "mirror_catch_up._create_once: .exists",
        "mirror_catch_up._remove: .exists",
        "mirror_catch_up._remove: durable.remove_file",
        "mirror_catch_up._size: .stat",
        "mirror_compare.compare: os.close",
        "mirror_compare.compare: os.fstat",
        "mirror_compare.compare: durable.open_plain",
        "mirror_compare.compare: os.pread",
        "mirror_compare.evidence_files: .glob",
        "mirror_compare.evidence_files: .stat",
        "mirror_compare.proven_bytes: durable.content_of",
        "mirror_compare.proven_bytes: .stat",
        "mirror_compare.proven_bytes: read_segment",
        "mirror_compare.read_piece: os.close",
        "mirror_compare.read_piece: durable.open_plain",
        "mirror_compare.read_piece: os.pread",
    ),
    "open two": (
        "mirror_opening._Return.reopen: .open",
        "mirror_opening._enter: .stat",
        "mirror_opening.open_pair: .open",
        "opening._recent_files: .glob",
    ),
    "look": (
        "journal.state_left: read_slots",
        "spool.kept_free: durable.open_plain",
        "spool.kept_free: fcntl.flock",
        "spool.kept_free: os.close",
    ),
    "watch": (
        "disk_watch._device_there: .is_dir",
        "disk_watch._device_of: .stat",
        "disk_watch._device_there: .exists",
        "disk_watch._read_uncached: os.close",
        "disk_watch._read_uncached: durable.open_plain",
        "disk_watch._read_uncached: os.posix_fadvise",
        "disk_watch._read_uncached: os.read",
        "disk_watch._refuses_writing: os.close",
        "disk_watch._refuses_writing: durable.open_plain",
        "disk_watch.known_disk: .stat",
        "disk_watch.probe: .stat",
        "disk_watch.probe: os.statvfs",
    ),
    "step": (
        "durable.exists: .exists",
        "durable.AppendFile.__init__: os.close",
        "durable.AppendFile.__init__: os.fstat",
        "durable.AppendFile.__init__: open_plain",
        "durable.AppendFile.__init__: sync_directory",
        "durable.AppendFile.append: os.fdatasync",
        "durable._check_size: os.fstat",
        "durable._write_all: os.write",
        "durable.create_file: os.close",
        "durable.create_file: os.fsync",
        "durable.create_file: open_plain",
        "durable.create_file: sync_directory",
        "durable.make_directory: .mkdir",
        "durable.make_directory: sync_directory",
        "durable.content_of: .read",
        "durable.content_of: opened",
        "durable.open_plain: os.close",
        "durable.open_plain: os.fstat",
        "durable.open_plain: os.open",
        "durable.opened: open_plain",
        "durable.opened: os.fdopen",
        "durable.move_into_place: .replace",
        "durable.move_into_place: sync_directory",
        "durable.overwrite: os.close",
        "durable.overwrite: os.fdatasync",
        "durable.overwrite: os.lseek",
        "durable.overwrite: open_plain",
        "durable.hold_space: .exists",
        "durable.hold_space: .stat",
        "durable.remove_file: .unlink",
        "durable.remove_file: sync_directory",
        "durable.replace_file: .replace",
        "durable.replace_file: os.close",
        "durable.replace_file: os.fsync",
        "durable.replace_file: open_plain",
        "durable.replace_file: sync_directory",
        "durable.reserve_space: .unlink",
        "durable.reserve_space: os.close",
        "durable.reserve_space: os.fsync",
        "durable.reserve_space: open_plain",
        "durable.reserve_space: os.posix_fallocate",
        "durable.reserve_space: sync_directory",
        "durable.shorten: os.close",
        "durable.shorten: os.fstat",
        "durable.shorten: os.fsync",
        "durable.shorten: os.ftruncate",
        "durable.shorten: open_plain",
        "durable.sync_directory: os.close",
        "durable.sync_directory: os.fsync",
        "durable.sync_directory: os.open",
        "spool.OneDisk.appender: AppendFile",
        "spool.Spool.appender: appender",
    ),
    "fragment": ("writer._OpenFile.write: file.append",),
    "abandon": ("writer.Writer._abandon: durable.Remove", "writer.Writer._abandon: durable.Shorten"),
    "entry": (
        "journal.Journal._append: appender",
        "journal.Journal._append: file.append",
        "journal.Journal._open_last: .exists",
        "journal.Journal._open_last: appender",
        "spool.Spool.release_reserve: .exists",
        "spool.Spool.release_reserve: durable.Remove",
    ),
    "entry again": (
        "journal.Journal._leave_failed_file: .exists",
        "journal.Journal._leave_failed_file: .stat",
        "journal.Journal._leave_failed_file: durable.Remove",
        "journal.Journal._leave_failed_file: durable.Shorten",
    ),
    "beside": (
        "head_memory.HeadMemory.remember: durable.overwrite",
        "head_memory.HeadMemory.remember: durable.replace_file",
        "journal_slots.slot_change: durable.Replace",
    ),
    "record": (
        "spool.Spool.hold_reserve: durable.HoldSpace",
        "spool.Spool.make_session: durable.MakeDirectory",
    ),
    "recovery": (
        "recovery.Rescued.cut: durable.Remove",
        "recovery.Rescued.cut: durable.Shorten",
        "recovery._copy_aside: .exists",
        "recovery._copy_aside: durable.opened",
        "recovery._copy_aside: .read",
        "recovery._copy_aside: .seek",
        "recovery._copy_aside: durable.Create",
        "recovery._free_name: .exists",
        "recovery._free_name: durable.content_of",
        "recovery.set_torn_journal_aside: durable.Shorten",
    ),
    "read segment": (
        "recovery._unstated: .is_symlink",
        "recovery._never_sealed: read_segment",
        "recovery._sealed: read_segment",
        "recovery._statement: durable.opened",
        "recovery._statement: .read",
        "recovery._unstated: .exists",
        "recovery._surveyed: .stat",
        "spool.segment_files: .glob",
    ),
    "open": (
        "spool._check_writable: os.access",
        "spool._check_writable: os.statvfs",
        "spool._take_lock: fcntl.flock",
        "spool.lock_spool: .is_file",
        "spool.lock_spool: os.open",
    ),
    "read identity": (
        "spool._enrolled: durable.opened",
        "spool._enrolled: .read",
        "spool._read_identity: durable.content_of",
    ),
    "read journal": (
        "journal._content: durable.opened",
        "journal._content: os.fstat",
        "journal._content: .read",
        "journal._content: .seek",
        "journal._is_journal_file: .stat",
        "journal.file_numbers: .glob",
    ),
    "read slot": (
        "journal._confirmed: durable.opened",
        "journal._confirmed: .read",
        "journal._confirmed: .seek",
        "journal._find: read_slots",
        "journal_slots._read: durable.opened",
        "journal_slots._read: .read",
        "opening.Opening._slot_heads: read_slots",
    ),
    "key": (
        "head_memory.remembered_disk: durable.content_of",
        "head_memory.HeadMemory.recall: durable.opened",
        "head_memory.HeadMemory.recall: .read",
        "head_memory.HeadMemory.set_aside: .exists",
        "head_memory.HeadMemory.set_aside: durable.content_of",
        "head_memory.HeadMemory.set_aside: durable.create_file",
    ),
    "space": ("durable.free_bytes: os.statvfs", "spool.OneDisk.free_bytes: durable.free_bytes"),
    "let go": (
        "durable.AppendFile.close: os.close",
        "journal.Journal._append: file.close",
        "journal.Journal.close: file.close",
        "spool.OneDisk.close: os.close",
        "spool._locked: os.close",
        "writer._OpenFile.close: file.close",
    ),
    "copy": ("durable.flush_file: os.close", "durable.flush_file: os.fsync", "durable.flush_file: open_plain"),
    "prepare": (
        "spool.create_spool: .exists",
        "spool.create_spool: .iterdir",
        "spool.create_spool: .mkdir",
        "spool.create_spool: durable.create_file",
        "spool.create_spool: durable.make_directory",
    ),
}

HEADING = """# What a failing disk ends in

Every call of the recorder's storage code that reaches a disk, and what follows when it fails. Written by
`python -m tests.edge.storage_fault_table`; a call in the code that is not listed here fails a test beside it.
`make campaign ARGS=errno` makes every one of them fail, at every place of a run, and looks at what is left.

Exit codes: 0 clean, 1 the session ended by a fault, 2 usage, 4 storage, 5 key. Whatever happens: what was acknowledged
is there, the next start on a working disk records, and the verifier calls the archive intact.
"""


def page() -> str:
    """The page as text."""
    parts = [HEADING]
    for name, outcome in OUTCOMES.items():
        parts += [f"## {name}\n", f"{outcome.says}\n", "| fault | what follows |", "|---|---|"]
        parts += [f"| {fault} | {text} |" for fault, text in zip(FAULTS, outcome.columns, strict=True)]
        parts += ["", "Calls: " + ", ".join(f"`{site}`" for site in SITES[name]) + ".", ""]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: {sum(map(len, SITES.values()))} calls\n")
