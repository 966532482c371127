"""The recorder's configuration: one TOML file as frozen values, or every reason why it cannot be used.

Owns no thread and writes nothing; `load` reads one file. Secrets are named by path and never stand in the file; the
environment overrides nothing. A `Config` that exists is valid, whether a file or code built it.
"""

from __future__ import annotations

import functools
import hashlib
import os.path
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone
from importlib import resources
from pathlib import Path

from edge.config_file import (
    Choice,
    ConfigError,
    Described,
    Flag,
    Location,
    Locations,
    Names,
    Number,
    Problem,
    Rectangle,
    Text,
    Whole,
    describe_table,
    key,
    read_keys,
    read_toml,
    refusals,
    render_table,
    table,
    whole_file_problem,
)
from edge.guard.settings import Interlock, Lamps, interlock_problems, pin_conflicts
from edge.ports import Side
from edge.profiles import NEUTRAL, Profile, load_named
from edge.profiles.schema import Cites, GapCause
from edge.sensors import settings as sensing
from edge.sensors.settings import Board, Gas, Ups
from edge.settings_control import Control
from edge.settings_panel import Panel, Prompts, panel_problems
from edge.settings_profile import ProfileChoice
from edge.settings_store import AS_THE_PROFILE_SAYS, Deadline, Retention, Store
from edge.settings_store import contradictions as store_problems
from edge.settings_upkeep import Clock, Ladder, Watchdog

__all__ = [
    "DEFAULT_TOML",
    "Camera",
    "Checks",
    "Clock",
    "Config",
    "ConfigError",
    "Control",
    "Deadline",
    "Described",
    "Device",
    "Interlock",
    "Journal",
    "Key",
    "Ladder",
    "Lamps",
    "Microphone",
    "Panel",
    "PictureChecks",
    "Problem",
    "ProfileChoice",
    "Prompts",
    "Queue",
    "Retention",
    "Segment",
    "Session",
    "SoundChecks",
    "Spool",
    "Store",
    "Token",
    "Watchdog",
    "describe",
    "load",
    "parse",
    "template",
]

FILE_LIMIT_BYTES = 262_144
SEGMENT_LIMIT_BYTES = 64 * 1024 * 1024
"""What a verifier accepts as one segment (design 4)."""
BURST_PERCENT = 150
"""An encoder's average is a promise over minutes; a single segment may exceed it by half."""
PCM_BITS = 16
BY_LAW = "法律法规规定"
"""The neutral ground, which every jurisdiction has: it must cite which law (Jiaozuo Art. 8(3))."""

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
RATES_HZ = (8000, 16000, 32000, 44100, 48000)

DEFAULT_TOML = resources.files("edge").joinpath("default.toml").read_bytes()
"""The packaged, commented default; part of the program, so it is read where the program is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where the recorder hangs and what time people there read on the wall."""

    room: str = field(
        default="第一听证室",
        metadata=key(
            Text(40), "房间名称，叠加在画面上并写入场次", "name of the room, in the caption and the session entry"
        ),
    )
    utc_offset_minutes: int = field(
        default=480,
        metadata=key(
            Whole(-720, 840, 15),
            "画面上当地时间与 UTC 相差的分钟数（北京时间 480）",
            "minutes of local time in the caption ahead of UTC (Beijing 480)",
        ),
    )

    @property
    def zone(self) -> timezone:
        """Local time where the recorder hangs: what every time is told in, whatever the machine is set to."""
        return timezone(timedelta(minutes=self.utc_offset_minutes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """The local store of segments, journal and records."""

    directory: Path = field(
        default=Path("/var/lib/liuhen/spool"),
        metadata=key(Location(), "本机存储目录", "folder of the local store"),
    )
    minimum_free_hours: float = field(
        default=2.0,
        metadata=key(
            Number(0.1, 1000),
            "剩余空间不足以录制这些小时时拒绝开始",
            "a session is refused when free space holds fewer hours than this",
        ),
    )
    journal_file_bytes: int = field(
        default=4_194_304,
        metadata=key(
            Whole(65_536, 67_108_864),
            "日志文件达到此大小即换新文件",
            "a journal file of this size is followed by a new one",
        ),
    )
    journal_reserve_bytes: int = field(
        default=4_194_304,
        metadata=key(
            Whole(65_536, 1_073_741_824),
            "为日志预留的空间，存储满时仍能写下原因",
            "space kept for the journal, so that a full store can still say why it stopped",
        ),
    )
    slow_write_milliseconds: int = field(
        default=2000,
        metadata=key(
            Whole(100, 20_000),
            "一次写入并落盘超过这些毫秒即记为存储缓慢",
            "a write with its flush that takes longer than this is told as a slow store, in milliseconds",
        ),
    )
    mirror: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "第二块存储盘上的镜像目录；两块盘任一块都可单独校验",
            "folder on a second disk that holds the same; either one verifies alone",
        ),
    )
    mirror_stall_milliseconds: int = field(
        default=3000,
        metadata=key(
            Whole(500, 15_000),
            "有镜像时，一块盘超过这些毫秒不应答即视为失效，由另一块盘继续",
            "with a mirror, a disk that does not answer for longer is given up and the other goes on, in milliseconds",
        ),
    )
    scrub_bytes_per_second: int = field(
        default=4_000_000,
        metadata=key(
            Whole(0, 1_000_000_000),
            "空闲时巡检已存内容的读取速度，字节每秒（0 表示不巡检）",
            "how fast stored content is read again while idle to find rot, in bytes per second; 0: never",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A PKCS#11 token that holds the device key; without a module the key is a file. The PIN stands in a file."""

    module: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "密码令牌的 PKCS#11 模块（.so 文件）",
            "PKCS#11 module (.so) of the token that holds the device key",
        ),
    )
    label: str = field(default="liuhen", metadata=key(Text(32), "令牌的标签", "label of the token"))
    pin_file: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "存放令牌口令的文件（仅所有者可读）",
            "file that holds the token's PIN (owner only)",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The device key by path; its bytes never stand in the configuration.

    With a token, `file` is where the device keeps what it remembers beside the key, and an emergency key.
    """

    file: Path = field(
        default=Path("/var/lib/liuhen/key/device.key"),
        metadata=key(
            Location(),
            "设备私钥文件（仅所有者可读），不得放在存储目录内",
            "device key file (owner only), never inside the spool",
        ),
    )
    endorsements: tuple[Path, ...] = field(
        default=(),
        metadata=key(
            Locations(8),
            "上级根密钥对本设备密钥的背书文件",
            "files in which an organisation root endorses the device key",
        ),
    )
    token: Token = field(
        default=Token(),
        metadata=table(Token, "密码令牌（可选；私钥不出令牌）", "A token that holds the key (optional)"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Picture: source, geometry, encoder and caption."""

    enabled: bool = field(default=True, metadata=key(Flag(), "是否录制画面", "record the picture"))
    index: int = field(default=0, metadata=key(Whole(0, 9), "第几个摄像头，从 0 起", "which camera, counted from 0"))
    width: int = field(default=1280, metadata=key(Whole(64, 3840, 2), "画面宽度（像素）", "picture width in pixels"))
    height: int = field(default=720, metadata=key(Whole(64, 2160, 2), "画面高度（像素）", "picture height in pixels"))
    frames_per_second: int = field(default=25, metadata=key(Whole(1, 60), "每秒帧数", "frames per second"))
    bitrate_bits_per_second: int = field(
        default=2_000_000,
        metadata=key(
            Whole(100_000, 25_000_000), "画面平均码率（比特每秒）", "average picture bitrate in bits per second"
        ),
    )
    hot_bitrate_bits_per_second: int = field(
        default=1_000_000,
        metadata=key(
            Whole(100_000, 25_000_000),
            "设备过热时的画面平均码率（比特每秒），高于上一项时不降",
            "average picture bitrate while the board is too hot; not lowered where it is above the one before",
        ),
    )
    preset: str = field(
        default="ultrafast",
        metadata=key(
            Choice(PRESETS),
            "软件编码器 x264 的速度档，越慢越费处理器；硬件编码器不用此项",
            "speed of the x264 software encoder, slower costs more CPU; a hardware encoder ignores it",
        ),
    )
    caption: bool = field(
        default=True,
        metadata=key(Flag(), "把时间、房间和场次叠加在画面上", "burn time, room and session into the picture"),
    )
    caption_font: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "叠加文字的字体文件，空为自动查找",
            "font file of the caption; empty lets the camera find one",
        ),
    )
    officials_zone: tuple[int, ...] = field(
        default=(),
        metadata=key(
            Rectangle(),
            "执法人员座位在画面中的区域，被遮挡时报警（焦作第九条末款：同时记录双方）",
            "where the officials sit in the picture; told when it is hidden (both sides have to be in view)",
        ),
    )
    parties_zone: tuple[int, ...] = field(
        default=(),
        metadata=key(
            Rectangle(),
            "当事人座位在画面中的区域，被遮挡时报警",
            "where the parties sit in the picture; told when it is hidden",
        ),
    )

    def zones(self) -> tuple[tuple[Side, tuple[int, ...]], ...]:
        """The zones that are configured, in thousandths of the picture."""
        both = ((Side.OFFICIALS, self.officials_zone), (Side.PARTIES, self.parties_zone))
        return tuple((side, zone) for side, zone in both if zone)

    def bitrate(self, *, eased: bool) -> int:
        """Bits per second: the usual average, or the lower one of a board that is too hot."""
        usual = self.bitrate_bits_per_second
        return min(usual, self.hot_bitrate_bits_per_second) if eased else usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Microphone:
    """Sound: source, PCM geometry, packets and latency."""

    enabled: bool = field(default=True, metadata=key(Flag(), "是否录制声音", "record the sound"))
    device: str = field(
        default="default",
        metadata=key(
            Text(100),
            "声音设备名；正式使用请写 hw: 开头的硬件设备，中间不要有声音服务",
            "sound device; name the hw: device itself on a real recorder, with no sound server in between",
        ),
    )
    rate_hz: int = field(default=48000, metadata=key(Choice(RATES_HZ), "采样率（赫兹）", "sampling rate in hertz"))
    channels: int = field(default=1, metadata=key(Whole(1, 2), "声道数", "channels"))
    packet_samples: int = field(
        default=1024,
        metadata=key(
            Whole(256, 4608),
            "每个声音包的采样数，也是声音中止的精度",
            "samples in one sound packet, which is also how exactly a gap in the sound is known",
        ),
    )
    latency_seconds: float = field(
        default=0.2,
        metadata=key(
            Number(0.01, 2), "向声音系统请求的缓冲时长（秒）", "buffering asked of the sound system, in seconds"
        ),
    )
    latency_correction_ms: int = field(
        default=0,
        metadata=key(
            Whole(-1000, 1000),
            "拍手试验测得的声音滞后（毫秒），从声音时间中减去",
            "how late the sound is in a clap test, in milliseconds; subtracted from sound time",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """How the stream is cut into files and sealed pieces."""

    seconds: int = field(default=30, metadata=key(Whole(10, 300), "每段时长（秒）", "length of a segment in seconds"))
    fragment_milliseconds: int = field(
        default=500,
        metadata=key(
            Whole(200, 1000),
            "每片时长（毫秒）；断电最多失去尚未封签的一片",
            "length of a fragment in milliseconds; a power cut loses what is not yet sealed",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How much encoded media may wait for a slow store before an exact gap is recorded."""

    seconds: int = field(
        default=20, metadata=key(Whole(5, 60), "最多等待写入的时长（秒）", "most media that may wait, in seconds")
    )
    limit_bytes: int = field(
        default=33_554_432,
        metadata=key(Whole(1_048_576, 536_870_912), "最多等待写入的字节数", "most media that may wait, in bytes"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """How often the device signs that it is alive, and signs the whole journal so far."""

    heartbeat_seconds: int = field(
        default=10,
        metadata=key(
            Whole(1, 60),
            "签名心跳的间隔（秒）；没有心跳本身就是发现",
            "seconds between signed heartbeats; silence is a finding",
        ),
    )
    checkpoint_seconds: int = field(
        default=3600,
        metadata=key(Whole(60, 86_400), "检查点的间隔（秒）", "seconds between checkpoints while a session is open"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a start does with a session that an unclean end left open; whether the room is recorded all day."""

    always_on: bool = field(
        default=False,
        metadata=key(
            Flag(),
            "值守：办案场所全程录制，一天为一个场次，办事人按号登记（焦作第七条末款）",
            "always on: the room is recorded all day as one session, and visits are named intervals of it by number",
        ),
    )
    day_begins_minutes: int = field(
        default=240,
        metadata=key(
            Whole(0, 1439),
            "值守时一天从当地零点后多少分钟开始（默认 04:00）；到时若有人在办事，等其结束",
            "always on: minutes after local midnight at which a day's session begins; an open visit is waited for",
        ),
    )
    schedule_grace_minutes: int = field(
        default=15,
        metadata=key(
            Whole(1, 240),
            "日程所列听证开始后多久仍未录制即记为“应录未录”（分钟，焦作第二十条）",
            "how long after its beginning a scheduled hearing may go unrecorded before that is told, in minutes",
        ),
    )
    visit_notice_seconds: int = field(
        default=60,
        metadata=key(
            Whole(10, 600),
            "每名办事人到来后多久内须告知录音录像（秒）",
            "how soon every visitor has to be told of the recording, in seconds",
        ),
    )

    resume_hours: int = field(
        default=12,
        metadata=key(
            Whole(0, 168),
            "中断不超过此时间的场次自动续录；更久的按原界限结束，另开新场次（0 表示从不续录）",
            "a session interrupted for no longer goes on by itself, an older one is closed with its bounds; 0: never",
        ),
    )
    planned_hours: float = field(
        default=4.0,
        metadata=key(
            Number(0.1, 72),
            "一个场次通常计划多少小时；开始前按此再加 25% 核对剩余空间，不足时提醒",
            "hours a session is planned for; before it begins free space must hold a quarter more, or somebody is told",
        ),
    )
    approval_minutes: int = field(
        default=10,
        metadata=key(
            Whole(1, 1440),
            "“不得记录”多久未获第二人批准即告警（分钟）",
            "a withholding that no second person has approved for so long alarms, in minutes",
        ),
    )
    withheld_minutes: int = field(
        default=60,
        metadata=key(
            Whole(1, 1440),
            "“不得记录”持续多久即告警（分钟）；只告警，不自动恢复",
            "a withholding that lasts so long alarms, in minutes; nothing ends it but a person",
        ),
    )
    explanation_seconds: int = field(
        default=60,
        metadata=key(
            Whole(10, 3600),
            "恢复录制后多久未作语音说明即告警（秒）",
            "an interruption not explained aloud so long after recording resumed alarms, in seconds",
        ),
    )
    resume_minutes: int = field(
        default=10,
        metadata=key(
            Whole(1, 1440),
            "中止多久未能恢复即告警并提示向部门负责人报告（分钟）",
            "an interruption that lasts so long alarms and opens the duty to report, in minutes",
        ),
    )
    approvers: tuple[str, ...] = field(
        default=(),
        metadata=key(
            Names(32, 40),
            "可以批准“不得记录”的人员姓名；空表示除提出人外的任何人",
            "who may approve a withholding; empty: anybody but the one who asked for it",
        ),
    )
    withhold_grounds: tuple[str, ...] = field(
        default=(),
        metadata=key(
            Names(32, 40),
            "允许的“不得记录”事由；“法律法规规定”须写明条款；空为辖区规则所列的事由",
            "grounds on which recording may be withheld; “法律法规规定” (required by law) must cite the law; "
            "empty: those of the jurisdiction's rules",
        ),
    )


def _luma(default: int, zh: str, en: str) -> int:
    note = key(Whole(0, 255_000), f"{zh}（亮度 0..255 的千分之一）", f"{en} (thousandths of luma 0..255)")
    chosen: int = field(default=default, metadata=note)
    return chosen


def _seconds(default: int, zh: str, en: str) -> int:
    chosen: int = field(default=default, metadata=key(Whole(1, 600), f"{zh}（秒）", f"{en}, in seconds"))
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureChecks:
    """Thresholds of black, frozen and covered. Chosen on drawn pictures; not yet measured on a Pi."""

    black_seconds: int = _seconds(5, "黑画面持续多久才报告", "how long a black picture lasts before it is reported")
    black_enter_milliluma: int = _luma(24_000, "平均亮度不高于此为黑画面", "mean luma at or below this is black")
    black_leave_milliluma: int = _luma(
        32_000, "平均亮度不低于此不再是黑画面", "mean luma at or above this is no longer black"
    )
    frozen_seconds: int = _seconds(5, "画面静止不变多久才报告", "how long a frozen picture lasts before it is reported")
    frozen_enter_milliluma: int = _luma(
        30,
        "相邻画面平均变化不高于此为冻结；真实传感器的噪声更大",
        "mean change at or below this is frozen; a sensor's noise is larger",
    )
    frozen_leave_milliluma: int = _luma(
        60, "平均变化不低于此不再是冻结", "mean change at or above this is no longer frozen"
    )
    covered_seconds: int = _seconds(5, "镜头被遮挡多久才报告", "how long a covered lens lasts before it is reported")
    covered_detail_enter_milliluma: int = _luma(
        1_200,
        "相邻像素平均差不高于此为没有细节",
        "mean difference of neighbouring pixels at or below this is no detail",
    )
    covered_detail_leave_milliluma: int = _luma(
        1_800,
        "相邻像素平均差不低于此不再是遮挡",
        "mean difference of neighbouring pixels at or above this is not covered",
    )
    covered_dim_enter_milliluma: int = _luma(
        90_000, "没有细节且平均亮度不高于此为遮挡", "no detail with mean luma at or below this is covered"
    )
    covered_dim_leave_milliluma: int = _luma(
        100_000, "遮挡结束所需的平均亮度（并须有明暗）", "mean luma that ends covered (together with contrast)"
    )
    covered_flat_enter_milliluma: int = _luma(
        6_000,
        "没有细节且明暗分布不高于此为遮挡，再亮也是",
        "no detail with spread at or below this is covered, however bright",
    )
    covered_flat_leave_milliluma: int = _luma(
        8_000, "遮挡结束所需的明暗分布（并须够亮）", "spread that ends covered (together with brightness)"
    )
    side_seconds: int = field(
        default=5,
        metadata=key(
            Whole(1, 9),
            "一侧座位被遮挡多久才报告（秒）；界限与黑画面、遮挡相同",
            "how long one side's zone is hidden before it is reported, in seconds; judged by the bounds of black "
            "and covered",
        ),
    )
    clear_seconds: int = _seconds(
        2, "恢复正常持续多久才算结束", "how long it must be well again before the end is reported"
    )


def _level(default: int, zh: str, en: str) -> int:
    note = key(Whole(-9600, 0), f"{zh}（满刻度以下百分之一分贝）", f"{en} (hundredths of a decibel, full scale is 0)")
    chosen: int = field(default=default, metadata=note)
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundChecks:
    """Thresholds of digital zero, silence and clipping. Chosen on computed levels; not yet measured on a Pi."""

    digital_zero_seconds: int = _seconds(
        2,
        "全为零的采样超过多久才报告（断线或被切断）",
        "how long a run of exact zeros may last unreported (a cut or muted source)",
    )
    silence_seconds: int = _seconds(60, "声音过低超过多久才报告", "how long too low a level may last unreported")
    silence_enter_millibel: int = _level(-6000, "有效值不高于此为静音", "an RMS level at or below this is silence")
    silence_leave_millibel: int = _level(
        -5500, "有效值不低于此不再是静音", "an RMS level at or above this is no silence"
    )
    clipping_enter_samples_per_second: int = field(
        default=100,
        metadata=key(
            Whole(1, 96_000),
            "一秒内削顶采样多于此数即报告",
            "more clipped samples than this within one second are reported",
        ),
    )
    clipping_leave_samples_per_second: int = field(
        default=10,
        metadata=key(
            Whole(0, 96_000),
            "一秒内削顶采样不多于此数为恢复",
            "no more clipped samples than this within one second is well again",
        ),
    )
    clear_seconds: int = _seconds(
        2, "恢复正常持续多久才算结束", "how long it must be well again before the end is reported"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """When the picture or the sound is not what a hearing looks and sounds like."""

    picture: PictureChecks = field(
        default=PictureChecks(),
        metadata=table(PictureChecks, "画面检查：黑、冻结、遮挡", "Picture: black, frozen, covered"),
    )
    sound: SoundChecks = field(
        default=SoundChecks(),
        metadata=table(SoundChecks, "声音检查：全零、静音、削顶", "Sound: digital zero, silence, clipping"),
    )


@functools.cache
def _neutral() -> Profile:
    return load_named(NEUTRAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file. `digest` is SHA-256 of the file's bytes; building an invalid one raises ConfigError."""

    device: Device = field(default=Device(), metadata=table(Device, "设备", "The device"))
    spool: Spool = field(default=Spool(), metadata=table(Spool, "本机存储", "The local store"))
    key: Key = field(default=Key(), metadata=table(Key, "签名密钥（只写路径）", "The signing key (paths only)"))
    camera: Camera = field(default=Camera(), metadata=table(Camera, "画面", "Picture"))
    microphone: Microphone = field(default=Microphone(), metadata=table(Microphone, "声音", "Sound"))
    segment: Segment = field(default=Segment(), metadata=table(Segment, "段与片", "Segments and fragments"))
    queue: Queue = field(default=Queue(), metadata=table(Queue, "等待写入的队列", "Media waiting to be written"))
    journal: Journal = field(default=Journal(), metadata=table(Journal, "日志", "The journal"))
    session: Session = field(default=Session(), metadata=table(Session, "场次", "Sessions"))
    checks: Checks = field(default=Checks(), metadata=table(Checks, "画面与声音的检查", "Checks of picture and sound"))
    clock: Clock = field(default=Clock(), metadata=table(Clock, "时间是否可信", "Whether the time is believed"))
    ladder: Ladder = field(
        default=Ladder(), metadata=table(Ladder, "信号源丢失后的逐级恢复", "Getting a lost source back, step by step")
    )
    watchdog: Watchdog = field(default=Watchdog(), metadata=table(Watchdog, "看门狗", "The watchdog"))
    ups: Ups = field(default=Ups(), metadata=table(Ups, "不间断电源", "The uninterruptible power supply"))
    gas: Gas = field(default=Gas(), metadata=table(Gas, "可燃气体探测器", "The gas detector"))
    board: Board = field(default=Board(), metadata=table(Board, "主板", "The board"))
    interlock: Interlock = field(
        default=Interlock(), metadata=table(Interlock, "防爆联锁", "The explosion-zone interlock")
    )
    lamps: Lamps = field(default=Lamps(), metadata=table(Lamps, "指示灯和蜂鸣器", "Lamps and buzzer"))
    control: Control = field(default=Control(), metadata=table(Control, "控制套接字", "The control socket"))
    panel: Panel = field(default=Panel(), metadata=table(Panel, "按钮面板", "The panel's buttons"))
    prompts: Prompts = field(
        default=Prompts(), metadata=table(Prompts, "扬声器提示", "Prompts through the loudspeaker")
    )
    store: Store = field(default=Store(), metadata=table(Store, "中心存储库（可选）", "The central store (optional)"))
    deadline: Deadline = field(
        default=Deadline(), metadata=table(Deadline, "入库期限", "By when a session must be in the store")
    )
    retention: Retention = field(
        default=Retention(), metadata=table(Retention, "保存期限", "How long a session is kept")
    )
    profile: ProfileChoice = field(
        default=ProfileChoice(), metadata=table(ProfileChoice, "辖区规则", "The jurisdiction's rules")
    )
    rules: Profile = field(default_factory=_neutral)
    """The chosen rules: put in by `edge.rules` in the processes that act on them, the neutral ones elsewhere."""
    digest: bytes = field(default_factory=lambda: hashlib.sha256(DEFAULT_TOML).digest())

    def __post_init__(self) -> None:
        """Refuse values that break a rule, then values that contradict each other. Raises ConfigError."""
        problems = tuple(refusals(self)) or tuple(_contradictions(self))
        if problems:
            raise ConfigError(problems)

    @property
    def withhold_grounds(self) -> tuple[str, ...]:
        """On what grounds recording may be withheld: the file's own, else the rules', else what a law demands."""
        return self.session.withhold_grounds or tuple(self.rules.grounds()) or (BY_LAW,)

    def must_cite(self, ground: str) -> bool:
        """Whether an approval on that ground names the law or gives the reason (Jiaozuo Art. 8(3), Zezhou (三))."""
        return ground == BY_LAW or self.rules.cites(ground) is not Cites.NOTHING

    @property
    def interruption_causes(self) -> tuple[GapCause, ...]:
        """What a person may say an interruption was: the rules' causes, else the neutral ones; 其他 with its words."""
        named = self.rules.interruptions or _neutral().interruptions
        return (*dict.fromkeys(one.cause for one in named if one.cause is not GapCause.OTHER), GapCause.OTHER)

    @property
    def deadline_in_force(self) -> Deadline:
        """The file's own deadline, else that of the rules; where they name none, none."""
        if self.deadline.amount != AS_THE_PROFILE_SAYS:
            return self.deadline
        if self.rules.store is None:
            return replace(self.deadline, amount=0)
        limit = self.rules.store.limit
        return replace(self.deadline, amount=limit.amount, unit=limit.unit.value)

    @property
    def prompts_in_force(self) -> Prompts:
        """The prompts with the file's own notice, else that of the rules, else the built-in one."""
        if self.prompts.notice or self.rules.notice is None:
            return self.prompts
        return replace(self.prompts, notice=self.rules.notice.text)

    @property
    def has_guard(self) -> bool:
        """Whether there is anything for the guard's process to do."""
        return self.interlock.enabled or self.lamps.enabled

    @property
    def has_sensors(self) -> bool:
        """Whether there is anything for the sensors' process to do."""
        return self.ups.kind != "none" or self.gas.kind != "none" or self.board.enabled

    def media_bytes_per_second(self) -> int:
        """What one second of media takes at most on average: the picture's bitrate and the sound as if uncompressed."""
        picture = self.camera.bitrate_bits_per_second if self.camera.enabled else 0
        sound = self.microphone.rate_hz * self.microphone.channels * PCM_BITS if self.microphone.enabled else 0
        return -(-(picture + sound) // 8)


def load(path: Path) -> Config:
    """Read and check one file. Raises ConfigError, also where the file is missing, unreadable or absurdly large."""
    return parse(read(path), base=path.absolute().parent)


def read(path: Path) -> bytes:
    """The bytes of a configuration file. Raises ConfigError where it is missing, unreadable or absurdly large."""
    try:
        with path.open("rb") as source:
            content = source.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            (whole_file_problem(f"{path} 无法读取（{reason}）", f"{path} cannot be read ({reason})"),)
        ) from error
    if len(content) > FILE_LIMIT_BYTES:
        zh, en = f"{path} 超过 {FILE_LIMIT_BYTES} 字节", f"{path} is larger than {FILE_LIMIT_BYTES} bytes"
        raise ConfigError((whole_file_problem(zh, en),))
    return content


def parse(content: bytes, *, base: Path = Path("/")) -> Config:
    """Check TOML bytes; relative paths count from the absolute folder `base`. Raises ConfigError with every problem."""
    raw = read_toml(content)
    problems: list[Problem] = []
    values = read_keys(Config, raw, base, problems)
    if problems:
        raise ConfigError(tuple(problems))
    return Config(**values, digest=hashlib.sha256(content).digest())


def describe() -> list[Described]:
    """Every key with its range, default and meaning, in the order of the file."""
    return list(describe_table(Config))


def template() -> str:
    """The commented default file, rendered from the schema; the packaged `default.toml` is exactly this text."""
    return "\n".join([*_HEADING, *render_table(Config)]) + "\n"


_HEADING = (
    "# 留痕录制设备的配置。每一项都有默认值，可以只写要改的项；写错的名称或数值会被拒绝并说明原因。",
    "# Configuration of a Liuhen recorder. Every key has a default, so a file may hold only what differs; an unknown",
    "# name or a value out of range is refused with the reason. Check a file with: liuhen config check FILE",
    "# 此文件的 SHA-256 写入每个场次。密钥和口令不写在这里，只写它们的文件路径。",
    "# The SHA-256 of this file stands in every session. Secrets never stand here, only paths to them.",
)


def _contradictions(config: Config) -> Iterator[Problem]:
    yield from _without_source(config)
    yield from _finer_than_media(config)
    yield from _too_large(config)
    yield from _key_in_spool(config)
    yield from _mirror_in_spool(config)
    yield from _token_without_pin(config)
    yield from _without_hysteresis(config.checks)
    yield from sensing.contradictions(config.gas, config.board)
    yield from interlock_problems(config.interlock)
    yield from pin_conflicts(config.interlock.pins(), config.lamps.pins(), config.panel.wires())
    yield from _watched_too_closely(config)
    yield from panel_problems(config.panel)
    yield from store_problems(config.store, config.deadline)


def _without_source(config: Config) -> Iterator[Problem]:
    if not (config.camera.enabled or config.microphone.enabled):
        yield Problem(
            path="camera.enabled",
            value="false",
            expected_zh="画面和声音不能都关闭（microphone.enabled 也是 false）",
            expected_en="picture and sound cannot both be off (microphone.enabled is false too)",
            example="enabled = true",
        )


def _finer_than_media(config: Config) -> Iterator[Problem]:
    camera, microphone, fragment_ms = config.camera, config.microphone, config.segment.fragment_milliseconds
    if camera.enabled and camera.frames_per_second * fragment_ms < 1000:  # noqa: PLR2004 - ms in a second
        needed_ms = -(-1000 // camera.frames_per_second)
        yield Problem(
            path="segment.fragment_milliseconds",
            value=str(fragment_ms),
            expected_zh=f"一片至少要有一帧；每秒 {camera.frames_per_second} 帧时不少于 {needed_ms}",
            expected_en=f"a fragment holds at least one frame; {needed_ms} or more at this frame rate",
            example=f"fragment_milliseconds = {needed_ms}",
        )
    most_samples = microphone.rate_hz * fragment_ms // 1000
    if microphone.enabled and microphone.packet_samples > most_samples:
        yield Problem(
            path="microphone.packet_samples",
            value=str(microphone.packet_samples),
            expected_zh=f"一个声音包不能长于一片；此处不多于 {most_samples}",
            expected_en=f"a sound packet is no longer than a fragment; {most_samples} or fewer here",
            example=f"packet_samples = {min(most_samples, 1024)}",
        )


def _too_large(config: Config) -> Iterator[Problem]:
    rate = config.media_bytes_per_second()
    if rate * config.queue.seconds > config.queue.limit_bytes:
        needed = rate * config.queue.seconds
        yield Problem(
            path="queue.limit_bytes",
            value=str(config.queue.limit_bytes),
            expected_zh=f"须容得下 {config.queue.seconds} 秒的画面和声音：不少于 {needed}",
            expected_en=f"must hold {config.queue.seconds} s of picture and sound: {needed} or more",
            example=f"limit_bytes = {needed}",
        )
    most_seconds = SEGMENT_LIMIT_BYTES * 100 // (rate * BURST_PERCENT) if rate else config.segment.seconds
    if config.segment.seconds > most_seconds:
        yield Problem(
            path="segment.seconds",
            value=str(config.segment.seconds),
            expected_zh=f"一段不得超过 {SEGMENT_LIMIT_BYTES} 字节；按此码率不多于 {most_seconds} 秒，或降低码率",
            expected_en=f"a segment is at most {SEGMENT_LIMIT_BYTES} bytes; {most_seconds} s or less at this bitrate",
            example=f"seconds = {most_seconds}",
        )


def _key_in_spool(config: Config) -> Iterator[Problem]:
    # Compared as written and without asking the file system: the spool is read by `offload`, which never has the key.
    stores = [
        Path(os.path.normpath(path)) for path in (config.spool.directory, config.spool.mirror) if path is not None
    ]
    spool = stores[0]
    paths = (("key.file", config.key.file), ("key.token.pin_file", config.key.token.pin_file))
    for name, path in paths:
        if path is not None and any(Path(os.path.normpath(path)).is_relative_to(store) for store in stores):
            word = name.rpartition(".")[2]
            yield Problem(
                path=name,
                value=repr(str(path)),
                expected_zh="私钥和口令不得放在存储目录（spool.directory、spool.mirror）内",
                expected_en="the key must stand outside the store (spool.directory, spool.mirror)",
                example=f'{word} = "{spool.parent / "key" / ("device.key" if word == "file" else "token.pin")}"',
            )


def _mirror_in_spool(config: Config) -> Iterator[Problem]:
    """As written; that the two are different disks is asked of the system when they are opened."""
    if config.spool.mirror is None:
        return
    spool, mirror = (Path(os.path.normpath(path)) for path in (config.spool.directory, config.spool.mirror))
    if spool.is_relative_to(mirror) or mirror.is_relative_to(spool):
        yield Problem(
            path="spool.mirror",
            value=repr(str(config.spool.mirror)),
            expected_zh="镜像必须在另一块盘上，不得与存储目录（spool.directory）相同或互相包含",
            expected_en="the mirror must be on another disk, neither inside the store (spool.directory) nor around it",
            example='mirror = "/media/mirror/spool"',
        )


def _token_without_pin(config: Config) -> Iterator[Problem]:
    token = config.key.token
    if (token.module is None) != (token.pin_file is None):
        missing = "pin_file" if token.pin_file is None else "module"
        yield Problem(
            path=f"key.token.{missing}",
            value='""',
            expected_zh="使用令牌须同时写明 module 和 pin_file",
            expected_en="a token needs both module and pin_file",
            example='pin_file = "/var/lib/liuhen/key/token.pin"',
        )


def _watched_too_closely(config: Config) -> Iterator[Problem]:
    """What the queue outlasts is a slow disk, and what the heartbeat leaves out is no silence: neither is a wedge."""
    watchdog, wait_seconds = config.watchdog, config.ladder.first_wait_seconds
    heartbeats_seconds = 2 * config.journal.heartbeat_seconds
    pairs = (
        ("watchdog.media_seconds", watchdog.media_seconds, config.queue.seconds, "queue.seconds"),
        ("watchdog.journal_seconds", watchdog.journal_seconds, heartbeats_seconds, "2 x journal.heartbeat_seconds"),
        ("ladder.longest_wait_seconds", config.ladder.longest_wait_seconds, wait_seconds, "ladder.first_wait_seconds"),
    )
    for path, value, least, because in pairs:
        if value < least:
            yield Problem(
                path=path,
                value=str(value),
                expected_zh=f"不少于 {least}（{because}）",
                expected_en=f"must be {least} or more ({because})",
                example=f"{path.partition('.')[2]} = {least}",
            )


def _without_hysteresis(checks: Checks) -> Iterator[Problem]:
    picture, sound = checks.picture, checks.sound
    pairs = (
        ("picture.black_leave_milliluma", picture.black_enter_milliluma, picture.black_leave_milliluma),
        ("picture.frozen_leave_milliluma", picture.frozen_enter_milliluma, picture.frozen_leave_milliluma),
        (
            "picture.covered_detail_leave_milliluma",
            picture.covered_detail_enter_milliluma,
            picture.covered_detail_leave_milliluma,
        ),
        (
            "picture.covered_dim_leave_milliluma",
            picture.covered_dim_enter_milliluma,
            picture.covered_dim_leave_milliluma,
        ),
        (
            "picture.covered_flat_leave_milliluma",
            picture.covered_flat_enter_milliluma,
            picture.covered_flat_leave_milliluma,
        ),
        ("sound.silence_leave_millibel", sound.silence_enter_millibel, sound.silence_leave_millibel),
        (
            "sound.clipping_enter_samples_per_second",
            sound.clipping_leave_samples_per_second,
            sound.clipping_enter_samples_per_second,
        ),
    )
    for name, lower, upper in pairs:
        if lower >= upper:
            yield Problem(
                path=f"checks.{name}",
                value=str(upper),
                expected_zh=f"须大于 {lower}，否则结论会来回跳动",
                expected_en=f"must be above {lower}, or the finding would chatter",
                example=f"{name.partition('.')[2]} = {lower + 1}",
            )
