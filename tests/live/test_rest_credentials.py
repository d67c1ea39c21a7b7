"""Credentials that cannot be created: their session is given back, whatever the reason."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import (
    AdvancedConfig,
    MalformedMessageError,
    Odyssey,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyStreamError,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.leaks import nothing_left
from tests.support.processes import PATIENCE_S, sessions_are_free
from tests.support.servers import Connection, HttpServer, Request, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator

TOKEN = "POST /sessions/token"
NO_QUEUE = AdvancedConfig(queue_timeout_s=0)


@pytest.fixture(autouse=True)
def _giving_back_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odyssey_proto._rest.minting._GIVING_BACK_S", PATIENCE_S)


def refused_credentials(emulator: Emulator, fault: Fault, timeout: float = 30) -> OdysseyConnectionError:
    emulator.faults.add(fault)
    with (
        Odyssey(emulator.api_key, api_url=emulator.api_url, advanced=NO_QUEUE) as client,
        pytest.raises(OdysseyConnectionError) as caught,
    ):
        client.create_client_credentials(timeout=timeout)
    return caught.value


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"action": "answer", "status": 500}, id="500"),
        pytest.param({"action": "answer", "status": 503, "times": 3}, id="503 until nobody asks any more"),
        pytest.param({"action": "reset", "times": 3}, id="resets"),
        pytest.param({"action": "answer", "status": 200, "body": {"session_token": "no JWT"}}, id="no JWT"),
    ],
)
def test_a_session_without_a_token_is_free_at_once(fault: dict[str, Any], emulator: Emulator) -> None:
    refused_credentials(emulator, Fault(step=TOKEN, **fault))
    assert sessions_are_free(emulator.api_url, emulator.api_key)


def test_a_session_whose_token_takes_too_long_is_free_at_once(emulator: Emulator) -> None:
    # Long enough for the earlier calls, even on a busy machine.
    error = refused_credentials(emulator, Fault(step=TOKEN, action="hang"), timeout=5)
    assert type(error) is OdysseyConnectionTimeoutError
    assert sessions_are_free(emulator.api_url, emulator.api_key)


def test_credentials_that_were_given_keep_their_session(emulator: Emulator) -> None:
    with Odyssey(emulator.api_key, api_url=emulator.api_url, advanced=NO_QUEUE) as client:
        client.create_client_credentials()
    assert not sessions_are_free(emulator.api_url, emulator.api_key)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with nothing_left(), HttpServer() as made:
        yield made


def test_a_session_that_was_lost_is_given_back_before_the_next_is_requested(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(concurrent_sessions=1)
    with Odyssey(emulator.api_key, api_url=emulator.api_url, advanced=NO_QUEUE, reconnect=False) as client:
        session = client.connect()
        emulator.faults.add(Fault(step="stream start", action="drop"))
        emulator.faults.add(Fault(step=TOKEN, action="delay", seconds=0.5))  # the goodbye needs a token
        with pytest.raises(OdysseyStreamError):
            session.start_stream("A cat")
        assert session.has_ended
        assert client.create_client_credentials().session_id


def test_a_session_that_cannot_be_returned_is_logged_and_changes_no_error(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.routes[TOKEN] = answer(status="500 Oops")
    with (
        Odyssey("ody_key", api_url=server.url) as client,
        caplog.at_level(logging.WARNING, logger="odyssey_proto"),
        pytest.raises(OdysseyConnectionError) as caught,
    ):
        client.create_client_credentials()
    assert (caught.value.status, caught.value.session_id) == (500, "s-1")
    assert "could not be returned" in caplog.text


def test_an_address_that_is_none_changes_no_error_either(server: HttpServer) -> None:
    server.routes["POST /sessions/request"] = json_answer({"session_id": "s-1", "signalling_url": "nonsense://"})
    with Odyssey("ody_key", api_url=server.url) as client, pytest.raises(MalformedMessageError) as caught:
        client.create_client_credentials()
    assert "signaling_url" in str(caught.value)


def test_closing_the_client_ends_the_wait_for_a_token(server: HttpServer) -> None:
    asked = threading.Event()

    def hang(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hang()

    server.routes[TOKEN] = hang
    client = Odyssey("ody_key", api_url=server.url)

    def close() -> None:
        asked.wait(10)
        client.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(OdysseyConnectionError) as caught:
        client.create_client_credentials(timeout=None)
    closing.join()
    assert caught.value.code == "closed"
