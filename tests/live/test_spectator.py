"""Watching a broadcast of the emulator over WebRTC."""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import re
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiortc import RTCPeerConnection

import odyssey_proto
from odyssey_proto import (
    BroadcastInfo,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyStreamTimeoutError,
    SpectatorConnection,
    SpectatorTokenError,
    connect_to_stream,
)
from odyssey_proto._video import stamp
from odyssey_proto.emulator._faults.script import Fault
from tests.support.broadcasts import Broadcaster, broadcasting
from tests.support.processes import PATIENCE_S, emulator_process, eventually, loaded_python, python
from tests.support.servers import HttpServer, Server, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto import VideoFrame
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator
    from tests.support.processes import Process


@pytest.fixture
def broadcast(emulator: Emulator) -> Iterator[Broadcaster]:
    with broadcasting(emulator.api_url) as broadcaster:
        yield broadcaster


@pytest.fixture
def info(broadcast: Broadcaster) -> BroadcastInfo:
    return broadcast.info


def spectate(info: BroadcastInfo, *handlers: Any, **options: Any) -> SpectatorConnection:
    return connect_to_stream(info.webrtc_url, info.spectator_token, *handlers, timeout=PATIENCE_S, **options)


def numbers(frames: Iterator[VideoFrame], count: int = 10) -> list[int]:
    found = (stamp.read(next(frames).data) for _ in range(count))
    return [one.frame_number for one in found if one is not None]


def watched_by(emulator: Emulator) -> int:
    assert emulator._server is not None
    return sum(len(show.spectators) for show in emulator._server._broadcasts._broadcasts.values())


# --- frames


@pytest.mark.full_size
@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_a_spectator_sees_the_frames_of_the_stream_in_order(make_emulator: MakeEmulator, codec: str) -> None:
    with broadcasting(make_emulator(codec=codec).api_url) as broadcaster, spectate(broadcaster.info) as spectator:
        frames = spectator.frames(timeout=PATIENCE_S)
        first = next(frames)
        assert first.data.shape == (704, 1280, 3)
        seen = numbers(frames, 15)
        assert len(seen) == 15
        assert seen == sorted(set(seen))
        assert spectator.stats().codec == codec.upper()


def test_frames_have_indices_and_times_of_their_own(info: BroadcastInfo) -> None:
    with spectate(info) as spectator:
        frames = spectator.frames(timeout=PATIENCE_S)
        seen = [next(frames) for _ in range(10)]
    assert [frame.index for frame in seen] == sorted({frame.index for frame in seen})
    assert [frame.timestamp_ms for frame in seen] == sorted({frame.timestamp_ms for frame in seen})


def test_several_iterators_run_side_by_side(info: BroadcastInfo) -> None:
    with spectate(info) as spectator:
        first = spectator.frames(queue_size=1000, timeout=PATIENCE_S)
        second = spectator.frames("latest", timeout=PATIENCE_S)
        newest = next(second).index
        assert newest in [frame.index for frame in itertools.takewhile(lambda frame: frame.index <= newest, first)]


def test_pictures_that_are_larger_than_the_spectator_allows_end_the_broadcast(info: BroadcastInfo) -> None:
    with pytest.raises(OdysseyConnectionError) as caught, spectate(info, max_pixels=512 * 63) as spectator:
        next(spectator.frames(timeout=PATIENCE_S))
    assert caught.value.code == "picture_too_large"


def test_the_newest_frame_can_be_looked_at(info: BroadcastInfo) -> None:
    with spectate(info) as spectator:
        next(spectator.frames(timeout=PATIENCE_S))
        newest = spectator.latest_frame
        assert newest is not None
        assert newest.width == 512


def test_many_watch_one_broadcast(info: BroadcastInfo) -> None:
    with spectate(info) as one, spectate(info) as two, spectate(info) as three:
        for spectator in (one, two, three):
            next(spectator.frames(timeout=PATIENCE_S))


def test_what_comes_late_is_timed_out_and_the_iterator_goes_on(info: BroadcastInfo) -> None:
    with spectate(info) as spectator:
        frames = spectator.frames("latest", timeout=0)
        eventually(lambda: not _has_frame(frames))  # two frames never arrive at once
        eventually(lambda: _has_frame(frames))


def _has_frame(frames: Iterator[VideoFrame]) -> bool:
    try:
        next(frames)
    except OdysseyStreamTimeoutError:
        return False
    return True


# --- handlers


def test_handlers_are_called_for_frames_and_at_the_end(broadcast: Broadcaster) -> None:
    seen: list[VideoFrame] = []
    over = threading.Event()
    spectator = spectate(broadcast.info, seen.append, over.set)
    eventually(lambda: len(seen) > 5)
    assert not over.is_set()
    broadcast.end()
    assert over.wait(PATIENCE_S)
    assert not spectator.is_connected


def test_a_slow_handler_sees_the_newest_frames(info: BroadcastInfo) -> None:
    go_on = threading.Semaphore(0)
    seen: list[VideoFrame] = []

    def look(frame: VideoFrame) -> None:
        seen.append(frame)
        go_on.acquire(timeout=PATIENCE_S)

    with spectate(info, look) as spectator:
        frames = spectator.frames(timeout=PATIENCE_S)
        eventually(lambda: len(seen) == 1)
        last = [next(frames).index for _ in range(20)][-1]
        go_on.release()
        eventually(lambda: len(seen) == 2)
        assert seen[1].index >= last
        assert seen[1].dropped_before > 10
        go_on.release(1000)


def test_a_handler_that_raises_is_shown_by_the_interpreter_and_stops_nothing(
    info: BroadcastInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    seen: list[VideoFrame] = []

    def fail(frame: VideoFrame) -> None:
        seen.append(frame)
        raise ZeroDivisionError

    with spectate(info, fail):
        eventually(lambda: len(seen) > 3)
    assert {found.exc_type for found in shown} == {ZeroDivisionError}


def test_a_handler_may_disconnect(info: BroadcastInfo) -> None:
    over = threading.Event()
    made: list[SpectatorConnection] = []
    ready = threading.Event()

    def leave(_: VideoFrame) -> None:
        ready.wait(PATIENCE_S)
        made[0].disconnect()

    made.append(spectate(info, leave, over.set))
    ready.set()
    assert over.wait(PATIENCE_S)
    made[0].wait(timeout=PATIENCE_S)


def test_one_with_handlers_goes_on_when_it_is_let_go_of(broadcast: Broadcaster) -> None:
    seen: list[VideoFrame] = []
    over = threading.Event()
    spectate(broadcast.info, seen.append, over.set)
    gc.collect()
    eventually(lambda: len(seen) > 10)
    broadcast.end()
    assert over.wait(PATIENCE_S)


def test_one_without_handlers_leaves_when_it_is_let_go_of(emulator: Emulator, info: BroadcastInfo) -> None:
    spectate(info)
    gc.collect()
    eventually(lambda: watched_by(emulator) == 0)


# --- the end


def test_frames_end_with_the_broadcast(broadcast: Broadcaster, in_background: Background) -> None:
    with spectate(broadcast.info) as spectator:
        frames = spectator.frames(timeout=PATIENCE_S)
        next(frames)
        counting = in_background(lambda: sum(1 for _ in frames))
        broadcast.end()
        counting.result(PATIENCE_S)
        spectator.wait(timeout=PATIENCE_S)
        assert not spectator.is_connected
        assert spectator.latest_frame is None
        assert list(spectator.frames()) == []


def test_leaving_notifies_the_server(emulator: Emulator, info: BroadcastInfo) -> None:
    spectator = spectate(info)
    assert watched_by(emulator) == 1
    assert spectator.is_connected
    spectator.disconnect()
    eventually(lambda: watched_by(emulator) == 0)  # leaving waits for the answer for half a second at most
    assert not spectator.is_connected
    assert spectator.peer_connection is None


def test_the_peer_connection_can_be_asked_for_statistics(info: BroadcastInfo) -> None:
    with spectate(info) as spectator:
        assert isinstance(spectator.peer_connection, RTCPeerConnection)


def test_disconnecting_twice_and_from_many_threads_is_disconnecting_once(
    info: BroadcastInfo, in_background: Background
) -> None:
    over: list[None] = []
    spectator = spectate(info, None, lambda: over.append(None))
    for leaving in [in_background(spectator.disconnect) for _ in range(8)]:
        leaving.result(PATIENCE_S)
    spectator.disconnect()
    eventually(lambda: over)
    assert over == [None]


def test_an_iterator_that_waits_ends_when_another_thread_disconnects(
    info: BroadcastInfo, in_background: Background
) -> None:
    with spectate(info) as spectator:
        frames = spectator.frames()
        next(frames)
        counting = in_background(lambda: sum(1 for _ in frames))
        spectator.disconnect()
        counting.result(PATIENCE_S)


def test_it_works_inside_a_running_loop(info: BroadcastInfo) -> None:
    async def main() -> int:
        with spectate(info) as spectator:
            return next(spectator.frames(timeout=PATIENCE_S)).width

    assert asyncio.run(main()) == 512


def test_the_client_watches_and_ends_it_when_closed(
    emulator: Emulator, info: BroadcastInfo, make_client: MakeClient
) -> None:
    client = make_client(emulator)
    spectator = client.watch(info)
    assert spectator.peer_connection is not None
    next(spectator.frames(timeout=PATIENCE_S))
    client.close()
    assert not spectator.is_connected
    eventually(lambda: watched_by(emulator) == 0)


@pytest.mark.parametrize("way", ["WebRTC", "HLS"])
def test_closing_the_client_ends_connecting_at_once(
    nothing_left: None, make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background, way: str
) -> None:
    client = make_client(make_emulator())
    with Server(lambda connection: connection.hang()) as server:
        whep_url = f"{server.url}/live" if way == "WebRTC" else "http://127.0.0.1:1/live"
        info = BroadcastInfo(whep_url, "token", None if way == "WebRTC" else f"{server.url}/index.m3u8")
        watching = in_background(client.watch, info, timeout=None)
        eventually(lambda: server.accepted)
        client.close()
        with pytest.raises(OdysseyConnectionError) as told:
            watching.result(PATIENCE_S)
    assert told.value.code == "closed"  # and not the code of a timeout


def test_a_client_that_is_closed_watches_nothing(
    emulator: Emulator, info: BroadcastInfo, make_client: MakeClient
) -> None:
    client = make_client(emulator)
    client.close()
    with pytest.raises(OdysseyConnectionError) as told:
        client.watch(info)
    assert told.value.code == "closed"
    assert watched_by(emulator) == 0


def test_watching_needs_no_key(info: BroadcastInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    with odyssey_proto.Odyssey() as client, client.watch(info) as spectator:
        next(spectator.frames(timeout=PATIENCE_S))


SCRIPT = """
import sys, threading
from odyssey_proto import connect_to_stream
spectator = connect_to_stream(sys.argv[1], sys.argv[2], on_disconnected=lambda: print("over", flush=True))
frames = spectator.frames(timeout=20)
next(frames)
print("watching", flush=True)
"""


@pytest.mark.parametrize(
    ("ending", "start"),
    [
        ("", functools.partial(python, "-c")),
        ("del frames, spectator", loaded_python),
        ("sys.exit(0)", loaded_python),
    ],
    ids=["it falls off its end", "everything let go of", "sys.exit"],
)
def test_a_script_that_does_not_disconnect_ends_and_says_goodbye(
    emulator: Emulator, info: BroadcastInfo, ending: str, start: Callable[..., Process]
) -> None:
    with start(SCRIPT + ending, info.webrtc_url, info.spectator_token) as process:
        assert process.line() == "watching"
        assert process.ended() == 0
        assert process.stderr == ""
    eventually(lambda: watched_by(emulator) == 0)


def test_ctrl_c_ends_watching(emulator: Emulator, info: BroadcastInfo) -> None:
    with loaded_python(SCRIPT + "for frame in frames: pass", info.webrtc_url, info.spectator_token) as process:
        assert process.line() == "watching"
        process.signal(signal.SIGINT)
        assert process.ended() != 0
        assert "KeyboardInterrupt" in process.stderr
    eventually(lambda: watched_by(emulator) == 0)


def test_a_network_that_goes_away_is_reported_and_holds_nothing_up(nothing_left: None) -> None:
    with emulator_process() as (process, url), broadcasting(url) as broadcaster:
        lost, left = spectate(broadcaster.info), spectate(broadcaster.info)
        frames = lost.frames()
        next(frames)
        process.signal(signal.SIGSTOP)
        began_at = time.monotonic()
        left.disconnect()
        assert time.monotonic() - began_at < PATIENCE_S
        with pytest.raises(OdysseyConnectionError, match="lost") as told:
            for _ in frames:
                pass
        assert told.value.recoverable
        with pytest.raises(OdysseyConnectionError, match="lost"):
            lost.wait(timeout=PATIENCE_S)
        with pytest.raises(OdysseyConnectionError, match="lost"):
            next(lost.frames())
        process.signal(signal.SIGCONT)


def test_it_belongs_to_the_process_that_made_it(emulator: Emulator, info: BroadcastInfo) -> None:
    forks = """
import os
child = os.fork()
if child == 0:
    try:
        next(frames)
    except ConnectionError as error:
        print(error.code, spectator.is_connected, flush=True)
    spectator.disconnect()
    os._exit(0)
os.waitpid(child, 0)
next(frames)
print("goes on", flush=True)
"""
    with loaded_python(SCRIPT + forks, info.webrtc_url, info.spectator_token) as process:
        assert process.line() == "watching"
        assert process.line() == "forked False"
        assert process.line() == "goes on"
        assert process.ended() == 0


# --- failures


def test_a_wrong_token_is_reported_as_documented(info: BroadcastInfo) -> None:
    with pytest.raises(SpectatorTokenError) as told:
        connect_to_stream(info.webrtc_url, "wrong-token-of-someone")
    assert isinstance(told.value, ValueError)
    assert isinstance(told.value, OdysseyAuthError)
    assert told.value.status == 401


def test_a_stream_that_does_not_exist_is_reported_as_documented(broadcast: Broadcaster) -> None:
    with pytest.raises(ConnectionError, match="No such stream") as told:
        connect_to_stream(broadcast.info.webrtc_url + "-other", broadcast.info.spectator_token)
    assert isinstance(told.value, OdysseyConnectionError)
    assert (told.value.status, told.value.code) == (404, "stream_not_found")
    broadcast.end()
    with pytest.raises(ConnectionError, match="No such stream"):
        spectate(broadcast.info)


def test_a_server_that_cannot_be_reached_is_reported_as_documented(nothing_left: None) -> None:
    with pytest.raises(ConnectionError) as told:
        connect_to_stream("http://127.0.0.1:1/live", "token")
    assert isinstance(told.value, OdysseyConnectionError)
    assert told.value.code == "refused"


def test_an_answer_that_leads_nowhere_is_reported_in_time(nothing_left: None, info: BroadcastInfo) -> None:
    def admit(connection: Any, request: Any) -> None:
        offer = request.body.decode()
        # It answers as a peer would, but its address is dead: nothing listens on the discard port.
        mirrored = offer.replace("a=setup:actpass", "a=setup:passive").replace("a=recvonly", "a=sendonly")
        elsewhere = re.sub(r"(a=candidate:\S+ \d+ udp \d+) \S+ \d+", r"\1 127.0.0.1 9", mirrored)
        connection.send(answer(elsewhere.encode(), "201 Created", Content_Type="application/sdp"))

    routes = {"POST /live/whep": admit, "GET /config": json_answer({"iceServers": []})}
    with HttpServer(routes) as server, pytest.raises(OdysseyConnectionError) as told:
        connect_to_stream(f"{server.url}/live", "secret-token", timeout=3)
    assert told.value.code in ("timeout", "ice_failed")
    assert isinstance(told.value, OdysseyConnectionTimeoutError) == (told.value.code == "timeout")
    assert "secret-token" not in str(told.value)


ADMISSION = "POST /live/{stream_id}/whep"
GOODBYE = "DELETE /live/{stream_id}/whep/{resource}"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(step=ADMISSION, action="answer", status=503),
        Fault(step=ADMISSION, action="answer", status=201, body="v=0"),
        Fault(step=ADMISSION, action="truncate", status=201, body="v=0"),
        Fault(step=ADMISSION, action="reset"),
        Fault(step=ADMISSION, action="hang"),
        Fault(step=ADMISSION, action="drip", status=201, body="v=0" * 99, seconds=0.2),
    ],
    ids=lambda fault: f"{fault.action} {fault.status}",
)
def test_an_admission_that_fails_is_reported_and_the_next_one_works(
    emulator: Emulator, info: BroadcastInfo, fault: Fault
) -> None:
    emulator.faults.add(fault)
    with pytest.raises(OdysseyConnectionError) as told:
        connect_to_stream(info.webrtc_url, info.spectator_token, timeout=3)
    assert told.value.code
    emulator.faults.clear()  # a busy machine may not have reached the fault in time
    with spectate(info) as spectator:
        next(spectator.frames(timeout=PATIENCE_S))


@pytest.mark.parametrize("action", ["answer", "hang", "reset"])
def test_ice_servers_that_cannot_be_had_are_done_without(
    emulator: Emulator, info: BroadcastInfo, action: str
) -> None:
    emulator.faults.add(Fault(step="GET /config", action=action, status=500, times=5))
    with spectate(info) as spectator:
        next(spectator.frames(timeout=PATIENCE_S))


@pytest.mark.parametrize("action", ["answer", "hang", "reset"])
def test_a_goodbye_that_fails_holds_nothing_up(emulator: Emulator, info: BroadcastInfo, action: str) -> None:
    emulator.faults.add(Fault(step=GOODBYE, action=action, status=500))
    spectator = spectate(info)
    spectator.disconnect()
    spectator.wait(timeout=PATIENCE_S)
    eventually(lambda: watched_by(emulator) == 0)  # the emulator sees the peer connection end


def test_ctrl_c_ends_connecting(nothing_left: None) -> None:
    with (
        Server(lambda connection: connection.hang()) as server,
        loaded_python(SCRIPT, server.url, "token") as process,
    ):
        eventually(lambda: server.accepted)
        process.signal(signal.SIGINT)
        assert process.ended() != 0
        assert "KeyboardInterrupt" in process.stderr


def test_a_server_that_says_nothing_is_given_up(nothing_left: None) -> None:
    with Server(lambda connection: connection.hang()) as server, pytest.raises(OdysseyConnectionTimeoutError):
        connect_to_stream(f"{server.url}/live", "token", timeout=0.5)


def test_the_token_is_in_no_log(info: BroadcastInfo, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "odyssey_proto")
    with spectate(info) as spectator:
        next(spectator.frames(timeout=PATIENCE_S))
    assert caplog.records
    assert info.spectator_token not in caplog.text
    assert info.spectator_token not in repr(info)


def test_coming_and_going_leaves_nothing(info: BroadcastInfo, nothing_left: None) -> None:
    for _ in range(5):
        with spectate(info) as spectator:
            next(spectator.frames(timeout=PATIENCE_S))
