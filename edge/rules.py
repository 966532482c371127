"""The jurisdiction's rules that a configuration chooses, put into it: read once, by the processes that act on them.

`read_rules` reads one file; the rest is pure. Rules that cannot be used are a fault of the configuration that names
them.
"""

from __future__ import annotations

from dataclasses import replace

from edge import profiles
from edge.config import Config
from edge.config_file import ConfigError, Problem

SHOWN_FAULTS = 8


def with_rules(config: Config) -> Config:
    """The configuration with the rules it chooses. Raises ConfigError with the faults of their file."""
    return ruled(config, read_rules(config))


def read_rules(config: Config) -> bytes:
    """The bytes of the chosen rules. Raises ConfigError where they are missing, unreadable or absurdly large."""
    choice = config.profile
    try:
        if choice.file is not None:
            return profiles.read(choice.file)
        return profiles.read_named(choice.name, choice.directory)
    except profiles.ProfileError as error:
        raise _unusable(config, error) from error


def ruled(config: Config, content: bytes) -> Config:
    """The configuration with these rules. Raises ConfigError where they are none."""
    choice = config.profile
    try:
        if choice.file is not None:
            profile = profiles.parse(content, str(choice.file))
        else:
            profile = profiles.parse_named(content, choice.name)
    except profiles.ProfileError as error:
        raise _unusable(config, error) from error
    return replace(config, rules=profile)


def _unusable(config: Config, error: profiles.ProfileError) -> ConfigError:
    choice = config.profile
    path, value = ("file", str(choice.file)) if choice.file is not None else ("name", choice.name)
    problems = [
        Problem(
            path=f"profile.{path}",
            value=repr(value),
            expected_zh=f"辖区规则不可用：{fault.path}：{fault.zh}",
            expected_en=f"these rules cannot be used: {fault.path}: {fault.en}",
            example="",
        )
        for fault in error.faults[:SHOWN_FAULTS]
    ]
    return ConfigError(tuple(problems))
