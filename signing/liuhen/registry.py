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
    PARTY_ARRIVED = 9
    PLACE_SPOKEN = 10
    ENDED_EARLY = 11

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return _MARK_WORDS[self][0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return _MARK_WORDS[self][1]


_MARK_WORDS = {
    MarkCode.STEP: ("环节标记", "step"),
    MarkCode.KEY_MOMENT: ("重点标记", "key moment"),
    MarkCode.SPOKEN_EXPLANATION: ("语音说明", "spoken explanation"),
    MarkCode.RECESS: ("休会（录制未停）", "recess (recording went on)"),
    MarkCode.SITTING_RESUMED: ("复会", "sitting resumed"),
    MarkCode.NOTICE_GIVEN: ("已告知", "notice given"),
    MarkCode.CONSENT: ("当事人同意记录", "consent of the party to be recorded"),
    MarkCode.PROMPT_PLAYED: ("已播放提示音", "prompt played"),
    MarkCode.OTHER: ("其他标记", "other mark"),
    MarkCode.PARTY_ARRIVED: ("当事人到场", "party present"),
    MarkCode.PLACE_SPOKEN: ("场所口述", "place named aloud"),
    MarkCode.ENDED_EARLY: ("提前结束", "ended early"),
}


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
    STORE = 9
    CAUSE = 10
    PARTIES = 11
    RELATED_PERSONS = 12
    OFFICIALS = 13
    CERTIFICATES = 14
    HOST = 15
    RECORDER = 16
    RECORDER_AGENCY = 17
    PAPER = 18

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return _LABEL_WORDS[self][0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return _LABEL_WORDS[self][1]


_LABEL_WORDS = {
    RecordLabel.PLACE: ("地点", "place"),
    RecordLabel.CASE: ("案号", "case number"),
    RecordLabel.PERSONS: ("人员", "persons"),
    RecordLabel.REASON: ("理由", "reason"),
    RecordLabel.EXPLANATION: ("说明", "explanation"),
    RecordLabel.GROUND: ("依据", "ground"),
    RecordLabel.APPROVAL: ("批准", "approval"),
    RecordLabel.ATTACHMENT: ("附件", "attachment"),
    RecordLabel.OTHER: ("其他", "other"),
    RecordLabel.STORE: ("存储库", "store"),
    RecordLabel.CAUSE: ("案由", "cause of the case"),
    RecordLabel.PARTIES: ("当事人", "parties"),
    RecordLabel.RELATED_PERSONS: ("相关人员", "other persons concerned"),
    RecordLabel.OFFICIALS: ("执法人员", "officials"),
    RecordLabel.CERTIFICATES: ("执法证号", "certificate numbers"),
    RecordLabel.HOST: ("主持人", "host"),
    RecordLabel.RECORDER: ("记录人", "recorder"),
    RecordLabel.RECORDER_AGENCY: ("记录人所在单位", "agency of the recorder"),
    RecordLabel.PAPER: ("文书编号", "number of a paper"),
}


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
    OFFICIALS_HIDDEN = 13
    OFFICIALS_HIDDEN_ENDED = 14
    PARTIES_HIDDEN = 15
    PARTIES_HIDDEN_ENDED = 16
    SOURCE_LOST = 20
    SOURCE_BACK = 21
    FRAMES_MISSED = 22
    SAMPLES_MISSED = 23
    QUEUE_OVERFLOW = 24
    SOURCE_STOP_HUNG = 25
    SOURCE_RESTARTED = 26
    SOUND_MOVED = 27
    SOURCE_ORIGIN = 28
    CLOCK_STEPPED = 30
    CLOCK_SYNC_CHANGED = 31
    SOUND_CLOCK_OFF = 32
    CLOCK_RTC_BAD = 33
    CLOCK_UNSYNCHRONISED = 34
    CLOCK_TRUSTED = 35
    STORAGE_LOW = 40
    STORAGE_SLOW = 41
    STORAGE_FAULT = 42
    JOURNAL_RESERVE_USED = 43
    STORAGE_SLOW_ENDED = 44
    STORAGE_WARNING = 45
    STORAGE_READ_ONLY = 46
    STORAGE_REMOVED = 47
    STORAGE_WRONG_MEDIUM = 48
    STORAGE_ROT = 49
    REFUSED_REQUEST = 50
    ENCODER_CHANGED = 51
    STORAGE_NO_RECLAIM = 52
    MEDIUM_INSERTED = 53
    SPOOL_OPEN_TO_OTHERS = 54
    INTERLOCK_TRIPPED = 60
    INTERLOCK_OPEN = 61
    INTERLOCK_SHORT = 62
    INTERLOCK_NO_PULSE = 63
    INTERLOCK_CHATTER = 64
    INTERLOCK_DISCREPANT = 65
    INTERLOCK_RESET_STUCK = 66
    INTERLOCK_RESET = 67
    INTERLOCK_HEALTHY = 68
    INTERLOCK_LATCH_UNKNOWN = 69
    GUARD_LOST = 70
    GUARD_BACK = 71
    GAS_ALARM = 72
    GAS_FAULT = 73
    GAS_CLEAR = 74
    BUTTON_STUCK = 80
    BUTTON_FREE = 81
    ON_BATTERY = 90
    MAINS_BACK = 91
    BATTERY_LOW = 92
    UPS_SILENT = 93
    UPS_BACK = 94
    UNDERVOLTAGE = 95
    UNDERVOLTAGE_ENDED = 96
    THERMAL = 97
    THERMAL_ENDED = 98
    POWER_OFF_ORDERED = 99
    STORAGE_LIED = 100
    MIRROR_LOST = 101
    MIRROR_BACK = 102
    SCRUB_DONE = 103
    MIRROR_DIFFERS = 104
    HEAD_MEMORY_LOST = 105
    SENSORS_LOST = 110
    SENSORS_BACK = 111
    PROCESS_CRASHED = 112
    PROCESS_WEDGED = 113
    RESTART_ORDERED = 114
    REBOOT_ORDERED = 115
    CONFIG_FALLBACK = 116
    WITHHELD_UNAPPROVED = 120
    WITHHELD_TOO_LONG = 121
    EXPLANATION_OVERDUE = 122
    RESUME_OVERDUE = 123
    STORE_UNREACHABLE = 130
    STORE_BACK = 131
    STORE_REFUSES = 132
    STORE_UNTRUSTED = 133
    STORE_FULL = 134
    STORE_CLOCK_OFF = 135
    STORE_RETENTION_SHORT = 136
    STORE_DIFFERS = 137
    LOCAL_DIFFERS = 138
    WITNESS_DIFFERS = 139
    DEADLINE_NEAR = 140
    DEADLINE_FORECAST = 141
    DEADLINE_MISSED = 142
    DEADLINE_MET = 143
    DEADLINE_NO_CALENDAR = 144
    OFFLOAD_LOST = 145
    OFFLOAD_BACK = 146
    VISIT_NOTICE_MISSING = 160
    SCHEDULE_SET = 161
    SCHEDULED_NOT_RECORDED = 162
    ARCHIVE_NEAR = 163
    ARCHIVE_MISSED = 164
    ARCHIVE_MET = 165


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
_ZONE = ("mean_milliluma", "spread_milliluma", "detail_milliluma")
_SOUND = ("peak_millibel", "rms_millibel", "zero_samples", "clipped_samples")

EVENTS: dict[EventCode, EventMeaning] = {
    EventCode.PICTURE_BLACK: _meaning(Severity.WARNING, "画面全黑", "picture black", *_PICTURE),
    EventCode.PICTURE_BLACK_ENDED: _meaning(Severity.NOTICE, "画面恢复", "picture no longer black", *_PICTURE),
    EventCode.PICTURE_FROZEN: _meaning(Severity.WARNING, "画面静止不变", "picture frozen", *_PICTURE),
    EventCode.PICTURE_FROZEN_ENDED: _meaning(Severity.NOTICE, "画面恢复变化", "picture no longer frozen", *_PICTURE),
    EventCode.PICTURE_COVERED: _meaning(Severity.WARNING, "镜头被遮挡", "lens covered", *_PICTURE),
    EventCode.PICTURE_COVERED_ENDED: _meaning(Severity.NOTICE, "镜头遮挡解除", "lens no longer covered", *_PICTURE),
    EventCode.OFFICIALS_HIDDEN: _meaning(
        Severity.WARNING, "执法人员一侧被遮挡", "the officials' side cannot be seen", *_ZONE
    ),
    EventCode.OFFICIALS_HIDDEN_ENDED: _meaning(
        Severity.NOTICE, "执法人员一侧恢复可见", "the officials' side can be seen again", *_ZONE
    ),
    EventCode.PARTIES_HIDDEN: _meaning(
        Severity.WARNING, "当事人一侧被遮挡", "the parties' side cannot be seen", *_ZONE
    ),
    EventCode.PARTIES_HIDDEN_ENDED: _meaning(
        Severity.NOTICE, "当事人一侧恢复可见", "the parties' side can be seen again", *_ZONE
    ),
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
    EventCode.REFUSED_REQUEST: _meaning(Severity.NOTICE, "请求被拒绝", "request refused", "verb", "role"),
    EventCode.ENCODER_CHANGED: _meaning(Severity.NOTICE, "编码参数变化", "encoder parameters changed"),
    EventCode.SOURCE_STOP_HUNG: _meaning(Severity.WARNING, "信号源停止时无响应", "source did not stop", "waited_ms"),
    EventCode.SOURCE_RESTARTED: _meaning(Severity.NOTICE, "信号源重新启动", "source started again", "attempt"),
    EventCode.SOUND_MOVED: _meaning(
        Severity.FAULT, "声音被系统切换到其他设备", "the sound system moved the stream to another source"
    ),
    EventCode.SOURCE_ORIGIN: _meaning(
        Severity.NOTICE, "信号源接入，来源已记下", "source opened later, its parts are told", "parts", "substitutes"
    ),
    EventCode.CLOCK_RTC_BAD: _meaning(
        Severity.WARNING, "硬件时钟不可信", "real-time clock not to be believed", "behind_seconds"
    ),
    EventCode.CLOCK_UNSYNCHRONISED: _meaning(
        Severity.WARNING, "时间长久未同步", "clock unsynchronised beyond its bound", "error_ms"
    ),
    EventCode.CLOCK_TRUSTED: _meaning(Severity.NOTICE, "时间恢复可信", "clock to be believed again", "error_ms"),
    EventCode.STORAGE_WARNING: _meaning(
        Severity.WARNING, "存储空间将满", "storage is filling up", "level", "minutes_left"
    ),
    EventCode.STORAGE_READ_ONLY: _meaning(Severity.FAULT, "存储盘变为只读", "disk has become read-only", "side"),
    EventCode.STORAGE_REMOVED: _meaning(Severity.FAULT, "存储盘被移除", "disk removed", "side"),
    EventCode.STORAGE_WRONG_MEDIUM: _meaning(Severity.FAULT, "插回的不是原存储盘", "another disk came back", "side"),
    EventCode.STORAGE_ROT: _meaning(
        Severity.FAULT,
        "已存内容损坏",
        "stored content has rotted",
        "segment",
        "fragment",
        "good_on_the_other_disk",
        "copy",
    ),
    EventCode.STORAGE_LIED: _meaning(
        Severity.FAULT, "存储盘丢失了已确认写入的内容", "the disk lost what it had confirmed", "entries"
    ),
    EventCode.MIRROR_LOST: _meaning(Severity.FAULT, "镜像盘之一失效", "one of two disks lost", "side", "errno"),
    EventCode.MIRROR_BACK: _meaning(
        Severity.NOTICE, "镜像恢复一致", "both disks hold the same again", "side", "caught_up_bytes"
    ),
    EventCode.MIRROR_DIFFERS: _meaning(
        Severity.WARNING, "两块盘内容不同", "the two disks differ", "side", "kept", "offset", "bytes"
    ),
    EventCode.HEAD_MEMORY_LOST: _meaning(
        Severity.FAULT, "设备对日志末条的记忆已损坏", "the device's own memory of its newest entry was damaged"
    ),
    EventCode.SCRUB_DONE: _meaning(Severity.NOTICE, "存储巡检完成", "scrub done", "segments", "rotten"),
    EventCode.INTERLOCK_TRIPPED: _meaning(Severity.FAULT, "防爆联锁动作", "interlock tripped", "reason"),
    EventCode.INTERLOCK_OPEN: _meaning(Severity.FAULT, "联锁回路断线", "interlock loop broken"),
    EventCode.INTERLOCK_SHORT: _meaning(Severity.FAULT, "联锁回路短路", "interlock loop shorted or crossed"),
    EventCode.INTERLOCK_NO_PULSE: _meaning(
        Severity.FAULT, "联锁回路测试脉冲丢失", "test pulses of an interlock loop missing", "loop"
    ),
    EventCode.INTERLOCK_CHATTER: _meaning(Severity.FAULT, "联锁触点抖动", "interlock contact chatters", "trips"),
    EventCode.INTERLOCK_DISCREPANT: _meaning(
        Severity.FAULT, "两路联锁不一致", "interlock loops disagree", "milliseconds"
    ),
    EventCode.INTERLOCK_RESET_STUCK: _meaning(Severity.WARNING, "复位钥匙卡住", "reset key stuck"),
    EventCode.INTERLOCK_RESET: _meaning(Severity.NOTICE, "联锁已在现场复位", "interlock reset on the spot"),
    EventCode.INTERLOCK_HEALTHY: _meaning(Severity.NOTICE, "联锁回路恢复正常", "interlock loops are well again"),
    EventCode.INTERLOCK_LATCH_UNKNOWN: _meaning(
        Severity.WARNING, "联锁锁存状态不明，按已动作处理", "interlock latch unknown, taken as tripped"
    ),
    EventCode.GUARD_LOST: _meaning(Severity.FAULT, "联锁监护程序失联", "interlock guard silent", "silent_ms"),
    EventCode.GUARD_BACK: _meaning(Severity.NOTICE, "联锁监护程序恢复", "interlock guard is back", "silent_ms"),
    EventCode.GAS_ALARM: _meaning(Severity.FAULT, "可燃气体报警", "gas alarm", "milli_percent_lel"),
    EventCode.GAS_FAULT: _meaning(Severity.FAULT, "气体探测器故障", "gas detector fault", "reason", "value"),
    EventCode.GAS_CLEAR: _meaning(Severity.NOTICE, "气体探测恢复正常", "gas detector is well again"),
    EventCode.BUTTON_STUCK: _meaning(Severity.WARNING, "按钮卡住", "button stuck", "button"),
    EventCode.BUTTON_FREE: _meaning(Severity.NOTICE, "按钮恢复", "button free again", "button"),
    EventCode.ON_BATTERY: _meaning(Severity.WARNING, "市电中断，电池供电", "on battery", "minutes_left"),
    EventCode.MAINS_BACK: _meaning(Severity.NOTICE, "市电恢复", "mains are back", "charge_percent"),
    EventCode.BATTERY_LOW: _meaning(Severity.FAULT, "电池电量不足", "battery low", "charge_percent", "minutes_left"),
    EventCode.UPS_SILENT: _meaning(Severity.WARNING, "不间断电源失联", "UPS silent", "on_battery"),
    EventCode.UPS_BACK: _meaning(Severity.NOTICE, "不间断电源恢复通信", "UPS answers again"),
    EventCode.UNDERVOLTAGE: _meaning(Severity.WARNING, "供电电压不足", "under-voltage", "bits"),
    EventCode.UNDERVOLTAGE_ENDED: _meaning(Severity.NOTICE, "供电电压恢复", "voltage is well again", "bits"),
    EventCode.THERMAL: _meaning(Severity.WARNING, "设备过热", "device too hot", "milli_celsius", "bits"),
    EventCode.THERMAL_ENDED: _meaning(Severity.NOTICE, "设备温度恢复", "temperature is well again", "milli_celsius"),
    EventCode.POWER_OFF_ORDERED: _meaning(
        Severity.NOTICE, "录像已封存，下令断电", "everything sealed, power-off ordered"
    ),
    EventCode.SENSORS_LOST: _meaning(Severity.WARNING, "传感程序失联", "sensors process silent", "silent_ms"),
    EventCode.SENSORS_BACK: _meaning(Severity.NOTICE, "传感程序恢复", "sensors process is back", "silent_ms"),
    EventCode.PROCESS_CRASHED: _meaning(
        Severity.FAULT, "录制程序曾意外退出", "the recorder had ended unexpectedly", "signal_or_code"
    ),
    EventCode.PROCESS_WEDGED: _meaning(
        Severity.FAULT, "录制程序曾停滞", "the recorder had stood still", "milliseconds"
    ),
    EventCode.RESTART_ORDERED: _meaning(Severity.WARNING, "重新启动录制程序", "restart of the recorder ordered"),
    EventCode.REBOOT_ORDERED: _meaning(Severity.WARNING, "重新启动设备", "reboot ordered"),
    EventCode.CONFIG_FALLBACK: _meaning(
        Severity.WARNING, "配置不可用，沿用上一份有效配置", "configuration unusable, the last good one is in force"
    ),
    EventCode.WITHHELD_UNAPPROVED: _meaning(
        Severity.WARNING, "不得记录超时未获批准", "recording withheld without approval for too long", "minutes"
    ),
    EventCode.WITHHELD_TOO_LONG: _meaning(
        Severity.WARNING, "不得记录持续时间过长", "recording withheld for too long", "minutes"
    ),
    EventCode.EXPLANATION_OVERDUE: _meaning(
        Severity.WARNING, "中止原因未作语音说明", "an interruption has not been explained aloud", "seconds"
    ),
    EventCode.RESUME_OVERDUE: _meaning(
        Severity.WARNING, "长时间未能恢复录制，应当报告", "recording has not resumed for too long; report it", "minutes"
    ),
    EventCode.STORAGE_NO_RECLAIM: _meaning(
        Severity.FAULT,
        "空间将尽，而没有内容已证实入库可以清理",
        "space runs out and nothing may be reclaimed",
        "minutes_left",
    ),
    EventCode.MEDIUM_INSERTED: _meaning(Severity.WARNING, "插入了移动存储介质", "a removable medium was inserted"),
    EventCode.SPOOL_OPEN_TO_OTHERS: _meaning(
        Severity.WARNING,
        "存储目录曾对其他用户开放，已收紧权限",
        "the spool was open to other users and is closed",
        "entries",
    ),
    EventCode.STORE_UNREACHABLE: _meaning(Severity.WARNING, "存储库无法连接", "store cannot be reached", "reason"),
    EventCode.STORE_BACK: _meaning(Severity.NOTICE, "存储库恢复连接", "store is reached again", "silent_seconds"),
    EventCode.STORE_REFUSES: _meaning(Severity.FAULT, "存储库拒绝访问", "store refuses this device", "status"),
    EventCode.STORE_UNTRUSTED: _meaning(
        Severity.FAULT, "存储库证书不可信，未发送任何内容", "store's certificate is not trusted, nothing was sent"
    ),
    EventCode.STORE_FULL: _meaning(Severity.FAULT, "存储库已满或超出配额", "store is full or over its quota"),
    EventCode.STORE_CLOCK_OFF: _meaning(
        Severity.WARNING, "本机时间与存储库相差过大", "clocks of device and store differ", "difference_seconds"
    ),
    EventCode.STORE_RETENTION_SHORT: _meaning(
        Severity.FAULT, "存储库的保存期限不足", "store retains for too short a time", "missing_seconds"
    ),
    EventCode.STORE_DIFFERS: _meaning(
        Severity.FAULT, "存储库中的内容与签名不符", "what the store returned is not what was signed", "what"
    ),
    EventCode.LOCAL_DIFFERS: _meaning(
        Severity.FAULT, "本地内容与签名不符，未入库", "local bytes are not those signed; not sent", "what"
    ),
    EventCode.WITNESS_DIFFERS: _meaning(
        Severity.FAULT, "见证方所见的历史与本机日志不符", "a witness saw another history than this journal", "size"
    ),
    EventCode.DEADLINE_NEAR: _meaning(
        Severity.WARNING, "入库期限将至", "a storing deadline comes near", "percent_used", "minutes_left"
    ),
    EventCode.DEADLINE_FORECAST: _meaning(
        Severity.WARNING, "按目前速度将赶不上入库期限", "at this rate a deadline will be missed", "minutes_short"
    ),
    EventCode.DEADLINE_MISSED: _meaning(
        Severity.FAULT, "未在规定期限内入库", "not stored within the time the law allows", "cause", "bytes_left"
    ),
    EventCode.DEADLINE_MET: _meaning(
        Severity.NOTICE,
        "已存入指定存储（余下分钟为负：登记时期限已过）",
        "in the designated store (minutes left below zero: entered after the due moment)",
        "minutes_left",
    ),
    EventCode.DEADLINE_NO_CALENDAR: _meaning(
        Severity.WARNING,
        "当年没有调休日历，每一天都按工作日计算",
        "no calendar for the year, every day counts as a working day",
        "year",
    ),
    EventCode.OFFLOAD_LOST: _meaning(Severity.WARNING, "入库程序失联", "offload process silent", "silent_ms"),
    EventCode.VISIT_NOTICE_MISSING: _meaning(
        Severity.WARNING,
        "一名办事人未在时限内获得录音录像告知",
        "a visitor was not told in time of the recording",
        "seconds",
    ),
    EventCode.SCHEDULE_SET: _meaning(
        Severity.NOTICE, "日程已导入", "a schedule was imported", "hearings", "first_utc_seconds", "last_utc_seconds"
    ),
    EventCode.SCHEDULED_NOT_RECORDED: _meaning(
        Severity.FAULT,
        "按日程应当录制而未录制",
        "a scheduled hearing was not recorded",
        "row",
        "begin_utc_seconds",
        "grace_minutes",
    ),
    EventCode.ARCHIVE_NEAR: _meaning(
        Severity.WARNING, "归档期限将至", "an archiving deadline comes near", "percent_used", "days_left"
    ),
    EventCode.ARCHIVE_MISSED: _meaning(
        Severity.FAULT, "未在规定期限内归档", "not archived within the time the rules allow", "days_late"
    ),
    EventCode.ARCHIVE_MET: _meaning(Severity.NOTICE, "已按期归档", "archived in time", "days_left"),
    EventCode.OFFLOAD_BACK: _meaning(Severity.NOTICE, "入库程序恢复", "offload process is back", "silent_ms"),
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
    POWER = 19

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
    RefusalCode.POWER: ("电量不足", "power low"),
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
    COERCIVE_MEASURE = 4
    OBJECTION_OR_COMPLAINT = 5
    RESISTANCE = 6
    MASS_INCIDENT = 7
    OTHER_LONG_TERM = 8

    @property
    def words_zh(self) -> str:
        """What a reader is told; 4 to 8 are the triggers of long-term keeping (Jiaozuo Art. 17)."""
        return _RETENTION_WORDS[self][0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return _RETENTION_WORDS[self][1]


_RETENTION_WORDS = {
    RetentionBasis.OTHER: ("其他", "other"),
    RetentionBasis.CASE_FILE: ("同案卷保管期限", "as long as the case file"),
    RetentionBasis.LONG_TERM: ("长期保存", "long-term keeping"),
    RetentionBasis.LAW: ("法律规定", "the law"),
    RetentionBasis.COERCIVE_MEASURE: ("对当事人采取强制措施", "coercive measures were taken"),
    RetentionBasis.OBJECTION_OR_COMPLAINT: ("当事人有异议、投诉或上访", "a party objects or complains"),
    RetentionBasis.RESISTANCE: ("当事人逃避、拒绝、阻碍执法", "enforcement was resisted or obstructed"),
    RetentionBasis.MASS_INCIDENT: ("处置群体性事件、突发事件", "a mass incident or an emergency"),
    RetentionBasis.OTHER_LONG_TERM: ("其他需要长期保存的情形", "another reason for long-term keeping"),
}
LONG_TERM_TRIGGERS = frozenset(basis for basis in RetentionBasis if basis >= RetentionBasis.COERCIVE_MEASURE)
"""What makes a session one to be kept for good."""


class InhibitionCode(enum.IntEnum):
    """What forbids recording; each is set and cleared by itself (Jiaozuo Art. 8)."""

    INTERLOCK = 1
    WITHHELD = 2

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return GapCause[self.name].words_zh

    @property
    def words_en(self) -> str:
        """The same in English."""
        return GapCause[self.name].words_en


class InhibitionAct(enum.IntEnum):
    """What an inhibition entry does."""

    SET = 0
    APPROVED = 1
    CLEARED = 2


class DutyCode(enum.IntEnum):
    """What a person owes because recording stopped, could not start (Jiaozuo Art. 11) or never began (Art. 20(1))."""

    REPORT = 1
    WRITTEN_STATEMENT = 2

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return {DutyCode.REPORT: "向部门负责人报告", DutyCode.WRITTEN_STATEMENT: "书面说明"}[self]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return {DutyCode.REPORT: "report to the department head", DutyCode.WRITTEN_STATEMENT: "written statement"}[self]


class DutyAct(enum.IntEnum):
    """What a duty entry does."""

    OPENED = 0
    DISCHARGED = 1


class CheckCode(enum.IntEnum):
    """When a check of the device was made (Jiaozuo Art. 16); 3 is that of the store."""

    BEFORE_RECORDING = 1
    DAILY = 2
    STORE = 3


class CheckItem(enum.IntEnum):
    """What was checked."""

    CLOCK = 1
    PICTURE = 2
    SOUND = 3
    SPACE = 4
    POWER = 5
    KEY = 6
    INTERLOCK = 7
    STORE = 8
    MIRROR = 9
    TEMPERATURE = 10

    @property
    def words_zh(self) -> str:
        """What a clerk reads."""
        return ("时间", "画面", "声音", "空间", "电源", "密钥", "联锁", "入库", "镜像盘", "温度")[self - 1]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return self.name.lower()


class CheckOutcome(enum.IntEnum):
    """How an item was found; 4 where the device has it and nobody looked, which says neither well nor fault."""

    WELL = 0
    WARNING = 1
    BLOCKING = 2
    NOT_FITTED = 3
    NOT_LOOKED_AT = 4


class MaintenanceCode(enum.IntEnum):
    """What maintenance did; a record says it in words."""

    OTHER = 0
    INSPECTED = 1
    CLEANED = 2
    PART_REPLACED = 3
    SOFTWARE_CHANGED = 4
    CLOCK_SET = 5


class HoldAct(enum.IntEnum):
    """What a hold entry does."""

    PLACED = 0
    LIFTED = 1


class ContentKind(enum.IntEnum):
    """What a destroyed entry names, and which hash names it."""

    RECORD = 0
    SEGMENT = 1
    QUARANTINED = 2


class ObjectKind(enum.IntEnum):
    """What a receipt names (FORMAT.md 12.2); 0 to 2 are those of `ContentKind`."""

    RECORD = 0
    SEGMENT = 1
    QUARANTINED = 2
    JOURNAL = 3
    CHECKPOINT = 4


class RetentionMode(enum.IntEnum):
    """How the store of a receipt keeps what it holds; 0 is not WORM, and 1 an account with the right to it can lift."""

    NONE = 0
    GOVERNANCE = 1
    COMPLIANCE = 2
    BUCKET = 3


BINDING_MODES = frozenset({RetentionMode.COMPLIANCE, RetentionMode.BUCKET})
"""Locks that no account lifts before their date. Under governance one with the right to bypass it does."""


class OrderCode(enum.IntEnum):
    """What a local operator ordered."""

    RECLAIM_UNWITNESSED = 1
    WITNESS_SETTLED = 2


class ProcedureCode(enum.IntEnum):
    """What kind of proceeding a session is."""

    OTHER = 0
    HEARING = 1
    LICENCE_HEARING = 2
    WINDOW = 3
    INTERVIEW = 4
    STATEMENT = 5
    SERVICE = 6

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return ("其他", "听证", "行政许可听证", "窗口受理", "询问", "陈述申辩", "送达")[self]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return ("other", "hearing", "licence hearing", "service window", "interview", "statement", "service")[self]


class SecrecyClass(enum.IntEnum):
    """What of a session is to be protected."""

    UNSTATED = 0
    NONE = 1
    PRIVACY = 2
    TRADE_SECRET = 3
    TECHNICAL_SECRET = 4
    WORK_SECRET = 5
    STATE_SECRET = 6

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return ("未填写", "不涉密", "个人隐私", "商业秘密", "技术秘密", "工作秘密", "国家秘密")[self]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return self.name.lower().replace("_", " ")


class ExStatus(enum.IntEnum):
    """Whether the place of a session is an explosion zone."""

    UNSTATED = 0
    NO_ZONE = 1
    INTERLOCKED = 2
    EX_EQUIPMENT = 3

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return ("未填写", "非爆炸危险区域", "爆炸危险区域（防爆联锁）", "爆炸危险区域（防爆设备）")[self]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return ("unstated", "no explosion zone", "explosion zone, interlocked", "explosion zone, Ex equipment")[self]


class VisitAct(enum.IntEnum):
    """What a visit entry does."""

    BEGUN = 0
    ENDED = 1


class VisitSort(enum.IntEnum):
    """What an interval of an always-on room is."""

    VISIT = 0
    INTERVIEW = 1

    @property
    def words_zh(self) -> str:
        """What a clerk reads."""
        return ("办事", "询问")[self]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return self.name.lower()


class VisitEnd(enum.IntEnum):
    """Why a visit ended; 0 where it has not."""

    NOT_ENDED = 0
    PERSON = 1
    NEXT_VISIT = 2
    SESSION_ENDED = 3
    """Never written: a visit without an end ends with its session."""

    @property
    def words_zh(self) -> str:
        """What a clerk reads."""
        return ("未结束", "结束", "自动结束（下一号已开始）", "随值守场次结束")[self]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return ("not ended", "ended", "ended by the next visit", "ended with the session")[self]


class CaseStage(enum.IntEnum):
    """How far a case has come: what archive terms count from (Jiaozuo Art. 14, Nong'an Art. 27), and their end."""

    ENFORCEMENT_ENDED = 1
    EXECUTION_ENDED = 2
    ARCHIVED = 3

    @property
    def words_zh(self) -> str:
        """The words of the rule books."""
        return ("执法结束", "执行终结", "已归档")[self - 1]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return ("enforcement ended", "execution ended", "archived")[self - 1]


class MissedCause(enum.IntEnum):
    """Why content was not stored in time, as far as the device knows (`DEADLINE_MISSED`)."""

    UNKNOWN = 0
    STORE_UNREACHABLE = 1
    STORE_REFUSES = 2
    STORE_UNTRUSTED = 3
    STORE_FULL = 4
    RETENTION_SHORT = 5
    NO_DESIGNATED_STORE = 6
    TOO_SLOW = 7
    LOCAL_DIFFERS = 8
    OFFLOAD_SILENT = 9


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
