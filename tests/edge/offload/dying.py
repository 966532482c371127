"""One life of the offload process over a spool and a directory store, ended by SIGKILL at one point of one object.

Run as `python -m tests.edge.offload.dying FOLDER POINT NUMBER`: the NUMBER-th time the life of an object reaches POINT
the process kills itself; with NUMBER 0 it goes on until everything is told. What the recorder was told stands in a file
of FOLDER, one line for each object, written before the answer.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from drivers.store_directory import DirectoryStore
from edge.offload.words import Answer, ReceiptsTold, Words
from liuhen.store_names import parse_store_url
from tests.edge.offload.bench import Bench

TOLD = "told"


class Reaper:
    """Counts a point and kills at its time."""

    def __init__(self, point: str, number: int) -> None:
        self._point = point
        self._left = number

    def reached(self, point: str) -> None:
        if point != self._point or self._left == 0:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """See the module."""
    folder, point, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    reaper = Reaper(point, number)
    bench = Bench(folder, reached=reaper.reached)
    if not bench.found:
        bench.device.session(segments=2)
        bench.desk.cut()
    store = DirectoryStore(parse_store_url(f"file:{folder / 'store'}"))

    def tell(words: Words) -> Answer:
        if isinstance(words, ReceiptsTold):
            reaper.reached("telling")
            with (folder / TOLD).open("a", encoding="ascii") as told:
                told.writelines(f"{row[1].hex()} {row[2].hex()}\n" for row in words.rows)
            reaper.reached("told")
        return Answer(ok=True)

    bench.another(store, tell)
    bench.settle()
    bench.offload.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
