"""`python -m tests.ceph up DIR` brings the store up and says how to reach it; `down DIR` ends it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.ceph.cluster import PACKAGES, Cluster, missing
from tests.ceph.store import ROLES, begin


def main() -> int:
    """Up or down."""
    parser = argparse.ArgumentParser(prog="python -m tests.ceph")
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    if chosen.action == "down":
        Cluster(chosen.folder).end()
        return 0
    if missing():
        print(f"缺少程序 missing: {' '.join(missing())}; apt-get install --no-install-recommends {' '.join(PACKAGES)}")
        return 1
    store = begin(chosen.folder)
    print(f"存储 store: {store.url.text}\nCA: {store.ca_file}")
    for role in ("admin", *ROLES):
        print(f"凭据 credential of {role}: {store.credential_file(role)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
