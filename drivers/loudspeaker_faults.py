"""What can be wrong with the loudspeaker, in words for the person in front of it.

Pure: turns what PortAudio said in the player's process into the one HardwareFault that may leave the driver.
"""

from __future__ import annotations

from edge.ports import FaultKind, HardwareFault

DEVICE = "loudspeaker"
_ELSE_ZH = "；在此之前请由工作人员口头宣读。"
_ELSE_EN = " Until then somebody must say the words aloud."


def loudspeaker_fault(said: str, device: str) -> HardwareFault:
    """Explain a failure of playing; `what` keeps the library's own words."""
    lowered = said.lower()
    if "timeouterror" in lowered:
        return stuck_fault(f"{device}: {said}")
    if "oserror" in lowered or "importerror" in lowered or "modulenotfound" in lowered:
        return _fault(
            f"sound software is not installed ({said})",
            "请安装声音软件：sudo apt-get install libportaudio2，然后重新启动录制服务",
            "Install the sound software with sudo apt-get install libportaudio2, then start the recorder again.",
            FaultKind.ABSENT,
        )
    if "sample rate" in lowered or "number of channels" in lowered:
        return _fault(
            f"{device}: {said}",
            "扬声器不支持所设的采样率或声道数，请修改配置 [prompts] 的 rate_hz 和 channels（常用 48000 和 2）",
            "The loudspeaker cannot do this; change rate_hz and channels under [prompts] (48000 and 2 are usual).",
            FaultKind.FORMAT,
        )
    if "unavailable" in lowered or "busy" in lowered:
        return _fault(
            f"{device}: busy: {said}",
            "扬声器正被另一个程序占用，或刚被拔出：请关闭该程序或重新插好",
            "Another program holds the loudspeaker, or it was just unplugged: close that program or plug it in again.",
            FaultKind.BUSY,
        )
    if "valueerror" in lowered:
        return _fault(
            f"{device}: absent: {said}",
            "没有找到所设的扬声器：请检查是否插好，用 aplay -L 查看设备名，再核对配置 [prompts] 的 device",
            "No such loudspeaker: plug it in, list devices with aplay -L, check device under [prompts].",
            FaultKind.ABSENT,
        )
    return _fault(
        f"{device}: {said}",
        "扬声器没有正常播放：请重新插拔后再试，并检查音量和接线",
        "The loudspeaker did not play properly: plug it in again, check its volume and its wiring.",
    )


def stuck_fault(what: str) -> HardwareFault:
    """The sound driver did not come back; the player's process was ended and the next prompt gets a new one."""
    return _fault(
        what,
        "声音驱动没有返回，提示未能播放：请拔下扬声器再插上；仍不行时在场次之间重新启动本机",
        "The sound driver does not return and the prompt was not played: plug the loudspeaker in again; if that fails, "
        "reboot between sessions.",
        FaultKind.STUCK,
    )


def ended_fault() -> HardwareFault:
    """The loudspeaker was stopped before the prompt was over."""
    return _fault("stopped before the prompt was over", "录制服务正在结束，提示未播完", "The recorder is ending.")


def _fault(what: str, remedy_zh: str, remedy_en: str, kind: FaultKind = FaultKind.OTHER) -> HardwareFault:
    return HardwareFault(
        device=DEVICE, what=what, remedy_zh=remedy_zh + _ELSE_ZH, remedy_en=remedy_en + _ELSE_EN, kind=kind
    )
