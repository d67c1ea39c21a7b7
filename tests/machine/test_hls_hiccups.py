"""HLS from servers with hiccups: a single failure loses nothing, and a refusal after frames is an end."""

from __future__ import annotations

import gzip
import threading
import time
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import ErrorOccurred, StreamEnded, connect_to_stream
from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyError
from odyssey_proto._net.hls import HlsReader
from odyssey_proto._net.http_exchange import HttpClient
from tests.support.leaks import nothing_left
from tests.support.pictures import video_file
from tests.support.processes import PATIENCE_S
from tests.support.servers import Connection, HttpServer, Reply, Request, answer

if TYPE_CHECKING:
    import av

FRAMES = 5
LIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.25,\nsegment.ts\n"
BEGINNING, WHOLE = LIST, LIST + b"#EXTINF:0.25,\nsegment2.ts\n#EXT-X-ENDLIST\n"


@pytest.fixture(scope="module")
def segment() -> bytes:
    """A quarter of a second of video in an MPEG transport stream."""
    return video_file("mpegts", FRAMES)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the reader give nothing up before a busy machine has asked again."""
    for limit in ("_INSISTENCE", "_SEGMENTS_MISSED"):  # in target durations, which are 1 s
        monkeypatch.setattr(f"odyssey_proto._net.hls.{limit}", PATIENCE_S)


class Watched:
    """What an `HlsReader` reports about one broadcast, from its first frame to its end."""

    def __init__(self, replies: dict[str, Reply | list[Reply]]) -> None:
        self.frames: list[av.VideoFrame] = []
        self.error: OdysseyError | None = None
        over = threading.Event()

        def end(error: OdysseyError | None) -> None:
            self.error = error
            over.set()

        clock = MonotonicClock()
        with nothing_left(), HttpServer(replies) as server:
            http = HttpClient(clock)
            reader = HlsReader(
                f"{server.url}/live.m3u8",
                http=http,
                clock=clock,
                abort=Abort(),
                on_frame=lambda frame, _: self.frames.append(frame),
                on_end=end,
            )
            try:
                reader.open(Deadline(30, clock))
                assert over.wait(30)
            finally:
                reader.close(5)
                http.close()
            self.asked = [request.path for request in server.requests]


def reset(connection: Connection, _: Request) -> None:
    connection.reset()


HICCUPS = [
    pytest.param(answer(status="500 Oops"), id="500"),
    pytest.param(answer(status="502 Bad Gateway"), id="502"),
    pytest.param(answer(status="503 Slow Down", Retry_After="1"), id="503"),
    pytest.param(answer(status="429 Too Many"), id="429"),
    pytest.param(reset, id="reset"),
    pytest.param(answer(b"#EXTM3U", length=5000, Connection="close"), id="cut"),
    pytest.param(answer(b"<html>Bad gateway</html>"), id="html"),
]


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("hiccup", HICCUPS)
@pytest.mark.parametrize("hit", ["playlist at first", "playlist", "segment at first", "segment"])
def test_one_file_that_fails_is_asked_for_again(segment: bytes, hit: str, hiccup: Reply) -> None:
    playlist: list[Reply] = [answer(BEGINNING), answer(WHOLE)]
    first: list[Reply] = [answer(segment)]
    second: list[Reply] = [answer(segment)]
    match hit:
        case "playlist at first":
            playlist.insert(0, hiccup)
        case "playlist":
            playlist.insert(1, hiccup)
        case "segment at first":
            first.insert(0, hiccup)
        case "segment":
            second.insert(0, hiccup)
    watched = Watched(
        {"GET /live.m3u8": playlist, "GET /segment.ts": first, "GET /segment2.ts": second},
    )
    assert (len(watched.frames), watched.error) == (2 * FRAMES, None)


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("place", [0, 1])
def test_an_empty_playlist_is_asked_for_again(segment: bytes, place: int) -> None:
    playlist: list[Reply] = [answer(BEGINNING), answer(WHOLE)]
    playlist.insert(place, answer(b""))
    segments = {"GET /segment.ts": answer(segment), "GET /segment2.ts": answer(segment)}
    watched = Watched({"GET /live.m3u8": playlist, **segments})
    assert (len(watched.frames), watched.error) == (2 * FRAMES, None)


@pytest.mark.parametrize("broken", ["GET /live.m3u8", "GET /segment2.ts"])
def test_what_fails_for_longer_is_a_loss_that_may_pass(segment: bytes, broken: str) -> None:
    replies: dict[str, Reply | list[Reply]] = {
        "GET /live.m3u8": [answer(BEGINNING), answer(WHOLE)],
        "GET /segment.ts": answer(segment),
        "GET /segment2.ts": answer(segment),
    }
    replies[broken] = (
        [answer(BEGINNING), answer(status="500 Oops")] if "live" in broken else answer(status="500 Oops")
    )
    watched = Watched(replies)
    assert isinstance(watched.error, OdysseyConnectionError)
    assert (watched.error.status, watched.error.recoverable) == (500, True)
    assert 2 <= watched.asked.count(broken.removeprefix("GET ")) <= 6  # fewer on a busy machine


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"])
def test_a_segment_that_is_no_longer_there_is_left_out(segment: bytes, status: str) -> None:
    watched = Watched(
        {
            "GET /live.m3u8": [answer(BEGINNING), answer(WHOLE)],
            "GET /segment.ts": answer(segment),
            "GET /segment2.ts": answer(status=status),
        }
    )
    assert (len(watched.frames), watched.error) == (FRAMES, None)


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("dead", ["first", "second"])
def test_one_quality_that_is_dead_does_not_end_the_others(segment: bytes, dead: str) -> None:
    master = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfirst.m3u8\n\n#EXT-X-STREAM-INF:BANDWIDTH=2\nsecond.m3u8\n"
    replies: dict[str, Reply | list[Reply]] = {
        f"GET /{name}.m3u8": answer(status="404 Not Found") if name == dead else answer(WHOLE)
        for name in ("first", "second")
    }
    both = {"GET /segment.ts": answer(segment), "GET /segment2.ts": answer(segment)}
    watched = Watched({"GET /live.m3u8": answer(master), **replies, **both})
    assert (len(watched.frames), watched.error) == (2 * FRAMES, None)


def test_a_stream_whose_qualities_are_all_dead_is_reported_with_the_reason() -> None:
    master = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb.m3u8\n"
    with pytest.raises(OdysseyConnectionError) as caught:
        Watched({"GET /live.m3u8": answer(master)})
    assert caught.value.code == "stream_not_found"


def test_a_segment_that_was_removed_while_the_reader_joined_is_left_out(segment: bytes) -> None:
    playlist = LIST.replace(b"#EXTINF:0.25,\n", b"#EXTINF:0.25,\ngone.ts\n#EXTINF:0.25,\n") + b"#EXT-X-ENDLIST\n"
    watched = Watched({"GET /live.m3u8": answer(playlist), "GET /segment.ts": answer(segment)})
    assert (len(watched.frames), watched.error) == (FRAMES, None)


def test_a_stream_without_any_of_its_segments_is_gone() -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
    playlist += b"".join(b"#EXTINF:0.25,\n%d.ts\n" % number for number in range(9))
    with pytest.raises(OdysseyConnectionError) as caught:
        Watched({"GET /live.m3u8": answer(playlist)})
    assert caught.value.code == "stream_not_found"


def test_a_page_in_place_of_the_playlist_is_reported() -> None:
    with pytest.raises(MalformedMessageError, match="HTML or XML came in place") as caught:
        Watched({"GET /live.m3u8": answer(b"<!DOCTYPE html><html>Sign in</html>")})
    assert caught.value.code == "wrong_content"


@pytest.mark.usefixtures("_patient")
def test_playlists_and_segments_that_are_sent_packed_are_read(segment: bytes) -> None:
    watched = Watched(
        {
            "GET /live.m3u8": answer(gzip.compress(WHOLE), Content_Encoding="gzip"),
            "GET /segment.ts": answer(gzip.compress(segment), Content_Encoding="gzip"),
            "GET /segment2.ts": answer(segment),
        }
    )
    assert (len(watched.frames), watched.error) == (2 * FRAMES, None)


# --- the end, and a busy server, as a user sees them


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"])
def test_a_broadcast_whose_playlist_is_refused_after_frames_has_ended(segment: bytes, status: str) -> None:
    watching = threading.Event()

    def refuse(connection: Connection, _: Request) -> None:
        watching.wait(PATIENCE_S)
        connection.send(answer(status=status))

    more = b"".join(b"#EXTINF:0.25,\nsegment.ts\n" for _ in range(9))  # ffmpeg reads ahead before the first frame
    replies: dict[str, Reply | list[Reply]] = {
        "GET /live.m3u8": [answer(LIST + more), refuse],
        "GET /segment.ts": answer(segment),
    }
    with (
        HttpServer(replies) as server,
        connect_to_stream("http://127.0.0.1:1/x", "token", hls_url=f"{server.url}/live.m3u8") as spectator,
    ):
        happening = spectator.events()
        watching.set()
        events = list(happening)
        spectator.wait(timeout=PATIENCE_S)
    ended = [event for event in events if isinstance(event, StreamEnded)]
    assert [event.error for event in ended] == [None]
    assert not [event for event in events if isinstance(event, ErrorOccurred) and event.fatal]


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
def test_a_whep_server_that_says_when_is_asked_again_then_and_not_before(status: str) -> None:
    asked: list[float] = []

    def refuse(connection: Connection, request: Request) -> None:
        asked.append(time.monotonic())
        late = len(asked) > 1
        connection.send(
            answer(status="404 Not Found") if late else answer(status=status, Retry_After="1", Connection="close")
        )

    with HttpServer({"POST /live/whep": refuse}) as server, pytest.raises(OdysseyConnectionError) as caught:
        connect_to_stream(f"{server.url}/live", "token", timeout=PATIENCE_S)
    assert caught.value.code == "stream_not_found"
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 1


def test_a_whep_server_that_asks_for_more_time_than_there_is_is_an_error_at_once() -> None:
    busy = answer(status="503 Service Unavailable", Retry_After="50", Connection="close")
    with HttpServer({"POST /live/whep": busy}) as server, pytest.raises(OdysseyConnectionError) as caught:
        connect_to_stream(f"{server.url}/live", "token", timeout=30)
    assert (caught.value.status, caught.value.retry_after) == (503, 50.0)
    assert str(caught.value).endswith("the server can be asked again after 50 s")
    assert not isinstance(caught.value, TimeoutError)
