"""The one exception for bytes that are not what FORMAT.md demands."""

from __future__ import annotations


class FormatError(ValueError):
    """Bytes break a rule of FORMAT.md; `where` names the item, `what` the broken rule."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


class KeyFileError(ValueError):
    """A key or trust file cannot be used; the texts tell an operator what to do."""

    def __init__(self, what: str, *, remedy_zh: str, remedy_en: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy_zh = remedy_zh
        self.remedy_en = remedy_en
