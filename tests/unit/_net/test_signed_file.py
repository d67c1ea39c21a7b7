"""Files behind signed addresses, from a raw-socket server: what is sent, followed, passed on and refused."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import __version__
from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyConnectionTimeoutError
from odyssey_proto._net import signed_file as fetch_module
from odyssey_proto._net.http_exchange import HttpClient
from odyssey_proto._net.signed_file import fetch
from tests.support.clocks import Time
from tests.support.leaks import nothing_left
from tests.support.ports import refusing_port
from tests.support.servers import Connection, HttpServer, Request, answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = bytes(range(256)) * 4096  # 1 MiB
SIGNED = "/file?signature=secret"


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with nothing_left(), HttpServer({"GET /file": answer(FILE)}) as made:
        yield made


@pytest.fixture
def http(server: HttpServer) -> Iterator[HttpClient]:
    made = HttpClient(MonotonicClock())
    yield made
    made.close()


def until(seconds: float | None = 30) -> Deadline:
    return Deadline(seconds, MonotonicClock())


def read(http: HttpClient, url: str, deadline: Deadline | None = None, **headers: str) -> tuple[int, bytes]:
    with fetch(http, url, headers, deadline or until(), Abort()) as fetched:
        return fetched.status, b"".join(fetched.pieces)


def failure(http: HttpClient, url: str, deadline: Deadline | None = None) -> OdysseyConnectionError:
    with pytest.raises(OdysseyConnectionError) as caught:
        read(http, url, deadline)
    assert caught.value.operation == "download"
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


# --- what is sent, and what comes


def test_a_file_comes_piece_by_piece(server: HttpServer, http: HttpClient) -> None:
    with fetch(http, server.url + SIGNED, {}, until(), Abort()) as fetched:
        pieces = list(fetched.pieces)
    assert b"".join(pieces) == FILE
    assert max(map(len, pieces)) <= 256 * 1024
    assert fetched.headers["content-length"] == str(len(FILE))


def test_the_address_alone_is_the_permission(server: HttpServer, http: HttpClient) -> None:
    read(http, server.url + SIGNED, Range="bytes=7-")
    headers = server.received("GET /file")[0].headers
    assert "authorization" not in headers
    assert (headers["user-agent"], headers["range"], headers["accept-encoding"]) == (
        f"odyssey-proto/{__version__}",
        "bytes=7-",
        "identity",
    )


@pytest.mark.parametrize("status", ["206 Partial Content", "416 Range Not Satisfiable"])
def test_answers_about_ranges_are_handed_on(server: HttpServer, http: HttpClient, status: str) -> None:
    server.routes["GET /file"] = answer(b"part", status)
    assert read(http, server.url + SIGNED) == (int(status[:3]), b"part")


def test_a_file_without_a_length_ends_with_its_connection(server: HttpServer, http: HttpClient) -> None:
    server.routes["GET /file"] = lambda connection, _: connection.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert read(http, server.url + SIGNED) == (200, b"all of it")


def test_a_file_that_is_not_read_to_its_end_costs_no_more(server: HttpServer, http: HttpClient) -> None:
    with fetch(http, server.url + SIGNED, {}, until(), Abort()) as fetched:
        next(fetched.pieces)
    assert read(http, server.url + SIGNED) == (200, FILE)
    assert server.accepted == 2  # the rest of the body is not read: its connection is closed


# --- redirects


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("target", ["/file", "file", "{url}/file?signature=other-secret"])
def test_redirects_are_followed_with_the_range(
    server: HttpServer, http: HttpClient, status: str, target: str
) -> None:
    server.routes["GET /moved"] = answer(status=status, Location=target.format(url=server.url))
    assert read(http, server.url + "/moved", Range="bytes=0-") == (200, FILE)
    assert server.received("GET /file")[0].headers["range"] == "bytes=0-"


def test_redirects_without_end_are_an_error(server: HttpServer, http: HttpClient) -> None:
    server.routes["GET /moved"] = answer(status="302 Found", Location="/moved")
    assert failure(http, server.url + "/moved").code == "too_many_redirects"
    assert len(server.requests) == 11


def test_a_redirect_to_nowhere_is_a_refusal(server: HttpServer, http: HttpClient) -> None:
    server.routes["GET /moved"] = answer(status="302 Found")
    assert failure(http, server.url + "/moved").code == "http_302"
    assert len(server.requests) == 1


@pytest.mark.parametrize("target", ["ftp://x.example/file", "file:///etc/passwd"])
def test_a_redirect_out_of_http_is_an_error(server: HttpServer, http: HttpClient, target: str) -> None:
    server.routes["GET /moved"] = answer(status="302 Found", Location=target)
    assert failure(http, server.url + "/moved").code == "unsafe_redirect"


def test_a_redirect_from_https_to_http_is_an_error_and_not_followed(
    server: HttpServer, http: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    moved = {"GET /moved": answer(status="302 Found", Location=server.url + SIGNED)}
    with HttpServer(moved, tls=certificate.server) as safe:
        assert failure(http, safe.url + "/moved").code == "unsafe_redirect"
        assert server.requests == []
        http.close()  # before this server, to which it keeps a connection


# --- failures


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "500 Oops", "204 No Content"])
def test_other_answers_are_reported_with_status_and_request_id(
    server: HttpServer, http: HttpClient, status: str
) -> None:
    server.routes["GET /file"] = answer(status=status, X_Request_Id="r-7", Retry_After="3")
    error = failure(http, server.url + SIGNED)
    assert (error.status, error.request_id, error.retry_after) == (int(status[:3]), "r-7", 3.0)
    assert error.recoverable == status.startswith("5")


def test_a_compressed_file_is_unpacked(server: HttpServer, http: HttpClient) -> None:
    server.routes["GET /file"] = answer(gzip.compress(b"x"), Content_Encoding="gzip")
    assert read(http, server.url + SIGNED) == (200, b"x")


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, " * 5 + "gzip"])
def test_a_file_that_cannot_be_unpacked_is_refused(server: HttpServer, http: HttpClient, coding: str) -> None:
    server.routes["GET /file"] = answer(b"x", Content_Encoding=coding)
    assert isinstance(failure(http, server.url + SIGNED), MalformedMessageError)


@pytest.mark.parametrize("coding", ["identity", " Identity ", "", "aws-chunked", "UTF-8", "binary, none"])
def test_a_file_may_say_that_it_is_not_compressed(server: HttpServer, http: HttpClient, coding: str) -> None:
    server.routes["GET /file"] = answer(b"x", Content_Encoding=coding)
    assert read(http, server.url + SIGNED) == (200, b"x")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(b"short", length=100, Connection="close"), id="cut"),
        pytest.param(lambda connection, _: connection.reset(), id="reset"),
        pytest.param(lambda connection, _: None, id="closed"),
    ],
)
def test_a_file_that_is_cut_short_is_a_lost_connection(server: HttpServer, http: HttpClient, reply: Any) -> None:
    server.routes["GET /file"] = reply
    error = failure(http, server.url + SIGNED)
    assert (error.code, error.recoverable) == ("connection_lost", True)


def test_what_came_before_a_cut_was_handed_on(server: HttpServer, http: HttpClient) -> None:
    server.routes["GET /file"] = answer(b"short", length=100, Connection="close")
    with fetch(http, server.url + SIGNED, {}, until(), Abort()) as fetched:
        assert next(fetched.pieces) == b"short"
        with pytest.raises(OdysseyConnectionError):
            next(fetched.pieces)


@pytest.mark.parametrize("address", ["nonsense://x/y", "http://", "/file", ""])
def test_an_invalid_address_of_a_file_is_reported(http: HttpClient, address: str) -> None:
    error = failure(http, address)
    assert (error.code, error.recoverable) == ("invalid_url", False)


def test_a_store_that_is_gone_is_reported_as_refusing_connections(http: HttpClient) -> None:
    with refusing_port() as port:
        assert failure(http, f"http://127.0.0.1:{port}{SIGNED}").code == "refused"


# --- time


def dripping(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
    connection.drip(b"x" * 20, every=0.06)


def test_only_silence_is_too_long_not_the_whole(
    server: HttpServer, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send_what_is_wanted(connection: Connection, _: Request) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
        for _byte in range(20):
            assert wanted.acquire(timeout=30)
            connection.send(b"x")

    monkeypatch.setattr(fetch_module, "_LONGEST_WITHOUT_BYTES_S", 20.0)
    server.routes["GET /file"] = send_what_is_wanted
    clock, wanted, content = Time(), threading.Semaphore(1), b""
    with fetch(http, server.url + SIGNED, {}, Deadline(None, clock), Abort()) as fetched:
        for piece in fetched.pieces:
            content += piece
            clock.at += 15  # the file takes longer than the longest silence
            wanted.release()
    assert content == b"x" * 20


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf"])
def test_silence_is_a_timeout(
    server: HttpServer, http: HttpClient, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    def fall_silent(connection: Connection, _: Request) -> None:
        connection.send(begun)
        connection.hang()

    monkeypatch.setattr(fetch_module, "_LONGEST_WITHOUT_BYTES_S", 0.2)
    server.routes["GET /file"] = fall_silent
    error = failure(http, server.url + SIGNED, until(None))
    assert (type(error), error.recoverable) == (OdysseyConnectionTimeoutError, True)


def test_the_deadline_counts_where_there_is_one(server: HttpServer, http: HttpClient) -> None:
    server.routes["GET /file"] = dripping
    assert type(failure(http, server.url + SIGNED, until(0.1))) is OdysseyConnectionTimeoutError


def test_nothing_is_sent_when_the_time_is_over(server: HttpServer, http: HttpClient) -> None:
    assert failure(http, server.url + SIGNED, until(0)).code == "timeout"
    assert server.requests == []


@pytest.mark.parametrize("how", ["abort", "close"])
def test_it_ends_at_once_from_outside(server: HttpServer, http: HttpClient, how: str) -> None:
    asked, abort = threading.Event(), Abort()

    def hang(connection: Connection, _: Request) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf")
        asked.set()
        connection.hang()

    def end() -> None:
        asked.wait(10)
        (abort.abort if how == "abort" else http.close)()

    server.routes["GET /file"] = hang
    ending = threading.Thread(target=end)
    ending.start()
    with (
        pytest.raises(OdysseyConnectionError) as caught,
        fetch(http, server.url + SIGNED, {}, until(None), abort) as fetched,
    ):
        for _ in fetched.pieces:
            pass
    ending.join()
    assert caught.value.code == "closed"
