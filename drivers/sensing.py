"""The device world's sensors: the UPS, the gas detector and the board that the configuration names.

Owns nothing: it builds the drivers and opens none of them. Called once by the composition root.
"""

from __future__ import annotations

from drivers.board_health import BoardHealth
from drivers.loop_current import LoopCurrent
from drivers.megatec import MegatecUps
from drivers.modbus_gas import ModbusGas
from drivers.nut import NutUps
from edge.config import Config
from edge.sensors.devices import Devices, GasDevice, Machine, UpsDevice
from edge.sensors.settings import Gas, Ups


def open_sensors(config: Config, machine: Machine) -> Devices:
    """The configured devices; one that is not configured is None."""
    return Devices(
        ups=_ups(config.ups),
        gas=_gas(config.gas),
        board=BoardHealth(config.board) if config.board.enabled else None,
        machine=machine,
    )


def _ups(settings: Ups) -> UpsDevice | None:
    match settings.kind:
        case "megatec":
            return MegatecUps(settings)
        case "nut":
            return NutUps(settings)
        case _:
            return None


def _gas(settings: Gas) -> GasDevice | None:
    match settings.kind:
        case "modbus":
            return ModbusGas(settings)
        case "loop":
            return LoopCurrent(settings)
        case _:
            return None
