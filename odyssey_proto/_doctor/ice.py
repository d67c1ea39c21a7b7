"""The checks of STUN and TURN servers, each on its own, and their conclusions about UDP, TCP and TLS.

The client asks all at once and uses the first that answers; here, each has time to answer, and is reported.
Addresses of this machine are not reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Final

import attrs

from .._base.clock import Deadline, MonotonicClock
from .._base.daemon_executor import DaemonExecutor
from .._base.event_loop import BackgroundLoop
from .._model.ice_urls import IceUrl
from .._net.webrtc.ice_servers import IceServers
from .finding import CheckResult

__all__ = ["Heard", "ask", "check_servers", "check_ways"]

_REPEATED_EVERY_S: Final = 0.5
_BINDING: Final = 0x0001
_BOUND: Final = 0x0101
_COOKIE: Final = 0x2112A442
_MAPPED: Final = (0x0020, 0x0001)  # XOR-MAPPED-ADDRESS, and the older MAPPED-ADDRESS
_HEADER: Final = struct.Struct("!HHI12s")
_NOT_FOUND: Final = "not found in the DNS"
_RELAY_GIVEN_BACK_S: Final = 0.5  # to give a relay back: a message and its answer


@attrs.frozen(kw_only=True)
class Heard:
    """The answer of a server."""

    took_ms: int | None = None
    """How long the answer took, in ms; None if it gave no candidate."""
    problem: str = ""
    port: int | None = None
    """The port of this machine that a STUN server sees; None if it gave none."""


def ask(urls: Sequence[IceUrl], limit_s: float) -> dict[IceUrl, Heard]:
    """Ask all servers at the same time, and return what each answered within ``limit_s`` s."""
    turn = [url for url in urls if url.scheme != "stun"]
    loop = BackgroundLoop("odyssey-check-loop")
    with contextlib.ExitStack() as until_the_end:
        relays: dict[IceUrl, Future[Heard]] = {}
        if turn:
            loop.start()
            until_the_end.callback(loop.stop)
            relays = {url: loop.submit(_ask_turn(url, limit_s)) for url in turn}
        heard = _ask_stun([url for url in urls if url.scheme == "stun"], limit_s)
        for url, relay in relays.items():
            try:
                heard[url] = relay.result(limit_s + 1)
            except TimeoutError:
                heard[url] = Heard(problem="no answer")
    return {url: heard[url] for url in urls}


class _Transport:
    """The owner of a relay, in place of aioice's connection. Nobody sends anything through it."""

    def __init__(self) -> None:
        self._protocols: list[Any] = []
        self.relay_is_gone = asyncio.Event()

    def protocol_lost(self, _: Any) -> None:
        """Note that the relay was given back, or that its connection is gone."""
        self.relay_is_gone.set()

    def data_received(self, data: Any, component: Any) -> None:
        """Do nothing."""

    def request_received(self, *_: Any) -> None:
        """Do nothing."""


async def _ask_turn(url: IceUrl, limit_s: float) -> Heard:
    servers = IceServers([url], relay_only=True)
    transport = _Transport()
    relays: list[Any] = []
    began = time.monotonic()
    try:
        async with asyncio.timeout(limit_s):
            servers.ask()
            relays = await servers.candidates(transport, 1, ())
    except TimeoutError:
        return Heard(problem="no answer")
    finally:
        took_ms = round((time.monotonic() - began) * 1000)
        await servers.release()
        await servers.cut()
        if relays:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(transport.relay_is_gone.wait(), _RELAY_GIVEN_BACK_S)
    if relays:
        return Heard(took_ms=took_ms)
    return Heard(problem=next((note.partition(f"{url}: ")[2] for note in servers.notes), "no answer"))


# --- STUN (RFC 8489)


def _ask_stun(urls: Sequence[IceUrl], limit_s: float) -> dict[IceUrl, Heard]:
    """Ask all servers from one socket: the ports that they see show how the network maps it."""
    heard: dict[IceUrl, Heard] = {}
    if not urls:
        return heard
    deadline = Deadline(limit_s, MonotonicClock())
    with contextlib.ExitStack() as until_the_end:
        lookups = DaemonExecutor("odyssey-lookup")
        until_the_end.callback(lookups.shutdown, wait=False)
        addresses = {url: lookups.submit(_ipv4, url) for url in urls}
        wait(addresses.values(), timeout=limit_s / 2)
        sock = until_the_end.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.setblocking(False)
        asked = {secrets.token_bytes(12): url for url in urls if _is_found(addresses[url])}
        heard |= {url: Heard(problem=_NOT_FOUND) for url in urls if not _is_found(addresses[url])}
        began = time.monotonic()
        while len(heard) < len(urls) and not deadline.expired:
            for number, url in asked.items():
                if url in heard:
                    continue
                try:
                    sock.sendto(_HEADER.pack(_BINDING, 0, _COOKIE, number), addresses[url].result())
                except OSError as exc:
                    heard[url] = Heard(problem=f"nothing can be sent to it ({exc.strerror})")
            _receive(sock, asked, began, heard, deadline.within(_REPEATED_EVERY_S))
    return {url: Heard(problem="no answer") for url in urls} | heard


def _receive(
    sock: socket.socket,
    asked: Mapping[bytes, IceUrl],
    began: float,
    heard: dict[IceUrl, Heard],
    deadline: Deadline,
) -> None:
    """Collect answers until ``deadline``, or until all of those asked have answered."""
    while set(asked.values()) - heard.keys() and not deadline.expired:
        ready, _, _ = select.select([sock], [], [], deadline.remaining())
        if not ready:
            return
        with contextlib.suppress(OSError, struct.error):  # a port that is closed; no answer to a request of ours
            data = sock.recv(2048)
            kind, _, cookie, number = _HEADER.unpack_from(data)
            url = asked.get(number)
            if kind == _BOUND and cookie == _COOKIE and url is not None:
                took_ms = round((time.monotonic() - began) * 1000)
                heard[url] = Heard(took_ms=took_ms, port=_mapped_port(data))


def _mapped_port(answer: bytes) -> int | None:
    at = _HEADER.size
    while at + 4 <= len(answer):
        kind, length = struct.unpack_from("!HH", answer, at)
        if kind in _MAPPED and length >= 4:
            (port,) = struct.unpack_from("!H", answer, at + 6)
            return int(port ^ (_COOKIE >> 16)) if kind == _MAPPED[0] else int(port)
        at += 4 + length + -length % 4
    return None


def _is_found(lookup: Future[Any]) -> bool:
    return lookup.done() and lookup.exception() is None


def _ipv4(url: IceUrl) -> Any:
    return socket.getaddrinfo(url.host, url.port, socket.AF_INET, socket.SOCK_DGRAM)[0][4]


# --- what that means


def check_servers(heard: Mapping[IceUrl, Heard], *, is_connected: bool | None) -> list[CheckResult]:
    """Return a finding for each server, and one for how the network maps addresses."""
    return [*(_of_server(url, each) for url, each in heard.items()), *_of_mapping(heard, is_connected)]


def _of_server(url: IceUrl, heard: Heard) -> CheckResult:
    name, details = url.scheme.upper(), {"url": str(url)}
    if heard.took_ms is not None:
        what = "answers" if url.scheme == "stun" else "grants a relay"
        text = f"{url} {what} after {heard.took_ms} ms"
        return CheckResult(name=name, outcome="ok", text=text, took_ms=heard.took_ms, details=details)
    advice = ""
    if "credential" in heard.problem:
        advice = "report it to the service, which gave the credentials"
    elif heard.problem == _NOT_FOUND:
        advice = "check that this machine is online, and that its name server works"
    elif "certificate" not in heard.problem:
        advice = (
            f"have the firewall let through {'UDP' if url.transport == 'udp' else 'TCP'} to {url.host}:{url.port}"
        )
    text = f"{url}: {heard.problem}"
    return CheckResult(name=name, outcome="warning", text=text, advice=advice, details=details)


def _of_mapping(heard: Mapping[IceUrl, Heard], is_connected: bool | None) -> list[CheckResult]:
    ports = [each.port for each in heard.values() if each.port is not None]
    if len(ports) < 2:
        return []
    if len(set(ports)) == 1:
        return [CheckResult(name="NAT", outcome="ok", text="a direct path for the video is possible")]
    has_relay = any(url.scheme != "stun" and each.took_ms is not None for url, each in heard.items())
    return [
        CheckResult(
            name="NAT",
            outcome="ok" if has_relay or is_connected else "warning",
            text="the network uses a different port for each destination: the video needs a relay (TURN)",
            advice="" if has_relay or is_connected else "try without a VPN, or on another network",
        )
    ]


def check_ways(
    heard: Mapping[IceUrl, Heard], *, api_url: str, api_is_reached: bool | None, is_connected: bool | None
) -> list[CheckResult]:
    """Return findings on whether UDP, TCP and TLS get through, judged by all answers.

    Args:
        heard: the answers of STUN and TURN servers.
        api_url: the address of the API, whose answer shows that TLS or, without https, TCP gets through.
        api_is_reached: whether the API answers; None if not known, as behind a proxy, whose answer proves nothing.
        is_connected: whether a peer connection was made; None if it was not tried.
    """
    over = {
        "UDP": [each for url, each in heard.items() if url.transport == "udp"],
        "TCP": [each for url, each in heard.items() if url.transport == "tcp" and url.scheme == "turn"],
        "TLS": [each for url, each in heard.items() if url.scheme == "turns"],
    }
    api_way = "TLS" if api_url.startswith("https:") else "TCP"
    return [
        _of_way(way, servers, by_api=way == api_way and bool(api_is_reached), is_connected=is_connected)
        for way, servers in over.items()
    ]


def _of_way(way: str, servers: Sequence[Heard], *, by_api: bool, is_connected: bool | None) -> CheckResult:
    count = sum(each.took_ms is not None for each in servers)
    kind = "STUN and TURN" if way == "UDP" else "TURN"
    answering = f"{count} of {len(servers)} {kind} servers answer"
    evidence = [answering if servers else f"no {kind} server is named for it"]
    evidence = ["the API answers", *evidence] if by_api else evidence
    known: dict[str, Any] = {"name": way, "details": {"servers": len(servers), "answering": count}}
    if count or by_api:
        return CheckResult(outcome="ok", text=f"gets through ({'; '.join(evidence)})", **known)
    if all(each.problem == _NOT_FOUND for each in servers):
        text = f"not known: none of {len(servers)} servers was found" if servers else evidence[-1]
        return CheckResult(outcome="skipped", text=text, **known)
    text = f"does not get through ({evidence[-1]})"
    if way != "UDP":
        advice = "" if is_connected else f"have the firewall let {way} through to these servers"
        return CheckResult(outcome="warning", text=text, advice=advice, **known)
    return CheckResult(
        # Without a connection, this is a guess: the servers asked may not be those of the service.
        outcome="failed" if is_connected is False else "warning",
        text=text,
        advice="have the firewall let through UDP to ports 3478 and 49152 to 65535, or try without a VPN or on "
        "another network" + ("; until then, the video takes a slower path" if is_connected else ""),
        **known,
    )
