"""A link that is prepared beside another: requests in advance, the use of the answers, the return of a relay."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from odyssey_proto import GapEvent, OdysseyConnectionError
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._live import preparation
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.silence import SILENCE_LIMIT_S
from odyssey_proto.emulator import Fault, watching
from tests.support.broadcasts import broadcasting
from tests.support.coturn import Coturn, missing
from tests.support.live import take
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto import Session, SpectatorConnection
    from odyssey_proto._live.link import Link
    from odyssey_proto._model.traffic import Seen
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator

CONFIG = {"streamer": "GET /signaling/config", "broadcast": "GET /config"}
AHEAD = {"streamer": ["GET /signaling/config", "POST /sessions/token"], "broadcast": ["GET /config"]}
"""The calls of a preparation."""
HANDSHAKE = {"streamer": "GET /signaling/client/{session_id}", "broadcast": "POST /live/{stream_id}/whep"}

both = pytest.mark.parametrize("kind", AHEAD)


@attrs.frozen
class Beside:
    """The next link of a connection that goes on meanwhile."""

    link: Link
    calls: list[str]
    """The calls that the emulator has answered since the link was made."""
    posted: list[inputs.Input]
    """The reports of the link."""

    def prepare(self) -> None:
        self.link.prepare(soon())

    def open(self) -> None:
        """Open it, and wait until its handshake is done."""
        self.link.open(soon())
        eventually(lambda: bool(self.posted), within=PATIENCE_S)
        kinds = {type(item) for item in self.posted}
        assert kinds & {inputs.SignalingOpened, inputs.LinkReady}, self.posted


def soon() -> Deadline:
    return Deadline(PATIENCE_S, MonotonicClock())


def next_link(connection: Session | SpectatorConnection, posted: list[inputs.Input]) -> Link:
    driver = connection._driver
    core: Any = driver._core
    plan: effects.OpenEffect = (
        core._connection.plan(PATIENCE_S)
        if hasattr(core, "_connection")
        else effects.OpenBroadcast(2, effects.Way.WEBRTC, PATIENCE_S)
    )
    return driver._access.make_link(plan, attrs.evolve(driver._context, post=posted.append))


@pytest.fixture
def emulator(make_emulator: MakeEmulator) -> Emulator:
    return make_emulator(second_connection="beside")


@pytest.fixture
def no_link_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep clients from preparing links of their own: on a busy machine, a link may be silent for a while."""
    for module in ("spectator_machine", "silence"):  # the first loads the second, and copies its usual limit
        monkeypatch.setattr(f"odyssey_proto.core.{module}.SILENCE_LIMIT_S", PATIENCE_S)
    monkeypatch.setattr("odyssey_proto.core.silence.SUSPECT_AFTER_S", PATIENCE_S)


@pytest.fixture
def connection(
    kind: str, emulator: Emulator, make_client: MakeClient, no_link_is_lost: None
) -> Iterator[Session | SpectatorConnection]:
    """A session or a spectator, with video."""
    client = make_client(emulator, video_timeout_s=PATIENCE_S)
    if kind == "streamer":
        with client.connect(timeout=PATIENCE_S) as session:
            session.start_stream("A cat", timeout=PATIENCE_S)
            yield session
    else:
        with broadcasting(emulator.api_url) as broadcaster, client.watch(broadcaster.info) as spectator:
            yield spectator


@pytest.fixture
def beside(connection: Session | SpectatorConnection) -> Iterator[Beside]:
    calls: list[str] = []
    posted: list[inputs.Input] = []
    link = next_link(connection, posted)

    def note(seen: Seen) -> None:
        if (method := getattr(seen, "method", None)) is not None:
            calls.append(f"{method} {getattr(seen, 'route', '')}")

    with watching(note):
        yield Beside(link, calls, posted)
        link.close()


@both
def test_all_but_the_handshake_is_done_ahead_and_nothing_twice(
    kind: str, beside: Beside, connection: Session | SpectatorConnection
) -> None:
    before = connection._driver.link()
    beside.prepare()
    assert (sorted(beside.calls), beside.posted) == (AHEAD[kind], [])
    take(connection.frames(timeout=PATIENCE_S), 3)
    beside.open()
    assert set(beside.calls[len(AHEAD[kind]) :]) <= {HANDSHAKE[kind]}
    take(connection.frames(timeout=PATIENCE_S), 3)  # the second connection has not ended the first
    assert connection._driver.link() is before


@both
def test_what_is_prepared_at_addresses_that_the_machine_has_left_is_prepared_again(
    kind: str, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside.prepare()
    monkeypatch.setattr(preparation, "own_addresses", lambda: frozenset({"10.88.0.77"}))
    beside.open()
    assert beside.calls.count(CONFIG[kind]) == 2


@both
def test_opening_does_not_wait_for_a_preparation_that_hangs(
    kind: str, beside: Beside, emulator: Emulator, in_background: Background
) -> None:
    emulator.faults.add(Fault(step=CONFIG[kind], action="hang"))
    preparing = in_background(beside.prepare)
    eventually(lambda: not emulator.faults.pending, within=PATIENCE_S)
    beside.open()
    assert isinstance(preparing.exception(PATIENCE_S), OdysseyConnectionError)


@both
def test_an_answer_that_did_not_come_ahead_is_asked_for_again(
    kind: str, beside: Beside, emulator: Emulator
) -> None:
    emulator.faults.add(Fault(step=CONFIG[kind], action="reset", times=3))
    with pytest.raises(OdysseyConnectionError):
        beside.prepare()
    asked = beside.calls.count(CONFIG[kind])
    beside.open()
    assert (asked, beside.calls.count(CONFIG[kind])) == (3, 4)


@both
def test_a_link_that_is_closed_prepares_nothing_more(kind: str, beside: Beside) -> None:
    beside.link.close()
    with pytest.raises(OdysseyConnectionError) as told:
        beside.prepare()
    assert (told.value.code, beside.calls) == ("closed", [])


@pytest.mark.coturn
@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize("end", ["close", "cut"])
def test_a_relay_that_was_allocated_ahead_is_given_back(
    end: str, tmp_path: Path, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    with Coturn(tmp_path) as coturn:
        session = make_client(make_emulator(ice_servers=[coturn.server()])).connect(timeout=PATIENCE_S)
        coturn.wait_for("ALLOCATE processed, success")
        link: Any = next_link(session, [])
        link.prepare(soon())
        coturn.wait_for("ALLOCATE processed, success")
        eventually(lambda: link._peer._path.servers._relays, within=PATIENCE_S)  # this side knows the relay, too
        getattr(link, end)()
        assert "success" in coturn.wait_for("REFRESH processed")
        session.disconnect()


def test_a_path_that_dies_is_replaced_whatever_a_second_connection_does_to_the_first(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    def survive(second_connection: str) -> tuple[int, list[str]]:
        emulator = emulators[second_connection]
        with clients[second_connection].connect(timeout=PATIENCE_S) as session:
            session.start_stream("A cat", timeout=PATIENCE_S)
            take(session.frames(timeout=PATIENCE_S), 5)
            emulator.faults.add(Fault(step="media", action="kill_peer"))
            gaps = (event for event in session.events(timeout=PATIENCE_S) if isinstance(event, GapEvent))
            next(gap for gap in gaps if gap.seconds > SILENCE_LIMIT_S - 1)  # a busy machine adds shorter ones
            take(session.frames(timeout=PATIENCE_S), 5)
            return session.stats().reconnects, [session.status.value]

    emulators = {how: make_emulator(second_connection=how, fps=5) for how in ("replaces", "beside")}
    clients = {how: make_client(emulator) for how, emulator in emulators.items()}
    with concurrent.futures.ThreadPoolExecutor(2) as side_by_side:
        assert list(side_by_side.map(survive, emulators)) == [(1, ["connected"])] * 2
