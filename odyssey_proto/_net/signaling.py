"""The signaling connection: typed messages in and out, and an end that is reported exactly once.

Opening blocks the caller, which uses a worker for it. Then one thread reads and another writes, so that sending
never blocks and closing wakes both at once. Keepalives, rejoining and the meaning of messages are left to the
core. The socket below belongs to `websocket`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias
from urllib.parse import quote

import attrs

from .._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyError
from .._base.resources import start
from .._base.secrets import one_line
from .._base.tracebacks import without_locals
from .._model import codec
from .._model.message_types import note_type
from .._model.signaling_url import websocket_url
from .call import Call
from .observation import show_message
from .sockets import USER_AGENT
from .tap import Tap
from .websocket import OPERATION, SENDING_ERRORS, Goodbye, ReceivedMessage, open_websocket

if TYPE_CHECKING:
    from collections.abc import Callable

    import odyssey_models as wire

    from .._base.abort import Abort
    from .._base.clock import Deadline
    from .._model.codec import UnknownMessage
    from .websocket import WebSocket

__all__ = ["SignalingConnection", "SignalingEnd"]

log = logging.getLogger("odyssey_proto.signaling")

_CLEAN: Final = frozenset({1000, 1001})  # close codes of a clean end (spec/behaviour.md#end-of-signaling)
_GOODBYE_WAIT_S: Final = 0.5  # for the server's answer, which shows that it has read the goodbye


@attrs.frozen
class SignalingEnd:
    """The end of a signaling connection."""

    code: int | None
    """The close code; None if the connection was lost, or closed without a code."""
    reason: str
    """The reason that came with the code."""
    clean: bool
    """Whether the end was clean: code 1000 or 1001."""
    error: OdysseyConnectionError | None
    """The error for the user; None if the end was clean, or if this side closed the connection."""


_Message: TypeAlias = "wire.SignalingServerMessage | UnknownMessage"


class SignalingConnection:
    """An open signaling WebSocket, made by `open`. Any thread may call any method."""

    def __init__(
        self,
        ws: WebSocket,
        resources: contextlib.ExitStack,
        call: Call,
        url: str,
        on_message: Callable[[_Message], object],
        on_closed: Callable[[SignalingEnd], object],
        on_malformed: Callable[[MalformedMessageError], object] | None,
        tap: Tap | None = None,
    ) -> None:
        self._tap = tap or Tap()
        self._ws = ws
        self._resources = resources  # the socket, and the call that can shut it
        self._call = call
        self._url = url
        self._on_message = on_message
        self._on_closed = on_closed
        self._on_malformed = on_malformed or (lambda exc: log.warning("ignored: %s", exc))
        self._lock = threading.Lock()
        self._closing: tuple[int, str] | None = None
        self._ended = False
        self._outbox: queue.SimpleQueue[bytes | tuple[int, str] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="odyssey-signaling-writer", daemon=True)
        self._reader = threading.Thread(target=self._read, name="odyssey-signaling-reader", daemon=True)

    @classmethod
    def open(
        cls,
        url: str,
        session_id: str,
        token: str,
        deadline: Deadline,
        *,
        on_message: Callable[[_Message], object],
        on_closed: Callable[[SignalingEnd], object],
        on_malformed: Callable[[MalformedMessageError], object] | None = None,
        abort: Abort | None = None,
        tap: Tap | None = None,
    ) -> Self:
        """Connect to ``<url>/client/<session_id>`` and start reading, within ``deadline``.

        The callbacks run on the reading thread; the first call may come before this returns. ``on_message`` gets
        every message, sent as text or as bytes, ``on_malformed`` the error for anything else (by default it is
        logged), and ``on_closed`` is called once, at the end, whatever its cause. ``abort`` ends the opening, or
        the open connection without a goodbye. ``tap`` shows the messages.

        Raises:
            OdysseyAuthError: the session token was refused.
            MalformedMessageError: ``url`` cannot be used.
            OdysseyConnectionError: the server cannot be reached, or refused otherwise.
        """
        target = websocket_url(url, session_id, token)
        with contextlib.ExitStack() as resources:
            call = resources.enter_context(Call(deadline, abort))
            try:
                ws = open_websocket(target, (token, quote(token, safe="")), call, resources)
            except OdysseyError as exc:
                exc.session_id = session_id
                raise
            connection = cls(ws, contextlib.ExitStack(), call, target, on_message, on_closed, on_malformed, tap)
            start(connection._writer)
            # From here on the reader owns the resources, and releases them when it ends.
            owned = connection._resources = resources.pop_all()
            try:
                start(connection._reader)
            except OdysseyConnectionError as exc:
                exc.session_id = session_id
                connection._outbox.put(None)
                connection._writer.join()
                owned.close()
                raise
        return connection

    def send(self, message: wire.SignalingClientMessage, text: str = "") -> None:
        """Send ``message`` after those before it. It never blocks; a closed connection drops the message.

        ``text`` is the encoded message, if available.
        """
        if self._closing is not None or self._ended:
            log.debug("dropped %s: the connection is closed", message.type)
            return
        text = text or codec.encode(message)
        data = text.encode(errors="replace")
        self._outbox.put(data)
        show_message("signaling", text, USER_AGENT, from_client=True, tap=self._tap)
        log.debug("> %s, %d bytes", message.type, len(data))  # an SDP holds the password of the connection

    def close(self, code: int = 1000, reason: str = "Client disconnect", *, timeout: float = 0.5) -> None:
        """Send the queued messages, for at most ``timeout`` s, and a goodbye; then end both threads.

        It waits briefly for the server's answer to the goodbye: if this side closed at once, messages that the
        server still sends could reset the connection before the server reads the goodbye. May be called again,
        and by callbacks.
        """
        with self._lock:
            if self._closing is None:
                self._closing = (code, reason)
                self._outbox.put(self._closing)
        self._writer.join(timeout)
        if threading.current_thread() is self._reader:
            self._ws.give_up()
            self._call.shut()
            return
        self._reader.join(min(_GOODBYE_WAIT_S, timeout))
        self._ws.give_up()
        self._call.shut()
        self._reader.join(timeout)
        if self._reader.is_alive():
            log.warning("thread %s is still in a callback", self._reader.name)

    # --- the threads

    def _write(self) -> None:
        try:
            while isinstance(item := self._outbox.get(), bytes):
                self._ws.send_message(item)
            if item is not None:
                self._ws.say_goodbye(*item)
        except SENDING_ERRORS as exc:
            log.debug("sending failed: %s", type(exc).__name__)
            self._call.shut()  # the reader reports it

    def _read(self) -> None:
        failed = OdysseyConnectionError(
            "The signaling connection failed", code="connection_lost", recoverable=True
        )
        closed = SignalingEnd(None, "", False, failed)
        try:
            closed = self._read_to_end()
        except Exception as exc:
            log.exception("reading failed", exc_info=without_locals(exc))
        finally:  # the end is always reported
            self._ended = True
            self._outbox.put(None)
            self._call.shut()
            self._writer.join()
            self._resources.close()
            if self._closing is not None:
                code, reason = self._closing
                closed = SignalingEnd(code, reason, code in _CLEAN, None)
            log.debug("closed: %s %s", closed.code, closed.reason)
            if self._closing is None:
                self._tap.show_close(closed.code)
            self._report(self._on_closed, closed)

    def _read_to_end(self) -> SignalingEnd:
        while True:
            try:
                received = self._ws.receive(self._call, self._url)
            except OdysseyConnectionError as exc:
                return SignalingEnd(None, "", False, exc)
            if isinstance(received, Goodbye):
                return _closed_by_server(received)
            if self._closing is None:
                self._deliver(received)

    def _deliver(self, received: ReceivedMessage) -> None:
        shown = received.data.decode(errors="replace") if received.is_text else received.data
        show_message("signaling", shown, USER_AGENT, from_client=False, tap=self._tap)
        try:
            message = codec.signaling_from_server(received.data)
        except MalformedMessageError as exc:
            note_type(exc, received.data)
            exc.operation = OPERATION
            self._report(self._on_malformed, exc)
        else:
            log.debug("< %s, %d bytes", one_line(message.type), len(received.data))
            self._report(self._on_message, message)

    def _report(self, callback: Callable[[Any], object], what: object) -> None:
        try:
            callback(what)
        except Exception as exc:
            log.exception("a callback of the signaling connection failed", exc_info=without_locals(exc))


def _closed_by_server(goodbye: Goodbye) -> SignalingEnd:
    code, reason = goodbye.code, one_line(goodbye.reason)
    if code in _CLEAN:
        return SignalingEnd(code, reason, True, None)
    said = f"{code or 'no code'}{reason and ': '}{reason}"
    error = OdysseyConnectionError(
        f"The signaling server closed the connection ({said})",
        code="signaling_closed",
        operation=OPERATION,
        recoverable=True,
    )
    return SignalingEnd(code, reason, False, error)
