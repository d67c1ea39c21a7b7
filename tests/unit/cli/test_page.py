"""The page of ``--show``: who may look, and what they see."""

from __future__ import annotations

import http.client
import io
import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from odyssey_proto import VideoFrame
from odyssey_proto.cli._page import Page
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 30


@pytest.fixture
def page() -> Iterator[Page]:
    with Page() as running:
        yield running


def get(page: Page, path: str, host: str | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
    parts = urlsplit(page.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def token(page: Page) -> str:
    return urlsplit(page.url).path


def picture(level: int) -> VideoFrame:
    return VideoFrame.from_ndarray(np.full((32, 64, 3), level, np.uint8))


def test_it_shows_the_picture_and_what_is_streamed(page: Page) -> None:
    status, headers, body = get(page, token(page))
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert b'<img id="picture" src="video"' in body
    page.say("A cat")
    assert json.loads(get(page, token(page) + "state")[2]) == {"text": "A cat", "over": False}


def test_its_address_is_on_this_machine_and_cannot_be_guessed(page: Page) -> None:
    with Page() as other:
        assert urlsplit(page.url).hostname == "127.0.0.1"
        assert token(page) != token(other)
        assert len(token(page)) > 20


@pytest.mark.parametrize("path", ["/", "/video", "/state", "//", "/guess/", "/guess/video", "x"])
def test_without_the_token_there_is_nothing(path: str, page: Page) -> None:
    status, _, body = get(page, path)
    assert (status, body) == (404, b"There is no such page.\n")
    assert get(page, token(page) + "nothing")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}"])
def test_a_call_must_name_this_machine(host: str, page: Page) -> None:
    named = host.format(port=urlsplit(page.url).port)
    assert get(page, token(page), named)[0] == 403
    assert get(page, token(page) + "video", named)[0] == 403
    assert get(page, token(page), f"localhost:{urlsplit(page.url).port}")[0] == 200


def test_pictures_come_as_they_are_put_until_the_end() -> None:
    levels: list[int] = []
    with Page() as page:
        parts = urlsplit(page.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
        connection.request("GET", f"{parts.path}video")
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=picture"
        for level in (0, 200):
            page.put(picture(level))
            assert answer.readline() == b"--picture\r\n"
            assert answer.readline() == b"Content-Type: image/jpeg\r\n"
            length = int(answer.readline().removeprefix(b"Content-Length: "))
            assert answer.readline() == b"\r\n"
            with Image.open(io.BytesIO(answer.read(length))) as image:
                assert (image.format, image.size) == ("JPEG", (64, 32))
                levels.append(int(np.asarray(image.convert("L")).mean()))
            assert answer.readline() == b"\r\n"
        rest: list[bytes] = []
        reader = threading.Thread(target=lambda: rest.append(answer.read()))
        reader.start()
    reader.join(PATIENCE_S)
    connection.close()
    assert rest == [b""]
    assert levels == pytest.approx([0, 200], abs=3)


def test_pictures_that_nobody_looks_at_are_not_encoded(page: Page) -> None:
    page.put(picture(10))
    assert page._jpeg == b""


def test_only_so_many_may_look(page: Page) -> None:
    parts = urlsplit(page.url)
    looking = [http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S) for _ in range(16)]
    for connection in looking:
        connection.request("GET", f"{parts.path}video")
        assert connection.getresponse().status == 200
    assert get(page, f"{parts.path}video")[0] == 503
    for connection in looking:
        connection.close()
    eventually(lambda: page.put(picture(1)) or page._viewers == 0)


@pytest.mark.parametrize(("display", "opens"), [("", False), (":0", True)])
def test_a_browser_is_opened_where_there_are_windows(
    display: str, opens: bool, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.setenv(name, display)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("webbrowser.open", opened.append)
    page.open_browser()
    if opens:
        eventually(lambda: opened == [page.url])
    assert opened == [page.url] * opens
