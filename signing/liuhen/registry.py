"""The registries of FORMAT.md 8: codes, their words, and what an event measured. A code never changes meaning."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Stream(enum.IntEnum):
    """A live stream of a session."""

    PICTURE = 0
    SOUND = 1


class Purpose(enum.IntEnum):
    """What a root endorsed a device key for."""

    DEMO = 0
    PRODUCTION = 1


class Custody(enum.IntEnum):
    """Where the private key lives."""

    FILE = 0
    TOKEN = 1


class EntryClass(enum.IntEnum):
    """What a verifier that does not know a kind must still understand of it."""

    INFORMATION = 0
    OPENS_GAP = 1
    CLOSES_GAP = 2
    STATE = 3


class EndCause(enum.IntEnum):
    """Why a segment or a session ended."""

    ROTATED = 0
    STOPPED = 1
    STREAMS_CHANGED = 2
    OVERFLOW = 3
    INTERLOCK = 4
    WITHHELD = 5
    STORAGE = 6
    POWER = 7
    DEVICE_FAULT = 8
    RECOVERED = 9
    SHUTDOWN = 10


class GapCause(enum.IntEnum):
    """The cause of an interruption, in the words of the rule books."""

    DEVICE_FAULT = 1
    DEVICE_DAMAGE = 2
    POWER_LOW = 3
    STORAGE_FULL = 4
    WEATHER = 5
    OBSTRUCTED = 6
    INTERLOCK = 7
    WITHHELD = 8
    OTHER = 9

    @property
    def words_zh(self) -> str:
        """The words of the rule books."""
        return _GAP_WORDS[self][0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return _GAP_WORDS[self][1]


_GAP_WORDS = {
    GapCause.DEVICE_FAULT: ("设备故障", "device fault"),
    GapCause.DEVICE_DAMAGE: ("设备损坏", "device damaged"),
    GapCause.POWER_LOW: ("电量不足", "power low"),
    GapCause.STORAGE_FULL: ("存储空间不足", "storage full"),
    GapCause.WEATHER: ("天气情况恶劣", "severe weather"),
    GapCause.OBSTRUCTED: ("现场人员阻挠", "obstructed by persons present"),
    GapCause.INTERLOCK: ("防爆联锁", "explosion-zone interlock"),
    GapCause.WITHHELD: ("不得记录", "recording forbidden"),
    GapCause.OTHER: ("其他", "other"),
}


class MarkCode(enum.IntEnum):
    """A point in a session."""

    STEP = 0
    KEY_MOMENT = 1
    SPOKEN_EXPLANATION = 2
    RECESS = 3
    SITTING_RESUMED = 4
    NOTICE_GIVEN = 5
    CONSENT = 6
    PROMPT_PLAYED = 7
    OTHER = 8


class KeyAct(enum.IntEnum):
    """What a key entry says of a key."""

    ROTATED = 0
    RETIRED = 1
    COMPROMISED = 2
    EMERGENCY = 3
    RETURNED = 4


class KeyCause(enum.IntEnum):
    """Why a key entry was made; for an emergency, what was wrong with the key."""

    ORDERED = 0
    KEY_FILE_MISSING = 1
    KEY_FILE_UNUSABLE = 2
    KEY_FILE_EXPOSED = 3
    TOKEN_ABSENT = 4
    TOKEN_REFUSED = 5
    ANOTHER_KEY = 6
    KEY_BACK = 7


class RunCause(enum.IntEnum):
    """What the recorder found when it started."""

    FIRST = 0
    AFTER_CLEAN_STOP = 1
    AFTER_UNCLEAN_END = 2


class StopCause(enum.IntEnum):
    """Why a run ended in order."""

    OPERATOR = 0
    SYSTEM = 1
    REFUSED = 2
    FAULT = 3


class RecordLabel(enum.IntEnum):
    """What a detached record is about."""

    PLACE = 0
    CASE = 1
    PERSONS = 2
    REASON = 3
    EXPLANATION = 4
    GROUND = 5
    APPROVAL = 6
    ATTACHMENT = 7
    OTHER = 8


class Severity(enum.IntEnum):
    """How much an event matters to a reader."""

    NOTICE = 0
    WARNING = 1
    FAULT = 2


class EventCode(enum.IntEnum):
    """Everything an `event` entry can say."""

    PICTURE_BLACK = 1
    PICTURE_BLACK_ENDED = 2
    PICTURE_FROZEN = 3
    PICTURE_FROZEN_ENDED = 4
    PICTURE_COVERED = 5
    PICTURE_COVERED_ENDED = 6
    SOUND_DIGITAL_ZERO = 7
    SOUND_DIGITAL_ZERO_ENDED = 8
    SOUND_SILENT = 9
    SOUND_SILENT_ENDED = 10
    SOUND_CLIPPING = 11
    SOUND_CLIPPING_ENDED = 12
    SOURCE_LOST = 20
    SOURCE_BACK = 21
    FRAMES_MISSED = 22
    SAMPLES_MISSED = 23
    QUEUE_OVERFLOW = 24
    CLOCK_STEPPED = 30
    CLOCK_SYNC_CHANGED = 31
    SOUND_CLOCK_OFF = 32
    STORAGE_LOW = 40
    STORAGE_SLOW = 41
    STORAGE_FAULT = 42
    JOURNAL_RESERVE_USED = 43
    STORAGE_SLOW_ENDED = 44
    REFUSED_REQUEST = 50
    ENCODER_CHANGED = 51


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMeaning:
    """The words of an event and the names of the integers in its `measured` array, in order."""

    severity: Severity
    words_zh: str
    words_en: str
    measured: tuple[str, ...] = ()


def _meaning(severity: Severity, words_zh: str, words_en: str, *measured: str) -> EventMeaning:
    return EventMeaning(severity=severity, words_zh=words_zh, words_en=words_en, measured=measured)


_PICTURE = ("mean_milliluma", "spread_milliluma", "change_milliluma", "detail_milliluma")
_SOUND = ("peak_millibel", "rms_millibel", "zero_samples", "clipped_samples")

EVENTS: dict[EventCode, EventMeaning] = {
    EventCode.PICTURE_BLACK: _meaning(Severity.WARNING, "画面全黑", "picture black", *_PICTURE),
    EventCode.PICTURE_BLACK_ENDED: _meaning(Severity.NOTICE, "画面恢复", "picture no longer black", *_PICTURE),
    EventCode.PICTURE_FROZEN: _meaning(Severity.WARNING, "画面静止不变", "picture frozen", *_PICTURE),
    EventCode.PICTURE_FROZEN_ENDED: _meaning(Severity.NOTICE, "画面恢复变化", "picture no longer frozen", *_PICTURE),
    EventCode.PICTURE_COVERED: _meaning(Severity.WARNING, "镜头被遮挡", "lens covered", *_PICTURE),
    EventCode.PICTURE_COVERED_ENDED: _meaning(Severity.NOTICE, "镜头遮挡解除", "lens no longer covered", *_PICTURE),
    EventCode.SOUND_DIGITAL_ZERO: _meaning(Severity.FAULT, "声音为数字零", "sound is digital zero", *_SOUND),
    EventCode.SOUND_DIGITAL_ZERO_ENDED: _meaning(Severity.NOTICE, "声音恢复", "sound no longer digital zero", *_SOUND),
    EventCode.SOUND_SILENT: _meaning(Severity.WARNING, "声音过低", "sound silent", *_SOUND),
    EventCode.SOUND_SILENT_ENDED: _meaning(Severity.NOTICE, "声音恢复", "sound no longer silent", *_SOUND),
    EventCode.SOUND_CLIPPING: _meaning(Severity.WARNING, "声音削波失真", "sound clipping", *_SOUND),
    EventCode.SOUND_CLIPPING_ENDED: _meaning(Severity.NOTICE, "声音削波解除", "sound no longer clipping", *_SOUND),
    EventCode.SOURCE_LOST: _meaning(Severity.FAULT, "信号源丢失", "source lost", "silent_ms"),
    EventCode.SOURCE_BACK: _meaning(Severity.NOTICE, "信号源恢复", "source back", "absent_ms"),
    EventCode.FRAMES_MISSED: _meaning(
        Severity.WARNING, "传感器漏帧", "sensor frames missed", "frames", "after_frame_index"
    ),
    EventCode.SAMPLES_MISSED: _meaning(
        Severity.WARNING, "采样缺失", "sound samples missed", "samples", "after_sample_index"
    ),
    EventCode.QUEUE_OVERFLOW: _meaning(Severity.FAULT, "写入队列溢出", "queue overflow", "lost", "hole_ms"),
    EventCode.CLOCK_STEPPED: _meaning(Severity.WARNING, "系统时间跳变", "wall clock stepped", "step_ms"),
    EventCode.CLOCK_SYNC_CHANGED: _meaning(
        Severity.NOTICE, "时间同步状态变化", "clock synchronisation changed", "before", "after", "error_ms"
    ),
    EventCode.SOUND_CLOCK_OFF: _meaning(
        Severity.WARNING, "声音时钟偏差过大", "sound clock far off", "parts_per_billion"
    ),
    EventCode.STORAGE_LOW: _meaning(Severity.WARNING, "存储空间偏低", "storage low", "free_bytes", "minutes_left"),
    EventCode.STORAGE_SLOW: _meaning(Severity.WARNING, "存储写入缓慢", "storage slow", "milliseconds"),
    EventCode.STORAGE_FAULT: _meaning(Severity.FAULT, "存储写入失败", "storage fault", "errno"),
    EventCode.JOURNAL_RESERVE_USED: _meaning(Severity.FAULT, "动用日志预留空间", "journal reserve used", "bytes"),
    EventCode.STORAGE_SLOW_ENDED: _meaning(
        Severity.NOTICE, "存储写入恢复正常", "storage no longer slow", "longest_ms", "slow_writes"
    ),
    EventCode.REFUSED_REQUEST: _meaning(Severity.NOTICE, "请求被拒绝", "request refused", "verb"),
    EventCode.ENCODER_CHANGED: _meaning(Severity.NOTICE, "编码参数变化", "encoder parameters changed"),
}


class RefusalCode(enum.IntEnum):
    """Why a start, or the destruction of content, was refused."""

    NO_CAMERA = 1
    CAMERA_BUSY = 2
    NO_MICROPHONE = 3
    MICROPHONE_FORMAT = 4
    SPACE = 5
    CLOCK = 6
    SUBSTITUTED_SOURCE = 7
    KEY = 8
    INTERLOCK = 9
    OTHER = 10
    TERM_UNSET = 11
    IN_TERM = 12
    PERMANENT = 13
    HELD = 14
    SESSION_OPEN = 15
    CLOCK_UNPROVEN = 16
    JOURNAL_INCOMPLETE = 17
    KEY_SUCCESSION = 18

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return _REFUSAL_WORDS[self][0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return _REFUSAL_WORDS[self][1]


_REFUSAL_WORDS = {
    RefusalCode.NO_CAMERA: ("没有摄像头", "no camera"),
    RefusalCode.CAMERA_BUSY: ("摄像头被占用", "camera busy"),
    RefusalCode.NO_MICROPHONE: ("没有麦克风", "no microphone"),
    RefusalCode.MICROPHONE_FORMAT: ("麦克风格式不符", "microphone format unsuitable"),
    RefusalCode.SPACE: ("存储空间不足", "storage space insufficient"),
    RefusalCode.CLOCK: ("时间不可信", "clock not trustworthy"),
    RefusalCode.SUBSTITUTED_SOURCE: ("信号源非真实设备", "source substituted"),
    RefusalCode.KEY: ("签名密钥不可用", "signing key unusable"),
    RefusalCode.INTERLOCK: ("防爆联锁", "explosion-zone interlock"),
    RefusalCode.OTHER: ("其他", "other"),
    RefusalCode.TERM_UNSET: ("未设定保存期限", "no term of keeping was ever set"),
    RefusalCode.IN_TERM: ("保存期限未满", "the term of keeping is not over"),
    RefusalCode.PERMANENT: ("须长期保存", "to be kept for good"),
    RefusalCode.HELD: ("处于保全之中，尚未解除", "under a hold that was not lifted"),
    RefusalCode.SESSION_OPEN: ("场次尚未结束", "the session has not ended"),
    RefusalCode.CLOCK_UNPROVEN: ("时钟未与基准同步，期限是否届满无法确认", "the clock is not synchronised"),
    RefusalCode.JOURNAL_INCOMPLETE: ("日志有缺失，可能漏看期限或保全", "entries of the journal are missing"),
    RefusalCode.KEY_SUCCESSION: ("密钥未经原密钥交接", "the key was not handed over by the one before it"),
}

DESTRUCTION_REFUSALS = frozenset(
    {
        RefusalCode.TERM_UNSET,
        RefusalCode.IN_TERM,
        RefusalCode.PERMANENT,
        RefusalCode.HELD,
        RefusalCode.SESSION_OPEN,
        RefusalCode.CLOCK_UNPROVEN,
        RefusalCode.JOURNAL_INCOMPLETE,
        RefusalCode.KEY_SUCCESSION,
    }
)
"""What was refused under these codes is the destruction of content, not a start."""


class RetentionBasis(enum.IntEnum):
    """Where a term of keeping comes from."""

    OTHER = 0
    CASE_FILE = 1
    LONG_TERM = 2
    LAW = 3


class HoldAct(enum.IntEnum):
    """What a hold entry does."""

    PLACED = 0
    LIFTED = 1


class ContentKind(enum.IntEnum):
    """What a destroyed entry names, and which hash names it."""

    RECORD = 0
    SEGMENT = 1
    QUARANTINED = 2


class ChoiceCode(enum.IntEnum):
    """A configuration choice that must be signed because a right hangs on it."""

    NO_INTERLOCK = 1
    NO_EX_CHECKLIST = 2
    AUTOMATIC_RESUME = 3
    ONE_STREAM_ONLY = 4
    CAPTION_OFF = 5

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return _CHOICE_WORDS[self][0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return _CHOICE_WORDS[self][1]


_CHOICE_WORDS = {
    ChoiceCode.NO_INTERLOCK: ("不设防爆联锁", "no explosion-zone interlock"),
    ChoiceCode.NO_EX_CHECKLIST: ("不设防爆检查表", "no explosion-zone checklist"),
    ChoiceCode.AUTOMATIC_RESUME: ("自动恢复录制", "automatic resume"),
    ChoiceCode.ONE_STREAM_ONLY: ("只录一路信号", "one stream only"),
    ChoiceCode.CAPTION_OFF: ("画面不加时间字样", "caption off"),
}
