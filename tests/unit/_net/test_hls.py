"""A broadcast over HLS, from a raw-socket server, with the installed PyAV."""

from __future__ import annotations

import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import (
    MalformedMessageError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyError,
)
from odyssey_proto._net.hls import HlsReader, _leniency
from odyssey_proto._net.http_exchange import HttpClient
from tests.support.leaks import nothing_left
from tests.support.pictures import video_file
from tests.support.servers import HttpServer, Reply, answer

if TYPE_CHECKING:
    import av

FRAMES = 5
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.25,\nsegment.ts\n#EXT-X-ENDLIST\n"
# The language of the rendition becomes metadata of its stream; here it is not UTF-8.
BROKEN_TEXT = (
    b'#EXTM3U\n#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="v",NAME="caf\xe9",LANGUAGE="\xff\xfe"\n'
    b'#EXT-X-STREAM-INF:BANDWIDTH=100000,VIDEO="v"\nlive.m3u8\n'
)


@pytest.fixture(scope="module")
def segment() -> bytes:
    """A quarter of a second of video in an MPEG transport stream."""
    return video_file("mpegts", FRAMES)


class Watched:
    """The reports of an `HlsReader` about one broadcast, from its first frame to its end."""

    def __init__(self, replies: dict[str, Reply | list[Reply]], path: str, **known: Any) -> None:
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
                f"{server.url}{path}",
                http=http,
                clock=clock,
                abort=Abort(),
                on_frame=lambda frame, _: self.frames.append(frame),
                on_end=end,
                **known,
            )
            try:
                reader.open(Deadline(30, clock))
                assert over.wait(30)
            finally:
                reader.close(5)
                http.close()


def test_every_frame_of_a_segment_is_handed_on(segment: bytes) -> None:
    watched = Watched({"GET /live.m3u8": answer(PLAYLIST), "GET /segment.ts": answer(segment)}, "/live.m3u8")
    assert (len(watched.frames), watched.error) == (FRAMES, None)


def test_metadata_that_are_no_utf8_do_not_end_a_broadcast(segment: bytes) -> None:
    replies = {
        "GET /master.m3u8": answer(BROKEN_TEXT),
        "GET /live.m3u8": answer(PLAYLIST),
        "GET /segment.ts": answer(segment),
    }
    watched = Watched(replies, "/master.m3u8")
    assert (len(watched.frames), watched.error) == (FRAMES, None)


@pytest.mark.parametrize(
    ("version", "arguments"),
    [
        ("17.0.0", {"metadata_errors": "replace"}),
        ("18.1.0", {"metadata_errors": "replace"}),
        ("19.0.0rc1", {}),
        ("19.0.2", {}),
        ("20.1.0", {}),
    ],
)
def test_each_pyav_is_given_the_arguments_that_it_knows(version: str, arguments: dict[str, str]) -> None:
    assert _leniency(version) == arguments


def test_a_stream_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OdysseyConnectionError) as caught:
        Watched({"GET /live.m3u8": answer(status="404 Not Found")}, "/live.m3u8")
    assert (caught.value.code, caught.value.operation) == ("stream_not_found", "HLS")


def test_an_address_that_is_not_on_the_web_is_refused() -> None:
    with pytest.raises(OdysseyConfigError, match="hls_url must be like"):
        HlsReader(
            "file:///etc/passwd",
            http=None,  # type: ignore[arg-type]  # not reached
            clock=MonotonicClock(),
            abort=Abort(),
            on_frame=lambda *_: None,
            on_end=lambda _: None,
        )


@pytest.mark.parametrize("container", ["mpegts", "mp4"])
def test_pictures_that_are_too_large_end_a_broadcast_before_they_are_decoded(container: str) -> None:
    body = video_file(container, FRAMES)
    replies = {"GET /live.m3u8": answer(PLAYLIST), "GET /segment.ts": answer(body)}
    with pytest.raises(OdysseyConnectionError, match=r"AdvancedConfig\.max_pixels") as caught:
        Watched(replies, "/live.m3u8", max_pixels=1000)
    assert (caught.value.code, caught.value.recoverable) == ("picture_too_large", False)


def test_a_playlist_that_is_a_segment_of_itself_is_refused_at_once() -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nlive.m3u8\n"
    with pytest.raises(MalformedMessageError):
        Watched({"GET /live.m3u8": answer(playlist)}, "/live.m3u8")


def test_a_redirect_to_a_long_address_does_not_make_a_playlist_a_thousand_times_as_long() -> None:
    long = f"/{'x' * 12_000}/live.m3u8"
    replies = {
        "GET /live.m3u8": answer(status="302 Found", Location=long),
        f"GET {long}": answer(b"#EXTM3U\n" + b"a\n" * 90_000),
    }
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessageError, match="more than 32 MiB"):
            Watched(replies, "/live.m3u8")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000
