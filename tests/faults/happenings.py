"""How each fault of the table happens: from a folder to what was seen of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.buttons import Button, Timing, begin, step
from edge.guard.core import Lease, Outcome
from edge.guard.words import NS_PER_MS, Lamp, Pair, Reason
from edge.guard_link import GuardBack
from edge.ladder import EXIT_REBOOT, EXIT_RESTART
from edge.last_good import in_force
from edge.opening import EXIT_BUSY
from edge.ports import (
    ClockReading,
    FaultKind,
    HardwareFault,
    LossCause,
    PictureMeasure,
    RtcReading,
    Side,
    SideMeasure,
    SoundMeasure,
    Stream,
    SyncState,
)
from edge.refusals import Refused
from edge.requests import Role, Verb
from edge.scrub import Place, Scrub
from edge.sensors.gas import Gas as Listening
from edge.sensors.gas import GasTrouble, judged, reading
from edge.sensors.readings import (
    BoardBits,
    BoardReading,
    GasReading,
    GasReason,
    GasState,
    PowerReading,
    PowerState,
    Readings,
)
from edge.sensors.settings import Gas
from edge.spool import Identity, create_spool
from sim.wiring import Key, Loop
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.guard.bench import RULES, Bench
from tests.edge.killed import Killed, run_all
from tests.edge.mirrored import Mirrored, mirrored
from tests.edge.ports_room import BLOCK_NS, START_NS, Act, Device, Room, RoomClock, device
from tests.edge.test_storage_faults import on_segments
from tests.edge.test_upkeep import free_seconds
from tests.faults.fault_table import Seen
from tests.faults.store_happenings import STORE_HAPPENINGS
from tests.faults.witness import Witness, journal, look, play, recorded, seen, seen_of

LATER_NS = START_NS + 60 * 10**9
NEXT_BOOT = bytes(15) + b"\x01"
Happening = Callable[[Path], Seen]


# --- storage ---------------------------------------------------------------------------------------------------------


def _killed(folder: Path) -> Device:
    run_all([Killed(folder=str(folder), seconds=4, kill_after=12)])
    return device(folder)


def _goes_on(made: Device, boot_id: bytes = NEXT_BOOT) -> Seen:
    """The next start, which is looked at while it records."""
    clock = RoomClock(now_ns=LATER_NS)
    if boot_id == NEXT_BOOT:
        clock = replace(clock, boot_id=boot_id)
    return seen_of(made, Witness(clock).witness(made.config, play(2), look, service=True))


def power_cut(folder: Path) -> Seen:
    return _goes_on(_killed(folder))


def torn_tail(folder: Path) -> Seen:
    made = _killed(folder)
    path = made.segments()[-1]
    content = path.read_bytes()
    path.write_bytes(content + content[-4000:-2000])
    return _goes_on(made)


def lost_write(folder: Path) -> Seen:
    made = _killed(folder)
    path = list(made.journal_files())[-1]
    path.write_bytes(path.read_bytes() + journal(made)[-1].envelope.encoded[:60])
    return _goes_on(made)


def _failing(folder: Path, fault: Fault, call: str) -> Seen:
    made, room = device(folder), Witness()

    def stall() -> None:
        room.clock.now_ns += 6 * 10**9

    plan = Failing(folders=(made.spool,), fault=fault, at=4, chosen=on_segments(call), stall=stall)
    with failing(plan):
        room.witness(made.config, play(3), look, play(9))
    return seen_of(made, room)


def disk_full(folder: Path) -> Seen:
    return _failing(folder, Fault.ENOSPC, "write")


def disk_filling(folder: Path) -> Seen:
    """From a week of room down to half an hour, and below the floor."""
    made, room = device(folder), Witness()
    with pytest.MonkeyPatch.context() as patch:

        def falls_to(minutes: float) -> Act:
            return lambda _: free_seconds(patch, made.config, 60 * minutes)

        falls_to(10_000)(room)
        room.witness(made.config, play(11), falls_to(29.5), play(12), look, falls_to(1.5), play(12))
    return seen_of(made, room)


def write_refused(folder: Path) -> Seen:
    return _failing(folder, Fault.EIO, "write")


def flush_fails(folder: Path) -> Seen:
    return _failing(folder, Fault.EIO, "fdatasync")


def slow_disk(folder: Path) -> Seen:
    return _failing(folder, Fault.STALL, "fdatasync")


def read_only(folder: Path) -> Seen:
    with mirrored(folder) as made:
        plan = Failing(folders=(made.primary,), fault=Fault.EROFS, at=20, lasting=True)
        plan.chosen = lambda call, _: call in ("write", "fdatasync")
        room = Witness()
        with failing(plan):
            room.witness(made.device.config, play(6))
        return _of_the_mirror(made, room)


def disk_removed(folder: Path) -> Seen:
    with mirrored(folder) as made:
        Room().record(made.device.config, play(3))
        made.primary.rename(folder / "in-a-pocket")
        return _on_the_mirror(made)


def wrong_medium(folder: Path) -> Seen:
    with mirrored(folder) as made:
        Room().record(made.device.config, play(3))
        log_id = made.entries()[0].common.log_id
        made.primary.rename(folder / "in-a-pocket")
        create_spool(made.primary, Identity(log_id=log_id, spool_id=bytes(16)))
        return _on_the_mirror(made)


def _on_the_mirror(made: Mirrored) -> Seen:
    return _of_the_mirror(made, Witness(RoomClock(now_ns=LATER_NS)).witness(made.device.config, play(2)))


def _of_the_mirror(made: Mirrored, room: Witness) -> Seen:
    return seen(made.entries(made.mirror), made.verify(made.mirror), mode=room.mode, lamp=room.lamp)


def bit_rot(folder: Path) -> Seen:
    """Between two sessions; what was found reaches CONTROL when the next one has begun."""
    made = device(folder)
    Room().record(made.config, play(3))
    path = made.segments()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = [rot for read in Scrub(made.spool, lambda: None, Place()).run() for rot in read.rot]

    def told(room: Room) -> None:
        for one in found:
            room.disk_says(one)

    return seen_of(made, Witness(RoomClock(now_ns=LATER_NS)).witness(made.config, play(1), told, play(2)))


def lying_disk(folder: Path) -> Seen:
    return _forgets(folder, entries=3)


def lying_disk_between_sessions(folder: Path) -> Seen:
    return _forgets(folder, entries=1)


def _forgets(folder: Path, *, entries: int) -> Seen:
    made = device(folder)
    Room().record(made.config, play(3))
    path = list(made.journal_files())[-1]
    kept = sum(len(entry.envelope.encoded) for entry in journal(made)[:-entries])
    path.write_bytes(path.read_bytes()[:kept])
    return _goes_on(made, boot_id=b"")


# --- sources ---------------------------------------------------------------------------------------------------------


def _lose(stream: Stream) -> Act:
    return lambda room: room.lose(stream)


def _mended(folder: Path, *acts: Act, room: Witness | None = None) -> Seen:
    """What is lost is started again within a second or two."""
    made, room = device(folder), room or Witness()
    room.mends = True
    return seen_of(made, room.witness(made.config, play(3), *acts, play(0.5), look, play(4)))


def camera_stall(folder: Path) -> Seen:
    return _mended(folder, _lose(Stream.PICTURE))


def camera_hangs(folder: Path) -> Seen:
    room = Witness()
    assert room.camera is not None
    room.camera.refuses_stop = HardwareFault(
        device="camera", what="stop() does not return", remedy_zh="请检查", remedy_en="look", kind=FaultKind.STUCK
    )
    return _mended(folder, _lose(Stream.PICTURE), room=room)


def sound_moved(folder: Path) -> Seen:
    return _mended(folder, lambda room: room.lose(Stream.SOUND, LossCause.MOVED))


def camera_unplugged(folder: Path) -> Seen:
    return recorded(folder, play(3), _lose(Stream.PICTURE), play(3), look)


def microphone_unplugged(folder: Path) -> Seen:
    return recorded(folder, play(3), _lose(Stream.SOUND), play(3), look)


WELL = PictureMeasure(
    boottime_ns=0, mean_milliluma=120_000, spread_milliluma=45_000, change_milliluma=900, detail_milliluma=5_000
)
BLACK = replace(WELL, mean_milliluma=16_000, spread_milliluma=200, change_milliluma=0, detail_milliluma=0)
FROZEN = replace(WELL, change_milliluma=0)
COVERED = replace(WELL, mean_milliluma=48_000, spread_milliluma=9_000, change_milliluma=150, detail_milliluma=400)
SPEECH = SoundMeasure(
    boottime_ns=0, samples=48_000, peak_millibel=-1200, rms_millibel=-2600, zero_samples=0, clipped_samples=0
)
SILENT = replace(SPEECH, peak_millibel=-6800, rms_millibel=-7800)
CLIPPED = replace(SPEECH, peak_millibel=0, rms_millibel=-300, clipped_samples=6_000)
ZERO = replace(SPEECH, peak_millibel=-9600, rms_millibel=-9600)


def _shown(measure: PictureMeasure | SoundMeasure, seconds: int, every: int = 1) -> Act:
    """What the analysis sees or hears for so long."""

    def act(room: Room) -> None:
        for past in range(every, seconds + 1, every):
            room.play(every)
            now = replace(measure, boottime_ns=room.clock.now_ns)
            if isinstance(now, SoundMeasure):
                samples = every * now.samples
                zeros = past * now.samples if measure is ZERO else 0
                now = replace(now, samples=samples, zero_samples=zeros)
            room.hear(now)

    return act


def _in_view(side: Side) -> PictureMeasure:
    zone = SideMeasure(side=side, mean_milliluma=120_000, spread_milliluma=40_000, detail_milliluma=5_000)
    return replace(WELL, sides=(zone,))


def _hidden(side: Side) -> PictureMeasure:
    zone = SideMeasure(side=side, mean_milliluma=45_000, spread_milliluma=3_000, detail_milliluma=600)
    return replace(WELL, sides=(zone,))


def picture_checks(folder: Path) -> Seen:
    return recorded(
        folder,
        play(2),
        _shown(WELL, 2),
        _shown(BLACK, 7),
        look,
        _shown(WELL, 4),
        _shown(FROZEN, 8),
        _shown(WELL, 4),
        _shown(COVERED, 7),
        _shown(WELL, 4),
        *(act for side in Side for act in (_shown(_hidden(side), 7), _shown(_in_view(side), 4))),
    )


def sound_checks(folder: Path) -> Seen:
    return recorded(
        folder,
        play(2),
        _shown(SPEECH, 2),
        _shown(ZERO, 4),
        look,
        _shown(SPEECH, 3),
        _shown(CLIPPED, 4),
        _shown(SPEECH, 3),
        _shown(SILENT, 70, every=5),
        _shown(SPEECH, 3),
    )


def frames_missed(folder: Path) -> Seen:
    return recorded(folder, play(3), lambda room: room.miss_frames(4), play(3), look)


def sound_clock_off(folder: Path) -> Seen:
    """600 parts per million fast."""
    made, room = device(folder), Witness()
    room.block_ns = BLOCK_NS * 1_000_000 // 1_000_600
    return seen_of(made, room.witness(made.config, play(75), look))


def _gone() -> HardwareFault:
    return HardwareFault(
        device="source", what="gone", remedy_zh="请接好", remedy_en="connect it", kind=FaultKind.ABSENT
    )


def camera_dead_at_start(folder: Path) -> Seen:
    """After a power cut: the microphone lives, the camera comes three seconds later."""
    made, room = _killed(folder), Witness(RoomClock(now_ns=LATER_NS, boot_id=NEXT_BOOT))
    camera = room.camera
    assert camera is not None
    room.mends, camera.refuses_open = True, _gone()

    def put_back(_: Room) -> None:
        camera.refuses_open = None

    assert room.goes_on(made.config, play(2), look, put_back, play(8)) == 0
    return seen_of(made, room)


def everything_dead(folder: Path) -> Seen:
    """After a power cut, through a new process to a new boot: what is seen is the second life."""
    made, clock = _killed(folder), RoomClock(now_ns=LATER_NS, boot_id=NEXT_BOOT)
    config = replace(
        made.config,
        ladder=replace(made.config.ladder, stream_restarts=1, longest_wait_seconds=2, process_restarts=1),
    )
    for code in (EXIT_RESTART, EXIT_REBOOT):
        room = Witness(clock)
        assert room.camera is not None
        assert room.microphone is not None
        room.mends = True
        room.camera.refuses_open = room.microphone.refuses_open = _gone()
        assert room.goes_on(config, play(20)) == code
    return seen_of(made, room)


# --- power and board -------------------------------------------------------------------------------------------------


def _tell(power: PowerState | None = None, bits: BoardBits | None = None, gas: GasReading | None = None) -> Act:
    told = Readings(
        power=None if power is None else PowerReading(state=power, minutes_left=12, charge_percent=40),
        board=None if bits is None else BoardReading(milli_celsius=81_000, bits=bits),
        gas=gas,
    )

    def act(room: Room) -> None:
        room.tell(told)

    return act


def too_hot(folder: Path) -> Seen:
    well, hot = _tell(bits=BoardBits(0)), _tell(bits=BoardBits.THROTTLED | BoardBits.HOT)
    return recorded(folder, play(3), well, hot, play(1), look, well, play(1))


def under_voltage(folder: Path) -> Seen:
    well, low = _tell(bits=BoardBits(0)), _tell(bits=BoardBits.UNDER_VOLTAGE)
    return recorded(folder, play(3), well, low, play(1), look, well, play(1))


def on_battery(folder: Path) -> Seen:
    return recorded(folder, play(3), _tell(PowerState.ON_BATTERY), play(1), look, _tell(PowerState.MAINS), play(1))


def battery_low(folder: Path) -> Seen:
    return recorded(folder, play(3), _tell(PowerState.ON_BATTERY), play(1), _tell(PowerState.LOW), play(1), look)


def ups_silent(folder: Path) -> Seen:
    silent = _tell(PowerState.SILENT_ON_BATTERY)
    return recorded(folder, play(3), _tell(PowerState.ON_BATTERY), play(1), silent, play(1), look)


def ups_back(folder: Path) -> Seen:
    return recorded(folder, play(3), _tell(PowerState.SILENT), play(1), look, _tell(PowerState.MAINS), play(1))


def sensors_lost(folder: Path) -> Seen:
    well = _tell(bits=BoardBits(0))
    return recorded(folder, play(2), well, play(7), look, well, play(1))


# --- clocks ----------------------------------------------------------------------------------------------------------


def clock_steps(folder: Path) -> Seen:
    return recorded(folder, play(3), lambda room: room.set_clock_by(3_600_000), play(2), look)


@dataclass(slots=True)
class DoubtfulClock(RoomClock):
    """A room's clock whose sources and battery clock say what a test wants."""

    sync: SyncState = SyncState.SYNCHRONISED
    rtc: RtcReading | None = None

    def read(self) -> ClockReading:
        return replace(RoomClock.read(self), sync=self.sync, rtc=self.rtc)


def battery_clock_dead(folder: Path) -> Seen:
    made, clock = device(folder), DoubtfulClock(rtc=RtcReading(utc_ms=0, valid=True))
    return seen_of(made, Witness(clock).witness(made.config, play(3), look))


def time_sources_lost(folder: Path) -> Seen:
    made, clock = device(folder), DoubtfulClock()

    def says(sync: SyncState, error_ms: int) -> Act:
        def act(_: Room) -> None:
            clock.sync, clock.error_ms = sync, error_ms

        return act

    lost, back = says(SyncState.UNSYNCHRONISED, 1200), says(SyncState.SYNCHRONISED, 5)
    return seen_of(made, Witness(clock).witness(made.config, play(2), lost, play(2), look, back, play(2)))


# --- processes -------------------------------------------------------------------------------------------------------


def duplicate_start(folder: Path) -> Seen:
    made, first = device(folder), Witness()

    def second(_: Room) -> None:
        before = [entry.envelope.encoded for entry in journal(made)]
        with pytest.raises(Refused) as refused:
            Room().record(made.config, play(1))
        assert refused.value.exit_code == EXIT_BUSY
        assert [entry.envelope.encoded for entry in journal(made)] == before

    return seen_of(made, first.witness(made.config, play(2), second, play(2), look))


def process_crash(folder: Path) -> Seen:
    return _goes_on(_killed(folder), boot_id=b"")


def wedged(folder: Path) -> Seen:
    """In a service that goes on with a session: CONTROL stands still, WRITER does not."""
    made, room = _killed(folder), Witness(RoomClock(now_ns=LATER_NS))
    assert room.goes_on(made.config, play(2), lambda room: room.play_while_control_stalls(7), play(1), look) == 0
    return seen_of(made, room)


# --- the interlock ---------------------------------------------------------------------------------------------------


def _guarded(folder: Path, *acts: Act) -> Seen:
    made = device(folder)
    config = replace(made.config, interlock=replace(made.config.interlock, enabled=True))
    return seen_of(made, Witness().witness(config, play(3), *acts))


def _say(bench: Bench) -> Act:
    """What this guard says now."""

    def act(room: Room) -> None:
        assert bench.last is not None
        said = bench.last.said
        room.guard_says(permit=said.permit, reason=said.reason, healthy=said.healthy)

    return act


class Telling(Bench):
    """The guard's own step on simulated wires; each word of it that is news reaches the recorder."""

    tell: Callable[[], None] = staticmethod(lambda: None)

    def turn(self, after_ns: int = NS_PER_MS) -> Outcome:
        before = self.last
        outcome = super().turn(after_ns)
        if before is not None and before.said.permit | outcome.said.latched and _news(before) != _news(outcome):
            self.tell()
        return outcome


def _news(outcome: Outcome) -> tuple[bool, Reason]:
    return outcome.said.permit, outcome.said.reason


def _tripped(folder: Path, trouble: Callable[[Bench], None]) -> Seen:
    bench = Telling()
    bench.run(1100)
    assert bench.permit()

    def happen(room: Room) -> None:
        bench.tell = lambda: _say(bench)(room)
        trouble(bench)
        assert not bench.permit()
        assert bench.last is not None
        assert bench.last.said.lamp is Lamp.INTERLOCK

    return _guarded(folder, happen, play(1), look)


def interlock_trip(folder: Path) -> Seen:
    return _tripped(folder, _opened)


def _opened(bench: Bench) -> None:
    bench.set(Pair.OFF)
    bench.run(200)


def _wired(**change: object) -> Callable[[Bench], None]:
    def trouble(bench: Bench) -> None:
        bench.wire(**change)
        bench.run(3300)

    return trouble


def wire_broken(folder: Path) -> Seen:
    return _tripped(folder, _wired(broken=frozenset({Loop.NC})))


def short(folder: Path) -> Seen:
    return _tripped(folder, _wired(crossed=True))


def pulse_missing(folder: Path) -> Seen:
    return _tripped(folder, _wired(broken=frozenset({Loop.NO})))


def discrepant(folder: Path) -> Seen:
    def trouble(bench: Bench) -> None:
        for _ in range(4):
            for pair in (Pair.BOTH_OPEN, Pair.BOTH_CLOSED):
                bench.set(pair)
                bench.run(30)

    return _tripped(folder, trouble)


def chatter(folder: Path) -> Seen:
    def trouble(bench: Bench) -> None:
        for _ in range(5):
            bench.set(Pair.OFF)
            bench.run(3)
            bench.set(Pair.PERMIT)
            bench.run(50)

    return _tripped(folder, trouble)


def reset_key_stuck(folder: Path) -> Seen:
    def trouble(bench: Bench) -> None:
        _opened(bench)
        bench.set(Pair.PERMIT)
        bench.wire(pressed=frozenset({Key.RESET}))
        bench.run(10_100)

    return _tripped(folder, trouble)


def latch_unknown(folder: Path) -> Seen:
    """The power goes in a session, and the guard that starts again may not assume a clear latch."""
    made, room = _killed(folder), Witness(RoomClock(now_ns=LATER_NS, boot_id=NEXT_BOOT))
    room.lamps.found = Reason.LATCH_UNKNOWN
    config = replace(made.config, interlock=replace(made.config.interlock, enabled=True))
    room.witness(config, play(2), look, lambda room: room.guard_says(permit=True), play(3), service=True)
    return seen_of(made, room)


def guard_dead(folder: Path) -> Seen:
    return _guarded(folder, lambda room: room.lose_guard(), play(1), look)


def guard_back(folder: Path) -> Seen:
    def back(room: Room) -> None:
        room._post(GuardBack(boottime_ns=room.clock.now_ns))
        room.guard_says(permit=True)

    return _guarded(folder, lambda room: room.lose_guard(), play(1), look, back, play(3))


def gas_alarm(folder: Path) -> Seen:
    alarm = GasReading(state=GasState.TRIPPED, reason=GasReason.ALARM1, milli_percent_lel=25_000, micro_ampere=None)
    clear = GasReading(state=GasState.CLEAR, reason=GasReason.NONE, milli_percent_lel=0, micro_ampere=None)

    def trip(room: Room) -> None:
        room.guard_says(permit=False, reason=Reason.GAS, healthy=False)

    return _guarded(folder, _tell(gas=alarm), trip, play(1), look, _tell(gas=clear), play(1))


# --- panel, keys, configuration, lines --------------------------------------------------------------------------------


def button_stuck(folder: Path) -> Seen:
    button = Button.MARK
    state = begin([button], Timing(), frozenset(), START_NS)

    def held(down: bool) -> Act:
        def act(room: Room) -> None:
            nonlocal state
            for _ in range(12):
                room.clock.now_ns += 10**9
                state, told = step(state, frozenset({button} if down else ()), room.clock.now_ns)
                for one in told:
                    room._post(one)

        return act

    made = device(folder)
    room = Witness().witness(made.config, play(2), held(down=True), look, held(down=False))
    return seen_of(made, room)


def key_damaged(folder: Path) -> Seen:
    made = _killed(folder)
    made.config.key.file.write_bytes(b"rot")
    return _goes_on(made)


def config_damaged(folder: Path) -> Seen:
    """What ran before goes on; the room's own configuration stands for the last good one."""
    made, file = device(folder), folder / "recorder.toml"
    file.write_bytes(b"")
    in_force(file, folder / "copy").keep()
    file.write_bytes(b"[spool")
    fallen = replace(in_force(file, folder / "copy"), config=made.config)
    return seen_of(made, Witness().witness(made.config, play(3), look, in_force=fallen))


def serial_line_garbled(folder: Path) -> Seen:
    """The detector's own judgement, its lease to the guard, and both telling the recorder."""
    settings = Gas(kind="modbus")
    state = judged(Listening(heard_ns=0), GasTrouble.GARBLED, 10**9, settings)
    bench = Bench(rules=replace(RULES, gas=True))
    for _ in range(6):
        bench.lease = Lease(permit=True, at_ns=bench.now_ns)
        bench.run(250)
    assert bench.permit()
    bench.lease = Lease(permit=state.permit, at_ns=bench.now_ns)
    bench.run(10)
    return _guarded(folder, _tell(gas=reading(state)), _say(bench), play(1), look)


def socket_request_refused(folder: Path) -> Seen:
    def ask(room: Room) -> None:
        assert not room.ask(Verb.WITHHOLD, Role.OFFLOAD, actor="张三").ok

    return recorded(folder, play(3), ask, play(1), look)


HAPPENINGS: dict[str, Happening] = {
    "1": power_cut,
    "2": torn_tail,
    "3": lost_write,
    "4": disk_full,
    "4 filling": disk_filling,
    "5": write_refused,
    "6": flush_fails,
    "7": slow_disk,
    "8": read_only,
    "9 removed": disk_removed,
    "9 another": wrong_medium,
    "10": bit_rot,
    "11": lying_disk,
    "11 idle": lying_disk_between_sessions,
    "12": camera_stall,
    "12 hung": camera_hangs,
    "13": camera_unplugged,
    "13 start": camera_dead_at_start,
    "13 both": everything_dead,
    "14": picture_checks,
    "15": microphone_unplugged,
    "15 moved": sound_moved,
    "16": sound_checks,
    "17": frames_missed,
    "17 drift": sound_clock_off,
    "18": too_hot,
    "19": under_voltage,
    "20": on_battery,
    "20 silent": ups_back,
    "20 sensors": sensors_lost,
    "21 low": battery_low,
    "21 silent": ups_silent,
    "22": clock_steps,
    "23": battery_clock_dead,
    "24": time_sources_lost,
    "28": duplicate_start,
    "29": process_crash,
    "30": wedged,
    "32": interlock_trip,
    "32 gas": gas_alarm,
    "33": wire_broken,
    "34 short": short,
    "34 pulse": pulse_missing,
    "34 discrepant": discrepant,
    "35": chatter,
    "36": reset_key_stuck,
    "37": button_stuck,
    "38": guard_dead,
    "38 back": guard_back,
    "38 latch": latch_unknown,
    "39": key_damaged,
    "40": config_damaged,
    "41 serial": serial_line_garbled,
    "41 socket": socket_request_refused,
    **STORE_HAPPENINGS,
}
"""By a row's name."""
