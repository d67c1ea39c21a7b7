"""The reports of a peer connection: which step of its end is reported, and when reports stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from odyssey_proto._net.webrtc.reports import Reports
from tests.support.peers import Heard

if TYPE_CHECKING:
    from collections.abc import Coroutine


@attrs.define
class Rig:
    """Reports, the listener that hears them, and the tasks that they have started."""

    heard: Heard = attrs.field(factory=Heard)
    is_closing: bool = False
    tasks: list[asyncio.Task[None]] = attrs.field(factory=list)
    reports: Reports = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reports = Reports(self.heard, is_closing=lambda: self.is_closing, spawn=self._spawn)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(coroutine))

    async def settled(self) -> list[tuple[Any, ...]]:
        await asyncio.gather(*self.tasks)
        return [event[:2] for event in self.heard.events]


def test_what_the_listener_raises_is_logged_and_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()

    def fail(_: str) -> None:
        raise ZeroDivisionError

    rig.reports.notify(fail, "a message")
    rig.reports.notify(rig.heard.on_message, "another")
    assert rig.heard.events == [("message", "another")]
    (record,) = caplog.records
    assert (record.name, record.message) == ("odyssey_proto.webrtc", "the listener of a peer connection failed")


def test_once_this_side_closes_the_connection_nothing_is_reported() -> None:
    rig = Rig(is_closing=True)
    rig.reports.notify(rig.heard.on_message, "late")
    rig.reports.lose("The line is dead", "peer_lost")
    assert rig.heard.events == []


def test_the_end_is_reported_at_once_and_once() -> None:
    rig = Rig()
    rig.reports.lose("The line is dead", "peer_lost", recoverable=False)
    rig.reports.lose("There is no path", "ice_failed")
    ((kind, code, error),) = rig.heard.events
    assert (kind, code, error.message, error.recoverable) == ("lost", "peer_lost", "The line is dead", False)
    assert error.operation == "peer connection"


def test_an_end_by_the_other_side_is_reported_after_what_follows_at_once() -> None:
    async def closed() -> list[tuple[Any, ...]]:
        rig = Rig()
        rig.reports.lose("The connection has ended", "peer_closed")
        rig.reports.notify(rig.heard.on_message, "why")
        return await rig.settled()

    assert asyncio.run(closed()) == [("message", "why"), ("lost", "peer_closed")]


@pytest.mark.parametrize(("whole", "reported"), [(True, "peer_lost"), (False, "video_ended")])
def test_the_end_of_the_video_is_reported_unless_the_whole_ends(whole: bool, reported: str) -> None:
    async def ended() -> list[tuple[Any, ...]]:
        rig = Rig()
        rig._spawn(rig.reports.lose_later("The streamer ended the video", "video_ended"))
        await asyncio.sleep(0)
        if whole:
            rig.reports.lose("The line is dead", "peer_lost")
        return await rig.settled()

    assert asyncio.run(ended()) == [("lost", reported)]


@pytest.mark.parametrize(("whole", "reported"), [(True, ("lost", "peer_lost")), (False, ("channel closed", "a"))])
def test_the_end_of_a_channel_is_reported_unless_the_whole_ends(whole: bool, reported: tuple[str, str]) -> None:
    async def closed() -> list[tuple[Any, ...]]:
        rig = Rig()
        rig.reports.close_channel("a")
        if whole:
            rig.reports.lose("The line is dead", "peer_lost")
        return await rig.settled()

    assert asyncio.run(closed()) == [reported]
