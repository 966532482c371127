"""What the offload process is made of on this machine: its store, clock, pressure gauges and the recorder's socket.

Owns nothing by itself. Called once by a composition root.
"""

from __future__ import annotations

import os
import random
import time
from functools import partial
from pathlib import Path

from drivers.notify import Notifier
from drivers.pressure import look
from drivers.store_opening import configured_store, system_environment
from drivers.system_clock import SystemClock
from edge import store_examined
from edge.commands.offload import Choice, Say
from edge.offload.due import due_of
from edge.offload.inventory import Inventory
from edge.offload.link import RecorderLink
from edge.offload.program import Offload, OffloadStart, Settings
from edge.offload.streams import ThreadStreams
from edge.offload.yielding import Look
from edge.spool import read_identity
from edge.working_days import is_working_day
from liuhen.store_names import store_hash

MS_PER_DAY = 86_400_000
WITNESS_SECONDS = 600


def make_offload(choice: Choice, say: Say) -> Offload:
    """The process for a configuration. Raises SpoolError where the spool is none."""
    config, url = choice.config, choice.config.store.place
    if url is None:
        raise ValueError("no store is configured")
    identity = read_identity(config.spool.directory)
    clock, link = SystemClock(), RecorderLink(choice.recorder)
    store = configured_store(
        config.store,
        system_environment(),
        lambda: store_examined.is_conditional(config.spool.directory, url),
    )
    supervisor = Notifier.from_environment(os.environ, os.getpid())
    start = OffloadStart(
        store=store,
        url=url.text,
        store_hash=store_hash(url),
        inventory=Inventory(
            root=lambda: config.spool.directory,
            log_id=identity.log_id,
            store=store_hash(url),
            custodians=config.store.custodians,
            due=due_of(config.deadline_in_force, config.device.utc_offset_minutes, is_working_day),
        ),
        state_folder=choice.places.state,
        clock=clock,
        tell=link.tell,
        rate=lambda: config.store.cap_bytes_per_second(_minute_of_day(config.device.utc_offset_minutes)),
        sign_ahead=store.sign_ahead,
        jitter=random.SystemRandom().random,
        look=partial(_look, link, config.queue.seconds, config.board.thermal_file),
        say=say,
        show=lambda report: choice.places.show(report.packet()),
        settings=Settings(
            retention_ms=config.retention.floor_days * MS_PER_DAY,
            witness_seconds=WITNESS_SECONDS if config.store.witness_keys else 0,
        ),
        ready=lambda: supervisor.ready("offloading"),
        alive=supervisor.alive,
        stopping=supervisor.stopping,
    )
    return Offload(start, ThreadStreams)


def _minute_of_day(utc_offset_minutes: int) -> int:
    """The local minute of the day that the plan of bandwidths is written in."""
    return (int(time.time()) // 60 + utc_offset_minutes) % (24 * 60)


def _look(link: RecorderLink, queue_seconds: int, thermal_file: Path) -> Look:
    """What presses on the machine, and how full the recorder's own queue is."""
    waiting = link.queue_milliseconds()
    percent = None if waiting is None else waiting / (queue_seconds * 10)
    return look(thermal_file, percent)
