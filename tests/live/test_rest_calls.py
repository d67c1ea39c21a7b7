"""Calls for recordings and jobs through `Odyssey`: what is sent, repeated and refused, and the raw responses."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import (
    MonthlyLimitReachedError,
    Odyssey,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    RateLimitError,
    RawResponse,
    SimulationJobStatus,
)
from tests.support.leaks import nothing_left
from tests.support.servers import Connection, HttpServer, Request, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto.raw_response import RawCalls

JWT = "e30.eyJzZXNzaW9uX2lkIjoicy0xIn0.c2ln"  # of the session s-1
RECORDING = {"stream_id": "s-1", "video_url": "https://x.example/v.mp4?signature=1", "duration_seconds": 9.5}
JOB = {"job_id": "j-1", "status": "pending", "priority": "normal", "created_at": "2026-01-01T00:00:00Z"}
DONE = {"status": "completed", "streams": [{"stream_id": "s-1"}]}
JOBS = {"jobs": [JOB], "total": 1, "limit": 20, "offset": 0}
RECORDINGS = {
    "recordings": [{"stream_id": "s-1", "width": 1280, "height": 704, "started_at": "2026-01-01T00:00:00Z"}],
    "total": 1,
    "limit": 50,
    "offset": 0,
}
SCRIPT: Any = [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}]

CALLS: dict[str, tuple[Callable[[Odyssey], Any], Any]] = {
    "GET /recordings/s-1": (lambda client: client.get_recording("s-1"), RECORDING),
    "GET /stream-recordings": (lambda client: client.list_stream_recordings(), RECORDINGS),
    "POST /simulation-jobs": (lambda client: client.simulate(script=SCRIPT), JOB),
    "GET /simulation-jobs/j-1": (lambda client: client.get_simulate_status("j-1"), JOB),
    "GET /simulation-jobs": (lambda client: client.list_simulations(), JOBS),
    "DELETE /simulation-jobs/j-1": (lambda client: client.cancel_simulation("j-1"), JOB),
}
every_call = pytest.mark.parametrize("route", CALLS)
repeated = pytest.mark.parametrize("route", [route for route in CALLS if not route.startswith("POST")])
BUSY = "503 Service Unavailable"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer({route: json_answer(body) for route, (_, body) in CALLS.items()}) as made:
        yield made


@pytest.fixture
def client(server: HttpServer) -> Iterator[Odyssey]:
    with Odyssey("ody_key", api_url=server.url) as made:
        yield made


# --- what is sent


@every_call
def test_each_call_is_one_request_with_the_token(client: Odyssey, server: HttpServer, route: str) -> None:
    CALLS[route][0](client)
    (request,) = server.received(route)
    assert request.headers["authorization"] == "Bearer at-secret-1"
    assert len(server.requests) == 2  # including the token request


def test_answers_are_the_documented_types(client: Odyssey) -> None:
    assert client.get_recording("s-1").duration_seconds == 9.5
    assert client.list_stream_recordings().recordings[0].width == 1280
    job = client.simulate(script=SCRIPT)
    assert (job.job_id, job.status, job.streams, job.retry_count) == ("j-1", SimulationJobStatus.PENDING, [], 0)
    assert client.list_simulations().jobs[0].status == "pending"
    assert client.cancel_simulation("j-1").priority == "normal"


def test_a_cancellation_may_be_answered_with_only_id_and_status(client: Odyssey, server: HttpServer) -> None:
    server.routes["DELETE /simulation-jobs/j-1"] = json_answer({"job_id": "j-1", "status": "cancelled"})
    assert client.cancel_simulation("j-1").status == "cancelled"


def test_ids_are_quoted_and_queries_are_encoded(client: Odyssey, server: HttpServer) -> None:
    with pytest.raises(OdysseyError):
        client.get_recording("a/b?c=d&é #")
    client.list_simulations(status="pending", active=True, limit=100, offset=0)
    client.list_stream_recordings(10, 5)
    assert [request.target for request in server.requests[1:]] == [
        "/recordings/a%2Fb%3Fc%3Dd%26%C3%A9%20%23",
        "/simulation-jobs?status=pending&active=true&limit=100&offset=0",
        "/stream-recordings?limit=10&offset=5",
    ]


def test_pages_are_asked_for_as_they_are_needed(client: Odyssey, server: HttpServer) -> None:
    def page(connection: Connection, request: Request) -> None:
        query = dict(pair.split("=") for pair in request.target.partition("?")[2].split("&"))
        offset = int(query["offset"])
        jobs = [{**JOB, "job_id": f"j-{number}"} for number in range(offset, min(offset + 2, 5))]
        connection.send(json_answer({**JOBS, "jobs": jobs, "total": 5}, Connection="close"))

    server.routes["GET /simulation-jobs"] = page
    jobs = client.iter_simulations(page_size=2, status=SimulationJobStatus.PENDING)
    assert server.requests == []
    assert next(jobs).job_id == "j-0"
    assert len(server.received("GET /simulation-jobs")) == 1
    assert [job.job_id for job in jobs] == ["j-1", "j-2", "j-3", "j-4"]
    assert [recording.stream_id for recording in client.iter_stream_recordings()] == ["s-1"]


# --- what is repeated


@repeated
@pytest.mark.parametrize("status", ["502 Bad Gateway", BUSY, "504 Gateway Timeout"])
def test_a_service_that_is_being_restarted_is_asked_again(
    client: Odyssey, server: HttpServer, route: str, status: str
) -> None:
    server.routes[route] = [answer(status=status), json_answer(CALLS[route][1])]
    CALLS[route][0](client)
    assert len(server.received(route)) == 2


@repeated
def test_a_broken_connection_is_replaced(client: Odyssey, server: HttpServer, route: str) -> None:
    server.routes[route] = [lambda connection, _: connection.reset(), json_answer(CALLS[route][1])]
    CALLS[route][0](client)


@pytest.mark.parametrize("told", ["1", "0"])
def test_too_many_requests_are_repeated_when_the_service_says_when(
    client: Odyssey, server: HttpServer, told: str
) -> None:
    route = "GET /recordings/s-1"
    server.routes[route] = [answer(status="429 Slow", Retry_After=told), json_answer(RECORDING)]
    CALLS[route][0](client)


def test_a_wait_that_is_longer_than_the_call_may_take_is_reported_at_once(
    client: Odyssey, server: HttpServer
) -> None:
    route = "GET /recordings/s-1"
    server.routes[route] = [answer(status="429 Slow", Retry_After="30"), json_answer(RECORDING)]
    with pytest.raises(OdysseyConnectionError) as caught:
        client.get_recording("s-1", timeout=20)
    assert (caught.value.status, caught.value.retry_after, caught.value.recoverable) == (429, 30.0, True)
    assert len(server.received(route)) == 1


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "3600"}, {"Retry_After": "soon"}])
def test_too_many_requests_are_reported_if_the_wait_is_unknown_or_long(
    client: Odyssey, server: HttpServer, headers: dict[str, str]
) -> None:
    route = "GET /recordings/s-1"
    server.routes[route] = json_answer({}, "429 Slow", **headers)
    with pytest.raises(OdysseyConnectionError) as caught:
        CALLS[route][0](client)
    assert len(server.received(route)) == 1
    assert caught.value.retry_after == (3600.0 if headers.get("Retry_After") == "3600" else None)


@every_call
@pytest.mark.parametrize(
    ("code", "error"), [("RATE_LIMITED", RateLimitError), ("MONTHLY_LIMIT_REACHED", MonthlyLimitReachedError)]
)
def test_a_usage_error_is_never_repeated(
    client: Odyssey, server: HttpServer, route: str, code: str, error: type[Exception]
) -> None:
    body = {"error": code, "message": "Enough", "action": "Wait", "details": {"retry_after_seconds": 0}}
    server.routes[route] = json_answer({"detail": body}, "429 Slow", Retry_After="0")
    with pytest.raises(error, match=r"^Enough$"):
        CALLS[route][0](client)
    assert len(server.received(route)) == 1


@pytest.mark.parametrize("reply", [answer(status=BUSY), lambda connection, _: connection.reset()])
def test_a_job_that_may_have_been_made_is_never_asked_for_twice(
    client: Odyssey, server: HttpServer, reply: Any
) -> None:
    route = "POST /simulation-jobs"
    server.routes[route] = reply
    with pytest.raises(OdysseyConnectionError):
        CALLS[route][0](client)
    assert len(server.received(route)) == 1


@pytest.mark.parametrize(("status", "is_done"), [("cancelled", True), ("processing", False)])
def test_a_cancellation_whose_answer_was_lost_is_no_failure(
    client: Odyssey, server: HttpServer, status: str, is_done: bool
) -> None:
    late = json_answer({"detail": "It cannot be cancelled"}, "400 Bad Request")
    server.routes["DELETE /simulation-jobs/j-1"] = [lambda connection, _: connection.reset(), late]
    server.routes["GET /simulation-jobs/j-1"] = json_answer({**JOB, "status": status})
    if is_done:
        assert client.cancel_simulation("j-1").status == "cancelled"
    else:
        with pytest.raises(OdysseyError, match="cannot be cancelled"):
            client.cancel_simulation("j-1")


@every_call
def test_a_token_that_is_refused_in_mid_use_is_renewed_once(
    client: Odyssey, server: HttpServer, route: str
) -> None:
    server.routes[route] = [answer(status="401 Unauthorized"), json_answer(CALLS[route][1])]
    CALLS[route][0](client)
    assert len(server.received("POST /auth/token")) == 2
    server.routes[route] = answer(status="401 Unauthorized")
    with pytest.raises(OdysseyAuthError):
        CALLS[route][0](client)
    assert len(server.received("POST /auth/token")) == 3


# --- what is refused


@pytest.mark.parametrize(
    ("route", "status", "code"),
    [
        ("GET /recordings/s-1", "404 Not Found", "not_found"),
        ("GET /simulation-jobs/j-1", "404 Not Found", "not_found"),
        ("GET /simulation-jobs/j-1", "403 Forbidden", "forbidden"),
        ("DELETE /simulation-jobs/j-1", "404 Not Found", "not_found"),
        ("DELETE /simulation-jobs/j-1", "403 Forbidden", "forbidden"),
        ("DELETE /simulation-jobs/j-1", "400 Bad Request", "not_cancellable"),
        ("POST /simulation-jobs", "400 Bad Request", "invalid_request"),
        ("POST /simulation-jobs", "422 Unprocessable", "invalid_request"),
    ],
)
def test_a_refusal_has_the_services_words_in_one_line(
    client: Odyssey, server: HttpServer, route: str, status: str, code: str
) -> None:
    server.routes[route] = json_answer({"detail": "No\nsuch thing"}, status, X_Request_Id="r-7")
    with pytest.raises(OdysseyError) as caught:
        CALLS[route][0](client)
    error = caught.value
    assert (error.code, error.status, error.request_id) == (code, int(status[:3]), "r-7")
    assert str(error).endswith("No such thing")
    assert not isinstance(error, OdysseyAuthError)
    assert len(server.received(route)) == 1


@every_call
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 500])
def test_every_refusal_is_caught_as_the_official_sdk_raises_it(
    client: Odyssey, server: HttpServer, route: str, status: int
) -> None:
    server.routes[route] = answer(status=f"{status} Refused")
    is_value = status == 401 or (status, route) in {
        *((403, route) for route in ("GET /recordings/s-1", "GET /stream-recordings", "GET /simulation-jobs")),
        *((404, f"{method} /simulation-jobs/j-1") for method in ("GET", "DELETE")),
        (404, "GET /recordings/s-1"),
        (400, "DELETE /simulation-jobs/j-1"),
    }
    with pytest.raises(ValueError if is_value else ConnectionError) as caught:
        CALLS[route][0](client)
    assert isinstance(caught.value, OdysseyError)
    assert caught.value.status == status


@every_call
@pytest.mark.parametrize("key", ["ody_key", "", "with blank", "no-äscii"])
def test_a_key_that_is_refused_is_a_value_error_in_every_call(server: HttpServer, route: str, key: str) -> None:
    server.routes["POST /auth/token"] = answer(status="401 Unauthorized")
    with Odyssey(key, api_url=server.url) as client, pytest.raises(ValueError, match="API key") as caught:
        CALLS[route][0](client)
    assert isinstance(caught.value, OdysseyAuthError)


# --- raw responses


def test_status_headers_and_request_id_are_there_for_who_asks(client: Odyssey, server: HttpServer) -> None:
    server.routes["GET /recordings/s-1"] = json_answer(RECORDING, X_Request_Id="r-1", X_Other="x")
    raw = client.with_raw_response.get_recording("s-1")
    assert (raw.status, raw.request_id, raw.headers["x-other"]) == (200, "r-1", "x")
    assert raw.parsed == client.get_recording("s-1")


RAW: dict[str, tuple[Callable[[RawCalls], RawResponse[Any]], str]] = {
    "create_client_credentials": (lambda raw: raw.create_client_credentials(), "POST /sessions/token"),
    "get_recording": (lambda raw: raw.get_recording("s-1"), "GET /recordings/s-1"),
    "list_stream_recordings": (lambda raw: raw.list_stream_recordings(limit=1), "GET /stream-recordings"),
    "simulate": (lambda raw: raw.simulate(script=SCRIPT), "POST /simulation-jobs"),
    "get_simulate_status": (lambda raw: raw.get_simulate_status("j-1"), "GET /simulation-jobs/j-1"),
    "list_simulations": (lambda raw: raw.list_simulations(active=True), "GET /simulation-jobs"),
    "cancel_simulation": (lambda raw: raw.cancel_simulation("j-1"), "DELETE /simulation-jobs/j-1"),
    "wait_for_simulation": (lambda raw: raw.wait_for_simulation("j-1", poll=0), "GET /simulation-jobs/j-1"),
    "simulate_and_wait": (
        lambda raw: raw.simulate_and_wait(script=SCRIPT, poll=0),
        "GET /simulation-jobs/j-1",
    ),
}


@pytest.mark.parametrize("call", RAW)
def test_every_call_with_one_answer_at_its_end_can_be_made_so(
    client: Odyssey, server: HttpServer, call: str
) -> None:
    make, route = RAW[call]
    body = {"session_token": JWT} if call == "create_client_credentials" else CALLS[route][1]
    done = {**body, **DONE} if "wait" in call else body
    server.routes[route] = json_answer(done, X_Request_Id="the last")
    raw = make(client.with_raw_response)
    assert (raw.status, raw.request_id, server.requests[-1].route) == (200, "the last", route)


NO_SINGLE_ANSWER = {
    "iter_stream_recordings": "a request for each page",
    "iter_simulations": "a request for each page",
    "wait_for_simulations": "a request for each page and each job",
    "download_recording": "a request for each file",
}


def test_no_call_is_forgotten(client: Odyssey) -> None:
    made = set(vars(client.with_raw_response))
    assert made == set(RAW)
    mentioning = ("recording", "simul", "credentials")
    named = {name for name in dir(Odyssey) if any(word in name for word in mentioning) and name[0] != "_"}
    assert named - {"connect_with_credentials"} == made | set(NO_SINGLE_ANSWER)


def test_a_failure_raises_as_ever(client: Odyssey) -> None:
    with pytest.raises(OdysseyError) as caught:
        client.with_raw_response.get_recording("s-2")
    assert caught.value.status == 404


# --- several threads, and the end


def test_threads_share_a_client_and_its_token(client: Odyssey, server: HttpServer) -> None:
    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda _: client.with_raw_response.get_recording("s-1"), range(64)))
    assert {one.parsed.stream_id for one in answers} == {"s-1"}
    assert len(server.received("POST /auth/token")) == 1


def test_sixteen_threads_make_all_calls_at_once_with_one_token(client: Odyssey, server: HttpServer) -> None:
    done = {**JOB, **DONE}
    server.routes["GET /simulation-jobs/j-1"] = json_answer(done)
    server.routes["POST /sessions/token"] = json_answer({"session_token": JWT})
    together = threading.Barrier(16)
    expected = {
        "get_recording": "s-1",
        "list_stream_recordings": 1,
        "simulate": "j-1",
        "get_simulate_status": "j-1",
        "list_simulations": 1,
        "cancel_simulation": "j-1",
        "wait_for_simulation": "j-1",
        "simulate_and_wait": "j-1",
        "create_client_credentials": "s-1",
    }

    def all_of_them(number: int) -> list[tuple[str, Any]]:
        together.wait(30)
        names = [*RAW][number % len(RAW) :] + [*RAW][: number % len(RAW)]  # the threads begin with different calls
        return [(name, RAW[name][0](client.with_raw_response).parsed) for name in names]

    with ThreadPoolExecutor(16) as executor:
        answers = [pair for pairs in executor.map(all_of_them, range(16)) for pair in pairs]
    assert len(answers) == 16 * len(RAW)
    for name, parsed in answers:
        told = next(
            getattr(parsed, field)
            for field in ("session_id", "job_id", "stream_id", "total")
            if hasattr(parsed, field)
        )
        assert told == expected[name]
    assert len(server.received("POST /auth/token")) == 1
    assert {request.headers["authorization"] for request in server.received("POST /simulation-jobs")} == {
        "Bearer at-secret-1"
    }


def test_closing_ends_a_wait_at_once(client: Odyssey) -> None:
    closing = threading.Thread(target=client.close)
    with pytest.raises(OdysseyConnectionError) as caught:
        client.wait_for_simulation("j-1", poll=60, on_update=lambda _: closing.start())
    closing.join()
    assert caught.value.code == "closed"


def test_a_job_is_made_and_awaited(client: Odyssey, server: HttpServer) -> None:
    done = {**JOB, **DONE}
    server.routes["GET /simulation-jobs/j-1"] = [json_answer(JOB), json_answer(done)]
    told: list[str] = []
    job = client.simulate_and_wait(script=SCRIPT, poll=0, on_update=lambda job: told.append(job.status))
    assert (job.streams[0].stream_id, told) == ("s-1", ["pending", "completed"])
