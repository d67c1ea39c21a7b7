"""The fault script in action: every action at every kind of step, as seen by plain clients."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import requests

from odyssey_proto.emulator._faults.script import Fault
from tests.support.plain_client import (
    PATIENCE_S,
    PlainClient,
    authorise,
    bearer,
    connect,
    credentials_of,
    scenario,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from odyssey_proto.emulator._server import Emulator


def headers_of(emulator: Emulator) -> dict[str, str]:
    return bearer(emulator.api_url, emulator.api_key)


def token(emulator: Emulator) -> requests.Response:
    return requests.post(f"{emulator.api_url}/auth/token", json={"api_key": emulator.api_key}, timeout=PATIENCE_S)


# HTTP


def test_an_answer_can_be_another_one(emulator: Emulator) -> None:
    emulator.faults.add(
        Fault(step="POST /auth/token", action="answer", status=418, body={"detail": "tea"}, headers={"X-Odd": "1"})
    )
    answer = token(emulator)
    assert (answer.status_code, answer.json(), answer.headers["X-Odd"]) == (418, {"detail": "tea"}, "1")
    assert answer.headers["Server"] == "odyssey-emulator"
    assert token(emulator).status_code == 200


@pytest.mark.parametrize("body", ["<html>502</html>", "{not json", "", "null", "[]"])
def test_an_answer_can_be_no_json(emulator: Emulator, body: str) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="answer", status=200, body=body))
    assert token(emulator).text == body


def test_an_answer_can_be_cut_off(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="truncate", status=200, body={"access_token": "x"}))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        token(emulator)


def test_an_answer_can_be_late(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="delay", seconds=0.3))
    answer = token(emulator)
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.3


def test_an_answer_can_stay_away(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="hang"))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(f"{emulator.api_url}/auth/token", json={}, timeout=0.3)


def test_a_connection_can_be_reset(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="reset"))
    with pytest.raises(requests.exceptions.ConnectionError, match="reset"):
        token(emulator)


def test_an_answer_can_drip(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="drip", status=200, body="0123456789", seconds=0.05))
    began = time.monotonic()
    assert token(emulator).text == "0123456789"
    assert time.monotonic() - began >= 0.4


CALLS: dict[str, Callable[[Emulator], requests.Response]] = {
    "GET /regions": lambda it: requests.get(f"{it.api_url}/regions", headers=headers_of(it), timeout=PATIENCE_S),
    "POST /sessions/request": lambda it: requests.post(
        f"{it.api_url}/sessions/request", json={}, headers=headers_of(it), timeout=PATIENCE_S
    ),
    "POST /sessions/token": lambda it: requests.post(
        f"{it.api_url}/sessions/token", json={"session_id": "x"}, headers=headers_of(it), timeout=PATIENCE_S
    ),
    "POST /telemetry": lambda it: requests.post(f"{it.api_url}/telemetry", json={}, timeout=PATIENCE_S),
    "GET /signaling/config": lambda it: requests.get(f"{it.api_url}/signaling/config", timeout=PATIENCE_S),
    "ping": lambda it: requests.get(f"{it.api_url}/ping/us-west", timeout=PATIENCE_S),
}


@pytest.mark.parametrize("step", CALLS)
def test_every_call_is_a_step(emulator: Emulator, step: str) -> None:
    emulator.faults.add(Fault(step=step, action="answer", status=599))
    assert CALLS[step](emulator).status_code == 599
    assert CALLS[step](emulator).status_code != 599


# The admin endpoint


def test_faults_come_over_http_too(emulator: Emulator) -> None:
    script = f"{emulator.api_url}/_emulator/faults"
    fault = {"step": "POST /auth/token", "action": "answer", "status": 503, "times": None}
    answer = requests.post(script, json=[fault], timeout=PATIENCE_S)
    assert answer.ok
    assert requests.get(script, timeout=PATIENCE_S).json()[0]["status"] == 503
    assert token(emulator).status_code == 503
    assert requests.delete(script, timeout=PATIENCE_S).json() == []
    assert token(emulator).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"{",
        b"3",
        b"{}",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"step": ["ping"], "action": "reset"}',
        b'{"step": "ping", "action": {}}',
        b'{"step": "ping", "action": "answer", "seconds": NaN}',
        b'{"step": "ping", "action": "answer", "body": "\\ud800"}',
        b'{"step": "ping", "action": "answer", "headers": {"A": "1\\r\\nB: 2"}}',
        b'{"step": "ping", "action": "answer", "headers": {"A B": "1"}}',
        b'{"step": "keepalive", "action": "send", "text": "\\ud800"}',
        b'[{"step": "ping", "action": "close"}]',
    ],
    ids=lambda wrong: wrong[:60],
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain; charset=nothing"])
def test_a_fault_that_cannot_be_read_is_refused_with_a_reason(emulator: Emulator, wrong: bytes, kind: str) -> None:
    url = f"{emulator.api_url}/_emulator/faults"
    answer = requests.post(url, data=wrong, headers={"Content-Type": kind}, timeout=PATIENCE_S)
    assert answer.status_code == 400
    assert isinstance(answer.json()["detail"], str)
    assert emulator.faults.pending == []


# Signaling


@contextlib.asynccontextmanager
async def signaling(emulator: Emulator) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    credentials = await asyncio.to_thread(authorise, emulator.api_url, emulator.api_key)
    url = f"{credentials.signalling_url}/client/{credentials.session_id}?token={credentials.token}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        yield socket


async def next_of(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """Return the text of the next message, or the code with which the socket closed."""
    message = await socket.receive(timeout=PATIENCE_S)
    return message.data if message.type is aiohttp.WSMsgType.TEXT else socket.close_code


def test_a_handshake_can_be_refused(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="signaling handshake", action="answer", status=502))

    @scenario
    async def refused() -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with signaling(emulator):
                pass
        assert caught.value.status == 502

    refused()


def test_a_handshake_can_be_reset(emulator: Emulator) -> None:
    # Every time, because aiohttp retries a GET.
    emulator.faults.add(Fault(step="signaling handshake", action="reset", times=None))

    @scenario
    async def broken() -> None:
        with pytest.raises(aiohttp.ClientError):
            async with signaling(emulator):
                pass

    broken()


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"action": "close", "code": 4321}, 4321),
        ({"action": "close", "code": 1001}, 1001),
        ({"action": "drop"}, 1006),
        (
            {"action": "error", "reason": "streamer_not_available"},
            '{"type":"error","reason":"streamer_not_available"}',
        ),
        ({"action": "replace", "text": "rubbish"}, "rubbish"),
        ({"action": "send", "text": '{"type": "zzz"}'}, '{"type": "zzz"}'),
    ],
    ids=str,
)
def test_an_offer_can_go_wrong(emulator: Emulator, fault: dict[str, Any], seen: Any) -> None:
    emulator.faults.add(Fault(step="signaling offer", **fault))

    @scenario
    async def watched() -> None:
        async with signaling(emulator) as socket:
            assert await next_of(socket) == seen
            if fault["action"] == "send":
                assert '"offer"' in await next_of(socket)

    watched()


def test_an_offer_can_stay_away(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="signaling offer", action="silence"))

    @scenario
    async def watched() -> None:
        async with signaling(emulator) as socket:
            assert '"ice_candidate"' in await next_of(socket)

    watched()


def test_candidates_can_be_rubbish(emulator: Emulator) -> None:
    text = '{"type":"ice_candidate","candidate":"candidate:rubbish","sdpMid":"0","sdpMLineIndex":0}'
    emulator.faults.add(Fault(step="signaling candidates", action="replace", text=text))

    @scenario
    async def watched() -> None:
        async with signaling(emulator) as socket:
            assert '"offer"' in await next_of(socket)
            assert await next_of(socket) == text

    watched()


def test_an_answer_can_lead_to_an_error(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="signaling answer", action="error", reason="streamer_disconnected"))

    @scenario
    async def watched() -> None:
        async with signaling(emulator) as socket:
            for _ in range(2):
                await next_of(socket)
            await socket.send_json({"type": "answer", "sdp": "v=0"})
            assert "streamer_disconnected" in await next_of(socket)

    watched()


@pytest.mark.parametrize(("action", "status"), [("error", 200), ("drop", 429)])
def test_a_fatal_error_ends_the_session_and_a_drop_does_not(emulator: Emulator, action: str, status: int) -> None:
    emulator.faults.add(Fault(step="signaling offer", action=action))

    @scenario
    async def broken() -> None:
        async with signaling(emulator) as socket:
            while not socket.closed:
                await socket.receive(timeout=PATIENCE_S)

    broken()
    assert CALLS["POST /sessions/request"](emulator).status_code == status


def test_an_answer_can_be_ignored(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="signaling answer", action="silence"))

    @scenario
    async def watched() -> None:
        async with signaling(emulator) as socket:
            for _ in range(2):
                await next_of(socket)
            await socket.send_json({"type": "answer", "sdp": "rubbish"})  # would be refused
            await socket.send_json({"type": "client_disconnecting"})
            assert await next_of(socket) == 1000

    watched()


def test_a_keepalive_can_break_the_connection_after_some_went_well(emulator: Emulator) -> None:
    emulator.faults.add(Fault(step="keepalive", action="drop", after=2))

    @scenario
    async def watched() -> None:
        async with signaling(emulator) as socket:
            for _ in range(2):
                await next_of(socket)
            for _ in range(3):
                await socket.send_json({"type": "keepalive"})
            assert await next_of(socket) == 1006

    watched()


# Streams


def with_fault(emulator: Emulator, fault: Fault, test: Callable[[PlainClient], Any]) -> None:
    """Run ``test`` with a connected client and a fault."""
    emulator.faults.add(fault)

    @scenario
    async def run() -> None:
        async with connect(credentials_of(emulator)) as client:
            await test(client)

    run()


async def started(client: PlainClient) -> None:
    client.start()
    await client.message("stream_started")
    await client.frame()


async def struck(emulator: Emulator, fault: Fault) -> None:
    """Wait until ``fault`` has happened: silence before then may only mean that the machine is busy."""
    async with asyncio.timeout(PATIENCE_S):
        while fault in emulator.faults.pending:
            await asyncio.sleep(0.01)


async def silence(client: PlainClient) -> None:
    """Wait until no picture has arrived for a while."""
    with contextlib.suppress(TimeoutError):
        while True:
            await client.picture(within=1.5)


def test_a_start_can_fail_with_any_reason(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        client.start()
        error = await client.message("interactive_stream_error")
        assert (error["reason"], error["message"]) == ("lease_denied", "No")
        await started(client)

    fault = Fault(step="stream start", action="stream_error", reason="lease_denied", message="No")
    with_fault(emulator, fault, test)


def test_a_start_can_be_ignored(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        client.start()
        client.send(type="interactive_stream_end")
        await client.message("stream_ended")

    with_fault(emulator, Fault(step="stream start", action="silence"), test)


def test_a_start_can_be_answered_late(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        began = time.monotonic()
        await started(client)
        assert time.monotonic() - began >= 0.3

    with_fault(emulator, Fault(step="stream start", action="delay", seconds=0.3), test)


def test_an_unknown_message_can_come_before_the_right_one(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        client.start()
        assert await client.message() == {"type": "zzz"}
        await client.message("stream_started")

    with_fault(emulator, Fault(step="stream start", action="send", text='{"type": "zzz"}'), test)


def test_an_update_can_fail(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        await started(client)
        client.send(type="update", prompt="x")
        assert (await client.message("interactive_stream_error"))["reason"] == "unknown"
        client.send(type="update", prompt="x")
        await client.message("update_acknowledged")

    with_fault(emulator, Fault(step="stream update", action="stream_error"), test)


def test_an_end_can_be_ignored(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        await started(client)
        client.send(type="interactive_stream_end")
        client.send(type="update", prompt="x")
        await client.message("update_acknowledged")

    with_fault(emulator, Fault(step="stream end", action="silence"), test)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"action": "drop"}, {"type": "closed", "code": 1006}),
        ({"action": "close", "code": 1011}, {"type": "closed", "code": 1011}),
        ({"action": "error", "reason": "unknown"}, {"type": "error", "reason": "unknown"}),
    ],
    ids=str,
)
def test_signaling_can_break_at_an_update(emulator: Emulator, fault: dict[str, Any], seen: Any) -> None:
    async def test(client: PlainClient) -> None:
        await started(client)
        client.send(type="update", prompt="x")
        assert await asyncio.wait_for(client.signaling.get(), PATIENCE_S) == seen

    with_fault(emulator, Fault(step="stream update", **fault), test)


def test_the_channels_can_close(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        closed = asyncio.Event()
        client.channels["streamerToClient"].on("close", closed.set)
        client.start()
        await asyncio.wait_for(closed.wait(), PATIENCE_S)

    with_fault(emulator, Fault(step="stream start", action="close_channel"), test)


def test_a_peer_can_be_gone_without_a_word(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        await started(client)
        await struck(emulator, fault)
        await silence(client)
        client.send(type="update", prompt="x")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.messages.get(), 0.5)
        # Nothing announces that the peer is gone; only the missing answers show it.
        assert client.peer.connectionState == "connected"
        assert not client.socket.closed

    fault = Fault(step="media", action="kill_peer", after=20)
    with_fault(emulator, fault, test)


def test_media_can_stop(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        await started(client)
        await struck(emulator, fault)
        await silence(client)
        # The streamer still answers, but no more pictures arrive.
        for _ in range(5):
            client.send(type="update", prompt="x")
            await client.message("update_acknowledged")
        assert client.frames_waiting == 0

    fault = Fault(step="media", action="stop", after=10)
    with_fault(emulator, fault, test)


def test_media_can_stay_away(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        client.start()
        await client.message("stream_started")
        for _ in range(5):
            client.send(type="update", prompt="x")
            await client.message("update_acknowledged")
        assert client.frames_waiting == 0

    with_fault(emulator, Fault(step="media", action="silence", times=None), test)


def test_a_stream_can_break_in_the_middle(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        await started(client)
        assert (await client.message("interactive_stream_error"))["reason"] == "model_crash"

    with_fault(emulator, Fault(step="media", action="stream_error", reason="model_crash", after=10), test)


def test_something_can_happen_as_soon_as_the_channel_is_open(emulator: Emulator) -> None:
    async def test(client: PlainClient) -> None:
        assert await client.message() == {"type": "stream_ended"}

    with_fault(emulator, Fault(step="channel open", action="send", text='{"type": "stream_ended"}'), test)


@pytest.mark.parametrize("action", ["hang", "drip"])
def test_an_emulator_stops_in_the_middle_of_a_fault(emulator: Emulator, action: str) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action=action, body="x" * 100, seconds=1))
    with pytest.raises(requests.exceptions.RequestException):
        requests.post(f"{emulator.api_url}/auth/token", json={}, timeout=0.2)
    emulator.stop()
