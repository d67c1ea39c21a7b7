"""A broadcast whose connection is lost: watching resumes by itself, and the loss is reported."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import requests

from odyssey_proto import (
    BroadcastInfo,
    ConnectionStatus,
    GapEvent,
    LinkQualityChanged,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyStreamError,
    SpectatorTokenError,
    StatusChanged,
    StreamEnded,
    VideoPaused,
    connect_to_stream,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.broadcasts import Broadcaster, broadcasting
from tests.support.processes import PATIENCE_S, emulator_process, eventually
from tests.support.servers import HttpServer, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto import Event, Odyssey
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeClient

NOWHERE = "http://127.0.0.1:1/live/stream"
ADMISSION = "POST /live/{stream_id}/whep"


@pytest.fixture
def broadcast(emulator: Emulator) -> Iterator[Broadcaster]:
    with broadcasting(emulator.api_url) as broadcaster:
        yield broadcaster


@pytest.fixture
def quick(emulator: Emulator, make_client: MakeClient) -> Odyssey:
    """A client that does not wait long between attempts."""
    return make_client(emulator)


def until(events: Iterator[Event], kind: type, **known: Any) -> list[Event]:
    """Return the events up to the first event of a kind with these values."""
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in known.items()):
            return seen
    raise AssertionError(f"no {kind.__name__}: {seen}")


def test_a_network_that_falls_silent_is_noticed_and_the_broadcast_watched_again() -> None:
    over = threading.Event()
    with emulator_process() as (process, url), broadcasting(url) as broadcaster:
        info = broadcaster.info
        with connect_to_stream(info.webrtc_url, info.spectator_token, on_disconnected=over.set) as spectator:
            frames, events = spectator.frames(timeout=PATIENCE_S), spectator.events(timeout=PATIENCE_S)
            before = next(frames)
            process.signal(signal.SIGSTOP)
            until(events, StatusChanged, status=ConnectionStatus.RECONNECTING)
            assert not spectator.is_connected
            process.signal(signal.SIGCONT)
            until(events, StatusChanged, status=ConnectionStatus.CONNECTED)
            gaps = [event for event in until(events, GapEvent) if isinstance(event, GapEvent)]
            eventually(lambda: next(frames).timestamp_ms - before.timestamp_ms >= gaps[0].seconds * 1000)
            assert spectator.stats().gaps >= 1  # a busy machine may make others
            assert spectator.stats().reconnects == 1
            assert not over.is_set()
        assert over.wait(PATIENCE_S)


def test_without_reconnecting_silence_is_the_end() -> None:
    with emulator_process() as (process, url), broadcasting(url) as broadcaster:
        info = broadcaster.info
        spectator = connect_to_stream(info.webrtc_url, info.spectator_token, reconnect=False)
        frames = spectator.frames()
        next(frames)
        process.signal(signal.SIGSTOP)
        with pytest.raises(OdysseyConnectionError, match="no video for") as told:
            for _ in frames:
                pass
        assert told.value.code == "peer_lost"
        process.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(404, ConnectionStatus.DISCONNECTED), (401, ConnectionStatus.FAILED)],
)
def test_what_the_server_says_after_a_loss_is_final(status: int, outcome: ConnectionStatus) -> None:
    with emulator_process() as (process, url), broadcasting(url) as broadcaster:
        fault = attrs.asdict(Fault(step=ADMISSION, action="answer", status=status, times=100))
        info = broadcaster.info
        with connect_to_stream(info.webrtc_url, info.spectator_token) as spectator:
            events = spectator.events(timeout=PATIENCE_S)
            next(spectator.frames(timeout=PATIENCE_S))
            body = {name: value for name, value in fault.items() if value is not None}
            assert requests.post(f"{url}/_emulator/faults", json=body, timeout=PATIENCE_S).ok
            process.signal(signal.SIGSTOP)
            until(events, StatusChanged, status=ConnectionStatus.RECONNECTING)
            process.signal(signal.SIGCONT)
            seen = until(events, StatusChanged, status=outcome)
            if status == 404:
                assert any(isinstance(event, StreamEnded) for event in seen)
                spectator.wait(timeout=PATIENCE_S)
            else:
                with pytest.raises(SpectatorTokenError):
                    spectator.wait(timeout=PATIENCE_S)


# --- HLS


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{number}\n#EXTINF:1,\n{number}.ts\n"


class HlsServer:
    """A playlist that a test can advance or freeze."""

    def __init__(self, segment: bytes) -> None:
        self.number = 0
        self.goes_on = True
        self.status = "200 OK"
        self._segment = segment

    def routes(self) -> dict[str, Any]:
        def playlist(connection: Any, _: Any) -> None:
            self.number += self.goes_on
            text = PLAYLIST.format(number=self.number)
            connection.send(answer(text.encode(), self.status, Connection="close"))

        return {
            "GET /live.m3u8": playlist,
            **{f"GET /{number}.ts": answer(self._segment) for number in range(500)},
        }


@pytest.fixture
def segment(broadcast: Broadcaster) -> bytes:
    hls_url = broadcast.info.hls_url
    assert hls_url is not None
    playlist = requests.get(hls_url, timeout=PATIENCE_S).text
    name = next(line for line in playlist.splitlines() if line.endswith(".ts"))
    return requests.get(hls_url.replace("index.m3u8", name), timeout=PATIENCE_S).content


def test_a_playlist_that_gets_no_new_segment_is_lost_and_read_again(quick: Odyssey, segment: bytes) -> None:
    source = HlsServer(segment)
    with (
        HttpServer(source.routes()) as server,
        quick.watch(BroadcastInfo(NOWHERE, "token", f"{server.url}/live.m3u8")) as spectator,
    ):
        events = spectator.events(timeout=PATIENCE_S)
        source.goes_on = False
        (*_, lost) = until(events, StatusChanged, status=ConnectionStatus.RECONNECTING)
        assert isinstance(lost, StatusChanged)
        source.goes_on = True
        until(events, StatusChanged, status=ConnectionStatus.CONNECTED)
        next(spectator.frames(timeout=PATIENCE_S))


def test_a_playlist_that_is_gone_after_a_loss_is_the_end(quick: Odyssey, segment: bytes) -> None:
    source = HlsServer(segment)
    with (
        HttpServer(source.routes()) as server,
        quick.watch(BroadcastInfo(NOWHERE, "token", f"{server.url}/live.m3u8")) as spectator,
    ):
        events = spectator.events(timeout=PATIENCE_S)
        source.goes_on = False
        until(events, StatusChanged, status=ConnectionStatus.RECONNECTING)
        source.status = "404 Not Found"
        until(events, StatusChanged, status=ConnectionStatus.DISCONNECTED)
        spectator.wait(timeout=PATIENCE_S)


def test_connect_to_stream_falls_back_to_hls_too(broadcast: Broadcaster) -> None:
    info = broadcast.info
    with connect_to_stream(NOWHERE, info.spectator_token, hls_url=info.hls_url) as spectator:
        next(spectator.frames(timeout=PATIENCE_S))
        assert spectator.peer_connection is None


# --- features that sessions and spectators share


def test_events_of_the_end_can_be_waited_for(quick: Odyssey, broadcast: Broadcaster) -> None:
    with quick.watch(broadcast.info) as spectator:
        events = spectator.events(timeout=PATIENCE_S)
        broadcast.end()
        # Before the end, a busy machine may pause the video or lower the quality of the link.
        besides = (GapEvent, LinkQualityChanged, VideoPaused)
        ends = [type(event).__name__ for event in events if not isinstance(event, besides)]
        assert ends == ["StreamEnded", "StatusChanged"]
        with pytest.raises(OdysseyStreamError, match="Cannot wait"):
            spectator.wait_for(StreamEnded, timeout=PATIENCE_S)


def test_a_spectator_records_and_measures(quick: Odyssey, broadcast: Broadcaster, tmp_path: Path) -> None:
    with quick.watch(broadcast.info) as spectator:
        with spectator.record(tmp_path / "watched.mp4") as recording:
            frames = spectator.frames(timeout=PATIENCE_S)
            for _ in range(10):
                next(frames)
        stats = spectator.stats()
    assert recording.frames >= 9
    assert recording.path.stat().st_size > 1000
    assert stats.frames_received >= 10
    assert (stats.width, stats.height) == (512, 64)
    assert stats.packets_received > 0


def test_the_ice_servers_of_the_client_are_asked_in_place_of_those_of_the_host(
    emulator: Emulator, make_client: MakeClient, broadcast: Broadcaster
) -> None:
    def refuse_config(connection: Any, _: Any) -> None:
        asked.append("config")
        connection.send(json_answer({"iceServers": []}))

    asked: list[str] = []
    client = make_client(emulator, ice_servers=[])
    emulator.faults.add(Fault(step="GET /config", action="answer", status=500, times=100))
    with client.watch(broadcast.info) as spectator:
        next(spectator.frames(timeout=PATIENCE_S))
    relayed = make_client(emulator, ice_servers=[], ice_policy="relay")
    with pytest.raises(OdysseyConnectionError) as told:
        relayed.watch(attrs.evolve(broadcast.info, hls_url=None), timeout=PATIENCE_S)
    assert told.value.code in ("no_relay", "no_candidates")
    with HttpServer({"GET /config": refuse_config}) as server, pytest.raises(OdysseyConnectionError):
        connect_to_stream(f"{server.url}/live", "token", ice_servers=[], timeout=PATIENCE_S)
    assert asked == []


@pytest.mark.parametrize("ice_servers", [{"urls": "http://x"}, 7])
def test_ice_servers_are_checked_as_those_of_a_client(ice_servers: Any) -> None:
    with pytest.raises((TypeError, OdysseyConfigError)):
        connect_to_stream(NOWHERE, "token", ice_servers=ice_servers)
