"""The two data channels of a session's peer connection: text out on one, text or bytes in on the other.

The streamer opens them (spec/behaviour.md#connected). This module does not know what the messages mean.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from ..._base.clock import MonotonicClock
from ..._base.errors import OdysseyStreamError
from ..._base.limits import (
    CHANNEL_MESSAGES_MOST_PER_S,
    CHANNEL_MOST_HELD_BYTES,
    CHANNEL_MOST_HELD_CHUNKS,
    CHANNEL_STREAMS_MOST,
)
from ..observation import show_message
from ..pace import Pace
from ..sockets import USER_AGENT
from ..tap import Tap
from . import sctp_packets
from .offer import DEFAULT_MESSAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCDataChannel, RTCSctpTransport

    from ..._base.event_loop import BackgroundLoop

__all__ = ["DataChannels", "not_open"]

log = logging.getLogger("odyssey_proto.webrtc")

_TO_STREAMER: Final = "clientToStreamer"
_FROM_STREAMER: Final = "streamerToClient"
_BURST_S: Final = 5  # of messages that may come at once


class DataChannels:
    """The channels of one peer connection. Any thread may `send`; everything else is for the loop's thread.

    Args:
        loop: the loop that they run on.
        on_open: called with ``max_message_size`` when messages can be sent.
        on_message: called with each message.
        on_close: called with the label of a channel that was closed.
        on_excess: called, perhaps often, when the streamer sends too much; the text says what.
        tap: shows the messages.
    """

    def __init__(
        self,
        loop: BackgroundLoop,
        *,
        on_open: Callable[[int], None],
        on_message: Callable[[str | bytes], None],
        on_close: Callable[[str], None],
        on_excess: Callable[[str], None],
        tap: Tap | None = None,
    ) -> None:
        self._loop = loop
        self._tap = tap or Tap()
        self._on_open = on_open
        self._on_message = on_message
        self._on_close = on_close
        self._on_excess = on_excess
        self._pace = Pace(CHANNEL_MESSAGES_MOST_PER_S, _BURST_S * CHANNEL_MESSAGES_MOST_PER_S, MonotonicClock())
        self._outgoing: RTCDataChannel | None = None
        self.max_message_size = DEFAULT_MESSAGE_SIZE
        """The largest message for `send`, in bytes of UTF-8."""

    def take(self, channel: RTCDataChannel) -> None:
        """Use a channel that the streamer opened."""
        label = channel.label
        if label not in (_TO_STREAMER, _FROM_STREAMER):
            log.info("ignored: a data channel that is not of this protocol")
            return
        channel.on("close", lambda: self._on_close(label))
        if label == _FROM_STREAMER:
            channel.on("message", self._receive)
        else:
            self._outgoing = channel
            self._on_open(self.max_message_size)

    def limit(self, sctp: RTCSctpTransport) -> None:
        """Limit what the transport of the channels keeps and accepts: aiortc does not.

        For each new part of a message, aiortc searches all parts that it keeps, and some packets that it cannot
        read end the connection.
        """
        transport: Any = sctp  # aiortc has no public way
        self._guard(transport)
        receive = getattr(transport, "_receive_data_chunk", None)
        if (
            receive is None
            or not {"_advertised_rwnd", "_inbound_streams", "_sack_misordered"} <= vars(sctp).keys()
        ):
            log.info("this version of aiortc keeps parts of messages in its own way: they are not limited")
            return
        if "_receive_data_chunk" in vars(sctp):  # limited at an earlier offer of the same connection
            return
        least_window = transport._advertised_rwnd - CHANNEL_MOST_HELD_BYTES

        async def take(chunk: Any) -> None:
            streams = transport._inbound_streams
            stream = streams.get(chunk.stream_id)
            if (
                transport._advertised_rwnd < least_window
                or len(transport._sack_misordered) > CHANNEL_MOST_HELD_CHUNKS
                or (stream is None and len(streams) >= CHANNEL_STREAMS_MOST)
                or (stream is not None and len(stream.reassembly) > CHANNEL_MOST_HELD_CHUNKS)
            ):
                self._on_excess("parts of messages that never end")
            else:
                await receive(chunk)

        transport._receive_data_chunk = take

    def _guard(self, transport: Any) -> None:
        """Drop packets that would keep aiortc busy for ever, or would end the connection by an exception."""
        handle = getattr(transport, "_handle_data", None)
        if handle is None or "_handle_data" in vars(transport):
            return

        async def guarded(data: bytes) -> None:
            if not sctp_packets.is_readable(data):
                log.info("ignored: a packet of the data channels with impossible lengths")
                return
            try:
                await handle(data)
            except Exception as exc:  # noqa: BLE001 - whatever aiortc's parser raises for such a packet
                log.info("ignored: a packet of the data channels that cannot be read: %s", type(exc).__name__)

        transport._handle_data = guarded

    def _receive(self, message: str | bytes) -> None:
        if self._pace.take():
            self._on_excess(f"more than {CHANNEL_MESSAGES_MOST_PER_S} messages in a second")
            return
        show_message(_FROM_STREAMER, message, USER_AGENT, from_client=False, tap=self._tap)
        self._on_message(message)

    def drop(self) -> None:
        """Refuse to send from now on."""
        self._outgoing = None

    def send(self, text: str) -> None:
        """Send a text message on ``clientToStreamer``, in the order of the calls.

        Raises:
            OdysseyStreamError: the channel is not open (``channel_not_open``), or the message is larger than
                `max_message_size` (``message_too_large``).
        """
        channel = self._outgoing
        if channel is None or channel.readyState != "open":
            raise not_open()
        size = len(text.encode())
        if size > self.max_message_size:
            raise OdysseyStreamError(
                f"The message has {size} bytes, but the streamer takes at most {self.max_message_size}",
                code="message_too_large",
            )
        show_message(_TO_STREAMER, text, USER_AGENT, from_client=True, tap=self._tap)
        self._loop.call_soon(_send, channel, text)


def not_open() -> OdysseyStreamError:
    """Return the error for a message that cannot be sent yet, or no longer."""
    return OdysseyStreamError("Cannot send: the data channel is not open", code="channel_not_open")


def _send(channel: RTCDataChannel, text: str) -> None:
    from aiortc.exceptions import InvalidStateError

    try:
        channel.send(text)
    except (InvalidStateError, ValueError) as exc:
        # Closed since `send` checked: that is reported to the `PeerListener`, and the waiting call fails.
        log.debug("a message was not sent: %s", type(exc).__name__)
