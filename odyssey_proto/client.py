"""`Odyssey`, the public client: its configuration, its one connection at a time, and its calls to the REST API.

It decides nothing about the protocol. It owns the HTTP transport and the background loop, creates sessions on
them, and forwards to the session the calls that the official SDK has on its client.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, Unpack, get_args

import attrs

# Annotations use public paths for types that load lazily: evaluating an annotation loads its type.
import odyssey_proto

from ._base import arguments, errands, errors, greenlets, logs, sigterm
from ._base.arguments import CLIENT_DEFAULT, ClientDefault
from ._base.clock import Deadline, MonotonicClock
from ._base.forks import Lock
from ._base.public_path import publish
from ._base.secrets import Secret
from ._base.tracebacks import sealed
from ._base.weak_set import ConcurrentWeakSet
from ._live.handler_signature import spell_out_handlers
from ._model.config import AdvancedConfig, ClientConfig, IcePolicy, VideoCodec, VideoRecovery
from ._video import images
from .rest_calls import RestCalls

if TYPE_CHECKING:
    from ._base.event_loop import BackgroundLoop
    from ._live.driver import Driver
    from .session import Session
    from .spectator import SpectatorConnection

__all__ = ["Odyssey"]

_log = logging.getLogger("odyssey_proto.live")

_CLOSE_S: Final = 2.0
_JOIN_S: Final = 30.0  # the default timeout of connect_with_credentials(), which never queues


class Odyssey(RestCalls):
    """A client of the Odyssey service, for code without an event loop.

    Use it in a ``with``, or call `close`. Any thread may call any method. There is one connection at a time.

    Args:
        api_key: the API key; ``None`` takes ``ODYSSEY_API_KEY``.
        api_url: the address of the service; ``None`` takes ``ODYSSEY_API_URL``, then https://api.odyssey.ml.
        debug: log all traffic, without secrets, to stderr.
        advanced: retry and queueing settings.
        reconnect: rejoin the session when the connection is lost.
        enable_telemetry: report to the service when sessions begin and end, and why connecting failed.
        ice_servers: STUN and TURN servers to use instead of the service's: mappings with ``urls`` and, for TURN,
            ``username`` and ``credential``; empty for none.
        ice_policy: ``"relay"`` connects through TURN servers only; ``"all"`` prefers direct paths.
        codec: ``"h264"`` or ``"vp8"`` accepts no other; ``"auto"`` prefers H.264, which costs less to decode.
        timeout: default timeout of REST calls, in s; ``None``: no limit.
        close_on_sigterm: have SIGTERM give back the sessions of this process, and finish its recordings, before it
            ends the process. A handler of the program's own is left alone.

    Raises:
        TypeError: an argument of the wrong type.
        OdysseyConfigError: an argument is not valid, or ``close_on_sigterm`` was requested outside the main
            thread.

    Example:
        >>> with Odyssey() as client, client.connect() as live:  # doctest: +SKIP
        ...     live.start_stream("A cat", portrait=False)
        ...     for frame in live.frames():
        ...         show(frame.data)
    """

    @sealed
    def __init__(
        self,
        api_key: str | None = None,
        *,
        api_url: str | None = None,
        debug: bool = False,
        advanced: AdvancedConfig | None = None,
        reconnect: bool = True,
        enable_telemetry: bool = False,
        ice_servers: Iterable[odyssey_proto.IceServer | Mapping[str, Any]] | None = None,
        ice_policy: IcePolicy = "all",
        codec: VideoCodec = "auto",
        timeout: float | None = 30.0,
        close_on_sigterm: bool = False,
    ) -> None:
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key  # this frame may be in a traceback
        config = ClientConfig(
            api_key=api_key,
            api_url=api_url,
            debug=debug,
            advanced=AdvancedConfig() if advanced is None else advanced,
            reconnect=reconnect,
            enable_telemetry=enable_telemetry,
            ice_servers=ice_servers,
            ice_policy=ice_policy,
            codec=codec,
            timeout=timeout,
        )
        if arguments.flag("close_on_sigterm", close_on_sigterm):
            sigterm.close_at_sigterm()
        if debug:
            logs.to_stderr()
        super().__init__(config, MonotonicClock())
        self._loop: BackgroundLoop | None = None  # from the first connection on
        self._connecting = Lock()
        self._times_left = 0  # how often `disconnect` or `close` was called
        self._session: Session | None = None
        self._leaving: Session | None = None  # the session that `disconnect` is leaving, or has left behind
        self._watching: ConcurrentWeakSet[SpectatorConnection] = ConcurrentWeakSet()
        self._closed = False

    # --- the connection

    @spell_out_handlers
    @errands.undisturbed
    def connect(
        self,
        *in_order: Any,
        wait_for_slot: bool = False,
        replace: bool = False,
        recovery: VideoRecovery = "latest",
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
        **handlers: Unpack[odyssey_proto.EventHandlers],
    ) -> odyssey_proto.Session:
        """Connect to a streamer and return the live `Session` (Python client reference, "connect()").

        The client's own `start_stream`, `interact`, `end_stream`, `frames` and `disconnect` act on this session.

        While the client is connected, this returns the session that it has; handlers given then are ignored, with
        a warning in the log. There is still only one session: the end of any ``with`` on it ends it for all.

        Handlers are called one after the other on their own thread, and may call any method of the client or the
        session; see `OdysseyEventHandlers`. An exception in a handler goes to ``on_error``, as not fatal.

        Args:
            in_order, handlers: the fields of `OdysseyEventHandlers`, by name or in the documented order.
            wait_for_slot: if the account has its maximum number of open sessions, wait within ``timeout`` until
                one has ended, instead of raising `ConcurrentLimitReachedError`.
            replace: first give back every session of this key that this process has, that of this client included:
                for code that is run again, such as a cell of a notebook or a reloaded module.
            recovery: what to do after an outage of the network of 0.35 s or longer: ``"latest"`` continues with
                live video, ``"complete"`` first requests the lost packets, as far as the streamer still has them,
                and falls behind by that time. Single lost packets are always requested. While only `record` takes
                frames, it is ``"complete"``.
            timeout: s for the whole call, queueing included; default ``queue_timeout_s`` + 30. ``None``: no limit.

        Raises:
            TypeError: an argument of the wrong type; a handler cannot be called, or is a coroutine function.
            OdysseyAuthError: the key is missing, malformed, invalid or suspended.
            OdysseyUsageError: a limit of the account (its subclasses say which).
            OdysseyConnectionError: no streamer is free, the service cannot be reached, or the client is
                connecting, reconnecting or closed.
            OdysseyConnectionTimeoutError: not connected in time. A session already granted is given back.
        """
        from ._live.handlers import OdysseyEventHandlers

        wanted = OdysseyEventHandlers._of(*in_order, **handlers)
        deadline = self._until(timeout, self._queueing_s)
        arguments.flag("wait_for_slot", wait_for_slot)
        arguments.flag("replace", replace)
        arguments.one_of("recovery", recovery, get_args(VideoRecovery))
        if not replace and (live := _connected(self._session, wanted)) is not None:
            return live
        self.config.require_api_key()
        return self._connect(wanted, deadline, recovery, wait_for_slot=wait_for_slot, replace=replace)

    @spell_out_handlers
    @errands.undisturbed
    def connect_with_credentials(
        self,
        credentials: odyssey_proto.ClientCredentials,
        *in_order: Any,
        recovery: VideoRecovery = "latest",
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
        **handlers: Unpack[odyssey_proto.EventHandlers],
    ) -> odyssey_proto.Session:
        """Connect to the session of ``credentials`` (Python client reference, "connect_with_credentials()").

        This needs no API key. A lost session is rejoined with the same token until the token expires. Credentials
        that have expired by this machine's clock, which may be wrong, are still tried; the service decides.

        While the client is connected, this returns the session that it has, as `connect` does, and the credentials
        are not used.

        Args:
            credentials: the result of `create_client_credentials`, called here or on your server.
            in_order, handlers, recovery: as for `connect`.
            timeout: s for the whole call; default 30. ``None``: no limit.

        Raises:
            TypeError: ``credentials`` are not `ClientCredentials`, or a handler cannot be called.
            OdysseyConnectionError: the credentials have expired, the signaling server refuses them or cannot be
                reached, or the client is connecting, reconnecting or closed.
            OdysseyConnectionTimeoutError: not connected in time.
        """
        from ._live.handlers import OdysseyEventHandlers
        from ._model.credentials import ClientCredentials

        if not isinstance(credentials, ClientCredentials):
            raise TypeError(
                f"credentials must be ClientCredentials, not {type(credentials).__name__}; "
                "create them from a dict with ClientCredentials.from_dict()"
            )
        wanted = OdysseyEventHandlers._of(*in_order, **handlers)
        deadline = self._until(timeout, _JOIN_S)
        arguments.one_of("recovery", recovery, get_args(VideoRecovery))
        if (live := _connected(self._session, wanted, credentials)) is not None:
            return live
        return self._connect(wanted, deadline, recovery, credentials)

    def _connect(
        self,
        handlers: odyssey_proto.OdysseyEventHandlers,
        deadline: Deadline,
        recovery: VideoRecovery,
        credentials: odyssey_proto.ClientCredentials | None = None,
        *,
        wait_for_slot: bool = False,
        replace: bool = False,
    ) -> Session:
        # Imported here so that programs that only call REST do not pay for them.
        from . import session
        from ._base.event_loop import BackgroundLoop
        from ._live import commands

        greenlets.refuse("connect()")
        errands.check()  # importing may have taken a while
        if not self._connecting.acquire(blocking=False):
            raise errors.OdysseyConnectionError("Another thread is connecting this client", code="connecting")
        try:
            if replace:
                self.disconnect()
            elif (connected := _connected(self._session, handlers, credentials)) is not None:
                return connected  # by another thread, after this one had looked
            times_left = self._times_left
            self._settle_last(deadline)
            if credentials is None:
                commands.make_way(self._account.api, deadline, replace=replace)
            loop = self._loop = self._loop or BackgroundLoop()
            loop.start()
            wanted = handlers if any(attrs.astuple(handlers, recurse=False)) else None
            self._session = live = session.Session(
                self._driver(wanted, loop, recovery), has_handlers=wanted is not None
            )
            if self._closed:  # by another thread, which may have missed this loop
                loop.stop()
                raise _is_closed()
            if self._times_left != times_left:  # by another thread, which may have missed this session
                live._driver.start_leaving(may_linger=True)
            errands.if_abandoned(live.disconnect)
            with self._account.telemetry.connecting(live):
                session.connect(live, deadline, credentials, wait_for_slot=wait_for_slot)
            return live
        finally:
            self._connecting.release()

    def _driver(
        self, handlers: odyssey_proto.OdysseyEventHandlers | None, loop: BackgroundLoop, recovery: VideoRecovery
    ) -> Driver:
        """Create the driver of a new session."""
        from ._live import commands

        return commands.session_driver(self.config, self._account.api, loop, self._clock, handlers, recovery)

    def _settle_last(self, deadline: Deadline) -> None:
        last = self._session
        if last is not None and not last.has_ended:
            raise errors.OdysseyConnectionError(
                f"This client is {last.status}; wait until it is connected, or call disconnect() first",
                code="reconnecting",
            )
        self._settle(deadline)
        if last is not None:
            self._account.telemetry.ended(last)  # if the user called Session.disconnect(), or it failed

    def _settle(self, deadline: Deadline) -> None:
        """Wait until the sessions that have ended or were left have been given back to the service."""
        left = self._leaving
        for past in (self._session, left):
            if past is not None and past.has_ended:
                from .session import settle

                settle(past, deadline)
        if left is not None and left._driver.ended.is_set() and self._leaving is left:
            self._leaving = None

    @errands.undisturbed(at_most_s=2 * _CLOSE_S)
    def disconnect(self) -> None:
        """Leave the session, if any. The client can connect again."""
        self._leave(may_linger=True)
        self._account.telemetry.disconnected()

    def _leave(self, *, may_linger: bool) -> None:
        self._times_left += 1
        self._leaving = self._session or self._leaving
        live, self._session = self._session, None
        if live is not None:
            self._leaving = live  # once more: another thread may just have made it
            live._disconnect(may_linger=may_linger)
            if live._driver.ended.is_set():
                self._leaving = None

    @errands.undisturbed(at_most_s=2 * _CLOSE_S)
    def close(self) -> None:
        """Leave the session and end all threads, within 2 s. The client cannot be used afterwards."""
        if not hasattr(self, "_closed"):  # it was never made: `__init__` raised
            return
        self._closed = True
        deadline = Deadline(_CLOSE_S, self._clock)
        last = self._session
        self._leave(may_linger=False)
        if last is not None:
            self._account.telemetry.ended(last)
        if (leaving := self._leaving) is not None:  # it needs the loop
            leaving._disconnect(may_linger=False)
        watching = tuple(self._watching)
        for spectator in watching:
            spectator._driver.start_leaving()  # all at once
        for spectator in watching:
            spectator._driver.join(deadline.remaining())
        errands.settle(deadline.within(_CLOSE_S / 2))  # what gives something back needs the network
        self._account.close()
        if self._loop is not None:
            self._loop.stop(deadline.remaining() or 0.0)
        errands.settle(deadline)

    # --- acting on the session

    def start_stream(
        self,
        prompt: str = "",
        portrait: bool = True,
        image: odyssey_proto.ImageInput | None = None,
        image_path: str | os.PathLike[str] | None = None,
        bypass_prompt_expansion: bool | None = None,
        broadcast: bool = False,
        *,
        timeout: float | None = 60.0,
    ) -> str:
        """Start a stream on the session; see `Session.start_stream`."""
        image = images.only_one(image, image_path)  # here, so that its deprecation warning points to the caller
        return self._live("start stream").start_stream(
            prompt,
            portrait,
            image,
            bypass_prompt_expansion=bypass_prompt_expansion,
            broadcast=broadcast,
            timeout=timeout,
        )

    def interact(self, prompt: str, *, timeout: float | None = 30.0) -> str:
        """Steer the session's stream; see `Session.interact`."""
        return self._live("interact").interact(prompt, timeout=timeout)

    def end_stream(self, *, timeout: float | None = 30.0) -> None:
        """End the session's stream, if any; see `Session.end_stream`."""
        self._live("end stream").end_stream(timeout=timeout)

    def frames(
        self,
        policy: odyssey_proto.FramePolicy = "drop_oldest",
        queue_size: int = 4,
        *,
        pace: odyssey_proto.FramePace = "live",
        timeout: float | None = None,
    ) -> Iterator[odyssey_proto.VideoFrame]:
        """Iterate over the session's frames; see `Session.frames`."""
        return self._live("iterate over frames").frames(policy, queue_size, pace=pace, timeout=timeout)

    @property
    def latest_frame(self) -> odyssey_proto.VideoFrame | None:
        """The newest frame of the running stream; None if there is none."""
        live = self._session
        return None if live is None else live.latest_frame

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected and ready."""
        live = self._session
        return live is not None and live.is_connected

    @property
    def current_status(self) -> odyssey_proto.ConnectionStatus:
        """The status of the connection; DISCONNECTED before the first `connect`."""
        from ._model.events import ConnectionStatus

        live = self._session
        return ConnectionStatus.DISCONNECTED if live is None else live.status

    @property
    def current_session_id(self) -> str | None:
        """The id of the session; None if not connected."""
        live = self._session
        return live.session_id if live is not None and live.is_connected else None

    @property
    def last_applied_prompt(self) -> str | None:
        """The prompt in effect, as the service rewrote it; None if no stream is running or it was not reported."""
        live = self._session
        return None if live is None else live.last_applied_prompt

    # --- watching broadcasts

    @errands.undisturbed
    def watch(
        self,
        info: odyssey_proto.BroadcastInfo,
        on_video_frame: odyssey_proto.VideoFrameCallback | None = None,
        on_disconnected: odyssey_proto.DisconnectedCallback | None = None,
        *,
        timeout: float | None = 40.0,
    ) -> odyssey_proto.SpectatorConnection:
        """Watch a broadcast: over WebRTC, as `connect_to_stream` does, or over HLS if WebRTC does not work.

        This needs neither a connection of this client nor an API key. Watching ends with `close` at the latest.
        HLS is 5 to 10 s behind.

        Args:
            info: the broadcaster's `BroadcastInfo`, for example from `Session.wait_for_broadcast`.
            on_video_frame, on_disconnected: as for `connect_to_stream`.
            timeout: s until it is connected; ``None``: no limit for the whole call.

        Raises:
            TypeError, OdysseyConfigError: an argument is not valid.
            SpectatorTokenError: the token was refused (a `ValueError` too).
            OdysseyConnectionError: the stream does not exist or cannot be reached (the error says why WebRTC
                failed), or the client was closed, perhaps by another thread during the call.
        """
        from . import spectator  # loaded on first use

        if self._closed:
            raise _is_closed()
        watched = spectator.watch(
            info, self.config, on_video_frame, on_disconnected, timeout=timeout, among=self._watching
        )
        if self._closed:  # by another thread, which may have missed this spectator
            watched.disconnect()
            raise _is_closed()
        return watched

    def _live(self, what: str) -> Session:
        live = self._session
        if live is None:
            raise errors.OdysseyStreamError(
                f"Cannot {what}: client is {self.current_status}; call connect() first",
                code="not_connected",
                operation=what,
            )
        return live

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A client cannot be pickled or copied: pass its settings, or the result of "
            "create_client_credentials(), and create a client from them there"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Odyssey {self.config.api_url} {self.current_status}>"


def _connected(
    live: Session | None,
    handlers: odyssey_proto.OdysseyEventHandlers,
    credentials: odyssey_proto.ClientCredentials | None = None,
) -> Session | None:
    """Return the session if it is connected, and log the arguments that are ignored; None if it is not."""
    if live is None or live.has_ended or not live.is_connected:
        return None
    in_vain = [name for name, handler in attrs.asdict(handlers, recurse=False).items() if handler is not None]
    if credentials is not None and credentials.session_id != live.session_id:
        in_vain.append(f"the credentials of session {credentials.session_id}")
    if in_vain:
        _log.warning("already connected to session %s; ignored: %s", live.session_id, ", ".join(in_vain))
    return live


def _is_closed() -> errors.OdysseyConnectionError:
    return errors.OdysseyConnectionError("The client is closed; create another one", code="closed")


publish("odyssey_proto", Odyssey)
