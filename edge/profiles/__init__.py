"""辖区规则: the rule books of the jurisdictions as data, one TOML file each, and the neutral default."""

from edge.profiles.reading import NEUTRAL, Found, ProfileError, available, load, load_named, parse
from edge.profiles.schema import Profile

__all__ = ["NEUTRAL", "Found", "Profile", "ProfileError", "available", "load", "load_named", "parse"]
