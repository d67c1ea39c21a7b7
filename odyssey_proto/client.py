"""`Odyssey`, the public face: configuration, one connection at a time, and what lives as long as the client.

It decides nothing about the protocol; it owns the HTTP transport and the background loop, makes sessions on
them, and forwards the calls that the official SDK has on its client.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, Self

from . import errors, images, session
from .clock import Deadline, MonotonicClock
from .config import AdvancedConfig, ClientConfig
from .session import Session
from .transport.http import HttpTransport
from .transport.loop import BackgroundLoop
from .types import ConnectionStatus

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from types import EllipsisType, TracebackType

    from .frames import FramePolicy, VideoFrame
    from .images import ImageInput

__all__ = ["Odyssey"]

_CLOSE: Final = 2.0  # s for all of it


class Odyssey:
    """A client of the Odyssey service, for code without an event loop.

    Use it in a ``with``, or call `close`. Any thread may call any method; one connection at a time.

    Args:
        api_key: the key; ``None`` takes ``ODYSSEY_API_KEY``.
        api_url: where the service is; ``None`` takes ``ODYSSEY_API_URL``, then https://api.odyssey.ml.
        debug: log what is sent and received, without secrets, to stderr.
        advanced: retry and queueing settings.
        reconnect: rejoin the session when the connection is lost.

    Raises:
        TypeError: an argument of the wrong type.
        OdysseyConfigError: an argument that cannot work.

    Example:
        >>> with Odyssey() as client, client.connect() as live:  # doctest: +SKIP
        ...     live.start_stream("A cat", portrait=False)
        ...     for frame in live.frames():
        ...         show(frame.data)
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        api_url: str | None = None,
        debug: bool = False,
        advanced: AdvancedConfig | None = None,
        reconnect: bool = True,
    ) -> None:
        self.config = ClientConfig(
            api_key=api_key,
            api_url=api_url,
            debug=debug,
            advanced=AdvancedConfig() if advanced is None else advanced,
            reconnect=reconnect,
        )
        if debug:
            _log_to_stderr()
        self._clock = MonotonicClock()
        self._http = HttpTransport(self.config, self._clock)
        self._loop = BackgroundLoop()
        self._connecting = threading.Lock()
        self._session: Session | None = None
        self._closed = False

    # --- the connection

    def connect(self, *, timeout: float | EllipsisType | None = ...) -> Session:
        """Connect to a streamer and return the live `Session` (client page, "connect()").

        The client's own `start_stream`, `interact`, `end_stream`, `frames` and `disconnect` act on it too.

        Args:
            timeout: s for all of it, queueing included; left out, ``queue_timeout_s`` + 30. ``None``: no limit.

        Raises:
            OdysseyAuthError: the key is missing, malformed, invalid or suspended.
            OdysseyUsageError: a limit of the account (its subclasses say which).
            OdysseyConnectionError: no streamer, no way to reach the service, or connected already.
            OdysseyConnectionTimeoutError: not in time. A session that was granted by then is given back.
        """
        seconds = self.config.advanced.queue_timeout_s + 30 if timeout is ... else timeout
        session.check_seconds("timeout", seconds)
        deadline = Deadline(seconds, self._clock)
        self.config.require_api_key()
        if not self._connecting.acquire(blocking=False):
            raise errors.OdysseyConnectionError("Another thread is connecting this client", code="connecting")
        try:
            self._settle_last(deadline)
            self._loop.start()
            self._session = live = Session(self.config, self._http, self._loop, self._clock)
            if self._closed:  # by another thread: either it stops the loop, or this does
                self._loop.stop()
                raise errors.OdysseyConnectionError("The client is closed; make another one", code="closed")
            session.connect(live, deadline)
            return live
        finally:
            self._connecting.release()

    def _settle_last(self, deadline: Deadline) -> None:
        last = self._session
        if last is not None and not last.has_ended:
            raise errors.OdysseyConnectionError(
                "This client is connected already; call disconnect() first, or use a second client",
                code="already_connected",
            )
        if last is not None:
            session.settle(last, deadline)

    def disconnect(self) -> None:
        """Leave the session; nothing happens where there is none. The client can connect again."""
        live, self._session = self._session, None
        if live is not None:
            live.disconnect()

    def close(self) -> None:
        """Leave the session and end all threads, within 2 s. The client cannot be used any more."""
        self._closed = True
        deadline = Deadline(_CLOSE, self._clock)
        self.disconnect()
        self._http.close()
        self._loop.stop(deadline.remaining() or 0.0)

    # --- acting on the session

    def start_stream(
        self,
        prompt: str = "",
        portrait: bool = True,
        image: ImageInput | None = None,
        image_path: str | os.PathLike[str] | None = None,
        bypass_prompt_expansion: bool | None = None,
        *,
        timeout: float | None = 60.0,
    ) -> str:
        """Start a stream on the session; see `Session.start_stream`."""
        image = images.only_one(image, image_path)  # here, so that its warning points to the caller
        return self._live("start stream").start_stream(
            prompt, portrait, image, bypass_prompt_expansion=bypass_prompt_expansion, timeout=timeout
        )

    def interact(self, prompt: str, *, timeout: float | None = 30.0) -> str:
        """Steer the session's stream; see `Session.interact`."""
        return self._live("interact").interact(prompt, timeout=timeout)

    def end_stream(self, *, timeout: float | None = 30.0) -> None:
        """End the session's stream; see `Session.end_stream`."""
        self._live("end stream").end_stream(timeout=timeout)

    def frames(
        self, policy: FramePolicy = "drop_oldest", queue_size: int = 4, timeout: float | None = None
    ) -> Iterator[VideoFrame]:
        """Iterate over the session's frames; see `Session.frames`."""
        return self._live("iterate over frames").frames(policy, queue_size, timeout)

    @property
    def latest_frame(self) -> VideoFrame | None:
        """The newest frame of the stream that is running; None where there is none."""
        live = self._session
        return None if live is None else live.latest_frame

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected and ready."""
        return self.current_status is ConnectionStatus.CONNECTED

    @property
    def current_status(self) -> ConnectionStatus:
        """Where the connection stands; DISCONNECTED before the first `connect`."""
        live = self._session
        return ConnectionStatus.DISCONNECTED if live is None else live.status

    @property
    def current_session_id(self) -> str | None:
        """The id of the session; None if not connected."""
        live = self._session
        return live.session_id if live is not None and live.is_connected else None

    @property
    def last_applied_prompt(self) -> str | None:
        """The prompt in effect, as the service rewrote it; None where there is no stream."""
        live = self._session
        return None if live is None else live.last_applied_prompt

    def _live(self, what: str) -> Session:
        live = self._session
        if live is None:
            raise errors.OdysseyStreamError(
                f"Cannot {what}: client is {self.current_status}; call connect() first",
                code="not_connected",
                operation=what,
            )
        return live

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Odyssey {self.config.api_url} {self.current_status}>"


def _log_to_stderr() -> None:
    logger = logging.getLogger("odyssey_proto")
    logger.setLevel(logging.DEBUG)
    if not any(isinstance(handler, logging.StreamHandler) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
