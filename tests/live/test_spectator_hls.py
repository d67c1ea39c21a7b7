"""Watching a broadcast over HLS, without WebRTC."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import requests

from odyssey_proto import BroadcastInfo, OdysseyConfigError, OdysseyConnectionError, SpectatorTokenError
from odyssey_proto._video import stamp
from tests.support.broadcasts import Broadcaster, broadcasting
from tests.support.processes import PATIENCE_S, eventually
from tests.support.servers import HttpServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto import Odyssey, VideoFrame
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient

NOWHERE = "http://127.0.0.1:1/live/stream"


@pytest.fixture
def broadcast(emulator: Emulator) -> Iterator[Broadcaster]:
    with broadcasting(emulator.api_url) as broadcaster:
        yield broadcaster


@pytest.fixture
def info(broadcast: Broadcaster) -> BroadcastInfo:
    """The broadcast, reachable only over HLS."""
    return attrs.evolve(broadcast.info, webrtc_url=NOWHERE)


def test_where_webrtc_fails_hls_shows_every_frame_in_order(client: Odyssey, info: BroadcastInfo) -> None:
    with client.watch(info) as spectator:
        assert spectator.is_connected
        assert spectator.peer_connection is None
        frames = spectator.frames("error", queue_size=1000, timeout=PATIENCE_S)
        seen = [stamp.read(next(frames).data) for _ in range(40)]
        gaps = spectator.stats().gaps
    numbers = [one.frame_number for one in seen if one is not None]
    assert len(numbers) == 40
    # A broadcast that stands still on a busy machine is lost, and joined again a few segments back.
    assert sum(later <= earlier for earlier, later in itertools.pairwise(numbers)) <= gaps


def test_frames_come_at_their_pace_although_segments_come_at_once(client: Odyssey, info: BroadcastInfo) -> None:
    with client.watch(info) as spectator:
        frames = spectator.frames("error", queue_size=1000, timeout=PATIENCE_S)
        seen = [next(frames) for _ in range(30)]
    shown_ms = seen[-1].timestamp_ms - seen[0].timestamp_ms
    # A busy machine holds some up. If all came at once, the median delay would be half of `shown_ms`.
    late_ms = sorted(frame.received_at * 1000 - frame.timestamp_ms for frame in seen)
    assert late_ms[len(late_ms) // 2] - late_ms[0] < 0.2 * shown_ms


def test_it_ends_with_the_broadcast(client: Odyssey, broadcast: Broadcaster, info: BroadcastInfo) -> None:
    seen: list[VideoFrame] = []
    over = threading.Event()
    spectator = client.watch(info, seen.append, over.set)
    eventually(lambda: seen)
    broadcast.end()
    spectator.wait(timeout=PATIENCE_S)
    assert over.wait(PATIENCE_S)


def test_it_is_left_while_it_waits(client: Odyssey, info: BroadcastInfo, in_background: Background) -> None:
    with client.watch(info) as spectator:
        frames = spectator.frames()
        next(frames)
        counting = in_background(lambda: sum(1 for _ in frames))
        spectator.disconnect()
        counting.result(PATIENCE_S)


def test_webrtc_is_preferred(client: Odyssey, broadcast: Broadcaster) -> None:
    with client.watch(broadcast.info) as spectator:
        assert spectator.peer_connection is not None


def test_a_wrong_token_is_no_reason_for_hls(client: Odyssey, broadcast: Broadcaster) -> None:
    with pytest.raises(SpectatorTokenError):
        client.watch(attrs.evolve(broadcast.info, spectator_token="wrong-token"))


def test_without_hls_the_error_of_webrtc_is_reported(client: Odyssey, info: BroadcastInfo) -> None:
    with pytest.raises(OdysseyConnectionError) as told:
        client.watch(attrs.evolve(info, hls_url=None))
    assert told.value.code == "refused"


@pytest.mark.parametrize("info", [None, ("http://x/", "token"), {"webrtc_url": NOWHERE}])
def test_only_a_broadcast_info_can_be_watched(client: Odyssey, info: Any) -> None:
    with pytest.raises(TypeError):
        client.watch(info)


# --- what servers may do


SEGMENT = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
PLAYLISTS = {
    "nothing": answer(),
    "no playlist": answer(b"<html>"),
    "not there": answer(status="404 Not Found"),
    "broken": answer(status="500 Internal Server Error"),
    "cut short": answer(b"#EXTM3U", length=100),
    "without an end": answer(b"#EXTM3U\n" + b"#" * 10_000_000, length=70_000_000),
    "a file of this machine": answer(SEGMENT.format("file:///etc/passwd").encode()),
    "a protocol of ffmpeg": answer(SEGMENT.format("concat:a|b").encode()),
    "no video": answer(SEGMENT.format("/video").encode()),
    "itself": answer(SEGMENT.format("/live.m3u8").encode()),
    "redirected for ever": answer(status="302 Found", Location="/live.m3u8"),
}


@pytest.mark.parametrize("playlist", PLAYLISTS)
def test_an_unusable_playlist_fails_the_watch_with_the_error_of_webrtc(
    emulator: Emulator, make_client: MakeClient, playlist: str
) -> None:
    client = make_client(emulator, ice_servers=[])  # asking a host that is not there would take half of the time
    with HttpServer({"GET /live.m3u8": PLAYLISTS[playlist], "GET /video": answer(b"\0" * 5000)}) as server:
        # The error states why WebRTC failed; the error of HLS is in the log.
        with pytest.raises(OdysseyConnectionError) as told:
            client.watch(BroadcastInfo(NOWHERE, "token", f"{server.url}/live.m3u8"), timeout=3)
        assert told.value.code == "refused"
        assert server.received("GET /live.m3u8")


def test_a_playlist_that_does_not_come_is_given_up(client: Odyssey) -> None:
    silent = {"GET /live.m3u8": lambda connection, _: connection.hang()}
    with HttpServer(silent) as server, pytest.raises(OdysseyConnectionError):
        client.watch(BroadcastInfo(NOWHERE, "token", f"{server.url}/live.m3u8"), timeout=1)


def test_a_server_that_fails_in_the_middle_is_reported(
    emulator: Emulator, make_client: MakeClient, broadcast: Broadcaster
) -> None:
    """A stream whose playlist is refused after a while."""
    hls_url = broadcast.info.hls_url
    assert hls_url is not None
    first = requests.get(hls_url, timeout=PATIENCE_S).text
    name = next(line for line in first.splitlines() if line.endswith(".ts"))
    segment = requests.get(hls_url.replace("index.m3u8", name), timeout=PATIENCE_S).content
    # Each has a new segment: otherwise, a busy machine takes the stream for lost before the playlist is refused.
    playlists = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{number}\n#EXTINF:1,\n{number}.ts\n".encode()
        for number in range(4)
    ]
    replies: list[Any] = [*map(answer, playlists), answer(status="503 Service Unavailable")]
    segments = {f"GET /{number}.ts": answer(segment) for number in range(4)}
    with HttpServer({"GET /live.m3u8": replies, **segments}) as server:
        client = make_client(emulator, reconnect=False)
        spectator = client.watch(BroadcastInfo(NOWHERE, "token", f"{server.url}/live.m3u8"))
        with pytest.raises(OdysseyConnectionError) as told:
            spectator.wait(timeout=PATIENCE_S)
        assert told.value.status == 503
        assert str(told.value).startswith("HLS: ")  # not a failed download
        assert not spectator.is_connected


@pytest.mark.parametrize("hls_url", ["", "ftp://x/live.m3u8", "/live.m3u8", "file:///etc/passwd"])
def test_an_address_that_is_not_on_the_web_is_refused(client: Odyssey, hls_url: str) -> None:
    with pytest.raises(OdysseyConfigError):
        client.watch(BroadcastInfo(NOWHERE, "token", hls_url))
