"""What can be wrong with the camera, in words for the person in front of it.

Pure: turns an exception of picamera2 or libcamera into the one HardwareFault that may leave the driver.
"""

from __future__ import annotations

from edge.ports import FaultKind, HardwareFault

DEVICE = "camera"


class ModeRefused(Exception):
    """The camera is there but cannot deliver this size or rate."""


def camera_fault(failure: Exception) -> HardwareFault:
    """Explain a failure of opening, starting or stopping; `what` keeps the library's own words."""
    said = "; ".join(f"{type(link).__name__}: {link}" for link in _chain(failure))
    lowered = said.lower()
    if isinstance(failure, ImportError):
        return _fault(
            f"camera software is not installed ({said})",
            "请安装摄像头软件：sudo apt-get install python3-picamera2，然后重新启动本机录制服务。",
            "Install the camera software with sudo apt-get install python3-picamera2, then start the recorder again.",
        )
    if isinstance(failure, ModeRefused):
        return _fault(
            f"mode refused: {failure}",
            "摄像头不支持所设的画面大小或帧率，请修改配置 [camera] 的 width、height、frames_per_second。",
            "The camera cannot do this size or rate; change width, height, frames_per_second under [camera].",
            FaultKind.FORMAT,
        )
    if "acquire" in lowered or "busy" in lowered:
        return _fault(
            f"busy: {said}",
            "摄像头正被另一个程序占用，请关闭该程序（例如 rpicam-hello 或另一个录制进程）后重试。",
            "Another program holds the camera; close it (rpicam-hello, or a second recorder) and try again.",
            FaultKind.BUSY,
        )
    if "no camera" in lowered or "not found" in lowered:
        return _fault(
            f"absent: {said}",
            "没有找到摄像头：断电后检查排线是否插紧、方向是否正确，再用 rpicam-hello --list-cameras 查看。",
            "No camera found: with power off check the ribbon cable, then look with rpicam-hello --list-cameras.",
            FaultKind.ABSENT,
        )
    return _fault(
        said,
        "摄像头没有正常应答：请重新启动录制；仍不行时断电，检查排线和摄像头。",
        "The camera does not answer properly: start the recorder again, then check its cable.",
    )


def stuck_fault(what: str) -> HardwareFault:
    """A call into libcamera has not come back; until it does, only another process is sure to get the camera."""
    return _fault(
        what,
        "摄像头驱动没有返回：请重新启动录制进程；仍不行时重新启动本机，并检查排线。",
        "The camera driver does not return: restart the recorder process; else reboot, check the cable.",
        FaultKind.STUCK,
    )


def _fault(what: str, remedy_zh: str, remedy_en: str, kind: FaultKind = FaultKind.OTHER) -> HardwareFault:
    return HardwareFault(device=DEVICE, what=what, remedy_zh=remedy_zh, remedy_en=remedy_en, kind=kind)


def _chain(failure: BaseException | None) -> list[BaseException]:
    links: list[BaseException] = []
    while failure is not None and failure not in links:
        links.append(failure)
        failure = failure.__cause__
    return links
