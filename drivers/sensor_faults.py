"""What can be wrong with UPS, gas detector and board, in words for the person in front of the cabinet.

Pure: a device and what happened become the one HardwareFault that may leave a driver. Kind ABSENT is silence, FORMAT an
answer that is not sound, OTHER an order that was refused.
"""

from __future__ import annotations

import enum
from pathlib import Path

from edge.ports import FaultKind, HardwareFault


class Device(enum.StrEnum):
    """The stable word of each device."""

    UPS = "ups"
    GAS = "gas"
    BOARD = "board"
    MACHINE = "machine"


_REMEDIES: dict[tuple[Device, FaultKind], tuple[str, str]] = {
    (Device.UPS, FaultKind.ABSENT): (
        "不间断电源没有应答：请检查数据线和电源开关，再核对配置 [ups]。",
        "The UPS does not answer: check its data cable and switch, then [ups] in the configuration.",
    ),
    (Device.UPS, FaultKind.FORMAT): (
        "不间断电源的回答不对：请检查数据线，核对配置 [ups] 的接法是否与型号相符。",
        "The UPS answers something else: check the cable, and whether [ups] fits this model.",
    ),
    (Device.UPS, FaultKind.OTHER): (
        "不间断电源没有接受命令：请查看其面板和说明书，核对账号权限。",
        "The UPS did not take the order: look at its panel and manual, and at the account's rights.",
    ),
    (Device.GAS, FaultKind.ABSENT): (
        "气体探测器没有应答：请检查接线、供电和从站地址，再核对配置 [gas]。",
        "The gas detector does not answer: check wiring, supply and unit address, then [gas].",
    ),
    (Device.GAS, FaultKind.FORMAT): (
        "气体探测器的回答不对：请检查接线、终端电阻、波特率和寄存器设置。",
        "The gas detector's answer is not sound: check wiring, termination, speed and registers.",
    ),
    (Device.GAS, FaultKind.OTHER): (
        "气体探测器拒绝回答：请核对配置 [gas] 的寄存器地址和类型。",
        "The gas detector refuses: check addresses and kind of registers under [gas].",
    ),
    (Device.MACHINE, FaultKind.OTHER): (
        "不能关机或重新启动：请检查本服务的权限，必要时由人工关机。",
        "Cannot power off or reboot: check this service's rights, else have a person do it.",
    ),
}


def sensor_fault(device: Device, what: str, kind: FaultKind) -> HardwareFault:
    """The fault to raise; `what` keeps the library's own words."""
    remedy_zh, remedy_en = _REMEDIES[device, kind]
    return HardwareFault(device=device.value, what=what, remedy_zh=remedy_zh, remedy_en=remedy_en, kind=kind)


def silent(device: Device, failure: Exception | str, where: Path | str) -> HardwareFault:
    """Nothing came, or the device is not there."""
    said = failure if isinstance(failure, str) else f"{type(failure).__name__}: {failure}"
    return sensor_fault(device, f"{where}: {said}", FaultKind.ABSENT)
