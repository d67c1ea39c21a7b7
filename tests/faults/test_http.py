"""REST against servers that misbehave byte by byte: typed errors, in time or at once when aborted, no secrets."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import logging
import signal
import threading
import traceback
import zlib
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import (
    MalformedMessageError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
)
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net.service_api import ServiceApi
from tests.support.apis import give_time
from tests.support.bombs import GZIP, MIB, zeros
from tests.support.leaks import nothing_left
from tests.support.processes import growing_timeouts
from tests.support.servers import Connection, HttpServer, Request, Server, answer, json_answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "ody_live_key-SECRET"
LONG = 30.0

Ask: TypeAlias = "Callable[[ServiceApi, str, Deadline, Abort | None], object]"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


def until(seconds: float = LONG) -> Deadline:
    return Deadline(seconds, MonotonicClock())


@contextlib.contextmanager
def transport(url: str, key: str = KEY) -> Iterator[ServiceApi]:
    with contextlib.closing(ServiceApi(ClientConfig(api_key=key, api_url=url), MonotonicClock())) as made:
        yield made


STEPS: dict[str, Ask] = {
    "POST /auth/token": lambda http, url, deadline, abort: http.access_token(deadline, abort=abort),
    "POST /sessions/request": lambda http, url, deadline, abort: http.request_session(deadline, abort=abort),
    "POST /sessions/token": lambda http, url, deadline, abort: http.session_token("s-1", deadline, abort=abort),
    "GET /config": lambda http, url, deadline, abort: http.signaling_config(
        f"{url}/config", deadline, abort=abort
    ),
}
every_step = pytest.mark.parametrize("route", STEPS)


def failure_of(route: str, server: HttpServer, *, seconds: float = LONG, key: str = KEY) -> OdysseyError:
    """Return the error of the call to ``route``."""
    with transport(server.url, key) as http, pytest.raises(OdysseyError) as caught:
        STEPS[route](http, server.url, until(seconds), None)
    return caught.value


# --- answers that are not HTTP


def raw(data: bytes) -> Callable[[Connection, Request], None]:
    """Return a reply that sends exactly ``data`` and closes."""
    return lambda connection, _: connection.send(data)


def reset(connection: Connection, _: Request) -> None:
    connection.reset()


def reset_in_body(connection: Connection, _: Request) -> None:
    connection.send(answer(b'{"access', length=500))
    connection.reset()


CUT = {
    "closed": raw(b""),
    "reset": reset,
    "reset in the body": reset_in_body,
    "cut in the body": raw(answer(b'{"session_id"', length=500)),
    "cut in a chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
    "cut between chunks": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
}


TWO = ("reset", "cut in the body")


@pytest.mark.parametrize(
    ("route", "fault"),
    # The client retries the other calls, which takes time, so two faults are enough for them.
    [(route, fault) for route in STEPS for fault in CUT if route == "POST /sessions/request" or fault in TWO],
)
def test_an_answer_that_is_cut_short_is_a_lost_connection(route: str, fault: str) -> None:
    with HttpServer({route: CUT[fault]}) as server:
        error = failure_of(route, server)
    assert type(error) is OdysseyConnectionError
    assert (error.code, error.operation, error.recoverable) == ("connection_lost", route, True)


NOT_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "binary": bytes(range(256)),
    "no status": b"HTTP/1.1 two hundred\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n"
    + b"".join(b"X-%d: a\r\n" % number for number in range(200))
    + b"\r\n",
    "a header that is too long": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
    "a chunk of no size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n",
    "cut in the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize("fault", NOT_HTTP)
def test_what_is_not_http_is_malformed_or_lost(fault: str) -> None:
    with HttpServer({"POST /auth/token": raw(NOT_HTTP[fault])}) as server:
        error = failure_of("POST /auth/token", server)
    assert isinstance(error, OdysseyConnectionError)
    assert error.code in ("malformed", "connection_lost")
    assert error.operation == "POST /auth/token"


# --- answers of the wrong shape

SHAPES = {
    "empty": b"",
    "html": b"<html>Welcome to the hotel's network</html>",
    "truncated": b'{"access_token": "a", "session_',
    "a list": b"[]",
    "a string": b'"text"',
    "null": b"null",
    "no fields": b"{}",
    "not a number": b'{"access_token": "a", "expires_in": NaN}',
    "a key twice": b'{"session_id": "a", "session_id": "b"}',
    "not utf-8": b'{"session_id": "\xff\xfe"}',
    "too deep": b"[" * 200_000,
    "more after it": b"{} {}",
}


TOLERATED = {
    ("POST /auth/token", "not a number"),
    *itertools.product(["GET /config"], ["no fields", "not a number", "a key twice", "not utf-8"]),
}
"""Flawed answers that a call accepts: a lifetime of 3600 s is assumed, and a session needs no ICE servers."""


@pytest.mark.parametrize(("route", "shape"), sorted({*itertools.product(STEPS, SHAPES)} - TOLERATED))
def test_an_answer_of_the_wrong_shape_names_the_call_and_the_problem(route: str, shape: str) -> None:
    with HttpServer({route: answer(SHAPES[shape])}) as server:
        error = failure_of(route, server)
    assert type(error) is MalformedMessageError
    assert str(error).startswith(f"{route}: Malformed ")
    assert error.problems
    assert (error.status, error.operation, error.recoverable) == (200, route, False)


@pytest.mark.parametrize(("route", "shape"), sorted(TOLERATED))
def test_what_a_call_can_do_without_does_not_fail_it(route: str, shape: str) -> None:
    with HttpServer({route: answer(SHAPES[shape])}) as server, transport(server.url) as http:
        assert STEPS[route](http, server.url, until(), None) == ("a" if route == "POST /auth/token" else ())


@pytest.mark.parametrize(
    ("route", "data", "field"),
    [
        ("POST /auth/token", {"token": "x"}, "access_token"),
        ("POST /auth/token", {"access_token": [5]}, "access_token"),
        ("POST /auth/token", {"access_token": True}, "access_token"),
        ("POST /auth/token", {"access_token": ""}, "access_token"),
        ("POST /auth/token", {"access_token": "two\r\nlines"}, "access_token"),
        ("POST /auth/token", {"access_token": "with blank"}, "access_token"),
        ("POST /auth/token", {"access_token": "ünusual"}, "access_token"),
        ("POST /sessions/request", {"session_id": "s"}, "signalling_url"),
        ("POST /sessions/request", {"session_id": None, "signalling_url": "x"}, "session_id"),
        ("POST /sessions/request", {"session_id": "s", "signalling_url": []}, "signalling_url"),
        ("POST /sessions/token", {"session_token": ["x"]}, "session_token"),
    ],
)
def test_a_field_of_the_wrong_shape_is_named(route: str, data: Any, field: str) -> None:
    with HttpServer({route: json_answer(data)}) as server:
        error = failure_of(route, server)
    assert type(error) is MalformedMessageError
    assert field.lower().replace("_", "") in str(error).lower().replace("_", "")


def test_no_content_is_malformed() -> None:
    with HttpServer({"POST /auth/token": b"HTTP/1.1 204 No Content\r\n\r\n"}) as server:
        assert type(failure_of("POST /auth/token", server)) is MalformedMessageError


def test_another_kind_of_content_makes_one_check_the_address() -> None:
    page = answer(b"<html>", Content_Type="text/html; charset=utf-8")
    with HttpServer({"POST /auth/token": page}) as server:
        assert str(failure_of("POST /auth/token", server)).endswith("is this the address of the API?")


# --- answers that are too large


def endless(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


LARGE: dict[str, Any] = {
    "as announced": answer(b" " * MIB),
    "without an end": endless,
    "when unpacked": answer(zeros(200, GZIP), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("fault", LARGE)
def test_an_answer_that_is_too_large_is_not_read_to_its_end(fault: str) -> None:
    with HttpServer({"GET /config": LARGE[fault]}) as server:
        error = failure_of("GET /config", server)
    assert type(error) is MalformedMessageError
    assert (error.code, error.status) == ("too_large", 200)
    assert "larger than 256 KiB" in str(error)


def test_an_answer_up_to_the_limit_is_read() -> None:
    servers = b'{"iceServers": []' + b" " * (MIB // 4 - 18) + b"}"
    assert len(servers) == MIB // 4
    with HttpServer({"GET /config": answer(servers)}) as server, transport(server.url) as http:
        assert http.signaling_config(f"{server.url}/config", until()) == ()


PACKED = gzip.compress(b'{"iceServers": []}', mtime=0)


@pytest.mark.parametrize(
    ("body", "coding", "problem"),
    [
        (b"plain", "gzip", "not valid gzip"),
        (PACKED[:10], "gzip", "cut short"),
        (PACKED + PACKED[:10], "gzip", "cut short"),
        (PACKED[:-8] + bytes(8), "gzip", "not valid gzip"),
        (gzip.compress(PACKED[:10], mtime=0), "gzip, gzip", "cut short"),
        (zlib.compress(b"{}")[:2], "deflate", "cut short"),
        (b"plain", "deflate", "not valid deflate"),
        (PACKED, "br", "not asked for: br"),
        (PACKED, "gzip, zstd", "not asked for: zstd"),
    ],
)
def test_an_answer_that_cannot_be_unpacked_is_malformed(body: bytes, coding: str, problem: str) -> None:
    with HttpServer({"GET /config": answer(body, Content_Encoding=coding)}) as server:
        error = failure_of("GET /config", server)
    assert type(error) is MalformedMessageError
    assert problem in str(error)


@pytest.mark.parametrize(
    ("body", "coding"), [(PACKED[:-4], "gzip"), (PACKED[:-8], "gzip"), (zlib.compress(b"{}")[:-2], "deflate")]
)
def test_an_answer_whose_checksum_is_missing_is_read(body: bytes, coding: str) -> None:
    packed = answer(body, Content_Encoding=coding)
    with HttpServer({"GET /config": packed}) as server, transport(server.url) as http:
        assert http.signaling_config(f"{server.url}/config", until()) == ()


def test_an_unpacked_answer_may_say_so() -> None:
    plain = answer(b'{"iceServers": []}', Content_Encoding="identity")
    with HttpServer({"GET /config": plain}) as server, transport(server.url) as http:
        assert http.signaling_config(f"{server.url}/config", until()) == ()


# --- servers that take their time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def dripping(at_once: bytes, dripped: bytes) -> Callable[[Connection, Request], None]:
    def reply(connection: Connection, _: Request) -> None:
        connection.send(at_once)
        connection.drip(dripped, every=0.05)

    return reply


SLOW: dict[str, Any] = {
    "silent": lambda connection, _: connection.hang(),
    "dripping the status": dripping(b"", HEAD * 10),
    "dripping the headers": dripping(HEAD[:20], HEAD * 10),
    "dripping the body": dripping(HEAD, b" " * 1000),
    "dripping a chunk": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n", b" " * 1000),
    "dripping chunks": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 200),
    "dripping until it closes": dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 1000),
    "dripping announcements": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
}


@pytest.mark.parametrize("fault", SLOW)
def test_a_call_ends_in_time_however_slowly_the_server_sends(fault: str) -> None:
    clock = MonotonicClock()
    with HttpServer({"POST /auth/token": SLOW[fault]}) as server:
        began = clock.now()
        error = failure_of("POST /auth/token", server, seconds=0.4)
        took = clock.now() - began
    assert type(error) is OdysseyConnectionTimeoutError
    assert (error.code, error.operation) == ("timeout", "POST /auth/token")
    assert str(error).endswith("gave no complete answer in time (0.4 s)")
    assert took < LONG  # the server would continue for 50 s


@every_step
def test_every_call_keeps_its_deadline(route: str) -> None:
    with HttpServer({route: SLOW["silent"]}) as server:
        error = failure_of(route, server, seconds=0.3)
    assert type(error) is OdysseyConnectionTimeoutError
    assert error.operation == route


def test_regions_that_take_too_long_are_passed_over() -> None:
    with HttpServer({"GET /regions": SLOW["dripping the body"]}) as server, transport(server.url) as http:
        assert http.region_latencies(until(0.3)) == {}


def test_ice_servers_are_not_waited_for_until_the_end_of_the_connect() -> None:
    with HttpServer({"GET /config": SLOW["silent"]}) as server:
        error = failure_of("GET /config", server, seconds=60)
    assert str(error).endswith("(3 s)")


def test_a_call_whose_time_is_over_sends_nothing() -> None:
    with HttpServer() as server:
        error = failure_of("GET /config", server, seconds=0)
        assert type(error) is OdysseyConnectionTimeoutError
        assert server.accepted == 0


# --- aborting


def abort_after(event: threading.Event, abort: Abort) -> None:
    """Abort from another thread once ``event`` is set."""

    def wait() -> None:
        event.wait(LONG)
        abort.abort()

    threading.Thread(target=wait).start()


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        (route, fault)
        for route in (*STEPS, "GET /regions", "GET /ping")
        for fault in ("silent", "dripping the headers", "dripping the body")
        if (route, fault) != ("GET /ping", "dripping the body")  # a ping ends with the headers
    ],
)
def test_an_abort_ends_a_call_at_once(route: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise the optional calls may give up before a busy machine gets to abort them.
    give_time(monkeypatch)
    abort, asked = Abort(), threading.Event()
    slow = SLOW[fault]

    def reply(connection: Connection, request: Request) -> None:
        asked.set()
        slow(connection, request)

    step = STEPS.get(route, lambda http, url, deadline, abort: http.region_latencies(deadline, abort=abort))
    raised: list[OdysseyError] = []

    def call() -> None:
        try:
            step(http, server.url, until(), abort)
        except OdysseyError as exc:
            raised.append(exc)

    with HttpServer({route: reply}) as server, transport(server.url) as http:
        thread = threading.Thread(target=call)
        thread.start()
        assert asked.wait(LONG)
        abort.abort()
        thread.join(LONG)
        assert not thread.is_alive()
    assert [(type(error), error.code) for error in raised] == [(OdysseyConnectionError, "closed")]


def test_an_abort_ends_only_the_calls_made_with_it() -> None:
    abort = Abort()
    abort.abort()
    with HttpServer() as server, transport(server.url) as http:
        with pytest.raises(OdysseyConnectionError) as caught:
            http.session_token("s-1", until(), abort=abort)
        assert caught.value.code == "closed"
        http.session_token("s-1", until(), abort=Abort())


def test_an_abort_ends_the_wait_before_a_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for a busy machine to abort the wait, and shorter than the deadline of the call.
    monkeypatch.setattr("odyssey_proto._net.http_exchange._REPEAT_AFTER_S", (LONG / 2,))
    abort = Abort()
    seen = threading.Event()

    def refuse(connection: Connection, _: Request) -> None:
        connection.send(answer(status="503 Busy"))
        seen.set()

    with HttpServer({"POST /auth/token": refuse}) as server, transport(server.url) as http:
        abort_after(seen, abort)
        with pytest.raises(OdysseyConnectionError):
            http.access_token(until(), abort=abort)
        assert len(server.requests) == 1


def error_over_tls(server: Server, *, seconds: float = LONG, abort: Abort | None = None) -> OdysseyError:
    """Return the error of requesting a token over HTTPS, whatever protocol the server speaks."""
    url = server.url.replace("http:", "https:")
    with transport(url) as http, pytest.raises(OdysseyError) as caught:
        http.access_token(until(seconds), abort=abort)
    return caught.value


def test_an_abort_ends_a_tls_handshake() -> None:
    abort, accepted = Abort(), threading.Event()

    def silent(connection: Connection) -> None:
        connection.read(1)
        accepted.set()
        connection.hang()

    with Server(silent) as server:
        abort_after(accepted, abort)
        error = error_over_tls(server, abort=abort)
    assert error.code == "closed"


def test_a_tls_handshake_keeps_the_deadline() -> None:
    def drip(connection: Connection) -> None:
        connection.read(1)
        connection.drip(b"\x16\x03\x03\x40\x00" + bytes(1000), every=0.05)

    with Server(drip) as server:
        error = error_over_tls(server, seconds=0.4)
    assert type(error) is OdysseyConnectionTimeoutError


@pytest.mark.parametrize("fault", ["silent", "dripping the headers", "dripping the body"])
def test_an_interrupt_ends_a_call_at_once_and_leaves_nothing(fault: str) -> None:
    main, slow = threading.main_thread(), SLOW[fault]

    def reply(connection: Connection, request: Request) -> None:
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        signal.pthread_kill(main.ident or 0, signal.SIGINT)
        slow(connection, request)

    replies: list[Any] = [reply, json_answer({"access_token": "at"})]
    with HttpServer({"POST /auth/token": replies}) as server, transport(server.url) as http:
        with pytest.raises(KeyboardInterrupt):
            http.access_token(until())
        assert http.access_token(until()) == "at"


# --- wrong hosts


def test_a_host_that_does_not_exist_is_reported_as_unknown() -> None:
    with transport("http://does-not-exist.invalid") as http, pytest.raises(OdysseyConnectionError) as caught:
        http.access_token(until())
    assert caught.value.code == "unknown_host"
    assert "does-not-exist.invalid cannot be found" in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with HttpServer(tls=self_signed(tmp_path).server) as server:
        error = failure_of("POST /auth/token", server)
        assert server.requests == []
    assert (error.code, error.recoverable) == ("untrusted_certificate", False)
    assert "REQUESTS_CA_BUNDLE" in str(error)


def test_a_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with Server(Connection.hang, tls=certificate.server, host="127.0.0.2") as server:  # not in the certificate
        assert error_over_tls(server).code == "untrusted_certificate"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_of_ones_own_can_be_trusted(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(certificate.path))
    with HttpServer(tls=certificate.server) as server, transport(server.url) as http:
        for _ in range(2):
            http.session_token("s-1", until())
        assert server.accepted == 1


@pytest.mark.parametrize("fault", ["silent", "dripping the headers", "dripping the body"])
def test_deadlines_hold_over_tls(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with HttpServer({"POST /auth/token": SLOW[fault]}, tls=certificate.server) as server:
        assert type(failure_of("POST /auth/token", server, seconds=0.4)) is OdysseyConnectionTimeoutError


def test_a_certificate_file_that_is_missing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with Server(Connection.hang) as server:
        assert "/nowhere/ca.pem" in str(error_over_tls(server))


def test_a_server_without_tls_is_reported() -> None:
    def plain(connection: Connection) -> None:
        connection.read(1)
        connection.send(answer(status="400 Bad Request"))

    with Server(plain) as server:
        error = error_over_tls(server)
    assert (error.code, error.recoverable) == ("tls", False)
    assert "no secure connection" in str(error)


# --- redirects


@every_step
@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"]
)
def test_a_redirect_to_nowhere_is_a_refusal(route: str, status: str) -> None:
    with HttpServer({route: answer(status=status)}) as server:
        error = failure_of(route, server)
        assert len(server.received(route)) == 1
    assert type(error) is OdysseyConnectionError
    assert (error.code, error.recoverable) == (f"http_{status[:3]}", False)
    assert f"{route}: the service redirects ({status[:3]})" in str(error)


# --- secrets


def told(error: BaseException) -> Iterator[str]:
    """Yield every text in which an exception and its causes can appear."""
    for link in (error, error.__cause__, error.__context__):
        if link is not None:
            yield from (str(link), repr(link), repr(link.args))
            yield from traceback.format_exception_only(link)
            yield from (repr(value) for value in vars(link).values() if not isinstance(value, BaseException))
            if link is not error:
                yield from told(link)


def echo(status: str) -> Callable[[Connection, Request], None]:
    """Return a reply that repeats everything the client sent, in every part of the answer."""

    def reply(connection: Connection, request: Request) -> None:
        said = f"{request.body.decode()} {request.headers.get('authorization')} {request.target}"
        connection.send(
            json_answer({"detail": said}, status, X_Request_Id=said, Location=said, Connection="close")
        )

    return reply


def echo_in_list(connection: Connection, request: Request) -> None:
    issue = {"loc": ["body", "api_key"], "msg": request.body.decode(), "type": "x", "input": request.body.decode()}
    connection.send(json_answer({"detail": [issue]}, "422 Unprocessable"))


def echo_as_usage(connection: Connection, request: Request) -> None:
    said = f"{request.body.decode()} {request.headers.get('authorization')}"
    connection.send(json_answer({"code": "RATE_LIMITED", "message": said, "action": said}, "429 Slow"))


def echo_in_status(connection: Connection, request: Request) -> None:
    said = f"{request.headers.get('authorization')} {request.body.decode()}".replace("\n", "")
    connection.send(answer(status=f"400 {said}"))


def echo_as_garbage(connection: Connection, request: Request) -> None:
    connection.send(f"{request.headers.get('authorization')} {request.body.decode()}\r\n\r\n".encode())


def echo_as_success(connection: Connection, request: Request) -> None:
    connection.send(json_answer({request.body.decode(): request.headers.get("authorization")}))


LEAKY: dict[str, Any] = {
    **{f"echo {status}": echo(f"{status} X") for status in (307, 400, 401, 403, 404, 422, 429, 500, 503)},
    "echo in a list": echo_in_list,
    "echo as a usage error": echo_as_usage,
    "echo in the status": echo_in_status,
    "echo as garbage": echo_as_garbage,
    "echo as success": echo_as_success,
    "reset": reset,
    "silence": SLOW["silent"],
}


FAILING = [pair for pair in itertools.product(STEPS, LEAKY) if pair != ("GET /config", "echo as success")]


@pytest.mark.parametrize(("route", "fault"), FAILING)
@pytest.mark.parametrize("key", ["ody_live_SECRET-1", "SECRET_without_prefix"])
def test_no_failure_reveals_a_secret(
    route: str, fault: str, key: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("odyssey_proto._net.http_exchange._REPEAT_AFTER_S", (0.01, 0.01))
    give_time(monkeypatch)
    granted = json_answer({"access_token": "at-SECRET", "expires_in": 3600})
    routes: dict[str, Any] = {"POST /auth/token": granted, route: LEAKY[fault]}
    with HttpServer(routes) as server:
        for seconds in growing_timeouts(0.35) if fault == "silence" else (LONG,):
            error = failure_of(route, server, key=key, seconds=seconds)
            if server.received(route):
                break
        assert server.received(route)
    texts = [*told(error), *(record.getMessage() for record in caplog.records)]
    assert not [text for text in texts if "SECRET" in text]
    assert "\n" not in str(error)
    assert len(str(error)) < 600
