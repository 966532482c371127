"""辖区规则: the rule books of the jurisdictions as data, one TOML file each, and the neutral default."""

from edge.profiles.reading import (
    FILE_LIMIT_BYTES,
    NEUTRAL,
    Found,
    ProfileError,
    available,
    content_of,
    is_bundled,
    load,
    load_named,
    parse,
    parse_named,
    read,
    read_named,
)
from edge.profiles.schema import Profile

__all__ = [
    "FILE_LIMIT_BYTES",
    "NEUTRAL",
    "Found",
    "Profile",
    "ProfileError",
    "available",
    "content_of",
    "is_bundled",
    "load",
    "load_named",
    "parse",
    "parse_named",
    "read",
    "read_named",
]
