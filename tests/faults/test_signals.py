"""Signal handlers: their exceptions pass through every call, and they may call `close` at any moment.

Handlers run on the main thread, between any two instructions. ``make stress SECONDS=300 SEED=7`` tries
many more moments.
"""

from __future__ import annotations

import contextlib
import queue
import random
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import (
    AdvancedConfig,
    BroadcastInfo,
    ClientCredentials,
    Odyssey,
    OdysseyError,
    StreamEnded,
    connect_to_stream,
)
from odyssey_proto.emulator import Emulator
from tests.support.interrupting import alarm, instructions, some
from tests.support.processes import eventually
from tests.support.servers import Connection, HttpServer, Request, json_answer
from tests.support.streamers import ScriptedStreamer
from tests.support.stress import LIMIT_S, SEED, tries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from odyssey_proto import Session
    from tests.conftest import MakeClient, MakeEmulator

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.timeout(LIMIT_S)]


class OwnError(Exception):
    """An exception of a program."""


ERRORS: Final = (
    TimeoutError,
    OSError,
    ValueError,
    KeyboardInterrupt,
    SystemExit,
    OwnError,
    queue.Empty,
    RuntimeError,
)
"""The exceptions that handlers raise. The network, libraries and the system raise most of them too."""

TOKEN: Final = "e30.eyJzZXNzaW9uX2lkIjogInMtMSJ9.x"  # of the session s-1


# --- what a handler raises

RESTING: Final[dict[str, tuple[str, Callable[[Odyssey, str, Path], Any]]]] = {
    "the key": ("POST /auth/token", lambda client, *_: client.get_recording("st-1")),
    "get_recording": ("GET /recordings/st-1", lambda client, *_: client.get_recording("st-1")),
    "raw": ("GET /recordings/st-1", lambda client, *_: client.with_raw_response.get_recording("st-1")),
    "list_stream_recordings": ("GET /stream-recordings", lambda client, *_: client.list_stream_recordings()),
    "iter_stream_recordings": ("GET /stream-recordings", lambda client, *_: next(client.iter_stream_recordings())),
    "download_recording": (
        "GET /recordings/st-1",
        lambda client, _, path: client.download_recording("st-1", path),
    ),
    "a file": ("GET /file", lambda client, _, path: client.download_recording("st-2", path)),
    "simulate": ("POST /simulation-jobs", lambda client, *_: client.simulate(script_url="https://x.example/s")),
    "simulate_and_wait": (
        "POST /simulation-jobs",
        lambda client, *_: client.simulate_and_wait(script_url="https://x.example/s"),
    ),
    "get_simulate_status": ("GET /simulation-jobs/j-1", lambda client, *_: client.get_simulate_status("j-1")),
    "list_simulations": ("GET /simulation-jobs", lambda client, *_: client.list_simulations()),
    "iter_simulations": ("GET /simulation-jobs", lambda client, *_: next(client.iter_simulations())),
    "cancel_simulation": ("DELETE /simulation-jobs/j-1", lambda client, *_: client.cancel_simulation("j-1")),
    "wait_for_simulation": ("GET /simulation-jobs/j-1", lambda client, *_: client.wait_for_simulation("j-1")),
    "wait_for_simulations": (
        "GET /simulation-jobs",
        lambda client, *_: client.wait_for_simulations(["j-1", "j-2"]),
    ),
    "create_client_credentials": ("POST /sessions/request", lambda client, *_: client.create_client_credentials()),
    "connect: the key": ("POST /auth/token", lambda client, *_: client.connect()),
    "connect: the regions": ("GET /regions", lambda client, *_: client.connect()),
    "connect: the session": ("POST /sessions/request", lambda client, *_: client.connect()),
    "connect: its token": ("POST /sessions/token", lambda client, *_: client.connect()),
    "connect: signaling": ("GET /client/s-1", lambda client, *_: client.connect()),
    "connect_with_credentials": (
        "GET /client/s-1",
        lambda client, url, _: client.connect_with_credentials(ClientCredentials(url, TOKEN, 600)),
    ),
    "watch": ("POST /live/whep", lambda client, url, _: client.watch(BroadcastInfo(f"{url}/live", "spectator"))),
    "connect_to_stream": ("POST /live/whep", lambda _, url, __: connect_to_stream(f"{url}/live", "spectator")),
}
"""The request that is not answered, and a call that makes it; the call gets a client, the address and a folder."""
TO_GIVE_BACK: Final = ("POST /sessions/token", "GET /client/s-1")
"""Requests that are also sent to give a session back."""


@pytest.mark.parametrize("where", RESTING)
def test_what_a_handler_raises_passes_through_a_request_which_is_not_sent_again(
    where: str, tmp_path: Path
) -> None:
    route, call = RESTING[where]

    def interrupt(connection: Connection, _: Request) -> None:
        if armed:
            armed.clear()
            signal.pthread_kill(main, signal.SIGUSR1)
        connection.hang()

    def handle(*_: object) -> None:
        raise error

    armed: set[str] = set()
    main = threading.main_thread().ident
    assert main is not None
    before = signal.signal(signal.SIGUSR1, handle)
    with HttpServer({route: interrupt}) as server:
        address = f"{server.url}/file"
        server.routes.setdefault("GET /recordings/st-2", json_answer({"stream_id": "st-2", "video_url": address}))
        try:
            kinds = (
                ERRORS[:2] if "connect" in where or "credentials" in where else ERRORS
            )  # leaving takes a second
            for number, error in enumerate((kind("of the user") for kind in kinds), 1):
                armed.add("once")  # not for the requests that give the session back
                with Odyssey("ody_key", api_url=server.url) as client, pytest.raises(type(error)) as caught:
                    call(client, server.url, tmp_path)
                assert caught.value is error
                assert len(server.received(route)) == number or route in TO_GIVE_BACK
        finally:
            signal.signal(signal.SIGUSR1, before)


WAITING: Final[dict[str, Callable[[Session], Any]]] = {
    "start_stream": lambda live: live.start_stream("A cat"),
    "interact": lambda live: live.interact("Night"),
    "end_stream": lambda live: live.end_stream(),
    "wait": lambda live: live.wait(),
    "wait_for": lambda live: live.wait_for(StreamEnded),
    "wait_for_broadcast": lambda live: live.wait_for_broadcast(),
    "events": lambda live: next(live.events()),
    "frames": lambda live: next(live.frames()),
}


@pytest.mark.parametrize("where", WAITING)
def test_what_a_handler_raises_passes_through_a_call_that_waits(where: str) -> None:
    patient = AdvancedConfig(video_timeout_s=LIMIT_S)  # the streamer sends no pictures
    with ScriptedStreamer() as streamer, Odyssey("ody_test", api_url=streamer.url, advanced=patient) as client:
        live = client.connect()
        if where != "start_stream":
            live.start_stream("A cat", broadcast=True)
        streamer.films = False
        streamer.held |= {"interactive_stream_start", "update", "interactive_stream_end"}
        for kind in ERRORS:
            error = kind("of the user")

            def handle(error: BaseException = error) -> None:
                raise error

            def wait() -> None:
                for _ in iter(int, 1):
                    WAITING[where](live)  # again, if the first wait ended because pictures were still coming

            with pytest.raises(kind) as caught, alarm(0.02, handle):
                wait()
            assert caught.value is error
            assert live.is_connected


def test_what_a_handler_raises_during_a_callback_passes_too() -> None:
    def raise_own(*_: object) -> None:
        raise error

    error = OSError("of the user")
    with HttpServer(
        {"GET /simulation-jobs/j-1": json_answer({"job_id": "j-1", "status": "processing"})}
    ) as server:
        with (
            Odyssey("ody_key", api_url=server.url) as client,
            pytest.raises(OSError, match="of the user") as caught,
        ):
            client.wait_for_simulation("j-1", on_update=raise_own)
        assert caught.value is error
        assert len(server.received("GET /simulation-jobs/j-1")) == 1


def test_callbacks_are_called_on_the_thread_that_waits() -> None:
    threads = []
    ended = json_answer({"job_id": "j-1", "status": "completed"})
    with HttpServer({"GET /simulation-jobs/j-1": ended}) as server, Odyssey("k", api_url=server.url) as client:
        client.wait_for_simulation("j-1", on_update=lambda _: threads.append(threading.current_thread()))
    assert threads == [threading.main_thread()]


# --- any instruction of a start


def ours() -> set[threading.Thread]:
    """Return the running threads, without the workers of emulators, which start on demand."""
    return {thread for thread in threading.enumerate() if not thread.name.endswith("emulator-worker")}


def leaves_only(before: set[threading.Thread]) -> None:
    """Wait until no other threads of ours run: the last ones may take a moment to end."""
    eventually(lambda: ours() <= before)


def no_session(emulator: Emulator) -> None:
    """Wait until all sessions have been given back."""
    server = emulator._server
    assert server is not None
    eventually(lambda: not [*server._service.sessions])


@contextlib.contextmanager
def connecting(emulator: Emulator, make_client: MakeClient, _: Path) -> Iterator[Callable[[], Any]]:
    with make_client(emulator) as client:
        yield client.connect


@contextlib.contextmanager
def minting(emulator: Emulator, make_client: MakeClient, _: Path) -> Iterator[Callable[[], Any]]:
    made: list[ClientCredentials] = []
    with make_client(emulator) as client:
        yield lambda: made.append(client.create_client_credentials())
        for credentials in made:
            client.connect_with_credentials(credentials)  # and give the session back


@contextlib.contextmanager
def asking(emulator: Emulator, make_client: MakeClient, _: Path) -> Iterator[Callable[[], Any]]:
    with make_client(emulator) as client:
        yield client.list_stream_recordings


@contextlib.contextmanager
def making(emulator: Emulator, _: MakeClient, __: Path) -> Iterator[Callable[[], Any]]:
    made: list[Odyssey] = []
    yield lambda: made.append(Odyssey("ody_key", api_url=emulator.api_url))
    for client in made:
        client.close()


@contextlib.contextmanager
def recording(emulator: Emulator, make_client: MakeClient, path: Path) -> Iterator[Callable[[], Any]]:
    with make_client(emulator) as client:
        live = client.connect()
        yield lambda: live.record(path / "cat.mp4")


@contextlib.contextmanager
def watching(emulator: Emulator, make_client: MakeClient, _: Path) -> Iterator[Callable[[], Any]]:
    with make_client(emulator) as client, make_client(emulator) as other:
        live = client.connect()
        live.start_stream("A cat", broadcast=True)
        info = live.wait_for_broadcast()
        yield lambda: other.watch(info)


@contextlib.contextmanager
def serving(_: Emulator, __: MakeClient, ___: Path) -> Iterator[Callable[[], Any]]:
    emulator = Emulator(record=False)
    yield emulator.start
    emulator.stop()


@contextlib.contextmanager
def closing(emulator: Emulator, make_client: MakeClient, _: Path) -> Iterator[Callable[[], Any]]:
    client = make_client(emulator)
    client.connect()
    yield client.close
    client.close()


STARTS: Final = {
    "connect": (connecting, 4),
    "create_client_credentials": (minting, 6),
    "a first request": (asking, 20),
    "making a client": (making, 20),
    "record": (recording, 4),
    "watch": (watching, 3),
    "starting an emulator": (serving, 10),
    "close": (closing, 4),
}
"""How each begins, and at how many of its instructions a short run interrupts it."""


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("where", STARTS)
def test_nothing_is_left_whatever_instruction_an_interrupt_meets(
    where: str, make_emulator: MakeEmulator, make_client: MakeClient, tmp_path: Path
) -> None:
    start, few = STARTS[where]
    emulator = make_emulator()
    with start(emulator, make_client, tmp_path) as call:
        count = instructions(call)
    for at in some(count - 1, few, where):  # the last instruction returns the result
        print(f"instruction {at} of {count}")  # pytest shows it with a failure
        raised: list[BaseException] = []

        def interrupt(raised: list[BaseException] = raised) -> None:
            raised.append(KeyboardInterrupt())
            raise raised[0]

        before = ours()
        with start(emulator, make_client, tmp_path) as call:
            caught: BaseException | None = None
            try:
                instructions(call, at, interrupt)
            except KeyboardInterrupt as exc:
                caught = exc
            assert [caught] == (raised or [None]), f"instruction {at} of {count}"
        no_session(emulator)
        leaves_only(before)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("where", ["connect", "a first request"])
def test_a_handler_may_close_at_any_instruction_of_a_start(
    where: str, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    _, few = STARTS[where]
    emulator = make_emulator()

    def begin(at: int | None = None) -> int:
        with make_client(emulator) as client:

            def close() -> None:
                closed.append(at)
                client.close()

            call = client.connect if where == "connect" else client.list_stream_recordings
            with contextlib.suppress(OdysseyError):
                return instructions(call, at, close)
        return 0

    closed: list[int | None] = []
    count = begin()
    for at in some(min(count - 1, 300), few, f"{where}, closed"):  # after these, the call only waits
        begin(at)
        no_session(emulator)
    assert closed


READING: Final[dict[str, Callable[[Session, Iterator[Any], Iterator[Any]], Any]]] = {
    "frames": lambda live, *_: live.frames(),
    "events": lambda live, *_: live.events(),
    "stats": lambda live, *_: live.stats(),
    "a frame": lambda _, frames, __: next(frames).data,
    "an event": lambda _, __, events: next(events),
}


@pytest.mark.parametrize("where", READING)
def test_a_handler_may_close_at_any_instruction_of_reading(
    where: str, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator()
    before = ours()

    def read(at: int | None = None) -> int:
        with make_client(emulator) as client:
            live = client.connect()
            frames, events = live.frames(), live.events()
            live.start_stream("A cat", portrait=False)

            def close() -> None:
                client.close()
                leaves_only(before)
                closed.append(at)

            def call() -> None:
                with contextlib.suppress(StopIteration, OdysseyError):
                    READING[where](live, frames, events)

            return instructions(call, at, close)

    closed: list[int | None] = []
    count = read()
    for at in some(min(count, 150), 4, where):  # after these, the call only waits or converts
        read(at)
    assert closed


# Python itself reports and drops an exception that a handler raises within a finalizer.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("act", ["raises", "closes"])
def test_nothing_is_left_after_alarms_at_random_moments(
    act: str, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    def raise_own() -> None:
        raise TimeoutError("of the user")

    emulator = make_emulator()
    moments = random.Random(f"{SEED} {act}")
    for _ in tries(8):
        client = make_client(emulator)
        before = ours()
        handler = raise_own if act == "raises" else client.close
        with contextlib.suppress(OdysseyError, TimeoutError), alarm(moments.uniform(0.0, 0.004), handler):
            client.connect()
        client.close()
        leaves_only(before)
        no_session(emulator)
