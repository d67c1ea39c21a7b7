"""`Odyssey`, the public face: configuration, one connection at a time, and what lives as long as the client.

It decides nothing about the protocol; it owns the HTTP transport and the background loop, makes sessions on
them, and forwards the calls that the official SDK has on its client.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, Unpack

import attrs

# What is not loaded with the client is named by its public path: it is loaded if the annotation is ever evaluated.
import odyssey_proto

from ._base import arguments, errors, logs
from ._base.arguments import CLIENT_DEFAULT, ClientDefault
from ._base.clock import Deadline, MonotonicClock
from ._base.public_path import publish
from ._base.weak_set import ConcurrentWeakSet
from ._live.handler_signature import spell_out_handlers
from ._model.config import AdvancedConfig, ClientConfig, IcePolicy, VideoCodec
from ._rest.account import Account
from ._video import images
from .raw_response import RawCalls

if TYPE_CHECKING:
    from ._base.event_loop import BackgroundLoop
    from ._live.driver import Driver
    from .session import Session
    from .spectator import SpectatorConnection

__all__ = ["Odyssey"]

_CLOSE_S: Final = 2.0
_JOIN_S: Final = 30.0  # the default timeout of connect_with_credentials(), which never queues


class Odyssey:
    """A client of the Odyssey service, for code without an event loop.

    Use it in a ``with``, or call `close`. Any thread may call any method; one connection at a time.

    Args:
        api_key: the key; ``None`` takes ``ODYSSEY_API_KEY``.
        api_url: where the service is; ``None`` takes ``ODYSSEY_API_URL``, then https://api.odyssey.ml.
        debug: log what is sent and received, without secrets, to stderr.
        advanced: retry and queueing settings.
        reconnect: rejoin the session when the connection is lost.
        enable_telemetry: tell the service when sessions begin and end, and why connecting failed.
        ice_servers: STUN and TURN servers in place of those that the service tells, as mappings with ``urls``, and
            for TURN ``username`` and ``credential``; empty for none.
        ice_policy: ``"relay"`` connects through TURN servers only; ``"all"`` prefers direct paths.
        codec: ``"h264"`` or ``"vp8"`` takes only that video; ``"auto"`` prefers H.264, which costs less to decode.
        timeout: s that a REST call may take which is given no other; ``None``: no limit.

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
        enable_telemetry: bool = False,
        ice_servers: Iterable[odyssey_proto.IceServer | Mapping[str, Any]] | None = None,
        ice_policy: IcePolicy = "all",
        codec: VideoCodec = "auto",
        timeout: float | None = 30.0,
    ) -> None:
        self.config: ClientConfig = ClientConfig(
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
        if debug:
            logs.to_stderr()
        self._clock = MonotonicClock()
        self._account = Account(self.config, self._clock)
        self._loop: BackgroundLoop | None = None  # from the first connection on
        self._connecting = threading.Lock()
        self._session: Session | None = None
        self._leaving: Session | None = None  # what a thread in `disconnect` gives back
        self._watching: ConcurrentWeakSet[SpectatorConnection] = ConcurrentWeakSet()
        self._closed = False

    # --- the connection

    @spell_out_handlers
    def connect(
        self,
        *in_order: Any,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
        **handlers: Unpack[odyssey_proto.EventHandlers],
    ) -> odyssey_proto.Session:
        """Connect to a streamer and return the live `Session` (client page, "connect()").

        The client's own `start_stream`, `interact`, `end_stream`, `frames` and `disconnect` act on it too.

        Handlers are called one after the other on a thread of their own, and may call any method of the client or
        the session; see `OdysseyEventHandlers`. What one raises goes to ``on_error``, as not fatal.

        Args:
            in_order, handlers: those of `OdysseyEventHandlers`, by their names or in the documented order.
            timeout: s for all of it, queueing included; left out, ``queue_timeout_s`` + 30. ``None``: no limit.

        Raises:
            TypeError: a handler that cannot be called, or is a coroutine function.
            OdysseyAuthError: the key is missing, malformed, invalid or suspended.
            OdysseyUsageError: a limit of the account (its subclasses say which).
            OdysseyConnectionError: no streamer, no way to reach the service, or connected already.
            OdysseyConnectionTimeoutError: not in time. A session that was granted by then is given back.
        """
        from ._live.handlers import OdysseyEventHandlers

        wanted = OdysseyEventHandlers._of(*in_order, **handlers)
        deadline = self._until(timeout, self._queueing_s)
        self.config.require_api_key()
        return self._connect(wanted, deadline)

    @spell_out_handlers
    def connect_with_credentials(
        self,
        credentials: odyssey_proto.ClientCredentials,
        *in_order: Any,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
        **handlers: Unpack[odyssey_proto.EventHandlers],
    ) -> odyssey_proto.Session:
        """Connect to the session that ``credentials`` are for (client page, "connect_with_credentials()").

        It needs no API key. When the connection is lost it is rejoined with the same token, until that expires.

        Args:
            credentials: what `create_client_credentials` returned, here or on your server.
            in_order, handlers: as for `connect`.
            timeout: s for all of it; left out, 30. ``None``: no limit.

        Raises:
            TypeError: these are no credentials, or a handler cannot be called.
            OdysseyConnectionError: they have expired, the signaling server refuses them or cannot be reached, or
                the client is connected already.
            OdysseyConnectionTimeoutError: not in time.
        """
        from ._live.handlers import OdysseyEventHandlers
        from ._model.credentials import ClientCredentials

        if not isinstance(credentials, ClientCredentials):
            raise TypeError(
                f"credentials must be ClientCredentials, not {type(credentials).__name__}; "
                "make them of a dict with ClientCredentials.from_dict()"
            )
        wanted = OdysseyEventHandlers._of(*in_order, **handlers)
        deadline = self._until(timeout, _JOIN_S)
        if credentials.is_expired:
            raise errors.OdysseyConnectionError(
                "The credentials have expired: get new ones from the server that made them",
                code="credentials_expired",
                session_id=credentials.session_id,
                operation="connect with credentials",
            )
        return self._connect(wanted, deadline, credentials)

    def _connect(
        self,
        handlers: odyssey_proto.OdysseyEventHandlers,
        deadline: Deadline,
        credentials: odyssey_proto.ClientCredentials | None = None,
    ) -> Session:
        # Here, and not when this is imported: who only calls REST does not pay for it.
        from . import session
        from ._base.event_loop import BackgroundLoop

        if not self._connecting.acquire(blocking=False):
            raise errors.OdysseyConnectionError("Another thread is connecting this client", code="connecting")
        try:
            self._settle_last(deadline)
            loop = self._loop = self._loop or BackgroundLoop()
            loop.start()
            wanted = handlers if any(attrs.astuple(handlers, recurse=False)) else None
            self._session = live = session.Session(self._driver(wanted, loop), has_handlers=wanted is not None)
            if self._closed:  # by another thread: either it stops the loop, or this does
                loop.stop()
                raise _is_closed()
            with self._account.telemetry.connecting(live):
                session.connect(live, deadline, credentials)
            return live
        finally:
            self._connecting.release()

    def _driver(self, handlers: odyssey_proto.OdysseyEventHandlers | None, loop: BackgroundLoop) -> Driver:
        """Make what is behind a session."""
        from ._live import commands

        return commands.session_driver(self.config, self._account.api, loop, self._clock, handlers)

    def _settle_last(self, deadline: Deadline) -> None:
        last = self._session
        if last is not None and not last.has_ended:
            raise errors.OdysseyConnectionError(
                "This client is connected already; call disconnect() first, or use a second client",
                code="already_connected",
            )
        if last is not None:
            from .session import settle

            settle(last, deadline)
            self._account.telemetry.disconnected(last)  # where the user left it by its own method, or it broke

    def disconnect(self) -> None:
        """Leave the session; nothing happens where there is none. The client can connect again."""
        self._leaving = self._session or self._leaving
        live, self._session = self._session, None
        if live is not None:
            live.disconnect()
            self._leaving = None
            self._account.telemetry.disconnected(live)

    def close(self) -> None:
        """Leave the session and end all threads, within 2 s. The client cannot be used any more."""
        self._closed = True
        deadline = Deadline(_CLOSE_S, self._clock)
        self.disconnect()
        if (leaving := self._leaving) is not None:  # by another thread, which needs what ends here
            leaving.disconnect()
        watching = tuple(self._watching)
        for spectator in watching:
            spectator._driver.start_leaving()  # all at once
        for spectator in watching:
            spectator._driver.join(deadline.remaining())
        self._account.close()
        if self._loop is not None:
            self._loop.stop(deadline.remaining() or 0.0)

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
        image = images.only_one(image, image_path)  # here, so that its warning points to the caller
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
        """End the session's stream; see `Session.end_stream`."""
        self._live("end stream").end_stream(timeout=timeout)

    def frames(
        self,
        policy: odyssey_proto.FramePolicy = "drop_oldest",
        queue_size: int = 4,
        *,
        timeout: float | None = None,
    ) -> Iterator[odyssey_proto.VideoFrame]:
        """Iterate over the session's frames; see `Session.frames`."""
        return self._live("iterate over frames").frames(policy, queue_size, timeout=timeout)

    @property
    def latest_frame(self) -> odyssey_proto.VideoFrame | None:
        """The newest frame of the stream that is running; None where there is none."""
        live = self._session
        return None if live is None else live.latest_frame

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected and ready."""
        live = self._session
        return live is not None and live.is_connected

    @property
    def current_status(self) -> odyssey_proto.ConnectionStatus:
        """Where the connection stands; DISCONNECTED before the first `connect`."""
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
        """The prompt in effect, as the service rewrote it; None where there is no stream."""
        live = self._session
        return None if live is None else live.last_applied_prompt

    # --- watching what others stream

    def watch(
        self,
        info: odyssey_proto.BroadcastInfo,
        on_video_frame: odyssey_proto.VideoFrameCallback | None = None,
        on_disconnected: odyssey_proto.DisconnectedCallback | None = None,
        *,
        timeout: float | None = 40.0,
    ) -> odyssey_proto.SpectatorConnection:
        """Watch a broadcast: over WebRTC, as `connect_to_stream` does, or over HLS where there is no way.

        It needs neither a connection of this client nor its key, and ends with `close` at the latest. HLS is 5 to
        10 s behind.

        Args:
            info: what the broadcaster was told when the broadcast was ready.
            on_video_frame, on_disconnected: as for `connect_to_stream`.
            timeout: s until it is connected; ``None``: no limit of its own.

        Raises:
            TypeError, OdysseyConfigError: an argument cannot work.
            SpectatorTokenError: the token was refused (a `ValueError` too).
            OdysseyConnectionError: no such stream, or no way to it; what is told is why there was no WebRTC. Or
                the client is closed, perhaps by another thread meanwhile.
        """
        from . import spectator  # loaded by the first who watches

        if self._closed:
            raise _is_closed()
        watched = spectator.watch(
            info, self.config, on_video_frame, on_disconnected, timeout=timeout, among=self._watching
        )
        if self._closed:  # by another thread, that may not have seen this one
            watched.disconnect()
            raise _is_closed()
        return watched

    # --- credentials

    def create_client_credentials(
        self, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> odyssey_proto.ClientCredentials:
        """Take a session for a client that has no API key (client page, "create_client_credentials()").

        Args:
            timeout: s for all of it, queueing included; left out, ``queue_timeout_s`` + 30. ``None``: no limit.

        Raises:
            OdysseyAuthError, OdysseyUsageError: as their names say.
            OdysseyConnectionError: no streamer was free in time, or the service cannot be reached. A session
                that was granted by then is given back, which may take 2 s more.
        """
        until = self._until(timeout, self._queueing_s)
        return self._account.mint(until)

    # --- recordings

    def get_recording(
        self, stream_id: str, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> odyssey_proto.Recording:
        """Return the addresses of a stream's artifacts, valid for about an hour (client page, "get_recording()").

        Args:
            stream_id: what `start_stream` returned.
            timeout: s for all of it; left out, the client's ``timeout``. ``None``: no limit.

        Raises:
            TypeError, OdysseyConfigError: an argument cannot work; nothing was sent.
            OdysseyAuthError, OdysseyConnectionError, OdysseyUsageError: as their names say.
            OdysseyError: with ``status`` 404, there is no such stream of yours.
        """
        return self._account.recording(stream_id, self._until(timeout))

    def list_stream_recordings(
        self,
        limit: int | None = None,
        offset: int | None = None,
        *,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
    ) -> odyssey_proto.StreamRecordingsList:
        """Return one page of your recordings, newest first (client page, "list_stream_recordings()").

        Args:
            limit: how many at most, 1 to 100; ``None`` leaves it to the service.
            offset: how many to skip.
            timeout: s for all of it; left out, the client's ``timeout``. ``None``: no limit.
        """
        return self._account.recordings(limit, offset, self._until(timeout))

    def iter_stream_recordings(
        self, page_size: int = 50, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> Iterator[odyssey_proto.StreamRecordingInfo]:
        """Iterate over all your recordings, newest first; ``timeout`` is for each page of ``page_size``."""
        return self._account.all_recordings(page_size, self._seconds(timeout))

    def download_recording(
        self,
        stream_id: str,
        directory: str | os.PathLike[str],
        artifacts: Iterable[odyssey_proto.Artifact] = ("video", "events", "thumbnail", "preview"),
        on_progress: odyssey_proto.OnProgress | None = None,
        resume: bool = True,
        *,
        timeout: float | None = None,
    ) -> dict[str, Path]:
        """Write the files of a recording into ``directory``, and return their paths by artifact.

        They are ``{stream_id}.mp4``, ``{stream_id}_events.jsonl``, ``{stream_id}_thumb.jpg`` and
        ``{stream_id}_preview.mp4``, fetched at once; those that the recording does not have are left out. Each is
        written to a ``.part`` file first. What arrived there before a failure, Ctrl-C or the end of the process is
        not fetched again, and a file that is there already is kept.

        Args:
            stream_id: what `start_stream` returned.
            directory: made where it does not exist.
            artifacts: which of them.
            on_progress: called on this thread with artifact, bytes so far, and bytes altogether or None.
            resume: False begins all of them anew.
            timeout: s for all of it; ``None``: no limit, but 30 s of silence count as a lost connection.

        Raises:
            TypeError, OdysseyConfigError: an argument cannot work, or another download writes this file.
            OdysseyAuthError, OdysseyConnectionError, OdysseyUsageError: as their names say.
            OdysseyError: with ``status`` 404, there is no such stream of yours.
            OSError: a file cannot be written.
        """
        return self._account.download(
            stream_id,
            directory,
            artifacts,
            self._until(timeout),
            on_progress=on_progress,
            resume=resume,
        )

    # --- simulations

    def simulate(
        self,
        *,
        script: odyssey_proto.Script | None = None,
        scripts: Sequence[odyssey_proto.Script] | None = None,
        script_url: str | None = None,
        portrait: bool = True,
        bypass_prompt_expansion: bool | None = None,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
    ) -> odyssey_proto.SimulationJobDetail:
        """Create a simulation job from exactly one of the first three (client page, "simulate()").

        It is sent once: where the answer is lost, `list_simulations` tells whether there is a job.

        Args:
            script: entries by ascending time, each with one action.
            scripts: several scripts for one job; each makes streams of its own.
            script_url: the address of a JSON file that holds one script.
            portrait: 704×1280 px; else 1280×704 px.
            bypass_prompt_expansion: take prompts as they are; needs a privilege of the account.
            timeout: s for all of it; left out, the client's ``timeout``. ``None``: no limit.

        Raises:
            TypeError, OdysseyConfigError: an argument cannot work; the text names the entry of a script.
            OdysseyAuthError, OdysseyConnectionError, OdysseyUsageError: as their names say.
            OdysseyError: the service refused the request.
        """
        return self._account.simulate(
            self._until(timeout),
            script=script,
            scripts=scripts,
            script_url=script_url,
            portrait=portrait,
            bypass_prompt_expansion=bypass_prompt_expansion,
        )

    def get_simulate_status(
        self, job_id: str, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> odyssey_proto.SimulationJobDetail:
        """Return a job with the streams that it made so far (client page, "get_simulate_status()").

        Raises:
            OdysseyError: with ``status`` 404 or 403, there is no such job of yours; and as `get_recording`.
        """
        return self._account.job(job_id, self._until(timeout))

    def list_simulations(
        self,
        *,
        status: odyssey_proto.SimulationJobStatus | str | None = None,
        active: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
    ) -> odyssey_proto.SimulationJobsList:
        """Return one page of your jobs (client page, "list_simulations()").

        Args:
            status: only those with this status.
            active: only those that are pending, dispatched or processing.
            limit: how many at most, 1 to 100; ``None`` leaves it to the service.
            offset: how many to skip.
            timeout: s for all of it; left out, the client's ``timeout``. ``None``: no limit.
        """
        until = self._until(timeout)
        return self._account.jobs(until, status=status, active=active, limit=limit, offset=offset)

    def iter_simulations(
        self,
        *,
        status: odyssey_proto.SimulationJobStatus | str | None = None,
        active: bool | None = None,
        page_size: int = 50,
        timeout: float | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Iterator[odyssey_proto.SimulationJobInfo]:
        """Iterate over all your jobs; ``timeout`` is for each page of ``page_size``."""
        return self._account.all_jobs(page_size, self._seconds(timeout), status=status, active=active)

    def cancel_simulation(
        self, job_id: str, *, timeout: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> odyssey_proto.SimulationJobInfo:
        """Take a job back that has not begun (client page, "cancel_simulation()").

        Raises:
            OdysseyError: with the code ``not_cancellable`` it has begun or ended; else as `get_simulate_status`.
        """
        return self._account.cancel_job(job_id, self._until(timeout))

    def wait_for_simulation(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        poll: float = 5.0,
        on_update: odyssey_proto.OnUpdate | None = None,
        cancel_on_timeout: bool = False,
    ) -> odyssey_proto.SimulationJobDetail:
        """Wait until a job has completed, failed or been cancelled, and return it.

        Args:
            job_id: the job.
            timeout: s for all of it; left out, the client's ``timeout``. ``None``: no limit.
            poll: s between two looks.
            on_update: called on this thread with the job whenever its status has changed.
            cancel_on_timeout: take it back when the time is over.

        Raises:
            OdysseyConnectionTimeoutError: it has not ended in time.
            OdysseyError: as `get_simulate_status`. What passes by itself is waited for, for 5 rounds.
        """
        (job,) = self.wait_for_simulations(
            [job_id], timeout=timeout, poll=poll, on_update=on_update, cancel_on_timeout=cancel_on_timeout
        )
        return job

    def wait_for_simulations(
        self,
        job_ids: Iterable[str],
        *,
        timeout: float | None = None,
        poll: float = 5.0,
        on_update: odyssey_proto.OnUpdate | None = None,
        cancel_on_timeout: bool = False,
    ) -> list[odyssey_proto.SimulationJobDetail]:
        """Wait until all of ``job_ids`` have ended, and return them in that order; else as `wait_for_simulation`.

        It asks the list, 100 jobs at a time, and each job only once it has ended.
        """
        if isinstance(job_ids, str) or not isinstance(job_ids, Iterable):
            raise TypeError(f"job_ids must be several ids, not {type(job_ids).__name__}")
        wanted = [arguments.identifier("job_ids", job_id) for job_id in job_ids]
        until = self._until(timeout)
        return self._account.job_waiter(poll, on_update, cancel_on_timeout).wait(wanted, until)

    def simulate_and_wait(
        self,
        *,
        script: odyssey_proto.Script | None = None,
        scripts: Sequence[odyssey_proto.Script] | None = None,
        script_url: str | None = None,
        portrait: bool = True,
        bypass_prompt_expansion: bool | None = None,
        timeout: float | None = None,
        poll: float = 5.0,
        on_update: odyssey_proto.OnUpdate | None = None,
        cancel_on_timeout: bool = False,
    ) -> odyssey_proto.SimulationJobDetail:
        """Create a job as `simulate` does, and wait for it as `wait_for_simulation` does."""
        until = self._until(timeout)
        waiter = self._account.job_waiter(poll, on_update, cancel_on_timeout)
        job = self.simulate(
            script=script,
            scripts=scripts,
            script_url=script_url,
            portrait=portrait,
            bypass_prompt_expansion=bypass_prompt_expansion,
            timeout=until.remaining(at_most=30.0),
        )
        return waiter.wait([job.job_id], until)[0]

    @property
    def with_raw_response(self) -> RawCalls:
        """The same calls, with the answer's status, headers and request id beside what was read from it.

        >>> raw = client.with_raw_response.get_recording("stream-123")  # doctest: +SKIP
        >>> raw.status, raw.request_id, raw.parsed.video_url  # doctest: +SKIP
        """
        return RawCalls(self, self._account.answers)

    def _until(
        self, timeout: float | ClientDefault | None, default: float | ClientDefault | None = CLIENT_DEFAULT
    ) -> Deadline:
        """Return the deadline of a call; ``default`` (s) is for one that has another than single requests have."""
        return Deadline(self._seconds(default if timeout is CLIENT_DEFAULT else timeout), self._clock)

    def _seconds(self, timeout: float | ClientDefault | None) -> float | None:
        """Return a timeout (s) as it was given, or what single requests have by the client's settings."""
        if timeout is CLIENT_DEFAULT:
            return self.config.timeout
        arguments.timeout("timeout", timeout)
        return timeout

    @property
    def _queueing_s(self) -> float:
        return self.config.advanced.queue_timeout_s + 30

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
            "A client cannot be pickled or copied: hand over its settings, or what create_client_credentials() "
            "returns, and make one there"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Odyssey {self.config.api_url} {self.current_status}>"


def _is_closed() -> errors.OdysseyConnectionError:
    return errors.OdysseyConnectionError("The client is closed; make another one", code="closed")


publish("odyssey_proto", Odyssey)
