"""Codes a verifier of this version does not know (FORMAT.md 8; step J16). Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from liuhen.kinds import (
    Amend,
    Check,
    Choice,
    Duty,
    EntryBody,
    Event,
    Gap,
    Header,
    Hold,
    Inhibition,
    Key,
    LateMark,
    Maintenance,
    Mark,
    Order,
    Procedure,
    Receipt,
    Recovered,
    Refusal,
    Retention,
    Run,
    Segment,
    SessionEnd,
    Stop,
)
from liuhen.registry import (
    CheckCode,
    ChoiceCode,
    DutyAct,
    DutyCode,
    EndCause,
    EventCode,
    ExStatus,
    GapCause,
    HoldAct,
    InhibitionAct,
    InhibitionCode,
    KeyAct,
    KeyCause,
    MaintenanceCode,
    MarkCode,
    OrderCode,
    ProcedureCode,
    RecordLabel,
    RefusalCode,
    RetentionBasis,
    RetentionMode,
    RunCause,
    SecrecyClass,
    Severity,
    StopCause,
)

_REGISTERED: dict[type[EntryBody], tuple[tuple[str, type[enum.IntEnum]], ...]] = {
    Amend: (("cause", GapCause),),
    Check: (("code", CheckCode),),
    Choice: (("code", ChoiceCode),),
    Duty: (("code", DutyCode), ("act", DutyAct)),
    Event: (("code", EventCode), ("severity", Severity)),
    Gap: (("cause", GapCause),),
    Header: (("secrecy", SecrecyClass), ("ex_status", ExStatus)),
    Hold: (("act", HoldAct),),
    Inhibition: (("code", InhibitionCode), ("act", InhibitionAct)),
    Key: (("act", KeyAct), ("cause", KeyCause)),
    LateMark: (("code", MarkCode),),
    Maintenance: (("code", MaintenanceCode),),
    Mark: (("code", MarkCode),),
    Order: (("code", OrderCode),),
    Procedure: (("code", ProcedureCode),),
    Receipt: (("mode", RetentionMode),),
    Recovered: (("cause", GapCause),),
    Refusal: (("code", RefusalCode),),
    Retention: (("basis", RetentionBasis),),
    Run: (("cause", RunCause),),
    Segment: (("end_cause", EndCause),),
    SessionEnd: (("cause", EndCause),),
    Stop: (("cause", StopCause),),
}


def unknown_codes(body: EntryBody | None) -> Iterator[str]:
    """What of this body is not in the registries, as "kind.field = code"."""
    if body is None:
        return
    for name, registry in _REGISTERED.get(type(body), ()):
        code = getattr(body, name)
        if code is not None and not known(registry, code):
            yield f"{body.KIND}.{name} = {code}"
    for label, _ in getattr(body, "records", ()):
        if not known(RecordLabel, label):
            yield f"{body.KIND}.records label = {label}"


def known(registry: type[enum.IntEnum], code: int) -> bool:
    """Whether the registry of this version has the code."""
    try:
        registry(code)
    except ValueError:
        return False
    return True
