"""The lines the sensors process writes to its log: what changed, Chinese first, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edge.sensors.leaving import Action
from edge.sensors.readings import BoardBits, GasReading, GasReason, PowerReading, PowerState, Readings

Line = tuple[str, str]

POWER: dict[PowerState, Line] = {
    PowerState.MAINS: ("市电供电", "on mains"),
    PowerState.ON_BATTERY: ("市电中断，由电池供电：请恢复市电", "on battery: restore mains"),
    PowerState.LOW: (
        "电池不足，即将收尾并关机：请恢复市电",
        "battery low, about to close and shut down: restore mains",
    ),
    PowerState.SILENT: ("不间断电源没有应答：请检查数据线", "the UPS does not answer: check its data cable"),
    PowerState.SILENT_ON_BATTERY: (
        "用电池时电源失联，按电量不足处理：请恢复市电并检查数据线",
        "the UPS fell silent on battery, taken as low: restore mains, check its data cable",
    ),
}
GAS: dict[GasReason, Line] = {
    GasReason.NONE: ("气体浓度正常，允许录制", "gas is well below the alarm level, permit"),
    GasReason.ALARM1: (
        "可燃气体达到一级报警值，已联锁：请按规程处置",
        "gas at the first alarm level: follow your rules",
    ),
    GasReason.STALE: ("气体探测器没有新读数，已联锁：请检查接线和供电", "no fresh gas value: check wiring and supply"),
    GasReason.GARBLED: ("气体探测器的回答有误，已联锁：请检查接线和设置", "gas answers are not sound: check the line"),
    GasReason.WARM_UP: ("气体探测器预热中，已联锁：请等待", "the gas detector is warming up: wait"),
    GasReason.CURRENT_LOW: ("回路电流过低（断线或故障），已联锁：请检查回路", "loop current too low: check the loop"),
    GasReason.CURRENT_HIGH: ("回路电流过高（短路或故障），已联锁：请检查回路", "loop current too high: check the loop"),
    GasReason.FAULT: ("气体探测器报告故障，已联锁：请检修或更换", "the gas detector reports a fault: have it serviced"),
}
BOARD: dict[BoardBits, Line] = {
    BoardBits.UNDER_VOLTAGE: ("主板供电电压过低：请更换电源或电源线", "under-voltage: replace supply or cable"),
    BoardBits.HOT: ("主板过热：请检查通风", "the board is hot: check its ventilation"),
    BoardBits.THROTTLED: ("主板已降频：请检查散热和供电", "the board is throttled: check cooling and supply"),
    BoardBits.SOFT_TEMPERATURE_LIMIT: ("主板接近温度上限：请检查通风", "near the temperature limit: check ventilation"),
    BoardBits.UNDER_VOLTAGE_BEFORE: (
        "本服务启动之前曾经电压过低：请检查电源",
        "there was under-voltage before this service started: check the supply",
    ),
    BoardBits.THROTTLED_BEFORE: (
        "本服务启动之前曾经降频：请检查散热和供电",
        "it was throttled before this service started: check cooling and supply",
    ),
}
ACTIONS: dict[Action, Line] = {
    Action.ORDER_CUT: ("命令电源延时断电、市电恢复后再供电", "ordering the UPS to cut later and to return with mains"),
    Action.CANCEL_CUT: ("市电已恢复，取消断电命令", "mains is back, taking the order back"),
    Action.POWER_OFF: ("电源已确认，现在关机", "the UPS has confirmed, powering off"),
    Action.REBOOT: ("重新启动", "rebooting"),
}


def changes(before: Readings, after: Readings) -> Iterator[Line]:
    """One line for each thing that is another now."""
    if after.power is not None and _state(before.power) is not after.power.state:
        yield POWER[after.power.state]
    if after.gas is not None and _reason(before.gas) is not after.gas.reason:
        yield GAS[after.gas.reason]
    bits = BoardBits(0) if after.board is None else after.board.bits
    earlier = BoardBits(0) if before.board is None else before.board.bits
    for bit, line in BOARD.items():
        if bits & bit and not earlier & bit:
            yield line


def _state(reading: PowerReading | None) -> PowerState | None:
    return None if reading is None else reading.state


def _reason(reading: GasReading | None) -> GasReason | None:
    return None if reading is None else reading.reason
