"""Sessions side by side in one process: a failure in one does not affect the others."""

from __future__ import annotations

import concurrent.futures
import contextlib
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest
import requests

from odyssey_proto import ConnectionStatus, Odyssey, OdysseyConnectionError, OdysseyError, StatusChanged
from odyssey_proto.emulator._faults.script import Fault
from tests.support.live import number_of
from tests.support.processes import PATIENCE_S, emulator_process, eventually, sessions_are_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto import Session

MANY: Final = 8
SOME: Final = 4
"""Enough for one that dies and others that live."""
SUBJECTS: Final = ("cat", "dog", "horse", "ship", "train", "car", "bird", "fish")


@attrs.define(eq=False)
class Row:
    """Clients with their sessions; one emulator in another process serves them."""

    url: str
    clients: list[Odyssey]
    sessions: list[Session] = attrs.field(factory=list)

    def each(self, call: Callable[[Any], Any], over: list[Any]) -> list[Any]:
        """Call a function for all items of ``over`` at once, each on a separate thread, and return the results."""
        with concurrent.futures.ThreadPoolExecutor(MANY, thread_name_prefix="caller") as executor:
            return list(executor.map(call, over, timeout=2 * PATIENCE_S))

    def add_fault(self, **fault: Any) -> None:
        answer = requests.post(f"{self.url}/_emulator/faults", json=Fault(**fault).to_dict(), timeout=PATIENCE_S)
        assert answer.ok, answer.text


@pytest.fixture
def count() -> int:
    """The number of clients."""
    return MANY


@pytest.fixture(params=[False, True], ids=["without reconnecting", "reconnecting"])
def row(request: pytest.FixtureRequest, nothing_left: None, count: int) -> Iterator[Row]:
    # Few frames, because two cores cannot encode and decode eight times 20 fps.
    settings = {"fps": 4, "streamers": count, "concurrent_sessions": count, "record": False}
    with emulator_process(**settings) as (_, url), contextlib.ExitStack() as made:
        clients = [
            made.enter_context(Odyssey("ody_test", api_url=url, reconnect=request.param)) for _ in range(count)
        ]
        row = Row(url, clients)
        row.sessions = row.each(lambda client: client.connect(timeout=2 * PATIENCE_S), clients)
        yield row


def some_frames(session: Session, count: int = 4) -> list[int]:
    """Return the stamps of the next frames."""
    frames = session.frames(timeout=PATIENCE_S)
    return [number_of(next(frames)) for _ in range(count)]


def start(row: Row) -> list[str]:
    def start_one(number: int) -> str:
        return row.sessions[number].start_stream(f"A {SUBJECTS[number]}", portrait=False, timeout=PATIENCE_S)

    return row.each(start_one, list(range(len(row.sessions))))


def test_each_session_gets_its_own_stream(row: Row) -> None:
    assert len(set(start(row))) == MANY
    assert len({session.session_id for session in row.sessions}) == MANY
    for numbers in row.each(some_frames, row.sessions):
        assert numbers == sorted(set(numbers))
    applied = row.each(
        lambda number: row.sessions[number].interact(f"The {SUBJECTS[number]} is asleep", timeout=PATIENCE_S),
        list(range(MANY)),
    )
    assert all(subject in prompt for subject, prompt in zip(SUBJECTS, applied, strict=True))


@pytest.mark.parametrize("count", [SOME], ids=["some"])
@pytest.mark.parametrize("death", ["kill_peer", "drop", "close", "error"])
@pytest.mark.usefixtures("signaling_comes_first")
def test_one_that_dies_is_no_matter_to_the_others(row: Row, death: str) -> None:
    start(row)
    row.each(some_frames, row.sessions)
    happening = {session: session.events(timeout=PATIENCE_S) for session in row.sessions}
    reconnects = {session: session.stats().reconnects for session in row.sessions}
    row.add_fault(step="media", action=death)

    def changed() -> list[Session]:
        # One that rejoins quickly is connected again before anybody looks.
        return [
            session
            for session in row.sessions
            if session.status is not ConnectionStatus.CONNECTED or session.stats().reconnects > reconnects[session]
        ]

    eventually(changed)
    (dead,) = changed()
    alive = [session for session in row.sessions if session is not dead]
    for numbers in row.each(some_frames, alive):
        assert numbers == sorted(set(numbers))
    assert all(session.is_connected for session in alive)
    told = next(event for event in happening[dead] if isinstance(event, StatusChanged))
    if told.status is ConnectionStatus.RECONNECTING:
        assert some_frames(dead)
    else:
        with pytest.raises(OdysseyConnectionError):
            dead.wait(timeout=PATIENCE_S)
    row.clients[row.sessions.index(dead)].close()
    assert all(session.is_connected for session in alive)


def test_all_are_closed_at_once_and_given_back(row: Row) -> None:
    start(row)
    row.each(lambda client: client.close(), row.clients)
    for session in row.sessions:
        with pytest.raises(OdysseyError):
            session.interact("Night")
    eventually(lambda: sessions_are_free(row.url))
