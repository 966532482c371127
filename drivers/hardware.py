"""The device world's hardware: real camera, real microphone, the kernel's clock.

Owns nothing: it builds the drivers and claims no device. Called once by the composition root.
"""

from __future__ import annotations

from drivers.camera import PicameraCamera
from drivers.caption import LocalClock
from drivers.clock_sources import ClockSources
from drivers.microphone import PortAudioMicrophone
from drivers.system_clock import SystemClock, boottime_ns
from edge.clock_trust import Bounds
from edge.config import Config
from edge.ports import Hardware


def open_hardware(config: Config, *, service: bool = False) -> Hardware:
    """The ports of this machine; a source that is not enabled is None. Raises nothing: `open` of each port does.

    A service has the camera's libraries loaded before it is ready, so that no person who presses start waits for them.
    """
    sources = ClockSources(boottime_ns, config.clock.poll_seconds)
    clock = SystemClock(Bounds.of(config.clock), sources)
    local_clock = LocalClock(clock=clock, utc_offset_minutes=config.device.utc_offset_minutes)
    camera = PicameraCamera(config.camera, local_clock) if config.camera.enabled else None
    if service and camera is not None:
        camera.load()
    return Hardware(
        camera=camera,
        microphone=PortAudioMicrophone(config.microphone, clock) if config.microphone.enabled else None,
        clock=clock,
    )
