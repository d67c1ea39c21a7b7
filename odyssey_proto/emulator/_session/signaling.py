"""Signaling: the WebSocket between a client and its streamer (spec/behaviour.md#handshake).

It carries offers, answers and candidates, and takes keepalives as signs of life. A second connection to the same
session replaces the first, or stands beside it if the settings say so. A client may connect again after a loss
(spec/behaviour.md#rejoining).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, assert_never

from aiohttp import WSMsgType, web
from odyssey_models import (
    Answer,
    ClientDisconnecting,
    IceCandidate,
    InteractiveStreamStart,
    Keepalive,
    Offer,
    SignalingError,
    SignalingErrorReason,
)

from ..._base.errors import MalformedMessageError
from ..._model import codec
from ..._model.traffic import Message
from .._faults.mishaps import befall
from .._stream.ice import address_reached
from .._stream.peer import CONNECT_WITHIN_S
from .._traffic import show

if TYPE_CHECKING:
    from .._accounts.service import Lease, Service
    from .._faults.script import FaultScript
    from .._faults.sloppiness import Sloppiness
    from .._stream.peer import StreamerPeer
    from .streamer import Streamer

__all__ = ["LARGEST_MESSAGE_BYTES", "SignalingLink"]

log = logging.getLogger("odyssey_proto.emulator.signaling")

LARGEST_MESSAGE_BYTES: Final = 64 * 2**20

_CLOSE_WITHIN_S: Final = 0.3


class SignalingLink:
    """One WebSocket of one session, from its handshake to its end."""

    def __init__(
        self,
        request: web.Request,
        session: Lease,
        *,
        service: Service,
        streamer: Streamer,
        faults: FaultScript,
        sloppiness: Sloppiness,
    ) -> None:
        self._request = request
        self._session = session
        self._service = service
        self._streamer = streamer
        self._faults = faults
        self._sloppiness = sloppiness
        self.user_agent = request.headers.get("User-Agent", "")
        """The User-Agent header of the client."""
        self._socket = web.WebSocketResponse(
            max_msg_size=LARGEST_MESSAGE_BYTES, timeout=_CLOSE_WITHIN_S, compress=False
        )

    async def run(self) -> web.WebSocketResponse:
        """Complete the handshake, send the offer, and serve until the client or the session is gone."""
        await self._socket.prepare(self._request)
        peer = await self._streamer.join(self)
        try:
            if peer is not None:
                await self._serve(peer)
        except Exception:
            log.exception("signaling failed")
            self.end_session("unknown")
        finally:
            self._streamer.leave(self)
        await self.close(1000)
        return self._socket

    async def _serve(self, peer: StreamerPeer) -> None:
        description, candidates = await peer.offer(address_reached(self._request))
        deadline = asyncio.get_running_loop().call_later(CONNECT_WITHIN_S, self._too_late, peer)
        try:
            if await self._goes_on("signaling offer"):
                await self._send(Offer(sdp=description))
            for candidate in candidates:
                if await self._goes_on("signaling candidates") and not self._session.ended:
                    await self._send(candidate)
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._show(message.data, from_client=True)
                if message.type is WSMsgType.TEXT:
                    await self._hear(peer, message.data)
                else:
                    log.warning("a signaling message that is not text was ignored")
        finally:
            deadline.cancel()

    async def _hear(self, peer: StreamerPeer, text: str) -> None:
        try:
            message = codec.signaling_from_client(text)
        except MalformedMessageError as exc:
            log.warning("a signaling message was ignored: %s", exc)
            return
        match message:
            case Keepalive():
                if await self._goes_on("keepalive"):
                    self._service.heard_of(self._session)
            case Answer():
                if await self._goes_on("signaling answer"):
                    await self._answer(peer, message.sdp)
            case IceCandidate():
                peer.add_candidate(message)
            case InteractiveStreamStart():
                self._streamer.ask(message)
            case ClientDisconnecting():
                self._service.end(self._session, "client_disconnecting")
            case codec.UnknownMessage():
                log.warning("a signaling message of unknown type %r was ignored", message.type)
            case _:
                assert_never(message)

    async def _answer(self, peer: StreamerPeer, sdp: str) -> None:
        try:
            await peer.answer(sdp)
        except MalformedMessageError as exc:
            log.warning("the client's answer was refused: %s", exc)
            self.end_session("unknown")

    def _too_late(self, peer: StreamerPeer) -> None:
        if not peer.connected:
            log.warning("no peer connection within %.0f s", CONNECT_WITHIN_S)
            self.end_session("streamer_disconnected")

    async def _goes_on(self, step: str) -> bool:
        return await befall(self._faults, step, self, None)

    async def _send(self, message: Any) -> None:
        text = codec.encode(message)
        for form in self._sloppiness.forms("signaling", text):
            await self._transmit(form, injected=form != text)

    async def _transmit(self, text: str | bytes, *, injected: bool = False) -> None:
        self._show(text, from_client=False, injected=injected)
        try:
            await (self._socket.send_str(text) if isinstance(text, str) else self._socket.send_bytes(text))
        except (ConnectionError, RuntimeError) as exc:
            log.debug("a signaling message was not sent: %s", type(exc).__name__)

    def _show(self, text: str | bytes, *, from_client: bool, injected: bool = False) -> None:
        show(
            Message(
                place="signaling",
                from_client=from_client,
                text=text,
                user_agent=self.user_agent,
                injected=injected,
                session_id=self._session.id,
            )
        )

    # For faults (`mishaps.SignalingSide`)

    async def send_text(self, text: str) -> None:
        """Send ``text`` unchanged. Does nothing once the client is gone."""
        await self._transmit(text, injected=True)

    def end_session(self, reason: str) -> None:
        """End the session with a fatal error."""
        self._service.end(self._session, reason)

    async def fail(self, reason: str) -> None:
        """Send a fatal error and close."""
        await self._send(SignalingError(reason=SignalingErrorReason(reason)))
        await self.close(1000)

    async def close(self, code: int) -> None:
        """Close with ``code``."""
        await self._socket.close(code=code)

    async def drop(self) -> None:
        """Break the TCP connection."""
        if self._request.transport is not None:
            self._request.transport.abort()
