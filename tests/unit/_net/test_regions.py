"""The latencies of regions whose servers answer late, badly or not at all."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._base.clock import Deadline
from odyssey_proto._net.call import Call
from odyssey_proto._net.regions import UNREACHED_MS
from tests.support.apis import made_api, reset, until
from tests.support.clocks import Time
from tests.support.processes import PATIENCE_S, eventually
from tests.support.servers import Connection, HttpServer, Request, answer, json_answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from odyssey_proto._net.service_api import ServiceApi


def regions(server: HttpServer, **urls: str) -> None:
    listed = [{"id": name, "ping_url": url} for name, url in urls.items()]
    server.routes["GET /regions"] = json_answer({"regions": listed})


def test_all_regions_are_measured_at_once_and_late_ones_count_9999(
    server: HttpServer, api: ServiceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odyssey_proto._net.regions._PING_TIMEOUT_S", PATIENCE_S)
    clock, together = Time(), threading.Barrier(2)
    in_time = {f"odyssey-ping-{number}" for number in range(5)}  # the threads of all regions but the last two

    def meet(connection: Connection, _: Request) -> None:
        together.wait(PATIENCE_S)
        connection.send(answer(status="204 No Content"))

    def hang(connection: Connection, _: Request) -> None:
        eventually(lambda: in_time.isdisjoint(thread.name for thread in threading.enumerate()))
        clock.at += PATIENCE_S
        connection.hang()

    def drip(connection: Connection, _: Request) -> None:
        connection.drip(b"HTTP/1.1 200 OK\r\n" * 1000, every=0.05)

    server.routes |= {
        "GET /ping-a": meet,
        "GET /ping-b": meet,
        "GET /hang": hang,
        "GET /drip": drip,
        "GET /bad": answer(status="500 Oops"),
    }
    url = server.url
    regions(
        server,
        a=f"{url}/ping-a",
        b=f"{url}/ping-b",
        failing=f"{url}/bad",
        refusing="http://127.0.0.1:1/",
        nowhere="no address at all",
        hanging=f"{url}/hang",
        dripping=f"{url}/drip",
    )
    latencies = api.region_latencies(Deadline(2 * PATIENCE_S, clock))
    assert 0 <= latencies.pop("a") < UNREACHED_MS
    assert 0 <= latencies.pop("b") < UNREACHED_MS
    assert latencies == dict.fromkeys(("hanging", "dripping", "failing", "refusing", "nowhere"), 9999)
    pinged = [request for request in server.requests if request.path != "/regions" and request.method == "GET"]
    assert not any("authorization" in request.headers for request in pinged)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "x",
        "/ping",
        "//",
        "http://",
        "http://[::1",
        "http://x:y/",
        "http://127.0.0.1:0/",
        "http://\ud800/",
        "http://a..b/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "javascript:ping",
        "ws://127.0.0.1/",
        "http://127.0.0.1:1/",
        "http://nowhere.invalid/",
        "\x00",
    ],
)
def test_an_address_that_cannot_be_pinged_harms_no_other(server: HttpServer, api: ServiceApi, url: str) -> None:
    regions(server, bad=url, here=f"{server.url}/ping")
    latencies = api.region_latencies(until())
    assert latencies["bad"] == 9999
    assert latencies["here"] < UNREACHED_MS


@pytest.mark.parametrize(
    "pong",
    [
        answer(b"x" * 10_000_000),
        answer(b"not gzip", Content_Encoding="gzip"),
        answer(b"x", Content_Encoding="br"),
        answer(b"x", length=500),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
        answer(status="204 No Content"),
        answer(status="304 Not Modified"),
        b"HTTP/1.0 200\r\n\r\n",
    ],
)
def test_the_body_of_a_pong_does_not_matter(server: HttpServer, api: ServiceApi, pong: bytes) -> None:
    server.routes["GET /ping"] = pong
    assert api.region_latencies(until())["here"] < UNREACHED_MS


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 No", "403 No", "404 Not Found", "429 Slow", "500 Oops"]
)
def test_a_ping_that_is_refused_counts_as_late(server: HttpServer, api: ServiceApi, status: str) -> None:
    server.routes["GET /ping"] = answer(status=status)
    assert api.region_latencies(until()) == {"here": 9999}


def test_a_region_behind_tls_is_measured_too(
    server: HttpServer, api: ServiceApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with HttpServer(tls=certificate.server) as safe:
        regions(server, safe=f"{safe.url}/ping", here=f"{server.url}/ping")
        latencies = api.region_latencies(until())
    assert latencies["safe"] < UNREACHED_MS
    assert latencies["here"] < UNREACHED_MS


@pytest.mark.usefixtures("regions_have_time")
def test_connecting_is_not_part_of_a_latency(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time()
    guard = Call.guard

    def slow(call: Call, sock: socket.socket) -> None:
        clock.at += 0.4  # as long as finding and reaching a host may take
        guard(call, sock)

    monkeypatch.setattr(Call, "guard", slow)
    with made_api(server, clock=clock) as api:
        assert api.region_latencies(until()) == {"here": 0}


def test_a_region_is_left_out_if_there_is_no_thread_for_it(
    server: HttpServer, api: ServiceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "odyssey-ping-0":
            raise RuntimeError("can't start new thread")
        start(thread)

    regions(server, first=f"{server.url}/ping", second=f"{server.url}/ping")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    latencies = api.region_latencies(until())
    assert latencies["first"] == 9999
    assert latencies["second"] < UNREACHED_MS


def test_regions_are_asked_for_once(server: HttpServer, api: ServiceApi) -> None:
    assert api.region_latencies(until()) == api.region_latencies(until())
    api.request_session(until())
    assert len(server.received("GET /regions")) == len(server.received("GET /ping")) == 1


def test_regions_that_could_not_be_had_are_asked_for_again(server: HttpServer, api: ServiceApi) -> None:
    good = server.routes["GET /regions"]
    server.routes["GET /regions"] = answer(status="404 Not Found")
    assert api.region_latencies(until()) == {}
    server.routes["GET /regions"] = good
    assert list(api.region_latencies(until())) == ["here"]


def test_the_result_is_the_callers_own(api: ServiceApi) -> None:
    api.region_latencies(until()).clear()
    assert list(api.region_latencies(until())) == ["here"]


@pytest.mark.parametrize(
    "fault", [answer(status="401 No"), answer(b"<html>"), json_answer({"regions": [1]}), reset]
)
def test_any_failure_of_the_regions_is_passed_over(server: HttpServer, api: ServiceApi, fault: Any) -> None:
    server.routes["GET /regions"] = fault
    assert api.region_latencies(until()) == {}


def test_no_regions_are_no_failure(server: HttpServer, api: ServiceApi) -> None:
    regions(server)
    assert api.region_latencies(until()) == {}
    assert api.region_latencies(until()) == {}
    assert len(server.received("GET /regions")) == 1


def test_more_regions_than_can_be_pinged_at_once_count_as_late(server: HttpServer, api: ServiceApi) -> None:
    regions(server, **{f"r{number}": f"{server.url}/ping" for number in range(100)})
    latencies = api.region_latencies(until())
    assert len(latencies) == 100
    assert len(server.received("GET /ping")) == 32
    assert latencies["r99"] == 9999
