"""A headless Chromium for tests: serves files on loopback, lets a page look at them, hands back what it reports.

`run_page` is the general part: the page does what it wants with `/files/NAME` and ends by `report(value)`;
`play_to_end` is the check that a file plays. One server thread and one browser process live during a call; both are
ended by it.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.required import unavailable

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
)
_REPORT_SCRIPT = """
<script>
function report(value) { fetch("/report", {method: "POST", body: JSON.stringify(value)}); }
</script>
"""
_PLAY_SCRIPT = """
<script>
const names = NAMES, limitMs = LIMIT_MS, speed = SPEED, results = {};
function done(name, video, outcome) {
  if (results[name]) return;
  results[name] = {outcome, duration: video.duration, position: video.currentTime,
    width: video.videoWidth, height: video.videoHeight,
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    soundBytes: video.webkitAudioDecodedByteCount,
    error: video.error ? video.error.message : ""};
  if (Object.keys(results).length === names.length) report(results);
}
for (const name of names) {
  const video = document.createElement("video");
  video.width = 160;
  video.defaultPlaybackRate = video.playbackRate = speed;
  video.addEventListener("ended", () => done(name, video, "ended"));
  video.addEventListener("error", () => done(name, video, "error"));
  setTimeout(() => done(name, video, "unfinished"), limitMs);
  document.body.append(video);
  video.src = "/files/" + name;
  video.play().catch(() => {});
}
</script>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """How one file played: `outcome` is "ended", "error" or "unfinished"; `sound_bytes` went into the decoder."""

    outcome: str
    duration_seconds: float
    position_seconds: float
    width: int
    height: int
    frames: int
    sound_bytes: int
    error: str


def play_to_end(files: Mapping[str, bytes], *, limit_seconds: float = 20.0, speed: float = 1.0) -> dict[str, Playback]:
    """Play every file at once in one page, `speed` times as fast, each until it ends, fails, or the limit passes."""
    limit_ms = str(int(limit_seconds * 1000))
    script = _PLAY_SCRIPT.replace("NAMES", json.dumps(sorted(files))).replace("LIMIT_MS", limit_ms)
    script = script.replace("SPEED", str(speed))
    reported = run_page(script, files, limit_seconds=limit_seconds + 20.0)
    assert isinstance(reported, dict)
    return {
        name: Playback(
            outcome=result["outcome"],
            duration_seconds=result["duration"] or 0.0,
            position_seconds=result["position"],
            width=result["width"],
            height=result["height"],
            frames=result["frames"],
            sound_bytes=result["soundBytes"] or 0,
            error=result["error"],
        )
        for name, result in reported.items()
    }


def run_page(body: str, files: Mapping[str, bytes], *, limit_seconds: float) -> object:
    """Open a page with this body; return what it reports. TimeoutError if it reports nothing within the limit."""
    reports: queue.Queue[object] = queue.Queue(maxsize=1)
    page = f"<!doctype html><meta charset=utf-8><body>{_REPORT_SCRIPT}{body}".encode()
    contents = {"/": ("text/html; charset=utf-8", page)}
    contents |= {f"/files/{name}": ("video/mp4", content) for name, content in files.items()}
    with _serving(contents, reports) as address, _browsing(address):
        try:
            return reports.get(timeout=limit_seconds)
        except queue.Empty:
            raise TimeoutError(f"the page reported nothing within {limit_seconds} s") from None


def printed_page(page: Path, *, limit_seconds: float = 60.0) -> bytes:
    """A file as Chromium prints it: the bytes of a PDF."""
    with tempfile.TemporaryDirectory(prefix="liuhen-chromium-", ignore_cleanup_errors=True) as folder:
        printed = Path(folder) / "printed.pdf"
        words = (f"--user-data-dir={folder}", f"--print-to-pdf={printed}", page.as_uri())
        subprocess.run([_program(), *_FLAGS, *words], check=True, capture_output=True, timeout=limit_seconds)
        return printed.read_bytes()


def _program() -> str:
    found = next(filter(None, map(shutil.which, _CHROMIUM_NAMES)), None)
    return unavailable("Chromium (Debian: apt install chromium)") if found is None else found


@contextlib.contextmanager
def _serving(contents: Mapping[str, tuple[str, bytes]], reports: queue.Queue[object]) -> Iterator[str]:
    class Handler(_Handler):
        served = contents
        reported = reports

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="loopback-pages", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


class _Server(http.server.ThreadingHTTPServer):
    """Chromium drops connections it no longer needs; that is no fault and no news."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(http.server.BaseHTTPRequestHandler):
    """Files with byte ranges (a media element asks for them) and one place to report to."""

    protocol_version = "HTTP/1.1"
    served: Mapping[str, tuple[str, bytes]]
    reported: queue.Queue[object]

    def do_GET(self) -> None:
        kind, content = self.served.get(self.path, ("", b""))
        if not kind:
            self._answer(HTTPStatus.NOT_FOUND, {}, b"")
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        headers = {"Content-Type": kind, "Accept-Ranges": "bytes"}
        if wanted is None:
            self._answer(HTTPStatus.OK, headers, content)
            return
        first = int(wanted[1])
        last = min(int(wanted[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._answer(HTTPStatus.PARTIAL_CONTENT, headers, content[first : last + 1])

    def do_POST(self) -> None:
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with contextlib.suppress(queue.Full):
            self.reported.put_nowait(value)
        self._answer(HTTPStatus.NO_CONTENT, {}, b"")

    def _answer(self, status: HTTPStatus, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep test output free of requests."""


@contextlib.contextmanager
def _browsing(address: str) -> Iterator[None]:
    program = _program()
    with tempfile.TemporaryDirectory(prefix="liuhen-chromium-", ignore_cleanup_errors=True) as profile:
        with (Path(profile) / "browser.log").open("wb") as log:
            process = subprocess.Popen(
                [program, *_FLAGS, f"--user-data-dir={profile}", address],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)
