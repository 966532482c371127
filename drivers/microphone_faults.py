"""What can be wrong with the microphone, in words for the person in front of it.

Pure: turns an exception of sounddevice or PortAudio into the one HardwareFault that may leave the driver.
"""

from __future__ import annotations

from edge.ports import FaultKind, HardwareFault

DEVICE = "microphone"


def microphone_fault(failure: Exception, device: str) -> HardwareFault:
    """Explain a failure of opening, starting or stopping; `what` keeps the library's own words."""
    said = f"{type(failure).__name__}: {failure}"
    lowered = said.lower()
    if isinstance(failure, OSError | ImportError):
        return _fault(
            f"sound software is not installed ({said})",
            "请安装声音软件：sudo apt-get install libportaudio2，然后重新启动本机录制服务。",
            "Install the sound software with sudo apt-get install libportaudio2, then start the recorder again.",
        )
    if "sample rate" in lowered:
        return _fault(
            f"{device}: wrong rate: {said}",
            "麦克风不支持所设的采样率，请修改配置 [microphone] 的 rate_hz（常用 48000）。",
            "The microphone cannot do this rate; change rate_hz under [microphone] (48000 is usual).",
            FaultKind.FORMAT,
        )
    if "number of channels" in lowered:
        return _fault(
            f"{device}: wrong channels: {said}",
            "麦克风没有所设的声道数，请修改配置 [microphone] 的 channels（常用 1）。",
            "The microphone does not have that many channels; change channels under [microphone] (1 is usual).",
            FaultKind.FORMAT,
        )
    if "unavailable" in lowered or "busy" in lowered:
        return _fault(
            f"{device}: busy: {said}",
            "麦克风正被另一个程序占用，或刚被拔出：请关闭该程序或重新插好后重试。",
            "Another program holds the microphone, or it was just unplugged: close that program or plug it in again.",
            FaultKind.BUSY,
        )
    if isinstance(failure, ValueError):
        return _fault(
            f"{device}: absent: {said}",
            "没有找到所设的麦克风：请检查是否插好，用 arecord -L 查看设备名，再核对配置 [microphone] 的 device。",
            "No such microphone: plug it in, list devices with arecord -L, check device under [microphone].",
            FaultKind.ABSENT,
        )
    return _fault(
        f"{device}: {said}",
        "麦克风没有正常应答：请重新插拔后再开始；仍不行时重新启动录制进程。",
        "The microphone does not answer properly: plug it in again; if that fails, restart the recorder.",
    )


def stuck_fault(what: str) -> HardwareFault:
    """A call into PortAudio has not come back; until it does, only another process is sure to get the microphone."""
    return _fault(
        what,
        "声音驱动没有返回：请重新启动录制进程；仍不行时拔下麦克风并重新启动本机。",
        "The sound driver does not return: restart the recorder process; else unplug it and reboot.",
        FaultKind.STUCK,
    )


def _fault(what: str, remedy_zh: str, remedy_en: str, kind: FaultKind = FaultKind.OTHER) -> HardwareFault:
    return HardwareFault(device=DEVICE, what=what, remedy_zh=remedy_zh, remedy_en=remedy_en, kind=kind)
