"""The process itself: its command line, its status, its threads, its socket to the recorder, and its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.pressure import look
from edge.__main__ import main
from edge.offload.link import RecorderLink
from edge.offload.sender import BeaconSent, Stopping
from edge.offload.streams import Broken, BudgetPace, ThreadStreams
from edge.offload.words import Answer, OffloadAlive, answer_packet, parse
from edge.requests import Answer as Said
from edge.spool import Identity, create_spool
from tests.edge.offload.bench import Bench

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
LIMIT_SECONDS = 60
ALIVE = OffloadAlive(
    store="s3://store.example/room", waiting_objects=0, waiting_bytes=0, oldest_seconds=None, bytes_per_second=0
)
EXIT_USAGE, EXIT_RUNNING = 2, 6


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool with one session of three segments, and a store's folder beside it."""
    (tmp_path / "store").mkdir()
    made = tmp_path / "spool"
    bench = Bench(tmp_path)
    bench.device.session(segments=3)
    bench.desk.cut()
    empty = tmp_path / "empty"
    create_spool(empty, Identity(log_id=bench.device.log_id, spool_id=bytes(16)))
    (empty / "device" / "spool.cbor").rename(made / "device" / "spool.cbor")
    return made


def _command(spool: Path, *words: str) -> list[str]:
    store = ["--store", str(spool.parent / "store")]
    return [sys.executable, "-m", "edge", "offload", "--spool", str(spool), *store, *words]


def _runs(spool: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(spool, "--recorder", str(spool.parent / "nobody"), *words),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def test_once_brings_everything_there_and_the_status_says_so(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["offload", "status", "--spool", str(spool)]) == EXIT_RUNNING
    done = _runs(spool, "--once")
    assert done.returncode == 0, done.stderr
    stored = [path for path in (spool.parent / "store").rglob("*") if path.is_file()]
    assert sum("/media/" in str(path) for path in stored) == 3
    capsys.readouterr()
    assert main(["offload", "status", "--spool", str(spool), "--json"]) in (0, 1)  # the synthetic session is long over
    said = json.loads(capsys.readouterr().out)
    assert said["waiting"]["objects"] == 0
    assert said["waiting"]["untold"] == 5
    main(["offload", "status", "--spool", str(spool)])
    words = capsys.readouterr().out
    assert words.index("待入库") < words.index("waiting")
    assert "非 WORM" in words


def test_two_stores_each_get_everything_and_the_status_speaks_of_both(
    spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (spool.parent / "second").mkdir()
    config = spool.parent / "recorder.toml"
    urls = [f"file:{spool.parent / name}" for name in ("store", "second")]
    config.write_text(f'[store]\nurl = "{urls[0]}"\n[store.second]\nurl = "{urls[1]}"\n', encoding="utf-8")
    done = _runs(spool, "--config", str(config), "--once")
    assert done.returncode == 0, done.stderr
    first, second = (_keys(spool.parent / name) for name in ("store", "second"))
    assert first == second
    assert sum("/media/" in key for key in second) == 3
    capsys.readouterr()
    main(["offload", "status", "--spool", str(spool)])
    words = capsys.readouterr().out
    assert all(url in words for url in urls)
    main(["offload", "status", "--spool", str(spool), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert [said["url"], said["second"]["url"]] == urls
    assert _runs(spool, "--once").returncode == 0
    main(["offload", "status", "--spool", str(spool), "--json"])
    assert "second" not in json.loads(capsys.readouterr().out), "a store that is configured no more is shown no more"


def _keys(root: Path) -> set[str]:
    """The objects of a folder but beacons, which bear the time."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {str(path) for path in found if "beacon" not in path.parts and not str(path).startswith(".")}


def test_it_goes_on_until_it_is_told_to_end_and_no_second_one_runs_beside_it(spool: Path) -> None:
    first = subprocess.Popen(
        _command(spool, "--recorder", str(spool.parent / "nobody")), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert first.stderr is not None
        assert "offload:" in first.stderr.readline()  # a new state: it has the lock
        second = _runs(spool, "--once")
        assert second.returncode == EXIT_RUNNING
        assert "已有入库进程" in second.stderr
        first.send_signal(signal.SIGTERM)
        _, said = first.communicate(timeout=LIMIT_SECONDS)
        assert first.returncode == 0, said
    finally:
        first.kill()
        first.communicate()


def test_without_a_store_it_says_what_is_missing(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["offload", "--spool", str(spool)]) == EXIT_USAGE
    assert "store.url" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["s3://key:hunter7@host/bucket", "http://host/bucket", "s3://host"])
def test_a_store_that_is_none_is_refused_and_a_secret_in_it_is_not_repeated(
    url: str, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["offload", "--spool", str(spool), "--store", url])
    assert ended.value.code == EXIT_USAGE
    assert "hunter7" not in capsys.readouterr().err


def test_a_status_file_that_is_none_is_no_status(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = spool.with_name("spool.offload")
    folder.mkdir()
    for content in (b"", b"{}", b"[" * 100_000, b'{"waiting": {}}'):
        (folder / "status.json").write_bytes(content)
        assert main(["offload", "status", "--spool", str(spool)]) == EXIT_RUNNING
    assert "liuhen offload" in capsys.readouterr().err


@contextmanager
def _recorder(path: Path, answer: bytes | None) -> Iterator[list[bytes]]:
    """Listens as the recorder does, answers one packet, remembers it."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(LIMIT_SECONDS)

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                heard.append(link.recv(1 << 16))
                if answer is not None:
                    link.send(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield heard
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive()


def test_the_recorder_hears_the_words_and_its_answer_comes_back(tmp_path: Path) -> None:
    answer = Answer(ok=True, seq=7, unknown=(bytes(32),))
    with _recorder(tmp_path / "control", answer_packet(answer)) as heard:
        assert RecorderLink(tmp_path / "control").tell(ALIVE) == answer
    assert parse(heard[0]) == ALIVE


def test_a_refusal_at_the_door_is_an_answer_that_says_why(tmp_path: Path) -> None:
    refusal = Said(ok=False, words_zh="此用户不是本机操作员", words_en="a stranger").packet()
    with _recorder(tmp_path / "control", refusal):
        heard = RecorderLink(tmp_path / "control").tell(ALIVE)
    assert heard == Answer(ok=False, why="此用户不是本机操作员")


def test_a_recorder_that_is_away_or_hangs_up_is_nobody(tmp_path: Path) -> None:
    assert RecorderLink(tmp_path / "control").tell(ALIVE) is None
    with _recorder(tmp_path / "control", None):
        assert RecorderLink(tmp_path / "control").tell(ALIVE) is None


@pytest.mark.parametrize(("facts", "expected"), [({"queue_ms": 1500}, 1500), ({}, None), ({"queue_ms": "many"}, None)])
def test_the_recorders_own_queue_is_asked_for(tmp_path: Path, facts: dict[str, object], expected: int | None) -> None:
    with _recorder(tmp_path / "control", Said(ok=True, facts=facts).packet()):
        assert RecorderLink(tmp_path / "control").queue_milliseconds() == expected


def test_a_life_that_ends_in_an_error_is_told_and_no_thread_is_left() -> None:
    woken, stopping = threading.Event(), threading.Event()
    streams = ThreadStreams(woken.set, stopping)

    def broken() -> BeaconSent:
        raise ValueError("a bug")

    streams.begin(1, broken)
    streams.begin(2, BeaconSent)
    ended: dict[int, object] = {}
    while len(ended) < 2:
        assert woken.wait(LIMIT_SECONDS)
        woken.clear()
        ended.update(streams.ended())
    assert isinstance(ended[1], Broken)
    assert ended[2] == BeaconSent()
    assert streams.close()


def test_a_body_that_waits_for_its_turn_ends_when_the_process_does() -> None:
    pace = BudgetPace(lambda: 1, lambda: 0, lambda _seconds: True)
    with pytest.raises(Stopping):
        pace.take(1000)


def test_pressure_is_read_where_the_kernel_tells_it_and_unknown_where_not(tmp_path: Path) -> None:
    (tmp_path / "io").write_text("some avg10=41.50 avg60=0.00 avg300=0.00 total=0\n", encoding="ascii")
    (tmp_path / "temp").write_text("61000\n", encoding="ascii")
    seen = look(tmp_path / "temp", None, tmp_path)
    assert (seen.disk_pressure_percent, seen.memory_pressure_percent) == (41.5, None)
    assert seen.temperature_celsius == 61.0
    assert look(tmp_path / "none", 3.0, tmp_path).temperature_celsius is None
