"""What stands around the sources of this machine, as factories: guard, panel, loudspeaker, supervisor.

Owns nothing: it builds when asked and opens nothing itself. Called once by each composition root; the simulated one
hands in the world's pins and the environment of its loudspeaker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from drivers.notify import Notifier
from edge.config import Config
from edge.control import listen
from edge.guard_link import GuardLink
from edge.media_watch import SYS_BLOCK, plugged_in
from edge.messages import Asked, SensorsTold
from edge.ports import Clock
from edge.surroundings import ControlSocket, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What replaces the lowest layer in a simulation: gpiozero's pins, where sound is played, the kernel's disks.

    `block_devices` is a folder like /sys/block; None: nobody looks for removable media.
    """

    pin_factory: Any = None
    loudspeaker_environment: Mapping[str, str] | None = None
    block_devices: Path | None = None


ON_A_DEVICE = Stand(block_devices=SYS_BLOCK)


def open_surroundings(config: Config, clock: Clock, stand: Stand = ON_A_DEVICE) -> Surroundings:
    """The factories for what this configuration has; the libraries are loaded when they are called."""
    return Surroundings(
        guard=partial(GuardLink, config.interlock.socket) if config.has_guard else None,
        panel=partial(_panel, config, clock, stand) if config.panel.enabled else None,
        loudspeaker=partial(_loudspeaker, config, clock, stand) if config.prompts.enabled else None,
        control=_control(config),
        media=partial(plugged_in, stand.block_devices) if stand.block_devices is not None else None,
        supervisor=Notifier.from_environment(os.environ, os.getpid()),
    )


def _control(config: Config) -> Callable[[Callable[[Asked | SensorsTold], None]], ControlSocket] | None:
    """Where its folder is: on a laptop nobody has made /run/liuhen-recorder, and nobody asks."""
    return partial(listen, config.control) if config.control.socket.parent.is_dir() else None


def _panel(config: Config, clock: Clock, stand: Stand, deliver: Any) -> Any:
    from drivers.panel import GpioPanel  # noqa: PLC0415 -- gpiozero is not on every machine

    return GpioPanel(config.panel, clock=clock, deliver=deliver, pin_factory=stand.pin_factory)


def _loudspeaker(config: Config, clock: Clock, stand: Stand, tell: Any) -> Any:
    from drivers.loudspeaker import PortAudioLoudspeaker  # noqa: PLC0415 -- nor is PortAudio

    return PortAudioLoudspeaker(
        config.prompts_in_force, clock=clock, tell=tell, environment=stand.loudspeaker_environment
    )
