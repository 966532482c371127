"""What the offload process is made of on this machine: its stores, clock, pressure gauges and the recorder's socket.

Owns nothing by itself. Called once by a composition root.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers.notify import Notifier
from drivers.pressure import look
from drivers.store_opening import configured_store, system_environment
from drivers.system_clock import SystemClock
from edge import store_examined
from edge.commands.offload import Choice, Say
from edge.config import Config
from edge.offload.disks import Disks
from edge.offload.due import due_of
from edge.offload.inventory import Inventory
from edge.offload.link import RecorderLink
from edge.offload.places import Places
from edge.offload.program import Loop, Offload, OffloadStart, Process, Settings, Supervised
from edge.offload.sender import Pace
from edge.offload.streams import BudgetPace, ThreadStreams
from edge.offload.yielding import Look
from edge.settings_store import Access
from edge.working_days import is_working_day
from liuhen.store_names import store_hash

MS_PER_DAY = 86_400_000
WITNESS_SECONDS = 600


def make_offload(choice: Choice, say: Say) -> Process:
    """The process for a configuration, with every store it names. Raises SpoolError where the spool is none."""
    config = choice.config
    if not config.store.every:
        raise ValueError("no store is configured")
    loop, clock, link = Loop(), SystemClock(), RecorderLink(choice.recorder)
    disks = Disks(tuple(one for one in (config.spool.directory, config.spool.mirror) if one), clock.boottime_ns)
    supervisor = Notifier.from_environment(os.environ, os.getpid())
    shared = _Shared(
        disks=disks,
        log_id=disks.identity().log_id,
        clock=clock,
        link=link,
        say=say,
        pace=BudgetPace(partial(_rate, config), clock.boottime_ns, loop.stopping.wait),
    )
    places = (choice.places, choice.places.second)
    offloads = [
        Offload(_start(config, access, place, shared), ThreadStreams, loop)
        for access, place in zip(config.store.every, places, strict=False)
    ]
    supervised = Supervised(
        ready=lambda: supervisor.ready("offloading"), alive=supervisor.alive, stopping=supervisor.stopping
    )
    return Process(loop, offloads, supervised)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What the stores of one process share: the device, its clock, its recorder, and the line."""

    disks: Disks
    log_id: bytes
    clock: SystemClock
    link: RecorderLink
    say: Say
    pace: Pace


def _start(config: Config, access: Access, places: Places, shared: _Shared) -> OffloadStart:
    """What one store's share of the process is made of."""
    url = access.place
    if url is None:
        raise ValueError("no store is configured")
    store = configured_store(
        access, system_environment(), lambda: store_examined.is_conditional(shared.disks.leading(), url)
    )
    return OffloadStart(
        store=store,
        url=url.text,
        store_hash=store_hash(url),
        inventory=Inventory(
            root=shared.disks.leading,
            log_id=shared.log_id,
            store=store_hash(url),
            custodians=config.store.custodians,
            roots=shared.disks.order,
            due=due_of(config.deadline_in_force, config.device.utc_offset_minutes, is_working_day),
        ),
        state_folder=places.state,
        clock=shared.clock,
        tell=shared.link.tell,
        rate=partial(_rate, config),
        pace=shared.pace,
        spools=shared.disks.order,
        sign_ahead=store.sign_ahead,
        jitter=random.SystemRandom().random,
        look=partial(_look, shared.link, config.queue.seconds, config.board.thermal_file),
        say=shared.say,
        show=lambda report: places.show(report.packet()),
        standing=lambda: store_examined.standings(shared.disks.leading()).at(url),
        examination_due=lambda utc_ms: store_examined.standings(shared.disks.leading()).is_due(url, utc_ms),
        settings=Settings(
            retention_ms=config.retention.floor_days * MS_PER_DAY,
            witness_seconds=WITNESS_SECONDS if config.store.witness_keys else 0,
        ),
    )


def _rate(config: Config) -> int | None:
    """Bytes per second that may go now, to all stores together."""
    return config.store.cap_bytes_per_second(_minute_of_day(config.device.utc_offset_minutes))


def _minute_of_day(utc_offset_minutes: int) -> int:
    """The local minute of the day that the plan of bandwidths is written in."""
    return (int(time.time()) // 60 + utc_offset_minutes) % (24 * 60)


def _look(link: RecorderLink, queue_seconds: int, thermal_file: Path) -> Look:
    """What presses on the machine, and how full the recorder's own queue is."""
    waiting = link.queue_milliseconds()
    percent = None if waiting is None else waiting / (queue_seconds * 10)
    return look(thermal_file, percent)
