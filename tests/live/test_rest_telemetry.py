"""Telemetry: nothing by default, the events of the protocol, and never a delay or a failure."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import AdvancedConfig, Odyssey, OdysseyAuthError, OdysseyConnectionError
from odyssey_proto.emulator._server import Emulator
from tests.support.leaks import nothing_left
from tests.support.processes import PATIENCE_S, eventually
from tests.support.servers import Connection, HttpServer, Request, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTE = "POST /telemetry"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture
def _the_last_events_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the closing of a client wait until its events are sent."""
    monkeypatch.setattr("odyssey_proto._rest.telemetry._LAST_EVENTS_S", PATIENCE_S)


def refused(server: HttpServer, **options: Any) -> OdysseyAuthError:
    """Try to connect with a key that is refused, and return the error."""
    server.routes["POST /auth/token"] = answer(status="401 Unauthorized")
    with (
        Odyssey("ody_live_secret", api_url=server.url, **options) as client,
        pytest.raises(OdysseyAuthError) as caught,
    ):
        client.connect()
    return caught.value


def events(server: HttpServer) -> list[dict[str, Any]]:
    return [event for request in server.received(ROUTE) for event in request.json()["events"]]


def test_nothing_is_reported_unless_the_user_asks_for_it() -> None:
    with HttpServer({ROUTE: answer()}) as server:
        refused(server)
        refused(server, enable_telemetry=False)
        assert server.received(ROUTE) == []


@pytest.mark.usefixtures("_the_last_events_have_time")
def test_a_failure_is_reported_by_its_kind_without_the_key() -> None:
    with HttpServer({ROUTE: answer(status="202 Accepted")}) as server:
        error = refused(server, enable_telemetry=True)
        eventually(lambda: len(events(server)) > 1)
        first, second = events(server)
        assert first["event"] == "session_connecting"
        assert (second["error_type"], second["error_message"]) == ("auth", error.message)
        assert second["error_code"] == "invalid_api_key"
        assert {event["api_key_prefix"] for event in (first, second)} == {"ody_live"}
        assert b"secret" not in b"".join(request.body for request in server.received(ROUTE))
        assert "authorization" not in server.received(ROUTE)[0].headers


@pytest.mark.usefixtures("_the_last_events_have_time")
def test_a_session_is_reported_from_its_beginning_to_its_end() -> None:
    told: list[dict[str, Any]] = []
    with Emulator() as emulator, HttpServer() as server:
        client = Odyssey(emulator.api_key, api_url=emulator.api_url, enable_telemetry=True)
        client._account.api.report = lambda request, deadline: told.extend(  # type: ignore[method-assign]
            # The emulator accepts the events, and keeps none.
            {"event": str(event.event), "session_id": event.session_id}
            for event in request.events
        )
        with client:
            session_id = client.connect().session_id
            client.disconnect()
            client.disconnect()
        assert server.requests == []
    assert told == [
        {"event": "session_connecting", "session_id": None},
        {"event": "session_connected", "session_id": session_id},
        {"event": "session_disconnected", "session_id": session_id},
        {"event": "session_disconnected", "session_id": None},  # of the second disconnect(), none of close()
    ]


@pytest.mark.usefixtures("_the_last_events_have_time")
def test_the_end_of_a_session_is_reported_before_the_next_one_begins() -> None:
    told: list[tuple[str, str | None]] = []
    with (
        Emulator() as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url, enable_telemetry=True) as client,
    ):
        client._account.api.report = lambda request, deadline: told.extend(  # type: ignore[method-assign]  # as above
            (str(event.event), event.session_id) for event in request.events
        )
        sessions = []
        for _ in range(2):
            with client.connect() as session:
                sessions.append(session.session_id)
    assert told == [
        (event, session_id)
        for session in sessions
        for event, session_id in (
            ("session_connecting", None),
            ("session_connected", session),
            ("session_disconnected", session),
        )
    ]


def test_the_emulator_takes_it() -> None:
    with (
        Emulator() as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url, enable_telemetry=True) as client,
    ):
        client.connect().disconnect()


@pytest.mark.parametrize(
    "reply", [answer(status="500 Oops"), b"garbage", lambda connection, _: connection.reset()]
)
def test_a_service_that_does_not_take_it_changes_nothing(reply: Any) -> None:
    with HttpServer({ROUTE: reply}) as server:
        refused(server, enable_telemetry=True)


def test_nobody_waits_for_a_service_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odyssey_proto._rest.telemetry._EVENT_TIMEOUT_S", 10 * PATIENCE_S)
    asked = threading.Event()

    def hang(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hang()

    with HttpServer({ROUTE: hang}) as server:
        began = time.monotonic()
        refused(server, enable_telemetry=True)
        assert time.monotonic() - began < PATIENCE_S
        assert asked.wait(PATIENCE_S)


def test_a_queue_that_is_full_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odyssey_proto._rest.telemetry._EVENT_TIMEOUT_S", 10 * PATIENCE_S)

    def hang(connection: Connection, _: Request) -> None:
        connection.hang()

    advanced = AdvancedConfig(queue_timeout_s=0, max_retries=0)
    with (
        HttpServer({ROUTE: hang, "POST /sessions/request": answer(status="503 Busy")}) as server,
        Odyssey("ody_key", api_url=server.url, enable_telemetry=True, advanced=advanced) as client,
    ):
        for _ in range(20):
            with pytest.raises(OdysseyConnectionError):
                client.connect()
        assert client._account.telemetry._queue.qsize() == 32
