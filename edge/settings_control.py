"""The control socket in the configuration: where it is, and which users of the machine have which role.

Owns nothing. `edge.config` holds this table as `Config.control`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge.config_file import Location, Text, key


def _account(default: str, zh: str, en: str) -> str:
    chosen: str = field(default=default, metadata=key(Text(32), zh, en))
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Who may ask the recorder over its socket. Root and the recorder's own user are operators always."""

    socket: Path = field(
        default=Path("/run/liuhen-recorder/control"),
        metadata=key(
            Location(),
            "录制进程的控制套接字（liuhen ctl、监测进程、网页都由此请求）",
            "the recorder's control socket (for liuhen ctl, the sensors, the page)",
        ),
    )
    operator_group: str = _account(
        "liuhen-operator", "操作员用户组，组内用户可用 liuhen ctl", "group of the operators who may use liuhen ctl"
    )
    console_user: str = _account("liuhen-console", "操作网页的系统用户", "system user of the operators' page")
    offload_user: str = _account("liuhen-offload", "入库进程的系统用户", "system user of the offload process")
    sensors_user: str = _account("liuhen-sensors", "监测进程的系统用户", "system user of the sensors process")
