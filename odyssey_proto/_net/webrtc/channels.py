"""The two data channels of a session's peer connection: text out on one, text or bytes in on the other.

The streamer opens them (spec/behaviour.md#connected). What the messages mean is not known here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..._base.errors import OdysseyStreamError
from ..observation import show_message
from ..sockets import USER_AGENT
from .offer import DEFAULT_MESSAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCDataChannel

    from ..._base.event_loop import BackgroundLoop

__all__ = ["DataChannels", "not_open"]

log = logging.getLogger("odyssey_proto.webrtc")

_TO_STREAMER: Final = "clientToStreamer"
_FROM_STREAMER: Final = "streamerToClient"


class DataChannels:
    """The channels of one peer connection. Any thread may `send`; everything else is for the loop's thread.

    Args:
        loop: the loop that they run on.
        on_open: called with ``max_message_size`` when messages can be sent.
        on_message: called with each message.
        on_close: called with the label of a channel that was closed.
    """

    def __init__(
        self,
        loop: BackgroundLoop,
        *,
        on_open: Callable[[int], None],
        on_message: Callable[[str | bytes], None],
        on_close: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._on_open = on_open
        self._on_message = on_message
        self._on_close = on_close
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

    def _receive(self, message: str | bytes) -> None:
        show_message(_FROM_STREAMER, message, USER_AGENT, from_client=False)
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
        show_message(_TO_STREAMER, text, USER_AGENT, from_client=True)
        self._loop.call_soon(_send, channel, text)


def not_open() -> OdysseyStreamError:
    """Return the error for a message that cannot be sent yet, or no longer."""
    return OdysseyStreamError("Cannot send: the data channel is not open", code="channel_not_open")


def _send(channel: RTCDataChannel, text: str) -> None:
    from aiortc.exceptions import InvalidStateError

    try:
        channel.send(text)
    except (InvalidStateError, ValueError) as exc:
        # Closed since `send` checked; `PeerListener` reports it, and the waiting call fails.
        log.debug("a message was not sent: %s", type(exc).__name__)
