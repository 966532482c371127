"""All judgements of the sensors process in one step: news of the devices in, readings, lease and actions out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edge.sensors import board as boards
from edge.sensors import gas as gases
from edge.sensors import power as powers
from edge.sensors.board import Board
from edge.sensors.devices import BoardSample, GasSample, UpsSample
from edge.sensors.gas import Gas, GasTrouble
from edge.sensors.lease import Lease, next_lease
from edge.sensors.leaving import Action, Leaving, Look, Outcome, step
from edge.sensors.power import Power
from edge.sensors.readings import Readings
from edge.sensors.settings import Board as BoardSettings
from edge.sensors.settings import Gas as GasSettings
from edge.sensors.settings import Ups


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The three sections together."""

    ups: Ups
    gas: GasSettings
    board: BoardSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What came since the last step; None where nothing did."""

    ups: UpsSample | None = None
    gas: GasSample | GasTrouble | None = None
    board: BoardSample | None = None
    outcome: Outcome | None = None
    sealed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything the sensors know; None where a device is not configured. `sealed` stays once it was told."""

    power: Power | None
    gas: Gas | None
    board: Board | None
    lease: Lease | None = None
    leaving: Leaving = field(default_factory=Leaving)
    sealed: bool = False

    def readings(self, at_ns: int, settings: Settings) -> Readings:
        """What the recorder is to know now."""
        return Readings(
            power=None if self.power is None else powers.reading(self.power, settings.ups),
            board=None if self.board is None else boards.reading(self.board, at_ns, settings.board),
            gas=None if self.gas is None or not self.gas.spoken else gases.reading(self.gas),
        )


def begin(settings: Settings, at_ns: int) -> Known:
    """Nothing heard yet: no power state, gas tripped, board unknown."""
    return Known(
        power=None if settings.ups.kind == "none" else Power(since_ns=at_ns),
        gas=None if settings.gas.kind == "none" else Gas(heard_ns=at_ns),
        board=Board(heard_ns=at_ns) if settings.board.enabled else None,
    )


def judged(known: Known, news: News, at_ns: int, settings: Settings) -> tuple[Known, tuple[Action, ...]]:
    """Judge all devices at one moment; a lease that is due is the new `lease`."""
    power = None if known.power is None else powers.judged(known.power, news.ups, at_ns, settings.ups)
    gas = None if known.gas is None else gases.judged(known.gas, news.gas, at_ns, settings.gas)
    board = None if known.board is None else boards.judged(known.board, news.board, at_ns, settings.board)
    lease = known.lease if gas is None else (next_lease(known.lease, gas, at_ns) or known.lease)
    sealed = known.sealed or news.sealed
    look = Look(
        low=power is not None and power.state is not None and power.state.is_low,
        mains=power is not None and powers.mains_present(power),
        sealed=sealed,
        outcome=news.outcome,
        at_ns=at_ns,
    )
    leaving, actions = step(known.leaving, look, settings.ups)
    after = replace(known, power=power, gas=gas, board=board, lease=lease, leaving=leaving, sealed=sealed)
    return after, actions
