"""The blocking API in a thread with a running event loop, as in a notebook."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from odyssey_proto import Odyssey

if TYPE_CHECKING:
    from collections.abc import Callable

    from odyssey_proto.emulator._server import Emulator


def watch(emulator: Emulator) -> list[int]:
    """Use every call, and return the indices of ten frames."""
    with Odyssey(emulator.api_key, api_url=emulator.api_url) as client, client.connect() as session:
        session.start_stream("A cat", portrait=False)
        frames = session.frames(timeout=10)
        seen = [next(frames).index for _ in range(5)]
        assert session.interact("Night falls").startswith("Night falls")
        seen += [next(frames).index for _ in range(5)]
        session.end_stream()
    return seen


def test_it_works_inside_a_running_loop_and_leaves_that_alone(emulator: Emulator) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        before = asyncio.all_tasks()
        seen = watch(emulator)
        assert asyncio.get_running_loop() is loop
        assert asyncio.all_tasks() == before
        return seen

    seen = asyncio.run(main())
    assert seen == sorted(seen)


def test_it_works_on_a_worker_of_a_running_loop_which_goes_on_meanwhile(emulator: Emulator) -> None:
    async def main() -> int:
        beats = 0
        watching = asyncio.get_running_loop().create_task(asyncio.to_thread(watch, emulator))
        while not watching.done():
            await asyncio.sleep(0.01)
            beats += 1
        assert len(await watching) == 10
        return beats

    assert asyncio.run(main()) > 10


def test_two_clients_work_inside_one_loop_at_once(make_emulator: Callable[..., Emulator]) -> None:
    async def main() -> list[list[int]]:
        return await asyncio.gather(*(asyncio.to_thread(watch, emulator) for _ in range(2)))

    emulator = make_emulator(concurrent_sessions=2)
    first, second = asyncio.run(main())
    assert len(first) == len(second) == 10
