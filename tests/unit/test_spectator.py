"""The arguments and the answers of servers that spectators refuse. Tests of success are in tests/live."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import (
    BroadcastInfo,
    MalformedMessageError,
    OdysseyAuthError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyError,
    SpectatorTokenError,
    connect_to_stream,
    spectator,
)
from tests.support.processes import PATIENCE_S
from tests.support.servers import HttpServer, answer, json_answer

if TYPE_CHECKING:
    from odyssey_proto import VideoFrame

TOKEN = "secret-token-of-a-spectator"
SDP = {"Content_Type": "application/sdp"}
PARTS = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
{video}
"""


def created(body: str | bytes = b"", **headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    return answer(data, "201 Created", **{**SDP, **headers})


def section(**changes: str) -> str:
    lines = {
        "m": "m=video 9 UDP/TLS/RTP/SAVPF 101",
        "c": "c=IN IP4 0.0.0.0",
        "mid": "a=mid:0",
        "direction": "a=sendonly",
        "mux": "a=rtcp-mux",
        "ufrag": "a=ice-ufrag:abcd",
        "pwd": "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        "fingerprint": "a=fingerprint:sha-256 " + ":".join(["00"] * 32),
        "setup": "a=setup:active",
        "codec": "a=rtpmap:101 H264/90000",
    }
    kept = (lines | changes).values()
    return PARTS.format(video="\n".join(line for line in kept if line)).replace("\n", "\r\n")


BAD_ANSWERS: dict[str, tuple[bytes, type[OdysseyError], str]] = {
    "nothing": (created(), MalformedMessageError, "malformed"),
    "no SDP": (created("<html>it works</html>"), MalformedMessageError, "malformed"),
    "no text": (created(b"\xff\xfe\x00" * 99), MalformedMessageError, "malformed"),
    "a page": (answer(b"<html>", Content_Type="text/html"), MalformedMessageError, "malformed"),
    "204": (answer(status="204 No Content"), MalformedMessageError, "malformed"),
    "10 MB": (created(b"v=0\r\n" * 2_000_000), MalformedMessageError, "too_large"),
    "nothing behind v=0": (created("v=0"), OdysseyConnectionError, "no_video"),
    "no video": (created(section(m="m=audio 9 UDP/TLS/RTP/SAVPF 101")), OdysseyConnectionError, "no_video"),
    "video rejected": (created(section(m="m=video 0 UDP/TLS/RTP/SAVPF 101")), OdysseyConnectionError, "no_video"),
    "video off": (created(section(direction="a=inactive")), OdysseyConnectionError, "no_video"),
    "video the wrong way": (created(section(direction="a=recvonly")), OdysseyConnectionError, "no_video"),
    "no ufrag": (created(section(ufrag="")), MalformedMessageError, "malformed_answer"),
    "no password": (created(section(pwd="")), MalformedMessageError, "malformed_answer"),
    "no fingerprint": (created(section(fingerprint="")), MalformedMessageError, "malformed_answer"),
    "no setup": (created(section(setup="")), MalformedMessageError, "malformed_answer"),
    "a strange setup": (created(section(setup="a=setup:later")), MalformedMessageError, "malformed_answer"),
    "a broken codec": (created(section(codec="a=rtpmap:x")), MalformedMessageError, "malformed_answer"),
    "a broken section": (created(section(m="m=video")), MalformedMessageError, "malformed_answer"),
    "another codec": (created(section(codec="a=rtpmap:101 AV1/90000")), OdysseyConnectionError, "no_common_codec"),
    "a redirect": (answer(status="307 Temporary Redirect"), OdysseyConnectionError, "http_307"),
    "400": (answer(status="400 Bad Request"), OdysseyConnectionError, "http_400"),
    "401": (json_answer({"detail": f"no {TOKEN}"}, "401 No"), SpectatorTokenError, "invalid_spectator_token"),
    "403": (answer(status="403 Forbidden"), SpectatorTokenError, "invalid_spectator_token"),
    "404": (answer(status="404 Not Found"), OdysseyConnectionError, "stream_not_found"),
    "406": (answer(status="406 Not Acceptable"), OdysseyConnectionError, "no_common_codec"),
    "500": (answer(f"{TOKEN}".encode(), "500 Error"), OdysseyConnectionError, "http_500"),
    "cut short": (
        answer(b"v=0", "201 Created", length=99, Connection="close"),
        OdysseyConnectionError,
        "connection_lost",
    ),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_an_answer_that_cannot_be_used_is_reported(nothing_left: None, bad: str) -> None:
    reply, error, code = BAD_ANSWERS[bad]
    routes = {"POST /live/whep": reply, "GET /config": json_answer({"iceServers": []})}
    with HttpServer(routes) as server, pytest.raises(error) as told:
        connect_to_stream(f"{server.url}/live", TOKEN, timeout=PATIENCE_S)
    assert isinstance(told.value, OdysseyError)
    assert told.value.code == code
    assert TOKEN not in str(told.value)
    assert "?" not in str(told.value)


def test_the_offer_is_complete_and_wants_video_and_audio(nothing_left: None) -> None:
    routes = {"POST /live/whep": created(), "GET /config": json_answer({"iceServers": []})}
    with HttpServer(routes) as server:
        with pytest.raises(MalformedMessageError):
            connect_to_stream(f"{server.url}/live", "a token/&?=", timeout=PATIENCE_S)
        (offer,) = server.received("POST /live/whep")
        assert offer.target == "/live/whep?token=a%20token%2F%26%3F%3D"
        assert offer.headers["content-type"] == "application/sdp"
        text = offer.body.decode()
        assert [line.split()[0] for line in text.splitlines() if line.startswith("m=")] == ["m=video", "m=audio"]
        assert text.count("a=recvonly") == 2
        assert "a=candidate:" in text
        assert "authorization" not in offer.headers
        assert server.received("GET /config")


@pytest.mark.parametrize(
    "config",
    [
        answer(status="404 Not Found"),
        answer(b"nonsense"),
        json_answer({"iceServers": [{"url": "stun:127.0.0.1:1"}]}),
        json_answer({"iceServers": [{"urls": ["stun:192.0.2.1:3478"]}]}),
        json_answer({"iceServers": [{"urls": "turn:127.0.0.1:1", "username": "u", "credential": "p"}]}),
    ],
)
def test_ice_servers_that_are_not_there_do_not_keep_the_offer(nothing_left: None, config: bytes) -> None:
    with HttpServer({"POST /live/whep": created(), "GET /config": config}) as server:
        with pytest.raises(MalformedMessageError):
            connect_to_stream(f"{server.url}/live", TOKEN, timeout=PATIENCE_S)
        assert server.received("POST /live/whep")


def test_a_token_that_was_refused_is_an_authentication_error_and_a_value_error() -> None:
    assert issubclass(SpectatorTokenError, OdysseyAuthError)
    assert issubclass(SpectatorTokenError, ValueError)
    error = SpectatorTokenError("refused", code="invalid_spectator_token", status=401)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.status) == (SpectatorTokenError, "refused", 401)


def test_a_broadcast_info_shows_no_token() -> None:
    info = BroadcastInfo("https://live.example.org/s", TOKEN)
    assert (info.webrtc_url, info.spectator_token, info.hls_url) == ("https://live.example.org/s", TOKEN, None)
    assert TOKEN not in repr(info)


@pytest.mark.parametrize("info", [None, ("http://x", "t"), object()])
def test_only_a_broadcast_info_is_watched(info: Any) -> None:
    with pytest.raises(TypeError, match="BroadcastInfo"):
        spectator.watch(info)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((None, "token"), TypeError),
        (("http://127.0.0.1/x", None), TypeError),
        (("http://127.0.0.1/x", b"token"), TypeError),
        (("", "token"), OdysseyConfigError),
        (("http://127.0.0.1/x", ""), OdysseyConfigError),
        (("http://127.0.0.1/x", "to\nken"), OdysseyConfigError),
        (("http://127.0.0.1/x", "\ud800"), OdysseyConfigError),
        (("ftp://127.0.0.1/x", "token"), OdysseyConfigError),
        (("http://127.0.0.1:0/x", "token"), OdysseyConfigError),
        (("http://[::1/x", "token"), OdysseyConfigError),
        (("127.0.0.1/x", "token"), OdysseyConfigError),
        (("http://127.0.0.1/x", "token", "no function"), TypeError),
        (("http://127.0.0.1/x", "token", None, 5), TypeError),
    ],
)
def test_an_argument_that_cannot_work_is_refused_before_anything_is_sent(
    nothing_left: None, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        connect_to_stream(*arguments)


@pytest.mark.parametrize("timeout", ["5", True, float("nan"), -1])
def test_a_timeout_that_is_none_is_refused(nothing_left: None, timeout: Any) -> None:
    with pytest.raises((TypeError, OdysseyConfigError)):
        connect_to_stream("http://127.0.0.1/x", "token", timeout=timeout)


def test_a_coroutine_function_is_refused_as_handler(nothing_left: None) -> None:
    async def on_video_frame(frame: VideoFrame) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match="delete its `async`"):
        connect_to_stream("http://127.0.0.1/x", "token", on_video_frame)  # type: ignore[arg-type]  # that is the point
