"""What is owed for an interruption is given: the report to the department head, and the signed written statement.

CONTROL only (Jiaozuo Art. 11). Each duty is discharged by what is given for it and by nothing else, and the answer says
what is still owed. A paper that came with a request is a record before the entry that names it; nothing is dropped.
"""

from __future__ import annotations

from edge.journal_state import OpenDuty
from edge.report_time import report_time
from edge.requests import Answer, Request
from edge.room import Room
from edge.session.effects import Refusing
from edge.session.signals import CannotResume
from edge.session.state import Session
from liuhen.kinds import Commitments
from liuhen.registry import DutyCode, RecordLabel

PAPER_WANTED = (
    "请附上已签字的书面说明（--file 文件），仅有文字不能代替签字",
    "attach the signed statement (--file FILE); words alone do not stand for a signature",
)
HEAD_WANTED = (
    "请写明已向哪位部门负责人报告、何时报告（reported_to、reported_at）",
    "say to which department head it was reported, and when (reported_to, reported_at)",
)


class DutyClerk:
    """See the module."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def cannot_resume(self, request: Request) -> Answer | tuple[Refusing, ...]:
        """The report is given and the session ends; its statement is owed from then on. Raises BadRequest."""
        reported = bool(request.reported_to and request.reported_at)
        declared = CannotResume(at_ns=self._room.now_ns, reported=reported)
        if not reported or self._room.state.session is not Session.OPEN or self._room.state.durable:
            return self._room.signal(declared)
        told_at = self._told_at(request)
        about = self._room.newest_gap
        duty = self._room.open_duty(DutyCode.REPORT)
        self._room.discharge(duty, DutyCode.REPORT, (self._report(request, told_at, request.text),))
        refused = self._room.signal(declared)
        if refused:
            return refused
        return self._given(
            f"报告（{told_at}）已登记，本场次就此结束",
            f"the report ({told_at}) is written down, the session ends here",
            (_owed_paper(about),),
        )

    def statement(self, request: Request, attachment: bytes | None) -> Answer:
        """The signed statement is attached; a report is given by naming the head and the time. Raises BadRequest."""
        about = self._about(request.gap)
        report, paper = self._open(DutyCode.REPORT, about), self._open(DutyCode.WRITTEN_STATEMENT, about)
        if attachment == b"":
            return Answer(ok=False, words_zh="附上的文件是空的", words_en="the attached file is empty")
        if not request.reported_to and attachment is None:
            return self._nothing_given(about, report, paper)
        report = report if request.reported_to else None
        paper = paper if attachment is not None else None
        if report is None and paper is None:
            wanted = DutyCode.REPORT if request.reported_to else DutyCode.WRITTEN_STATEMENT
            return _not_owed(about, wanted)
        return self._discharge(request, attachment, report, paper)

    def _discharge(
        self, request: Request, attachment: bytes | None, report: OpenDuty | None, paper: OpenDuty | None
    ) -> Answer:
        """What came with the request goes into the entry of the duty it is given for; into the other's where that
        alone is open."""
        done = [duty for duty in (report, paper) if duty is not None]
        told_at = self._told_at(request) if request.reported_to else ""
        text = request.text if attachment is None else ""
        reported = (self._report(request, told_at, text),) if request.reported_to else ()
        attached: Commitments = ()
        if attachment is not None:
            explained = self._room.said(RecordLabel.EXPLANATION, request.text, request.actor)
            attached = (*explained, self._room.keep(RecordLabel.ATTACHMENT, attachment))
        if report is not None:
            self._room.discharge(report.seq, DutyCode.REPORT, reported if paper is not None else (*reported, *attached))
        if paper is not None:
            given = attached if report is not None else (*attached, *reported)
            self._room.discharge(paper.seq, DutyCode.WRITTEN_STATEMENT, given)
        zh = "、".join(DutyCode(duty.code).words_zh for duty in done)
        en = ", ".join(DutyCode(duty.code).words_en for duty in done)
        at_zh, at_en = (f"（报告时间 {told_at}）", f" (reported {told_at})") if told_at else ("", "")
        return self._given(f"已登记：{zh}{at_zh}", f"written down: {en}{at_en}", self._still_owed(done[0].refers_to))

    @staticmethod
    def _given(words_zh: str, words_en: str, owed: tuple[tuple[str, str], ...]) -> Answer:
        zh = "；".join((words_zh, *(one for one, _ in owed)))
        en = "; ".join((words_en, *(one for _, one in owed)))
        return Answer(ok=True, words_zh=zh, words_en=en)

    def _still_owed(self, about: int) -> tuple[tuple[str, str], ...]:
        """What is owed for the same entry after this."""
        owed = []
        if self._open(DutyCode.REPORT, about) is not None:
            owed.append(
                (
                    f"仍欠向部门负责人报告：liuhen ctl statement {about}",
                    f"the report to the department head is STILL OWED: liuhen ctl statement {about}",
                )
            )
        if self._open(DutyCode.WRITTEN_STATEMENT, about) is not None:
            owed.append(_owed_paper(about))
        return tuple(owed)

    def _nothing_given(self, about: int | None, report: OpenDuty | None, paper: OpenDuty | None) -> Answer:
        if paper is None and report is None:
            return _not_owed(about, DutyCode.WRITTEN_STATEMENT)
        zh, en = PAPER_WANTED if paper is not None else HEAD_WANTED
        return Answer(ok=False, words_zh=zh, words_en=en)

    def _report(self, request: Request, told_at: str, text: str) -> tuple[int, bytes]:
        said = f"报告人 {request.actor}\n部门负责人 {request.reported_to}\n时间 {told_at}\n{text}"
        return self._room.keep(RecordLabel.REASON, said.strip())

    def _told_at(self, request: Request) -> str:
        """When it was reported, with its date. Raises BadRequest."""
        return report_time(
            request.reported_at,
            now_utc_ms=self._room.tools.clock.read().utc_ms,
            zone=self._room.tools.config.device.zone,
        )

    def _about(self, number: int | None) -> int | None:
        """The entry that makes due, where a person names the open duty instead."""
        duties = self._room.tools.journal.state.duties
        return next((duty.refers_to for duty in duties if duty.seq == number), number)

    def _open(self, code: DutyCode, about: int | None) -> OpenDuty | None:
        duties = self._room.tools.journal.state.duties
        return next((duty for duty in duties if (duty.code, duty.refers_to) == (code, about)), None)


def _owed_paper(about: int | None) -> tuple[str, str]:
    number = "N" if about is None else about
    return (
        f"书面说明仍欠，签字后执行 liuhen ctl statement {number} --file 文件",
        f"the written statement is STILL OWED: when it is signed, liuhen ctl statement {number} --file FILE",
    )


def _not_owed(about: int | None, code: DutyCode) -> Answer:
    return Answer(
        ok=False,
        words_zh=f"第 {about} 条没有尚未完成的“{code.words_zh}”",
        words_en=f"entry {about} has no such open duty ({code.words_en})",
    )
