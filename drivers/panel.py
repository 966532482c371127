"""The panel's buttons through gpiozero: edges and levels in, acts of `edge.buttons` out.

Owns the claimed pins and one thread (`panel`) from `start` to `stop`. The library's callbacks read the clock and
enqueue, nothing else; the thread decides, and delivers from there. Besides the edges it looks at the levels themselves
ten times a second, so an edge that a library or a full queue loses costs a tenth of a second and not the press. Touches
no disk. gpiozero is loaded by `start`, so that a machine without it gets a HardwareFault.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from drivers.bounded import LimitExceeded, run_within
from edge.buttons import Button, PanelBack, PanelFailed, PanelMessage, PanelState, begin, due_ns, step
from edge.ports import Clock, FaultKind, HardwareFault
from edge.settings_panel import Panel

CLAIM_SECONDS = 5.0
LOOK_NS = 100_000_000
EDGES_LIMIT = 1024
"""More than a chattering contact makes between two looks; beyond it edges are dropped and the next look tells."""

Result = TypeVar("Result")
Deliver = Callable[[PanelMessage], None]
"""Called on the panel's own thread; returns at once and never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    button: Button
    down: bool
    boottime_ns: int


class GpioPanel:
    """The buttons of one panel, each between its GPIO and ground. CONTROL calls `start` and `stop`.

    `pin_factory` is gpiozero's; None lets gpiozero find the one of this machine.
    """

    def __init__(self, settings: Panel, *, clock: Clock, deliver: Deliver, pin_factory: Any = None) -> None:
        """Keep the settings; nothing is loaded or claimed before `start`."""
        self._settings = settings
        self._clock = clock
        self._deliver = deliver
        self._pin_factory = pin_factory
        self._devices: Mapping[Button, Any] = {}
        self._edges: queue.Queue[_Edge | None] = queue.Queue(EDGES_LIMIT)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Claim the pins and begin to look; raises HardwareFault and then holds nothing."""
        if self._thread is not None:
            return
        self._devices, first = _bounded("panel-start", CLAIM_SECONDS, self._claim, lambda late: _close(late[0]))
        self._ending.clear()
        self._edges = queue.Queue(EDGES_LIMIT)
        self._thread = threading.Thread(target=self._run, args=(first,), name="panel", daemon=True)
        self._thread.start()

    def stop(self, limit_seconds: float) -> None:
        """Give the pins back; nothing is delivered afterwards. Raises HardwareFault when the limit passes first."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._ending.set()
        self._wake()
        thread.join(limit_seconds)
        self._release(limit_seconds)
        if thread.is_alive():
            raise _stuck(f"the panel's thread did not end within {limit_seconds:g} s")

    def _claim(self) -> tuple[Mapping[Button, Any], PanelState]:
        """Claim every pin and look once; nothing stays claimed when this raises."""
        from gpiozero import DigitalInputDevice  # noqa: PLC0415 - loaded only where a panel is fitted

        claimed: dict[Button, Any] = {}
        try:
            for button, number in self._settings.pins().items():
                # gpiozero's own Button brings a thread for holding; what holding means `edge.buttons` decides.
                claimed[button] = DigitalInputDevice(number, pull_up=True, pin_factory=self._pin_factory)
                claimed[button].when_activated = partial(self._edge, button, True)
                claimed[button].when_deactivated = partial(self._edge, button, False)
            return claimed, self._first_look(claimed)
        except BaseException:
            _close(claimed)
            raise

    def _edge(self, button: Button, down: bool) -> None:
        """The library's callback."""
        edge = _Edge(button=button, down=down, boottime_ns=self._clock.boottime_ns())
        try:
            self._edges.put_nowait(edge)
        except queue.Full:
            return  # the next look at the levels tells what this edge would have told

    def _wake(self) -> None:
        try:
            self._edges.put_nowait(None)
        except queue.Full:
            return  # then the thread is awake

    def _release(self, limit_seconds: float) -> None:
        devices, self._devices = self._devices, {}
        _bounded("panel-stop", limit_seconds, lambda: _close(devices), lambda _: None)

    def _run(self, state: PanelState) -> None:
        """Look until told to end. What cannot be read is told once and tried again; the state then starts anew."""
        while not self._ending.is_set():
            try:
                self._watch(state)
            except HardwareFault as fault:
                self._deliver(PanelFailed(fault=fault, boottime_ns=self._clock.boottime_ns()))
                state = self._look_again(state)

    def _look_again(self, state: PanelState) -> PanelState:
        while not self._ending.wait(LOOK_NS / 1e9):
            try:
                state = self._first_look(self._devices)
            except HardwareFault:
                continue  # told already
            self._deliver(PanelBack(boottime_ns=state.now_ns))
            break
        return state

    def _first_look(self, devices: Mapping[Button, Any]) -> PanelState:
        """Raises HardwareFault."""
        return begin(devices, self._settings.timing(), _levels(devices), self._clock.boottime_ns())

    def _watch(self, state: PanelState) -> None:
        down = frozenset(one.button for one in state.buttons if one.down)
        while not self._ending.is_set():
            edge = self._next_edge(state)
            if edge is None:
                down, now_ns = _levels(self._devices), self._clock.boottime_ns()
            else:
                down, now_ns = (down | {edge.button} if edge.down else down - {edge.button}), edge.boottime_ns
            state, acts = step(state, down, now_ns)
            for act in acts:
                self._deliver(act)

    def _next_edge(self, state: PanelState) -> _Edge | None:
        """The next edge, or None when it is time to look at the levels."""
        due, now_ns = due_ns(state), self._clock.boottime_ns()
        wait_ns = LOOK_NS if due is None else min(LOOK_NS, max(0, due - now_ns))
        try:
            return self._edges.get(timeout=wait_ns / 1e9)
        except queue.Empty:
            return None


def _levels(devices: Mapping[Button, Any]) -> frozenset[Button]:
    """The buttons that are down now. Raises HardwareFault."""
    try:
        return frozenset(button for button, device in devices.items() if device.is_active)
    except Exception as failure:
        raise panel_fault(failure) from failure


def _close(devices: Mapping[Button, Any]) -> None:
    for device in devices.values():
        device.close()


def _bounded(
    name: str, limit_seconds: float, work: Callable[[], Result], too_late: Callable[[Result], object]
) -> Result:
    try:
        return run_within(limit_seconds, name, work, too_late)
    except LimitExceeded as failure:
        raise _stuck(str(failure)) from failure
    except HardwareFault:
        raise
    except Exception as failure:
        raise panel_fault(failure) from failure


def panel_fault(failure: Exception) -> HardwareFault:
    """Explain what gpiozero or the library below it said; `what` keeps its own words."""
    said = f"{type(failure).__name__}: {failure}"
    if type(failure).__name__ in {"PinInUse", "GPIOPinInUse"} or "busy" in said.lower():
        return _fault(
            said,
            "按钮所用的 GPIO 已被占用：请核对配置 [panel] 的编号是否与其他接线重复，并停止占用它的程序。",
            "A GPIO of the panel is in use: check the numbers under [panel] against other wiring, stop what holds it.",
            FaultKind.BUSY,
        )
    if isinstance(failure, ImportError) or type(failure).__name__ == "BadPinFactory":
        return _fault(
            said,
            "没有可用的 GPIO 软件：请安装 python3-lgpio，或在配置 [panel] 中写 enabled = false。",
            "No GPIO software works here: install python3-lgpio, or set enabled = false under [panel].",
            FaultKind.ABSENT,
        )
    return _fault(
        said,
        "按钮面板无法读取：请检查接线和运行用户是否属于 gpio 组，再重新启动录制服务；其间可用网页或 liuhen ctl。",
        "The panel cannot be read: check its wiring and that the user is in the group gpio, then restart the recorder; "
        "until then use the page or liuhen ctl.",
    )


def _stuck(what: str) -> HardwareFault:
    return _fault(
        what,
        "GPIO 驱动没有返回：请重新启动录制进程；其间可用网页或 liuhen ctl 操作。",
        "The GPIO driver does not return: restart the recorder process; until then use the page or liuhen ctl.",
        FaultKind.STUCK,
    )


def _fault(what: str, remedy_zh: str, remedy_en: str, kind: FaultKind = FaultKind.OTHER) -> HardwareFault:
    return HardwareFault(device="panel", what=what, remedy_zh=remedy_zh, remedy_en=remedy_en, kind=kind)
