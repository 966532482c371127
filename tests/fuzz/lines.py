"""What reaches sensors and recorder from outside: serial lines, a NUT server, kernel files, packets, requests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from drivers import kernel_files
from drivers import megatec_protocol as megatec
from drivers import nut_protocol as nut
from drivers.modbus_gas import ModbusGas
from edge import requests, store_examined
from edge.commands.said import LABELS, parse_fields
from edge.ports import HardwareFault
from edge.requests import Answer as Told
from edge.requests import BadRequest, Request, Verb
from edge.sensors import readings
from edge.sensors.readings import (
    Answer,
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
from edge.sensors.strict_json import BadPacket
from liuhen.registry import CheckOutcome, GapCause
from sim.gas import GasModel, checksum
from sim.ups import UpsModel
from tests.fuzz import seeds
from tests.fuzz.engine import Broken, Run, Target
from tests.fuzz.mutation import mutated

FULL = Readings(
    power=PowerReading(state=PowerState.LOW, minutes_left=3, charge_percent=18),
    board=BoardReading(milli_celsius=-5_000, bits=BoardBits.HOT | BoardBits.UNDER_VOLTAGE_BEFORE),
    gas=GasReading(state=GasState.TRIPPED, reason=GasReason.ALARM1, milli_percent_lel=30_000, micro_ampere=8_800),
)
REQUESTS = [
    requests.packet_of(one)
    for one in (
        Request(verb=Verb.STATUS),
        Request(verb=Verb.EXPLAIN, actor="张三", text="说明", gap=12, cause=GapCause.OTHER, confirmed=True),
        Request(verb=Verb.APPROVE, actor="李四", ground="法律法规规定", citation="第八条"),
        Request(verb=Verb.MARK, step=0),
    )
]
EMPTY = Readings(power=None, board=None, gas=None)
QUESTION = bytes.fromhex("010400000002")


class _Refused(Exception):
    """No reading came of it."""


def _target(name: str, run: Run, corpus: Sequence[bytes], refusals: tuple[type[Exception], ...]) -> Target:
    kept = [*corpus, *seeds.regression(name)]
    return Target(
        name=name,
        draw=lambda rng: mutated(rng, kept),
        prepare=lambda _: run,
        refusals=refusals,
        share=15,
        seeds=tuple(kept),
    )


def targets() -> list[Target]:
    """Every line of the sensors process, and the control socket's packets."""
    unit = UpsModel(at_ns=0)
    told = [unit.receive(question, 0) for question in (megatec.STATUS, megatec.RATING, megatec.IDENTITY)]
    variables = [b'VAR ups ups.status "OB LB"\n', b'VAR ups device.mfr "a \\"b\\" \\\\"\n', b"ERR DATA-STALE\n"]
    packets = [readings.request(one) for one in (FULL, EMPTY)]
    answers = [readings.answer(Answer(ok=ok, power_off_when_sealed=ok, why="" if ok else "no")) for ok in (True, False)]
    numbers = [b"48000\n", b"-5000\n", b"0x50005\n", b"0\n"]
    return [
        _target("megatec", _megatec, told, (megatec.Garbled,)),
        _target("nut-line", _nut_line, variables, (nut.Garbled, nut.Denied)),
        Target(
            name="modbus-gas",
            draw=_frames,
            prepare=lambda _: _modbus_gas,
            refusals=(HardwareFault, ModbusException, _Refused),
            share=15,
            seeds=(_sound_frame(), *seeds.regression("modbus-gas")),
        ),
        _target("kernel-file", _kernel_file, numbers, ()),
        _target("reading", _told_again(readings.parse_request, readings.request), packets, (BadPacket,)),
        _target("request", _told_again(requests.parse, requests.packet_of), REQUESTS, (BadRequest,)),
        _target("said", _said, SAID, (BadRequest,)),
        _target("request-answer", _answer, [Told(ok=True, words_zh="好", facts={"a": 1}).packet()], (BadRequest,)),
        _target("store-check", _store_check, STORE_CHECKS, (BadRequest,)),
        _target("reading-answer", _told_again(readings.parse_answer, readings.answer), answers, (BadPacket,)),
    ]


SAID = ["actor=张三\ntext=a=b\n".encode(), '{"actor": "张三", "text": "乙"}'.encode(), b"", *seeds.regression("said")]


STORE_CHECKS = [
    json.dumps(
        {
            "profile": {
                "url": url,
                "examined_at": "2026-11-29T00:00:00+00:00",
                "worm": worm,
                "lock_enforced": enforced,
                "conditional_put": worm,
            },
            "rows": [{"outcome": outcome} for outcome in ("well", "warning", "not_fitted")],
        }
    ).encode()
    for url, worm, enforced in (
        ("s3://store.example:7443/room", True, True),
        ("s3://store.example:7443/room", False, True),
        ("file:/media/store", False, False),
    )
]


def _store_check(encoded: bytes) -> None:
    """A server that does not enforce locks is never read as a good store."""
    found = store_examined.parse(encoded)
    profile = json.loads(encoded)["profile"]
    enforced = profile["worm"] and profile["lock_enforced"]
    if found.url.scheme == "s3" and not enforced and found.outcome is not CheckOutcome.BLOCKING:
        raise Broken("a lock that is not enforced is believed")


def _said(encoded: bytes) -> None:
    """What is read as JSON or as lines says the same again as JSON."""
    found = parse_fields(encoded, frozenset(LABELS))
    if parse_fields(json.dumps(found).encode(), frozenset(LABELS)) != found:
        raise Broken("fields come back otherwise")


def _answer(encoded: bytes) -> None:
    Told.parse(encoded)  # read by `liuhen ctl` alone, which shows it


def _megatec(encoded: bytes) -> None:
    """A status, a rating or an identity; a status that is accepted has every byte accounted for."""
    if encoded.startswith(b"("):
        status = megatec.parse_status(encoded)
        if encoded != _status_again(status, encoded):
            raise Broken("a status comes back otherwise")
        megatec.charge_percent(status, None)
    elif encoded[1:2].isdigit():
        rating = megatec.parse_rating(encoded)
        if not rating.battery_centivolts:
            raise Broken("a rating without a voltage")
    else:
        megatec.parse_identity(encoded)


def _status_again(status: megatec.Status, like: bytes) -> bytes:
    centi = status.battery_centivolts
    battery = b"%d.%02d" % divmod(centi, 100) if status.per_cell else b"%02d.%d" % divmod(centi // 10, 10)
    hertz, celsius = (
        b"--.-" if value is None else b"%02d.%d" % divmod(value, 10)
        for value in (status.decihertz, status.deci_celsius)
    )
    volts = [
        b"%03d.%d" % divmod(value, 10)
        for value in (status.input_decivolts, status.fault_decivolts, status.output_decivolts)
    ]
    fields = [
        *volts,
        b"%03d" % status.load_percent,
        hertz,
        battery,
        celsius,
        b"%s" % f"{int(status.bits):08b}".encode(),
    ]
    return b"(" + b" ".join(fields) + b"\r"


def _nut_line(encoded: bytes) -> None:
    name, value = nut.parse_variable(nut.text_of(encoded), "ups")
    nut_status = {"ups.status": value, name: value}
    if value.isascii() and value.isprintable():
        again = f"VAR ups {name} {nut.quoted(value)}".encode()
        if again != encoded.rstrip(b"\r\n") and b"\\" not in encoded:
            raise Broken("a variable comes back otherwise")
    nut.sample_of(nut_status)


def _modbus_gas(encoded: bytes) -> None:
    """The library's framer and the driver's own judgement of what it found."""
    gas = ModbusGas(Gas(kind="modbus"))
    _, answer = FramerRTU(DecodePDU(False)).handleFrame(encoded, 1, 0)
    if answer is None:
        raise _Refused
    gas._heard = encoded
    sample = gas._sample(answer)
    body = bytes((1, 4, 4)) + sample.status.to_bytes(2, "big") + sample.value.to_bytes(2, "big")
    if encoded != body + checksum(body):
        raise Broken("a sample that was not said")


def _frames(rng: random.Random) -> bytes:
    """Half changed bytes, half a changed body below a checksum that fits."""
    frame = mutated(rng, [_sound_frame()])
    if rng.random() < 0.5:
        return frame
    return frame[:-2] + checksum(frame[:-2])


def _sound_frame() -> bytes:
    return GasModel().receive(QUESTION + checksum(QUESTION))


def _kernel_file(encoded: bytes) -> None:
    for read in (kernel_files.decimal, kernel_files.hexadecimal):
        number = read(encoded)
        if number is not None and not -(2**40) < number < 2**40:
            raise Broken("a number larger than any of the kernel's")


def _told_again(parse: Callable[[bytes], object], tell: Callable[..., bytes]) -> Run:
    def run(encoded: bytes) -> None:
        found = parse(encoded)
        if parse(tell(found)) != found:
            raise Broken("a packet comes back otherwise")

    return run
