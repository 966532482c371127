"""The configuration of the jurisdiction's rules: [profile]. Which file it is; what stands in it is `edge.profiles`.

Frozen values with their rules, hooked into `edge.config`; owns nothing and opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge.config_file import Location, Text, key


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChoice:
    """Which jurisdiction's rules are in force on this device."""

    name: str = field(
        default="neutral",
        metadata=key(
            Text(40),
            "辖区规则的名称（liuhen profile list 可查）；neutral 为通用默认，不属于任何辖区",
            "name of the jurisdiction's rules (liuhen profile list); neutral is nobody's",
        ),
    )
    file: Path | None = field(
        default=None,
        metadata=key(
            Location(optional=True),
            "辖区规则文件；写明时不看 name",
            "file of the rules; where it is given, `name` is not looked at",
        ),
    )
    directory: Path = field(
        default=Path("/etc/liuhen/profiles"),
        metadata=key(
            Location(),
            "本机自备的辖区规则目录（名称.toml），先于程序自带的查找",
            "folder of this device's own rules (NAME.toml), looked at before those that come with the program",
        ),
    )
