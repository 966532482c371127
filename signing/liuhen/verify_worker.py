"""A worker of the verifier: reads the files it is given, one at a time, and answers what each showed.

Started by `verify_ahead` alone. Ends when its standard input does, that is with its parent. Reads only; its memory is
one buffer and one answer.
"""

from __future__ import annotations

import sys

from liuhen.verify_ahead import answer, receive, send
from liuhen.verify_segment import Desk, Job


def main() -> None:
    """Answer until nobody asks."""
    desk = Desk(on_read=lambda _: None)
    while isinstance(job := receive(sys.stdin.buffer), Job):
        try:
            send(sys.stdout.buffer, answer(job, desk))
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
