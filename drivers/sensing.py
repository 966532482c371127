"""The device world's sensors: the UPS, the gas detector and the board that the configuration names.

Owns nothing: it builds the drivers and opens none of them. Called once by the composition root. A driver is imported
where its device is configured: Modbus alone brings an event loop, a quarter of the modules.
"""

from __future__ import annotations

from edge.config import Config
from edge.sensors.devices import BoardDevice, Devices, GasDevice, Machine, UpsDevice
from edge.sensors.settings import Board, Gas, Ups


def open_sensors(config: Config, machine: Machine) -> Devices:
    """The configured devices; one that is not configured is None."""
    return Devices(
        ups=_ups(config.ups),
        gas=_gas(config.gas),
        board=_board(config.board),
        machine=machine,
    )


def _ups(settings: Ups) -> UpsDevice | None:
    match settings.kind:
        case "megatec":
            from drivers.megatec import MegatecUps

            return MegatecUps(settings)
        case "nut":
            from drivers.nut import NutUps

            return NutUps(settings)
        case _:
            return None


def _gas(settings: Gas) -> GasDevice | None:
    match settings.kind:
        case "modbus":
            from drivers.modbus_gas import ModbusGas

            return ModbusGas(settings)
        case "loop":
            from drivers.loop_current import LoopCurrent

            return LoopCurrent(settings)
        case _:
            return None


def _board(settings: Board) -> BoardDevice | None:
    if not settings.enabled:
        return None
    from drivers.board_health import BoardHealth

    return BoardHealth(settings)
