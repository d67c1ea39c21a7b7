"""Files: images of users, interrupted downloads, broadcasts over HLS, and live cassettes."""

from __future__ import annotations

import base64
import contextlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import av
import pillow_heif
import pytest
from hypothesis import strategies as st
from PIL import Image

from odyssey_proto import (
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
)
from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._model import cassette
from odyssey_proto._net.hls import HlsReader, _anchored, _from_its_mark
from odyssey_proto._net.http_exchange import HttpClient
from odyssey_proto._net.signed_file import Fetched
from odyssey_proto._rest.artifact_file import ArtifactFile, _Place
from odyssey_proto._rest.part_file import PartFile, Version
from odyssey_proto._video.images import to_data_url
from odyssey_proto.emulator._replay.tape import Picture, Tape
from tests.support.fuzzing import json_like, mutated, mutated_text, target
from tests.support.processes import PATIENCE_S, growing_timeouts
from tests.support.servers import HttpServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOCK: Final = MonotonicClock()

# Images

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF")


def _image(kind: str, mode: str = "RGB") -> bytes:
    out, picture = io.BytesIO(), Image.linear_gradient("L").resize((48, 32)).convert(mode)
    if kind == "HEIF":
        pillow_heif.from_pillow(picture).save(out)
    else:
        picture.save(out, kind, **({"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"} if kind in ("JPEG", "WEBP") else {}))
    return out.getvalue()


IMAGES: Final = [
    *(_image(kind) for kind in FORMATS if kind != "HEIF" or pillow_heif.libheif_info()["HEIF"]),
    *(_image("PNG", mode) for mode in ("RGBA", "P", "1", "LA")),
    *(_image("JPEG", mode) for mode in ("L", "CMYK")),
    b"RIFF\x40\0\0\0WEBPVP8X",
    b"\0\0\0\x14ftypheic\0\0\0\0heic",
    b"",
]
PARTS: Final = (
    b"\xff\xd8\xff",
    b"IHDR",
    b"IDAT",
    b"tEXt",
    b"iCCP",
    b"zTXt",
    b"ftypavif",
    b"\xff\xe1",
    b"\xff\xc4",
    b"Exif",
)


@target(mutated(IMAGES, PARTS), st.booleans(), refuses=(OdysseyConfigError,), within_mb=400, examples=60)
def test_an_image(raw: bytes, portrait: bool) -> None:
    url = to_data_url(raw, portrait=portrait)
    assert url.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2], validate=True))) as sent:
        sent.load()
        assert (sent.mode, sent.size) == ("RGB", (704, 1280) if portrait else (1280, 704))


@target(
    mutated_text(["data:image/png;base64,iVBORw0KGgo=", "image.png", "data:,x", "\0"]),
    refuses=(OdysseyConfigError,),
)
def test_an_image_as_text(text: str) -> None:
    to_data_url(text, portrait=False)


# Downloads

RANGES: Final = mutated_text(
    ["bytes 0-9/100", "bytes=5-/*", "*/100", "bytes */*", "5 - 9 / 100", ""], ("bytes", "-", "/", "*", " ")
)
LENGTHS: Final = mutated_text(["100", "0"])


def _fetched(headers: dict[str, str], body: bytes = b"", status: int = 206) -> Fetched:
    return Fetched(status, headers, iter([body]), is_packed=False, url="https://store.example/")


@target(RANGES, LENGTHS, st.none() | st.integers(0, 1000), refuses=(OdysseyError,))
def test_a_place_in_a_file(label: str, length: str, size: int | None) -> None:
    version = Version(validator='"a"', size=size)
    _Place.of(_fetched({"Content-Range": label, "Content-Length": length}), version)


NOTES: Final = mutated(
    [b'{"validator": "\\"a\\"", "size": 10}', b'{"validator": "Wed, 21 Oct 2015", "size": null}'],
    (b"null", b"true", b"9" * 5000, b"[" * 5000, b'"\\ud800"', '"€"'.encode(), b"-1", b"\xff", b"1e999"),
)


@target(NOTES, st.binary(max_size=10), refuses=())
def test_a_note_that_was_tampered_with(note: bytes, part: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        path.with_name("video.mp4.part").write_bytes(part)
        path.with_name("video.mp4.part.json").write_bytes(note)
        file = PartFile(path, Deadline(1.0, CLOCK), lambda _: None)
        with contextlib.suppress(InterruptedError), file.filled():
            version = file.version()
            assert version is None or version.validator is None or version.validator.isprintable()
            file.begin(version)
            raise InterruptedError


@attrs.frozen
class _OneAddress:
    url: str

    def get(self, artifact: str) -> str | None:
        return self.url

    def after(self, artifact: str, expired: str | None) -> str | None:
        return None


class _Store:
    """A server for the targets of this file, and a client of it."""

    server: HttpServer
    http: HttpClient


@pytest.fixture(scope="module", autouse=True)
def store() -> Iterator[None]:
    with HttpServer() as _Store.server, contextlib.closing(HttpClient(CLOCK)) as _Store.http:
        yield


@target(
    NOTES,
    st.binary(max_size=20),
    st.sampled_from(["200 OK", "206 Partial Content", "416 Range Not Satisfiable", "204 No Content"]),
    RANGES.filter(lambda text: text.isascii() and text.isprintable()),
    st.binary(max_size=40).map(lambda data: b"\0\0\0\x18ftypmp42" + data),
    examples=40,
)
def test_a_download_that_goes_on(note: bytes, part: bytes, status: str, label: str, body: bytes) -> None:
    reply = answer(body, status, **{"Content-Range": label[:3000], "ETag": '"a"', "Connection": "close"})
    _Store.server.routes["GET /video"] = reply
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        path.with_name("video.mp4.part").write_bytes(b"\0\0\0\x18ftypmp42" + part)
        path.with_name("video.mp4.part.json").write_bytes(note)
        ArtifactFile(
            artifact="video",
            path=path,
            http=_Store.http,
            addresses=_OneAddress(f"{_Store.server.url}/video"),
            deadline=Deadline(0.05, CLOCK),
            resume=True,
            abort=Abort(),
        ).fetch()
        assert path.stat().st_size > 0


# HLS

PLAYLIST: Final = (
    b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
    b"#EXTINF:1.0,\n#EXT-X-BYTERANGE:100@0\n0.ts\n#EXTINF:1.0,\n1.ts\n#EXT-X-ENDLIST\n"
)
MASTER: Final = (
    b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="audio.m3u8"\n'
    b'#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1"\nindex.m3u8\n#EXT-X-KEY:METHOD=AES-128,URI="key"\n'
)
LINES: Final = (
    *(b"#EXTM3U\n", b"#EXT-X-MAP:URI=", b"#EXTINF:", b"#EXT-X-KEY:METHOD=AES-128,URI=", b"index.m3u8\n", b"../"),
    *(
        b"https://",
        b"file:///etc/passwd\n",
        b"#EXT-X-DISCONTINUITY\n",
        b"#EXT-X-TARGETDURATION:0\n",
        b'"',
        b"data:,",
    ),
)


@target(mutated([PLAYLIST, MASTER], LINES), refuses=())
def test_the_addresses_in_a_playlist(body: bytes) -> None:
    anchored = _anchored(_from_its_mark(body), "https://live.example/a/index.m3u8")
    assert anchored == body or anchored.startswith(b"#EXTM3U")


def _segment() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        stream: Any = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    return out.getvalue()


SEGMENT: Final = _segment()


@target(mutated([PLAYLIST], LINES), mutated([SEGMENT]), refuses=(OdysseyConnectionError,), examples=25)
def test_a_broadcast(playlist: bytes, segment: bytes) -> None:
    _Store.server.routes |= {
        "GET /index.m3u8": answer(playlist),
        "GET /0.ts": answer(segment),
        "GET /1.ts": answer(SEGMENT),
    }
    assert any(map(_is_read, growing_timeouts(0.5)))


def _is_read(timeout_s: float) -> bool:
    """Open the broadcast; return False if the time was too short to read its playlist.

    A broadcast without pictures takes all of the time, and a busy machine needs more of it.
    """
    reader = HlsReader(
        f"{_Store.server.url}/index.m3u8",
        http=_Store.http,
        clock=CLOCK,
        abort=Abort(),
        on_frame=lambda *_: None,
        on_end=lambda _: None,
    )
    try:
        reader.open(Deadline(timeout_s, CLOCK))
    except OdysseyConnectionTimeoutError:
        if reader._playlists._asked_at or reader._has_segment:  # a playlist that is not one counts as a segment
            raise
        return False
    finally:
        reader.close(PATIENCE_S)
        assert not reader._thread.is_alive(), "closing ends it, whatever it reads"
    return True


# Live cassettes

HEADS: Final = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["cassette", "call", "message", "frame", "closed", "end"]) | json_like(2),
        "at_ms": st.integers(0, 10**6) | json_like(2),
    },
    optional={
        name: st.sampled_from(["GET", "/x", "client", "service", "h264", "clientToStreamer", 200, 1011])
        | json_like(4)
        for name in ("method", "path", "query", "headers", "status", "place", "from", "codec", "timestamp", "code")
    },
)
PAYLOADS: Final = st.sampled_from([b"", b'{"type": "update"}', b'{"type": "stream_started"}', b"{", b"\xff\0"])
CASSETTE: Final = cassette.BEGINNING + b"".join(
    cassette.encode({"kind": kind, "at_ms": 1, "codec": "vp8", "timestamp": 2}, b"data")
    for kind in ("cassette", "message", "frame", "end")
)


def _open_cassette(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.cast")
        path.write_bytes(data)
        tape = Tape(path)
        for item in tape.items:
            if isinstance(item, Picture):
                tape.data(item)
        assert tape.codec in ("h264", "vp8")
        tape.close()


@target(st.lists(st.tuples(HEADS | json_like(), PAYLOADS), max_size=20))
def test_records_of_a_cassette(records: list[tuple[Any, bytes]]) -> None:
    _open_cassette(cassette.BEGINNING + b"".join(cassette.encode(*record) for record in records))


@target(mutated([CASSETTE], [cassette.BEGINNING, b"\xff\xff\xff\xff", b"\0\0\0\0"]))
def test_a_damaged_cassette(data: bytes) -> None:
    _open_cassette(data)
