"""Carrying out faults: one table per kind of step defines each action of the fault script.

Each step calls this module first, and continues only if the result allows it. The choice of the fault is made in
`odyssey_proto.emulator._faults.script`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from .._traffic import answer_is_injected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .script import Fault, FaultScript

__all__ = ["SignalingSide", "StreamerSide", "befall", "befall_http", "carry_out", "reset"]


class SignalingSide(Protocol):
    """The parts of a session's signaling connection that faults use."""

    async def send_text(self, text: str) -> None:
        """Send ``text`` unchanged."""

    def end_session(self, reason: str) -> None:
        """End the session with a fatal error."""

    async def close(self, code: int) -> None:
        """Close with ``code``."""

    async def drop(self) -> None:
        """Break the TCP connection."""


class StreamerSide(Protocol):
    """The parts of the streamer's end of the peer connection that faults use."""

    def send_text(self, text: str) -> None:
        """Send ``text`` to the client unchanged."""

    def stream_error(self, reason: str, message: str) -> None:
        """Send an ``interactive_stream_error`` to the client."""

    def close_channels(self) -> None:
        """Close both data channels."""

    def vanish(self) -> None:
        """Stop answering without notice."""

    def stop_media(self) -> None:
        """Send no more pictures in this session."""


async def befall(
    script: FaultScript, step: str, signaling: SignalingSide | None, streamer: StreamerSide | None
) -> bool:
    """Carry out the fault scheduled for ``step``, if any; return whether the step continues."""
    fault = script.take(step)
    if fault is None:
        return True
    if fault.action == "delay":
        await asyncio.sleep(fault.seconds)
        return True
    if streamer is not None and (at_streamer := _AT_STREAMER.get(fault.action)):
        at_streamer(streamer, fault)
    elif signaling is not None and (on_signaling := _ON_SIGNALING.get(fault.action)):
        await on_signaling(signaling, fault)
    return fault.action == "send"


_AT_STREAMER: dict[str, Callable[[StreamerSide, Fault], None]] = {
    "send": lambda streamer, fault: streamer.send_text(fault.text),
    "stream_error": lambda streamer, fault: streamer.stream_error(fault.reason, fault.message),
    "close_channel": lambda streamer, _: streamer.close_channels(),
    "kill_peer": lambda streamer, _: streamer.vanish(),
    "stop": lambda streamer, _: streamer.stop_media(),
}


async def _end_session(signaling: SignalingSide, fault: Fault) -> None:
    signaling.end_session(fault.reason)


_ON_SIGNALING: dict[str, Callable[[SignalingSide, Fault], Awaitable[None]]] = {
    "send": lambda signaling, fault: signaling.send_text(fault.text),
    "replace": lambda signaling, fault: signaling.send_text(fault.text),
    "error": _end_session,
    "close": lambda signaling, fault: signaling.close(fault.code),
    "drop": lambda signaling, _: signaling.drop(),
}


async def befall_http(script: FaultScript, step: str, request: web.Request) -> web.StreamResponse | None:
    """Carry out the fault scheduled for the call ``step``; return its answer, or None if the call continues."""
    fault = script.take(step)
    if fault is None:
        return None
    await request.read()  # all of it: a client that is still sending would see another failure
    return await _IN_HTTP[fault.action](request, fault)


async def _answer(_: web.Request, fault: Fault) -> web.StreamResponse:
    answer_is_injected()
    body, content_type = fault.body_bytes()
    return web.Response(status=fault.status, body=body, headers={"Content-Type": content_type, **fault.headers})


async def _start(request: web.Request, fault: Fault, length: int, content_type: str) -> web.StreamResponse:
    answer_is_injected()
    response = web.StreamResponse(status=fault.status, headers={"Content-Type": content_type, **fault.headers})
    response.content_length = length
    await response.prepare(request)
    return response


async def _truncate(request: web.Request, fault: Fault) -> web.StreamResponse:
    body, content_type = fault.body_bytes()
    response = await _start(request, fault, len(body) + 100, content_type)
    await response.write(body)
    if request.transport is not None:
        request.transport.close()
    return response


async def _drip(request: web.Request, fault: Fault) -> web.StreamResponse:
    body, content_type = fault.body_bytes()
    response = await _start(request, fault, len(body), content_type)
    for position in range(len(body)):
        await response.write(body[position : position + 1])
        await asyncio.sleep(fault.seconds)
    return response


async def _delay(_: web.Request, fault: Fault) -> None:
    await asyncio.sleep(fault.seconds)


async def _hang(_: web.Request, __: Fault) -> None:
    await asyncio.get_running_loop().create_future()


async def _reset(request: web.Request, _: Fault) -> web.StreamResponse:
    answer_is_injected()
    reset(request)
    return web.Response(status=500)


def reset(request: web.Request) -> None:
    """Reset the TCP connection of ``request``."""
    transport = request.transport
    if transport is not None:
        # A linger of 0 s turns the close into a reset.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


_IN_HTTP: dict[str, Callable[[web.Request, Fault], Awaitable[web.StreamResponse | None]]] = {
    "answer": _answer,
    "truncate": _truncate,
    "drip": _drip,
    "delay": _delay,
    "hang": _hang,
    "reset": _reset,
}


async def carry_out(fault: Fault, request: web.Request) -> web.StreamResponse | None:
    """Carry out ``fault`` on a call without a body; return its answer, or None if the call continues."""
    return await _IN_HTTP[fault.action](request, fault)
