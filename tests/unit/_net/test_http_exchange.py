"""HTTP exchanges with a raw-socket server: what is sent, read, decompressed, repeated and logged."""

from __future__ import annotations

import contextlib
import errno
import gzip
import logging
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.errors import OdysseyConnectionError, OdysseyError, OdysseyNotFoundError, usage_error
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net import http_exchange
from odyssey_proto._net.regions import UNREACHED_MS
from odyssey_proto._net.service_api import ServiceApi
from tests.support.apis import KEY, reset, until
from tests.support.ports import refusing_port
from tests.support.servers import Connection, HttpServer, Request, answer, json_answer
from tests.support.systems import NEEDS_FORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# --- one exchange


def test_a_call_without_a_limit_is_answered_too(api: ServiceApi) -> None:
    assert api.session_token("s-1", until(None)).session_token == "st-secret-1"


def test_the_calls_of_one_thread_share_a_connection(server: HttpServer, api: ServiceApi) -> None:
    for _ in range(3):
        api.session_token("s-1", until())
    assert server.accepted == 1


def test_many_threads_call_at_once(server: HttpServer, api: ServiceApi) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda number: api.session_token(f"s-{number}", until()).session_token, range(64)))
    assert set(tokens) == {"st-secret-1"}
    asked = {request.json()["session_id"] for request in server.received("POST /sessions/token")}
    assert asked == {f"s-{number}" for number in range(64)}


def test_a_compressed_answer_is_read(server: HttpServer, api: ServiceApi) -> None:
    packed = gzip.compress(b'{"session_token": "packed"}')
    server.routes["POST /sessions/token"] = answer(packed, Content_Encoding="gzip")
    assert api.session_token("s-1", until()).session_token == "packed"
    assert server.received("POST /sessions/token")[0].headers["accept-encoding"] == "gzip"


TOKEN = b'{"session_token": "packed"}'


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        pytest.param(gzip.compress(TOKEN[:9]) + gzip.compress(TOKEN[9:]), "gzip", id="two members"),
        pytest.param(gzip.compress(TOKEN), "x-gzip", id="x-gzip"),
        pytest.param(gzip.compress(gzip.compress(TOKEN)), "gzip, gzip", id="gzip twice"),
        pytest.param(gzip.compress(TOKEN), "gzip, identity", id="gzip and identity"),
        pytest.param(zlib.compress(TOKEN), "deflate", id="deflate"),
        pytest.param(zlib.compress(TOKEN, wbits=-15), "deflate", id="raw deflate"),
        pytest.param(TOKEN, "gzip", id="not gzip at all"),
        pytest.param(TOKEN, "deflate", id="not deflate at all"),
        *(pytest.param(TOKEN, coding, id=coding) for coding in ("UTF-8", "none", "binary", "aws-chunked", ",")),
    ],
)
def test_an_answer_is_read_however_it_is_packed_and_labelled(
    server: HttpServer, api: ServiceApi, body: bytes, coding: str
) -> None:
    server.routes["POST /sessions/token"] = answer(body, Content_Encoding=coding)
    assert api.session_token("s-1", until()).session_token == "packed"


def test_codings_in_two_headers_are_one_list(server: HttpServer, api: ServiceApi) -> None:
    body = gzip.compress(zlib.compress(TOKEN))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}"
    server.routes["POST /sessions/token"] = head.encode() + b"\r\n\r\n" + body
    assert api.session_token("s-1", until()).session_token == "packed"


def test_a_packed_answer_may_come_in_chunks(server: HttpServer, api: ServiceApi) -> None:
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in gzip.compress(TOKEN)) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.routes["POST /sessions/token"] = head + chunks
    assert api.session_token("s-1", until()).session_token == "packed"


@pytest.mark.parametrize(
    "kind", [None, "", "text/html", "application/json; charset=latin-1", "application/octet-stream", "json", ";"]
)
def test_an_answer_is_read_whatever_it_is_said_to_be(
    server: HttpServer, api: ServiceApi, kind: str | None
) -> None:
    headers = {} if kind is None else {"Content_Type": kind}
    server.routes["POST /sessions/token"] = answer(TOKEN, **headers)
    assert api.session_token("s-1", until()).session_token == "packed"


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        pytest.param(b"\x0b\x02\x80<html>\x03", "br", id="brotli"),
        pytest.param(gzip.compress(b" ")[:-1], "gzip", id="cut short"),
        pytest.param(b" " * 5_000_000, "identity", id="too large"),
    ],
)
def test_a_refusal_whose_body_cannot_be_read_is_a_refusal(
    server: HttpServer, api: ServiceApi, body: bytes, coding: str
) -> None:
    good = server.routes["POST /sessions/token"]
    bad = answer(body, "503 Service Unavailable", Content_Encoding=coding, Connection="close")
    server.routes["POST /sessions/token"] = [bad, good]  # type: ignore[list-item]  # bytes
    assert api.session_token("s-1", until()).session_token == "st-secret-1"


@pytest.mark.parametrize(
    "body", [b"", b'{"detail": "unkn', b"10\r\nabc"], ids=["nothing", "a part", "a part of a chunk"]
)
def test_a_refusal_whose_body_does_not_come_is_a_refusal(server: HttpServer, api: ServiceApi, body: bytes) -> None:
    coding = b"Transfer-Encoding: chunked" if body.startswith(b"10") else b"Content-Length: 50"

    def refuse(connection: Connection, _: Request) -> None:
        connection.send(b"HTTP/1.1 404 Not Found\r\n" + coding + b"\r\n\r\n" + body)
        connection.hang()

    server.routes["GET /recordings/st-1"] = refuse
    with pytest.raises(OdysseyNotFoundError, match=r"the id is unknown: Not Found$"):
        api.recording("st-1", until())


def test_a_refusal_that_is_cut_short_is_a_refusal(server: HttpServer, api: ServiceApi) -> None:
    cut = answer(b'{"detail": "unkn', "404 Not Found", length=50, Connection="close")
    server.routes["GET /recordings/st-1"] = cut
    with pytest.raises(OdysseyNotFoundError):
        api.recording("st-1", until())
    assert len(server.received("GET /recordings/st-1")) == 1


ANNOUNCED = {
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "processing": b"HTTP/1.1 102 Processing\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
    "twice": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2,
    "all": b"HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nX: y\r\n\r\nHTTP/1.1 100 C\r\n\r\n",
    "unknown": b"HTTP/1.1 199 Soon\r\n\r\n",
}


@pytest.mark.parametrize("what", ANNOUNCED)
def test_what_announces_an_answer_is_not_the_answer(server: HttpServer, api: ServiceApi, what: str) -> None:
    for route in ("POST /auth/token", "GET /ping"):
        good = server.routes[route]
        assert isinstance(good, bytes)
        server.routes[route] = ANNOUNCED[what] + good
    assert api.access_token(until()) == "at-secret-1"
    assert api.region_latencies(until())["here"] < UNREACHED_MS
    assert api.session_token("s-1", until()).session_token == "st-secret-1"


@pytest.mark.parametrize(
    "odd",
    [b"no field\r\n", b" folded\r\n", b"X A: b\r\n", b"X-A : b\r\n", b"X-A: Z\xfcrich \xc3\x85 \x85\r\n"],
    ids=["no field", "a fold of nothing", "two words", "a space before the colon", "Latin-1"],
)
def test_odd_lines_of_a_head_do_not_hide_the_length(server: HttpServer, api: ServiceApi, odd: bytes) -> None:
    def answer_oddly(connection: Connection, _: Request) -> None:
        head, _, rest = answer(TOKEN).partition(b"\r\n")
        connection.send(head + b"\r\n" + odd + rest)
        connection.hang()  # a client that has missed the length would wait for more

    server.routes["POST /sessions/token"] = answer_oddly
    assert api.session_token("s-1", until()).session_token == "packed"


@pytest.mark.parametrize("line", [b"HTTP/2 200 OK", b"HTTP/2.0 200", b"\r\nHTTP/1.1 200 OK"])
def test_odd_status_lines_are_read(server: HttpServer, api: ServiceApi, line: bytes) -> None:
    server.routes["POST /sessions/token"] = line + b"\r\n" + answer(TOKEN).partition(b"\r\n")[2]
    assert api.session_token("s-1", until()).session_token == "packed"


def test_a_transfer_that_is_packed_and_chunked_is_read(server: HttpServer, api: ServiceApi) -> None:
    packed = gzip.compress(TOKEN)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    server.routes["POST /sessions/token"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunks
    assert api.session_token("s-1", until()).session_token == "packed"


def test_what_is_sent_and_answered_is_logged_without_bodies_and_queries(
    server: HttpServer, api: ServiceApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="odyssey_proto")
    api.access_token(until())
    server.routes["GET /ice"] = server.routes["GET /config"]
    api.signaling_config(server.url + "/ice?token=secret", until())
    ours = [record.getMessage() for record in caplog.records if record.name == "odyssey_proto.http"]
    assert [message.partition(" after ")[0] for message in ours] == ["POST /auth/token: 200", "GET /ice: 200"]


# --- repeating

PASSING = ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"]


@pytest.mark.parametrize("fault", [*(answer(status=status) for status in PASSING), reset])
@pytest.mark.parametrize(
    ("route", "ask"),
    [
        ("POST /auth/token", lambda api, url: api.access_token(until())),
        ("POST /sessions/token", lambda api, url: api.session_token("s-1", until())),
        ("GET /config", lambda api, url: api.signaling_config(f"{url}/config", until())),
    ],
)
def test_a_harmless_call_is_repeated_after_a_failure_that_may_pass(
    server: HttpServer, api: ServiceApi, route: str, ask: Callable[..., object], fault: Any
) -> None:
    good = server.routes[route]
    assert isinstance(good, bytes)
    server.routes[route] = [fault, good]
    ask(api, server.url)
    assert len(server.received(route)) == 2


def test_a_call_is_repeated_twice_and_not_more(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /sessions/token"] = answer(status="503 Service Unavailable")
    with pytest.raises(OdysseyConnectionError, match="503"):
        api.session_token("s-1", until())
    assert len(server.received("POST /sessions/token")) == 3


def test_a_call_is_not_repeated_when_its_time_would_be_over(
    server: HttpServer, api: ServiceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_exchange, "_REPEAT_AFTER_S", (60.0,))
    server.routes["POST /sessions/token"] = answer(status="503 Service Unavailable")
    with pytest.raises(OdysseyConnectionError, match="503"):
        api.session_token("s-1", until(30.0))
    assert len(server.received("POST /sessions/token")) == 1


def failed(status: int | None, retry_after: float | None = None, *, recoverable: bool = True) -> OdysseyError:
    return OdysseyConnectionError("x", status=status, retry_after=retry_after, recoverable=recoverable)


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        pytest.param(failed(None), 0.2, 0.25, id="no answer"),
        pytest.param(failed(502), 0.2, 0.25, id="502"),
        pytest.param(failed(503, 4.0), 4.0, 5.0, id="a wait is kept to"),
        pytest.param(failed(429, 4.0), 4.0, 5.0, id="429 too"),
        pytest.param(failed(429, 0.0), 0.2, 0.25, id="at once is not"),
        pytest.param(failed(429, 60.0), 60.0, 62.0, id="the longest wait, little jittered"),
    ],
)
def test_a_repetition_waits_as_long_as_the_service_asks_and_a_little_more(
    error: OdysseyError, least: float, most: float
) -> None:
    pauses = {http_exchange._pause(error, 0.2) for _ in range(200)}
    assert all(pause is not None and least <= pause <= most for pause in pauses)
    assert len(pauses) > 1


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(failed(429), id="429 that says not when"),
        pytest.param(failed(429, 60.1), id="a wait over the cap"),
        pytest.param(failed(503, 3600.0), id="503 too"),
        pytest.param(failed(500), id="500"),
        pytest.param(failed(None, recoverable=False), id="what does not pass"),
        pytest.param(usage_error("RATE_LIMITED", "x", status=429, retry_after=1.0), id="a usage error"),
    ],
)
def test_what_is_not_repeated(error: OdysseyError) -> None:
    assert http_exchange._pause(error, 0.2) is None
    assert http_exchange._pause(failed(503), None) is None


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "429 Too Many Requests", "500 Oops"])
def test_other_refusals_are_not_repeated(server: HttpServer, api: ServiceApi, status: str) -> None:
    server.routes["GET /config"] = answer(status=status)
    with pytest.raises(OdysseyConnectionError):
        api.signaling_config(server.url + "/config", until())
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [*(answer(status=status) for status in PASSING), reset])
def test_a_request_for_a_session_is_never_repeated(server: HttpServer, api: ServiceApi, fault: Any) -> None:
    server.routes["POST /sessions/request"] = fault
    with pytest.raises(OdysseyConnectionError):
        api.request_session(until())
    assert len(server.received("POST /sessions/request")) == 1


# --- proxies, passwords, cookies


def test_a_password_file_does_not_replace_the_token(
    server: HttpServer, api: ServiceApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api.session_token("s-1", until())
    assert "authorization" not in server.received("POST /auth/token")[0].headers
    assert server.received("POST /sessions/token")[0].headers["authorization"] == "Bearer at-secret-1"


def test_cookies_are_not_kept(server: HttpServer, api: ServiceApi) -> None:
    server.routes["GET /config"] = json_answer({"iceServers": []}, Set_Cookie="id=1; Path=/")
    for _ in range(2):
        assert api.signaling_config(server.url + "/config", until()) == ()
    assert not any("cookie" in request.headers for request in server.requests)


def test_this_machine_is_reached_directly_whatever_the_proxy(
    api: ServiceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert api.access_token(until()) == "at-secret-1"


@pytest.fixture
def proxied(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceApi]:
    """Yield a client of a service that can be reached only through ``server`` as its proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, server.url.replace("//", "//user:proxy-secret@"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    config = ClientConfig(api_key=KEY, api_url="http://service.invalid")
    with contextlib.closing(ServiceApi(config, MonotonicClock())) as made:
        yield made


def test_another_host_is_reached_through_the_environments_proxy(server: HttpServer, proxied: ServiceApi) -> None:
    server.routes["POST http://service.invalid/auth/token"] = json_answer({"access_token": "at"})
    assert proxied.access_token(until()) == "at"
    assert server.requests[0].headers["proxy-authorization"].startswith("Basic ")


def test_a_proxy_that_refuses_a_tunnel_is_named_in_the_error(server: HttpServer, proxied: ServiceApi) -> None:
    server.routes["CONNECT service.invalid:443"] = answer(status="407 Proxy Authentication Required")
    with pytest.raises(OdysseyConnectionError, match=r"the proxy 127\.0\.0\.1:\d+ requires .*407") as caught:
        proxied.signaling_config("https://service.invalid/config", until(5))
    assert "proxy-secret" not in str(caught.value)
    assert (caught.value.code, caught.value.recoverable) == ("proxy", False)
    assert len(server.requests) == 1


def test_a_proxy_that_refuses_a_request_without_tls_is_named_in_the_error(
    server: HttpServer, proxied: ServiceApi
) -> None:
    server.routes["POST http://service.invalid/auth/token"] = answer(status="407 Proxy Authentication Required")
    with pytest.raises(OdysseyConnectionError, match=r"the proxy 127\.0\.0\.1:\d+ requires .*407") as caught:
        proxied.access_token(until(5))
    assert (caught.value.code, caught.value.recoverable) == ("proxy", False)
    assert len(server.requests) == 1


# --- ends


def test_a_closed_transport_refuses_at_once(server: HttpServer, api: ServiceApi) -> None:
    api.access_token(until())
    api.region_latencies(until())
    api.close()
    api.close()
    for ask in (
        lambda: api.access_token(until()),
        lambda: api.request_session(until()),
        lambda: api.session_token("s-1", until()),
        lambda: api.signaling_config(server.url + "/config", until()),
    ):
        with pytest.raises(OdysseyConnectionError) as caught:
            ask()
        assert caught.value.code == "closed"


def test_closing_ends_the_calls_of_other_threads(server: HttpServer, api: ServiceApi) -> None:
    asked = threading.Event()

    def hang(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hang()

    server.routes["POST /auth/token"] = hang
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(api.access_token, until())
        assert asked.wait(10)
        api.close()
        error = call.exception(10)
    assert isinstance(error, OdysseyConnectionError)
    assert error.code == "closed"


FORKING = """
import os, sys
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net.service_api import ServiceApi

clock = MonotonicClock()
closed = ServiceApi(ClientConfig(api_key="ody_x", api_url=sys.argv[1]), clock)
closed.close()
api = ServiceApi(ClientConfig(api_key="ody_x", api_url=sys.argv[1]), clock)
api.session_token("before", Deadline(10, clock))
if os.fork() == 0:
    api.session_token("child", Deadline(10, clock))
    try:
        closed.session_token("closed", Deadline(10, clock))
    except ConnectionError as exc:
        assert exc.code == "closed"
        os._exit(0)
    os._exit(7)
status = os.waitstatus_to_exitcode(os.wait()[1])
api.session_token("parent", Deadline(10, clock))
api.close()
sys.exit(status)
"""


@NEEDS_FORK
def test_after_a_fork_both_processes_go_on_with_connections_of_their_own(server: HttpServer) -> None:
    script = [sys.executable, "-W", "error", "-c", FORKING, server.url]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(server.received("POST /auth/token")) == 1  # the token outlives the fork
    assert server.accepted == 2


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.EPIPE, errno.EPROTOTYPE])
def test_a_connection_that_is_reset_while_opening_is_reported_as_lost(
    server: HttpServer, api: ServiceApi, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def reset(*_: object) -> None:
        raise OSError(number, "reset")

    # Which error an aborted connect raises depends on timing, so no server can provoke these reliably.
    monkeypatch.setattr("odyssey_proto._net.sockets.dial", reset)
    with pytest.raises(OdysseyConnectionError) as caught:
        api.access_token(until())
    assert caught.value.code == "connection_lost"
    assert server.accepted == 0


def test_idle_connections_that_are_dropped_are_not_used_again(server: HttpServer, api: ServiceApi) -> None:
    for _ in range(2):
        api.session_token("s-1", until())
    assert server.accepted == 1
    api.http.drop_idle()
    api.session_token("s-1", until())
    assert server.accepted == 2


def test_a_transport_that_is_forgotten_leaves_nothing(server: HttpServer) -> None:
    ServiceApi(ClientConfig(api_key=KEY, api_url=server.url), MonotonicClock()).access_token(until())


def test_a_server_that_is_gone_is_reported_as_refusing_connections() -> None:
    with (
        refusing_port() as port,
        contextlib.closing(
            ServiceApi(ClientConfig(api_key=KEY, api_url=f"http://127.0.0.1:{port}"), MonotonicClock())
        ) as api,
        pytest.raises(OdysseyConnectionError, match="refuses connections") as caught,
    ):
        api.access_token(until())
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
