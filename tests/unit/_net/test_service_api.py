"""The calls for recordings, jobs and telemetry: requests, answers and refusals."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import (
    MalformedMessageError,
    OdysseyAuthError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyNotFoundError,
    OdysseyRequestError,
    OdysseyUnauthorizedError,
)
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net.service_api import ServiceApi, check_job_filter
from tests.support.leaks import nothing_left
from tests.support.servers import HttpServer, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JOB = {"job_id": "j-1", "status": "pending", "priority": "normal", "created_at": "2026-01-01T00:00:00Z"}
JOBS = {"jobs": [JOB], "total": 1, "limit": 20, "offset": 0}
RECORDINGS = {"recordings": [], "total": 0, "limit": 50, "offset": 0}
SCRIPT = wire.SimulationRequest(
    portrait=True, script=[wire.ScriptEntry(timestamp_ms=0, start=wire.StartAction(prompt="A cat"))]
)
EVENT = wire.TelemetryRequest(
    events=[
        wire.TelemetryEvent(
            sdk_version="1",
            sdk_platform="python",
            platform_info="Linux 6.1.0 / Python 3.12.1",
            event=wire.TelemetryEventName.SESSION_CONNECTING,
        )
    ]
)
CALLS: dict[str, Callable[[ServiceApi], Any]] = {
    "GET /recordings/s-1": lambda api: api.recording("s-1", until()),
    "GET /stream-recordings": lambda api: api.recordings(None, None, until()),
    "POST /simulation-jobs": lambda api: api.simulate(SCRIPT, until()),
    "GET /simulation-jobs/j-1": lambda api: api.job("j-1", until()),
    "GET /simulation-jobs": lambda api: api.jobs(until()),
    "DELETE /simulation-jobs/j-1": lambda api: api.cancel_job("j-1", until()),
}
every_call = pytest.mark.parametrize("route", CALLS)


def until(seconds: float | None = 30) -> Deadline:
    return Deadline(seconds, MonotonicClock())


@pytest.fixture
def server() -> Iterator[HttpServer]:
    routes = {
        "GET /recordings/s-1": json_answer({"stream_id": "s-1"}),
        "GET /stream-recordings": json_answer(RECORDINGS),
        "POST /simulation-jobs": json_answer(JOB),
        "GET /simulation-jobs/j-1": json_answer(JOB),
        "GET /simulation-jobs": json_answer(JOBS),
        "DELETE /simulation-jobs/j-1": json_answer(JOB),
        "POST /telemetry": answer(b"whatever", "202 Accepted"),
    }
    with nothing_left(), HttpServer(routes) as made:
        yield made


@pytest.fixture
def api(server: HttpServer) -> Iterator[ServiceApi]:
    config = ClientConfig(api_key="ody_secret", api_url=server.url)
    with contextlib.closing(ServiceApi(config, MonotonicClock())) as made:
        yield made


def targets(server: HttpServer) -> list[str]:
    return [request.target for request in server.requests if request.path != "/auth/token"]


# --- requests


@every_call
def test_a_call_is_one_request_with_the_token(server: HttpServer, api: ServiceApi, route: str) -> None:
    CALLS[route](api)
    assert [request.route for request in server.requests] == ["POST /auth/token", route]
    assert server.requests[-1].headers["authorization"] == "Bearer at-secret-1"


@pytest.mark.parametrize("name", ["a/b", "a?b=c#d", "é %2F", ".."[:1] + "x"])
def test_an_id_is_one_quoted_segment(server: HttpServer, api: ServiceApi, name: str) -> None:
    for call in (api.recording, api.job, api.cancel_job):
        with pytest.raises(OdysseyError) as caught:
            call(name, until())
        assert caught.value.status == 404
    sent = targets(server)
    assert len({target.rpartition("/")[2] for target in sent}) == 1
    assert all(target.count("/") == 2 and not {"?", "#", " "} & set(target) for target in sent)


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({}, ""),
        ({"limit": 100, "offset": 0}, "?limit=100&offset=0"),
        ({"active": True}, "?active=true"),
        ({"active": False}, "?active=false"),
        ({"status": wire.SimulationJobStatus.FAILED, "limit": 1}, "?status=failed&limit=1"),
    ],
)
def test_a_list_of_jobs_is_asked_for_with_what_was_given_and_no_more(
    server: HttpServer, api: ServiceApi, arguments: dict[str, Any], query: str
) -> None:
    api.jobs(until(), **arguments)
    assert targets(server) == [f"/simulation-jobs{query}"]


@pytest.mark.parametrize(
    ("page", "query"), [((None, None), ""), ((5, None), "?limit=5"), ((None, 7), "?offset=7")]
)
def test_a_list_of_recordings_is_asked_for_with_what_was_given(
    server: HttpServer, api: ServiceApi, page: tuple[int | None, int | None], query: str
) -> None:
    api.recordings(*page, until())
    assert targets(server) == [f"/stream-recordings{query}"]


def test_a_job_is_sent_as_the_protocol_has_it(server: HttpServer, api: ServiceApi) -> None:
    api.simulate(SCRIPT, until())
    assert server.requests[-1].json() == {
        "portrait": True,
        "output_video": True,
        "script": [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}],
    }


def test_telemetry_has_no_token_and_its_answer_does_not_matter(server: HttpServer, api: ServiceApi) -> None:
    api.report(EVENT, until())
    (request,) = server.requests
    assert "authorization" not in request.headers
    assert request.json()["events"][0]["sdk_platform"] == "python"


@pytest.mark.parametrize("route", [*(route for route in CALLS if route.startswith("POST")), "POST /telemetry"])
def test_a_post_is_sent_once(server: HttpServer, api: ServiceApi, route: str) -> None:
    server.routes[route] = answer(status="503 Service Unavailable")
    with pytest.raises(OdysseyConnectionError):
        CALLS.get(route, lambda api: api.report(EVENT, until()))(api)
    assert len(server.received(route)) == 1


@pytest.mark.parametrize(
    ("call", "arguments", "error"),
    [
        ("recording", ("", until()), OdysseyConfigError),
        ("job", (7, until()), TypeError),
        ("cancel_job", ("..", until()), OdysseyConfigError),
        ("recordings", (0, None, until()), OdysseyConfigError),
        ("recordings", (None, -1, until()), OdysseyConfigError),
        ("recordings", (None, 2**53 + 1, until()), OdysseyConfigError),
        ("recordings", ("5", None, until()), TypeError),
    ],
)
def test_a_wrong_argument_sends_nothing(
    server: HttpServer, api: ServiceApi, call: str, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        getattr(api, call)(*arguments)
    assert server.accepted == 0


@pytest.mark.parametrize(
    ("status", "active", "error"),
    [("running", None, OdysseyConfigError), (7, None, TypeError), (None, "yes", TypeError), (None, 1, TypeError)],
)
def test_what_cannot_filter_a_list_is_refused(
    api: ServiceApi, status: Any, active: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_job_filter(status, active)
    with pytest.raises(error):
        api.jobs(until(), status=status, active=active)


# --- answers


def test_answers_are_models(api: ServiceApi) -> None:
    assert api.recording("s-1", until()) == wire.Recording(stream_id="s-1")
    assert api.jobs(until()).jobs[0].job_id == api.job("j-1", until()).job_id == "j-1"
    assert api.simulate(SCRIPT, until()).streams == []


@every_call
@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"<html>", b"\xff\xfe{"])
def test_an_answer_of_another_shape_names_the_call(
    server: HttpServer, api: ServiceApi, route: str, body: bytes
) -> None:
    server.routes[route] = answer(body)
    if (route, body) == ("DELETE /simulation-jobs/j-1", b""):
        assert CALLS[route](api) is not None  # an empty answer is enough for a cancellation
        return
    with pytest.raises(MalformedMessageError) as caught:
        CALLS[route](api)
    assert str(caught.value).startswith(route)


@pytest.mark.parametrize("body", [b"{}", b'{"job_id": null, "stream_id": [], "jobs": 7, "recordings": "none"}'])
def test_an_answer_without_anything_that_can_be_read_is_used_unless_it_lacks_a_job(
    server: HttpServer, api: ServiceApi, body: bytes
) -> None:
    server.routes.update(dict.fromkeys(CALLS, answer(body)))
    assert api.recording("s-1", until()) == wire.Recording(stream_id="s-1")
    assert api.recordings(None, None, until()) == wire.StreamRecordingsList(
        recordings=[], total=0, limit=0, offset=0
    )
    assert api.jobs(until()) == wire.SimulationJobsList(jobs=[], total=0, limit=0, offset=0)
    assert (api.job("j-1", until()).job_id, api.job("j-1", until()).status) == ("j-1", "unknown")
    assert (api.cancel_job("j-1", until()).job_id, api.cancel_job("j-1", until()).status) == ("j-1", "cancelled")
    with pytest.raises(MalformedMessageError, match=r"^POST /simulation-jobs: .*'?job_id"):
        api.simulate(SCRIPT, until())


def test_an_odd_answer_with_an_identifier_returns_the_job(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /simulation-jobs"] = answer(
        b'{"job_id": 42, "status": 3, "streams": 7, "retry_count": NaN}'
    )
    job = api.simulate(SCRIPT, until())
    assert (job.job_id, job.status, job.streams, job.retry_count) == ("42", "unknown", [], 0)


@pytest.mark.parametrize("status", [404, 418])
def test_a_refusal_names_the_id_that_it_is_about(server: HttpServer, api: ServiceApi, status: int) -> None:
    server.routes["GET /recordings/s-1"] = answer(b"", status=status)
    with pytest.raises(OdysseyError, match=r"^GET /recordings/s-1: ") as caught:
        api.recording("s-1", until())
    assert caught.value.operation == "GET /recordings/{stream_id}"


def test_a_cancelled_job_may_have_no_more_than_its_id_and_status(server: HttpServer, api: ServiceApi) -> None:
    server.routes["DELETE /simulation-jobs/j-1"] = json_answer({"job_id": "j-1", "status": "cancelled"})
    job = api.cancel_job("j-1", until())
    assert (job.job_id, job.status, job.priority, job.created_at) == ("j-1", "cancelled", "", "")
    assert (job.completed_at, job.error_message) == (None, None)


# --- refusals

LATE = json_answer({"detail": "It has begun"}, "400 Bad Request")
BUSY = answer(status="503 Service Unavailable")


def test_a_job_that_has_begun_is_not_cancelled(server: HttpServer, api: ServiceApi) -> None:
    server.routes["DELETE /simulation-jobs/j-1"] = LATE
    with pytest.raises(OdysseyError) as caught:
        api.cancel_job("j-1", until())
    assert (caught.value.code, caught.value.status) == ("not_cancellable", 400)
    assert str(caught.value).endswith("It has begun")
    assert server.received("GET /simulation-jobs/j-1") == []


def test_one_that_the_first_request_cancelled_is_cancelled(server: HttpServer, api: ServiceApi) -> None:
    server.routes["DELETE /simulation-jobs/j-1"] = [BUSY, LATE]
    server.routes["GET /simulation-jobs/j-1"] = json_answer({**JOB, "status": "cancelled"})
    assert api.cancel_job("j-1", until()).status == "cancelled"


def test_one_that_no_request_cancelled_is_not(server: HttpServer, api: ServiceApi) -> None:
    server.routes["DELETE /simulation-jobs/j-1"] = [BUSY, LATE]
    server.routes["GET /simulation-jobs/j-1"] = json_answer({**JOB, "status": "processing"})
    with pytest.raises(OdysseyError) as caught:
        api.cancel_job("j-1", until())
    assert caught.value.code == "not_cancellable"


@every_call
def test_a_token_that_stays_refused_is_an_auth_error(server: HttpServer, api: ServiceApi, route: str) -> None:
    server.routes[route] = answer(status="401 Unauthorized")
    with pytest.raises(OdysseyAuthError):
        CALLS[route](api)
    assert len(server.received(route)) == 2


@pytest.mark.parametrize(
    ("route", "status", "kind", "code"),
    [
        ("GET /recordings/s-1", 403, OdysseyUnauthorizedError, "forbidden"),
        ("GET /recordings/s-1", 404, OdysseyNotFoundError, "not_found"),
        ("GET /stream-recordings", 403, OdysseyUnauthorizedError, "forbidden"),
        ("POST /simulation-jobs", 400, OdysseyRequestError, "invalid_request"),
        ("POST /simulation-jobs", 403, OdysseyRequestError, "forbidden"),
        ("POST /simulation-jobs", 413, OdysseyRequestError, "invalid_request"),
        ("POST /simulation-jobs", 422, OdysseyRequestError, "invalid_request"),
        ("GET /simulation-jobs/j-1", 403, OdysseyRequestError, "forbidden"),
        ("GET /simulation-jobs/j-1", 404, OdysseyNotFoundError, "not_found"),
        ("GET /simulation-jobs", 403, OdysseyUnauthorizedError, "forbidden"),
        ("GET /simulation-jobs", 500, OdysseyConnectionError, "http_500"),
        ("DELETE /simulation-jobs/j-1", 403, OdysseyRequestError, "forbidden"),
        ("DELETE /simulation-jobs/j-1", 404, OdysseyNotFoundError, "not_found"),
        ("DELETE /simulation-jobs/j-1", 409, OdysseyConnectionError, "http_409"),
    ],
)
def test_a_refusal_has_its_kind_and_its_code(
    server: HttpServer, api: ServiceApi, route: str, status: int, kind: type[OdysseyError], code: str
) -> None:
    server.routes[route] = json_answer({"detail": "Because"}, f"{status} X", X_Request_Id="r-7")
    with pytest.raises(OdysseyError) as caught:
        CALLS[route](api)
    error = caught.value
    assert (type(error), error.code, error.status, error.request_id) == (kind, code, status, "r-7")
    assert "Because" in str(error)


def test_a_recording_can_be_given_up(server: HttpServer, api: ServiceApi) -> None:
    abort = Abort()
    abort.abort()
    with pytest.raises(OdysseyConnectionError) as caught:
        api.recording("s-1", until(), abort=abort)
    assert caught.value.code == "closed"
    assert server.requests == []
