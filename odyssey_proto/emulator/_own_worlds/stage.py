"""Shows, which cameras film: one of the emulator's worlds, or a user's world on a stage with its own thread.

A stage never waits for a picture beyond its due time.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from .._worlds import PaintedWorld
from .performance import Performance, WorldError
from .pictures import copy_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import av

    from .sources import WorldSource

__all__ = ["Painted", "Show", "Stage", "opener"]

_TURN_S: Final = 3.0
"""How long a stream waits for a world that all streams share: the stream before may be ending."""


class Show(Protocol):
    """One stream of a world. Runs on the loop's thread, which it never blocks."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, in px."""
        ...

    @property
    def version(self) -> int:
        """A number that grows when painted pictures become outdated."""
        ...

    @property
    def applied_prompt(self) -> str:
        """The last prompt, as applied."""
        ...

    async def change(self, prompt: str) -> str:
        """Apply ``prompt``, and return it as applied."""
        ...

    async def picture(self, moment: float, due: float) -> av.VideoFrame:
        """Return a yuv420p frame for ``moment`` s after the start, which the caller may change.

        It should be ready at ``due`` (`time.monotonic`, in s).
        """
        ...

    def close(self) -> None:
        """Free its resources. Does not wait."""
        ...


class Painted:
    """A show of the emulator's own world, painted by the workers of the loop."""

    def __init__(self, world: PaintedWorld) -> None:
        self._world = world
        self.size = world.size

    @classmethod
    async def open(cls, **arguments: Any) -> Self:
        """Return a new show; the arguments are those of `PaintedWorld`.

        Raises:
            ValueError: the image cannot be read.
        """
        return cls(await _by_worker(lambda: PaintedWorld(**arguments)))

    @property
    def version(self) -> int:
        """See `Show`."""
        return self._world.version

    @property
    def applied_prompt(self) -> str:
        """See `Show`."""
        return self._world.applied_prompt

    async def change(self, prompt: str) -> str:
        """See `Show`."""
        applied: str = await _by_worker(lambda: self._world.change(prompt))
        return applied

    async def picture(self, moment: float, due: float) -> av.VideoFrame:  # noqa: ARG002  # a `Show`'s
        """See `Show`. The picture comes once it is painted: a slow machine has nothing else to show."""
        found: av.VideoFrame = await _by_worker(lambda: self._world.picture(moment))
        return found

    def close(self) -> None:
        """See `Show`."""


class Stage:
    """A show of a user's world, which is called from one thread, in order."""

    def __init__(self, source: WorldSource) -> None:
        self.size = (0, 0)
        self._source = source
        self._performance: Performance | None = None
        self._held = contextlib.ExitStack()
        self._calls: queue.SimpleQueue[tuple[concurrent.futures.Future[Any], Callable[[], Any]] | None]
        self._calls = queue.SimpleQueue()
        self._painting: asyncio.Future[av.VideoFrame] | None = None
        self._newest: av.VideoFrame | None = None
        # A daemon: nobody can interrupt a world.
        threading.Thread(target=self._run, name="odyssey-emulator-world", daemon=True).start()

    @classmethod
    async def open(cls, source: WorldSource, **arguments: Any) -> Self:
        """Return a new show; the other arguments are those of `Performance`.

        Raises:
            ValueError: the image cannot be read.
            WorldError: the world failed, or shows another stream.
        """
        stage = cls(source)
        try:
            performance = await stage._ask(lambda: stage._begin(arguments))
        except BaseException:
            stage.close()
            raise
        stage.size = performance.size
        return stage

    @property
    def version(self) -> int:
        """Always 0: every picture that was requested is shown, because a simulator may step with each."""
        return 0

    @property
    def applied_prompt(self) -> str:
        """See `Show`."""
        return "" if self._performance is None else self._performance.applied_prompt

    async def change(self, prompt: str) -> str:
        """See `Show`.

        Raises:
            WorldError: the world failed.
        """
        applied: str = await self._ask(lambda: self._playing.change(prompt))
        return applied

    async def picture(self, moment: float, due: float) -> av.VideoFrame:
        """See `Show`. If the picture is late, the last one comes again.

        Raises:
            WorldError: the world has failed too often.
        """
        if self._painting is None:
            self._painting = self._ask(lambda: self._playing.picture(moment))
        await asyncio.wait([self._painting], timeout=max(0.0, due - time.monotonic()))
        if not self._painting.done():
            assert self._newest is not None
            self._newest = copy_of(self._newest)
            return self._newest
        painting, self._painting = self._painting, None
        self._newest = painting.result()
        return self._newest

    def close(self) -> None:
        """See `Show`. The world is closed on its thread, once its current call has returned."""
        if self._painting is not None:
            self._painting.cancel()
        self._calls.put(None)

    @property
    def _playing(self) -> Performance:
        assert self._performance is not None
        return self._performance

    def _ask(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._calls.put((done, call))
        return asyncio.wrap_future(done)

    def _begin(self, arguments: dict[str, Any]) -> Performance:
        """Make the world, and start it. Runs on the world's thread, like `_run`."""
        turn = self._source.turn
        if turn is not None:
            if not turn.acquire(timeout=_TURN_S):
                raise WorldError("The world shows another stream: all streams have the same object", "world_busy")
            self._held.callback(turn.release)
        self._performance = Performance(self._source.make, **arguments)
        self._held.callback(self._performance.close)
        self._newest = self._performance.picture(0.0)
        return self._performance

    def _run(self) -> None:
        with self._held:
            while (asked := self._calls.get()) is not None:
                done, call = asked
                if done.set_running_or_notify_cancel():
                    try:
                        done.set_result(call())
                    except BaseException as exc:  # noqa: BLE001  # for the one who asked
                        done.set_exception(exc)


def opener(source: WorldSource | None) -> Callable[..., Awaitable[Show]]:
    """Return the function that begins a show of the worlds of ``source``; None means the emulator's own."""
    if source is None:
        return Painted.open
    return lambda **arguments: Stage.open(source, **arguments)


async def _by_worker(call: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, call)
