"""`Emulator`, which combines the parts of the service behind one port, on one thread.

The parts do not know this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

import attrs
from aiohttp import web

from .._base import arguments, errands, greenlets
from .._base.clock import Clock, Deadline, MonotonicClock
from .._base.errors import OdysseyConfigError, OdysseyConnectionError
from .._base.event_loop import BackgroundLoop
from .._base.public_path import publish
from .._base.texts import system_text
from ._accounts.service import Service
from ._broadcast.registry import BroadcastRegistry
from ._config import EmulatorConfig, EmulatorSettings
from ._faults.script import FaultScript
from ._faults.sloppiness import Sloppiness
from ._http.api import RestApi, authority
from ._http.archive_api import ArchiveApi
from ._http.artifact_server import ArtifactServer
from ._http.faults_api import FaultsApi
from ._http.front_page import FrontPage
from ._http.listening import stop_listening
from ._http.notebook_api import NotebookApi
from ._http.traffic_api import TrafficApi
from ._jobs.queue import SimulationQueue
from ._journal import Journal
from ._notebook import Notebook, SeenMessage, SeenRequest, SeenSession
from ._own_worlds.sources import source_of
from ._own_worlds.stage import opener
from ._recordings.archive import Archive
from ._recordings.storage import Storage
from ._replay.calls import RecordedCalls
from ._replay.streamer import ReplayStreamer
from ._replay.tape import Tape
from ._session.signaling import SignalingLink
from ._session.streamer import Streamer
from ._stream.camera import Camera
from ._stream.stun import StunServer
from ._traffic import watching

if TYPE_CHECKING:
    from ._accounts.service import Lease
    from ._own_worlds.sources import WorldSource

__all__ = ["Emulator"]

log = logging.getLogger("odyssey_proto.emulator")

_SWEEP_EVERY_S: Final = 0.5
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # how to reach "all addresses"
_STOP_WITHIN_S: Final = 0.5
_BACKLOG: Final = 128  # connections that wait to be accepted
_WRITTEN_WITHIN_S: Final = 2.0
_SERVED_WITHIN_S: Final = 2 * _STOP_WITHIN_S + 1.0 + _WRITTEN_WITHIN_S + 0.5
"""Limit for the end of sessions (twice), broadcasts, recordings, and the rest, in s."""
_STOP_S: Final = _SERVED_WITHIN_S + 2.0  # for all of it, with the end of the loop


class Emulator:
    """A whole Odyssey service on this machine, between `start` and `stop` or inside a ``with``.

    Takes the settings of `EmulatorConfig` as keywords. ``camera`` is called with the same arguments as the
    emulator's own class and replaces it, for measurements that filming and encoding would disturb. Any thread may
    call the methods.

    Raises:
        TypeError: a setting is unknown, or another argument has the wrong type.
        OdysseyConfigError: a setting is not valid, or both ``config`` and settings are given.

    >>> with Emulator(streamers=2) as emulator:
    ...     emulator.api_url.startswith("http://127.0.0.1:"), emulator.api_key[:13]
    (True, 'ody_emulator_')
    """

    def __init__(
        self,
        config: EmulatorConfig | None = None,
        *,
        clock: Clock | None = None,
        camera: Callable[..., Camera] = Camera,
        **settings: Unpack[EmulatorSettings],
    ) -> None:
        if config is not None and settings:
            raise OdysseyConfigError("Give an EmulatorConfig or single settings, not both")
        if config is not None and not isinstance(config, EmulatorConfig):
            raise TypeError(f"config must be an EmulatorConfig, not {type(config).__name__}")
        if clock is not None and not callable(getattr(clock, "now", None)):
            raise TypeError(f"clock must have a method now(), and {type(clock).__name__} has none")
        if not callable(camera):
            raise TypeError(f"camera must be a class or another callable, not {type(camera).__name__}")
        self.config: EmulatorConfig = config or EmulatorConfig(**settings)
        self.faults: FaultScript = FaultScript()
        """The faults still to come."""
        self.faults._pace = self.config.pace
        self.api_key: str = f"ody_emulator_{secrets.token_hex(8)}"
        """A valid key; any other that starts with ``ody_`` works too, unless ``invalid`` or ``suspended`` follows.
        With a ``data_dir``, `start` replaces it with the key stored there."""
        self._notebook = Notebook()
        self._clock = clock or MonotonicClock()
        world = self.config.world
        rate = self.config.world_fps or self.config.fps
        self._theatre = (None if world is None else source_of(world, rate=rate), camera)
        self._storage: Storage | None = None
        self._tape: Tape | None = None
        self._process = 0
        self._loop = BackgroundLoop("odyssey-emulator")
        self._server: _Server | None = None

    @property
    def api_url(self) -> str:
        """The URL at which it listens, such as ``http://127.0.0.1:41234``.

        Raises:
            OdysseyConnectionError: the emulator is not running.
        """
        if self._server is None:
            raise OdysseyConnectionError("The emulator is not running", code="closed")
        return self._server.url

    @errands.undisturbed
    def start(self) -> Self:
        """Start serving. Does nothing if the emulator is running.

        Raises:
            OdysseyConfigError: the ``data_dir`` or the ``replay`` cannot be used.
            CassetteError: the ``replay`` is not a cassette, or is damaged.
            OdysseyConnectionError: the emulator cannot listen on the address.
        """
        if self._server is not None:
            return self
        greenlets.refuse("Emulator")
        tape = None if self.config.replay is None else Tape(self.config.replay)
        try:
            self._storage = storage = Storage(self.config.data_dir)
        except BaseException:
            if tape is not None:
                tape.close()
            raise
        self.api_key = storage.secret("api_key", self.api_key)
        try:
            server = _Server(self.config, self._clock, self.faults, storage, self._notebook, tape, *self._theatre)
            self._loop.start()
            self._loop.run(server.start(), timeout=10)
        except BaseException as exc:
            self._loop.stop()
            storage.close()
            if tape is not None:
                tape.close()
            if isinstance(exc, OSError) and not isinstance(exc, OdysseyConnectionError):
                where = f"{self.config.host}:{self.config.port}"
                # asyncio's text repeats the address. For a name that cannot be resolved, the resolver's is used.
                number = None if isinstance(exc, socket.gaierror) else exc.errno
                why = exc.strerror or "it took too long" if number is None else system_text(number)
                raise OdysseyConnectionError(f"Cannot listen on {where}: {why}", code="cannot_listen") from exc
            raise
        self._server, self._process, self._tape = server, os.getpid(), tape
        errands.if_abandoned(self.stop)
        return self

    @errands.undisturbed(at_most_s=_STOP_S)
    def stop(self) -> None:
        """End all sessions and free the port, usually within a second. Does nothing if it is not running.

        In a forked child it does nothing either: the emulator belongs to the parent.
        """
        errands.settle(Deadline(_STOP_WITHIN_S, MonotonicClock()))  # a `start` that was interrupted
        server, self._server = getattr(self, "_server", None), None  # also None if `__init__` raised
        if server is None or self._process != os.getpid():
            return
        try:
            self._loop.run(server.stop(), timeout=_SERVED_WITHIN_S)
        except TimeoutError:
            log.warning("the emulator did not stop in time")
        finally:
            self._loop.stop()
            if self._storage is not None:
                self._storage.close()
            if self._tape is not None:
                self._tape.close()

    # The requests to it

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """The HTTP calls of clients so far, in the order of their answers; available after `stop`, too.

        A call is listed once its client has the answer; a download or a WebSocket, once it is over. The latest
        32 MiB are kept.
        """
        return self._notebook.requests

    @property
    def messages(self) -> tuple[SeenMessage, ...]:
        """The messages on WebSockets and data channels so far, in order. The latest 32 MiB are kept."""
        return self._notebook.messages

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts of all requests so far, in order: of live streams, and of scripts of accepted simulations.

        Refused prompts are among them; those behind a ``script_url`` are not. The latest 10,000 are kept.
        """
        return self._notebook.prompts

    @property
    def sessions(self) -> tuple[SeenSession, ...]:
        """The sessions so far, with their streams. The latest 10,000 are kept."""
        return self._notebook.sessions

    @errands.undisturbed
    def wait_until(self, condition: Callable[[], object], *, timeout: float | None = 10.0) -> None:
        """Wait until ``condition()`` is true, for actions of a program that do not wait for an answer.

        It is called whenever something new is in `requests`, `messages`, `prompts` or `sessions`. With ``timeout``
        None, the wait has no limit.

        Raises:
            TimeoutError: it did not become true within ``timeout`` s.

        >>> with Emulator() as emulator:
        ...     emulator.wait_until(lambda: not emulator.sessions)
        """
        if not callable(condition):
            raise TypeError(f"condition must be a function, not {type(condition).__name__}")
        arguments.timeout("timeout", timeout)
        self._notebook.wait_until(condition, Deadline(timeout, MonotonicClock()))

    def forget(self) -> None:
        """Forget the requests so far, except for sessions that have not ended."""
        self._notebook.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Server:
    """The parts of the emulator that run on the loop's thread."""

    def __init__(
        self,
        config: EmulatorConfig,
        clock: Clock,
        faults: FaultScript,
        storage: Storage,
        notebook: Notebook,
        tape: Tape | None,
        world: WorldSource | None,
        camera: Callable[..., Camera],
    ) -> None:
        if tape is not None:
            config = attrs.evolve(config, image_to_video=config.image_to_video and tape.takes_images)
        self._config = config
        self._notebook = notebook
        self._tape = tape
        self._clock = clock
        self._world = world
        self._camera = camera
        self._faults = faults
        self._sloppiness = Sloppiness(config.sloppy)
        self._service = Service(config, clock, storage, notebook)
        self._archive = Archive(storage, self._service.wall_time)
        self._simulations = SimulationQueue(
            config=config, service=self._service, storage=storage, faults=faults, notebook=notebook, world=world
        )
        artifacts = ArtifactServer(config=config, service=self._service, storage=storage, faults=faults)
        archive_api = ArchiveApi(
            service=self._service, storage=storage, simulations=self._simulations, artifacts=artifacts
        )
        self._broadcasts = BroadcastRegistry(codec=config.codec, bitrate=config.bitrate)
        self._journal = Journal(notebook.saw)
        self._watching = contextlib.ExitStack()
        traffic = TrafficApi(self._journal)
        self._rest = RestApi(
            config=config,
            service=self._service,
            faults=faults,
            sloppiness=self._sloppiness,
            handshake=self._handshake,
            recorded=(lambda _: None) if tape is None else RecordedCalls(tape).answer,
            more=[*artifacts.routes, *archive_api.routes, *self._broadcasts.routes],
            control=[
                *traffic.routes,
                *FaultsApi(faults).routes,
                *NotebookApi(notebook).routes,
                *FrontPage(config).routes,
            ],
        )
        self._streamers: dict[str, Streamer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self._stun: StunServer | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self.url = ""

    async def start(self) -> None:
        # No access log, no signal handlers: both are for the application to set up.
        self._runner = web.AppRunner(self._rest.app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        assert self._runner.server is not None
        try:
            # Not a `web.TCPSite`, which would close the server while connections are being accepted.
            self._listening = await asyncio.get_running_loop().create_server(
                self._runner.server, self._config.host, self._config.port, backlog=_BACKLOG
            )
        except OSError:
            await self._runner.cleanup()
            raise
        address = self._listening.sockets[0].getsockname()
        host, port = str(address[0]), int(address[1])
        self._stun = await StunServer.listen(host, port)
        self._rest.stun_port = self._stun.port
        reachable: str = _LOOPBACK.get(host, host)
        self.url = f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
        self._journal.begin()
        self._watching.enter_context(watching(self._journal))
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        self._simulations.start()

    async def stop(self) -> None:
        self._watching.close()
        self._journal.end()
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._listening is not None:
            await stop_listening(self._listening)
        await self._simulations.stop()
        await self._end_sessions()
        await self._broadcasts.close()
        await self._archive.close(_WRITTEN_WITHIN_S)
        if self._stun is not None:
            self._stun.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._end_sessions()  # of requests that were answered meanwhile

    async def _end_sessions(self) -> None:
        for session in self._service.sessions:
            self._service.end(session, "streamer_disconnected")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_WITHIN_S)

    async def _handshake(self, request: web.Request, session: Lease) -> web.StreamResponse:
        streamer = self._streamers.get(session.id)
        if streamer is None:
            streamer = self._new_streamer(
                session,
                service=self._service,
                config=self._config,
                faults=self._faults,
                sloppiness=self._sloppiness,
                clock=self._clock,
                archive=self._archive,
                open_world=opener(self._world),
                camera=self._camera,
                broadcasts=self._broadcasts,
                notebook=self._notebook,
            )
            self._streamers[session.id] = streamer
            session.on_end = lambda reason: self._dismiss(session, reason)
        streamer.authority = authority(request)
        self._notebook.session_connected(session)
        link = SignalingLink(
            request,
            session,
            service=self._service,
            streamer=streamer,
            faults=self._faults,
            sloppiness=self._sloppiness,
        )
        return await link.run()

    def _new_streamer(self, session: Lease, **parts: Any) -> Streamer:
        if self._tape is not None:
            return ReplayStreamer(session, tape=self._tape, pace=self._config.pace, **parts)
        return Streamer(session, **parts)

    def _dismiss(self, session: Lease, reason: str) -> None:
        streamer = self._streamers.pop(session.id)
        said = None if reason == "client_disconnecting" else reason
        task = asyncio.get_running_loop().create_task(streamer.close(said))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            with contextlib.suppress(RuntimeError):
                self._service.sweep()


publish("odyssey_proto.emulator", Emulator)
