"""Sessions with a real TURN server (coturn), most of them with only relays allowed."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import AdvancedConfig, OdysseyConnectionError, OdysseyStreamError, connect_to_stream
from odyssey_proto._live import whep_link
from odyssey_proto._net.webrtc import ice_servers
from odyssey_proto.emulator._faults.script import Fault
from tests.support.coturn import CREDENTIAL, Coturn, missing
from tests.support.live import take
from tests.support.processes import PATIENCE_S
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto import Session
    from tests.conftest import Background, MakeClient, MakeEmulator

pytestmark = [pytest.mark.coturn, pytest.mark.skipif(bool(missing()), reason=missing())]

NO_RETRY: Final = AdvancedConfig(max_retries=0)
DEAD: Final = {"urls": ["turn:192.0.2.1", "stun:192.0.2.1"], "username": "user", "credential": "credential"}
"""Servers at an address reserved for documentation."""


@pytest.fixture
def coturn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Coturn]:
    """A server whose certificate this process trusts."""
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with Coturn(tmp_path / "coturn", certificate=certificate) as server:
        yield server


@pytest.fixture
def make_relayed(make_emulator: MakeEmulator, make_client: MakeClient) -> Any:
    """Connects through relays only, with the ICE servers that the service returns."""

    def make(*ice_servers: dict[str, Any]) -> Session:
        emulator = make_emulator(ice_servers=ice_servers)
        return make_client(emulator, ice_policy="relay", advanced=NO_RETRY).connect(timeout=PATIENCE_S)

    return make


def watch(session: Session, count: int = 5) -> None:
    """Start a stream and look at its first frames."""
    session.start_stream("A cat")
    assert len(take(session.frames(timeout=PATIENCE_S), count)) == count


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_video_comes_through_a_relay(transport: str, coturn: Coturn, make_relayed: Any) -> None:
    with make_relayed(coturn.server(transport)) as session:
        watch(session)
    coturn.wait_for("ALLOCATE processed, success")
    assert "success" in coturn.wait_for("REFRESH processed")  # given back at the end


def test_the_name_of_a_server_is_looked_up(coturn: Coturn, make_relayed: Any) -> None:
    with make_relayed(coturn.server("tls", host="localhost")) as session:
        watch(session)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_wrong_credential_is_reported_at_once(transport: str, coturn: Coturn, make_relayed: Any) -> None:
    server = coturn.server(transport, credential="mistyped-4711")
    with pytest.raises(OdysseyConnectionError) as caught:
        make_relayed(server)
    (url,) = server["urls"]
    assert str(caught.value) == (
        f"ice_policy='relay' needs a relay: no relay candidate from {url}: wrong credential? (401)"
    )
    assert (caught.value.code, caught.value.recoverable) == ("no_relay", False)


def test_a_wrong_credential_does_not_stand_in_the_way_of_a_direct_path(
    coturn: Coturn,
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The reason is logged with the answer to the offer, which usually waits only half a second for it.
    monkeypatch.setattr("odyssey_proto._net.webrtc.ice_servers._ANSWER_WITHIN_S", PATIENCE_S)
    emulator = make_emulator(ice_servers=[coturn.server(credential="mistyped-4711")])
    with make_client(emulator).connect(timeout=PATIENCE_S) as session:
        watch(session)
    assert "wrong credential? (401)" in caplog.text
    assert "4711" not in caplog.text


def test_an_untrusted_certificate_of_a_turn_server_is_reported(
    coturn: Coturn, make_relayed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(OdysseyConnectionError, match="its certificate is not trusted"):
        make_relayed(coturn.server("tls"))


def test_servers_that_are_dead_leave_it_to_the_next(coturn: Coturn, make_relayed: Any) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        here = {**DEAD, "urls": f"turn:127.0.0.1:{silent.getsockname()[1]}"}
        with make_relayed(DEAD, here, coturn.server()) as session:
            watch(session)


def test_a_spectator_without_a_relay_learns_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert whep_link._RELAYS_S > ice_servers._RELAY_WITHIN_S
    # The relays have half a second; the link waits longer, even on a busy machine.
    monkeypatch.setattr("odyssey_proto._live.whep_link._GATHERING_S", 0.5)
    monkeypatch.setattr("odyssey_proto._live.whep_link._RELAYS_S", PATIENCE_S)
    monkeypatch.setattr("odyssey_proto._net.webrtc.ice_servers._RELAY_WITHIN_S", 0.5)
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = {**DEAD, "urls": f"turn:127.0.0.1:{silent.getsockname()[1]}"}
        with pytest.raises(OdysseyConnectionError) as caught:
            connect_to_stream("http://127.0.0.1:1/live", "token", ice_servers=[server], ice_policy="relay")
    assert (caught.value.code, "no answer" in str(caught.value)) == ("no_relay", True)


def test_servers_that_are_all_dead_do_not_stand_in_the_way_of_a_direct_path(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    with make_client(make_emulator(ice_servers=[DEAD])).connect(timeout=PATIENCE_S) as session:
        watch(session)


def test_servers_of_the_user_replace_those_of_the_service(
    coturn: Coturn, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(ice_servers=[coturn.server(credential="mistyped-4711")])
    with make_client(emulator, ice_policy="relay", ice_servers=[coturn.server()]).connect(
        timeout=PATIENCE_S
    ) as live:
        watch(live)


def test_a_session_goes_on_after_a_reconnect_with_a_relay_of_its_own(
    coturn: Coturn, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(ice_servers=[coturn.server()])
    session = make_client(emulator, ice_policy="relay").connect(timeout=PATIENCE_S)
    session.start_stream("A cat")
    frames = session.frames(timeout=PATIENCE_S)
    take(frames, 3)
    emulator.faults.add(Fault(step="stream update", action="drop"))
    with pytest.raises(OdysseyStreamError, match="The connection ended"):
        session.interact("Night", timeout=PATIENCE_S)
    assert "Day" in session.interact("Day", timeout=PATIENCE_S)
    take(frames, 3)
    for _ in range(2):
        coturn.wait_for("ALLOCATE processed, success")


def test_closing_does_not_wait_for_a_server_that_has_died(
    coturn: Coturn, make_relayed: Any, in_background: Background
) -> None:
    session = make_relayed(coturn.server("udp", "tcp"), DEAD)
    watch(session)
    coturn.signal(signal.SIGSTOP)
    in_background(session.disconnect).result(10)  # stock aiortc takes 40 s and more
    assert session.has_ended


def test_no_log_shows_a_credential(coturn: Coturn, make_relayed: Any, capfd: Any, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    with make_relayed(coturn.server()) as session:
        watch(session)
    assert CREDENTIAL not in caplog.text
    assert CREDENTIAL not in capfd.readouterr().err
