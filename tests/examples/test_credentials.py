"""The documentation's examples about client credentials, without ``async`` and ``await``.

The examples of connecting with them are in `tests.examples.test_live`.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import websocket

from odyssey_proto import Odyssey, OdysseyConfigError
from tests.support.documentation import example_of

if TYPE_CHECKING:
    from odyssey_proto.emulator._server import Emulator


@pytest.fixture(autouse=True)
def _at_an_emulator(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Direct clients to a separate emulator: credentials hold the only session that a key may have."""
    monkeypatch.setenv("ODYSSEY_API_URL", emulator.api_url)


def first_message(credentials: dict[str, Any]) -> str:
    """Return the first message of the signaling server to a client with these credentials."""
    url = "{signaling_url}/client/{session_id}?token={session_token}".format_map(credentials)
    with contextlib.closing(websocket.create_connection(url, timeout=30)) as door:
        return str(door.recv())


@example_of("sdk/python/client", "create_client_credentials()")
def test_create_client_credentials() -> None:
    server = Odyssey(api_key="ody_your_api_key")
    creds = server.create_client_credentials()

    # Send creds.to_dict() to the client (e.g., via your API)
    sent = json.loads(json.dumps(creds.to_dict()))

    assert sorted(sent) == ["capabilities", "expires_in", "session_id", "session_token", "signaling_url"]
    assert sent["capabilities"] == {"image_to_video": True}
    assert creds.expires_in == 600
    assert json.loads(first_message(sent))["type"] == "offer"  # the streamer accepts any holder of them
    with pytest.raises(websocket.WebSocketBadStatusException):
        first_message(sent | {"session_token": "another"})
    server.close()


@example_of("sdk/python/types", "ClientCredentials: serialization")
def test_serialization() -> None:
    server = Odyssey(api_key="ody_your_api_key")

    # Server-side: mint and serialize
    creds = server.create_client_credentials()
    creds_dict = creds.to_dict()
    # Send creds_dict as JSON to the client
    data_from_server = json.loads(json.dumps(creds_dict))

    def client_side() -> object:
        # Client-side: deserialize
        from odyssey_proto import ClientCredentials

        creds = ClientCredentials.from_dict(data_from_server)
        return creds, creds.session_id

    assert client_side() == (creds, creds.session_id)
    # "The session_id in the dict is informational. On deserialization, it is re-derived from the JWT."
    data_from_server["session_id"] = "that of somebody else"
    assert client_side() == (creds, creds.session_id)
    data_from_server["session_token"] = "no JWT"
    with pytest.raises(OdysseyConfigError):
        client_side()
    server.close()
