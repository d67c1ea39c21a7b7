"""HTTP below the JSON: heads of responses, content codings, and the beginnings of files."""

from __future__ import annotations

import gzip
import http.client
import io
import zlib
from typing import Final

from hypothesis import strategies as st

from odyssey_proto import MalformedMessageError
from odyssey_proto._net.answer_head import read_head
from odyssey_proto._net.content_coding import unpacked, unpacked_pieces
from odyssey_proto._net.wrong_content import LOOKED_AT, is_markup, is_text
from tests.support.fuzzing import mutated, mutated_text, target

HEADS: Final = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.0 404 Not Found\nContent-Length: 51, 51\nX: a\n b\n\n",
    b"\r\nHTTP/2 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nConnection: x\r\n\r\n\x81",
    b"HTTP/1.1 301\r\nLocation: \xe4\r\nLocation: b\r\nDate: today\r\n\r\n",
]


@target(mutated(HEADS, (b"\r\n\r\n", b"\n\n", b": ", b"HTTP/1.1 100 Continue\r\n\r\n")), st.integers(1, 4096))
def test_a_head(data: bytes, size: int) -> None:
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    head, rest = read_head(lambda: next(pieces, b""))
    if head is None:
        return
    assert data.endswith(rest + b"".join(pieces))
    # The strict parser of the standard library, too, must read all that `text` writes.
    text = head.text()
    whole = iter([text])
    assert read_head(lambda: next(whole, b"")) == (head, b"")
    lines = io.BytesIO(text.partition(b"\r\n")[2])
    if len(head.fields) <= 100 and max(map(len, text.split(b"\r\n"))) < 65000:
        parsed = http.client.parse_headers(lines)
        assert len(parsed.items()) == len(head.fields)


BOMB: Final = gzip.compress(bytes(50 << 20))
PLAIN: Final = b'{"jobs": [], "total": 0}' * 20
PACKED: Final = [
    PLAIN,
    gzip.compress(PLAIN),
    gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:]) + bytes(20),
    zlib.compress(PLAIN),
    zlib.compress(PLAIN)[2:-4],
    gzip.compress(gzip.compress(PLAIN)),
    BOMB,
    gzip.compress(BOMB),
    gzip.compress(b"") * 2000,
]
LABELS: Final = ["gzip", "deflate", "gzip, gzip", "br", "UTF-8, x-gzip;q=1", "identity", "", "gzip," * 10]


@target(
    mutated(PACKED, (b"\x1f\x8b\x08\x00", b"\x78\x9c")), mutated_text(LABELS), refuses=(MalformedMessageError,)
)
def test_a_packed_body(body: bytes, label: str) -> None:
    assert len(unpacked(body, label, 1 << 20)) <= max(1 << 20, len(body))


@target(
    mutated(PACKED, (b"\x1f\x8b\x08\x00", b"\x78\x9c")),
    mutated_text(LABELS),
    st.integers(1, 5000),
    refuses=(MalformedMessageError,),
)
def test_a_packed_body_that_arrives_in_pieces(body: bytes, label: str, size: int) -> None:
    pieces = iter([body[at : at + size] for at in range(0, len(body), size)])
    for piece in unpacked_pieces(pieces, label):
        assert len(piece) <= max(size, len(body), 1 << 20)


PAGES: Final = [
    b"<html>",
    b"\xef\xbb\xbf <?xml",
    b'{"a"',
    "<a>".encode("utf-16"),
    b"ftyp\x00",
    b"GIF8",
    b"\n\n<!--",
]


@target(mutated(PAGES))
def test_the_beginning_of_a_file(data: bytes) -> None:
    is_markup(data[:LOOKED_AT])
    is_text(data[:LOOKED_AT])
