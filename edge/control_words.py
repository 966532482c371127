"""The recorder's answer to `status`, in words for a clerk. Pure.

A fact that another version of the recorder leaves out is left out here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from liuhen.registry import DutyCode

MODES = {
    "ready": "待机 ready",
    "starting": "正在启动 starting",
    "recording": "● 录制中 RECORDING",
    "one_stream": "▲ 只录到画面或声音之一 ONE STREAM ONLY",
    "withheld": "□ 不得记录 WITHHELD",
    "tripped": "▣ 防爆联锁已动作，不录制 INTERLOCK",
    "lost": "✕ 没有在录 NOT RECORDING",
    "halted": "✕ 无法录制 HALTED",
    "ending": "正在收尾 ending",
}
POWER = {
    "MAINS": "市电 mains",
    "ON_BATTERY": "▲ 电池供电 on battery",
    "LOW": "✕ 电池将尽 battery low",
    "SILENT": "▲ 不间断电源无应答 UPS silent",
    "SILENT_ON_BATTERY": "✕ 电池供电且不间断电源无应答 on battery, UPS silent",
}


def status_lines(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What matters most first."""
    return tuple(_lines(facts))


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    mode = str(facts.get("mode", ""))
    yield f"状态 mode：{MODES.get(mode, mode)}"
    if facts.get("session"):
        named = f"{facts.get('ordinal')}（{str(facts['session'])[:8]}）"
        yield f"场次 session：{named} 已封签 {facts.get('durable')} 片 sealed"
    else:
        yield "场次 session：没有正在进行的场次 none open"
    yield from _steps(facts)
    if "free_hours" in facts:
        yield f"余量 free：还可录 {facts['free_hours']} 小时 hours"
    yield from _owed(facts)
    yield f"电源 power：{_power(facts.get('power'), fitted=facts.get('ups') is not False)}"
    yield f"联锁 interlock：{_guard(facts.get('guard'))}"
    if facts.get("gas"):
        yield f"气体 gas：{facts['gas']['state']} {facts['gas']['reason']}"
    if facts.get("milli_celsius") is not None:
        yield f"温度 temperature：{facts['milli_celsius'] / 1000:.0f} °C"
    for warning in facts.get("warnings", ()):
        yield f"▲ 注意 attention：{warning}"


def _steps(facts: Mapping[str, Any]) -> Iterator[str]:
    steps = facts.get("steps") or ()
    if steps:
        done = sum(bool(marked) for _, _, marked in steps)
        next_one = next((f"；下一步 next：{number} {title}" for number, title, marked in steps if not marked), "")
        yield f"环节 steps：{done}/{len(steps)}{next_one}"


def _owed(facts: Mapping[str, Any]) -> Iterator[str]:
    unexplained = facts.get("unexplained") or ()
    if unexplained:
        numbers = ", ".join(map(str, unexplained))
        yield f"▲ 待说明的中止 to be explained：第 {numbers} 条 → liuhen ctl explain"
    if facts.get("to_approve"):
        yield "▲ “不得记录”尚未批准 not approved yet → liuhen ctl approve"
    for seq, code, about in facts.get("duties", ()):
        known = next((duty for duty in DutyCode if duty == code), None)
        zh, en = (known.words_zh, known.words_en) if known is not None else (f"义务 {code}", f"duty {code}")
        yield f"▲ 尚欠 owed：{zh} {en}（第 {seq} 条，关于第 {about} 条）→ liuhen ctl statement {about}"


def _power(power: Mapping[str, Any] | None, *, fitted: bool) -> str:
    if power is None:
        return "没有读数 no reading" if fitted else "未装不间断电源 no UPS fitted"
    minutes = power.get("minutes_left")
    left = f"，约可用 {minutes} 分钟 minutes left" if minutes is not None else ""
    return POWER.get(str(power["state"]), str(power["state"])) + left


def _guard(guard: object) -> str:
    if isinstance(guard, Mapping):
        if guard.get("permit"):
            return f"允许录制 permits；灯 lamp {guard.get('lamp')}"
        return f"✕ 不允许录制 no permit（{guard.get('reason')}）"
    words = {"lost": "✕ 联锁进程失联 guard lost", "none": "未装 not fitted"}
    return words.get(str(guard), "没有消息 not heard")
