"""Which days are working days in China: the State Council's yearly arrangement, by a kept library; None beyond it.

Pure. The library's table ends with the last arrangement it was released with; a later year is not guessed.
"""

from __future__ import annotations

from datetime import date

import chinese_calendar


def is_working_day(day: date) -> bool | None:
    """Whether it is worked on, make-up days included; None where no arrangement for its year is known here."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return None
