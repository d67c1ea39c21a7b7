"""A world on its own thread: pictures that come late, calls in order, turns, and the end."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto.emulator._own_worlds import stage
from odyssey_proto.emulator._own_worlds.performance import WorldError
from odyssey_proto.emulator._own_worlds.sources import source_of
from odyssey_proto.emulator._own_worlds.stage import Stage, opener
from tests.support.processes import PATIENCE_S
from tests.support.worlds import Levels, level_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ARGUMENTS: dict[str, Any] = {"seed": 0, "prompt": "A cat", "portrait": False, "size": (64, 32)}


class Gated(Levels):
    """A world whose pictures, after the first, wait for the test: each is brighter by 20 than the one before."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.busy = threading.Event()
        self.calls: list[Any] = []
        self.threads: set[str] = set()
        self.closed = threading.Event()

    def note(self, call: Any) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)

    def start(self, *asked: Any) -> None:
        self.note("start")
        super().start(*asked)

    def interact(self, prompt: str) -> None:
        self.note(prompt)

    def picture(self, t: float) -> Any:
        self.note(t)
        if t > 0:
            self.busy.set()
            assert self.gate.acquire(timeout=PATIENCE_S)
            self.level += 20
        return super().picture(t)

    def close(self) -> None:
        self.note("close")
        self.closed.set()


def on_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def opened(world: Any) -> Stage:
    return await Stage.open(source_of(world, rate=20), **ARGUMENTS)


def later() -> float:
    return time.monotonic() + PATIENCE_S


@on_a_loop
async def test_a_late_picture_is_shown_when_it_comes_and_the_last_one_until_then() -> None:
    world = Gated()
    show = await opened(world)
    levels = [level_of(await show.picture(0.0, later()))]
    for number in range(1, 4):
        levels.append(level_of(await show.picture(number / 20, time.monotonic())))
    world.gate.release()
    levels.append(level_of(await show.picture(0.2, later())))
    world.gate.release()
    levels.append(level_of(await show.picture(0.25, later())))
    assert [round(level / 20) for level in levels] == [2, 2, 2, 2, 3, 4]
    assert world.calls == ["start", 0.0, 0.05, 0.25], "no picture is asked for while another is being made"
    show.close()


@on_a_loop
async def test_a_prompt_that_takes_long_does_not_hold_up_the_first_picture() -> None:
    goes_on = threading.Event()

    class Pondering(Levels):
        def interact(self, prompt: str) -> None:
            assert goes_on.wait(PATIENCE_S)

    show = await opened(Pondering())
    change = asyncio.ensure_future(show.change("It rains"))
    await asyncio.sleep(0)
    assert abs(level_of(await show.picture(0.0, time.monotonic())) - 40) <= 1
    goes_on.set()
    await change
    show.close()


@on_a_loop
async def test_each_picture_may_be_drawn_upon_while_the_one_before_is_encoded() -> None:
    world = Gated()
    show = await opened(world)
    pictures = [await show.picture(number / 20, time.monotonic()) for number in range(3)]
    assert len({frame.planes[0].buffer_ptr for frame in pictures}) == 3
    show.close()
    world.gate.release()


@on_a_loop
async def test_all_calls_come_in_order_from_one_thread_which_ends() -> None:
    world = Gated()
    show = await opened(world)
    await show.picture(0.0, later())
    await show.picture(0.05, time.monotonic())
    change = asyncio.ensure_future(show.change("It rains"))
    await asyncio.to_thread(world.busy.wait, PATIENCE_S)
    assert not change.done()
    world.gate.release()
    assert await change == show.applied_prompt == "It rains"
    show.close()
    assert await asyncio.to_thread(world.closed.wait, PATIENCE_S)
    assert world.calls == ["start", 0.0, 0.05, "It rains", "close"]
    assert world.threads == {"odyssey-emulator-world"}


@on_a_loop
async def test_a_slow_start_holds_up_nobody_and_can_be_abandoned() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    class Slow(Gated):
        def start(self, *asked: Any) -> None:
            begun.set()
            assert goes_on.wait(PATIENCE_S)
            super().start(*asked)

    world = Slow()
    slow = asyncio.ensure_future(opened(world))
    quick = await opened(Levels())
    assert abs(level_of(await quick.picture(0.0, later())) - 40) <= 1
    quick.close()
    assert await asyncio.to_thread(begun.wait, PATIENCE_S)
    assert not slow.done()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    goes_on.set()
    assert await asyncio.to_thread(world.closed.wait, PATIENCE_S), "what was begun is ended"


def test_streams_of_one_object_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        source = source_of(Levels(), rate=20)
        first = await Stage.open(source, **ARGUMENTS)
        with monkeypatch.context() as patched:
            patched.setattr(stage, "_TURN_S", 0.05)
            with pytest.raises(WorldError, match="shows another stream") as caught:
                await Stage.open(source, **ARGUMENTS)
        assert caught.value.reason == "world_busy"
        first.close()
        (await Stage.open(source, **ARGUMENTS)).close()

    asyncio.run(play())


@on_a_loop
async def test_an_emulator_without_a_world_paints_its_own() -> None:
    show = await opener(None)(**{**ARGUMENTS, "size": (512, 32)})
    before = show.version
    assert "A cat. " in show.applied_prompt
    assert await show.change("It rains") == show.applied_prompt
    assert show.version == before + 1
    picture = await show.picture(1.0, later())
    assert show.size == (picture.width, picture.height) == (512, 32)
    show.close()
