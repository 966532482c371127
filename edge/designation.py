"""A server on the recorder's own machine is not the designated store (design 8): which one that is, in words. Pure.

Under a key that is endorsed for production alone: a trial brings its store up beside the recorder. An address that only
leads here is refused where it is connected to (`drivers/store_transport.py`), and a folder on one of the recorder's
disks counts for no receipt (`edge/desk_store.py`).
"""

from __future__ import annotations

from edge.settings_store import Access
from liuhen.store_names import is_loopback

WORDS_ZH = "在本机回环地址上：正式密钥下不计为指定存储库，请写规定的保存场所的真实地址（不要写本机的隧道）"
WORDS_EN = (
    "is a loopback address: under a production key it counts as no designated store; "
    "write that store's real address, not a tunnel's on this machine"
)


def is_own_server(access: Access, *, production: bool) -> bool:
    """Whether a store is a server whose address is this very machine, under a key that is for production."""
    place = access.place
    return production and place is not None and place.scheme != "file" and is_loopback(place.place)
