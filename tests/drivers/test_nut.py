"""The NUT client against Debian's real server, and its reader against whatever else a port may say."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import nut
from drivers.megatec import MegatecUps
from drivers.nut import NutUps, read_credentials
from drivers.nut_protocol import Denied, Garbled, parse_variable, quoted, sample_of, text_of
from edge.ports import FaultKind, HardwareFault
from edge.sensors.devices import UpsSample
from edge.sensors.settings import Ups
from sim.field import Field
from sim.levers import Verb
from sim.ups import Manner
from tests.drivers.nut_room import PASSWORD, USER, NutRoom

pytestmark = pytest.mark.long

SCRIPT = "ups.status: OL\nups.model: dummy\nbattery.charge: 90\nbattery.runtime: 1200\n"


@contextlib.contextmanager
def closing(settings: Ups) -> Iterator[NutUps]:
    client = NutUps(settings)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[NutRoom]:
    """A server with a UPS that says what a script and `upsrw` tell it."""
    (tmp_path / "ups.dev").write_text(SCRIPT)
    room = NutRoom(tmp_path, f"driver = dummy-ups\nport = {tmp_path / 'ups.dev'}\nmode = dummy-once\npollinterval = 1")
    try:
        room.start_driver("dummy-ups")
        room.start_server()
        yield room
    finally:
        room.close()


def after(room: NutRoom, client: NutUps, status: str) -> UpsSample:
    """What the client reads once the script says so (its driver reads the file anew when it has changed)."""
    script = room.folder / "ups.dev"
    charge = client.read().charge_percent
    assert charge is not None
    written_s = int(script.stat().st_mtime)
    script.write_text(SCRIPT.replace("OL", status).replace("90", str(charge - 1)))
    os.utime(script, (written_s + 1, written_s + 1))  # dummy-ups compares whole seconds: twice within one is no change
    pause = threading.Event()
    for _ in range(300):
        told = client.read()
        if told.charge_percent == charge - 1:
            return told
        pause.wait(0.05)
    raise AssertionError("the script was not read anew")


def fault_of(client: NutUps, work: Callable[[], object] | None = None) -> HardwareFault:
    with pytest.raises(HardwareFault) as caught:
        (work or client.read)()
    return caught.value


# --- Debian's server -------------------------------------------------------------------------------------------------


def test_mains_battery_low_and_forced_shutdown_are_read_from_the_server(scripted: NutRoom) -> None:
    with closing(scripted.settings()) as client:
        mains = scripted.wait_for(client)
        assert mains == UpsSample(on_battery=False, battery_low=False, charge_percent=90, runtime_seconds=1200)
        assert after(scripted, client, "OB DISCHRG").on_battery
        assert after(scripted, client, "OB LB").battery_low
        assert not after(scripted, client, "OL CHRG").on_battery
        force_shutdown(scripted)
        assert client.read().forced_shutdown


def force_shutdown(room: NutRoom) -> None:
    """What the primary of a shared UPS does."""
    with socket.create_connection(("127.0.0.1", room.port), 5) as primary:
        escaped = PASSWORD.replace('"', '\\"')
        for line in (f"USERNAME {USER}", f'PASSWORD "{escaped}"', "LOGIN ups", "PRIMARY ups", "FSD ups"):
            primary.sendall(line.encode() + b"\n")
            assert primary.recv(200).startswith(b"OK"), line


def test_a_driver_that_stops_is_told_as_silence_once_its_data_are_stale(scripted: NutRoom) -> None:
    with closing(scripted.settings()) as client:
        scripted.wait_for(client)
        os.kill(scripted._running["driver"].pid, signal.SIGSTOP)
        try:
            fault = first_fault(client)
        finally:
            os.kill(scripted._running["driver"].pid, signal.SIGCONT)
        assert fault.kind is FaultKind.ABSENT
        assert fault.what.endswith("DATA-STALE")
        assert scripted.wait_for(client).charge_percent == 90


def first_fault(client: NutUps) -> HardwareFault:
    pause = threading.Event()
    for _ in range(300):
        try:
            client.read()
        except HardwareFault as fault:
            return fault
        pause.wait(0.05)
    raise AssertionError("the data never became stale")


def test_a_server_that_ends_is_silence_and_one_that_comes_again_is_read_again(scripted: NutRoom) -> None:
    with closing(scripted.settings(scripted.credentials())) as client:
        scripted.wait_for(client)
        scripted.end("upsd")
        assert fault_of(client).kind is FaultKind.ABSENT
        assert fault_of(client).kind is FaultKind.ABSENT
        scripted.start_server()
        assert scripted.wait_for(client).charge_percent == 90


def test_a_wrong_password_and_another_name_are_faults(scripted: NutRoom) -> None:
    with closing(scripted.settings()) as client:
        scripted.wait_for(client)
    wrong = scripted.settings(scripted.credentials(USER, "wrong"))
    with closing(wrong) as client:
        fault = fault_of(client)
        assert (fault.kind, "ACCESS-DENIED" in fault.what) == (FaultKind.OTHER, True)
    with closing(replace(scripted.settings(), nut_name="other")) as client:
        assert fault_of(client).what.endswith("UNKNOWN-UPS")


def test_an_account_without_the_right_cannot_order_a_cut(scripted: NutRoom) -> None:
    reader = scripted.settings(scripted.credentials("reader", "reader"))
    with closing(reader) as client:
        scripted.wait_for(client)
        assert fault_of(client, client.cut_and_return).kind is FaultKind.OTHER
        assert not client.read().forced_shutdown


# --- the real Megatec driver and ours --------------------------------------------------------------------------------


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    folder = tmp_path / "field"
    folder.mkdir()
    field = Field(folder)
    field.start()
    yield field
    field.stop()


@pytest.fixture
def serial_room(field: Field, tmp_path: Path) -> Iterator[NutRoom]:
    """A server whose UPS is ours, behind the real `nutdrv_qx`."""
    (tmp_path / "nut").mkdir()
    section = (
        f"driver = nutdrv_qx\nport = {tmp_path / 'field/ups'}\nprotocol = q1\npollinterval = 1\n"
        "offdelay = 12\nondelay = 60\ndefault.battery.voltage.high = 26.0\ndefault.battery.voltage.low = 20.8\n"
    )
    room = NutRoom(tmp_path / "nut", section)
    yield room
    room.close()


LEVERS: dict[str, tuple[tuple[Verb, int], ...]] = {
    "mains": (),
    "battery": ((Verb.MAINS_FAIL, 0), (Verb.BATTERY, 60)),
    "low": ((Verb.MAINS_FAIL, 0), (Verb.BATTERY, 10)),
}


@pytest.mark.parametrize("pulled", LEVERS)
def test_nut_and_the_direct_driver_tell_the_same_of_the_same_ups(
    field: Field, serial_room: NutRoom, tmp_path: Path, pulled: str
) -> None:
    for verb, value in LEVERS[pulled]:
        field.levers[verb](value)
    serial_room.start_driver("nutdrv_qx")
    serial_room.start_server()
    with closing(serial_room.settings()) as client:
        through_nut = serial_room.wait_for(client)
    serial_room.close()
    direct = MegatecUps(Ups(kind="megatec", device=tmp_path / "field/ups"))
    told = direct.read()
    direct.close()
    assert (told.on_battery, told.battery_low) == (through_nut.on_battery, through_nut.battery_low)
    assert (told.on_battery, told.battery_low) == (pulled != "mains", pulled == "low")
    assert told.charge_percent is not None
    assert through_nut.charge_percent is not None
    assert abs(told.charge_percent - through_nut.charge_percent) <= 2


def test_an_order_through_nut_reaches_the_ups_and_can_be_taken_back(field: Field, serial_room: NutRoom) -> None:
    field.levers[Verb.MAINS_FAIL](0)
    serial_room.start_driver("nutdrv_qx")
    serial_room.start_server()
    with closing(serial_room.settings(serial_room.credentials())) as client:
        serial_room.wait_for(client)
        client.cut_and_return()
        assert field.ups.shutdown_active
        assert client.read().forced_shutdown
        client.cancel_cut()
        assert not field.ups.shutdown_active


def test_an_order_the_ups_sends_back_is_refused_through_nut_too(field: Field, serial_room: NutRoom) -> None:
    serial_room.start_driver("nutdrv_qx")
    serial_room.start_server()
    with closing(serial_room.settings(serial_room.credentials())) as client:
        serial_room.wait_for(client)
        field.levers[Verb.UPS_SPEAK](Manner.ECHO.value)
        fault = fault_of(client, client.cut_and_return)
        assert fault.kind is FaultKind.OTHER
        assert not field.ups.shutdown_active


# --- a port that says something else ---------------------------------------------------------------------------------


@contextlib.contextmanager
def port_that_says(*answers: bytes, hold: bool = True) -> Iterator[int]:
    """One connection; each line that comes gets the next answer. Then it is held open in silence, or ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError), listener, listener.accept()[0] as peer:
            for one in answers:
                peer.recv(4096)
                peer.sendall(one)
            if hold:
                over.wait(20)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(20)


HEAD = b"BEGIN LIST VAR ups\n"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", FaultKind.FORMAT),
        (b"\xff\xfe\n", FaultKind.FORMAT),
        (b"x" * 5000, FaultKind.FORMAT),
        (HEAD + b'VAR other ups.status "OL"\nEND LIST VAR ups\n', FaultKind.FORMAT),
        (HEAD + b'VAR ups ups.status "OL" more\nEND LIST VAR ups\n', FaultKind.FORMAT),
        (HEAD + b"END LIST VAR ups\n", FaultKind.FORMAT),
        (HEAD + b'VAR ups ups.status "OL OB"\nEND LIST VAR ups\n', FaultKind.FORMAT),
        (HEAD + b'VAR ups ups.status "OL ??"\nEND LIST VAR ups\n', FaultKind.FORMAT),
        (HEAD + b'VAR ups a "b"\n' * 501, FaultKind.FORMAT),
        (b"ERR DATA-STALE\n", FaultKind.ABSENT),
        (b"ERR DRIVER-NOT-CONNECTED\n", FaultKind.ABSENT),
        (b"ERR ACCESS-DENIED\n", FaultKind.OTHER),
    ],
)
def test_whatever_a_port_says_becomes_a_fault_of_its_kind(answer: bytes, kind: FaultKind) -> None:
    with port_that_says(answer) as port, closing(Ups(kind="nut", nut_port=port)) as client:
        assert fault_of(client).kind is kind


@pytest.mark.parametrize("answer", [b"", HEAD, HEAD + b"VAR ups ups.sta"])
def test_a_port_that_stops_in_the_middle_is_given_up(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(nut, "CALL_SECONDS", 0.3)
    for hold in (True, False):
        with port_that_says(answer, hold=hold) as port, closing(Ups(kind="nut", nut_port=port)) as client:
            assert fault_of(client).kind is FaultKind.ABSENT


def test_a_sound_answer_of_such_a_port_is_a_sample() -> None:
    """Control of the port itself."""
    whole = HEAD + b'VAR ups ups.status "OB LB"\nVAR ups battery.charge "55.7"\nEND LIST VAR ups\n'
    with port_that_says(whole) as port, closing(Ups(kind="nut", nut_port=port)) as client:
        assert client.read() == UpsSample(on_battery=True, battery_low=True, charge_percent=55)


def test_nobody_on_the_port_is_silence(tmp_path: Path) -> None:
    with closing(Ups(kind="nut", nut_port=1)) as client:
        assert fault_of(client).kind is FaultKind.ABSENT


# --- lines, and the account ------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_no_line_does_anything_but_be_read_or_refused(line: bytes) -> None:
    try:
        name, _ = parse_variable(text_of(line + b"\n"), "ups")
    except (Garbled, Denied):
        return
    assert f"VAR ups {name} ".encode() in line


@given(st.dictionaries(st.sampled_from(["ups.status", "battery.charge", "battery.runtime"]), st.text(max_size=20)))
def test_no_value_becomes_a_sample_without_a_status_that_is_known(variables: dict[str, str]) -> None:
    try:
        told = sample_of(variables)
    except Garbled:
        return
    assert ("OB" in variables["ups.status"].split()) == told.on_battery


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_what_is_quoted_is_read_back(word: str) -> None:
    assert parse_variable(f"VAR ups a {quoted(word)}", "ups") == ("a", word)


@pytest.mark.parametrize("word", ["two\nlines", "zéro", "\x00"])
def test_a_word_a_line_cannot_hold_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        quoted(word)


def test_an_account_is_read_only_from_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "account"
    path.write_text("name\nword\n")
    path.chmod(0o600)
    assert read_credentials(path) == ("name", "word")
    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        with pytest.raises(HardwareFault):
            read_credentials(path)
    path.chmod(0o600)
    for content in ("name\n", "name\nword\nmore\n", "\nword\n", "é\nword\n"):
        path.write_text(content)
        with pytest.raises(HardwareFault) as caught:
            read_credentials(path)
        assert "word" not in caught.value.what.replace("password", "")
