"""The WebSocket of the emulator, with plain aiohttp."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
import requests
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from PIL import Image

from odyssey_proto.emulator._faults import mishaps
from odyssey_proto.emulator._faults.script import Fault
from tests.support.plain_client import (
    PATIENCE_S,
    Credentials,
    bearer,
    connect,
    credentials_of,
    scenario,
    session_token,
)
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator
    from tests.support.clocks import HandClock


def address(credentials: Credentials, *, session_id: str | None = None, token: str | None = None) -> str:
    session = credentials.session_id if session_id is None else session_id
    secret = quote(credentials.token if token is None else token)
    return f"{credentials.signalling_url}/client/{session}?token={secret}"


@contextlib.asynccontextmanager
async def socket_to(url: str, *, autoping: bool = True) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, max_msg_size=0, autoping=autoping) as socket,
    ):
        yield socket


async def heard(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    return dict(await socket.receive_json(timeout=PATIENCE_S))


async def all_read(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Wait until the emulator has read all messages sent so far; `socket_to` needs ``autoping=False`` for this."""
    await socket.ping()
    async with asyncio.timeout(PATIENCE_S):
        while (received := await socket.receive()).type is not aiohttp.WSMsgType.PONG:
            assert received.type is aiohttp.WSMsgType.TEXT, received


async def closing(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Read until the socket closes, and return the code."""
    async with asyncio.timeout(PATIENCE_S):
        while not socket.closed:
            await socket.receive()
    return socket.close_code


async def refusal(url: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with socket_to(url):
            pass
    return caught.value.status


def asks_again(emulator: Emulator) -> int:
    """Request another session and return the status of the answer."""
    headers = bearer(emulator.api_url, emulator.api_key)
    return requests.post(
        f"{emulator.api_url}/sessions/request", json={}, headers=headers, timeout=PATIENCE_S
    ).status_code


async def until_free(emulator: Emulator) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await asyncio.to_thread(asks_again, emulator) != 200:
            pass


# The handshake


@scenario
async def test_the_streamer_offers_right_after_the_handshake(emulator: Emulator) -> None:
    async with socket_to(address(credentials_of(emulator))) as socket:
        offer = await heard(socket)
        assert offer["type"] == "offer"
        assert "m=video" in offer["sdp"]
        assert "m=application" in offer["sdp"]


@scenario
async def test_the_video_belongs_to_a_stream_so_that_browsers_find_it(emulator: Emulator) -> None:
    async with socket_to(address(credentials_of(emulator))) as socket:
        assert "a=msid:" in (await heard(socket))["sdp"]


@scenario
async def test_only_the_address_that_the_client_reached_is_offered(emulator: Emulator) -> None:
    async with socket_to(address(credentials_of(emulator))) as socket:
        lines = [line for line in (await heard(socket))["sdp"].splitlines() if line.startswith("a=candidate:")]
        assert {line.split()[4] for line in lines} == {"127.0.0.1"}
        candidate = await heard(socket)
        assert candidate["type"] == "ice_candidate"
        assert candidate["candidate"].startswith("candidate:")
        assert candidate["candidate"].split()[4] == "127.0.0.1"
        assert candidate["sdpMid"] == "0"
        assert candidate["sdpMLineIndex"] == 0


@pytest.mark.parametrize(("codec", "first"), [("h264", "H264"), ("vp8", "VP8"), ("both", "H264")])
def test_the_codecs_that_were_asked_for_are_offered(make_emulator: MakeEmulator, codec: str, first: str) -> None:
    @scenario
    async def offered() -> None:
        async with socket_to(address(credentials_of(make_emulator(codec=codec)))) as socket:
            names = [
                line.split()[1].split("/")[0]
                for line in (await heard(socket))["sdp"].splitlines()
                if line.startswith("a=rtpmap:") and "rtx" not in line
            ]
        assert names[0] == first
        assert set(names) == ({"H264", "VP8"} if codec == "both" else {first})

    offered()


@pytest.mark.parametrize("token", ["", "garbled", "a.b.c"])
def test_a_handshake_without_a_valid_token_is_refused(emulator: Emulator, token: str) -> None:
    assert asyncio.run(refusal(address(credentials_of(emulator), token=token))) == 403


def test_a_handshake_with_the_token_of_another_session_is_refused(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(concurrent_sessions=2)
    one, two = credentials_of(emulator), credentials_of(emulator)
    assert asyncio.run(refusal(address(one, token=two.token))) == 403


def test_a_handshake_for_an_unknown_session_is_refused(emulator: Emulator) -> None:
    assert asyncio.run(refusal(address(credentials_of(emulator), session_id="nothing"))) == 403


def test_a_handshake_with_an_expired_token_is_refused(make_emulator: MakeEmulator, clock: HandClock) -> None:
    emulator = make_emulator(clock=clock, session_token_ttl_s=10)
    credentials = credentials_of(emulator)
    clock.time += 10
    assert asyncio.run(refusal(address(credentials))) == 403


def test_a_client_that_leaves_during_the_handshake_is_no_failure(
    emulator: Emulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    has_left = threading.Event()

    async def until_it_has_left(*_: Any) -> None:
        await asyncio.to_thread(has_left.wait, PATIENCE_S)
        await asyncio.sleep(0.1)  # meanwhile, the loop notices it

    monkeypatch.setitem(mishaps._IN_HTTP, "delay", until_it_has_left)
    url = urlsplit(address(credentials_of(emulator)))
    emulator.faults.add(Fault(step="signaling handshake", action="delay"))
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(
            f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        eventually(lambda: not emulator.faults.pending)
    has_left.set()
    eventually(lambda: "the client left" in caplog.text)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


# The life of a session


@scenario
async def test_a_goodbye_frees_the_session_at_once(emulator: Emulator) -> None:
    credentials = credentials_of(emulator)
    async with socket_to(address(credentials)) as socket:
        await heard(socket)
        await socket.send_json({"type": "client_disconnecting"})
        assert await closing(socket) == 1000
    assert await asyncio.to_thread(asks_again, emulator) == 200
    assert await refusal(address(credentials)) == 403


@scenario
async def test_a_client_that_is_just_gone_keeps_its_session_until_it_is_cleared(
    make_emulator: MakeEmulator, clock: HandClock
) -> None:
    emulator = make_emulator(clock=clock)
    async with socket_to(address(credentials_of(emulator))) as socket:
        await heard(socket)
    assert await asyncio.to_thread(asks_again, emulator) == 429
    clock.time += 40
    assert await asyncio.to_thread(asks_again, emulator) == 200


@scenario
async def test_keepalives_keep_a_session(make_emulator: MakeEmulator, clock: HandClock) -> None:
    emulator = make_emulator(clock=clock)
    credentials = credentials_of(emulator)
    async with socket_to(address(credentials), autoping=False) as socket:
        await heard(socket)
        for _ in range(5):
            clock.time += 15
            await socket.send_json({"type": "keepalive"})
            await all_read(socket)
            # A token is given only for a session that has not ended.
            await asyncio.to_thread(
                session_token, emulator.api_url, bearer(emulator.api_url, emulator.api_key), credentials.session_id
            )
        assert await asyncio.to_thread(asks_again, emulator) == 429


@scenario
async def test_a_session_without_keepalives_is_ended_with_an_error(
    make_emulator: MakeEmulator, clock: HandClock
) -> None:
    emulator = make_emulator(clock=clock)
    async with socket_to(address(credentials_of(emulator))) as socket:
        assert (await heard(socket))["type"] == "offer"
        assert (await heard(socket))["type"] == "ice_candidate"
        clock.time += 40
        assert await heard(socket) == {"type": "error", "reason": "streamer_disconnected"}
        await closing(socket)


@scenario
async def test_a_session_that_is_too_long_is_ended_with_an_error(
    make_emulator: MakeEmulator, clock: HandClock
) -> None:
    emulator = make_emulator(clock=clock, max_session_s=30)
    async with socket_to(address(credentials_of(emulator))) as socket:
        assert (await heard(socket))["type"] == "offer"
        assert (await heard(socket))["type"] == "ice_candidate"
        clock.time += 30
        assert await heard(socket) == {"type": "error", "reason": "duration_limit_reached"}


@scenario
async def test_a_client_may_come_back_with_the_token_that_it_has(emulator: Emulator) -> None:
    credentials = credentials_of(emulator)
    offers = []
    for _ in range(2):
        async with socket_to(address(credentials)) as socket:
            offers.append((await heard(socket))["sdp"])
    assert offers[0] != offers[1]


@scenario
async def test_a_second_connection_replaces_the_first(emulator: Emulator) -> None:
    credentials = credentials_of(emulator)
    async with socket_to(address(credentials)) as first:
        assert (await heard(first))["type"] == "offer"
        assert (await heard(first))["type"] == "ice_candidate"
        async with socket_to(address(credentials)) as second:
            assert await heard(first) == {"type": "error", "reason": "replaced"}
            assert (await heard(second))["type"] == "offer"
            await second.send_json({"type": "client_disconnecting"})
            assert await closing(second) == 1000


@scenario
async def test_a_second_connection_may_stand_beside_the_first(make_emulator: MakeEmulator) -> None:
    credentials = credentials_of(make_emulator(second_connection="beside"))
    async with connect(credentials, goodbye=False) as first:
        first.start()
        await first.message("stream_started")
        async with connect(credentials) as second:
            for client in (first, second, first, second):
                client.forget_frames()
                await client.picture()
            first.send(type="update", prompt="Night")
            await second.message("update_acknowledged")  # the newer connection gets the answers
            assert (first.messages.empty(), first.signaling.empty()) == (True, True)
            await first.socket.close(code=1000)
            await asyncio.wait_for(first.track_ended.wait(), PATIENCE_S)
            second.forget_frames()
            await second.picture()


@scenario
async def test_the_end_of_a_session_ends_both_its_connections(make_emulator: MakeEmulator) -> None:
    credentials = credentials_of(make_emulator(second_connection="beside"))
    async with connect(credentials, goodbye=False) as first, connect(credentials) as second:
        await second.disconnect()
        assert (await asyncio.wait_for(first.signaling.get(), PATIENCE_S))["type"] in ("closed", "error")


@scenario
async def test_many_connections_at_once_leave_one(emulator: Emulator) -> None:
    credentials = credentials_of(emulator)
    async with aiohttp.ClientSession() as http:
        sockets = await asyncio.gather(*[http.ws_connect(address(credentials)) for _ in range(8)])
        ends = [asyncio.create_task(closing(socket)) for socket in sockets]
        async with asyncio.timeout(PATIENCE_S):
            while sum(end.done() for end in ends) < 7:
                await asyncio.wait([end for end in ends if not end.done()], return_when=asyncio.FIRST_COMPLETED)
        (left,) = [socket for socket, end in zip(sockets, ends, strict=True) if not end.done()]
        await left.send_json({"type": "client_disconnecting"})
        await asyncio.gather(*ends)
    assert await asyncio.to_thread(asks_again, emulator) == 200


# Messages


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"keepalive"',
        "{}",
        '{"type": 7}',
        '{"type": "nothing"}',
        '{"type": "answer"}',
        '{"type": "ice_candidate"}',
        '{"type": "ice_candidate", "candidate": "rubbish", "sdpMid": "0", "sdpMLineIndex": 0}',
        '{"type": "interactive_stream_start"}',
        "x" * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_what_is_not_the_protocol_is_ignored(emulator: Emulator, text: str) -> None:
    @scenario
    async def ignored() -> None:
        async with socket_to(address(credentials_of(emulator))) as socket:
            assert (await heard(socket))["type"] == "offer"
            assert (await heard(socket))["type"] == "ice_candidate"
            await socket.send_str(text)
            await socket.send_bytes(b"\x00\xff")
            await socket.send_json({"type": "client_disconnecting"})
            message = await socket.receive(timeout=PATIENCE_S)
            assert message.type is aiohttp.WSMsgType.CLOSE

    ignored()


@pytest.mark.parametrize("sdp", ["", "rubbish", "v=0\r\n", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"])
def test_an_answer_that_is_none_ends_in_an_error(emulator: Emulator, sdp: str) -> None:
    @scenario
    async def refused() -> None:
        async with socket_to(address(credentials_of(emulator))) as socket:
            assert (await heard(socket))["type"] == "offer"
            assert (await heard(socket))["type"] == "ice_candidate"
            await socket.send_json({"type": "answer", "sdp": sdp})
            assert await heard(socket) == {"type": "error", "reason": "unknown"}

    refused()


@scenario
async def test_candidates_may_come_before_the_answer_and_their_end_never(emulator: Emulator) -> None:
    """As from a browser, the candidates arrive one by one, here before an answer that has none."""
    async with socket_to(address(credentials_of(emulator))) as socket:
        offer = await heard(socket)
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connected = asyncio.Event()
        peer.on("connectionstatechange", lambda: peer.connectionState == "connected" and connected.set())
        await peer.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        lines = peer.localDescription.sdp.splitlines()
        candidates = [line for line in lines if line.startswith("a=candidate:")]
        await socket.send_json(
            {"type": "ice_candidate", "candidate": "candidate:1 1 udp 1 b1c2.local 9 typ host", "sdpMid": "0"}
        )
        for index, candidate in enumerate(sorted(set(candidates))):
            text = candidate.removeprefix("a=") if index % 2 else candidate.removeprefix("a=candidate:")
            await socket.send_json({"type": "ice_candidate", "candidate": text, "sdpMid": "0", "sdpMLineIndex": 0})
        bare = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
        await socket.send_json({"type": "answer", "sdp": "\r\n".join(bare) + "\r\n"})
        await asyncio.wait_for(connected.wait(), PATIENCE_S)
        await peer.close()


@scenario
async def test_a_start_may_come_over_signaling(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        start = {"type": "interactive_stream_start", "prompt": "A cat", "portrait": False, "broadcast": False}
        await client.socket.send_json({**start, "input_image_base64": None})
        await client.message("stream_started")
        await client.frame()


@scenario
async def test_a_start_before_the_answer_is_answered_once_the_channel_is_open(emulator: Emulator) -> None:
    credentials = credentials_of(emulator)
    async with socket_to(address(credentials), autoping=False) as early:
        await heard(early)
        await early.send_json(
            {"type": "interactive_stream_start", "prompt": "A cat", "portrait": False, "broadcast": False}
        )
        await all_read(early)
        # The client reconnects; the answer was kept for the channel, which opens only now.
        async with connect(credentials) as client:
            await client.message("stream_started")
            await client.frame()


@pytest.mark.full_size
@scenario
async def test_a_start_with_a_very_large_image_is_taken(emulator: Emulator) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2600, 2600), (200, 30, 30)).save(buffer, "BMP")
    image = "data:image/bmp;base64," + base64.b64encode(buffer.getvalue()).decode()
    assert len(image) > 25_000_000
    async with connect(credentials_of(emulator)) as client:
        await client.socket.send_json(
            {
                "type": "interactive_stream_start",
                "prompt": "",
                "portrait": True,
                "broadcast": False,
                "input_image_base64": image,
            }
        )
        await client.message("stream_started")
        frame = await client.frame()
        assert frame[600:700, 300:400, 0].mean() > frame[600:700, 300:400, 2].mean() + 50


@scenario
async def test_a_start_with_a_very_long_prompt_is_answered_with_less(emulator: Emulator) -> None:
    async with connect(credentials_of(emulator)) as client:
        start = {"type": "interactive_stream_start", "portrait": False, "broadcast": False}
        await client.socket.send_json({**start, "prompt": "A cat " * 500_000})
        assert len((await client.message("stream_started"))["applied_prompt"]) < 16_000
