"""Tests of programs that use this library: the library's requests go to their stand-ins for HTTP."""

from __future__ import annotations

import functools
import gc
import io
import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import requests
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException

from odyssey_proto import (
    Odyssey,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyNotFoundError,
)
from tests.support.servers import HttpServer, answer, json_answer
from tools import yaml_text

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"  # nobody listens there
TOKEN: dict[str, Any] = {"access_token": "t", "expires_in": 3600}
LISTED: dict[str, Any] = {"recordings": [], "total": 7, "limit": 50, "offset": 0}
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 4000
RECORDING = {"stream_id": "s-1", "video_url": f"{NOWHERE}/video.mp4?sig=1"}


def ask(url: str = NOWHERE) -> int:
    with Odyssey("ody_key", api_url=url) as client:
        return client.list_stream_recordings().total


def download(folder: Path, url: str = NOWHERE) -> bytes:
    with Odyssey("ody_key", api_url=url) as client:
        return client.download_recording("s-1", folder)["video"].read_bytes()


# --- responses


class TestResponses:
    @pytest.fixture
    def mocked(self) -> Any:
        responses = pytest.importorskip("responses", reason="responses is not installed")
        with responses.RequestsMock(assert_all_requests_are_fired=False) as made:
            made.post(f"{NOWHERE}/auth/token", json=TOKEN)
            yield made

    def test_calls_get_the_answers_of_a_test(self, mocked: Any) -> None:
        mocked.get(f"{NOWHERE}/stream-recordings", json=LISTED)
        assert ask() == 7
        assert [call.request.method for call in mocked.calls] == ["POST", "GET"]

    def test_downloads_do_too(self, mocked: Any, tmp_path: Path) -> None:
        mocked.get(f"{NOWHERE}/recordings/s-1", json=RECORDING)
        mocked.get(f"{NOWHERE}/video.mp4", body=VIDEO)
        assert download(tmp_path) == VIDEO

    def test_a_refusal_is_the_error_that_it_is_on_the_network(self, mocked: Any) -> None:
        mocked.get(f"{NOWHERE}/recordings/s-1", json={"detail": "no"}, status=404)
        with pytest.raises(OdysseyNotFoundError, match="no"), Odyssey("ody_key", api_url=NOWHERE) as client:
            client.get_recording("s-1")

    def test_what_the_test_does_not_know_is_an_error_that_says_so(self, mocked: Any) -> None:
        with pytest.raises(OdysseyConnectionError, match="doesn't match any registered mock") as caught:
            ask()
        assert (caught.value.code, "\n" in str(caught.value)) == ("unreachable", False)


# --- requests-mock


class TestRequestsMock:
    @pytest.fixture
    def mocked(self) -> Any:
        requests_mock = pytest.importorskip("requests_mock", reason="requests-mock is not installed")
        with requests_mock.Mocker() as made:
            made.post(f"{NOWHERE}/auth/token", json=TOKEN)
            yield made

    def test_calls_get_the_answers_of_a_test(self, mocked: Any) -> None:
        mocked.get(f"{NOWHERE}/stream-recordings", json=LISTED)
        assert ask() == 7
        assert [asked.headers.get("Authorization") for asked in mocked.request_history] == [None, "Bearer t"]

    def test_downloads_and_redirects_do_too(self, mocked: Any, tmp_path: Path) -> None:
        mocked.get(f"{NOWHERE}/recordings/s-1", json=RECORDING)
        mocked.get(f"{NOWHERE}/video.mp4", status_code=302, headers={"Location": "/moved.mp4?sig=2"})
        mocked.get(f"{NOWHERE}/moved.mp4", content=VIDEO)
        assert download(tmp_path) == VIDEO

    def test_a_failure_is_the_error_that_it_is_on_the_network(self, mocked: Any) -> None:
        mocked.get(f"{NOWHERE}/stream-recordings", exc=requests.exceptions.ConnectTimeout)
        with pytest.raises(OdysseyConnectionTimeoutError):
            ask()
        mocked.get(f"{NOWHERE}/recordings/s-1", status_code=404)
        with pytest.raises(OdysseyNotFoundError), Odyssey("ody_key", api_url=NOWHERE) as client:
            client.get_recording("s-1")

    def test_what_the_test_does_not_know_is_an_error_that_says_so(self, mocked: Any) -> None:
        requests_mock = pytest.importorskip("requests_mock", reason="requests-mock is not installed")
        with pytest.raises(requests_mock.NoMockAddress, match="No mock address: GET"):
            ask()


# --- vcrpy, without any setting of ours


@pytest.fixture
def service() -> Any:
    with HttpServer(
        {
            "POST /auth/token": json_answer(TOKEN),
            "GET /stream-recordings": json_answer(LISTED),
            "GET /video.mp4": answer(VIDEO, ETag='"v"'),
        }
    ) as server:
        video = {"stream_id": "s-1", "video_url": f"{server.url}/video.mp4?sig=1"}
        server.routes["GET /recordings/s-1"] = json_answer(video)
        yield server


class TestVcrpy:
    def test_what_was_recorded_is_played_without_a_network(self, service: HttpServer, tmp_path: Path) -> None:
        path = tmp_path / "cassette.yaml"
        with vcr.use_cassette(str(path)):
            assert (ask(service.url), download(tmp_path / "1", service.url)) == (7, VIDEO)
        before = len(service.requests)
        assert len(yaml_text.parsed(path.read_text())["interactions"]) == before
        with vcr.use_cassette(str(path), record_mode="none") as cassette:
            assert (ask(service.url), download(tmp_path / "2", service.url)) == (7, VIDEO)
            assert cassette.all_played
        assert len(service.requests) == before

    def test_in_the_mode_none_no_request_leaves(self, service: HttpServer, tmp_path: Path) -> None:
        with vcr.use_cassette(str(tmp_path / "empty.yaml"), record_mode="none"):
            with pytest.raises(CannotOverwriteExistingCassetteException):
                ask(service.url)
            with pytest.raises(CannotOverwriteExistingCassetteException):
                download(tmp_path / "1", service.url)
        assert service.accepted == 0

    def test_after_a_cassette_requests_go_out_again(self, service: HttpServer, tmp_path: Path) -> None:
        with Odyssey("ody_key", api_url=service.url) as client:
            client.list_stream_recordings()
            with vcr.use_cassette(str(tmp_path / "cassette.yaml")) as cassette:
                client.list_stream_recordings()
                assert len(cassette) == 1
            client.list_stream_recordings()
        assert len(service.received("GET /stream-recordings")) == 3

    def test_the_library_may_be_loaded_while_a_cassette_is_in(self, service: HttpServer, tmp_path: Path) -> None:
        code = """
import sys, vcr
with vcr.use_cassette(sys.argv[2]) as cassette:
    from odyssey_proto import Odyssey
    with Odyssey("ody_key", api_url=sys.argv[1]) as client:
        client.list_stream_recordings()
    assert len(cassette) == 2, len(cassette)
with Odyssey("ody_key", api_url=sys.argv[1]) as client:
    print(client.list_stream_recordings().total)
"""
        path = str(tmp_path / "cassette.yaml")
        out = subprocess.check_output([sys.executable, "-c", code, service.url, path], text=True)
        assert out == "7\n"
        assert len(service.received("GET /stream-recordings")) == 2

    def test_in_the_mode_none_a_connect_fails_with_its_words(self, service: HttpServer, tmp_path: Path) -> None:
        with (
            Odyssey("ody_key", api_url=service.url) as client,
            vcr.use_cassette(str(tmp_path / "empty.yaml"), record_mode="none"),
            pytest.raises(OdysseyConnectionError, match=r"vcr, which .* CannotOverwriteExistingCassette"),
        ):
            client.connect(timeout=10)
        assert service.accepted == 0


# --- guards against the network: pytest-socket, and fixtures of one's own


def test_a_guard_on_connect_is_asked(service: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def guard(_: socket.socket, address: object) -> None:
        asked.append(address)
        raise RuntimeError("this test must stay offline")

    monkeypatch.setattr(socket.socket, "connect", guard)
    with pytest.raises(RuntimeError, match="must stay offline"):
        ask(service.url)
    with (
        Odyssey("ody_key", api_url=service.url) as client,
        pytest.raises(OdysseyConnectionError, match="raised RuntimeError: this test must stay offline"),
    ):
        client.connect(timeout=10)
    assert ("127.0.0.1", service.port) in asked
    assert service.accepted == 0


def test_a_guard_on_lookups_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", mock.Mock(side_effect=RuntimeError("this test must stay offline")))
    with pytest.raises(RuntimeError, match="must stay offline"):
        ask("http://service.invalid")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of asyncio's half-made loop
def test_a_guard_on_all_sockets_ends_a_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socketpair", mock.Mock(side_effect=RuntimeError("this test must stay offline")))
    with (
        Odyssey("ody_key", api_url=NOWHERE) as client,
        pytest.raises(OdysseyConnectionError, match="must stay offline"),
    ):
        client.connect(timeout=10)
    gc.collect()


# --- unittest.mock, and wrappers that only look on


def test_a_mock_of_the_sessions_of_requests_is_met() -> None:
    def send(session: requests.Session, request: requests.PreparedRequest, **_: object) -> requests.Response:
        response = requests.Response()
        response.status_code = 200
        response.url = request.url or ""
        response.raw = io.BytesIO(json.dumps(TOKEN if request.method == "POST" else LISTED).encode())
        return response

    with mock.patch("requests.Session.send", send):
        assert ask() == 7


def test_a_wrapper_that_traces_requests_is_no_stand_in(service: HttpServer) -> None:
    seen: list[str] = []
    original = requests.Session.send

    @functools.wraps(original)
    def traced(session: requests.Session, request: requests.PreparedRequest, **known: Any) -> requests.Response:
        seen.append(request.url or "")
        return original(session, request, **known)

    with mock.patch("requests.Session.send", traced):
        assert ask(service.url) == 7
    assert seen == [], "the library sends with no session"


def test_a_cache_of_requests_is_passed_by(service: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """requests-cache: with answers from a cache, no job would ever seem to end."""

    class CachedSession(requests.Session):
        def send(self, request: requests.PreparedRequest, **known: Any) -> requests.Response:
            raise AssertionError("it would answer from a cache")

    CachedSession.send.__module__ = "requests_cache.session"
    monkeypatch.setattr(requests, "Session", CachedSession)
    with Odyssey("ody_key", api_url=service.url) as client:
        assert [client.list_stream_recordings().total for _ in range(2)] == [7, 7]
    assert len(service.received("GET /stream-recordings")) == 2
