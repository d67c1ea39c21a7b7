"""The signaling connection: typed messages in and out, and an end that is reported exactly once.

Opening blocks the caller, who has a worker for that. Then one thread reads and one writes, so that sending never
blocks and closing wakes both at once. It sends no keepalive, rejoins nothing and judges no message: that is the
core's job. The socket below is `websocket`'s.
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
from .._base.secrets import redact
from .._model import codec
from .._model.signaling_url import normalise_url
from .sockets import Call
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

_CLEAN: Final = frozenset({1000, 1001})  # close codes that are no loss (spec/asyncapi.yaml)
_GOODBYE_WAIT_S: Final = 0.5  # for the server's answer to the goodbye; until then it may not have read it


@attrs.frozen
class SignalingEnd:
    """How a signaling connection ended."""

    code: int | None
    """The close code; None when the connection was lost, or closed without one."""
    reason: str
    """The reason beside the code."""
    clean: bool
    """Whether the code says that nothing is wrong: 1000 and 1001."""
    error: OdysseyConnectionError | None
    """What the user gets; None if it is clean."""


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
    ) -> None:
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
    ) -> Self:
        """Connect to ``<url>/client/<session_id>`` and start reading, within ``deadline``.

        The callbacks run on the reading thread, the first perhaps before this returns. `on_message` gets every
        message, `on_malformed` what is none (by default it is logged), and `on_closed` is called once, at the end,
        however it comes. ``abort`` ends the opening and also the open connection, without a goodbye.

        Raises:
            OdysseyAuthError: the session token was refused.
            OdysseyConnectionError: the server cannot be reached, or refused otherwise.
        """
        target = f"{normalise_url(url)}/client/{quote(session_id, safe='')}?token={quote(token, safe='')}"
        with contextlib.ExitStack() as resources:
            call = resources.enter_context(Call(deadline, abort))
            try:
                ws = open_websocket(target, (token, quote(token, safe="")), call, resources)
            except OdysseyError as exc:
                exc.session_id = session_id
                raise
            # From here on the reader owns them, and gives them up when it ends.
            connection = cls(ws, resources.pop_all(), call, target, on_message, on_closed, on_malformed)
        connection._writer.start()
        connection._reader.start()
        return connection

    def send(self, message: wire.SignalingClientMessage, text: str = "") -> None:
        """Send ``message`` after those before it. Never blocks; dropped when the connection is closed.

        ``text`` is the message encoded, if that is at hand.
        """
        if self._closing is not None or self._ended:
            log.debug("dropped %s: the connection is closed", message.type)
            return
        data = (text or codec.encode(message)).encode(errors="replace")
        self._outbox.put(data)
        log.debug("> %s, %d bytes", message.type, len(data))  # an SDP holds the password of the connection

    def close(self, code: int = 1000, reason: str = "Client disconnect", *, timeout: float = 0.5) -> None:
        """Send what waits to be sent, for at most ``timeout`` s, and a goodbye; then end both threads.

        A server that answers the goodbye at once is heard, so that nothing it still sends breaks the connection
        before the goodbye is read; no other is waited for. May be called again, and from the callbacks.
        """
        with self._lock:
            if self._closing is None:
                self._closing = (code, reason)
                self._outbox.put(self._closing)
        self._writer.join(timeout)
        if threading.current_thread() is self._reader:
            self._call.shut()
            return
        self._reader.join(min(_GOODBYE_WAIT_S, timeout))
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
        except Exception:
            log.exception("reading failed")
        finally:  # whatever it was, its end is reported
            self._ended = True
            self._outbox.put(None)
            self._call.shut()
            self._writer.join()
            self._resources.close()
            if self._closing is not None:
                code, reason = self._closing
                closed = SignalingEnd(code, reason, code in _CLEAN, None)
            log.debug("closed: %s %s", closed.code, closed.reason)
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
        try:
            message = codec.signaling_from_server(_text(received))
        except MalformedMessageError as exc:
            exc.operation = OPERATION
            self._report(self._on_malformed, exc)
        else:
            log.debug("< %s, %d bytes", redact(message.type)[:80], len(received.data))
            self._report(self._on_message, message)

    def _report(self, callback: Callable[[Any], object], what: object) -> None:
        try:
            callback(what)
        except Exception:
            log.exception("a callback of the signaling connection failed")


def _closed_by_server(goodbye: Goodbye) -> SignalingEnd:
    code, reason = goodbye.code, " ".join(redact(goodbye.reason).split())
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


def _text(received: ReceivedMessage) -> str:
    if not received.is_text:
        raise _malformed("it is binary")
    try:
        return received.data.decode()
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None


def _malformed(problem: str) -> MalformedMessageError:
    return MalformedMessageError(f"Malformed message: {problem}", problems=(problem,), code="malformed")
