"""Raw responses: the last answer of a call, for the thread that made it."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs
import pytest

from odyssey_proto import Odyssey, OdysseyError, RawResponse
from odyssey_proto._net.http_exchange import answers
from tests.support.servers import HttpServer, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDING = {"stream_id": "s-1", "video_url": "https://x.example/v.mp4?signature=secret"}
ROUTE = "GET /recordings/s-1"


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer({ROUTE: json_answer(RECORDING, X_Request_Id="r-1", X_Other="x")}) as made:
        yield made


@pytest.fixture
def client(server: HttpServer) -> Iterator[Odyssey]:
    with Odyssey("ody_key", api_url=server.url) as made:
        yield made


def test_an_answer_has_its_status_headers_request_id_and_content(client: Odyssey) -> None:
    raw = client.with_raw_response.get_recording("s-1")
    assert isinstance(raw, RawResponse)
    assert (raw.status, raw.request_id, raw.parsed.stream_id) == (200, "r-1", "s-1")
    assert raw.headers["X-OTHER"] == raw.headers["x-other"] == "x"


def test_the_answer_that_gave_the_token_is_not_it(client: Odyssey, server: HttpServer) -> None:
    server.routes["POST /auth/token"] = json_answer({"access_token": "at"}, X_Request_Id="of the token")
    assert client.with_raw_response.get_recording("s-1").request_id == "r-1"


def test_of_a_call_that_was_repeated_it_is_the_answer_that_counted(client: Odyssey, server: HttpServer) -> None:
    good = json_answer(RECORDING, X_Request_Id="second")
    server.routes[ROUTE] = [answer(status="503 Busy", X_Request_Id="first"), good]
    assert client.with_raw_response.get_recording("s-1").request_id == "second"


def test_a_service_without_request_ids_gives_none(client: Odyssey, server: HttpServer) -> None:
    server.routes[ROUTE] = json_answer(RECORDING)
    assert client.with_raw_response.get_recording("s-1").request_id is None


def test_a_failure_raises_and_the_next_call_is_not_touched_by_it(client: Odyssey) -> None:
    with pytest.raises(OdysseyError) as caught:
        client.with_raw_response.get_recording("s-2")
    assert caught.value.status == 404
    assert client.with_raw_response.get_recording("s-1").status == 200


def test_calls_inside_of_each_other_keep_their_own_answers(client: Odyssey) -> None:
    with answers() as outer:
        client.get_recording("s-1")
        with answers() as inner:
            client.get_recording("s-1")
        client.get_recording("s-1")
    assert (len(outer), len(inner)) == (2, 1)


def test_each_thread_has_the_answers_of_its_own_calls(client: Odyssey, server: HttpServer) -> None:
    for number in range(16):
        server.routes[f"GET /recordings/s-{number}"] = json_answer(
            {"stream_id": f"s-{number}"}, X_Request_Id=f"r-{number}"
        )
    with ThreadPoolExecutor(16) as executor:
        raws = list(executor.map(lambda n: client.with_raw_response.get_recording(f"s-{n % 16}"), range(64)))
    assert [raw.request_id for raw in raws] == [f"r-{number % 16}" for number in range(64)]
    assert [raw.parsed.stream_id for raw in raws] == [f"s-{number % 16}" for number in range(64)]


def test_headers_do_not_print(client: Odyssey, server: HttpServer) -> None:
    server.routes[ROUTE] = json_answer(RECORDING, Set_Cookie="id=secret-cookie")
    raw = client.with_raw_response.get_recording("s-1")
    assert raw.headers["set-cookie"] == "id=secret-cookie"
    assert "secret-cookie" not in repr(raw)


def test_an_answer_is_frozen(client: Odyssey) -> None:
    raw = client.with_raw_response.get_recording("s-1")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        raw.status = 500  # type: ignore[misc]  # that it cannot be set is the point


def test_arguments_go_through_as_they_are(client: Odyssey, server: HttpServer) -> None:
    page = {"recordings": [], "total": 0, "limit": 3, "offset": 4}
    server.routes["GET /stream-recordings"] = json_answer(page)
    raw = client.with_raw_response.list_stream_recordings(3, offset=4, timeout=10)
    assert (raw.parsed.limit, server.requests[-1].target) == (3, "/stream-recordings?limit=3&offset=4")


def test_each_call_has_the_name_of_the_one_that_it_makes(client: Odyssey) -> None:
    for name in vars(client.with_raw_response):
        assert inspect.isfunction(getattr(Odyssey, name))
