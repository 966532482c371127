"""The sections `[ups]`, `[gas]` and `[board]` of the configuration: what is attached, and when it is believed.

Pure values; everything is off by default, because a device that is not there must not be waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config_file import Choice, Flag, Location, Problem, Text, Whole, key

FIRST_ALARM_HIGHEST_PERCENT_LEL = 25
"""GB/T 50493-2019: the first alarm level is at most 25 %LEL; it may only be set lower."""
REGISTERS_IN_ONE_REQUEST = 16


def _whole(default: int, low: int, high: int, zh: str, en: str) -> Any:
    return field(default=default, metadata=key(Whole(low, high), zh, en))


def _path(default: str, zh: str, en: str) -> Any:
    return field(default=Path(default), metadata=key(Location(), zh, en))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ups:
    """The uninterruptible power supply: directly over a serial line (Megatec Q1), or through a NUT server."""

    kind: str = field(
        default="none",
        metadata=key(
            Choice(("none", "megatec", "nut")),
            "不间断电源的接法：无、串口 Megatec Q1、NUT 服务",
            "how the UPS is attached: not at all, a serial line (Megatec Q1), a NUT server",
        ),
    )
    device: Path = _path("/dev/liuhen/ups", "串口设备的固定名称", "stable name of the serial device")
    nut_host: str = field(
        default="127.0.0.1",
        metadata=key(Text(100), "NUT 服务所在主机；应为本机", "host of the NUT server, which should be this one"),
    )
    nut_port: int = _whole(3493, 1, 65_535, "NUT 服务端口", "port of the NUT server")
    nut_name: str = field(
        default="ups", metadata=key(Text(40), "NUT 中的电源名称", "name of the UPS in the NUT server")
    )
    nut_credentials: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "存放 NUT 用户名和口令的文件（各一行，仅所有者可读）",
            "file with NUT user name and password, one line each (owner only)",
        ),
    )
    poll_milliseconds: int = _whole(1000, 200, 10_000, "询问间隔（毫秒）", "milliseconds between two questions")
    silent_seconds: int = _whole(
        5,
        1,
        60,
        "多久没有回答即为失联；用电池时失联按电量不足处理（秒）",
        "no answer for so long is silence, and on battery silence is a low battery, in seconds",
    )
    mains_stable_seconds: int = _whole(
        5, 1, 300, "市电恢复多久才算恢复（秒）", "mains must be back for so long to count as back, in seconds"
    )
    low_charge_percent: int = _whole(
        20, 1, 90, "用电池时剩余电量不高于此即为电量不足（%）", "on battery this charge or less is low, in percent"
    )
    low_minutes: int = _whole(
        3,
        1,
        120,
        "用电池时剩余时间不多于此即为电量不足（分钟）",
        "on battery this time left or less is low, in minutes",
    )
    battery_minutes: int = _whole(
        0,
        0,
        1440,
        "放电试验测得的满电可用分钟数；0 为未测，不显示剩余分钟",
        "minutes a full battery carried this load in a discharge test; 0: not measured, minutes left are not told",
    )
    seal_seconds: int = _whole(
        60,
        5,
        600,
        "电量不足后最多等录制进程多久收尾封签（秒）",
        "longest wait for the recorder to close and sign after the battery is low, in seconds",
    )
    cut_delay_seconds: int = _whole(
        60,
        12,
        60,
        "命令电源断电到断电的时间（秒），须长于关机用时；关机的最后一步只等 80 秒",
        "from the order to cut until the UPS cuts, in seconds; longer than a shutdown, whose last step waits 80",
    )
    return_minutes: int = _whole(
        1, 1, 9999, "市电恢复后多久重新供电（分钟）", "from mains back until the UPS feeds again, in minutes"
    )
    give_up_seconds: int = _whole(
        600,
        60,
        7200,
        "命令不了电源断电时，封签后等待多久重新启动（秒）",
        "where the UPS takes no order: how long to wait, sealed, before a reboot, in seconds",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gas:
    """The gas detector. Anything but a fresh, sound value below the first alarm level is no permit."""

    kind: str = field(
        default="none",
        metadata=key(
            Choice(("none", "modbus", "loop")),
            "可燃气体探测器的接法：无、Modbus RTU、4-20 mA",
            "how the gas detector is attached: not at all, Modbus RTU, 4-20 mA",
        ),
    )
    first_alarm_percent_lel: int = _whole(
        FIRST_ALARM_HIGHEST_PERCENT_LEL,
        1,
        FIRST_ALARM_HIGHEST_PERCENT_LEL,
        "一级报警值（%LEL），只可调低（GB/T 50493）",
        "first alarm level in %LEL, which may only be lowered (GB/T 50493)",
    )
    stale_milliseconds: int = _whole(
        2000, 500, 10_000, "读数超过多久即为过时并联锁（毫秒）", "a value older than this trips, in milliseconds"
    )
    clear_seconds: int = _whole(
        30,
        5,
        600,
        "正常并低于报警值多久才解除（秒）；没有预热信号的探测器应长于预热时间",
        "how long it must be well and below the level before it clears, in seconds; longer than the warm-up of a "
        "detector that does not tell it",
    )
    device: Path = _path("/dev/liuhen/gas", "RS-485 串口设备的固定名称", "stable name of the RS-485 serial device")
    baud: int = field(
        default=9600,
        metadata=key(
            Choice((1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)), "波特率", "bits per second on the line"
        ),
    )
    parity: str = field(default="N", metadata=key(Choice(("N", "E", "O")), "校验位", "parity"))
    unit: int = _whole(1, 1, 247, "Modbus 从站地址", "Modbus unit address")
    registers: str = field(
        default="input",
        metadata=key(
            Choice(("input", "holding")), "寄存器类型（功能码 04 或 03）", "kind of registers (function 04 or 03)"
        ),
    )
    status_register: int = _whole(0, 0, 65_535, "状态寄存器地址，从 0 起", "address of the status register, from 0")
    value_register: int = _whole(1, 0, 65_535, "浓度寄存器地址，从 0 起", "address of the value register, from 0")
    milli_percent_lel_per_count: int = _whole(
        1000, 1, 100_000, "浓度寄存器每一计数为千分之几 %LEL", "thousandths of %LEL in one count of the value register"
    )
    fault_mask: int = _whole(0x0001, 0, 0xFFFF, "状态中的故障位", "bits of the status that tell a fault")
    alarm_mask: int = _whole(0x0006, 0, 0xFFFF, "状态中的报警位", "bits of the status that tell an alarm")
    warm_up_mask: int = _whole(0x0008, 0, 0xFFFF, "状态中的预热位", "bits of the status that tell the warm-up")
    loop_file: Path = _path(
        "/sys/bus/iio/devices/iio:device0/in_voltage0_raw",
        "4-20 mA 采集值的文件（hwmon 或 IIO）",
        "file in which the kernel shows the converter's value (hwmon or IIO)",
    )
    nano_ampere_per_count: int = _whole(
        10_000, 1, 100_000_000, "采集值每一计数的纳安数", "nanoampere in one count of the converter"
    )
    span_percent_lel: int = _whole(100, 10, 1000, "20 mA 对应的浓度（%LEL）", "%LEL at 20 mA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The computer itself: temperature, supply voltage, and what the firmware says of throttling."""

    enabled: bool = field(default=False, metadata=key(Flag(), "是否监视主板", "watch the board"))
    hwmon_folder: Path = _path("/sys/class/hwmon", "hwmon 目录", "folder of the kernel's hardware monitors")
    thermal_file: Path = _path(
        "/sys/class/thermal/thermal_zone0/temp", "温度文件（千分之一摄氏度）", "file of the temperature (1/1000 °C)"
    )
    throttled_file: Path = _path(
        "/sys/devices/platform/soc/soc:firmware/get_throttled",
        "固件降频状态文件",
        "file of the firmware's throttling bits",
    )
    hot_celsius: int = _whole(80, 30, 110, "不低于此温度为过热（摄氏度）", "this temperature or more is hot, in °C")
    cool_celsius: int = _whole(
        75, 20, 109, "不高于此温度为不再过热（摄氏度）", "this temperature or less is no longer hot, in °C"
    )
    clear_seconds: int = _whole(
        10,
        1,
        600,
        "电压或降频恢复多久才算恢复（秒）",
        "how long voltage or speed must be well before the end is told, in seconds",
    )
    stale_seconds: int = _whole(
        10, 3, 120, "读数超过多久即为未知（秒）", "a value older than this is unknown, in seconds"
    )


def contradictions(gas: Gas, board: Board) -> Iterator[Problem]:
    """Values that are each allowed and do not go together."""
    yield from _far_registers(gas)
    yield from _shared_bits(gas)
    if board.cool_celsius >= board.hot_celsius:
        yield Problem(
            path="board.cool_celsius",
            value=str(board.cool_celsius),
            expected_zh=f"须低于 {board.hot_celsius}，否则结论会来回跳动",
            expected_en=f"must be below {board.hot_celsius}, or the finding would chatter",
            example=f"cool_celsius = {max(20, board.hot_celsius - 5)}",
        )


def _far_registers(gas: Gas) -> Iterator[Problem]:
    distance = abs(gas.status_register - gas.value_register)
    if not 1 <= distance < REGISTERS_IN_ONE_REQUEST:
        yield Problem(
            path="gas.value_register",
            value=str(gas.value_register),
            expected_zh=f"须与状态寄存器不同，相距不到 {REGISTERS_IN_ONE_REQUEST}，两者才能一次读出",
            expected_en=f"another than the status register, fewer than {REGISTERS_IN_ONE_REQUEST} from it: both are "
            "read at once",
            example=f"value_register = {min(gas.status_register + 1, 65_535)}",
        )


def _shared_bits(gas: Gas) -> Iterator[Problem]:
    masks = (gas.fault_mask, gas.alarm_mask, gas.warm_up_mask)
    if masks[0] & masks[1] or masks[0] & masks[2] or masks[1] & masks[2]:
        yield Problem(
            path="gas.warm_up_mask",
            value=str(gas.warm_up_mask),
            expected_zh="一个状态位只能有一种含义",
            expected_en="one bit of the status has one meaning",
            example="warm_up_mask = 8",
        )
