"""The configuration of interlock and lamps: which pins, which files, and the choices that need a ground.

Owns nothing. `edge.config` puts these tables into the one file; `pin_conflicts` says where two wires share a pin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.config_file import Flag, Location, Problem, Text, Whole, key

LAST_GPIO = 27


def gpio(default: int, zh: str, en: str) -> int:
    """One pin by its BCM number."""
    note = key(Whole(0, LAST_GPIO), f"{zh}（GPIO 编号）", f"{en} (BCM number)")
    chosen: int = field(default=default, metadata=note)
    return chosen


def _words(zh: str, en: str) -> str:
    chosen: str = field(default="", metadata=key(Text(200, optional=True), zh, en))
    return chosen


def _user(default: str, zh: str, en: str) -> str:
    chosen: str = field(default=default, metadata=key(Text(32), zh, en))
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Interlock:
    """The explosion-zone input. It is not a safety function: the certified relay outside this device is."""

    enabled: bool = field(
        default=False,
        metadata=key(
            Flag(),
            "是否接有防爆联锁；不接须在 ground 写明理由",
            "whether an interlock is wired; without one, write the ground below",
        ),
    )
    ground: str = _words(
        "不接防爆联锁的理由，例如：场所不在爆炸危险区域",
        "why there is no interlock, for example: the room is in no classified zone",
    )
    ex_checklist: str = _words(
        "已签署的防爆检查单编号；空表示没有",
        "number of the signed explosion-protection checklist; empty: there is none",
    )
    loop_nc_gpio: int = gpio(5, "常闭回路输入，高电平为闭合", "input of the normally closed loop, high is closed")
    loop_no_gpio: int = gpio(6, "常开回路输入，高电平为闭合", "input of the normally open loop, high is closed")
    test_nc_gpio: int = gpio(
        12, "常闭回路的供电与试验脉冲输出", "output that feeds the normally closed loop and tests it"
    )
    test_no_gpio: int = gpio(13, "常开回路的试验脉冲输出", "output that tests the normally open loop")
    permit_gpio: int = gpio(16, "允许继电器的电平输出", "output that permits, as a level")
    pump_gpio: int = gpio(26, "允许继电器的电荷泵输出", "output that permits, as a charge pump")
    reset_gpio: int = gpio(20, "就地复位按钮，按下接地", "local reset key, to ground when pressed")
    line_fault: bool = field(
        default=False,
        metadata=key(
            Flag(),
            "是否接有线路故障继电器（隔离安全栅的报警触点）",
            "whether the line-fault relay of an isolating amplifier is wired",
        ),
    )
    line_fault_gpio: int = gpio(19, "线路故障触点，高电平为正常", "line-fault contact, high is sound")
    drop_all: bool = field(
        default=False,
        metadata=key(
            Flag(),
            "跳闸后两秒内切断全部供电（第二路输出）",
            "within two seconds of a trip drop everything's supply, by a second output",
        ),
    )
    drop_all_gpio: int = gpio(21, "切断全部供电的输出，高电平切断", "output that drops everything's supply when high")
    discrepancy_milliseconds: int = field(
        default=100,
        metadata=key(
            Whole(10, 500),
            "两路不一致超过此时间即判为故障（毫秒）；跳闸不等待",
            "a contradiction of the loops is a fault after this, in milliseconds; a trip never waits for it",
        ),
    )
    gas: bool = field(
        default=False,
        metadata=key(Flag(), "是否还需要气体探测器的许可", "whether the gas detector's permit is needed as well"),
    )
    automatic_resume: bool = field(
        default=False,
        metadata=key(
            Flag(),
            "断电后锁存未跳闸时自动允许；须在 risk_assessment 写明风险评估",
            "after a power cut that found the latch clear permit without a reset; needs risk_assessment",
        ),
    )
    risk_assessment: str = _words(
        "允许自动恢复的风险评估编号", "number of the risk assessment that allows the automatic resume"
    )
    latch_file: Path = field(
        default=Path("/var/lib/liuhen-guard/latch"),
        metadata=key(Location(), "锁存状态文件", "file that remembers the latch"),
    )
    socket: Path = field(
        default=Path("/run/liuhen-guard/link"),
        metadata=key(Location(), "联锁进程的套接字", "socket of the guard"),
    )
    recorder_user: str = _user("liuhen-recorder", "录制进程的用户", "user of the recorder")
    sensors_user: str = _user("liuhen-sensors", "传感进程的用户", "user of the sensors")

    def pins(self) -> dict[str, int]:
        """The pins that are wired, by their key."""
        if not self.enabled:
            return {}
        names = ["loop_nc", "loop_no", "test_nc", "test_no", "permit", "pump", "reset"]
        names += ["line_fault"] if self.line_fault else []
        names += ["drop_all"] if self.drop_all else []
        return {f"interlock.{name}_gpio": getattr(self, f"{name}_gpio") for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamps:
    """The lamps and the buzzer, which the guard drives."""

    enabled: bool = field(default=False, metadata=key(Flag(), "是否接有指示灯", "whether lamps are wired"))
    red_gpio: int = gpio(17, "红灯", "red lamp")
    green_gpio: int = gpio(27, "绿灯", "green lamp")
    yellow_gpio: int = gpio(22, "黄灯", "yellow lamp")
    white_gpio: int = gpio(23, "白灯", "white lamp")
    buzzer_gpio: int = gpio(24, "蜂鸣器", "buzzer")
    pump_gpio: int = gpio(
        25, "指示灯电源的电荷泵输出，停止跳变则全部熄灭", "charge pump of the lamps' supply; they go dark when it stops"
    )

    def pins(self) -> dict[str, int]:
        """The pins that are wired, by their key."""
        names = ("red", "green", "yellow", "white", "buzzer", "pump") if self.enabled else ()
        return {f"lamps.{name}_gpio": getattr(self, f"{name}_gpio") for name in names}


def pin_conflicts(*wired: dict[str, int]) -> Iterator[Problem]:
    """One problem for each key whose pin another key has already."""
    taken: dict[int, str] = {}
    for pins in wired:
        for name, number in pins.items():
            first = taken.setdefault(number, name)
            if first != name:
                yield Problem(
                    path=name,
                    value=str(number),
                    expected_zh=f"此 GPIO 已用于 {first}",
                    expected_en=f"this pin is taken by {first}",
                    example="",
                )


def interlock_problems(interlock: Interlock) -> Iterator[Problem]:
    """Choices that need a ground and have none."""
    if interlock.enabled and interlock.automatic_resume and not interlock.risk_assessment:
        yield Problem(
            path="interlock.risk_assessment",
            value='""',
            expected_zh="自动恢复须写明风险评估",
            expected_en="an automatic resume must name its risk assessment",
            example='risk_assessment = "RA-2026-07"',
        )
    if interlock.gas and not interlock.enabled:
        yield Problem(
            path="interlock.gas",
            value="true",
            expected_zh="气体探测器的许可须接有防爆联锁才能起作用",
            expected_en="a gas detector's permit has nothing to act on without an interlock",
            example="enabled = true",
        )
