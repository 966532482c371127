"""Made for tests: an always-on room whose day holds visits, written by the test device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from liuhen.kinds import Visit
from liuhen.registry import VisitAct, VisitEnd, VisitSort
from tests.signing.archives import Device, closed_archive


@dataclass(slots=True)
class Hall:
    """An always-on room's device with an ordinary session before the day."""

    device: Device
    session: bytes

    def begin(self, number: str, **changes: object) -> int:
        clock = self.device.clock
        body = Visit(
            act=VisitAct.BEGUN,
            sort=VisitSort.VISIT,
            number=number,
            at=(clock[2], clock[1]),
            frame_index=None,
            sample_index=None,
            began=None,
            cause=VisitEnd.NOT_ENDED,
            records=(),
        )
        return self.device.append(replace(body, **changes))  # type: ignore[arg-type]

    def end(self, number: str, began: int, cause: VisitEnd = VisitEnd.PERSON) -> int:
        return self.begin(number, act=VisitAct.ENDED, began=began, cause=cause)


def hall(folder: Path, *, mode: int = 1) -> Hall:
    device = closed_archive(folder / "archive", sessions=1, segments=1)
    device.start()
    session = device.begin(mode=mode)
    device.segment()
    return Hall(device=device, session=session)


def close(made: Hall) -> None:
    made.device.segment()
    made.device.end()
    made.device.checkpoint()
    made.device.stop()
