"""How a coverage report speaks: everything in Chinese with its English beside, and foreign text made harmless. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from liuhen.report_words import Language, Words

SHOWN_LETTERS = 200
MARKS_ON_ONE_LETTER = 3
LINE_END = "⏎"
_ZH = Words(Language.ZH)
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_ISOLATE, _ISOLATED = "\u2068", "\u2069"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}" if self.en else self.zh


def said(zh: str, en: str) -> Said:
    """Both languages."""
    return Said(zh=zh, en=en)


def visible(text: str, most_letters: int = SHOWN_LETTERS) -> str:
    """The text with a name for every character that would act instead of being seen, cut where it is long.

    Controls, direction marks and lone surrogates stand as ⟨U+202E⟩, marks that pile up once; a line end is ⏎.
    """
    shown = "".join(_letters(text[:most_letters]))
    return shown + _more(text, most_letters)


def _letters(text: str) -> Iterator[str]:
    piled = 0
    for letter in text:
        piled = piled + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        if piled > MARKS_ON_ONE_LETTER + 1:
            continue
        if letter == "\n":
            yield LINE_END
            continue
        plain = letter.isprintable() and piled <= MARKS_ON_ONE_LETTER
        yield letter if plain else f"⟨U+{ord(letter):04X}{'…' if piled else ''}⟩"


def harmless(text: str) -> str:
    """A name as it may stand in any line: visible, not long, and unable to turn what stands around it."""
    return isolated(visible(text))


def settled(text: str, most_letters: int) -> str:
    """A whole line before it is written: visible, but for the pairs of isolates that keep names apart."""
    cut = text[:most_letters]
    pieces = cut.replace(_ISOLATE, _ISOLATED).split(_ISOLATED) if _in_pairs(cut) else [cut]
    if len(pieces) == 1:
        return visible(text, most_letters)
    kept = iter([one for one in cut if one in (_ISOLATE, _ISOLATED)] + [""])
    return "".join(visible(piece, most_letters) + next(kept) for piece in pieces) + _more(text, most_letters)


def _in_pairs(text: str) -> bool:
    """Whether each isolate is ended and none is ended that was not begun; they are never nested here."""
    order = [one for one in text if one in (_ISOLATE, _ISOLATED)]
    return order == [_ISOLATE, _ISOLATED] * (len(order) // 2)


def _more(text: str, most_letters: int) -> str:
    return f"…（共 {len(text)} 字 characters）" if len(text) > most_letters else ""


def isolated(text: str) -> str:
    """A visible text that cannot turn the line around it, where no markup keeps it apart (UAX #9, FSI and PDI)."""
    turns = any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)
    return f"{_ISOLATE}{text}{_ISOLATED}" if turns else text


def time_words(utc_ms: int | None) -> str:
    """A claimed moment in Beijing time, which is said once at the top."""
    return _ZH.time(utc_ms)


def seconds_words(milliseconds: int) -> str:
    """Seconds with a tenth, or hours, minutes and seconds."""
    seconds = milliseconds / 1000
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
