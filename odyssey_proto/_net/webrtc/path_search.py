"""The search for a network path to the other side: the ICE servers that help, and the reason if there is none.

This module knows the servers and the candidates of one connection; `peer` opens and ends the connection.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, Final

from ..._base.errors import OdysseyConnectionError
from ..._model.ice_urls import usable_servers
from .bounded_sdp import CandidateCount
from .ice_servers import IceServers
from .offer import UNREADABLE, readable_candidate

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCPeerConnection
    from odyssey_models import IceCandidate, IceServer

    from ..._model.ice_urls import IceUrl
    from .offer import Offer

__all__ = ["PathSearch", "RemoteCandidates", "add_remote"]

log = logging.getLogger("odyssey_proto.webrtc")

_PATH_DEADLINE_S: Final = 12.0  # after the answer; aiortc tries for 64 s, which is longer than anybody waits


class PathSearch:
    """The search of one connection. For the loop's thread, except for `notes`.

    Args:
        relay_only: whether only relays may be used.
        on_late: called with the connection of aioice and with the candidate that it got late.
    """

    def __init__(self, *, relay_only: bool, on_late: Callable[[Any, Any], None]) -> None:
        self.urls: tuple[IceUrl, ...] = ()
        """The addresses of the servers that are used."""
        self.servers: IceServers = IceServers(())
        """Those servers."""
        self._relay_only = relay_only
        self._on_late = on_late
        self._given: tuple[IceServer, ...] | None = None
        self._left_out: tuple[str, ...] = ()
        self._tried: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Possible reasons for a failure to connect: ICE servers that were left out or gave nothing, and why."""
        return self._left_out + self.servers.notes

    async def ask(self, given: tuple[IceServer, ...]) -> None:
        """Start to ask these servers; do nothing if they have already been asked."""
        if self._given == given:
            return
        self._given, before = given, self.servers
        self.urls, self._left_out = usable_servers(given)
        for note in self._left_out:
            log.warning("ICE: %s", note)
        self.servers = IceServers(self.urls, relay_only=self._relay_only, on_late=self._on_late)
        self.servers.ask()
        await before.release()

    def check(self, description: str) -> None:
        """Check the candidates of this side in its SDP.

        Raises:
            OdysseyConnectionError: there is no address to connect from (``no_candidates``), or only relays may be
                used, and there is none (``no_relay``).
        """
        self._tried = tuple(dict.fromkeys(re.findall(r"^a=candidate:.* typ (\w+)", description, re.MULTILINE)))
        for note in self.servers.notes:
            log.warning("ICE: %s", note)
        if self._relay_only and "relay" not in self._tried:
            raise OdysseyConnectionError(
                "ice_policy='relay' needs a relay: " + self._explanation(),
                code="no_relay",
                recoverable=self._has_turn() and not self.servers.is_hopeless,
            )
        if not self._tried:
            raise OdysseyConnectionError(
                "This machine has no network address to connect from", code="no_candidates", recoverable=True
            )

    async def fails(self, connection: RTCPeerConnection) -> bool:
        """Wait as long as a path may take; return whether ``connection`` is still without one."""
        await asyncio.sleep(_PATH_DEADLINE_S)
        return connection.iceConnectionState in ("new", "checking")

    def failure(self) -> tuple[str, bool]:
        """Return the text for a path that was not found, and whether trying again may help."""
        relay = ("relay",) if self.servers.has_late_relay else ()
        kinds = ", ".join((*self._tried, *relay))
        tried = f"No network path to the streamer was found ({kinds} candidates were tried)"
        hint = self._explanation()
        return f"{tried}; {hint}" if hint else tried, not self.servers.is_hopeless

    def _explanation(self) -> str:
        return "; ".join((*self.notes, *(() if self._has_turn() else ("no TURN server is known",))))

    def _has_turn(self) -> bool:
        return any(url.scheme != "stun" for url in self.urls)


class RemoteCandidates:
    """The candidates of the other side, which may come before its offer. For the loop's thread.

    Args:
        use: called with each candidate and with the offer that it belongs to.
    """

    def __init__(self, use: Callable[[IceCandidate, Offer], None]) -> None:
        self._use = use
        self._count = CandidateCount()
        self._early: list[IceCandidate] = []
        self._offer: Offer | None = None

    def take(self, candidate: IceCandidate) -> None:
        """Take a candidate that came by itself."""
        if not self._count.admits(candidate):
            return
        if self._offer is None:
            self._early.append(candidate)
        else:
            self._use(candidate, self._offer)

    def take_offer(self, offer: Offer) -> None:
        """Take the candidates in an offer, and those that came before it."""
        self._offer = offer
        early, self._early = self._early, []
        for candidate in (*filter(self._count.admits, offer.candidates), *early):
            self._use(candidate, offer)


async def add_remote(connection: RTCPeerConnection, candidate: IceCandidate, offer: Offer) -> None:
    """Add a candidate of the other side to ``connection``; one that cannot be used is logged and ignored."""
    try:
        parsed = readable_candidate(candidate, offer)
        # aiortc applies an end to all sections, but the end of a bundled one must not end the shared transport.
        if parsed is not None or offer.ends_candidates(candidate):
            await connection.addIceCandidate(parsed)
    except (*UNREADABLE, OSError) as exc:
        log.warning("an ICE candidate of the streamer was ignored: %s", type(exc).__name__)
