"""Attack rows that end at what a signature can show, and the report's own words about that.

Rows 25 to 27 and 36 to 38 of the list, and rows 15 to 17 where the files alone decide: what somebody who holds the
device's key, but not the organisation's root or somebody else's copy, can do and what stays visible.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen import merkle
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code, Severity, Verdict
from liuhen.kinds import Amend, Checkpoint, EntryBody, Event, Gap, GapEnd, Mark, SessionEnd
from liuhen.registry import EndCause, EventCode, GapCause
from liuhen.report import Language, Report, to_json, to_text
from tests.signing.archives import (
    SECOND_NS,
    Device,
    append,
    closed_archive,
    flip,
    fragments_of,
    open_archive,
    segments,
    signer,
)
from tests.signing.checking import assert_untouched, check, codes, only, verdicts
from tests.signing.evidence import Original, lay_out, rich_archive, unseen
from tests.signing.forging import rewrite
from tests.signing.tampering import Stage, clean_tail

HOUR_NS = 3600 * SECOND_NS
KEY_WORDS_EN = "whoever holds the device's key can sign another history, which cannot be seen in this archive alone"
KEY_WORDS_ZH = "持有设备密钥者可另签一部历史，仅凭本档案看不出来"
SCENE_WORDS_EN = "no signature shows that what stood before the lens was true"
SCENE_WORDS_ZH = "签名不能证明镜头前的事是否属实"


def texts(report: Report) -> tuple[str, str]:
    """The report in Chinese and in English."""
    zh, en = (to_text(report, language, integrity_only=False) for language in (Language.ZH, Language.EN))
    return zh, en


def assert_says(report: Report, zh: str, en: str) -> None:
    """Both texts hold these words."""
    assert zh in texts(report)[0]
    assert en in texts(report)[1]


def assert_complete_up_to(report: Report, entry: int) -> None:
    """Intact, vouched, and in both languages and in JSON complete up to this entry, with nothing known after."""
    assert report.intact
    assert report.vouched is not None
    assert_says(report, f"完整截至：第 {entry} 号条目", f"Complete up to: entry {entry},")
    assert_says(report, "此后情况不明", "nothing is known after")
    assert_says(report, f"第 {entry} 号条目之后若被整齐截去", f"a clean cut after entry {entry} cannot be seen")
    told = json.loads(json.dumps(to_json(report)))
    assert told["complete_up_to"]["entry"] == entry
    assert [limit["code"] for limit in told["limits"]] == ["scene", "device-time", "device-key", "tail"]


def begun(path: Path) -> Device:
    """A device with a session open and one segment stated."""
    device = Device(root=path)
    device.enrol()
    device.start()
    device.begin()
    device.segment(3)
    return device


def stopped(device: Device, *, fragments: int = 3) -> Device:
    """One more segment, then everything ends in order."""
    device.segment(fragments, cause=EndCause.STOPPED)
    device.end()
    device.checkpoint()
    device.stop()
    return device


# --- 25: a checkpoint is edited --------------------------------------------------------------------------------------


def test_row_25_a_checkpoint_with_a_changed_byte_is_not_believed(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    journal, encoded = device.root / "journal" / "00000000.cbor", Original(root=device.root).entries
    at = next(number for number, e in enumerate(Original(root=device.root).parsed) if isinstance(e.body, Checkpoint))
    root = Original(root=device.root).parsed[at].body
    assert isinstance(root, Checkpoint)
    flip(journal, len(b"".join(encoded[:at])) + encoded[at].index(root.root) + 7)
    report = check(device.root)
    assert only(report, Code.SIGNATURE_BAD).place.entry == at
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == at - 1


def test_row_25_a_checkpoint_over_another_root_is_wrong_even_under_the_devices_own_key(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)

    def other_root(old: Entry) -> EntryBody | None:
        return replace(old.body, root=bytes(32)) if isinstance(old.body, Checkpoint) else old.body

    rewrite(device.root, other_root, key=device.key)
    assert Code.CHECKPOINT_WRONG in codes(check(device.root))


def test_a_journal_written_again_without_a_change_is_the_same_journal(tmp_path: Path) -> None:
    """Control of the forger: only what it changes is wrong."""
    device = closed_archive(tmp_path / "archive")
    before = Original(root=device.root).entries
    rewrite(device.root, lambda old: old.body, key=device.key)
    assert Original(root=device.root).entries == before
    assert_untouched(check(device.root))


# --- 26: power cut: the file exists, its statement does not ----------------------------------------------------------


def test_row_26_a_file_without_its_statement_is_verified_by_its_seals_and_the_report_says_so(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive", fragments=4)
    report = check(device.root)
    assert_complete_up_to(report, device.seq - 1)
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.AUTHENTIC_PREFIX: 4}
    assert_says(report, "真实（文件未收尾） 4", "authentic prefix (file has no end) 4")
    assert_says(report, "日志在此段声明之前结束；依封签核验", "the journal ends before this segment's statement")
    assert_says(
        report,
        "场次没有结束条目：可能断电，也可能末尾被截去",
        "the session never ended: power was cut, or the tail was",
    )
    assert_says(report, "已核验至第 4 片", "verified up to fragment 4")


def test_row_26_the_file_without_statement_is_no_free_place_for_other_bytes(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive", fragments=4)
    assert device.file is not None
    flip(device.file.path, fragments_of(device.file.path)[1][1] - 1)
    assert Code.FRAGMENT_ALTERED in codes(check(device.root))


# --- 27: a clean tail is cut ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("rich")
    rich_archive(folder / "original")
    rich_archive(folder / "foreign", seed=2)
    return Stage(original=Original(root=folder / "original"), foreign=Original(root=folder / "foreign"))


def test_row_27_a_clean_tail_cut_at_any_entry_reads_complete_up_to_there_and_nothing_after(
    stage: Stage, tmp_path: Path
) -> None:
    """Nobody can see this in the archive alone, whichever entry it is; so the report never says more than "up to"."""
    for kept in range(1, stage.original.last_seq + 1):
        files = clean_tail(stage, kept, keep_unstated=False)
        lay_out(stage.original, files, tmp_path / str(kept))
        report = check(tmp_path / str(kept))
        assert_complete_up_to(report, kept - 1)
        assert unseen(stage.original, files, report) == ""


def test_row_27_media_that_stay_behind_a_cut_betray_it_or_are_verified_by_their_seals(
    stage: Stage, tmp_path: Path
) -> None:
    betrayed = 0
    for kept in range(1, stage.original.last_seq + 1):
        files = clean_tail(stage, kept, keep_unstated=True)
        lay_out(stage.original, files, tmp_path / str(kept))
        report = check(tmp_path / str(kept))
        assert unseen(stage.original, files, report) == ""
        betrayed += not report.intact
    assert betrayed > stage.original.last_seq // 2


# --- 36: what stands before the lens ----------------------------------------------------------------------------------


def test_row_36_a_covered_lens_is_authentic_told_as_measured_and_the_limit_is_named(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.event(EventCode.PICTURE_COVERED)
    stopped(device)
    report = check(device.root)
    assert report.intact
    assert report.vouched is not None
    assert set(verdicts(report)) == {Verdict.AUTHENTIC}
    assert_says(report, "镜头被遮挡", "lens covered")
    assert_says(report, SCENE_WORDS_ZH, SCENE_WORDS_EN)


def test_row_36_a_filmed_screen_leaves_no_trace_but_the_limit_that_is_always_named(tmp_path: Path) -> None:
    report = check(stopped(begun(tmp_path / "archive")).root)
    assert_untouched(report)
    assert_says(report, SCENE_WORDS_ZH, SCENE_WORDS_EN)
    assert to_json(report)["limits"][0]["code"] == "scene"  # type: ignore[index] # plain JSON


# --- 37: silent, and later "it was off" ------------------------------------------------------------------------------


def test_row_37_silence_inside_a_session_is_a_hole_and_its_length_is_told(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.pass_ns(HOUR_NS)
    report = check(stopped(device).root)
    assert codes(report) == {Code.HOLE_UNEXPLAINED}
    assert only(report, Code.SILENCE).what_en.startswith("the device was silent for 3601500 ms")


def test_row_37_who_says_later_that_it_was_off_is_told_with_the_silence_and_without_an_explanation(
    tmp_path: Path,
) -> None:
    """A gap that claims a power failure makes nothing broken; that no heartbeat came in the same boot stays visible."""
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    gap = device.gap(cause=GapCause.POWER_LOW)
    device.pass_ns(HOUR_NS)
    device.gap_end(gap, since_ns=since_ns)
    report = check(stopped(device).root)
    assert report.intact
    assert codes(report, Severity.WARNING) == {Code.SILENCE, Code.GAP_UNEXPLAINED}
    assert_says(report, "电量不足", "cause: power low")
    assert_says(report, "时长 3600.0 秒", "3600.0 s")
    assert_says(report, "说明：待说明", "explained: not yet explained")
    assert_says(report, "设备沉默 3601500 毫秒，超过其承诺的两倍", "silent for 3601500 ms, over twice its promise")


def test_row_37_a_gap_with_heartbeats_in_it_is_no_silence(tmp_path: Path) -> None:
    """Control: the device was there all the time."""
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    gap = device.gap()
    for _ in range(6):
        device.pass_ns(10 * SECOND_NS)
        device.heartbeat()
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    assert_untouched(check(stopped(device).root))


def test_row_37_between_two_sessions_nothing_was_promised_and_nothing_is_claimed(tmp_path: Path) -> None:
    """A limit: not starting at all leaves no trace. The report's sessions show when each began and ended."""
    device = closed_archive(tmp_path / "archive", sessions=1)
    device.pass_ns(HOUR_NS)
    device.start()
    device.session(1)
    device.stop()
    report = check(device.root)
    assert_untouched(report)
    ended, started = report.sessions[0].ended_utc_ms, report.sessions[1].started_utc_ms
    assert ended is not None
    assert started is not None
    assert started - ended > HOUR_NS // 1_000_000


# --- 38: late "recovered" segments ------------------------------------------------------------------------------------


def fill_the_gap(device: Device, *, since_ns: int, streams: tuple[int, ...] = (0, 1)) -> None:
    """Long after: a segment whose times lie in a gap, sealed and stated by the device's key at the journal's end."""
    now_ns, now_utc_ms = device.now_ns, device.utc_ms
    device.utc_ms -= (now_ns - since_ns) // 1_000_000
    device.now_ns = since_ns
    device.open_segment(streams=streams)
    device.fragment(4, end_cause=EndCause.ROTATED)
    late = device.statement(EndCause.ROTATED)
    device.now_ns, device.utc_ms = now_ns, now_utc_ms
    device.segments, device.last_r, device.file = device.segments + 1, late.last, None
    device.append(late)


@pytest.mark.parametrize("absent", [None, 0], ids=["both streams", "picture"])
def test_row_38_a_segment_put_into_a_gap_later_stands_behind_what_is_newer(tmp_path: Path, absent: int | None) -> None:
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    gap = device.gap(stream=absent)
    if absent is None:
        device.pass_ns(10 * SECOND_NS)
    else:
        device.segment(8, streams=(1,))
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    device.segment(3)
    fill_the_gap(device, since_ns=since_ns, streams=(0, 1) if absent is None else (0,))
    device.end()
    device.checkpoint()
    device.stop()
    report = check(device.root)
    assert codes(report) == {Code.SEGMENT_ORDER}
    assert_says(
        report,
        "第 2 号段的内容早于此前已声明的内容" if absent is None else "第 3 号段",
        "is older than what was stated",
    )


def test_row_38_a_segment_of_a_boot_that_is_over_is_found_though_no_clock_compares_them(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    since_ns, old_boot = device.now_ns, device.boot_id
    gap = device.gap()
    device.boot()
    device.start()
    device.append(
        GapEnd(gap_seq=gap, until=(device.boot_id, device.now_ns), length_ns=(1, HOUR_NS), lost=(None, None), resumed=1)
    )
    device.mark(refers_to=gap)
    device.segment(3)
    new_boot, device.boot_id = device.boot_id, old_boot
    now_ns, now_utc_ms = device.now_ns, device.utc_ms
    device.now_ns = since_ns
    device.open_segment()
    device.fragment(4, end_cause=EndCause.ROTATED)
    late = device.statement(EndCause.ROTATED)
    device.boot_id, device.now_ns, device.utc_ms = new_boot, now_ns, now_utc_ms
    device.segments, device.last_r, device.file = device.segments + 1, late.last, None
    device.append(late)
    report = check(device.root)
    assert Code.SEGMENT_ORDER in codes(report)


def test_row_38_a_segment_added_to_a_session_that_is_over_is_found(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    session = device.session_id
    device.segment(3, cause=EndCause.STOPPED)
    device.end()
    device.checkpoint()
    device.session_id = session
    device.open_segment()
    device.fragment(4, end_cause=EndCause.STOPPED)
    device.state(EndCause.STOPPED)
    device.session_id = None
    device.checkpoint()
    device.stop()
    assert codes(check(device.root)) == {Code.SESSION_ORDER, Code.SEGMENT_UNSTATED}


def test_row_38_a_gap_that_nobody_fills_is_told_and_nothing_is_wrong(tmp_path: Path) -> None:
    """Control of the two rows above."""
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    gap = device.gap()
    device.pass_ns(10 * SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    device.segment(3)
    assert_untouched(check(stopped(device).root))


# --- 15 to 17: the device's key is stolen ----------------------------------------------------------------------------


def with_gap(path: Path) -> Device:
    """A session with two seconds missing, announced; then another session."""
    device = begun(path)
    since_ns = device.now_ns
    gap = device.gap()
    device.pass_ns(2 * SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    device.event(EventCode.PICTURE_COVERED)
    return stopped(device)


def without_gap(old: Entry) -> EntryBody | None:
    """The gap was never there."""
    if isinstance(old.body, (Gap, GapEnd, Mark)):
        return None
    return replace(old.body, gaps=0) if isinstance(old.body, SessionEnd) else old.body


def without_event(old: Entry) -> EntryBody | None:
    """What was measured was something else."""
    return replace(old.body, code=EventCode.PICTURE_FROZEN_ENDED) if isinstance(old.body, Event) else old.body


@pytest.mark.parametrize("change", [without_gap, without_event])
def test_rows_15_and_17_a_journal_signed_again_is_contradicted_by_the_seals_of_media_he_does_not_make_again(
    tmp_path: Path, change: Callable[[Entry], EntryBody | None]
) -> None:
    device = with_gap(tmp_path / "archive")
    rewrite(device.root, change, key=device.key)
    assert Code.SEAL_HEAD_WRONG in codes(check(device.root))


def into_a_correction_of(kind: type[EntryBody]) -> Callable[[Entry], EntryBody | None]:
    """A verb of the key holder: an event becomes a correction of the cause of the newest entry of this kind."""
    named: list[int] = []

    def change(old: Entry) -> EntryBody | None:
        if isinstance(old.body, kind):
            named.append(old.common.seq)
        if not isinstance(old.body, Event) or not named:
            return old.body
        return Amend(
            refers_to=named.pop(), refers_to_hash=bytes(32), length_ns=None, cause=GapCause.WEATHER, records=()
        )

    return change


@pytest.mark.parametrize(("kind", "found"), [(GapEnd, True), (Gap, False)], ids=["no-gap", "a-gap"])
def test_a_correction_that_the_key_holder_signs_of_what_is_no_gap_corrects_nothing_and_is_told(
    tmp_path: Path, kind: type[EntryBody], found: bool
) -> None:
    """Behind the last seal, so that no media contradicts him."""
    device = begun(tmp_path / "archive")
    since_ns, gap = device.now_ns, device.gap()
    device.pass_ns(2 * SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    device.segment(3, cause=EndCause.STOPPED)
    device.event(EventCode.PICTURE_COVERED)
    device.end()
    device.checkpoint()
    device.stop()
    rewrite(device.root, into_a_correction_of(kind), key=device.key)
    told = {one.code for one in check(device.root).findings}
    assert (Code.AMEND_WITHOUT_GAP in told) is found


def test_row_15_a_history_made_again_with_its_media_is_believed_and_the_report_names_that_limit(tmp_path: Path) -> None:
    """He holds the key and makes files too: nothing in them contradicts him. The report says that it cannot tell."""
    genuine, forged = with_gap(tmp_path / "genuine"), stopped(begun(tmp_path / "forged"))
    assert (genuine.log_id, genuine.key.public_key) == (forged.log_id, forged.key.public_key)
    report = check(forged.root)
    assert_untouched(report)
    assert not report.sessions[0].gaps
    assert_says(report, KEY_WORDS_ZH, KEY_WORDS_EN)
    assert "device-key" in json.dumps(to_json(report))


def test_row_16_a_dropped_segment_leaves_a_hole_unless_the_times_of_all_media_are_made_again(tmp_path: Path) -> None:
    """The key alone, with the media as they are: indices and times do not close over what was dropped."""
    device = begun(tmp_path / "archive")
    device.segment(6)
    stopped(device)
    dropped = segments(device.root, report_session(device))[1]

    def without_second(old: Entry) -> EntryBody | None:
        return None if getattr(old.body, "number", None) == 1 else old.body

    dropped.unlink()
    rewrite(device.root, without_second, key=device.key)
    assert codes(check(device.root)) == {Code.SEGMENT_ORDER, Code.SEAL_HEAD_WRONG, Code.HOLE_UNEXPLAINED}


def report_session(device: Device) -> bytes:
    """The only session of an archive."""
    (session,) = check(device.root).sessions
    return session.id


def test_row_16_the_last_segment_dropped_with_all_that_names_it_is_a_clean_cut_to_whoever_has_only_this_archive(
    tmp_path: Path,
) -> None:
    shorter = stopped(begun(tmp_path / "shorter"))
    report = check(shorter.root)
    assert_untouched(report)
    assert_says(report, KEY_WORDS_ZH, KEY_WORDS_EN)


def test_rows_15_to_17_a_checkpoint_that_somebody_else_kept_contradicts_the_forged_history(tmp_path: Path) -> None:
    """What a store or a witness holds decides: the two trees do not continue each other."""
    genuine, forged = with_gap(tmp_path / "genuine"), stopped(begun(tmp_path / "forged"), fragments=9)
    kept = next(e.body for e in Original(root=genuine.root).parsed if isinstance(e.body, Checkpoint))
    own = [merkle.leaf_hash(encoded) for encoded in Original(root=genuine.root).entries]
    assert merkle.root_of(own[: kept.size]) == kept.root
    leaves = [merkle.leaf_hash(encoded) for encoded in Original(root=forged.root).entries]
    with pytest.raises(FormatError):
        merkle.verify_consistency(
            old_size=kept.size,
            old_root=kept.root,
            size=len(leaves),
            root=merkle.root_of(leaves),
            proof=merkle.consistency_proof(leaves, min(kept.size, len(leaves))),
        )


def test_a_thief_of_the_device_key_cannot_bring_a_key_of_his_own_without_the_root(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.end()
    device.checkpoint()
    device.rotate_key(signer("thief"), roots=(signer("a root of his own"),))
    device.begin()
    report = check(stopped(device).root)
    assert report.intact
    assert report.vouched is None
    assert codes(report, Severity.UNVOUCHED) == {Code.UNENDORSED}
    assert verdicts(report) == {Verdict.AUTHENTIC: 3, Verdict.UNENDORSED: 3}


def test_a_thief_without_any_key_has_nothing_to_sign_with(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    stopped(device)
    rewrite(device.root, lambda old: old.body, key=signer("thief"))
    report = check(device.root)
    assert report.vouched is None or not report.intact
    assert Verdict.AUTHENTIC not in verdicts(report)


@pytest.mark.parametrize("language", list(Language))
def test_the_limits_stand_in_every_report_of_a_journal(tmp_path: Path, language: Language) -> None:
    """Also where something is broken, and where nobody vouches."""
    device = closed_archive(tmp_path / "archive")
    append(segments(device.root, check(device.root).sessions[0].id)[0], b"x")
    for report in (check(device.root), check(device.root, trust=None)):
        assert not report.intact
        text = to_text(report, language, integrity_only=False)
        assert (KEY_WORDS_ZH if language is Language.ZH else KEY_WORDS_EN) in text
