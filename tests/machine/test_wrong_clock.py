"""A machine whose clock is wrong by minutes or by a day: credentials may look expired at once, and still work."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from odyssey_proto._model import credentials as credentials_module
from odyssey_proto.emulator._faults.script import Fault
from tests.support.live import lose, take
from tests.support.processes import eventually

if TYPE_CHECKING:
    from odyssey_proto import ClientCredentials, Odyssey
    from odyssey_proto.emulator._server import Emulator

MINUTES = [15.0, -15.0, 9.99, 24 * 60.0]


@pytest.fixture(params=MINUTES, ids="{:+g} min".format)
def credentials(
    client: Odyssey, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> ClientCredentials:
    """Fresh credentials, as a machine with a wrong clock reads them."""
    sent = client.create_client_credentials().to_dict()
    now, wrong = credentials_module._now, datetime.timedelta(minutes=request.param)
    monkeypatch.setattr(credentials_module, "_now", lambda: now() + wrong)
    return credentials_module.ClientCredentials.from_dict(sent)


def test_fresh_credentials_connect_also_if_the_first_attempt_fails(
    credentials: ClientCredentials, client: Odyssey, emulator: Emulator
) -> None:
    emulator.faults.add(Fault(step="signaling handshake", action="reset"))
    with client.connect_with_credentials(credentials) as session:
        session.start_stream("A cat")
        assert len(take(session.frames(), 3)) == 3


def test_a_lost_session_is_rejoined(credentials: ClientCredentials, client: Odyssey, emulator: Emulator) -> None:
    with client.connect_with_credentials(credentials) as session:
        session.start_stream("A cat")
        take(session.frames(), 3)
        lose(emulator, session)
        eventually(lambda: session.is_connected)
        assert len(take(session.frames(), 3)) == 3
        assert session.stats().reconnects == 1
