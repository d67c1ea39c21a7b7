"""Connecting with credentials from another client: no API key, one session, a token that expires."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from odyssey_proto import ClientCredentials, ConnectionStatus, Odyssey, OdysseyConnectionError, OdysseyStreamError
from odyssey_proto.emulator._faults.script import Fault
from tests.support.processes import PATIENCE_S, eventually, sessions_are_free

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeClient, MakeEmulator

SOON_S: Final = 10.0


@pytest.fixture
def keyless(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Odyssey]:
    """A client without a key."""
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    with Odyssey(api_url=emulator.api_url) as client:
        yield client


@pytest.fixture
def credentials(client: Odyssey) -> ClientCredentials:
    return ClientCredentials.from_dict(client.create_client_credentials().to_dict())


def test_no_key_is_needed_to_stream(keyless: Odyssey, credentials: ClientCredentials) -> None:
    with keyless.connect_with_credentials(credentials) as session:
        assert session.session_id == credentials.session_id
        assert keyless.start_stream("A mountain lake")
        assert next(session.frames(timeout=SOON_S)).width == 64
        assert "Night" in keyless.interact("Night")


def test_handlers_are_those_of_connect(keyless: Odyssey, credentials: ClientCredentials) -> None:
    told: list[object] = []
    session = keyless.connect_with_credentials(
        credentials,
        on_connected=lambda: told.append("connected"),
        on_status_change=lambda status, _: told.append(status),
    )
    session.disconnect()
    eventually(lambda: ConnectionStatus.DISCONNECTED in told)  # disconnect() may return before that
    assert told == [
        ConnectionStatus.CONNECTING,
        ConnectionStatus.CONNECTED,
        "connected",
        ConnectionStatus.DISCONNECTED,
    ]


@pytest.mark.usefixtures("unhurried")
def test_leaving_gives_the_session_back(
    emulator: Emulator, keyless: Odyssey, credentials: ClientCredentials
) -> None:
    keyless.connect_with_credentials(credentials).disconnect()
    assert sessions_are_free(emulator.api_url, emulator.api_key)


def test_a_lost_connection_is_rejoined_without_a_key(
    emulator: Emulator, keyless: Odyssey, credentials: ClientCredentials
) -> None:
    session = keyless.connect_with_credentials(credentials)
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream update", action="drop"))
    with pytest.raises(OdysseyStreamError):
        session.interact("Night")
    assert "Day" in session.interact("Day", timeout=SOON_S)


def test_fresh_credentials_work_where_the_clock_is_an_hour_ahead(
    emulator: Emulator, keyless: Odyssey, credentials: ClientCredentials
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    object.__setattr__(credentials, "expires_at", past)
    session = keyless.connect_with_credentials(credentials)
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream update", action="drop"))
    with pytest.raises(OdysseyStreamError):
        session.interact("Night")
    assert "Day" in session.interact("Day", timeout=SOON_S)  # over another link, with the same token


def test_expired_credentials_are_tried_once(
    keyless: Odyssey, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    minted = make_client(make_emulator(session_token_ttl_s=1)).create_client_credentials()
    eventually(lambda: minted.is_expired)
    failed: list[bool] = []
    with pytest.raises(OdysseyConnectionError, match=r"^The signaling server refused the credentials: ") as caught:
        keyless.connect_with_credentials(minted, on_error=lambda _, fatal: failed.append(fatal))
    assert caught.value.code == "credentials_refused"
    eventually(lambda: failed == [True])


def test_credentials_that_expire_by_the_services_clock_are_refused_by_it(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(session_token_ttl_s=1)
    client = make_client(emulator)
    minted = client.create_client_credentials()
    eventually(lambda: minted.is_expired)
    object.__setattr__(minted, "expires_at", datetime.datetime.max.replace(tzinfo=datetime.UTC))
    with pytest.raises(OdysseyConnectionError, match=r"^The signaling server refused the credentials: ") as caught:
        client.connect_with_credentials(minted)
    assert caught.value.code == "credentials_refused"
    assert str(minted.session_token) not in str(caught.value)


def test_credentials_of_another_service_are_refused(
    make_emulator: MakeEmulator, keyless: Odyssey, credentials: ClientCredentials, make_client: MakeClient
) -> None:
    foreign = make_client(make_emulator()).create_client_credentials()
    misled = attrs.evolve(foreign, signaling_url=credentials.signaling_url)
    with pytest.raises(OdysseyConnectionError, match=r"^The signaling server refused the credentials: "):
        keyless.connect_with_credentials(misled)
    assert keyless.current_status is ConnectionStatus.FAILED


def test_credentials_for_a_session_that_has_ended_are_refused(
    keyless: Odyssey, credentials: ClientCredentials
) -> None:
    keyless.connect_with_credentials(credentials).disconnect()
    with pytest.raises(OdysseyConnectionError):
        keyless.connect_with_credentials(credentials, timeout=PATIENCE_S)


@pytest.mark.parametrize("wrong", [None, {}, "token", object()])
def test_what_is_no_credentials_is_a_type_error(wrong: Any, keyless: Odyssey) -> None:
    with pytest.raises(TypeError, match=r"^credentials must be ClientCredentials, not "):
        keyless.connect_with_credentials(wrong)


def test_a_dict_is_refused_as_credentials_and_the_error_says_how_to_convert_it(keyless: Odyssey) -> None:
    with pytest.raises(TypeError, match=r"ClientCredentials\.from_dict\(\)$"):
        keyless.connect_with_credentials({"session_token": "t"})  # type: ignore[arg-type]  # that is the point
