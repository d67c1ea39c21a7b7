"""Raw servers that try to overload the client: its work stays bounded, and it raises only errors of its own."""

from __future__ import annotations

import json
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import AdvancedConfig, MalformedMessageError, Odyssey, OdysseyError
from odyssey_proto._base.limits import ERROR_TEXT_MOST_CHARS, ROWS_MOST, SIGNALING_FRAMES_MOST_PER_S
from odyssey_proto._net.pace import Pace
from odyssey_proto._net.webrtc import peer
from tests.support.apis import give_time
from tests.support.leaks import nothing_left
from tests.support.offers import CHANNEL, HEAD, VIDEO, candidate_message, offer_message
from tests.support.processes import PATIENCE_S, eventually
from tests.support.servers import Connection, HttpServer, Reply, Request, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALL_S = 120.0  # a generous deadline: a busy machine takes half a minute to read the largest body that is allowed


def client(server: HttpServer) -> Odyssey:
    once = AdvancedConfig(queue_timeout_s=0, max_retries=0)
    return Odyssey("ody_k", api_url=server.url, advanced=once, timeout=ALL_S)


def refused(ask: Callable[[], object]) -> OdysseyError:
    """Return the error that a call raises, and check that it can be shown anywhere."""
    with pytest.raises(OdysseyError) as caught:
        ask()
    error = caught.value
    text = str(error)
    assert len(text) <= ERROR_TEXT_MOST_CHARS
    assert text.isprintable()
    text.encode()
    json.dumps(error.to_dict())
    assert error.code != "internal"
    return error


# --- JSON

JOB = b'{"job_id":"j","status":"pending","priority":"x","created_at":"2026"},'
ROWS: dict[str, tuple[bytes, int | None]] = {
    "empty rows": (b"{}," * 530_000, None),
    "as many empty rows as are parsed": (b"{}," * 40_000, 0),
    "wrong rows": (b'{"job_id":1,"status":2,"priority":[],"created_at":{}},' * 12_000, ROWS_MOST),
    "numbers": (b"0," * 200_000, 0),
    "good rows": (JOB * 12_000, ROWS_MOST),
    "nested rows": (b"[" * 500_000 + b"]" * 500_000 + b",", None),
    "keys": (b"{" + b",".join(b'"k%d":0' % number for number in range(100_000)) + b"},", 0),
    "no UTF-8": (b'"\xff",' * 40_000, 0),
    "digits": (b"9" * 1_000_000 + b",", 0),
}


@pytest.mark.parametrize("rows", ROWS)
def test_a_list_of_anything_costs_a_bounded_memory(rows: str) -> None:
    body, readable = ROWS[rows]
    page = answer(b'{"jobs":[' + body + b'0],"total":1,"limit":1,"offset":0}')
    with HttpServer({"GET /simulation-jobs": page}) as server, client(server) as odyssey:
        tracemalloc.start()
        try:
            if readable is None:
                assert isinstance(refused(odyssey.list_simulations), MalformedMessageError)
            else:
                assert len(odyssey.list_simulations().jobs) == readable
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 120_000_000


def test_a_list_is_read_within_the_time_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    from odyssey_proto._model import reading

    real = reading._read_text

    def slow(value: Any, faults: Any) -> str:
        time.sleep(0.001)  # as on a slow machine
        return real(value, faults)

    page = answer(b'{"regions":[' + b'{"id":"r","ping_url":"p"},' * 8000 + b"0]}")
    monkeypatch.setitem(reading._SCALARS, str, slow)
    reading._reader.cache_clear()
    try:
        with HttpServer({"GET /stream-recordings": json_answer({}), "GET /recordings/s": page}) as server:
            jobs = answer(b'{"jobs":[' + JOB * 8000 + b'0],"total":1,"limit":1,"offset":0}')
            server.routes["GET /simulation-jobs"] = jobs
            with client(server) as odyssey:
                odyssey.list_stream_recordings()  # gets the token, so that the timeout below covers only the list
                assert refused(lambda: odyssey.list_simulations(timeout=0.5)).code == "timeout"
    finally:
        monkeypatch.undo()
        reading._reader.cache_clear()


def test_a_number_in_the_place_of_a_text_is_read_as_one_however_long_it_is() -> None:
    long = "1" + "0" * 400
    body = f'{{"stream_id":{long},"video_url":{long},"frame_count":{long},"duration_seconds":{long}}}'
    with HttpServer({"GET /recordings/s": answer(body.encode())}) as server, client(server) as odyssey:
        found = odyssey.get_recording("s")
    assert (found.stream_id, found.video_url) == (long, long)
    assert (found.frame_count, found.duration_seconds) == (None, None)


# --- numbers, addresses and ids

NUMBERS = [
    "1" + "0" * 400,
    "9" * 5000,
    "NaN",
    "-Infinity",
    "-5",
    '"1e400"',
    '"nan"',
    f'"{"9" * 5000}"',
    "[]",
    "true",
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
def test_a_number_of_any_kind_is_read_or_counts_as_absent(number: str) -> None:
    raw = number.encode()
    routes: dict[str, Reply | list[Reply]] = {
        "POST /auth/token": answer(b'{"access_token":"t","expires_in":' + raw + b"}"),
        "GET /stream-recordings": answer(
            b'{"recordings":[{"stream_id":"a"}],"total":' + raw + b',"limit":' + raw + b',"offset":' + raw + b"}"
        ),
        "GET /simulation-jobs": answer(
            b'{"error":"RATE_LIMITED","message":"m","action":"a","details":{"retry_after_seconds":' + raw + b"}}",
            "429 Too Many Requests",
        ),
        "POST /sessions/token": answer(b'{"session_token":"t","expires_in":' + raw + b"}"),
    }
    with HttpServer(routes) as server, client(server) as odyssey:
        assert [each.stream_id for each in odyssey.iter_stream_recordings()] == ["a"]
        limited = refused(odyssey.list_simulations)
        assert limited.retry_after is None or 0 <= limited.retry_after <= 24 * 3600
        refused(odyssey.create_client_credentials)


ADDRESSES = [
    "file:///etc/passwd",
    "data:video/mp4;base64,AAAA",
    "ftp://x/y",
    "//host/x",
    "http://",
    "http://x:0/",
    "http://x:99999/",
    "http://x:abc/",
    "http://127.0.0.1:\u0661/",
    "http://[::1",
    "http://..../",
    "http://exa mple/",
    "http://a\nb/",
    "http://\u202egnp/",
    "http://\U0001f98a.invalid/",
    "http://" + "a." * 500 + "invalid/",
    "http://x.invalid/" + "a" * 1_000_000,
    "\x00",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: ascii(address[:24]))
def test_an_odd_address_of_a_file_is_the_fault_of_the_service(address: str, tmp_path: Path) -> None:
    recording = json_answer({"stream_id": "s-1", "video_url": address})
    with HttpServer({"GET /recordings/s-1": recording}) as server, client(server) as odyssey:
        error = refused(lambda: odyssey.download_recording("s-1", tmp_path, artifacts=["video"]))
    if len(address) < 100_000:
        assert error.code == "invalid_url"
        assert "that the service gave" in str(error)
    assert len(str(error)) < 300
    assert not (tmp_path / "s-1.mp4").exists()


@pytest.mark.parametrize("address", ADDRESSES[:-3], ids=lambda address: ascii(address[:24]))
def test_an_odd_address_to_ping_harms_no_other(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    give_time(monkeypatch)
    regions = json_answer({"regions": [{"id": "odd", "ping_url": address}]})
    routes = {"GET /regions": regions, "POST /sessions/request": answer(status="503 Busy")}
    with HttpServer(routes) as server, client(server) as odyssey:
        assert refused(odyssey.connect).code == "no_streamers"
        (request,) = server.received("POST /sessions/request")
        assert request.json() == {"region_latencies": {"odd": 9999}}


@pytest.mark.parametrize("name", ["", "\x00", "a" * 1000, "a" * 100_000, "\x1b[31m", "\u202e", "\n"])
def test_an_id_of_a_session_that_is_none_is_the_fault_of_the_service(name: str) -> None:
    session = json_answer({"session_id": name, "signalling_url": "http://127.0.0.1:1"})
    with HttpServer({"POST /sessions/request": session}) as server, client(server) as odyssey:
        for ask in (odyssey.connect, odyssey.create_client_credentials):
            error = refused(ask)
            assert (type(error), error.code) == (MalformedMessageError, "malformed")
            assert "session_id" in str(error)
            assert len(json.dumps(error.to_dict())) < 2000


# --- heads, and texts

OK = b"HTTP/1.1 200 OK\r\n"


def endless(head: bytes, more: bytes) -> Callable[[Connection, Request], None]:
    def reply(connection: Connection, _: Request) -> None:
        connection.send(head)
        while True:
            connection.send(more)

    return reply


HEADS: dict[str, Reply] = {
    "announcements": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100),
    "a header": endless(OK + b"X: ", b"a" * 10_000),
    "headers": endless(OK, b"X: a\r\n" * 1000),
    "a status": endless(b"HTTP/1.1 200 ", b"a" * 1000),
    "rubbish": endless(b"", b"\xff" * 1000),
    "a redirect with an endless body": endless(
        b"HTTP/1.1 302 Found\r\nLocation: ftp://x\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nabcde\r\n" * 1000
    ),
}


@pytest.mark.parametrize("head", HEADS)
def test_a_head_without_an_end_is_given_up_without_a_deadline(head: str) -> None:
    with HttpServer({"GET /stream-recordings": HEADS[head]}) as server, client(server) as odyssey:
        refused(lambda: odyssey.list_stream_recordings(timeout=None))


TEXTS = [
    "\x1b[31m\x07red",
    "two\r\nlines",
    "\u202e\u2066turned",
    "half \ud83d",
    "a" + "\u0301" * 1000,
    "x" * 200_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:8]))
def test_a_servers_words_can_be_shown_anywhere(text: str) -> None:
    usage = {"error": text, "message": text, "action": text}
    routes: dict[str, Reply | list[Reply]] = {
        "GET /stream-recordings": json_answer({"detail": text}, "400 Bad"),
        "GET /simulation-jobs": json_answer(usage, "429 Busy"),
        "GET /simulation-jobs/j": json_answer({"detail": [{"msg": text, "loc": [text], "type": text}]}, "422 Bad"),
        "GET /recordings/s": answer(status="500 Bad", X_Request_Id=text.encode("ascii", "ignore").decode()[:9]),
    }
    with HttpServer(routes) as server, client(server) as odyssey:
        for ask in (odyssey.list_stream_recordings, odyssey.list_simulations):
            error = refused(ask)
            assert len(error.code or "") <= 300
            assert (error.code or "").isprintable()
        refused(lambda: odyssey.get_simulate_status("j"))
        refused(lambda: odyssey.get_recording("s"))


# --- signaling


def forever(make: Callable[[int], tuple[Any, ...]], *first: str) -> Callable[[Connection], None]:
    def play(connection: Connection) -> None:
        for text in first:
            connection.send_frame(text)
        number = 0
        while True:
            connection.send_frame(*make(number))
            number += 1

    return play


def in_pieces(connection: Connection) -> None:
    connection.send_frame("x", 1, fin=False)
    while True:
        connection.send_frame(b"", 0, fin=False)


OFFER = offer_message(HEAD + VIDEO + CHANNEL)
FLOODS = {
    "pings": forever(lambda _: (b"x", 9)),
    "unknown messages": forever(lambda _: ('{"type":"what"}',)),
    "unreadable messages": forever(lambda _: ('{"type":"offer"}',)),
    "early candidates": forever(lambda number: (candidate_message(number),)),
    "candidates": forever(lambda number: (candidate_message(number),), OFFER),
    "offers": forever(lambda _: (OFFER,)),
    "bad offers": forever(lambda number: (offer_message(f"x{number}"),)),
    "large messages": forever(lambda _: ("x" * 3_000_000,)),
    "objects": forever(lambda _: ('{"type":"what","x":[' + "{}," * 150_000 + "0]}",)),
    "a message in pieces of nothing": in_pieces,
}


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    peer.warm()


ENOUGH = {"large messages": 30, "objects": 200}
"""The number of frames after which the messages of a flood, if they were kept, would exceed the limit."""
MANY = SIGNALING_FRAMES_MOST_PER_S * 2 + 100
"""The number of frames to wait for if the messages are small: more than the client reads without a pause."""


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_on_signaling_is_bounded_and_ends_with_close(flood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(connection: Connection, request: Request) -> None:
        connection.accept_websocket(request)
        FLOODS[flood](connection)

    frames = 0
    take = Pace.take

    def counted(pace: Pace) -> float:
        nonlocal frames
        frames += 1
        return take(pace)

    monkeypatch.setattr(Pace, "take", counted)  # the client calls it before each frame
    for limit in ("OFFER_GRACE_S", "VIDEO_DEADLINE_S"):
        monkeypatch.setattr(f"odyssey_proto.core.session_machine.{limit}", ALL_S)
    monkeypatch.setattr("odyssey_proto._net.webrtc.path_search._PATH_DEADLINE_S", ALL_S)
    routes: dict[str, Reply | list[Reply]] = {
        "GET /client/s-1": play,
        "GET /config": json_answer({"iceServers": []}),
    }
    with nothing_left(), HttpServer(routes) as server, ThreadPoolExecutor(1) as executor:
        odyssey = client(server)
        tracemalloc.start()
        try:
            connecting = executor.submit(refused, odyssey.connect)
            eventually(lambda: frames > ENOUGH.get(flood, MANY) or connecting.done(), ALL_S)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            odyssey.close()
        error = connecting.result(PATIENCE_S)
    assert error.code == ("too_many_offers" if flood == "offers" else "disconnected")
    assert most < 50_000_000
