"""A network that drops all UDP, and connections through a TURN server (coturn)."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support import coturn, far, routed
from tests.support.coturn import Coturn
from tests.support.processes import PATIENCE_S, Process, emulator_process, script
from tests.support.routed import Routed
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.tls import Certificate

lacking = routed.missing() or coturn.missing()
pytestmark = [pytest.mark.netns, pytest.mark.coturn, pytest.mark.skipif(bool(lacking), reason=lacking)]

DEAD: Final = {"urls": "turn:10.77.1.99", "username": "user", "credential": "credential"}
"""An unused address in the client's own network."""

VIDEO: Final = """
with client.connect(timeout=30) as session:
    session.start_stream("A cat")
    first_frames(session, 20)
say("frames")
"""

FIRST_ATTEMPT: Final = f"""
client = Odyssey(client.config.api_key, api_url=client.config.api_url, advanced=AdvancedConfig(max_retries=0))
{VIDEO}
"""

FAR_S: Final = 0.3
"""How long a message takes to a distant server: half of a round trip."""

FAILURE: Final = """
client = Odyssey(client.config.api_key, api_url=client.config.api_url, advanced=AdvancedConfig(max_retries=0))
try:
    client.connect(timeout=30)
except OdysseyConnectionError as error:
    say(error.code, str(error), error.recoverable)
"""


@pytest.fixture
def network() -> Iterator[Routed]:
    with Routed() as network:
        yield network


@pytest.fixture
def certificate(network: Routed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """A certificate of the router, trusted by every process of the test."""
    made = self_signed(tmp_path, address=network.router)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.path))
    return made


@pytest.fixture
def turn(network: Routed, certificate: Certificate, tmp_path: Path) -> Iterator[Coturn]:
    """A TURN server on the router."""
    with Coturn(
        tmp_path / "coturn",
        listen=network.router,
        relay=network.beyond,
        certificate=certificate,
        within=network.within("router"),
    ) as server:
        yield server


@pytest.fixture
def client(network: Routed) -> Iterator[Callable[..., Process]]:
    """Start scripts in the client's network, each with a service that returns the given ICE servers."""
    with ExitStack() as running:

        def start(code: str, *ice_servers: dict[str, Any]) -> Process:
            service = emulator_process(
                network.namespaces("service"), host=network.service, ice_servers=[*ice_servers]
            )
            _, api_url = running.enter_context(service)
            return running.enter_context(script(code, api_url, namespaces=network.namespaces("client")))

        yield start


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_with_the_credential_video_comes_through_the_relay(
    transport: str, network: Routed, turn: Coturn, client: Callable[..., Process]
) -> None:
    if transport != "udp":
        network.close_to_udp()
    process = client(VIDEO, turn.server(transport))
    assert process.said() == ["frames"]
    assert process.ended() == 0
    assert network.dropped > 0  # the direct path was tried and does not exist


def test_tcp_is_used_where_udp_is_offered_and_closed(
    network: Routed, turn: Coturn, client: Callable[..., Process]
) -> None:
    network.close_to_udp()
    assert client(VIDEO, turn.server("udp", "tcp")).said() == ["frames"]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_server_that_is_far_away_and_the_only_way_is_waited_for(
    transport: str, network: Routed, turn: Coturn, client: Callable[..., Process]
) -> None:
    network.close_to_udp()
    server = turn.server(transport)
    port = {"tcp": turn.port, "tls": turn.tls_port}[transport]
    delaying = [sys.executable, str(Path(far.__file__)), turn.host, str(port), str(FAR_S)]
    with Process([*network.within("router"), *delaying]) as process:
        there = process.line().strip()
        server["urls"] = [url.replace(f":{port}", f":{there}") for url in server["urls"]]
        assert client(FIRST_ATTEMPT, server).said() == ["frames"]


def test_the_second_server_is_used_where_the_first_is_dead(turn: Coturn, client: Callable[..., Process]) -> None:
    assert client(VIDEO, DEAD, turn.server()).said() == ["frames"]


def test_without_the_credential_there_is_no_video_and_the_error_says_why(
    network: Routed, turn: Coturn, client: Callable[..., Process]
) -> None:
    server = turn.server("udp", "tcp", credential="mistyped-4711")
    assert client(FAILURE, server).said() == [
        "ice_failed",
        "No network path to the streamer was found (host candidates were tried); "
        + "; ".join(f"no relay candidate from {url}: wrong credential? (401)" for url in server["urls"]),
        False,
    ]
    assert network.dropped > 0


def test_without_a_server_there_is_no_video_and_the_error_says_why(
    network: Routed, client: Callable[..., Process]
) -> None:
    assert client(FAILURE).said() == [
        "ice_failed",
        "No network path to the streamer was found (host candidates were tried); no TURN server is known",
        True,
    ]
    assert network.dropped > 0


def test_a_client_ends_in_time_though_its_server_has_died(turn: Coturn, client: Callable[..., Process]) -> None:
    process = client(
        """
        session = client.connect(timeout=30)
        session.start_stream("A cat")
        first_frames(session, 5)
        say("frames")
        sys.stdin.readline()
        client.close()
        def left():
            return [thread.name for thread in threading.enumerate() if thread.name.startswith("odyssey")]
        gives_up_at = time.monotonic() + 20  # a busy machine may take longer than `close` waits
        while left() and time.monotonic() < gives_up_at:
            time.sleep(0.01)
        say(left())
        """,
        turn.server("udp", "tcp"),
    )
    assert process.said() == ["frames"]
    turn.signal(signal.SIGSTOP)
    process.tell()
    assert process.said(within=PATIENCE_S) == [[]]
    assert process.ended() == 0
