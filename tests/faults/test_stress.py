"""The promises about order and time, tried at random moments: events come in order, and nothing hangs.

A short run is part of the tests; ``make stress SECONDS=300 SEED=7`` runs each test for 300 s.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from odyssey_proto import (
    ConcurrentLimitReachedError,
    ConnectionStatus,
    GapEvent,
    Odyssey,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    OdysseyStreamError,
    SpectatorConnection,
    StatusChanged,
    StreamEnded,
    StreamStarted,
)
from odyssey_proto.core import inputs
from odyssey_proto.core.spectator_errors import broadcast_lost
from odyssey_proto.emulator._faults.script import Fault
from tests.support.broadcasts import broadcasting
from tests.support.processes import PATIENCE_S, eventually
from tests.support.stress import LIMIT_S, rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from odyssey_proto import BroadcastInfo, ClientCredentials, Event, Session, VideoFrame
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator

pytestmark = pytest.mark.timeout(LIMIT_S)

LOSSES: Final = (
    Fault(step="stream update", action="drop"),
    Fault(step="stream update", action="close_channel"),
    Fault(step="media", action="drop"),
    Fault(step="media", action="kill_peer"),
)
NOWHERE: Final = "http://127.0.0.1:1/live/stream"
HANDLERS: Final = ("on_stream_started", "on_stream_ended", "on_video_frame", "on_interact_acknowledged")
CLOSE_WITHIN_S: Final = 2.0
GIVES_UP_S: Final = 0.9  # a close that takes longer may have given up, because the machine is too busy
SLACK_S: Final = 10.0  # of a busy machine
NOTICED_WITHIN_S: Final = 40.0  # a dead link, on a busy machine; a call may take 60 s before it gives up by itself


class Watched:
    """All events and frames of a connection, read on threads of their own."""

    def __init__(self, live: Session | SpectatorConnection, in_background: Background) -> None:
        self.events: list[Event] = []
        self.frames: list[list[VideoFrame]] = []  # of each stream; a reader may end after the next stream begins
        self._live = live
        reader = live.events(timeout=PATIENCE_S)
        self._reading = in_background(self._read, reader)
        self._in_background = in_background
        self._watching: list[Any] = []

    def _read(self, reader: Iterator[Event]) -> None:
        for event in reader:
            self.events.append(event)

    def watch(self) -> None:
        """Take the frames of the current stream or, if none runs, of the next one."""
        frames = self._live.frames(queue_size=1000, timeout=PATIENCE_S)
        taken: list[VideoFrame] = []
        self.frames.append(taken)
        self._watching.append(self._in_background(self._take, frames, taken))

    def _take(self, frames: Iterator[VideoFrame], taken: list[VideoFrame]) -> None:
        with contextlib.suppress(OdysseyError):  # the error that ended the stream
            taken.extend(frames)

    def wait(self) -> None:
        """Wait for the end, and check what was seen."""
        for each in (self._reading, *self._watching):
            each.result(PATIENCE_S)
        times = [frame.timestamp_ms for taken in self.frames for frame in taken]
        assert times == sorted(times), f"time goes back: {times}"
        gaps = [event for event in self.events if isinstance(event, GapEvent)]
        stats = self._live.stats()
        assert stats.gaps == len(gaps), f"{stats.gaps} gaps, but {self.events}"
        assert stats.gap_s == pytest.approx(sum(gap.seconds for gap in gaps))
        self._check_order()

    def _check_order(self) -> None:
        is_connected, runs = True, isinstance(self._live, SpectatorConnection)
        for event, after in pairwise([*self.events, None]):
            match event:
                case StatusChanged(status=status):
                    is_connected = status is ConnectionStatus.CONNECTED
                case StreamStarted():
                    runs = True
                case StreamEnded():
                    runs = False
                case GapEvent(seconds=seconds):
                    assert seconds > 0
                    assert runs, f"a gap outside of a stream: {self.events}"
                    is_last = isinstance(after, GapEvent | StatusChanged | StreamEnded)
                    assert is_connected or is_last, f"a gap before the connection is back: {self.events}"


def perhaps(choices: random.Random, chance: float, longest_s: float) -> None:
    if choices.random() < chance:
        time.sleep(choices.uniform(0, longest_s))


def lose(emulator: Emulator, session: Session, choices: random.Random) -> None:
    """Lose the link of a session, at once or in a moment."""
    emulator.faults.add(choices.choice(LOSSES))
    with contextlib.suppress(OdysseyStreamError):
        session.interact("Night", timeout=PATIENCE_S)


def test_each_rejoin_reports_one_gap_and_time_never_goes_back(
    make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background
) -> None:
    for choices in rounds("rejoining"):
        emulator = make_emulator()
        with make_client(emulator) as client:
            session = client.connect(timeout=PATIENCE_S)
            watched = Watched(session, in_background)
            for _ in range(choices.randint(1, 3)):
                watched.watch()
                session.start_stream("A cat", timeout=PATIENCE_S)
                perhaps(choices, 0.8, 0.5)
                lose(emulator, session, choices)
                perhaps(choices, 0.7, 2.0)
                emulator.faults.clear()
                with contextlib.suppress(OdysseyStreamError):
                    session.end_stream(timeout=PATIENCE_S)
            if choices.random() < 0.3:
                with contextlib.suppress(OdysseyStreamError):
                    session.start_stream("A dog", timeout=PATIENCE_S)
                    lose(emulator, session, choices)
            session.disconnect()
            watched.wait()
        emulator.stop()


def test_threads_that_all_use_one_session_get_answers_and_typed_errors(
    make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background
) -> None:
    for choices in rounds("many threads"):
        emulator = make_emulator()
        with make_client(emulator) as client:
            session = client.connect(timeout=PATIENCE_S)
            watched = Watched(session, in_background)
            loss = choices.choice(LOSSES)
            calls: tuple[Callable[[], object], ...] = (
                lambda session=session: session.start_stream("A cat", timeout=PATIENCE_S),
                lambda session=session: session.start_stream("A dog", timeout=0.01),
                lambda session=session: session.interact("Night", timeout=PATIENCE_S),
                lambda session=session: session.interact("Day", timeout=0.001),
                lambda session=session: session.end_stream(timeout=PATIENCE_S),
                lambda session=session: next(session.frames(timeout=0.2)),
                lambda emulator=emulator, loss=loss: emulator.faults.add(loss),
            )

            def use(seed: float, calls: tuple[Callable[[], object], ...] = calls) -> None:
                own = random.Random(seed)
                for _ in range(6):
                    with contextlib.suppress(OdysseyError, StopIteration):
                        own.choice(calls)()

            threads = [in_background(use, choices.random()) for _ in range(4)]
            for thread in threads:
                thread.result(4 * PATIENCE_S)
            session.disconnect()
            watched.wait()
        emulator.stop()


def test_a_connect_that_is_cut_gives_its_session_back_before_the_next(
    emulator: Emulator, make_client: MakeClient, caplog: pytest.LogCaptureFixture, in_background: Background
) -> None:
    for choices in rounds("cut connects"):
        with make_client(emulator) as client:
            again = choices.random() < 0.5

            def connect(client: Odyssey = client, again: bool = again) -> str:
                try:
                    client.connect(timeout=PATIENCE_S)
                except OdysseyConnectionError as error:
                    if again:
                        client.connect(timeout=PATIENCE_S)
                    return str(error.code)
                return "connected"

            first = in_background(connect)
            time.sleep(choices.uniform(0, 0.1))
            client.disconnect()
            assert first.result(PATIENCE_S) in ("connected", "disconnected")
            if client.is_connected:
                continue
            if choices.random() < 0.3:
                client.connect_with_credentials(client.create_client_credentials(timeout=PATIENCE_S))
            else:
                client.connect(timeout=PATIENCE_S)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_client_that_is_closed_while_it_connects_leaves_the_way_to_the_next(
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    in_background: Background,
) -> None:
    for choices in rounds("closed connects"):
        emulator = make_emulator()
        client = make_client(emulator)

        def connect(client: Odyssey = client) -> str:
            try:
                client.connect(timeout=PATIENCE_S)
            except OdysseyConnectionError as error:
                return str(error.code)
            return "connected"

        first = in_background(connect)
        time.sleep(choices.uniform(0, 0.1))
        began = time.monotonic()
        client.close()
        took_s = time.monotonic() - began
        assert first.result(PATIENCE_S) in ("connected", "disconnected", "closed")
        assert time.monotonic() - began < CLOSE_WITHIN_S + SLACK_S
        if took_s < GIVES_UP_S:
            with make_client(emulator) as other:
                other.connect(timeout=PATIENCE_S)
        emulator.stop()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_call_returns_after_its_effects(emulator: Emulator, session: Session) -> None:
    for choices in rounds("effects"):
        if choices.random() < 0.3:
            refused = Fault(step="stream start", action="stream_error", reason="lease_denied", message="No")
            emulator.faults.add(refused)
            with pytest.raises(OdysseyStreamError):
                session.start_stream("Nothing", timeout=PATIENCE_S)
            frames = session.frames("error", 64, timeout=PATIENCE_S)
        else:
            session.start_stream("A cat", timeout=PATIENCE_S)
            next(session.frames(timeout=PATIENCE_S))
            session.end_stream(timeout=PATIENCE_S)
            frames = session.frames("error", 64, timeout=PATIENCE_S)
        before = (session.latest_frame, session.stream_id, session.last_applied_prompt)
        assert before == (None, None, None)
        events = session.events(timeout=PATIENCE_S)
        session.start_stream("A dog", timeout=PATIENCE_S)
        assert isinstance(next(events), StreamStarted)
        assert next(frames).index == 0
        session.end_stream(timeout=PATIENCE_S)


def test_handlers_of_a_stream_are_called_within_it(emulator: Emulator, make_client: MakeClient) -> None:
    called: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *_: called.append(name)

    with make_client(emulator) as client:
        session = client.connect(timeout=PATIENCE_S, **{name: note(name) for name in HANDLERS})  # type: ignore[arg-type]
        for choices in rounds("handlers"):
            session.start_stream("A cat", timeout=PATIENCE_S)
            if choices.random() < 0.5:
                session.interact("Night", timeout=PATIENCE_S)
            perhaps(choices, 0.7, 0.2)
            session.end_stream(timeout=PATIENCE_S)
    runs = False
    for name in called:
        match name:
            case "on_stream_started":
                runs = True
            case "on_stream_ended":
                runs = False
            case _:
                assert runs, f"{name} outside of a stream: {called}"


def test_no_call_hangs_on_a_streamer_that_has_vanished(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    for choices in rounds("vanished streamers"):
        emulator = make_emulator()
        with make_client(emulator) as client:
            session = client.connect(timeout=PATIENCE_S)
            if choices.random() < 0.3:
                emulator.faults.add(Fault(step="stream start", action="kill_peer"))
                call: Callable[[], object] = lambda: session.start_stream("A cat", timeout=60)  # noqa: B023, E731
            else:
                session.start_stream("A cat", timeout=PATIENCE_S)
                next(session.frames(timeout=PATIENCE_S))
                step = choices.choice(["media", "stream end", "stream update"])
                emulator.faults.add(Fault(step=step, action="kill_peer"))
                perhaps(choices, 0.5, 0.6)
                calls = [lambda: session.end_stream(timeout=60), lambda: session.interact("Night", timeout=60)]  # noqa: B023
                call = calls[step == "stream update" or (step == "media" and choices.random() < 0.5)]
            began = time.monotonic()
            with contextlib.suppress(OdysseyStreamError):
                call()
            assert time.monotonic() - began < NOTICED_WITHIN_S
        emulator.stop()


def test_what_a_refused_prompt_ends_is_no_wait_for_the_broadcast(
    emulator: Emulator, session: Session, in_background: Background
) -> None:
    for choices in rounds("waiting for a broadcast"):
        session.start_stream("A cat", broadcast=True, timeout=PATIENCE_S)
        waiting = in_background(session.wait_for_broadcast, timeout=PATIENCE_S)
        perhaps(choices, 0.5, 0.05)
        with pytest.raises(OdysseyStreamError):
            session.interact("Something forbidden", timeout=PATIENCE_S)
        assert waiting.result(PATIENCE_S).webrtc_url
        session.end_stream(timeout=PATIENCE_S)


def test_closing_while_a_session_is_rejoined_is_prompt_and_gives_it_back(
    make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background
) -> None:
    for choices in rounds("closing"):
        emulator = make_emulator()
        client = make_client(emulator)
        session = client.connect(timeout=PATIENCE_S)
        watched = Watched(session, in_background)
        watched.watch()
        session.start_stream("A cat", timeout=PATIENCE_S)
        lose(emulator, session, choices)
        perhaps(choices, 0.8, 0.3)
        closes = choices.random() < 0.5
        began = time.monotonic()
        (client.close if closes else client.disconnect)()
        took_s = time.monotonic() - began
        assert took_s < CLOSE_WITHIN_S + SLACK_S
        watched.wait()
        emulator.faults.clear()
        if not closes or took_s < GIVES_UP_S:
            with make_client(emulator) as other:
                other.connect(timeout=PATIENCE_S)
        client.close()
        emulator.stop()


def test_spectators_come_and_go_and_each_gap_is_reported(
    make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background
) -> None:
    emulator = make_emulator(concurrent_sessions=2)
    with broadcasting(emulator.api_url) as broadcaster, make_client(emulator) as client:
        info = broadcaster.info
        ways = (info, attrs.evolve(info, hls_url=None), attrs.evolve(info, webrtc_url=NOWHERE))
        for choices in rounds("spectators"):
            spectator = client.watch(choices.choice(ways), timeout=PATIENCE_S)
            watched = Watched(spectator, in_background)
            watched.watch()
            for _ in range(choices.randint(0, 3)):
                perhaps(choices, 0.8, 0.5)
                lose_broadcast(spectator)
                perhaps(choices, 0.8, 1.0)
            spectator.disconnect()
            watched.wait()


def test_a_client_that_is_closed_while_it_begins_to_watch_leaves_nothing(
    make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background
) -> None:
    emulator = make_emulator(concurrent_sessions=2)
    with broadcasting(emulator.api_url) as broadcaster:
        info = broadcaster.info
        for choices in rounds("closed spectators"):
            client = make_client(emulator)
            way = choices.choice((info, attrs.evolve(info, webrtc_url=NOWHERE)))

            def watch(client: Odyssey = client, way: BroadcastInfo = way) -> str:
                try:
                    client.watch(way, timeout=PATIENCE_S)
                except OdysseyConnectionError as error:
                    return str(error.code)
                return "watching"

            first = in_background(watch)
            time.sleep(choices.uniform(0, 0.2))
            began = time.monotonic()
            client.close()
            assert first.result(PATIENCE_S) in ("watching", "closed", "disconnected")
            assert time.monotonic() - began < CLOSE_WITHIN_S + SLACK_S


def lose_broadcast(spectator: SpectatorConnection) -> None:
    """Make the link of a spectator fail, whatever it is doing."""
    driver = spectator._driver
    if links := tuple(driver._links):
        driver.post(inputs.LinkFailed(links[-1], broadcast_lost("The line is dead"), video_at=driver.hub.last_at))


def test_credentials_are_given_back_however_their_session_ends(
    emulator: Emulator, make_client: MakeClient, in_background: Background
) -> None:
    owner = make_client(emulator)
    given: list[ClientCredentials] = []

    def minted() -> ClientCredentials | None:
        with contextlib.suppress(ConcurrentLimitReachedError):  # the one before is still being given back
            return owner.create_client_credentials(timeout=PATIENCE_S)
        return None

    for choices in rounds("credentials"):
        eventually(lambda: (got := minted()) is not None and (given.append(got) or True))
        credentials = given.pop()
        with make_client(emulator, max_retries=0) as user:

            def connect(user: Odyssey = user, credentials: ClientCredentials = credentials) -> str:
                try:
                    user.connect_with_credentials(credentials, timeout=PATIENCE_S)
                except OdysseyConnectionError as error:
                    return str(error.code)
                return "connected"

            first = in_background(connect)
            match choices.choice(["cut", "stream", "lose"]):
                case "cut":
                    time.sleep(choices.uniform(0, 0.1))
                case "stream" if first.result(PATIENCE_S):
                    user.start_stream("A cat", timeout=PATIENCE_S)
                case _ if first.result(PATIENCE_S):
                    user.start_stream("A cat", timeout=PATIENCE_S)
                    lose(emulator, user._live("stream"), choices)
            user.disconnect()
            assert first.result(PATIENCE_S) in ("connected", "disconnected")
            # If the connect had not begun, the credentials are as good as before.
            with contextlib.suppress(OdysseyConnectionError):
                user.connect_with_credentials(credentials, timeout=PATIENCE_S)
            user.disconnect()
        emulator.faults.clear()


def test_downloads_of_one_file_at_once_end_in_one_whole_file(
    make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background, tmp_path: Path
) -> None:
    emulator = make_emulator(record=True)
    with make_client(emulator) as client:
        session = client.connect(timeout=PATIENCE_S)
        stream_id = session.start_stream("A cat", timeout=PATIENCE_S)
        next(session.frames(timeout=PATIENCE_S))
        session.end_stream(timeout=PATIENCE_S)
        session.disconnect()
        whole = client.download_recording(stream_id, tmp_path / "alone", timeout=PATIENCE_S)
        for number, choices in enumerate(rounds("downloads")):
            folder = tmp_path / str(number)
            if choices.random() < 0.5:
                emulator.faults.add(Fault(step="artifact", action="reset", after_bytes=choices.randint(0, 20_000)))

            def fetch(choices: random.Random = choices, folder: Path = folder) -> str:
                time.sleep(choices.uniform(0, 0.02))
                try:
                    client.download_recording(
                        stream_id,
                        folder,
                        resume=choices.random() < 0.7,
                        timeout=choices.choice([PATIENCE_S, 0.05]),
                    )
                except OdysseyConfigError as error:
                    return str(error.code)
                except (OdysseyConnectionTimeoutError, OdysseyConnectionError):
                    return "too slow"
                return "complete"

            calls = [in_background(fetch) for _ in range(choices.randint(2, 5))]
            assert {call.result(PATIENCE_S) for call in calls} <= {"complete", "busy", "too slow"}
            emulator.faults.clear()
            found = client.download_recording(stream_id, folder, timeout=PATIENCE_S)
            for artifact, path in whole.items():
                assert found[artifact].read_bytes() == path.read_bytes()  # type: ignore[index]
            parts = [path for path in folder.iterdir() if path.suffix == ".part"]
            assert all(part.stat().st_size for part in parts), "only what can be continued is left"
