"""The latencies of regions whose servers answer late, badly or not at all."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.apis import reset, until
from tests.support.servers import Connection, HttpServer, Request, answer, json_answer

if TYPE_CHECKING:
    from odyssey_proto._net.service_api import ServiceApi


def regions(server: HttpServer, **urls: str) -> None:
    listed = [{"id": name, "ping_url": url} for name, url in urls.items()]
    server.routes["GET /regions"] = json_answer({"regions": listed})


def test_all_regions_are_measured_at_once_and_late_ones_count_9999(server: HttpServer, api: ServiceApi) -> None:
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
    latencies = api.region_latencies(until())
    assert 0 <= latencies.pop("a") < 1000
    assert 0 <= latencies.pop("b") < 1000
    assert latencies == dict.fromkeys(("hanging", "dripping", "failing", "refusing", "nowhere"), 9999)
    pinged = [request for request in server.requests if request.path != "/regions" and request.method == "GET"]
    assert not any("authorization" in request.headers for request in pinged)


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
