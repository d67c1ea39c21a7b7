"""The REST calls against a server of raw sockets: what is sent, what comes back, and what a refusal means."""

from __future__ import annotations

import contextlib
import errno
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import __version__
from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import (
    AccountSuspendedError,
    ConcurrentLimitReachedError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    RateLimitError,
    usage_error,
)
from odyssey_proto._base.secrets import Secret
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net import http_exchange as http_module
from odyssey_proto._net.service_api import ServiceApi
from tests.faults.leaks import nothing_left
from tests.faults.servers import Connection, HttpServer, Request, Server, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from odyssey_proto._base.clock import Clock

KEY = "ody_live_secret-key-1"
LONG = 30.0


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


def until(seconds: float | None = LONG) -> Deadline:
    return Deadline(seconds, MonotonicClock())


@contextlib.contextmanager
def transport(server: HttpServer, *, clock: Clock | None = None, api_key: str = KEY) -> Iterator[ServiceApi]:
    """A transport of a client of ``server``."""
    config = ClientConfig(api_key=api_key, api_url=server.url)
    with contextlib.closing(ServiceApi(config, clock or MonotonicClock())) as made:
        yield made


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as made:
        yield made


@pytest.fixture
def http(server: HttpServer) -> Iterator[ServiceApi]:
    with transport(server) as made:
        yield made


class SetClock:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


# --- the calls


def test_a_key_is_exchanged_for_a_token(server: HttpServer, http: ServiceApi) -> None:
    token = http.access_token(until())
    assert (token, type(token)) == ("at-secret-1", Secret)
    (request,) = server.requests
    assert request.json() == {"api_key": KEY}
    assert request.headers["user-agent"] == f"odyssey-proto/{__version__}"
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers


def test_a_session_is_requested_with_the_token_and_the_latencies(server: HttpServer, http: ServiceApi) -> None:
    session = http.request_session(until())
    assert (session.session_id, session.signalling_url, session.capabilities) == ("s-1", server.url, None)
    (request,) = server.received("POST /sessions/request")
    assert request.headers["authorization"] == "Bearer at-secret-1"
    assert list(request.json()["region_latencies"]) == ["here"]


def test_a_session_is_requested_without_latencies_when_there_are_no_regions(
    http: ServiceApi, server: HttpServer
) -> None:
    server.routes["GET /regions"] = answer(status="500 Oops")
    http.request_session(until())
    (request,) = server.received("POST /sessions/request")
    assert request.json() == {}


def test_a_session_token_is_requested(server: HttpServer, http: ServiceApi) -> None:
    token = http.session_token("s-1", until())
    assert (token.session_token, token.expires_in) == ("st-secret-1", 600)
    (request,) = server.received("POST /sessions/token")
    assert request.json() == {"session_id": "s-1"}
    assert request.headers["authorization"] == "Bearer at-secret-1"


def test_the_ice_servers_are_fetched_without_the_token(server: HttpServer, http: ServiceApi) -> None:
    http.access_token(until())
    (ice,) = http.signaling_config(server.url + "/config", until())
    assert ice.urls == "stun:stun.example:3478"
    (request,) = server.received("GET /config")
    assert "authorization" not in request.headers


def test_a_call_without_a_limit_is_answered_too(http: ServiceApi) -> None:
    assert http.session_token("s-1", until(None)).session_token == "st-secret-1"


def test_the_calls_of_one_thread_share_a_connection(server: HttpServer, http: ServiceApi) -> None:
    for _ in range(3):
        http.session_token("s-1", until())
    assert server.accepted == 1


def test_many_threads_call_at_once(server: HttpServer, http: ServiceApi) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda number: http.session_token(f"s-{number}", until()).session_token, range(64)))
    assert set(tokens) == {"st-secret-1"}
    asked = {request.json()["session_id"] for request in server.received("POST /sessions/token")}
    assert asked == {f"s-{number}" for number in range(64)}


def test_a_compressed_answer_is_read(server: HttpServer, http: ServiceApi) -> None:
    import gzip

    packed = gzip.compress(b'{"session_token": "packed"}')
    server.routes["POST /sessions/token"] = answer(packed, Content_Encoding="gzip")
    assert http.session_token("s-1", until()).session_token == "packed"
    assert server.received("POST /sessions/token")[0].headers["accept-encoding"] == "gzip"


def test_unknown_fields_are_ignored(server: HttpServer, http: ServiceApi) -> None:
    server.routes["POST /sessions/token"] = json_answer({"session_token": "x", "expires_in": None, "new": [1]})
    assert http.session_token("s-1", until()).session_token == "x"


def test_what_is_sent_and_answered_is_logged_without_bodies_and_queries(
    server: HttpServer, http: ServiceApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="odyssey_proto")
    http.access_token(until())
    server.routes["GET /ice"] = server.routes["GET /config"]
    http.signaling_config(server.url + "/ice?token=secret", until())
    ours = [record.getMessage() for record in caplog.records if record.name == "odyssey_proto.http"]
    assert [message.partition(" after ")[0] for message in ours] == ["POST /auth/token: 200", "GET /ice: 200"]


# --- the access token


def test_a_token_is_used_until_a_minute_before_its_end(server: HttpServer) -> None:
    clock = SetClock()
    with transport(server, clock=clock) as http:
        http.access_token(until())
        clock.at += 3539
        http.access_token(until())
        assert len(server.requests) == 1
        clock.at += 2
        http.access_token(until())
        assert len(server.requests) == 2


def test_a_token_without_a_lifetime_lasts_an_hour(server: HttpServer) -> None:
    server.routes["POST /auth/token"] = json_answer({"access_token": "at"})
    clock = SetClock()
    with transport(server, clock=clock) as http:
        http.access_token(until())
        clock.at += 3539
        http.access_token(until())
        assert len(server.requests) == 1
        clock.at += 2
        http.access_token(until())
        assert len(server.requests) == 2


def test_a_token_that_hardly_lasts_is_fetched_for_each_call(server: HttpServer, http: ServiceApi) -> None:
    server.routes["POST /auth/token"] = json_answer({"access_token": "at", "expires_in": 60})
    http.session_token("s-1", until())
    http.session_token("s-1", until())
    assert len(server.received("POST /auth/token")) == 2


def test_threads_that_need_a_token_at_once_fetch_one(server: HttpServer, http: ServiceApi) -> None:
    together = threading.Barrier(8)

    def slowly(connection: Connection, _: Request) -> None:
        connection.pause(0.2)
        connection.send(json_answer({"access_token": "at", "expires_in": 3600}))

    server.routes["POST /auth/token"] = slowly

    def ask(_: int) -> str:
        together.wait(10)
        return http.access_token(until())

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"at"}
    assert len(server.requests) == 1


def test_a_thread_that_waits_for_anothers_token_takes_over_when_that_one_gives_up(
    server: HttpServer, http: ServiceApi
) -> None:
    asked, abort = threading.Event(), Abort()

    def hang(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hang()

    server.routes["POST /auth/token"] = [hang, json_answer({"access_token": "at"})]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(http.access_token, until(), abort=abort)
        assert asked.wait(10)
        second = pool.submit(http.access_token, until())
        abort.abort()
        assert isinstance(first.exception(10), OdysseyConnectionError)
        assert second.result(10) == "at"


def test_a_thread_that_waits_for_anothers_token_keeps_its_own_deadline(
    server: HttpServer, http: ServiceApi
) -> None:
    asked, abort = threading.Event(), Abort()

    def hang(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hang()

    server.routes["POST /auth/token"] = hang
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(http.access_token, until(), abort=abort)
        assert asked.wait(10)
        with pytest.raises(TimeoutError):
            http.access_token(until(0.1))
        abort.abort()
        assert first.exception(10) is not None


def test_a_token_that_is_revoked_early_is_renewed_once(server: HttpServer, http: ServiceApi) -> None:
    server.routes["POST /auth/token"] = [json_answer({"access_token": name}) for name in ("old", "new")]
    refused = json_answer({"detail": "token revoked"}, "401 Unauthorized")
    granted = json_answer({"session_id": "s-1", "signalling_url": "wss://x.example"})
    server.routes["POST /sessions/request"] = [refused, granted]
    assert http.request_session(until()).session_id == "s-1"
    bearers = [request.headers["authorization"] for request in server.received("POST /sessions/request")]
    assert bearers == ["Bearer old", "Bearer new"]


def test_a_token_that_is_refused_twice_is_an_error(server: HttpServer, http: ServiceApi) -> None:
    server.routes["POST /sessions/token"] = json_answer({"detail": "no such token"}, "401 Unauthorized")
    with pytest.raises(
        OdysseyAuthError, match="POST /sessions/token: the access token was refused: no such token"
    ):
        http.session_token("s-1", until())
    assert len(server.received("POST /sessions/token")) == 2
    assert len(server.received("POST /auth/token")) == 2


def test_a_refused_key_is_not_tried_again(server: HttpServer, http: ServiceApi) -> None:
    server.routes["POST /auth/token"] = answer(status="401 Unauthorized")
    with pytest.raises(OdysseyAuthError):
        http.access_token(until())
    assert len(server.requests) == 1


@pytest.mark.parametrize("key", [None, "", "  ", "ody_with blank", "ody_\n", "ody_ü"])
def test_nothing_is_sent_without_a_usable_key(
    server: HttpServer, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    config = ClientConfig(api_key=key, api_url=server.url)
    with contextlib.closing(ServiceApi(config, MonotonicClock())) as http, pytest.raises(OdysseyAuthError):
        http.access_token(until())
    assert server.accepted == 0


# --- refusals

SUSPENDED = {"error": "ACCOUNT_SUSPENDED", "message": "Your account is suspended.", "action": "Contact support"}
BUSY = {"error": "CONCURRENT_LIMIT_REACHED", "message": "One session at a time.", "action": "Close the other"}
LIMITED = {
    "code": "RATE_LIMITED",
    "message": "Slow down.",
    "action": "Wait",
    "details": {"retry_after_seconds": 3},
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, {"detail": "unknown key"}, OdysseyAuthError, "Invalid API key"),
        (403, {"detail": "account under review"}, OdysseyAuthError, "API key access denied: account under review"),
        (403, {"detail": SUSPENDED}, AccountSuspendedError, "Your account is suspended."),
        (403, SUSPENDED, AccountSuspendedError, "Your account is suspended."),
        (
            422,
            {"detail": [{"loc": ["body", "api_key"], "msg": "must begin with ody_", "type": "value_error"}]},
            OdysseyAuthError,
            "Invalid API key format: must begin with ody_",
        ),
        (429, LIMITED, RateLimitError, "Slow down."),
        (
            429,
            {"detail": "too many"},
            OdysseyConnectionError,
            "POST /auth/token: the service answered 429: too many",
        ),
        (500, {"detail": "oops"}, OdysseyConnectionError, "POST /auth/token: the service answered 500: oops"),
    ],
)
def test_a_key_can_be_refused_in_many_ways(
    server: HttpServer, http: ServiceApi, status: int, body: Any, kind: type[OdysseyError], text: str
) -> None:
    server.routes["POST /auth/token"] = json_answer(body, f"{status} X", X_Request_Id="req-7")
    with pytest.raises(kind) as caught:
        http.access_token(until())
    error = caught.value
    assert type(error) is kind
    assert str(error).startswith(text)
    assert (error.status, error.operation, error.request_id) == (status, "POST /auth/token", "req-7")


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            401,
            {"detail": "expired"},
            OdysseyAuthError,
            "POST /sessions/request: the access token was refused: expired",
        ),
        (403, {"detail": "no plan"}, OdysseyAuthError, "POST /sessions/request: access denied: no plan"),
        (429, {"detail": BUSY}, ConcurrentLimitReachedError, "One session at a time."),
        (503, {"detail": "none"}, OdysseyConnectionError, "No streamers available"),
        (418, None, OdysseyConnectionError, "POST /sessions/request: the service answered 418: X"),
    ],
)
def test_a_session_can_be_refused_in_many_ways(
    server: HttpServer, http: ServiceApi, status: int, body: Any, kind: type[OdysseyError], text: str
) -> None:
    server.routes["POST /sessions/request"] = json_answer(body, f"{status} X")
    with pytest.raises(kind) as caught:
        http.request_session(until())
    assert type(caught.value) is kind
    assert str(caught.value).startswith(text)


def test_no_free_streamer_is_told_by_a_code_and_asked_for_once(server: HttpServer, http: ServiceApi) -> None:
    server.routes["POST /sessions/request"] = answer(status="503 Busy", Retry_After="2")
    with pytest.raises(OdysseyConnectionError) as caught:
        http.request_session(until())
    error = caught.value
    assert (error.code, error.status, error.recoverable, error.retry_after) == ("no_streamers", 503, True, 2.0)
    assert len(server.received("POST /sessions/request")) == 1


def test_an_unknown_session_is_told_with_its_id(server: HttpServer, http: ServiceApi) -> None:
    server.routes["POST /sessions/token"] = json_answer({"detail": "not found"}, "404 Not Found")
    with pytest.raises(OdysseyConnectionError, match="The session is unknown") as caught:
        http.session_token("s-9", until())
    error = caught.value
    assert (error.code, error.status, error.session_id, error.recoverable) == (
        "unknown_session",
        404,
        "s-9",
        False,
    )


# --- repeating

PASSING = ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"]


def reset(connection: Connection, _: Request) -> None:
    connection.reset()


@pytest.mark.parametrize("fault", [*(answer(status=status) for status in PASSING), reset])
@pytest.mark.parametrize(
    ("route", "ask"),
    [
        ("POST /auth/token", lambda http, url: http.access_token(until())),
        ("POST /sessions/token", lambda http, url: http.session_token("s-1", until())),
        ("GET /config", lambda http, url: http.signaling_config(f"{url}/config", until())),
    ],
)
def test_a_harmless_call_is_repeated_after_a_failure_that_may_pass(
    server: HttpServer, http: ServiceApi, route: str, ask: Callable[..., object], fault: Any
) -> None:
    good = server.routes[route]
    assert isinstance(good, bytes)
    server.routes[route] = [fault, good]
    ask(http, server.url)
    assert len(server.received(route)) == 2


def test_a_call_is_repeated_twice_and_not_more(server: HttpServer, http: ServiceApi) -> None:
    server.routes["POST /sessions/token"] = answer(status="503 Service Unavailable")
    with pytest.raises(OdysseyConnectionError, match="503"):
        http.session_token("s-1", until())
    assert len(server.received("POST /sessions/token")) == 3


def test_a_call_is_not_repeated_when_its_time_would_be_over(server: HttpServer, http: ServiceApi) -> None:
    http.access_token(until())
    server.routes["POST /sessions/token"] = answer(status="503 Service Unavailable")
    with pytest.raises(OdysseyConnectionError, match="503"):
        http.session_token("s-1", until(0.15))
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
    pauses = {http_module._pause(error, 0.2) for _ in range(200)}
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
    assert http_module._pause(error, 0.2) is None
    assert http_module._pause(failed(503), None) is None


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "429 Too Many Requests", "500 Oops"])
def test_other_refusals_are_not_repeated(server: HttpServer, http: ServiceApi, status: str) -> None:
    server.routes["GET /config"] = answer(status=status)
    with pytest.raises(OdysseyConnectionError):
        http.signaling_config(server.url + "/config", until())
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [*(answer(status=status) for status in PASSING), reset])
def test_a_request_for_a_session_is_never_repeated(server: HttpServer, http: ServiceApi, fault: Any) -> None:
    server.routes["POST /sessions/request"] = fault
    with pytest.raises(OdysseyConnectionError):
        http.request_session(until())
    assert len(server.received("POST /sessions/request")) == 1


# --- regions


def regions(server: HttpServer, **urls: str) -> None:
    listed = [{"id": name, "ping_url": url} for name, url in urls.items()]
    server.routes["GET /regions"] = json_answer({"regions": listed})


def test_all_regions_are_measured_at_once_and_late_ones_count_9999(server: HttpServer, http: ServiceApi) -> None:
    together = threading.Barrier(2)

    def meet(connection: Connection, _: Request) -> None:
        together.wait(10)
        connection.send(answer(status="204 No Content"))

    def drip(connection: Connection, _: Request) -> None:
        connection.drip(b"HTTP/1.1 200 OK\r\n" * 1000, every=0.05)

    server.routes |= {
        "GET /ping-a": meet,
        "GET /ping-b": meet,
        "GET /hang": lambda connection, _: connection.hang(),
        "GET /drip": drip,
        "GET /bad": answer(status="500 Oops"),
    }
    url = server.url
    regions(
        server,
        a=f"{url}/ping-a",
        b=f"{url}/ping-b",
        hanging=f"{url}/hang",
        dripping=f"{url}/drip",
        failing=f"{url}/bad",
        refusing="http://127.0.0.1:1/",
        nowhere="no address at all",
    )
    latencies = http.region_latencies(until())
    assert 0 <= latencies.pop("a") < 1000
    assert 0 <= latencies.pop("b") < 1000
    assert latencies == dict.fromkeys(("hanging", "dripping", "failing", "refusing", "nowhere"), 9999)
    pinged = [request for request in server.requests if request.path != "/regions" and request.method == "GET"]
    assert not any("authorization" in request.headers for request in pinged)


def test_regions_are_asked_for_once(server: HttpServer, http: ServiceApi) -> None:
    assert http.region_latencies(until()) == http.region_latencies(until())
    http.request_session(until())
    assert len(server.received("GET /regions")) == len(server.received("GET /ping")) == 1


def test_regions_that_could_not_be_had_are_asked_for_again(server: HttpServer, http: ServiceApi) -> None:
    good = server.routes["GET /regions"]
    server.routes["GET /regions"] = answer(status="404 Not Found")
    assert http.region_latencies(until()) == {}
    server.routes["GET /regions"] = good
    assert list(http.region_latencies(until())) == ["here"]


def test_the_result_is_the_callers_own(http: ServiceApi) -> None:
    http.region_latencies(until()).clear()
    assert list(http.region_latencies(until())) == ["here"]


@pytest.mark.parametrize(
    "fault", [answer(status="401 No"), answer(b"<html>"), json_answer({"regions": [1]}), reset]
)
def test_any_failure_of_the_regions_is_passed_over(server: HttpServer, http: ServiceApi, fault: Any) -> None:
    server.routes["GET /regions"] = fault
    assert http.region_latencies(until()) == {}


def test_no_regions_are_no_failure(server: HttpServer, http: ServiceApi) -> None:
    regions(server)
    assert http.region_latencies(until()) == {}
    assert http.region_latencies(until()) == {}
    assert len(server.received("GET /regions")) == 1


def test_more_regions_than_can_be_pinged_at_once_count_as_late(server: HttpServer, http: ServiceApi) -> None:
    regions(server, **{f"r{number}": f"{server.url}/ping" for number in range(100)})
    latencies = http.region_latencies(until())
    assert len(latencies) == 100
    assert len(server.received("GET /ping")) == 32
    assert latencies["r99"] == 9999


# --- proxies, passwords, cookies


def test_a_password_file_does_not_replace_the_token(
    server: HttpServer, http: ServiceApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    http.session_token("s-1", until())
    assert "authorization" not in server.received("POST /auth/token")[0].headers
    assert server.received("POST /sessions/token")[0].headers["authorization"] == "Bearer at-secret-1"


def test_cookies_are_not_kept(server: HttpServer, http: ServiceApi) -> None:
    server.routes["GET /config"] = json_answer({"iceServers": []}, Set_Cookie="id=1; Path=/")
    for _ in range(2):
        assert http.signaling_config(server.url + "/config", until()) == ()
    assert not any("cookie" in request.headers for request in server.requests)


def test_this_machine_is_reached_directly_whatever_the_proxy(
    http: ServiceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert http.access_token(until()) == "at-secret-1"


@pytest.fixture
def proxied(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceApi]:
    """A transport to a service that only ``server``, as a proxy, can reach."""
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


def test_a_proxy_that_refuses_is_told_as_one(server: HttpServer, proxied: ServiceApi) -> None:
    server.routes["CONNECT service.invalid:443"] = answer(status="407 Proxy Authentication Required")
    with pytest.raises(OdysseyConnectionError, match=r"through the proxy.*407") as caught:
        proxied.signaling_config("https://service.invalid/config", until(5))
    assert "proxy-secret" not in str(caught.value)


# --- ends


def test_a_closed_transport_refuses_at_once(server: HttpServer, http: ServiceApi) -> None:
    http.access_token(until())
    http.region_latencies(until())
    http.close()
    http.close()
    for ask in (
        lambda: http.access_token(until()),
        lambda: http.request_session(until()),
        lambda: http.session_token("s-1", until()),
        lambda: http.signaling_config(server.url + "/config", until()),
    ):
        with pytest.raises(OdysseyConnectionError) as caught:
            ask()
        assert caught.value.code == "closed"


def test_closing_ends_the_calls_of_other_threads(server: HttpServer, http: ServiceApi) -> None:
    asked = threading.Event()

    def hang(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hang()

    server.routes["POST /auth/token"] = hang
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(http.access_token, until())
        assert asked.wait(10)
        http.close()
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
http = ServiceApi(ClientConfig(api_key="ody_x", api_url=sys.argv[1]), clock)
http.session_token("before", Deadline(10, clock))
if os.fork() == 0:
    http.session_token("child", Deadline(10, clock))
    try:
        closed.session_token("closed", Deadline(10, clock))
    except ConnectionError as exc:
        assert exc.code == "closed"
        os._exit(0)
    os._exit(1)
_, status = os.wait()
http.session_token("parent", Deadline(10, clock))
http.close()
sys.exit(status)
"""


def test_after_a_fork_both_processes_go_on_with_connections_of_their_own(server: HttpServer) -> None:
    script = [sys.executable, "-W", "error", "-c", FORKING, server.url]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(server.received("POST /auth/token")) == 1  # the token outlives the fork
    assert server.accepted == 2


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.EPIPE, errno.EPROTOTYPE])
def test_a_connection_that_is_reset_while_it_is_opened_is_told_as_lost(
    server: HttpServer, http: ServiceApi, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def reset(*_: object) -> None:
        raise OSError(number, "reset")

    # What an abort makes of a connect depends on the moment: no server can be made to do it.
    monkeypatch.setattr("odyssey_proto._net.sockets._dial", reset)
    with pytest.raises(OdysseyConnectionError) as caught:
        http.access_token(until())
    assert caught.value.code == "connection_lost"
    assert server.accepted == 0


def test_a_transport_that_is_forgotten_leaves_nothing(server: HttpServer) -> None:
    ServiceApi(ClientConfig(api_key=KEY, api_url=server.url), MonotonicClock()).access_token(until())


def test_a_server_that_is_gone_is_told_as_refused() -> None:
    with Server(Connection.hang) as gone:
        url = gone.url
    config = ClientConfig(api_key=KEY, api_url=url)
    with (
        contextlib.closing(ServiceApi(config, MonotonicClock())) as http,
        pytest.raises(OdysseyConnectionError, match="refuses connections") as caught,
    ):
        http.access_token(until())
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
