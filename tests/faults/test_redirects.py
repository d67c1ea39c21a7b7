"""Redirects of every request, with real servers: which are followed, what is sent, what another origin sees."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto import SpectatorTokenError, connect_to_stream
from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import (
    MalformedMessageError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
)
from odyssey_proto._net import whep
from odyssey_proto._net.hls import HlsReader
from odyssey_proto._net.http_exchange import HttpClient
from odyssey_proto._net.signaling import SignalingConnection
from tests.support.apis import KEY, give_time, made_api, until
from tests.support.hearing import Heard, connected
from tests.support.leaks import nothing_left
from tests.support.pictures import video_file
from tests.support.servers import Connection, HttpServer, Request, SignalingServer, answer, json_answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import av

    from odyssey_proto._net.service_api import ServiceApi

OF_ANY = [
    "301 Moved Permanently",
    "302 Found",
    "303 See Other",
    "307 Temporary Redirect",
    "308 Permanent Redirect",
]
OF_POST = OF_ANY[3:]
JOB = {"job_id": "j-1", "status": "pending", "priority": "standard", "created_at": "2026-01-01T00:00:00Z"}
TOKEN = "a token/&?="


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the optional calls as much time as the others: a busy machine may need it."""
    give_time(monkeypatch)


def moved(location: str, status: str = "307 Temporary Redirect", **headers: str) -> bytes:
    return answer(b"It is over there", status, Location=location, **headers)


def failure(ask: Callable[[], object]) -> OdysseyError:
    with pytest.raises(OdysseyError) as caught:
        ask()
    error = caught.value
    assert KEY not in str(error)
    assert "secret" not in str(error)
    assert "?" not in str(error)
    return error


# --- REST


def test_a_redirect_whose_body_does_not_come_is_followed() -> None:
    def promise(connection: Connection, _: Request) -> None:
        connection.send(answer(b"", "307 Temporary Redirect", length=50, Location="/v2"))
        connection.hang()

    with HttpServer({"GET /stream-recordings": promise, "GET /v2": ANSWERS["GET /stream-recordings"]}) as server:
        with made_api(server) as api:
            assert api.recordings(5, None, until()).recordings == []
        assert len(server.received("GET /v2")) == 1


def test_of_two_addresses_the_first_counts() -> None:
    redirect = b"HTTP/1.1 307 T\r\nLocation: /v2\t\r\nLocation: /v3\r\nContent-Length: 0\r\n\r\n"
    routes = {"GET /stream-recordings": redirect, "GET /v2": ANSWERS["GET /stream-recordings"]}
    with HttpServer(routes) as server, made_api(server) as api:
        assert api.recordings(5, None, until()).recordings == []


CALLS: dict[str, Callable[[ServiceApi], object]] = {
    "POST /auth/token": lambda api: api.access_token(until()),
    "GET /regions": lambda api: api.region_latencies(until()),
    "POST /sessions/request": lambda api: api.request_session(until()),
    "POST /sessions/token": lambda api: api.session_token("s-1", until()),
    "GET /recordings/st-1": lambda api: api.recording("st-1", until()),
    "GET /stream-recordings": lambda api: api.recordings(5, None, until()),
    "GET /simulation-jobs": lambda api: api.jobs(until(), limit=5),
    "GET /simulation-jobs/j-1": lambda api: api.job("j-1", until()),
    "DELETE /simulation-jobs/j-1": lambda api: api.cancel_job("j-1", until()),
}
ANSWERS = {
    "GET /recordings/st-1": json_answer({"stream_id": "st-1"}),
    "GET /stream-recordings": json_answer({"recordings": [], "total": 0, "limit": 5, "offset": 0}),
    "GET /simulation-jobs": json_answer({"jobs": [], "total": 0, "limit": 5, "offset": 0}),
    "GET /simulation-jobs/j-1": json_answer({**JOB, "streams": [], "retry_count": 0}),
    "DELETE /simulation-jobs/j-1": json_answer({"job_id": "j-1", "status": "cancelled"}),
}
FOLLOWED = {"GET": OF_ANY, "POST": OF_POST, "DELETE": [OF_ANY[0], OF_ANY[1], *OF_POST]}


@pytest.mark.parametrize(
    ("route", "status"),
    [(route, status) for route in CALLS for status in FOLLOWED[route.partition(" ")[0]]],
)
def test_a_call_follows_to_the_same_origin_with_its_body_and_its_bearer(route: str, status: str) -> None:
    method, _, path = route.partition(" ")
    with HttpServer(ANSWERS) as server, made_api(server) as api:
        server.routes[f"{method} /v2{path}"] = server.routes[route]
        server.routes[route] = moved(f"/v2{path}?moved=1", status)
        assert CALLS[route](api) is not None
        (first,), (second,) = server.received(route), server.received(f"{method} /v2{path}")
        assert server.accepted == 1 + (route == "POST /sessions/request")  # the ping closes its connection
    assert second.body == first.body
    assert second.target == f"/v2{path}?moved=1"
    for name in ("authorization", "content-type", "accept", "user-agent"):
        assert second.headers.get(name) == first.headers.get(name)
    assert ("authorization" in second.headers) == (route != "POST /auth/token")


@pytest.mark.parametrize("route", CALLS)
@pytest.mark.parametrize("status", OF_ANY)
def test_no_key_and_no_bearer_goes_to_another_origin(route: str, status: str) -> None:
    with HttpServer() as other, HttpServer() as server, made_api(server) as api:
        server.routes[route] = moved(f"{other.url}/v2?signature=secret", status)
        if route == "GET /regions":
            assert api.region_latencies(until()) == {}
        else:
            error = failure(lambda: CALLS[route](api))
            assert isinstance(error, OdysseyConnectionError)
            assert error.status == int(status[:3])
            assert f"from {server.url} to {other.url}" in str(error)
            if status in FOLLOWED[route.partition(" ")[0]]:
                assert error.code == "foreign_redirect"
        assert len(server.received(route)) == 1
        assert other.requests == []


@pytest.mark.parametrize("status", OF_ANY[:3])
@pytest.mark.parametrize("route", ["POST /auth/token", "POST /sessions/request", "POST /sessions/token"])
def test_a_post_is_never_turned_into_a_get_nor_sent_twice(route: str, status: str) -> None:
    with HttpServer() as server, made_api(server) as api:
        server.routes[route] = moved(f"{server.url}/v2/there/?x=secret", status)
        error = failure(lambda: CALLS[route](api))
        assert (error.code, error.status) == (f"http_{status[:3]}", int(status[:3]))
        assert f"{server.url}/v2/there/" in str(error)
        assert len(server.received(route)) == 1
        assert not [request for request in server.requests if request.path.startswith("/v2")]


def test_ten_redirects_are_followed() -> None:
    with HttpServer() as server, made_api(server) as api:
        for number in range(10):
            server.routes[f"POST /{number}"] = moved(f"/{number + 1}")
        server.routes["POST /10"] = server.routes["POST /sessions/token"]
        server.routes["POST /sessions/token"] = moved("/1")
        assert api.session_token("s-1", until()).session_token == "st-secret-1"


@pytest.mark.parametrize("location", ["/sessions/token", "/sessions/token#again"])
def test_redirects_in_a_circle_are_an_error(location: str) -> None:
    with HttpServer() as server, made_api(server) as api:
        server.routes["POST /sessions/token"] = moved(location)
        error = failure(lambda: api.session_token("s-1", until()))
        assert error.code == "too_many_redirects"
        assert "more than 10 times" in str(error)
        assert len(server.received("POST /sessions/token")) == 11


def test_a_call_is_repeated_from_its_own_address() -> None:
    with HttpServer() as server, made_api(server) as api:
        server.routes["POST /v2"] = [answer(status="503 Busy"), server.routes["POST /sessions/token"]]  # type: ignore[list-item]  # bytes
        server.routes["POST /sessions/token"] = moved("/v2")
        assert api.session_token("s-1", until()).session_token == "st-secret-1"
        assert len(server.received("POST /sessions/token")) == len(server.received("POST /v2")) == 2


def test_a_token_that_is_refused_after_a_redirect_is_renewed() -> None:
    with HttpServer() as server, made_api(server) as api:
        good = server.routes["POST /sessions/token"]
        server.routes["POST /v2"] = [answer(status="401 No"), good]  # type: ignore[list-item]  # bytes
        server.routes["POST /sessions/token"] = moved("/v2")
        assert api.session_token("s-1", until()).session_token == "st-secret-1"
        assert len(server.received("POST /auth/token")) == 2


def test_one_deadline_holds_for_the_whole_way() -> None:
    def slowly(connection: Connection, _: Request) -> None:
        connection.pause(0.1)
        connection.send(moved("/sessions/token", Connection="close"))

    with HttpServer() as server, made_api(server) as api:
        api.access_token(until())
        server.routes["POST /sessions/token"] = slowly
        error = failure(lambda: api.session_token("s-1", until(0.35)))
        assert type(error) is OdysseyConnectionTimeoutError
        assert len(server.received("POST /sessions/token")) < 6


@pytest.mark.parametrize("body", [b"", b"x" * 200_000], ids=["no body", "a large body"])
def test_the_body_of_a_redirect_does_not_matter(body: bytes) -> None:
    with HttpServer() as server, made_api(server) as api:
        server.routes["POST /v2"] = server.routes["POST /sessions/token"]
        server.routes["POST /sessions/token"] = answer(body, "308 X", Location="/v2", Content_Encoding="gzip")
        assert api.session_token("s-1", until()).session_token == "st-secret-1"


def test_a_redirect_whose_body_is_cut_short_is_followed() -> None:
    def cut(connection: Connection, _: Request) -> None:
        connection.send(answer(b"x", "307 X", length=99, Location="/v2"))

    with HttpServer() as server, made_api(server) as api:
        server.routes["POST /v2"] = server.routes["POST /sessions/token"]
        server.routes["POST /sessions/token"] = cut
        assert api.session_token("s-1", until()).session_token == "st-secret-1"


def test_nothing_secret_goes_from_https_to_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with HttpServer() as plain, HttpServer(tls=certificate.server) as server:
        server.routes["POST /auth/token"] = moved(f"{plain.url}/auth/token")
        with made_api(server) as api:
            error = failure(lambda: api.access_token(until()))
        assert error.code == "unsafe_redirect"
        assert f"from {server.url} to {plain.url}" in str(error)
        assert plain.requests == []


# --- ICE servers

SERVERS = [wire.IceServer(urls="stun:stun.example:3478")]


@pytest.mark.parametrize("status", OF_ANY)
def test_ice_servers_are_fetched_from_wherever_they_are(status: str) -> None:
    with HttpServer() as other, HttpServer() as server, made_api(server) as api:
        server.routes["GET /config"] = moved(f"{other.url}/config", status)
        assert [found.urls for found in api.signaling_config(server.url + "/config", until())] == [
            found.urls for found in SERVERS
        ]
        (request,) = other.requests
        assert "authorization" not in request.headers
        assert KEY not in repr(request)


@pytest.mark.parametrize(
    "status", ["201 Created", "400 Bad Request", "401 No", "404 Not Found", "500 Oops", "503 Busy"]
)
def test_ice_servers_are_used_whatever_the_status(status: str) -> None:
    with HttpServer() as server, made_api(server) as api:
        server.routes["GET /config"] = json_answer({"iceServers": [{"urls": "stun:stun.example:3478"}]}, status)
        assert len(api.signaling_config(server.url + "/config", until())) == 1
        assert len(server.received("GET /config")) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"detail": "no"}', b'{"iceServers": 5}', b'"iceServers"'])
def test_a_refusal_without_ice_servers_is_one(body: bytes) -> None:
    with HttpServer() as server, made_api(server) as api:
        server.routes["GET /config"] = answer(body, "404 Not Found")
        error = failure(lambda: api.signaling_config(server.url + "/config", until()))
        assert (error.code, error.status) == ("http_404", 404)


# --- regions


def test_a_ping_is_followed_anywhere_and_counts_below_400() -> None:
    with HttpServer() as other, HttpServer() as server, made_api(server) as api:
        other.routes |= {
            "GET /there": answer(status="204 No Content"),
            "GET /gone": answer(status="404 Not Found"),
        }
        server.routes |= {
            "GET /here": moved("/there-too", "302 Found"),
            "GET /there-too": answer(b"pong"),
            "GET /elsewhere": moved(f"{other.url}/there", "301 Moved"),
            "GET /gone": moved(f"{other.url}/gone"),
            "GET /circle": moved("/circle"),
            "GET /nowhere": answer(status="307 Temporary Redirect"),
            "GET /unchanged": answer(status="304 Not Modified"),
        }
        names = ("here", "elsewhere", "gone", "circle", "nowhere", "unchanged")
        listed = [{"id": name, "ping_url": f"{server.url}/{name}"} for name in names]
        server.routes["GET /regions"] = json_answer({"regions": listed})
        latencies = api.region_latencies(until())
        assert [name for name in names if latencies[name] == 9999] == ["gone", "circle"]
        assert not any("authorization" in request.headers for request in other.requests)


# --- signaling

OFFER = '{"type": "offer", "sdp": "v=0"}'


def redirecting(location: str, status: str = "307 Temporary Redirect") -> Callable[[Connection, Request], None]:
    """Return a handshake that redirects the first path to ``location``, and answers all others correctly."""

    def handshake(connection: Connection, request: Request) -> None:
        if request.path == "/client/s-1":
            connection.send(moved(location, status))
        else:
            connection.accept_websocket(request)

    return handshake


def greeting(connection: Connection) -> None:
    connection.send_frame(OFFER)
    connection.hang()


def opened(url: str, heard: Heard) -> SignalingConnection:
    return SignalingConnection.open(url, "s-1", TOKEN, until(), on_message=heard, on_closed=heard)


@pytest.mark.parametrize("status", OF_ANY)
@pytest.mark.parametrize(
    "location", ["/new?token=t", "{url}/new?token=t", "{ws_url}/new?token=t", "../new?token=t"]
)
def test_a_handshake_follows_to_the_same_origin(location: str, status: str) -> None:
    heard = Heard()
    server = SignalingServer(greeting)
    server._handshake = redirecting(location.format(url=server.url, ws_url=server.ws_url), status)
    with server, connected(server, heard):
        assert heard.next() == wire.Offer(sdp="v=0")
        assert [request.target for request in server.requests] == ["/client/s-1?token=token", "/new?token=t"]


def test_a_handshake_follows_to_another_origin_only_if_the_address_carries_the_token() -> None:
    heard = Heard()
    with SignalingServer(greeting) as other:
        quoted = "a%20token%2F%26%3F%3D"
        carrying = redirecting(f"{other.ws_url}/client/s-1?token={quoted}")
        with (
            SignalingServer(handshake=carrying) as server,
            contextlib.closing(opened(server.ws_url, heard)),
        ):
            assert heard.next() == wire.Offer(sdp="v=0")
        with SignalingServer(handshake=redirecting(f"{other.ws_url}/client/s-1")) as server:
            error = failure(lambda: opened(server.ws_url, heard))
            assert error.code == "foreign_redirect"
            assert f"from {server.url} to {other.url}" in str(error)
            assert error.session_id == "s-1"
        assert len(other.requests) == 1


def test_a_handshake_in_a_circle_is_an_error() -> None:
    with SignalingServer(handshake=redirecting("/client/s-1?token=x")) as server:
        error = failure(lambda: opened(server.ws_url, Heard()))
        assert error.code == "too_many_redirects"
        assert len(server.requests) == 11


def test_a_handshake_that_is_refused_after_a_redirect_is_reported_as_refused() -> None:
    def handshake(connection: Connection, request: Request) -> None:
        connection.send(moved("/new") if request.path == "/client/s-1" else answer(status="403 Forbidden"))

    with SignalingServer(handshake=handshake) as server:
        assert failure(lambda: opened(server.ws_url, Heard())).code == "session_token_refused"


# --- spectators


def created(location: str) -> bytes:
    return answer(b"v=0\r\n", "201 Created", Content_Type="application/sdp", Location=location)


def admitted(url: str, clock: MonotonicClock) -> tuple[whep.Admission, HttpClient]:
    http = HttpClient(clock)
    endpoint = whep.WhepEndpoint.of(f"{url}/live")
    try:
        return whep.admit(http, endpoint, TOKEN, "v=0 offer", Deadline(30, clock), Abort()), http
    except BaseException:
        http.close()
        raise


@pytest.mark.parametrize("status", OF_POST)
def test_an_offer_is_posted_where_the_server_redirects_and_the_resource_counts_from_there(status: str) -> None:
    routes: dict[str, Any] = {
        "POST /live/whep": moved("/edge/7/whep?token=t", status),
        "POST /edge/7/whep": created("whep/session-1"),
        "DELETE /edge/7/whep/session-1": moved("/edge/8/session-1", status),
        "DELETE /edge/8/session-1": answer(status="204 No Content"),
    }
    clock = MonotonicClock()
    with HttpServer(routes) as server:
        admission, http = admitted(server.url, clock)
        assert (admission.answer, admission.resource) == ("v=0\r\n", f"{server.url}/edge/7/whep/session-1")
        offers = server.received("POST /live/whep") + server.received("POST /edge/7/whep")
        assert {(offer.body, offer.headers["content-type"]) for offer in offers} == {
            (b"v=0 offer", "application/sdp")
        }
        whep.leave(http, admission.resource or "", Deadline(30, clock))
        assert len(server.received("DELETE /edge/8/session-1")) == 1
        http.close()


def test_an_offer_goes_to_another_origin_only_if_the_address_carries_the_token() -> None:
    clock = MonotonicClock()
    with HttpServer({"POST /edge/whep": created("/r/1")}) as other, HttpServer() as server:
        server.routes["POST /live/whep"] = moved(f"{other.url}/edge/whep?token=a+token%2F%26%3F%3D")
        assert failure(lambda: admitted(server.url, clock)).code == "foreign_redirect"
        server.routes["POST /live/whep"] = moved(f"{other.url}/edge/whep")
        error = failure(lambda: admitted(server.url, clock))
        assert f"from {server.url} to {other.url}" in str(error)
        assert other.requests == []
        server.routes["POST /live/whep"] = moved(f"{other.url}/edge/whep?token=a%20token%2F%26%3F%3D")
        admission, http = admitted(server.url, clock)
        assert admission.resource == f"{other.url}/r/1"
        http.close()


def test_a_goodbye_does_not_go_to_another_origin() -> None:
    clock = MonotonicClock()
    with HttpServer() as other, HttpServer({"DELETE /r/1": moved(f"{other.url}/r/1")}) as server:
        http = HttpClient(clock)
        whep.leave(http, f"{server.url}/r/1", Deadline(30, clock))
        http.close()
        assert other.requests == []


def test_a_spectator_learns_what_the_final_server_says() -> None:
    routes = {"POST /live/whep": moved("/edge/whep"), "POST /edge/whep": answer(status="401 No")}
    with (
        HttpServer({**routes, "GET /config": json_answer({"iceServers": []})}) as server,
        pytest.raises(SpectatorTokenError),
    ):
        connect_to_stream(f"{server.url}/live", "token-of-a-spectator", timeout=20)


@pytest.mark.parametrize("status", OF_ANY[:3])
def test_an_offer_is_never_turned_into_a_get(status: str) -> None:
    with HttpServer({"POST /live/whep": moved("/edge/whep", status)}) as server:
        error = failure(lambda: admitted(server.url, MonotonicClock()))
        assert error.code == f"http_{status[:3]}"
        assert not isinstance(error, MalformedMessageError)


# --- HLS

FRAMES = 5
MASTER = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\n\nlow/live.m3u8\n"
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.25,\nsegment.ts\n#EXT-X-ENDLIST\n"
FRAGMENTS = (
    b'#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI="init.mp4"\n'
    b"#EXTINF:0.25,\nsegment.m4s\n#EXT-X-ENDLIST\n"
)


def watched(url: str) -> tuple[int, OdysseyError | None]:
    """Return the number of frames of the broadcast, and the error that it ended with."""
    frames: list[av.VideoFrame] = []
    errors: list[OdysseyError | None] = []
    over = threading.Event()

    def end(error: OdysseyError | None) -> None:
        errors.append(error)
        over.set()

    clock = MonotonicClock()
    http = HttpClient(clock)
    reader = HlsReader(
        url, http=http, clock=clock, abort=Abort(), on_frame=lambda frame, _: frames.append(frame), on_end=end
    )
    try:
        reader.open(Deadline(30, clock))
        assert over.wait(30)
    finally:
        reader.close(5)
        http.close()
    return len(frames), errors[0]


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b"\xef\xbb\xbf \n"])
def test_what_comes_before_a_playlist_is_passed_over_with_or_without_a_redirect(before: bytes) -> None:
    routes = {
        "GET /edge/live.m3u8": answer(before + PLAYLIST),
        "GET /edge/segment.ts": answer(video_file("mpegts", FRAMES)),
    }
    with HttpServer(routes) as server:
        server.routes["GET /live.m3u8"] = moved("/edge/live.m3u8")
        assert watched(f"{server.url}/edge/live.m3u8") == (FRAMES, None)
        assert watched(f"{server.url}/live.m3u8") == (FRAMES, None)


@pytest.mark.parametrize("status", OF_ANY)
def test_the_addresses_in_a_playlist_count_from_where_it_was_found(status: str) -> None:
    routes: dict[str, Any] = {
        "GET /edge/7/live.m3u8": answer(PLAYLIST),
        "GET /edge/7/segment.ts": answer(video_file("mpegts", FRAMES)),
    }
    with HttpServer(routes) as server:
        server.routes["GET /live.m3u8"] = moved("/edge/7/live.m3u8?token=t", status)
        assert watched(f"{server.url}/live.m3u8") == (FRAMES, None)


def test_playlists_and_segments_on_other_origins_are_followed() -> None:
    with HttpServer() as store, HttpServer() as edge, HttpServer() as server:
        store.routes["GET /store/1.ts"] = answer(video_file("mpegts", FRAMES))
        edge.routes |= {
            "GET /edge/master.m3u8": answer(MASTER),
            "GET /edge/low/live.m3u8": moved("/edge/lower/live.m3u8", "302 Found"),
            "GET /edge/lower/live.m3u8": answer(PLAYLIST),
            "GET /edge/lower/segment.ts": moved(f"{store.url}/store/1.ts", "302 Found"),
        }
        server.routes["GET /live.m3u8"] = moved(f"{edge.url}/edge/master.m3u8", "302 Found")
        assert watched(f"{server.url}/live.m3u8") == (FRAMES, None)
        assert [request.path for request in server.requests] == ["/live.m3u8"]


def test_the_header_that_a_playlist_names_counts_from_there_too() -> None:
    whole = video_file("mp4", FRAMES, movflags="frag_keyframe+empty_moov+default_base_moof")
    at = whole.index(b"moof") - 4
    routes: dict[str, Any] = {
        "GET /edge/live.m3u8": answer(FRAGMENTS),
        "GET /edge/init.mp4": answer(whole[:at]),
        "GET /edge/segment.m4s": answer(whole[at:]),
    }
    with HttpServer(routes) as server:
        server.routes["GET /live.m3u8"] = moved("/edge/live.m3u8")
        assert watched(f"{server.url}/live.m3u8") == (FRAMES, None)


def test_a_playlist_in_a_circle_is_an_error() -> None:
    with HttpServer({"GET /live.m3u8": moved("/live.m3u8")}) as server:
        error = failure(lambda: watched(f"{server.url}/live.m3u8"))
        assert error.code == "too_many_redirects"
