"""The configuration of how the recorder looks after itself: [watchdog], [ladder] and [clock].

Frozen values with their rules, hooked into `edge.config`; owns nothing and opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.config_file import Choice, Flag, Whole, key

RTC_EXPECTATIONS = ("none", "optional", "required")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog:
    """When the recorder no longer counts as alive. The supervisor's own limit (WatchdogSec) comes on top."""

    media_seconds: int = field(
        default=20,
        metadata=key(
            Whole(5, 120),
            "录制中超过这些秒没有新的片落盘，即不再向系统看门狗报告正常；不短于 queue.seconds",
            "in a session the watchdog is fed only while a fragment became durable within so many seconds; "
            "no shorter than queue.seconds",
        ),
    )
    journal_seconds: int = field(
        default=40,
        metadata=key(
            Whole(5, 300),
            "场次中没有媒体时，超过这些秒没有新的日志条目落盘，即不再向系统看门狗报告正常",
            "in a session without media the watchdog is fed only while a journal entry became durable within so many "
            "seconds",
        ),
    )
    turn_seconds: int = field(
        default=5,
        metadata=key(
            Whole(2, 60),
            "主循环一轮超过这些秒即记为停滞",
            "a turn of the recorder's main loop longer than this is told as having stood still, in seconds",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """How far the recorder goes to get a lost source back."""

    first_wait_seconds: int = field(
        default=1,
        metadata=key(
            Whole(1, 30),
            "信号源丢失后首次重启的等待（秒），以后每次加倍",
            "wait before a lost source is started again, in seconds; doubled each time",
        ),
    )
    longest_wait_seconds: int = field(
        default=30,
        metadata=key(Whole(1, 600), "两次重启之间最长的等待（秒）", "longest wait between two such starts, in seconds"),
    )
    stream_restarts: int = field(
        default=6,
        metadata=key(
            Whole(1, 100),
            "重启信号源多少次无效、且没有任何信号在录时，重启录制程序",
            "how often a source is started again before the recorder's process is, where nothing is being recorded",
        ),
    )
    stuck_restarts: int = field(
        default=2,
        metadata=key(
            Whole(1, 100),
            "驱动没有返回多少次后重启录制程序",
            "how often a driver that does not return is tried before the recorder's process is started again",
        ),
    )
    process_restarts: int = field(
        default=2,
        metadata=key(
            Whole(0, 10),
            "一路信号最多重启录制程序多少次（恢复稳定后重新计数）",
            "how often one stream may restart the process before it has settled again",
        ),
    )
    reboots: bool = field(
        default=True,
        metadata=key(
            Flag(),
            "仍无效且没有任何信号在录时是否重启设备",
            "reboot where that does not help and nothing is being recorded",
        ),
    )
    reboot_hours: int = field(
        default=24,
        metadata=key(
            Whole(1, 720),
            "两次由此引起的重启设备之间，设备至少运行的小时数",
            "hours the device has run since the last such reboot before another is ordered",
        ),
    )
    settle_seconds: int = field(
        default=300,
        metadata=key(
            Whole(10, 86_400),
            "信号恢复后录制多久才重新计数（秒）",
            "how long a source records again before its counts begin anew, in seconds",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """When the device's UTC is believed."""

    bound_ms: int = field(
        default=1000,
        metadata=key(
            Whole(10, 60_000),
            "估计误差超过此值（毫秒）即报告时间长久未同步",
            "an estimated error above this is told as unsynchronised, in milliseconds",
        ),
    )
    drift_ppm: int = field(
        default=100,
        metadata=key(
            Whole(1, 500),
            "失去同步后时钟每秒可能偏离的百万分率",
            "how far the free-running clock may drift, in parts per million",
        ),
    )
    rtc: str = field(
        default="optional",
        metadata=key(
            Choice(RTC_EXPECTATIONS),
            "有无带电池的硬件时钟：none 没有，optional 有则检查，required 必须有",
            "battery-backed clock: none is expected, optional is checked where there is one, required must be there",
        ),
    )
    rtc_tolerance_seconds: int = field(
        default=5,
        metadata=key(
            Whole(1, 3600),
            "已同步时硬件时钟允许相差的秒数",
            "seconds the battery-backed clock may differ while UTC is synchronised",
        ),
    )
    poll_seconds: int = field(
        default=16,
        metadata=key(Whole(2, 600), "询问时间来源的间隔（秒）", "seconds between questions to the time sources"),
    )
