"""Bodies as servers label and pack them."""

from __future__ import annotations

import gzip
import zlib

import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._net.content_coding import unpacked
from tests.support.bombs import zeros

PLAIN = b'{"a": "\xc3\xbc"}'
BROTLI = b"\x8b\x04\x80" + PLAIN + b"\x03"
LIMIT = 1024


def packed(data: bytes = PLAIN) -> bytes:
    return gzip.compress(data, mtime=0)


def raw_deflate(data: bytes = PLAIN) -> bytes:
    return zlib.compress(data, wbits=-15)


def unfinished(wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(PLAIN) + packer.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    ("body", "label"),
    [
        pytest.param(packed(), "gzip", id="gzip"),
        pytest.param(packed(), " GZip ", id="in any case"),
        pytest.param(packed(), "x-gzip", id="x-gzip"),
        pytest.param(packed(PLAIN[:3]) + packed(PLAIN[3:]), "gzip", id="two members"),
        pytest.param(b"".join(packed(PLAIN[at : at + 1]) for at in range(len(PLAIN))), "gzip", id="many members"),
        pytest.param(packed() + packed(b""), "gzip", id="an empty member"),
        pytest.param(packed() + bytes(512), "gzip", id="padding"),
        pytest.param(packed() + b"\r\n", "gzip", id="a line break behind it"),
        pytest.param(packed(packed()), "gzip, gzip", id="gzip twice"),
        pytest.param(packed(packed(packed())), "gzip,x-gzip , gzip", id="gzip three times"),
        pytest.param(packed(), "gzip, gzip", id="gzip once, labelled twice"),
        pytest.param(packed(), "gzip, identity", id="identity behind it"),
        pytest.param(packed(), "identity, gzip", id="identity before it"),
        pytest.param(packed(), "aws-chunked, gzip", id="a name that is no coding before it"),
        pytest.param(packed(), "gzip,", id="an empty name"),
        pytest.param(packed(), "gzip;q=1.0", id="with a parameter"),
        pytest.param(zlib.compress(PLAIN), "deflate", id="deflate"),
        pytest.param(zlib.compress(PLAIN, 0), "deflate", id="deflate, stored"),
        pytest.param(zlib.compress(PLAIN, 9), "Deflate", id="deflate, best"),
        pytest.param(raw_deflate(), "deflate", id="raw deflate"),
        pytest.param(packed(raw_deflate()), "deflate, gzip", id="deflate, then gzip"),
        pytest.param(zlib.compress(packed()), "gzip, deflate", id="gzip, then deflate"),
        pytest.param(PLAIN, "gzip", id="plain, labelled gzip"),
        pytest.param(PLAIN, "deflate", id="plain, labelled deflate"),
        *(
            pytest.param(PLAIN, label, id=label or "no label")
            for label in (
                "",
                "identity",
                "UTF-8",
                "utf8",
                "none",
                "binary",
                "aws-chunked",
                ",",
                " , ",
                "*",
                "8bit",
            )
        ),
    ],
)
def test_a_body_is_read_whatever_its_label(body: bytes, label: str) -> None:
    assert unpacked(body, label, LIMIT) == PLAIN


@pytest.mark.parametrize(
    ("body", "label"),
    [
        pytest.param(packed()[:-1], "gzip", id="gzip without its last byte"),
        pytest.param(packed()[:-8], "gzip", id="gzip without its checksum"),
        pytest.param(unfinished(zlib.MAX_WBITS | 16), "gzip", id="gzip that goes on"),
        pytest.param(packed(packed()[:-8]), "gzip, gzip", id="the inner one"),
        pytest.param(zlib.compress(PLAIN)[:-4], "deflate", id="deflate without its checksum"),
        pytest.param(unfinished(zlib.MAX_WBITS), "deflate", id="deflate that goes on"),
        pytest.param(unfinished(-zlib.MAX_WBITS), "deflate", id="raw deflate that goes on"),
    ],
)
def test_a_body_that_the_server_did_not_finish_is_read(body: bytes, label: str) -> None:
    assert unpacked(body, label, LIMIT) == PLAIN


@pytest.mark.parametrize("plain", [b"[]", b" \n{}", b"\xef\xbb\xbf{}", b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"])
@pytest.mark.parametrize("label", ["gzip", "deflate", "gzip, deflate", "br", "zstd", "compress, gzip", "br;q=1"])
def test_a_plain_body_is_recognised_by_its_beginning(plain: bytes, label: str) -> None:
    assert unpacked(plain, label, LIMIT) == plain


@pytest.mark.parametrize("label", ["", "gzip", "deflate", "br", "gzip, gzip"])
def test_an_empty_body_is_not_packed(label: str) -> None:
    assert unpacked(b"", label, LIMIT) == b""


@pytest.mark.parametrize(
    ("body", "label", "problem"),
    [
        pytest.param(packed()[:10], "gzip", "its gzip is cut short", id="gzip before its data"),
        pytest.param(packed()[:3], "gzip", "its gzip is cut short", id="the head of gzip"),
        pytest.param(packed() + packed()[:9], "gzip", "its gzip is cut short", id="a second member"),
        pytest.param(packed(packed()[:10]), "gzip, gzip", "its gzip is cut short", id="the inner one"),
        pytest.param(packed()[:-8] + bytes(8), "gzip", "it is not valid gzip", id="a wrong checksum"),
        pytest.param(b"<html>", "gzip", "it is not valid gzip", id="a page, labelled gzip"),
        pytest.param(b"{\xff", "gzip", "it is not valid gzip", id="no UTF-8"),
        pytest.param(b"{\x00}", "gzip", "it is not valid gzip", id="no text"),
        pytest.param(zlib.compress(PLAIN)[:2], "deflate", "its deflate is cut short", id="deflate"),
        pytest.param(raw_deflate()[:1], "deflate", "its deflate is cut short", id="raw deflate"),
        pytest.param(b"<html>", "deflate", "it is not valid deflate", id="a page, labelled deflate"),
        *(
            pytest.param(
                BROTLI, label, f"it is compressed in a way that was not asked for: {label.lower()}", id=label
            )
            for label in ("br", "zstd", "BR", "compress", "x-compress", "dcb")
        ),
        pytest.param(packed(BROTLI), "br, gzip", "not asked for: br", id="br, then gzip"),
        pytest.param(packed(), ", ".join(["gzip"] * 6), "it is compressed 6 times", id="too often"),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_malformed(body: bytes, label: str, problem: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        unpacked(body, label, LIMIT)
    assert problem in str(caught.value)
    assert caught.value.code == "malformed"
    assert caught.value.problems


@pytest.mark.parametrize(
    ("body", "label"),
    [
        pytest.param(packed(bytes(LIMIT + 1)), "gzip", id="gzip"),
        pytest.param(packed(bytes(LIMIT)) + packed(b"\0"), "gzip", id="the last of two members"),
        pytest.param(packed(packed(bytes(LIMIT + 1))), "gzip, gzip", id="the inner one"),
        pytest.param(zeros(100), "deflate", id="a bomb"),
        pytest.param(raw_deflate(bytes(LIMIT + 1)), "deflate", id="raw deflate"),
    ],
)
def test_the_result_of_each_coding_is_limited(body: bytes, label: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        unpacked(body, label, LIMIT)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("label", ["gzip", "deflate"])
def test_a_body_of_exactly_the_limit_is_read(label: str) -> None:
    body = packed(b"x" * LIMIT) if label == "gzip" else zlib.compress(b"x" * LIMIT)
    assert unpacked(body, label, LIMIT) == b"x" * LIMIT


def test_an_intermediate_result_is_limited_too() -> None:
    inner = packed(b"x") + b"\0" * (LIMIT + 1)  # small once unpacked, large before
    with pytest.raises(MalformedMessageError) as caught:
        unpacked(packed(inner), "gzip, gzip", LIMIT)
    assert caught.value.code == "too_large"
