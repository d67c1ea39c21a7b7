"""The ICE servers of one connection: looking up names, asking STUN and allocating relays, all at once.

aiortc uses only the first STUN and the first TURN server on its list, waits 5 s for a dead one, and does not say
why there is no relay candidate. This module asks all servers, even before the offer, waits only briefly, and
records the outcome for each. `candidates` decides which addresses of this machine are offered.

A TURN server may be the only way, and far away: over TLS, a relay takes five round trips. So an answer waits for a
relay only briefly: a connection without one gets it when it comes, and announces it to the other side. Without
the announcement, that side learns the address from the first check that comes from there (RFC 8445, 7.3.1.3).

aioice's connections keep their sockets and their remote candidates in private attributes; nothing else here
depends on private names.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ipaddress
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

from ..._base.errors import OdysseyConnectionError
from ..._base.event_loop import off_loop
from ..._base.texts import system_text
from ..failures import SettingError, what_to_do_about
from ..trust import trusting_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..._model.ice_urls import IceUrl

__all__ = ["IceServers"]

log = logging.getLogger("odyssey_proto.webrtc")

_ANSWER_WITHIN_S: Final = (
    0.45  # after the offer, for all together; an interface that reaches no STUN server costs all of it
)
_LOOK_EVERY_S: Final = 0.5  # to see whether a path was found while relays are still requested
_RELAY_WITHIN_S: Final = 5.0  # if only relays may be used: TLS takes five round trips

# The codes of RFC 8656, section 18, and their likely causes; any other code is reported unchanged.
_REFUSALS: Final = {
    401: "wrong credential?",
    403: "forbidden",
    438: "wrong credential?",
    441: "wrong credential?",
    486: "its quota is used up",
    508: "it is full",
}
_CREDENTIALS: Final = frozenset({401, 438, 441})
_FOR_LATE_RELAYS: Final = ("_pair_remote_candidate", "_end_remote_candidates", "_remote_candidates_resolving")
"""The private names of aioice's connection that a late relay needs."""


class IceServers:
    """The servers of one connection. For the loop's thread; its tasks belong to the task scope that calls it.

    Args:
        urls: the result of `ice_urls.usable_servers`.
        relay_only: use only relays: STUN is not asked, and the wait for relays is longer.
        on_late: called with the connection of aioice and with the candidate that it got late.
        look_up: returns the IPv4 address of a name or raises `OSError` or `UnicodeError`; it may block.
    """

    def __init__(
        self,
        urls: Sequence[IceUrl],
        *,
        relay_only: bool = False,
        on_late: Callable[[Any, Any], None] = lambda agent, candidate: None,  # noqa: ARG005
        look_up: Callable[[str], str] | None = None,
    ) -> None:
        self._on_late = on_late
        self.relay_only = relay_only
        self._look_up = look_up or _ipv4
        self._stun = () if relay_only else tuple(url for url in urls if url.scheme == "stun")
        self._turn = tuple(url for url in urls if url.scheme != "stun")
        self._addresses: dict[IceUrl, asyncio.Task[str]] = {}
        self._ahead: list[asyncio.Task[Any]] = []
        self._asking: set[asyncio.Task[Any]] = set()
        self._relays: list[Any] = []
        self._failures: dict[IceUrl, str] = {}
        self._hopeless: set[IceUrl] = set()
        self._uninformative: set[IceUrl] = set()
        self._late: set[asyncio.Task[None]] = set()
        self.has_late_relay = False
        """Whether a transport got a relay after its other candidates."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each server that gave no candidate, with the reason; without credentials."""
        kinds = {"stun": "address"}
        failures = dict(self._failures)  # the loop changes them
        return tuple(
            f"no {kinds.get(url.scheme, 'relay')} candidate from {url}: {failures[url]}"
            for url in (*self._stun, *self._turn)
            if url in failures
        )

    @property
    def is_hopeless(self) -> bool:
        """Whether asking for relays again is pointless: each server refuses the credentials, or is not trusted."""
        return bool(self._turn) and self._hopeless == set(self._turn)

    def ask(self) -> None:
        """Start to look up names and to allocate relays, ahead of the transport that will use them."""
        self._addresses = {url: asyncio.create_task(self._find(url)) for url in self._stun}
        self._ahead = self._allocate()

    async def candidates(self, agent: Any, component: int, hosts: Sequence[Any]) -> list[Any]:
        """Return the servers' candidates for one transport, which then owns their relays.

        If there is no relay yet, the transport gets the first that comes, unless it has found a path by then, or
        ``relay_only`` is set.

        Args:
            agent: aioice's connection of the transport.
            component: 1, or 2 for RTCP.
            hosts: those host candidates of the transport from which to ask STUN servers.
        """
        # Allocations belong to one transport; if the offer does not bundle, each further one gets its own.
        allocations, self._ahead = self._ahead or self._allocate(), []
        reflexive, relays = await asyncio.gather(self._reflexive(agent, hosts), self._first_relays(allocations))
        if not relays and not self.relay_only and all(hasattr(agent, name) for name in _FOR_LATE_RELAYS):
            late = asyncio.create_task(self._give_late(agent, component, allocations))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
        else:
            await _cancel(allocations)
        return [*reflexive, *(self._adopt(agent, component, rank, relay) for rank, relay in enumerate(relays))]

    async def release(self) -> None:
        """Release the relays that no transport has taken, and cancel all running requests."""
        await _cancel((*self._addresses.values(), *self._late, *self._asking))
        self._close_relays(adopted=False)

    async def cut(self) -> None:
        """Close every relay, in case its transport could not; the remaining tasks may then be cancelled."""
        await _cancel((*self._late, *self._asking))
        self._close_relays(adopted=True)
        await asyncio.sleep(0)  # each needs one step to say goodbye, or its socket would stay open

    def _close_relays(self, *, adopted: bool) -> None:
        for relay in self._relays:
            if adopted or isinstance(relay.receiver, _Nobody):
                relay.transport.close()  # a second call does nothing

    # --- STUN

    async def _reflexive(self, agent: Any, hosts: Sequence[Any]) -> list[Any]:
        protocols = [
            protocol
            for protocol in agent._protocols
            if protocol.local_candidate in hosts and ":" not in protocol.local_candidate.host
        ]
        if not self._stun or not protocols:
            return []
        asking = [asyncio.create_task(self._first_reflexive(protocol)) for protocol in protocols]
        await asyncio.wait(asking, timeout=_ANSWER_WITHIN_S)
        found = [candidate for each in asking if (candidate := _result(each)) is not None]
        await _cancel(asking)
        if not found:
            for url in set(self._stun) - self._uninformative:
                self._failures.setdefault(url, "no answer")
        return found

    async def _first_reflexive(self, protocol: Any) -> Any:
        """Ask all STUN servers from one socket and return the candidate that comes first, or None."""
        tasks = [asyncio.create_task(self._ask_stun(protocol, url)) for url in self._stun]
        try:
            for each in asyncio.as_completed(tasks):
                if (candidate := await each) is not None:
                    return candidate
        finally:
            await _cancel(tasks)
        return None

    async def _ask_stun(self, protocol: Any, url: IceUrl) -> Any:
        from aioice import ice, stun

        task = self._addresses.get(url)
        if task is None:
            task = self._addresses[url] = asyncio.create_task(self._find(url))
        try:
            address = await asyncio.shield(task)
            if ipaddress.ip_address(address).is_loopback:
                self._uninformative.add(url)  # a server on this machine only returns a known address
                return None
            candidate, _ = await ice.server_reflexive_candidate(protocol, (address, url.port))
        except (_UnreachableError, stun.TransactionError, LookupError, OSError) as exc:
            if isinstance(exc, _UnreachableError):
                self._failures[url] = str(exc)
            return None
        return candidate

    # --- TURN

    def _allocate(self) -> list[asyncio.Task[Any]]:
        allocations = [asyncio.create_task(self._try_to_allocate(url)) for url in self._turn]
        self._asking.update(allocations)
        return allocations

    async def _first_relays(self, allocations: list[asyncio.Task[Any]]) -> list[Any]:
        """Wait for the first server, in order, that gives a relay; return all relays that are ready by then."""
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                for each in allocations:
                    await asyncio.wait({each})
                    if _result(each):
                        break
        except TimeoutError:
            if self.relay_only:
                await _any_result(allocations, _RELAY_WITHIN_S - _ANSWER_WITHIN_S)
            for url, each in zip(self._turn, allocations, strict=True):
                if not each.done():
                    self._failures[url] = "no answer"
        return [relay for each in allocations if (relay := _result(each))]

    async def _give_late(self, agent: Any, component: int, allocations: list[asyncio.Task[Any]]) -> None:
        """Give a transport the first relay that comes, unless it has found a path by then."""
        agent._remote_candidates_resolving += 1  # or the transport would fail once all other pairs have failed
        try:
            while not _has_settled(agent) and not any(map(_result, allocations)) and _any_runs(allocations):
                await _any_result(allocations, _LOOK_EVERY_S)
            for rank, each in enumerate(allocations):
                if (relay := _result(each)) is None:
                    continue
                if _has_settled(agent):
                    relay.transport.close()
                    continue
                log.info("ICE: a relay came late")
                self.has_late_relay = True
                agent._local_candidates.append(self._adopt(agent, component, rank, relay))
                self._on_late(agent, agent._local_candidates[-1])
                if agent._early_checks_done:  # otherwise, `connect` will pair it
                    for candidate in agent._remote_candidates:
                        agent._pair_remote_candidate(candidate)
                    agent.sort_check_list()
        finally:
            agent._remote_candidates_resolving -= 1
            if agent._remote_candidates_end and not agent._remote_candidates_resolving and not agent._closing:
                agent._end_remote_candidates()
            await _cancel(allocations)

    async def _try_to_allocate(self, url: IceUrl) -> Any:
        """Return aioice's protocol on a relay; if there is none, return None and note why in ``_failures``."""
        try:
            relay = await self._allocate_at(url)
        except OdysseyConnectionError as exc:  # the system is out of threads
            self._failures[url] = exc.message
            return None
        except _UnreachableError as exc:
            self._failures[url] = str(exc)
            if exc.hopeless:
                self._hopeless.add(url)
            return None
        self._failures.pop(url, None)
        self._relays.append(relay)
        return relay

    async def _allocate_at(self, url: IceUrl) -> Any:
        # On another thread: if aioice is already being loaded elsewhere, the loop must not wait for that.
        turn, ice = await off_loop(_aioice, name="odyssey-import")
        address = await self._find(url)
        # The certificate is checked against the name, which the system has just looked up and cached.
        host = url.host if url.scheme == "turns" else address
        tls = await off_loop(_trust, name="odyssey-import") if url.scheme == "turns" else None
        with _explained():
            _, protocol = await turn.create_turn_endpoint(
                lambda: ice.StunProtocol(_Nobody()),
                server_addr=(host, url.port),
                username=url.username,
                password=url.credential,
                ssl=tls,
                transport=url.transport,
            )
        return protocol

    def _adopt(self, agent: Any, component: int, rank: int, protocol: Any) -> Any:
        from aioice import candidate

        host, port = protocol.transport.get_extra_info("sockname")
        # With relays only, nobody must learn the address of this machine (RFC 9429, section 3.5.3).
        related = ("0.0.0.0", 9) if self.relay_only else protocol.transport.get_extra_info("related_address")  # noqa: S104  # not for listening
        protocol.receiver = agent
        protocol.local_candidate = candidate.Candidate(
            foundation=candidate.candidate_foundation("relay", "udp", host),
            component=component,
            transport="udp",
            # The service lists servers in order of preference.
            priority=candidate.candidate_priority(component, "relay", 65535 - rank),
            host=host,
            port=port,
            type="relay",
            related_address=related[0],
            related_port=related[1],
        )
        agent._protocols.append(protocol)
        return protocol.local_candidate

    # --- names

    async def _find(self, url: IceUrl) -> str:
        with contextlib.suppress(ValueError):
            return str(ipaddress.IPv4Address(url.host))
        try:
            return await off_loop(self._look_up, url.host, name="odyssey-lookup")
        except OdysseyConnectionError as exc:
            raise _UnreachableError(exc.message) from exc
        except (OSError, UnicodeError) as exc:
            raise _UnreachableError("not found in the DNS") from exc


class _UnreachableError(Exception):
    """A server gives no candidate, with the reason; if ``hopeless``, asking again is pointless."""

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


class _Nobody:
    """The receiver of a relay until a transport takes it. It gets nothing, because no peer is permitted yet."""

    def protocol_lost(self, protocol: Any) -> None:
        """Do nothing."""

    def data_received(self, data: Any, component: Any) -> None:
        """Do nothing."""

    def request_received(self, *_: Any) -> None:
        """Do nothing."""


def _ipv4(host: str) -> str:
    return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0])


def _aioice() -> tuple[Any, Any]:
    return importlib.import_module("aioice.turn"), importlib.import_module("aioice.ice")


def _trust() -> ssl.SSLContext:
    """Return the context for checking ``turns:`` certificates, with the trust of all other connections."""
    try:
        return trusting_context()
    except SettingError as exc:
        raise _UnreachableError(str(exc), hopeless=True) from exc


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn any exception of an allocation into `_UnreachableError` with a short reason."""
    from aioice import stun

    try:
        yield
    except stun.TransactionFailed as exc:
        code, _ = exc.response.attributes.get("ERROR-CODE", (0, ""))
        reason = f"{_REFUSALS.get(code, 'it refuses')} ({code})"
        raise _UnreachableError(reason, hopeless=code in _CREDENTIALS) from exc
    except stun.TransactionTimeout as exc:
        raise _UnreachableError("no answer") from exc
    except ssl.SSLCertVerificationError as exc:
        why = f"its certificate is not trusted ({exc.verify_message.rstrip('.')})"
        raise _UnreachableError(f"{why}: {what_to_do_about(exc)}", hopeless=True) from exc
    except ssl.SSLError as exc:
        raise _UnreachableError(f"no secure connection ({exc.reason})") from exc
    except socket.gaierror as exc:
        raise _UnreachableError("not found in the DNS") from exc
    except Exception as exc:  # anything that aioice may raise on an unexpected answer
        if getattr(exc, "errno", None):
            what = system_text(exc.errno)  # type: ignore[attr-defined]  # asyncio's own text repeats the address
        elif type(exc) is OSError:  # from asyncio, for a name with several addresses
            what = "no connection"
        else:
            what = f"it does not speak TURN ({type(exc).__name__})"
        raise _UnreachableError(what) from exc


def _result(task: asyncio.Task[Any]) -> Any:
    """Return the result of a task; None if it is not done, was cancelled, has failed or returned None."""
    return task.result() if task.done() and not task.cancelled() and task.exception() is None else None


def _any_runs(tasks: Iterable[asyncio.Task[Any]]) -> bool:
    return not all(task.done() for task in tasks)


def _has_settled(agent: Any) -> bool:
    """Return whether a transport has found a path, has given up, or is being closed."""
    return bool(agent._check_list_done or agent._closing)


async def _any_result(tasks: Iterable[asyncio.Task[Any]], timeout: float) -> None:
    """Wait until one of the tasks has a result, all have ended, or ``timeout`` s have passed."""
    pending = set(tasks)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while pending and not any(map(_result, tasks)):
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the running tasks and wait for their end, so that they close their sockets."""
    pending = {task for task in tasks if task.cancel()}
    if pending:
        await asyncio.wait(pending)
