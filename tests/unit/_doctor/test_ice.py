"""Asking STUN servers, and judging the network by all their answers."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from odyssey_proto._base.clock import Deadline
from odyssey_proto._doctor.ice import Heard, _receive, ask, check_servers, check_ways
from odyssey_proto._model.ice_urls import IceUrl
from tests.support.clocks import Time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COOKIE: Final = 0x2112A442
PATIENCE_S: Final = 30.0
ANSWERS: Final = Heard(took_ms=5)
SILENT: Final = Heard(problem="no answer")
UNKNOWN: Final = Heard(problem="not found in the DNS")


def url(scheme: str = "stun", transport: str = "udp", port: int = 3478, host: str = "127.0.0.1") -> IceUrl:
    return IceUrl(scheme=scheme, host=host, port=port, transport=transport)


UDP, TCP, TLS = url(), url("turn", "tcp"), url("turns", "tcp", 5349)


@contextlib.contextmanager
def stun_server(*replies: Callable[[bytes], bytes]) -> Iterator[int]:
    """Run a server that answers each request with the next of ``replies``, then with the last; yield its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            waiting = list(replies)
            while request := sock.recvfrom(2048):
                data, sender = request
                if not data:
                    return
                sock.sendto((waiting.pop(0) if len(waiting) > 1 else waiting[0])(data), sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = sock.getsockname()[1]
        yield port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", ("127.0.0.1", port))
        thread.join(PATIENCE_S)


def bound(*attributes: tuple[int, bytes]) -> Callable[[bytes], bytes]:
    body = b"".join(
        struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4) for kind, value in attributes
    )
    return lambda request: struct.pack("!HHI", 0x0101, len(body), COOKIE) + request[8:20] + body


def mapped(port: int) -> tuple[int, bytes]:
    return 0x0020, struct.pack("!BBHI", 0, 1, port ^ (COOKIE >> 16), 0)


@pytest.mark.parametrize(
    ("attributes", "port"),
    [
        ([mapped(50_000)], 50_000),
        ([(0x8022, b"a name"), mapped(50_000)], 50_000),
        ([(0x0001, struct.pack("!BBHI", 0, 1, 50_000, 0))], 50_000),
        ([], None),
        ([(0x0020, b"")], None),
    ],
)
def test_an_answer_says_which_port_the_server_sees(attributes: list[tuple[int, bytes]], port: int | None) -> None:
    with stun_server(bound(*attributes)) as where:
        (heard,) = ask([url(port=where)], PATIENCE_S).values()
    assert heard.took_ms is not None
    assert heard.port == port


def test_what_is_no_answer_is_passed_over_and_the_request_is_repeated() -> None:
    other = bound(mapped(1))
    strange = (
        lambda request: other(b"\0" * 8 + b"x" * 12),
        lambda request: b"short",
        bound(mapped(50_000)),
    )
    with stun_server(*strange) as where:
        (heard,) = ask([url(port=where)], PATIENCE_S).values()
    assert heard.port == 50_000


def test_a_server_that_sends_junk_without_end_is_given_up() -> None:
    class Flooded:
        """A socket at which there is always another datagram."""

        def recv(self, _: int) -> bytes:
            clock.at += 0.01
            return b"short"

    clock = Time(at=0.0)
    heard: dict[IceUrl, Heard] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("select.select", lambda reading, *_: (reading, [], []))
        _receive(cast("socket.socket", Flooded()), {b"x" * 12: UDP}, 0.0, heard, Deadline(0.5, clock))
    assert heard == {}
    assert clock.at == pytest.approx(0.5, abs=0.02)


def test_every_server_is_heard_on_its_own() -> None:
    with stun_server(bound(mapped(50_000))) as where:
        good, nowhere = url(port=where), url(host="no..where")
        heard = ask([nowhere, good], PATIENCE_S)
    assert list(heard) == [nowhere, good]
    assert heard[nowhere] == UNKNOWN
    assert heard[good].port == 50_000


def test_a_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the answer has so little time; to look up the server's name, a busy machine may take longer.
    monkeypatch.setattr("odyssey_proto._doctor.ice.Deadline", lambda _, clock: Deadline(0.2, clock))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        (heard,) = ask([url(port=mute.getsockname()[1])], PATIENCE_S).values()
    assert heard == SILENT


def test_without_servers_nobody_is_asked() -> None:
    assert ask([], 1) == {}


# --- what the answers mean


def outcomes(heard: dict[IceUrl, Heard], **known: Any) -> dict[str, str]:
    usual = {"api_url": "https://api.example", "api_is_reached": None, "is_connected": None}
    return {finding.name: finding.outcome for finding in check_ways(heard, **(usual | known))}


@pytest.mark.parametrize(
    ("heard", "known", "expected"),
    [
        ({UDP: ANSWERS}, {}, ("ok", "skipped", "skipped")),
        ({UDP: ANSWERS}, {"api_is_reached": True}, ("ok", "skipped", "ok")),
        ({UDP: ANSWERS}, {"api_is_reached": True, "api_url": "http://x"}, ("ok", "ok", "skipped")),
        ({UDP: SILENT}, {}, ("warning", "skipped", "skipped")),
        ({UDP: SILENT}, {"is_connected": False}, ("failed", "skipped", "skipped")),
        ({UDP: UNKNOWN}, {"is_connected": False}, ("skipped", "skipped", "skipped")),
        ({UDP: SILENT, TCP: ANSWERS, TLS: SILENT}, {"is_connected": True}, ("warning", "ok", "warning")),
        ({TLS: ANSWERS}, {}, ("skipped", "skipped", "ok")),
        ({}, {}, ("skipped", "skipped", "skipped")),
    ],
)
def test_a_way_is_judged_by_all_that_were_asked(
    heard: dict[IceUrl, Heard], known: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert outcomes(heard, **known) == dict(zip(("UDP", "TCP", "TLS"), expected, strict=True))


def test_a_way_that_is_closed_says_what_to_open() -> None:
    udp, tcp, _ = check_ways(
        {UDP: SILENT, TCP: SILENT}, api_url="https://x", api_is_reached=None, is_connected=False
    )
    assert "UDP to ports 3478" in udp.advice
    assert "let TCP through" in tcp.advice
    udp, *_ = check_ways({UDP: SILENT}, api_url="https://x", api_is_reached=None, is_connected=True)
    assert "slower path" in udp.advice


@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        ("no answer", "let through UDP to 127.0.0.1:3478"),
        ("wrong credential? (401)", "report it to the service"),
        ("not found in the DNS", "is online"),
        ("its certificate is not trusted (x): do y", ""),
    ],
)
def test_a_server_that_gives_nothing_says_what_to_do(problem: str, advice: str) -> None:
    (finding,) = check_servers({UDP: Heard(problem=problem)}, is_connected=None)
    assert (finding.name, finding.outcome) == ("STUN", "warning")
    assert finding.text == f"stun:127.0.0.1:3478: {problem}"
    assert advice in finding.advice
    assert bool(finding.advice) == bool(advice)


@pytest.mark.parametrize(
    ("ports", "relay", "outcome"),
    [((1, 1), SILENT, "ok"), ((1, 2), SILENT, "warning"), ((1, 2), ANSWERS, "ok"), ((1, None), SILENT, None)],
)
def test_a_network_that_gives_every_destination_another_port_needs_a_relay(
    ports: tuple[int | None, ...], relay: Heard, outcome: str | None
) -> None:
    heard = {url(port=number): Heard(took_ms=1, port=port) for number, port in enumerate(ports, 1)} | {TCP: relay}
    found = check_servers(heard, is_connected=None)
    assert [finding.outcome for finding in found if finding.name == "NAT"] == ([outcome] if outcome else [])
