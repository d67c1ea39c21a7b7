"""Reporting the use of a client to the service, only if the user asked for it (spec/behaviour.md#telemetry).

Events are sent on a thread of their own. Nothing waits for them or fails because of them: an event is dropped if
the queue is full, or if the service refuses it or does not answer in time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import queue
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Protocol

import odyssey_models as wire

from .._base import errors
from .._base.clock import Deadline
from .._base.forks import RLock
from .._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._base.clock import Clock
    from .._model.config import ClientConfig
    from .._net.service_api import ServiceApi

__all__ = ["ReportedSession", "Telemetry"]

log = logging.getLogger("odyssey_proto.rest")

_MOST_WAITING: Final = 32  # events in the queue; further ones are dropped
_EVENT_TIMEOUT_S: Final = 5.0
_LAST_EVENTS_S: Final = 0.3  # for the events that wait when the client is closed
_KEY_PREFIX: Final = 8  # characters of the API key; of a shorter key, none are sent
_LONGEST_TEXT: Final = 2000  # characters of an error's text


class ReportedSession(Protocol):
    """The session to report, or any object with these two properties."""

    @property
    def session_id(self) -> str | None:
        """The service's id of the session."""

    @property
    def status(self) -> object:
        """The status of the session; its ``str()`` is reported."""


class Telemetry:
    """Reports the connections of one client, or nothing if ``config.enable_telemetry`` is not set."""

    def __init__(self, config: ClientConfig, api: ServiceApi, clock: Clock) -> None:
        self._config = config
        self._api = api
        self._clock = clock
        self._lock = RLock()
        self._queue: queue.Queue[wire.TelemetryEvent | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        # Weak: a session ends when its user drops it.
        self._connected: tuple[weakref.ref[ReportedSession], str | None] | None = None

    @contextlib.contextmanager
    def connecting(self, live: ReportedSession) -> Iterator[None]:
        """Report the start of a connect, and at the end of the ``with`` how it ended."""
        began = self._clock.now()
        self._enqueue(event=wire.TelemetryEventName.SESSION_CONNECTING)
        try:
            yield
        except errors.OdysseyError as exc:
            self._enqueue(
                error_type=_error_type(exc),
                error_message=exc.message[:_LONGEST_TEXT],
                error_code=exc.code,
                session_id=exc.session_id,
                connection_status=str(live.status),
            )
            raise
        now = self._clock.now()
        self._connected = weakref.ref(live), live.session_id
        self._enqueue(
            event=wire.TelemetryEventName.SESSION_CONNECTED,
            session_id=live.session_id,
            connect_duration_ms=round((now - began) * 1000),
        )

    def ended(self, live: ReportedSession) -> None:
        """Report the end of a session, once for each session that was connected."""
        if self._connected is not None and self._connected[0]() is live:
            self.disconnected()

    def disconnected(self) -> None:
        """Report a disconnect, with the id of the session whose end has not been reported yet, if there is one."""
        session_id, self._connected = None if self._connected is None else self._connected[1], None
        self._enqueue(event=wire.TelemetryEventName.SESSION_DISCONNECTED, session_id=session_id)

    def close(self) -> None:
        """End the thread; waiting events have 0.3 s to be sent."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and self._process == os.getpid():
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            thread.join(_LAST_EVENTS_S)

    def _enqueue(self, **known: Any) -> None:
        if not self._config.enable_telemetry or self._process != os.getpid():
            return
        key = self._config.api_key or ""
        event = wire.TelemetryEvent(
            sdk_version=__version__,
            sdk_platform="python",
            platform_info=f"{platform.system()} {platform.release()} / Python {platform.python_version()}",
            api_key_prefix=key[:_KEY_PREFIX] if len(key) >= _KEY_PREFIX else None,
            **known,
        )
        with contextlib.suppress(queue.Full, RuntimeError):  # RuntimeError: no more threads
            self._queue.put_nowait(event)
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._send, name="odyssey-telemetry", daemon=True)
                thread.start()
                self._thread = thread

    def _send(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._api.report(wire.TelemetryRequest(events=[event]), Deadline(_EVENT_TIMEOUT_S, self._clock))
            except errors.OdysseyError as exc:
                log.debug("an event was dropped: %s", exc)
                if exc.code == "closed":
                    return


def _error_type(error: errors.OdysseyError) -> wire.TelemetryErrorType:
    match error:
        case errors.OdysseyAuthError():
            return wire.TelemetryErrorType.AUTH
        case errors.OdysseyUsageError():
            return wire.TelemetryErrorType.USAGE
        case errors.OdysseyStreamError():
            return wire.TelemetryErrorType.STREAM
        case errors.OdysseyConnectionError():
            return wire.TelemetryErrorType.CONNECTION
        case _:
            return wire.TelemetryErrorType.UNKNOWN
