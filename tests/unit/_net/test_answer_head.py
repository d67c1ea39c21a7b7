"""Heads of answers: how those that servers and proxies write are read, and rewritten for strict parsers."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from odyssey_proto._net.answer_head import AnswerHead, read_head

DATE = b"Date: Sat, 01 Jan 2000 00:00:00 GMT"


def read(stream: bytes, size: int = 4096) -> tuple[AnswerHead | None, bytes]:
    pieces = (stream[at : at + size] for at in range(0, len(stream), size))
    return read_head(lambda: next(pieces, b""))


def fields(*lines: bytes, end: bytes = b"\r\n") -> list[bytes]:
    """Return the fields of a head with ``lines``, as they are rewritten, without the status line and the date."""
    head, rest = read(end.join((b"HTTP/1.1 200 OK", *lines, DATE, b"", b"body")))
    assert head is not None
    assert rest == b"body"
    first, *found = head.text().split(b"\r\n")
    assert (first, found[-3:]) == (b"HTTP/1.1 200 OK", [DATE, b"", b""])
    return found[:-3]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param([b"X-A: b", b"Content-Length: 5"], [b"X-A: b", b"Content-Length: 5"], id="plain"),
        pytest.param([b"no field", b"Content-Length: 5"], [b"Content-Length: 5"], id="a line that is no field"),
        pytest.param([b"X A: b", b"Content-Length: 5"], [b"Content-Length: 5"], id="a name of two words"),
        pytest.param([b": b", b"Content-Length: 5"], [b"Content-Length: 5"], id="no name"),
        pytest.param([b"X\xfc: b", b"Content-Length: 5"], [b"Content-Length: 5"], id="a name that is not ASCII"),
        pytest.param([b"Content-Length : 5"], [b"Content-Length: 5"], id="a space before the colon"),
        pytest.param([b"Content-Length:5"], [b"Content-Length: 5"], id="no space"),
        pytest.param([b"Location: /x \t"], [b"Location: /x"], id="spaces at the end"),
        pytest.param([b"X-A: b", b"\tc", b" d"], [b"X-A: b c d"], id="a folded field"),
        pytest.param([b"X-A:", b" b"], [b"X-A: b"], id="a value that begins on the next line"),
        pytest.param([b"X-A: b", b" "], [b"X-A: b"], id="an empty fold"),
        pytest.param([b" folded", b"X-A: b"], [b"X-A: b"], id="a fold of nothing"),
        pytest.param([b"X-A: b", b"no field", b" of it"], [b"X-A: b"], id="a fold of no field"),
        pytest.param([b"X-A: b\rc\0d"], [b"X-A: b c d"], id="control characters"),
        pytest.param([b"X-A: Z\xfcrich"], [b"X-A: Z\xfcrich"], id="Latin-1"),
        pytest.param([b"Location: /x", b"LOCATION: /y"], [b"Location: /x"], id="two locations"),
        pytest.param([b"Retry-After: 1", b"Retry-After: 2"], [b"Retry-After: 1"], id="two pauses"),
        pytest.param([b"Content-Length: 5", b"Content-Length: 5"], [b"Content-Length: 5"], id="two lengths"),
        pytest.param([b"Content-Length: 5, 5 ,5"], [b"Content-Length: 5"], id="a length joined with itself"),
        pytest.param([b"Content-Length: 5, 55"], [b"Content-Length: 5, 55"], id="lengths that differ"),
        pytest.param(
            [b"Connection: Upgrade", b"connection: keep-alive"],
            [b"Connection: Upgrade, keep-alive"],
            id="two lists",
        ),
        pytest.param([b"Connection: Upgrade", b"Connection:"], [b"Connection: Upgrade"], id="an empty list"),
        pytest.param([b"Set-Cookie: a", b"Set-Cookie: b"], [b"Set-Cookie: a", b"Set-Cookie: b"], id="cookies"),
        pytest.param([b"Transfer-Encoding: Chunked"], [b"Transfer-Encoding: Chunked"], id="chunked"),
        pytest.param([b"Transfer-Encoding: identity"], [b"Transfer-Encoding: identity"], id="not chunked"),
    ],
)
def test_the_fields_of_a_head_are_read_as_lenient_clients_do(
    lines: list[bytes], found: list[bytes], end: bytes
) -> None:
    assert fields(*lines, end=end) == found


def test_codings_of_the_transfer_are_undone_after_those_of_the_content() -> None:
    coded = fields(b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: deflate")
    assert coded == [b"Transfer-Encoding: chunked", b"Content-Encoding: deflate", b"Content-Encoding: gzip"]


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.0 200  Fine ", b"HTTP/1.0 200 Fine"),
        (b"HTTP/1.1 403", b"HTTP/1.1 403 "),
        (b"HTTP/2 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/2.0 200 OK", b"HTTP/1.1 200 OK"),
        (b"\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 101 Gewechselt \xfc", b"HTTP/1.1 101 Gewechselt \xfc"),
    ],
)
def test_the_status_line_is_written_as_parsers_expect_it(line: bytes, written: bytes) -> None:
    head, _ = read(line + b"\r\n\r\n")
    assert head is not None
    assert head.text().partition(b"\r\n")[0] == written


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_announcements_are_passed_over(size: int) -> None:
    announced = b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\nLink: a\n\nHTTP/1.1 102 P\r\nX: y\r\n\r\n"
    answer = b"HTTP/1.1 101 S\r\n" + DATE + b"\r\n\r\n"
    head, rest = read(announced + answer + b"HTTP/1.1 200 OK\r\n\r\n", size)
    assert head is not None
    assert (head.status, head.text()) == (101, answer)
    assert b"HTTP/1.1 200 OK\r\n\r\n".startswith(rest)  # the next answer is not parsed


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\n",
        b"SSH-2.0\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"<html>\n\n",
    ],
)
def test_what_is_no_whole_head_comes_as_it_is(stream: bytes) -> None:
    assert read(stream) == (None, stream)


def test_a_line_that_is_not_http_is_not_waited_on() -> None:
    given = [b"hello\r\n"]
    assert read_head(given.pop) == (None, b"hello\r\n")  # a second `pop` would fail


def test_a_head_without_end_is_given_up() -> None:
    head, read_so_far = read_head(lambda: b"HTTP/1.1 200 OK\r\nX-A: b\r\n" * 100)
    assert head is None
    assert len(read_so_far) < 1024 * 1024


def test_an_answer_without_a_date_gets_that_of_its_arrival() -> None:
    head, _ = read(b"HTTP/1.1 200 OK\r\n\r\n")
    assert head is not None
    date = parsedate_to_datetime((head.field(b"date") or b"").decode())
    assert date.utcoffset() is not None
    again, _ = read(head.text())
    assert again == head


def test_a_field_is_found_and_left_out_by_its_name() -> None:
    head, _ = read(b"HTTP/1.1 403 No\r\nContent-LENGTH: 5\r\n" + DATE + b"\r\n\r\n")
    assert head is not None
    assert (head.field(b"content-length"), head.field(b"x")) == (b"5", None)
    assert head.without(b"content-length").fields == ((b"Date", DATE[6:]),)
