"""What the disks tell, as entries and warnings: the watch of each disk, the pair of them, and the search for rot.

CONTROL only, in a session and between two. Watch and pair may find the same thing: each is told once. A warning stands
until its disk is back, and that of a disk that was lost until the session is over too: it has failed once. That of rot
stands until a whole round finds none, over restarts too.
"""

from __future__ import annotations

from pathlib import Path

from edge.disk_watch import DiskSaid, DiskState
from edge.media_watch import MediumSaid
from edge.messages import StoreSaid
from edge.room import Room
from edge.scrub import Rot, ScrubDone, event_of, remembered
from edge.spool import DiskNews
from liuhen.registry import EVENTS, EventCode

_FOUND_BY_BOTH = frozenset(
    {EventCode.STORAGE_READ_ONLY, EventCode.STORAGE_REMOVED, EventCode.STORAGE_WRONG_MEDIUM},
)


class DisksClerk:
    """See the module."""

    def __init__(self, room: Room) -> None:
        """Nothing was told yet in this run; rot that stands is warned of anew."""
        self._room = room
        self._told: dict[int, EventCode] = {}
        """What was told last of each disk that is not back since."""
        self._mirror_back = False
        self.remember(room.tools.spool.root)

    def remember(self, root: Path) -> None:
        """What earlier runs found on the disk and nobody has mended."""
        if remembered(root).told:
            self._room.warnings[EventCode.STORAGE_ROT.name] = EVENTS[EventCode.STORAGE_ROT].words_zh

    def handle(self, message: StoreSaid) -> None:
        """One message. Raises StorageFault."""
        match message:
            case DiskSaid():
                self._watched(message)
            case MediumSaid():
                self._medium(message)
            case Rot():
                self._room.append(event_of(message, self._room.now_ns))
                self._room.warnings[EventCode.STORAGE_ROT.name] = message.words_zh
                self._room.tools.say(message.words_zh, message.words_en)
            case ScrubDone(rotten=rotten):
                self._room.append(event_of(message, self._room.now_ns))
                if not rotten:
                    self._room.warnings.pop(EventCode.STORAGE_ROT.name, None)

    def turn(self) -> None:
        """Once in each of CONTROL's turns: what happened to one of two disks meanwhile. Raises StorageFault."""
        for news in self._room.tools.spool.take_news():
            self._news(news)
        if self._mirror_back and self._room.session_id is None:
            self._mirror_back = False
            self._room.warnings.pop(EventCode.MIRROR_LOST.name, None)

    def warn_of(self, code: EventCode) -> None:
        """A start has told of this; it stands for the whole run."""
        self._room.warnings[code.name] = EVENTS[code].words_zh

    def _watched(self, said: DiskSaid) -> None:
        name = f"DISK_{said.side.name}"
        if said.event is not None:
            self._event(said.event, said.measured)
        if said.state is DiskState.PRESENT:
            self._told.pop(said.side, None)
            self._room.warnings.pop(name, None)
        else:
            self._room.warnings[name] = said.words_zh
        self._room.tools.say(said.words_zh, said.words_en)

    def _medium(self, said: MediumSaid) -> None:
        """One that was put in; until it is taken out again somebody is asked to do so."""
        code = EventCode.MEDIUM_INSERTED
        name = f"{code.name} {said.name}"
        if not said.inserted:
            self._room.warnings.pop(name, None)
            self._room.tools.say(
                f"移动存储介质（{said.name}）已取出", f"the removable medium ({said.name}) was taken out"
            )
            return
        self._room.event(code)
        words_zh = f"插入了移动存储介质（{said.name}），本机不会写入；录音录像须经批准方可复制，请取出"
        self._room.warnings[name] = words_zh
        self._room.tools.say(
            words_zh, f"a removable medium ({said.name}) was put in; nothing is written to it; take it out"
        )

    def _news(self, news: DiskNews) -> None:
        for code, measured in news.events:
            self._event(code, measured)
            match code:
                case EventCode.MIRROR_LOST:
                    self._mirror_back = False
                    self._room.warnings[code.name] = news.words_zh
                case EventCode.MIRROR_BACK:
                    self._told.pop(measured[0], None)
                    self._back(news)
                case EventCode.MIRROR_DIFFERS if measured[1]:  # it still does, and nobody changes it
                    self._room.warnings[code.name] = news.words_zh
                case _:
                    pass
        self._room.tools.say(news.words_zh, news.words_en)

    def _back(self, news: DiskNews) -> None:
        """One that was only behind, as at each start, is no matter; one that was lost is to be looked at."""
        name = EventCode.MIRROR_LOST.name
        if name in self._room.warnings:
            self._room.warnings[name] = f"{news.words_zh}；该盘曾经失效，请检查"
            self._mirror_back = True

    def _event(self, code: EventCode, measured: tuple[int, ...]) -> None:
        if code in _FOUND_BY_BOTH:
            if self._told.get(measured[0]) is code:
                return
            self._told[measured[0]] = code
        self._room.event(code, measured)
