"""Headless Chromium as a client: a page on another origin, written from the protocol."""

from __future__ import annotations

import http.server
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.support.broadcasts import broadcasting
from tests.support.cassettes import film, messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeClient, MakeEmulator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGES = {name: Path(__file__).with_name(f"{name}.html").read_bytes() for name in ("page", "spectator")}
PATIENCE_S = 100
FULL, TALL, SMALL = (1280, 704), (640, 512), (512, 256)
"""The usual size of pictures, one whose stamp fits in portrait, too, and one that takes a seventh of the CPU."""

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


class _PageServer(http.server.ThreadingHTTPServer):
    results: queue.Queue[dict[str, Any]]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _PageServer

    def do_GET(self) -> None:
        self._answer(PAGES.get(self.path[1:].partition("?")[0], b""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")
        self.server.results.put(json.loads(body))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def pages() -> Iterator[_PageServer]:
    with _PageServer(("127.0.0.1", 0), _Handler) as server:
        server.results = queue.Queue()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def visit(emulator: Emulator, pages: _PageServer, profile: Path, **options: str) -> dict[str, Any]:
    """Run the client page in Chromium, and return its findings."""
    return run_page("page", pages, profile, api=emulator.api_url, key=emulator.api_key, **options)


def run_page(name: str, pages: _PageServer, profile: Path, **options: str) -> dict[str, Any]:
    """Run a page in Chromium, and return its findings."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--disable-background-networking", "--autoplay-policy=no-user-gesture-required"]
    command = [
        str(CHROMIUM),
        *flags,
        f"--user-data-dir={profile}",
        f"http://127.0.0.1:{pages.server_port}/{name}?{urlencode(options)}",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as browser:
        try:
            return pages.results.get(timeout=PATIENCE_S)
        finally:
            os.killpg(browser.pid, 9)


@pytest.mark.parametrize(
    ("codec", "portrait", "size"), [("h264", "0", FULL), ("vp8", "1", TALL), ("both", "0", SMALL)]
)
def test_a_page_of_another_origin_streams(
    make_emulator: MakeEmulator,
    pages: _PageServer,
    tmp_path: Path,
    codec: str,
    portrait: str,
    size: tuple[int, int],
) -> None:
    found = visit(make_emulator(codec=codec, size=size), pages, tmp_path, portrait=portrait)
    assert found.get("error") is None, found
    assert found["steps"] == ["regions", "session", "connected", "done"]
    assert found["refused"][0] == 401
    assert found["streams"] == 1
    assert found["codec"].lower() == ("video/vp8" if codec == "vp8" else "video/h264")
    kinds = [message["type"] for message in found["messages"]]
    assert kinds == ["stream_started", "update_acknowledged", "stream_ended"]
    assert found["messages"][1]["prompt"].startswith("noon in the desert")
    frames = found["frames"]
    assert {(frame["width"], frame["height"]) for frame in frames} == {size[::-1] if portrait == "1" else size}
    numbers = [frame["number"] for frame in frames]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 10
    assert numbers[-1] < 10_000
    night, noon = frames[-1]["colour"], found["after"]["colour"]
    assert sum(noon) > sum(night) + 100
    assert found["decoded"] > 20
    # Chromium sends its candidates separately from its answer. Most are ``*.local`` names; if its own resolver is
    # slow, it sends addresses.
    assert not found["answerHasCandidates"]
    assert found["candidates"]


def test_a_page_of_another_origin_streams_from_a_cassette(
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    pages: _PageServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("odyssey_proto.emulator._replay.streamer._ASKS_WITHIN_S", PATIENCE_S)
    path = tmp_path / "cat.cast"
    with make_client(make_emulator(size=SMALL)).connect(timeout=PATIENCE_S) as session:
        numbers = film(session, path, frames=40, portrait=False)
    # At this pace, even a browser on a busy machine shows ten of the 40 pictures before the prompt is due.
    emulator = make_emulator(replay=path, pace=0.25)
    found = visit(emulator, pages, tmp_path / "profile", portrait="0", frames="10")
    assert found.get("error") is None, found
    assert found["messages"] == messages_in(path, "service", "streamerToClient")
    assert found["codec"].lower() == "video/h264"
    assert {(frame["width"], frame["height"]) for frame in found["frames"]} == {SMALL}
    seen = [frame["number"] for frame in found["frames"]]
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert set(seen) <= {*range(max(numbers) + 10)}
    night, noon = found["frames"][-1]["colour"], found["after"]["colour"]
    assert sum(noon) > sum(night) + 100


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_a_page_of_another_origin_watches_a_broadcast(
    make_emulator: MakeEmulator, pages: _PageServer, tmp_path: Path, codec: str
) -> None:
    emulator = make_emulator(codec=codec, size=SMALL)
    with broadcasting(emulator.api_url) as broadcaster:
        info = broadcaster.info
        found = run_page("spectator", pages, tmp_path, url=info.webrtc_url, token=info.spectator_token)
    assert found.get("error") is None, found
    assert (found["refused"], found["status"], found["left"], found["leftAgain"]) == (401, 201, 200, 404)
    assert found["streams"] == 1
    assert found["codec"].lower() == f"video/{codec}"
    assert {(frame["width"], frame["height"]) for frame in found["frames"]} == {SMALL}
    numbers = [frame["number"] for frame in found["frames"]]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 10
    assert numbers[-1] < 10_000
