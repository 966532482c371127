"""What the guard's process gets of the system with the limits of its unit, and without them, as the kernel tells it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from edge.guard.process import PRIORITY
from tests.image_build.unit_files import units_of
from tests.required import unavailable

ROOTFS = Path(__file__).parents[3] / "image-build" / "rootfs"
AS_THE_UNIT = """
import os, resource, sys
from edge.guard.process import hold_the_processor
rtprio, memlock = (resource.RLIM_INFINITY if word == "infinity" else int(word) for word in sys.argv[1:])
try:
    resource.setrlimit(resource.RLIMIT_RTPRIO, (rtprio, rtprio))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (memlock, memlock))
except ValueError:
    pass  # this root may raise no limit: its capabilities stand for them
else:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(hold_the_processor())
for line in open("/proc/self/status"):
    if line.startswith("VmLck") or line.startswith("CapEff"):
        print(line.strip())
print("policy", os.sched_getscheduler(0), os.sched_getparam(0).sched_priority)
"""


def held(rtprio: str, memlock: str) -> dict[str, str]:
    """What a user without capabilities is granted under these limits (see the script): its words and the kernel's."""
    if os.geteuid() != 0:
        unavailable("only root can take another user's place")
    ran = subprocess.run(
        [sys.executable, "-c", AS_THE_UNIT, rtprio, memlock], capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    said, *told = ran.stdout.splitlines()
    return {"said": said} | {line.split()[0].rstrip(":"): " ".join(line.split()[1:]) for line in told}


def test_with_the_limits_of_its_unit_the_guard_is_in_the_real_time_class_and_its_memory_stays() -> None:
    unit = units_of(ROOTFS)["liuhen-guard.service"]
    assert int(unit.last("LimitRTPRIO") or 0) >= PRIORITY
    found = held(unit.last("LimitRTPRIO") or "0", unit.last("LimitMEMLOCK") or "0")
    assert found["policy"] == f"{os.SCHED_FIFO} {PRIORITY}"
    assert int(found["VmLck"].split()[0]) > 0
    assert found["said"] == f"SCHED_FIFO, priority {PRIORITY}; memory locked"


def test_without_them_it_runs_and_says_what_it_was_not_granted() -> None:
    found = held("0", "65536")
    assert found["said"] == "SCHED_OTHER, nice 0; memory NOT locked"
    assert (found["policy"], found["VmLck"], int(found["CapEff"], 16)) == (f"{os.SCHED_OTHER} 0", "0 kB", 0)
