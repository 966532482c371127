"""What hands and the loudspeaker do in the room: buttons, spoken explanations, prompts and the marks they leave.

CONTROL only. A spoken explanation is a stretch of the recording itself: its marks name where it begins, one for every
interruption that still waits for one; a silent one explains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.buttons import Act, Button, PanelBack, PanelFailed, PanelMessage, Pressed
from edge.desk_starts import StartClerk
from edge.prompts import LoudspeakerMessage, Prompt, PromptFailed, PromptPlayed, PromptsReady, PromptVoice
from edge.room import REFUSING_WORDS, Moment, Room
from edge.session.effects import Refusing
from edge.session.signals import GapExplained, StopAsked
from edge.session.state import Mode
from liuhen.kinds import Commitments
from liuhen.registry import EVENTS, EventCode, MarkCode

SPOKEN_MILLIBEL = -5000
"""Quieter than this (-50 dB of full scale) nobody spoke; chosen on computed levels, not yet measured on a Pi."""
LEAST_TALK_NS = 10**9
LONGEST_TALK_NS = 120 * 10**9
BUTTON_NUMBERS = {button: number for number, button in enumerate(Button)}
_MARK_OF_PROMPT = {Prompt.NOTICE: MarkCode.NOTICE_GIVEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Talk:
    session: bytes
    since_ns: int
    moment: Moment
    records: Commitments


class PanelClerk:
    """See the module."""

    def __init__(self, room: Room, starts: StartClerk) -> None:
        """Nobody speaks."""
        self._room = room
        self._starts = starts
        self._talk: _Talk | None = None

    def handle(self, message: PanelMessage | LoudspeakerMessage) -> None:
        """One act of a hand, or what the loudspeaker did. Raises StorageFault."""
        match message:
            case Pressed():
                self._pressed(message)
            case PanelFailed(fault=fault):
                self._room.warnings["panel"] = f"按钮面板失灵（{fault.remedy_zh}）"
                self._room.tools.say(f"{fault.what}；{fault.remedy_zh}", f"{fault.what}; {fault.remedy_en}")
            case PanelBack():
                self._room.warnings.pop("panel", None)
            case PromptPlayed():
                self._played(message)
            case PromptFailed():
                self._failed(message)
            case PromptsReady(why=why):
                for words in why:
                    self._room.tools.say(words.zh, words.en)

    def turn(self) -> None:
        """An explanation that nobody ends is ended. Raises StorageFault."""
        if self._talk is not None and self._room.now_ns - self._talk.since_ns >= LONGEST_TALK_NS:
            self.end_talk(self._room.now_ns)

    # -- buttons ------------------------------------------------------------------------------------------------------

    def _pressed(self, pressed: Pressed) -> None:
        if pressed.act in (Act.STUCK, Act.FREE):
            stuck = pressed.act is Act.STUCK
            code = EventCode.BUTTON_STUCK if stuck else EventCode.BUTTON_FREE
            self._room.event(code, (BUTTON_NUMBERS[pressed.button],), at_ns=pressed.boottime_ns)
            if stuck:
                self._room.warnings[code.name] = EVENTS[code].words_zh
            else:
                self._room.warnings.pop(EventCode.BUTTON_STUCK.name, None)
            return
        refused = self._act(pressed)
        for why in refused:
            self._room.event(EventCode.REFUSED_REQUEST, (100 + BUTTON_NUMBERS[pressed.button], 0))
            self._room.tools.say(*REFUSING_WORDS[why])

    def _act(self, pressed: Pressed) -> tuple[Refusing, ...]:
        at_ns = pressed.boottime_ns
        match pressed.button:
            case Button.START:
                return self._starts.ask(at_ns)
            case Button.STOP:
                return self._stop(pressed)
            case Button.MARK:
                return self._mark(at_ns)
            case Button.WITHHOLD:
                return self._room.withhold(())
            case Button.EXPLAIN:
                return self.begin_talk(at_ns) if pressed.act is Act.TALK_BEGAN else self.end_talk(at_ns)

    def _stop(self, pressed: Pressed) -> tuple[Refusing, ...]:
        """Held for three seconds; while it is being held there is nothing to do yet."""
        if pressed.act is Act.HOLDING:
            return ()
        held = pressed.act is Act.HELD
        steps_open = held and self._room.asks_reason()
        if held and not steps_open:
            self.end_talk(pressed.boottime_ns)
        return self._room.signal(StopAsked(at_ns=pressed.boottime_ns, confirmed=held, steps_open=steps_open))

    def _mark(self, at_ns: int) -> tuple[Refusing, ...]:
        if self._room.session_id is None:
            return (Refusing.NO_SESSION,)
        self._room.mark(MarkCode.KEY_MOMENT, at_ns)
        return ()

    # -- spoken explanations ------------------------------------------------------------------------------------------

    @property
    def talking(self) -> bool:
        """Whether somebody is explaining now."""
        return self._talk is not None and self._talk.session == self._room.session_id

    def deaf(self) -> tuple[Refusing, ...]:
        """Why nothing that is said now is recorded; empty where it is."""
        if self._room.session_id is None:
            return (Refusing.NO_SESSION,)
        return () if self._room.state.mode in (Mode.RECORDING, Mode.ONE_STREAM) else (Refusing.HALTED,)

    def begin_talk(self, at_ns: int, records: Commitments = ()) -> tuple[Refusing, ...]:
        """From here on somebody speaks about the interruptions that wait for it."""
        session, deaf = self._room.session_id, self.deaf()
        if session is None or deaf:
            return deaf
        self._talk = _Talk(session=session, since_ns=at_ns, moment=self._room.moment(), records=records)
        return ()

    def end_talk(self, at_ns: int) -> tuple[Refusing, ...]:
        """Mark what was said, for each interruption that waited; too short or silent, it was no explanation."""
        talk, self._talk = self._talk, None
        if talk is None or talk.session != self._room.session_id:
            return ()
        loudest = self._room.loudest_since(talk.since_ns)
        if at_ns - talk.since_ns < LEAST_TALK_NS or loudest is None or loudest < SPOKEN_MILLIBEL:
            return (Refusing.NOT_SPOKEN,)
        waiting = sorted(self._room.state.unexplained)
        for seq in waiting:
            self._explain(talk, seq)
        if not waiting:
            self._room.mark(MarkCode.SPOKEN_EXPLANATION, talk.since_ns, moment=talk.moment, records=talk.records)
        return ()

    def _explain(self, talk: _Talk, seq: int) -> None:
        self._room.mark(
            MarkCode.SPOKEN_EXPLANATION, talk.since_ns, moment=talk.moment, refers_to=seq, records=talk.records
        )
        self._room.signal(GapExplained(at_ns=talk.since_ns, seq=seq))

    # -- prompts ------------------------------------------------------------------------------------------------------

    def _played(self, played: PromptPlayed) -> None:
        if self._room.session_id is not None and self._room.state.capturing:
            spoken = played.voice is not PromptVoice.TONE
            code = _MARK_OF_PROMPT.get(played.prompt, MarkCode.PROMPT_PLAYED) if spoken else MarkCode.PROMPT_PLAYED
            about = self._room.newest_gap if played.prompt in (Prompt.RESUMED, Prompt.WITHHELD_ENDED) else None
            self._room.mark(code, played.from_ns, refers_to=about)
        if played.prompt is Prompt.WITHHELD:
            self._room.announced()

    def _failed(self, failed: PromptFailed) -> None:
        self._room.tools.say(
            f"提示音没有播出（{failed.fault.what}）；{failed.fault.remedy_zh}",
            f"a prompt was not heard ({failed.fault.what}); {failed.fault.remedy_en}",
        )
        if failed.prompt is Prompt.WITHHELD:
            self._room.announced()
