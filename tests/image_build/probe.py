"""Stands in the place of a process inside its very unit, in a bare Debian: says what that unit's sandbox lets it do.

Runs with the device's Python alone. It prints one JSON object, tells systemd that it is ready, and waits for its end.
Nothing of ours is imported: it is the kernel and systemd that answer.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LINK = "/run/liuhen-guard/link"
KEY = Path("/var/lib/liuhen/key/device.key")
LISTENING: list[socket.socket] = []


def works(act: Callable[[], object]) -> bool:
    """Whether it can be done."""
    try:
        return act() is not False
    except (OSError, MemoryError, subprocess.SubprocessError):
        return False


def status(name: str) -> str:
    """A line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(f"{name}:"))


def reads_whether_the_clock_is_synchronised() -> bool:
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024))) >= 0


def makes_a_namespace() -> bool:
    """A user namespace, the way to most others."""
    return int(ctypes.CDLL(None).unshare(0x10000000)) == 0


def takes_calls_back_from_c() -> bool:
    """As sounddevice does, through cffi."""
    return bool(importlib.import_module("cffi").FFI().callback("int(int)", lambda number: number + 1)(1))


def synthesises_a_prompt() -> bool:
    """As the loudspeaker has it made: a second of sound, at least."""
    words = ["espeak-ng", "-v", "cmn-latn-pinyin", "-b", "1", "--stdin", "--stdout"]
    made = subprocess.run(words, input="录制已恢复".encode(), capture_output=True, timeout=20, check=True)
    return len(made.stdout) > 2 * 22_050


def writes(folder: str) -> Callable[[], object]:
    def act() -> None:
        path = Path(folder, ".probe")
        path.touch()
        path.unlink()

    return act


def listens_for_the_others() -> None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(LINK)
    server.listen()
    LISTENING.append(server)


def connects_to_the_guard() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(LINK)


def speaks_to_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=2).close()


ACTS: dict[str, Callable[[], object]] = {
    "reads the clock's state": reads_whether_the_clock_is_synchronised,
    "sets the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "takes calls back from C (cffi)": takes_calls_back_from_c,
    "has a prompt synthesised": synthesises_a_prompt,
    "makes memory that is written and run": lambda: mmap.mmap(-1, 4096, prot=7).close(),
    "speaks TCP to this machine": speaks_to_this_machine,
    "hears device events": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close(),
    "opens raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close(),
    "reads the key": KEY.read_bytes,
    "sees the store": lambda: list(Path("/var/lib/liuhen/spool").iterdir()),
    "writes the store": writes("/var/lib/liuhen/spool"),
    "writes the latch": writes("/var/lib/liuhen-guard"),
    "writes its working folder": writes("."),
    "writes /etc": writes("/etc/liuhen"),
    "writes /usr": writes("/opt/liuhen"),
    "reads the configuration": Path("/etc/liuhen/recorder.toml").read_bytes,
    "reads the boot id": Path("/proc/sys/kernel/random/boot_id").read_text,
    "reads the processor": Path("/proc/cpuinfo").read_text,
    "changes the kernel": lambda: Path("/proc/sys/kernel/hostname").write_text("probe"),
    "sees other processes": Path("/proc/1").stat,
    "makes a namespace": makes_a_namespace,
    "connects to the guard": connects_to_the_guard,
}


def main() -> None:
    if sys.argv[1] == "guard":
        listens_for_the_others()
    facts: dict[str, object] = {name: works(act) for name, act in ACTS.items()}
    facts |= {"user": os.geteuid(), "capabilities": status("CapEff"), "bounding set": status("CapBnd")}
    facts |= {"no new privileges": status("NoNewPrivs"), "system calls filtered": status("Seccomp")}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"])
        notify.send(b"READY=1")
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()
