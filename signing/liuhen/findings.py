"""The closed list of findings: code, severity, step of FORMAT.md 10 and words in two languages (FORMAT.md 10.2).

Owns the collector a verification writes into. Findings are only ever added: no later success removes an earlier one.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass

from liuhen.findings_zh import detail_zh

LIMIT_PER_CODE = 200
MOST_LETTERS = 200


class Severity(enum.StrEnum):
    """What a finding does to the two answers."""

    BROKEN = "broken"
    UNVOUCHED = "unvouched"
    WARNING = "warning"
    NOTE = "note"


class Verdict(enum.StrEnum):
    """What is known of one fragment (FORMAT.md 10)."""

    AUTHENTIC = "authentic"
    AUTHENTIC_PREFIX = "authentic-prefix"
    ALTERED = "altered"
    MISSING_EXPLAINED = "missing-explained"
    MISSING_UNEXPLAINED = "missing-unexplained"
    IN_STORE = "in-store"
    UNENDORSED = "unendorsed"
    UNSIGNED = "unsigned"


class Code(enum.StrEnum):
    """Names of findings; a name never changes its meaning."""

    FOREIGN_FILE = "foreign-file"
    EVIDENCE_NOT_A_FILE = "evidence-not-a-file"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    JOURNAL_ABSENT = "journal-absent"
    TRUST_ABSENT = "trust-absent"
    UNENDORSED = "unendorsed"
    TRUST_THRESHOLD = "trust-threshold"
    KEY_EMERGENCY = "key-emergency"
    KEY_REVOKED = "key-revoked"
    KEY_REVOKED_USED = "key-revoked-used"
    KEY_COMPROMISED = "key-compromised"
    ENDORSEMENT_REFUSED = "endorsement-refused"
    ENDORSEMENT_EARLY = "endorsement-early"
    DEMO = "demo"

    STORE_DELETE_MARKER = "store-delete-marker"
    STORE_FOREIGN = "store-foreign"
    STORE_VERSION_DIFFERS = "store-version-differs"
    STORE_VERSION_DUPLICATE = "store-version-duplicate"
    STORE_SLICE_WRONG = "store-slice-wrong"
    STORE_FORK = "store-fork"
    STORE_RETENTION_SHORT = "store-retention-short"
    STORE_RETENTION_UNTOLD = "store-retention-untold"
    WITNESS_REFUSED = "witness-refused"
    WITNESS_DIFFERS = "witness-differs"
    WITNESS_AHEAD = "witness-ahead"

    JOURNAL_FILE_MISSING = "journal-file-missing"
    ENVELOPE_REFUSED = "envelope-refused"
    JOURNAL_UNSEARCHED = "journal-unsearched"
    JOURNAL_TORN_TAIL = "journal-torn-tail"
    KEY_UNKNOWN = "key-unknown"
    KEY_RETIRED_USED = "key-retired-used"
    SIGNATURE_BAD = "signature-bad"
    LOG_DIFFERS = "log-differs"
    HEAD_MISSING = "head-missing"
    SEQ_GAP = "seq-gap"
    ENTRY_REPEATED = "entry-repeated"
    CHAIN_BROKEN = "chain-broken"
    RUN_ORDER = "run-order"
    CLOCK_BACK = "clock-back"
    UTC_CONTRADICTION = "utc-contradiction"
    UTC_STEP_UNANNOUNCED = "utc-step-unannounced"
    SESSION_ORDER = "session-order"
    SESSION_REUSED = "session-reused"
    SEGMENT_ORDER = "segment-order"
    GAP_ORDER = "gap-order"
    GAP_UNEXPLAINED = "gap-unexplained"
    AMEND_WITHOUT_GAP = "amend-without-gap"
    SESSION_COUNT_WRONG = "session-count-wrong"
    SILENCE = "silence"
    CHECKPOINT_OVERDUE = "checkpoint-overdue"
    CHECKPOINT_WRONG = "checkpoint-wrong"
    KEY_ORDER = "key-order"
    REFERENCE_WRONG = "reference-wrong"
    SEEN_WRONG = "seen-wrong"
    UNKNOWN_KIND = "unknown-kind"
    UNKNOWN_STATE_KIND = "unknown-state-kind"
    UNKNOWN_CODE = "unknown-code"
    KNOWN_MISSING = "known-missing"
    EVENT_FAULT = "event-fault"
    EVENT_WARNING = "event-warning"
    START_REFUSED = "start-refused"
    DESTRUCTION_REFUSED = "destruction-refused"
    CHOICE = "choice"
    RECOVERED = "recovered"
    LOSS_ANNOUNCED = "loss-announced"
    QUARANTINE_ALTERED = "quarantine-altered"
    QUARANTINE_ABSENT = "quarantine-absent"
    SUBSTITUTED_SOURCE = "substituted-source"
    SUBSTITUTED_SOURCE_DEMO = "substituted-source-demo"
    SESSION_OPEN_END = "session-open-end"
    RUN_OPEN_END = "run-open-end"
    RECORD_ALTERED = "record-altered"
    RECORD_ABSENT = "record-absent"
    RECORD_DESTROYED = "record-destroyed"
    RECORD_FOREIGN = "record-foreign"
    RETENTION_ORDER = "retention-order"
    DESTROYED = "destroyed"
    DESTRUCTION_UNFOUNDED = "destruction-unfounded"
    DESTROYED_STILL_HERE = "destroyed-still-here"
    INHIBITION_ORDER = "inhibition-order"
    WITHHELD_UNAPPROVED = "withheld-unapproved"
    INHIBITION_UNCOVERED = "inhibition-uncovered"
    GAP_WITHOUT_INHIBITION = "gap-without-inhibition"
    DUTY_ORDER = "duty-order"
    DUTY_OPEN = "duty-open"
    RECORD_RECLAIMED = "record-reclaimed"
    QUARANTINE_RECLAIMED = "quarantine-reclaimed"
    RECLAIM_ORDER = "reclaim-order"
    RECLAIM_UNFOUNDED = "reclaim-unfounded"

    PROCEEDINGS_ORDER = "proceedings-order"
    MARK_BACKDATED = "mark-backdated"
    STEP_ORDER = "step-order"
    ENDED_EARLY = "ended-early"
    NOTICE_MISSING = "notice-missing"
    NOTICE_LATE = "notice-late"
    NOTICE_TO_NOBODY = "notice-to-nobody"
    PLACE_NOT_SHOWN = "place-not-shown"
    VISIT_ORDER = "visit-order"
    VISIT_NOT_TOLD = "visit-not-told"

    SEGMENT_MISSING = "segment-missing"
    SEGMENT_DESTROYED = "segment-destroyed"
    SEGMENT_RECLAIMED = "segment-reclaimed"
    UNSIGNED = "unsigned"
    INIT_ALTERED = "init-altered"
    IDENTITY_WRONG = "identity-wrong"
    FRAGMENT_ALTERED = "fragment-altered"
    SEAL_ALTERED = "seal-altered"
    SEAL_WRONG = "seal-wrong"
    TAIL_MISSING = "tail-missing"
    EXTRA_BYTES = "extra-bytes"
    TORN_TAIL = "torn-tail"
    UNSEALED_MEDIA = "unsealed-media"
    UNFINISHED = "unfinished"
    NOTHING_SEALED = "nothing-sealed"
    STATEMENT_WRONG = "statement-wrong"
    FILE_HASH_WRONG = "file-hash-wrong"
    SEGMENT_UNSTATED = "segment-unstated"
    SEGMENT_BEFORE_STATEMENT = "segment-before-statement"
    SEGMENT_CHAIN_BROKEN = "segment-chain-broken"
    TRUNCATED_BELOW_SEAL_HEAD = "truncated-below-seal-head"
    SEAL_HEAD_WRONG = "seal-head-wrong"
    HOLE_UNEXPLAINED = "hole-unexplained"
    STREAM_ABSENT = "stream-absent"
    RECORDED_WHILE_FORBIDDEN = "recorded-while-forbidden"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Severity, step and words of one code; `{}` stands for what was found."""

    severity: Severity
    step: str
    zh: str
    en: str


_B, _U, _W, _N = Severity.BROKEN, Severity.UNVOUCHED, Severity.WARNING, Severity.NOTE

MEANINGS: dict[Code, Meaning] = {
    Code.FOREIGN_FILE: Meaning(_N, "A1", "不属于证据的文件，未读取：{}", "foreign to the archive, not read: {}"),
    Code.EVIDENCE_NOT_A_FILE: Meaning(
        _B, "A1", "证据位置上不是普通文件，未跟随：{}", "not a regular file where evidence belongs, not followed: {}"
    ),
    Code.UNREADABLE: Meaning(_B, "A1", "存储介质读取失败：{}", "the medium cannot be read: {}"),
    Code.TOO_LARGE: Meaning(
        _B,
        "A1",
        "文件大于格式允许的上限，超出部分未读取：{}",
        "the file is larger than the format allows; what is beyond was not read: {}",
    ),
    Code.JOURNAL_ABSENT: Meaning(
        _B, "A1", "档案中没有日志，只能核验各段自身的封签", "the archive has no journal; only seals could be checked"
    ),
    Code.TRUST_ABSENT: Meaning(
        _U, "A2", "未提供信任文件（--trust），无法说明由谁担保", "no trust file was given (--trust), so nobody vouches"
    ),
    Code.UNENDORSED: Meaning(
        _U, "A3", "签名密钥 {} 未获所给信任文件中任何根的背书", "no root of the trust file endorsed the signing key {}"
    ),
    Code.TRUST_THRESHOLD: Meaning(_U, "A3", "背书的根不足：{}", "too few roots endorsed the signing key: {}"),
    Code.ENDORSEMENT_REFUSED: Meaning(_N, "A3", "一份背书未被采信：{}", "an endorsement was not believed: {}"),
    Code.ENDORSEMENT_EARLY: Meaning(
        _W, "A3", "设备自称的时间早于背书生效时间：{}", "the device's claimed time is before its endorsement began: {}"
    ),
    Code.KEY_EMERGENCY: Meaning(
        _U,
        "A4",
        "自此使用应急密钥，其下内容均无背书：{}",
        "an emergency key from here on; nothing under it is endorsed: {}",
    ),
    Code.KEY_REVOKED: Meaning(
        _U,
        "A4",
        "信任文件已撤销该密钥，以后的条目不予采信：{}",
        "the trust file revoked this key; later entries are not believed: {}",
    ),
    Code.KEY_REVOKED_USED: Meaning(
        _W, "A4", "使用了信任文件已撤销的密钥：{}", "a key that the trust file revoked is in use: {}"
    ),
    Code.KEY_COMPROMISED: Meaning(
        _U,
        "A4",
        "日志声明密钥已泄露，以后的条目不予采信：{}",
        "the journal says this key was compromised; later entries are not believed: {}",
    ),
    Code.DEMO: Meaning(_N, "A5", "演示：密钥仅为演示用途背书", "demo: the key is endorsed for demonstration only"),
    Code.STORE_DELETE_MARKER: Meaning(
        _W,
        "B1",
        "存储中有人给对象加了删除标记，内容仍按版本读取：{}",
        "somebody marked an object of the store as deleted; it is read by version all the same: {}",
    ),
    Code.STORE_FOREIGN: Meaning(
        _N, "B1", "存储中有不属于此日志的对象：{}", "the store holds what is no part of this log: {}"
    ),
    Code.STORE_VERSION_DIFFERS: Meaning(
        _W,
        "B2",
        "存储中有一个版本与其名称所称的内容不符，未予采信：{}",
        "a version in the store is not what its name says and was not believed: {}",
    ),
    Code.STORE_VERSION_DUPLICATE: Meaning(
        _N, "B2", "同一对象在存储中有多个相同版本：{}", "the store has the same object more than once: {}"
    ),
    Code.STORE_SLICE_WRONG: Meaning(
        _W, "B3", "日志分片与其名称不符：{}", "a slice of the journal is not what its name says: {}"
    ),
    Code.STORE_FORK: Meaning(
        _B,
        "B3",
        "存储中的日志分片相互矛盾：第 {} 号条目",
        "slices of the journal contradict each other: entry {}",
    ),
    Code.STORE_RETENTION_SHORT: Meaning(
        _W,
        "B5",
        "存储库的保存期比应有的短：{}",
        "the store keeps it for less than it should: {}",
    ),
    Code.STORE_RETENTION_UNTOLD: Meaning(
        _N,
        "B5",
        "此凭据不能读取存储库的保存期，未核对：{}",
        "this credential cannot read how long the store keeps it, which was not checked: {}",
    ),
    Code.WITNESS_REFUSED: Meaning(_N, "B4", "一份见证未被采信：{}", "a witness statement was not believed: {}"),
    Code.WITNESS_DIFFERS: Meaning(
        _B,
        "B4",
        "见证见过的是另一部日志：{}",
        "a pinned witness saw another journal than this one: {}",
    ),
    Code.WITNESS_AHEAD: Meaning(
        _B,
        "B4",
        "见证见过此处没有的条目：{}",
        "a pinned witness saw entries that are not here: {}",
    ),
    Code.JOURNAL_FILE_MISSING: Meaning(
        _B,
        "J1",
        "日志文件编号不连续或中间有空文件：{}",
        "journal files are not numbered without holes, or one inside is empty: {}",
    ),
    Code.ENVELOPE_REFUSED: Meaning(
        _B, "J2", "条目不符合唯一允许的编码：{}", "an entry is not in the one allowed encoding: {}"
    ),
    Code.JOURNAL_UNSEARCHED: Meaning(
        _B,
        "J2",
        "日志中无法识别的字节过多，文件其余部分未再查找条目：{}",
        "too much of the journal is no entry; the rest of a file was not searched for more: {}",
    ),
    Code.JOURNAL_TORN_TAIL: Meaning(
        _W,
        "J2",
        "日志末尾有 {} 字节未写完，不予采信",
        "the journal ends with {} bytes of an unfinished entry, not believed",
    ),
    Code.KEY_UNKNOWN: Meaning(_B, "J3", "条目由未知密钥签名：{}", "an entry is signed by an unknown key: {}"),
    Code.KEY_RETIRED_USED: Meaning(
        _B, "J3", "条目由此时无效的密钥签名：{}", "an entry is signed by a key not in force at that place: {}"
    ),
    Code.SIGNATURE_BAD: Meaning(_B, "J3", "条目签名无效：{}", "an entry's signature is invalid: {}"),
    Code.LOG_DIFFERS: Meaning(_B, "J4", "条目属于另一台设备的日志：{}", "an entry belongs to another log: {}"),
    Code.HEAD_MISSING: Meaning(_B, "J5", "日志开头缺失：{}", "the beginning of the journal is missing: {}"),
    Code.SEQ_GAP: Meaning(_B, "J5", "缺少条目：{}", "entries are missing: {}"),
    Code.ENTRY_REPEATED: Meaning(_B, "J5", "条目重复或次序颠倒：{}", "an entry stands again or out of order: {}"),
    Code.CHAIN_BROKEN: Meaning(
        _B,
        "J6",
        "条目与前一条不相连（哈希链断裂）",
        "the entry does not continue the one before it (hash chain broken)",
    ),
    Code.RUN_ORDER: Meaning(_B, "J7", "运行次序不合规则：{}", "the order of runs is wrong: {}"),
    Code.CLOCK_BACK: Meaning(
        _B, "J8", "同一次开机内设备时钟倒退 {} 毫秒", "the running clock went back by {} ms within one boot"
    ),
    Code.UTC_CONTRADICTION: Meaning(
        _B,
        "J8",
        "两个条目均称时间已同步，却相互矛盾 {} 毫秒，且无校时事件",
        "two entries claim synchronised time but contradict each other by {} ms, and no event says why",
    ),
    Code.UTC_STEP_UNANNOUNCED: Meaning(
        _W, "J8", "设备自称的时间跳变 {} 毫秒，且无校时事件", "the claimed time stepped by {} ms, and no event says why"
    ),
    Code.SESSION_ORDER: Meaning(_B, "J9", "场次次序不合规则：{}", "the order of sessions is wrong: {}"),
    Code.SESSION_REUSED: Meaning(_B, "J9", "场次编号被再次使用", "a session id is used again"),
    Code.SEGMENT_ORDER: Meaning(
        _B, "J10", "段声明的次序或计数不相连：{}", "segment statements do not continue each other: {}"
    ),
    Code.GAP_ORDER: Meaning(_B, "J11", "中止的起止不成对：{}", "gaps and their ends do not pair: {}"),
    Code.GAP_UNEXPLAINED: Meaning(_W, "J11", "中止待说明（{}）", "a gap is not yet explained ({})"),
    Code.AMEND_WITHOUT_GAP: Meaning(
        _W,
        "J11",
        "更正中止原因的条目所指不是中止，不予采用：{}",
        "a correction of a cause names an entry that is no gap, and corrects nothing: {}",
    ),
    Code.SESSION_COUNT_WRONG: Meaning(
        _B, "J11", "结束录制时声明的数量与实际不符：{}", "the counts at the session's end do not agree: {}"
    ),
    Code.SILENCE: Meaning(
        _W, "J12", "设备沉默 {} 毫秒，超过其承诺的两倍", "the device was silent for {} ms, over twice its promise"
    ),
    Code.CHECKPOINT_OVERDUE: Meaning(_W, "J12", "缺少应有的检查点：{}", "a checkpoint is missing: {}"),
    Code.CHECKPOINT_WRONG: Meaning(
        _B, "J13", "检查点与此前条目不符：{}", "a checkpoint does not fit the entries before it: {}"
    ),
    Code.KEY_ORDER: Meaning(_B, "J14", "密钥条目不合规则：{}", "a key entry breaks the rules: {}"),
    Code.REFERENCE_WRONG: Meaning(_B, "J15", "条目所指的条目不符：{}", "an entry refers to one that is not there: {}"),
    Code.SEEN_WRONG: Meaning(
        _B,
        "J15",
        "条目所称的最近见证检查点不能成立：{}",
        "what an entry says of the newest cosigned checkpoint cannot be: {}",
    ),
    Code.UNKNOWN_KIND: Meaning(
        _N, "J16", "本校验程序不认识的条目种类：{}", "entries of a kind this verifier does not know: {}"
    ),
    Code.UNKNOWN_STATE_KIND: Meaning(
        _W,
        "J16",
        "不认识的条目种类可能改变状态，请用更新的校验程序：{}",
        "entries of an unknown kind may change the state, use a newer verifier: {}",
    ),
    Code.UNKNOWN_CODE: Meaning(_N, "J16", "不认识的代码：{}", "an unknown code: {}"),
    Code.KNOWN_MISSING: Meaning(
        _W,
        "J19",
        "设备自己声明段内有缺失：{}",
        "the device itself states that something is missing inside a segment: {}",
    ),
    Code.EVENT_FAULT: Meaning(_W, "J19", "设备记录的故障：{}", "a fault the device recorded: {}"),
    Code.EVENT_WARNING: Meaning(_N, "J19", "设备记录的提示：{}", "a warning the device recorded: {}"),
    Code.START_REFUSED: Meaning(_W, "J19", "设备拒绝开始录制：{}", "the device refused to start recording: {}"),
    Code.DESTRUCTION_REFUSED: Meaning(_W, "J19", "设备拒绝销毁内容：{}", "the device refused to destroy content: {}"),
    Code.CHOICE: Meaning(_N, "J19", "设备的选项：{}", "a choice in force on the device: {}"),
    Code.RECOVERED: Meaning(_W, "J19", "非正常结束后设备移出：{}", "after an unclean end the device set aside: {}"),
    Code.LOSS_ANNOUNCED: Meaning(
        _N,
        "J22",
        "设备自己声明已无法读取，其后的条目仍予采信：{}",
        "the device itself announced that it can no longer read this; what follows is believed all the same: {}",
    ),
    Code.QUARANTINE_ALTERED: Meaning(
        _B, "J22", "移出的字节与签名条目所述不符：{}", "bytes set aside are not those a signed entry names: {}"
    ),
    Code.QUARANTINE_ABSENT: Meaning(_N, "J22", "移出的字节未提交：{}", "bytes set aside are not presented: {}"),
    Code.SUBSTITUTED_SOURCE: Meaning(
        _U,
        "J20",
        "信号源不是实体设备，而密钥不是演示密钥：{}",
        "the device says a part of it is not the genuine one, under a key that is not for demonstration: {}",
    ),
    Code.SUBSTITUTED_SOURCE_DEMO: Meaning(
        _N,
        "J20",
        "演示：信号源不是实体设备：{}",
        "the demonstration device says a part of it is not the genuine one: {}",
    ),
    Code.SESSION_OPEN_END: Meaning(
        _W,
        "J17",
        "场次没有结束条目：可能断电，也可能末尾被截去",
        "the session never ended: power was cut, or the tail was",
    ),
    Code.RUN_OPEN_END: Meaning(
        _N,
        "J17",
        "设备未正常停机，或日志复制时仍在运行",
        "the recorder did not stop in order, or was running when this was copied",
    ),
    Code.RECORD_ALTERED: Meaning(_B, "J18", "附录内容与承诺不符：{}", "a record does not match its commitment: {}"),
    Code.RECORD_ABSENT: Meaning(_N, "J18", "附录内容未提交：{}", "content not presented: {}"),
    Code.RECORD_DESTROYED: Meaning(
        _N,
        "J18",
        "附录内容已不在；签名条目称其保存期满后已销毁：{}",
        "content not there; a signed entry says it was destroyed after its term: {}",
    ),
    Code.RECORD_FOREIGN: Meaning(_N, "J18", "没有条目提及的附录：{}", "a record no entry names: {}"),
    Code.RETENTION_ORDER: Meaning(
        _B, "J21", "保存期限或保全条目不合规则：{}", "a term of keeping or a hold breaks the rules: {}"
    ),
    Code.DESTROYED: Meaning(_N, "J21", "期满后依令销毁：{}", "destroyed by order after its term: {}"),
    Code.DESTRUCTION_UNFOUNDED: Meaning(
        _B,
        "J21",
        "销毁违反此前条目，不能免除缺失：{}",
        "a destruction goes against the entries before it and excuses nothing: {}",
    ),
    Code.DESTROYED_STILL_HERE: Meaning(
        _W, "J21", "签名条目称已销毁，内容却仍在：{}", "a signed entry says it was destroyed, yet it is still here: {}"
    ),
    Code.INHIBITION_ORDER: Meaning(
        _B,
        "J23",
        "禁止录制及其批准、解除的条目不合规则：{}",
        "what forbids recording, its approval or its end breaks the rules: {}",
    ),
    Code.WITHHELD_UNAPPROVED: Meaning(
        _W, "J23", "不得记录未获批准：{}", "recording was withheld and nobody has approved it with a ground: {}"
    ),
    Code.INHIBITION_UNCOVERED: Meaning(
        _W,
        "J24",
        "场次进行中禁止录制，却没有相应原因的中止条目说明：{}",
        "recording was forbidden in a session and no gap of that cause covers it: {}",
    ),
    Code.GAP_WITHOUT_INHIBITION: Meaning(
        _W,
        "J24",
        "中止称因禁止录制，却没有相应的禁止条目：{}",
        "a gap names what forbids recording as its cause, and no entry forbade it then: {}",
    ),
    Code.DUTY_ORDER: Meaning(
        _B, "J25", "报告与书面说明条目不合规则：{}", "a duty or its discharge breaks the rules: {}"
    ),
    Code.DUTY_OPEN: Meaning(_W, "J25", "尚未办理：{}", "still owed: {}"),
    Code.RECORD_RECLAIMED: Meaning(
        _N,
        "J26",
        "附录内容不在此处；签名条目称已入库，此处未核验：{}",
        "content not here; a signed entry says a store holds it, which is not verified here: {}",
    ),
    Code.QUARANTINE_RECLAIMED: Meaning(
        _N,
        "J26",
        "移出的字节不在此处；签名条目称已入库，此处未核验：{}",
        "bytes set aside are not here; a signed entry says a store holds them, which is not verified here: {}",
    ),
    Code.RECLAIM_ORDER: Meaning(
        _B, "J26", "清理条目所依据的条目不合规则：{}", "what a reclaim rests on breaks the rules: {}"
    ),
    Code.RECLAIM_UNFOUNDED: Meaning(
        _W,
        "J26",
        "本地清理违反此前条目，不能免除缺失：{}",
        "a reclaim goes against the entries before it and excuses nothing: {}",
    ),
    Code.PROCEEDINGS_ORDER: Meaning(
        _B,
        "J27",
        "程序、首部或补标条目不合规则：{}",
        "what a session follows, is about, or marks afterwards breaks the rules: {}",
    ),
    Code.MARK_BACKDATED: Meaning(
        _W,
        "J27",
        "标记所称的时刻比写入时早 {}，且未注明是补标",
        "a mark names a moment {} before it was written and does not say that it was marked afterwards",
    ),
    Code.STEP_ORDER: Meaning(_N, "J28", "环节的次序与程序不同：{}", "steps were taken in another order: {}"),
    Code.ENDED_EARLY: Meaning(
        _W, "J28", "结束时仍有必经环节没有标记：{}", "it ended before required steps were marked: {}"
    ),
    Code.NOTICE_MISSING: Meaning(
        _W, "J28", "没有告知将全程录音录像：{}", "no notice that it is recorded was given: {}"
    ),
    Code.NOTICE_LATE: Meaning(_W, "J28", "告知过迟：{}", "the notice came late: {}"),
    Code.NOTICE_TO_NOBODY: Meaning(_W, "J28", "告知时无人到场：{}", "a notice was given to an empty room: {}"),
    Code.PLACE_NOT_SHOWN: Meaning(
        _W,
        "J28",
        "没有画面显示场所标志，也没有口述场所",
        "no frame shows the sign of the place, and nobody named it aloud",
    ),
    Code.VISIT_ORDER: Meaning(
        _B, "J29", "办事号码或案件阶段条目不合规则：{}", "a visit or a case breaks the rules: {}"
    ),
    Code.VISIT_NOT_TOLD: Meaning(
        _W, "J29", "办事人未获告知录音录像：{}", "a visitor was never told of the recording: {}"
    ),
    Code.SEGMENT_MISSING: Meaning(
        _B,
        "S1",
        "段文件缺失，但签名条目证明其存在：{}",
        "the segment file is missing though signed statements prove it existed: {}",
    ),
    Code.SEGMENT_DESTROYED: Meaning(
        _N, "S1", "段文件不在；签名条目称其已销毁", "the segment is not there; a signed entry says it was destroyed"
    ),
    Code.SEGMENT_RECLAIMED: Meaning(
        _N,
        "S1",
        "段文件不在此处；签名条目称已入库，此处未核验",
        "the segment is not here; a signed entry says a store holds it, which is not verified here",
    ),
    Code.UNSIGNED: Meaning(_B, "S2", "文件不含可核验的封签：{}", "the file carries no seal that can be verified: {}"),
    Code.INIT_ALTERED: Meaning(_B, "S2", "文件头部被改动：{}", "the head of the file was altered: {}"),
    Code.IDENTITY_WRONG: Meaning(
        _B, "S3", "文件自述身份与其所在位置不符：{}", "the file's identity does not fit its place: {}"
    ),
    Code.FRAGMENT_ALTERED: Meaning(_B, "S4", "该片内容被改动：{}", "the fragment was altered: {}"),
    Code.SEAL_ALTERED: Meaning(_B, "S5", "封签被改动：{}", "the seal was altered: {}"),
    Code.SEAL_WRONG: Meaning(_B, "S5", "封签内容不合规则：{}", "the seal does not fit its place: {}"),
    Code.TAIL_MISSING: Meaning(_B, "S6", "文件末尾缺失：{}", "the end of the file is missing: {}"),
    Code.EXTRA_BYTES: Meaning(_B, "S6", "多出 {} 字节", "{} bytes were added"),
    Code.TORN_TAIL: Meaning(
        _W,
        "S6",
        "最后一个有效封签之后有 {} 字节未写完，不予采信",
        "{} unfinished bytes follow the last good seal, not believed",
    ),
    Code.UNSEALED_MEDIA: Meaning(
        _W,
        "S6",
        "末个封签之后有 {} 字节从未封签，可能仍可播放；请勿直接播放此文件：此后的内容无人担保",
        "{} bytes after the last seal, possibly playable, were never sealed; do not play the file as it is: "
        "nobody vouches for anything after that seal",
    ),
    Code.UNFINISHED: Meaning(
        _W, "S6", "文件没有收尾封签；已核验至第 {} 片", "the file has no final seal; verified up to fragment {}"
    ),
    Code.NOTHING_SEALED: Meaning(
        _W, "S6", "文件刚建立，尚无封签", "the file was just begun; nothing in it is sealed yet"
    ),
    Code.STATEMENT_WRONG: Meaning(_B, "S7", "段声明自相矛盾：{}", "the statement contradicts itself: {}"),
    Code.FILE_HASH_WRONG: Meaning(
        _B, "S7", "整个文件的 SHA-256 与声明不符", "the SHA-256 of the whole file is not the stated one"
    ),
    Code.SEGMENT_UNSTATED: Meaning(_B, "S8", "日志未声明此段：{}", "the journal does not state this segment: {}"),
    Code.SEGMENT_BEFORE_STATEMENT: Meaning(
        _W,
        "S8",
        "日志在此段声明之前结束；依封签核验",
        "the journal ends before this segment's statement; verified by its seals",
    ),
    Code.SEGMENT_CHAIN_BROKEN: Meaning(
        _B, "S8", "与前一段不相连：{}", "the segment does not continue the one before it: {}"
    ),
    Code.TRUNCATED_BELOW_SEAL_HEAD: Meaning(
        _B,
        "S9",
        "日志末尾被截去：封签证明曾有第 {} 号条目",
        "the tail of the journal was removed: a seal proves that entry {} existed",
    ),
    Code.SEAL_HEAD_WRONG: Meaning(
        _B, "S9", "封签所见的日志与此日志不同：{}", "the seal saw another journal than this one: {}"
    ),
    Code.HOLE_UNEXPLAINED: Meaning(
        _B, "S10", "缺少 {} 的内容，且无中止条目说明", "{} is missing and no gap entry covers it"
    ),
    Code.STREAM_ABSENT: Meaning(
        _W,
        "S10",
        "承诺录制的{}在本场次中从未出现，且无中止条目说明",
        "the promised {} never came in this session and no gap entry says why",
    ),
    Code.RECORDED_WHILE_FORBIDDEN: Meaning(
        _W,
        "S11",
        "禁止录制期间仍有录制内容：{}；内容是真实的，能否使用须另行认定",
        "recorded although recording was forbidden: {}; it is authentic, whether it may be used is another question",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something was found; what does not apply is None."""

    session: bytes | None = None
    segment: int | None = None
    fragment: int | None = None
    entry: int | None = None
    offset: int | None = None


NOWHERE = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding in the words of both languages."""

    code: Code
    place: Place
    what_zh: str
    what_en: str

    @property
    def severity(self) -> Severity:
        """What the finding does to the two answers."""
        return MEANINGS[self.code].severity

    @property
    def step(self) -> str:
        """The step of FORMAT.md 10.1 that found it."""
        return MEANINGS[self.code].step


class Findings:
    """Collects findings in the order of discovery; of each code it keeps the first 200 and counts the rest."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.count: Counter[Code] = Counter()
        self.verdicts: Counter[Verdict] = Counter()
        self.unsealed_bytes = 0

    def add(self, code: Code, place: Place = NOWHERE, *, zh: str | None = None, en: object = "") -> None:
        """Add one; `zh` and `en` fill the `{}` of the two templates (`zh` defaults to `en` translated)."""
        self.count[code] += 1
        if self.count[code] > LIMIT_PER_CODE:
            return
        meaning = MEANINGS[code]
        words_en = _short(printable(str(en)))
        self.kept.append(
            Finding(
                code=code,
                place=place,
                what_zh=meaning.zh.replace("{}", _short(printable(detail_zh(words_en) if zh is None else zh))),
                what_en=meaning.en.replace("{}", words_en),
            )
        )

    def has(self, severity: Severity) -> bool:
        """Whether anything of this severity was found."""
        return any(MEANINGS[code].severity is severity for code in self.count)

    @property
    def not_kept(self) -> dict[Code, int]:
        """How many findings of a code were counted but not kept."""
        return {code: n - LIMIT_PER_CODE for code, n in self.count.items() if n > LIMIT_PER_CODE}


def printable(text: str) -> str:
    """The text with a mark for every character a terminal would act upon: file names come from whoever made them."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _short(text: str) -> str:
    """A detail is a hint, not a copy of what somebody wrote into a file."""
    return text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS] + "…"


def table() -> str:
    """The findings table of FORMAT.md 10.2."""
    lines = ["| code | severity | step | meaning |", "|---|---|---|---|"]
    lines += [f"| `{c}` | {m.severity} | {m.step} | {m.en.replace('{}', '…')} |" for c, m in MEANINGS.items()]
    return "\n".join(lines)
