"""The configuration of the central store: [store], [deadline] and [retention].

Frozen values with their rules, hooked into `edge.config`; owns nothing and opens nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.config_file import Choice, Flag, Location, Problem, Text, Whole, key, table
from liuhen import ed25519, sealed_records
from liuhen.cose import key_id
from liuhen.errors import FormatError
from liuhen.registry import RetentionBasis
from liuhen.store_names import StoreUrl, parse_store_url

LEAST_CAP_BYTES_PER_SECOND = 1000
MOST_CAP_BYTES_PER_SECOND = 10**10
CAPS_LIMIT = 24
WITNESSES_LIMIT = 8
LEVELS_LIMIT = 8
AS_THE_PROFILE_SAYS = -1
MINUTES_A_DAY = 24 * 60

UNITS = ("hours", "days", "working_days")
TRIGGERS = ("session_end",)
BASES = {
    "law": RetentionBasis.LAW,
    "case_file": RetentionBasis.CASE_FILE,
    "long_term": RetentionBasis.LONG_TERM,
    "other": RetentionBasis.OTHER,
}


class _Unshown:
    """Stands for a value that must not be repeated: a URL with a password in it goes to no terminal and no log."""

    def __str__(self) -> str:
        return "…"


@dataclass(frozen=True, slots=True)
class StoreName:
    """A store's URL, in the one spelling of FORMAT.md 12.1; "" means none."""

    def convert(self, raw: object, _base: Path) -> object:
        """The one spelling; what is no store's URL is hidden, because it may hold a secret."""
        if not isinstance(raw, str) or not raw:
            return raw
        try:
            return parse_store_url(raw).text
        except FormatError:
            return _Unshown()

    def holds(self, value: object) -> bool:
        """Empty, or a store's URL."""
        if not isinstance(value, str):
            return False
        try:
            return not value or parse_store_url(value).text == value
        except FormatError:
            return False

    def allowed(self) -> tuple[str, str]:
        """Both kinds of store."""
        return (
            "file:/绝对路径 或 s3://主机[:端口]/桶（其中不得有口令）；空表示不入库",
            'file:/absolute/path or s3://host[:port]/bucket, no secret in it; "" for none',
        )


@dataclass(frozen=True, slots=True)
class DayPlan:
    """Bandwidth caps by the time of day: `HH:MM bytes-per-second`, ascending, each in force until the next."""

    def convert(self, raw: object, _base: Path) -> object:
        """A list as a tuple."""
        return tuple(raw) if isinstance(raw, list) else raw

    def holds(self, value: object) -> bool:
        """Few enough, each readable, times ascending, caps in range."""
        if not isinstance(value, tuple) or len(value) > CAPS_LIMIT:
            return False
        rows = [_cap(one) for one in value]
        times = [row[0] for row in rows if row is not None]
        return len(times) == len(rows) and all(a < b for a, b in itertools.pairwise(times))

    def allowed(self) -> tuple[str, str]:
        """How one is written."""
        return (
            f"至多 {CAPS_LIMIT} 个“时:分 字节每秒”，时间递增，不少于 {LEAST_CAP_BYTES_PER_SECOND}",
            f'at most {CAPS_LIMIT} of "HH:MM bytes per second", times ascending, {LEAST_CAP_BYTES_PER_SECOND} or more',
        )


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Raw Ed25519 public keys in 64 lower-case hex digits."""

    def convert(self, raw: object, _base: Path) -> object:
        """A list as a tuple."""
        return tuple(raw) if isinstance(raw, list) else raw

    def holds(self, value: object) -> bool:
        """Few enough, each of 64 digits, none twice."""
        if not isinstance(value, tuple) or len(value) > WITNESSES_LIMIT:
            return False
        return all(_is_public_key(one) for one in value) and len(set(value)) == len(value)

    def allowed(self) -> tuple[str, str]:
        """The number and length."""
        return (
            f"至多 {WITNESSES_LIMIT} 个互不相同的公钥，每个 64 位小写十六进制",
            f"at most {WITNESSES_LIMIT} different public keys, each 64 lower-case hex digits",
        )


@dataclass(frozen=True, slots=True)
class CustodianKeys:
    """Raw X25519 public keys in 64 lower-case hex digits."""

    def convert(self, raw: object, _base: Path) -> object:
        """A list as a tuple."""
        return tuple(raw) if isinstance(raw, list) else raw

    def holds(self, value: object) -> bool:
        """Few enough, each usable, none twice."""
        if not isinstance(value, tuple) or len(value) > sealed_records.MOST_RECIPIENTS:
            return False
        return all(_is_recipient(one) for one in value) and len(set(value)) == len(value)

    def allowed(self) -> tuple[str, str]:
        """The number and length."""
        return (
            f"至多 {sealed_records.MOST_RECIPIENTS} 个互不相同的 X25519 公钥，每个 64 位小写十六进制",
            f"at most {sealed_records.MOST_RECIPIENTS} different X25519 public keys, each 64 lower-case hex digits",
        )


@dataclass(frozen=True, slots=True)
class Levels:
    """Percentages of a term at which somebody is told, ascending."""

    def convert(self, raw: object, _base: Path) -> object:
        """A list as a tuple."""
        return tuple(raw) if isinstance(raw, list) else raw

    def holds(self, value: object) -> bool:
        """Whole numbers 1..99, ascending, few enough."""
        if not isinstance(value, tuple) or len(value) > LEVELS_LIMIT:
            return False
        return all(type(one) is int and 1 <= one <= MOST_PERCENT for one in value) and all(
            a < b for a, b in itertools.pairwise(value)
        )

    def allowed(self) -> tuple[str, str]:
        """The range."""
        return (
            f"至多 {LEVELS_LIMIT} 个递增的百分数 1..{MOST_PERCENT}",
            f"at most {LEVELS_LIMIT} ascending percentages 1..{MOST_PERCENT}",
        )


MOST_PERCENT = 99
_HEX_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CAP = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]) ([0-9]{1,11})", re.ASCII)


def _is_public_key(text: object) -> bool:
    """Whether a signature could ever verify under it: a mistyped key would be one that never cosigns."""
    if not isinstance(text, str) or not _HEX_KEY.fullmatch(text):
        return False
    try:
        ed25519.check_public_key(bytes.fromhex(text), where="public key")
    except FormatError:
        return False
    return True


def _is_recipient(text: object) -> bool:
    """Whether a record could be encrypted for it."""
    if not isinstance(text, str) or not _HEX_KEY.fullmatch(text):
        return False
    try:
        sealed_records.check_recipient(bytes.fromhex(text))
    except FormatError:
        return False
    return True


def _cap(text: object) -> tuple[int, int] | None:
    """(minute of the day, bytes per second), or None where it is none."""
    found = _CAP.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    hour, minute, rate = (int(part) for part in found.groups())
    return (hour * 60 + minute, rate) if LEAST_CAP_BYTES_PER_SECOND <= rate <= MOST_CAP_BYTES_PER_SECOND else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One store: where it is, how it is reached, and whether the rules designate it."""

    url: str = field(
        default="",
        metadata=key(
            StoreName(),
            "中心存储库地址；目录（file:）不是 WORM，不能防止删改",
            "URL of the central store; a folder (file:) is not WORM: nothing keeps it from being changed",
        ),
    )
    ca_file: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "存储库证书的 CA 文件；空为系统自带的 CA",
            "file with the CA of the store's certificate; empty: the system's own",
        ),
    )
    region: str = field(
        default="us-east-1", metadata=key(Text(64), "S3 签名用的区域名", "name of the region in S3 signatures")
    )
    credentials_file: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "存放访问密钥的文件（仅所有者可读）；空则用 systemd 凭据",
            "file that holds the access key (owner only); empty: the systemd credential is used",
        ),
    )
    credentials_name: str = field(
        default="liuhen-store", metadata=key(Text(64), "systemd 凭据的名称", "name of the systemd credential")
    )
    designated: bool = field(
        default=False,
        metadata=key(
            Flag(),
            "此存储库是否为规定的保存场所；只有入此库才算按期入库",
            "this is the store that the rules designate; only what is stored there meets a deadline",
        ),
    )
    designated_by: str = field(
        default="",
        metadata=key(
            Text(120, optional=True),
            "由谁指定（单位和文号）；不写入日志链，只作记录",
            "who designated it (unit and document); kept as a record, not in the chain",
        ),
    )

    @property
    def place(self) -> StoreUrl | None:
        """The store's URL, or None where nothing is offloaded to it."""
        return parse_store_url(self.url) if self.url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStore(Access):
    """A second store, with everything the first has: what is kept for good needs receipts of two."""

    credentials_name: str = field(
        default="liuhen-second-store",
        metadata=key(Text(64), "systemd 凭据的名称", "name of the systemd credential"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Store(Access):
    """Where content goes, how fast, and what must be before its local copy may go."""

    daily_caps: tuple[str, ...] = field(
        default=(),
        metadata=key(
            DayPlan(),
            "按当地时间的带宽上限；空为不限",
            "bandwidth caps by local time of day; empty: none",
        ),
    )
    minimum_hold_days: int = field(
        default=7,
        metadata=key(
            Whole(0, 3650),
            "场次结束后本机至少保留的天数，期满且条件齐备才可腾出空间",
            "days that a local copy stays after its session has ended, whatever the store holds",
        ),
    )
    witness_keys: tuple[str, ...] = field(
        default=(),
        metadata=key(
            PublicKeys(),
            "可信见证方的公钥；没有见证时须由操作员下令才可腾出空间",
            "public keys of the witnesses that are believed; without one only an operator's order stands for it",
        ),
    )

    custodian_keys: tuple[str, ...] = field(
        default=(),
        metadata=key(
            CustodianKeys(),
            "附录只为这些保管人加密后入库（liuhen keys init custodian 生成）；空则照原样入库",
            "records go to the store encrypted for these custodians (liuhen keys init custodian); empty: as they are",
        ),
    )

    second: SecondStore = field(
        default=SecondStore(),
        metadata=table(
            SecondStore,
            "第二个存储库（可选）；长期保存的内容须有两个指定存储库的回执，才可腾出本机空间",
            "A second store (optional); what is kept for good leaves only for receipts of two designated stores",
        ),
    )

    @property
    def every(self) -> tuple[Access, ...]:
        """The stores that are configured, the first before the second."""
        return tuple(one for one in (self, self.second) if one.url)

    def at(self, place: StoreUrl) -> Access | None:
        """What is configured of the store at this URL; None where it is none of ours."""
        return next((one for one in self.every if one.place == place), None)

    @property
    def witnesses(self) -> dict[bytes, bytes]:
        """Kid to public key of each pinned witness."""
        return {key_id(bytes.fromhex(one)): bytes.fromhex(one) for one in self.witness_keys}

    @property
    def custodians(self) -> tuple[bytes, ...]:
        """The raw public keys that records are encrypted for."""
        return tuple(bytes.fromhex(one) for one in self.custodian_keys)

    def cap_bytes_per_second(self, minute_of_day: int) -> int | None:
        """The cap in force at a local minute of the day; before the first of the day the last one is. None: no cap."""
        rows = [row for row in map(_cap, self.daily_caps) if row is not None]
        if not rows:
            return None
        begun = [rate for minute, rate in rows if minute <= minute_of_day % MINUTES_A_DAY]
        return begun[-1] if begun else rows[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """By when everything of a session must be in the designated store; watched where a store is configured."""

    amount: int = field(
        default=AS_THE_PROFILE_SAYS,
        metadata=key(
            Whole(AS_THE_PROFILE_SAYS, 10_000),
            "入库期限的数值；-1 表示按辖区规则，0 表示没有规定",
            "how long there is to store a session; -1: as the jurisdiction's rules say, 0: no rule says",
        ),
    )
    unit: str = field(
        default="hours",
        metadata=key(
            Choice(UNITS),
            "期限单位：hours 小时；days 日；working_days 工作日（按国务院调休安排）；数值为 -1 时不看",
            "unit of it: hours, days, or working days by the State Council's calendar; not looked at with -1",
        ),
    )
    trigger: str = field(
        default="session_end",
        metadata=key(
            Choice(TRIGGERS),
            "从何时起算：session_end 场次结束；未正常结束的从最后封签的片起算",
            "what it counts from: the end of the session, or the last sealed fragment of one that never ended",
        ),
    )
    levels: tuple[int, ...] = field(
        default=(25, 50, 75, 90),
        metadata=key(Levels(), "期限用去百分之几时提醒", "percentages of the term at which somebody is told"),
    )
    field_work_extension: bool = field(
        default=False,
        metadata=key(
            Flag(),
            "外出办案的延期；固定设备不得使用",
            "the extension for work in the field; a fixed device cannot have it",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long every session is kept at least, from its end; a later order only ever makes it longer."""

    floor_days: int = field(
        default=0,
        metadata=key(
            Whole(0, 36_500),
            "场次结束后至少保存的天数；0 表示由案件类别另定",
            "days every session is kept at least from its end; 0: set later by the class of its case",
        ),
    )
    counts_from: str = field(
        default="session_end",
        metadata=key(
            Choice(("session_end", "archive")),
            "保存期限从何时起算：session_end 场次结束；archive 归档之日（归档前不设期限，不得销毁）",
            "what the term counts from: the session's end, or the archiving; without that nothing may be destroyed",
        ),
    )
    basis: str = field(
        default="law",
        metadata=key(
            Choice(tuple(BASES)),
            "保存期限的依据；long_term 为长期保存，不设终期",
            "what the term rests on; long_term has no end at all",
        ),
    )


def contradictions(store: Store, deadline: Deadline) -> Iterator[Problem]:
    """What single keys cannot say."""
    yield from _undesignated("store", store)
    yield from _undesignated("store.second", store.second)
    if store.second.url and not store.url:
        yield Problem(
            path="store.second.url",
            value=store.second.url,
            expected_zh="没有第一个存储库（store.url）时不能有第二个",
            expected_en="there is no second store without a first (store.url)",
            example='url = ""',
        )
    if store.second.url and store.second.url == store.url:
        yield Problem(
            path="store.second.url",
            value=store.second.url,
            expected_zh="须是另一个存储库，不得与 store.url 相同",
            expected_en="must be another store than store.url",
            example='url = "s3://archive.example:7443/second"',
        )
    if deadline.field_work_extension:
        yield Problem(
            path="deadline.field_work_extension",
            value="true",
            expected_zh="固定安装的设备不是外出办案，不适用延期",
            expected_en="a fixed device does no work in the field: the extension is not for it",
            example="field_work_extension = false",
        )


def _undesignated(at: str, store: Access) -> Iterator[Problem]:
    """What is missing for a store to be a designated one."""
    if store.designated and not store.url:
        yield Problem(
            path=f"{at}.designated",
            value="true",
            expected_zh=f"没有配置存储库（{at}.url）时不能指定",
            expected_en=f"without a store ({at}.url) there is none to designate",
            example="designated = false",
        )
    if store.designated and not store.designated_by:
        yield Problem(
            path=f"{at}.designated_by",
            value='""',
            expected_zh="指定的存储库须写明由谁指定",
            expected_en="a designated store names who designated it",
            example='designated_by = "市执法局 2026-15 号"',
        )
