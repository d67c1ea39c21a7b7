"""The camera of a stream, which turns a world into pictures at a steady rate, and the track that it feeds.

The rate follows the monotonic clock, so it does not drift. Pictures are not queued: if the encoder is behind, the
next ones are skipped. Painting happens on other threads, one picture ahead.
"""

from __future__ import annotations

import asyncio
import fractions
import time
from typing import TYPE_CHECKING, Final, Protocol

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.video.frame import PictureType

from .._stamps import draw_stamp
from .encoders import CLOCK_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .grain import Grain

__all__ = ["Audience", "Camera", "PictureTrack", "Scenery"]

_TIME_BASE: Final = fractions.Fraction(1, CLOCK_RATE_HZ)


class Scenery(Protocol):
    """The source of a camera's pictures."""

    @property
    def version(self) -> int:
        """A number that grows when the scene changes."""
        ...

    async def picture(self, moment: float, due: float) -> av.VideoFrame:
        """Return the scene ``moment`` s after its beginning, as a yuv420p frame that the camera may change.

        It is to be shown at ``due`` (`time.monotonic`, in s).
        """
        ...


class Audience(Protocol):
    """The spectators of a stream, not counting the client that started it."""

    @property
    def is_watched(self) -> bool:
        """Whether there are any spectators."""
        ...

    def show(self, picture: av.VideoFrame, at: float) -> None:
        """Show a copy of ``picture``, whose time is ``at`` (`time.monotonic`, in s). Must not block."""
        ...


class PictureTrack(MediaStreamTrack):
    """A video track that holds one picture until the encoder takes it."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._picture: av.VideoFrame | None = None
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._epoch = time.monotonic()

    @property
    def has_room(self) -> bool:
        """Whether the track holds no picture, so that it can take one."""
        return self._picture is None

    def show(self, picture: av.VideoFrame, at: float) -> None:
        """Pass ``picture``, whose time is ``at`` (`time.monotonic`, in s), to the encoder."""
        picture.pts = round((at - self._epoch) * CLOCK_RATE_HZ)
        picture.time_base = _TIME_BASE
        self._picture = picture
        self._arrived.set()

    def moment(self, pts: int) -> float:
        """Return the time (`time.monotonic`, in s) of the picture with timestamp ``pts`` in this track."""
        return self._epoch + pts / CLOCK_RATE_HZ

    async def recv(self) -> av.VideoFrame:
        """Wait for the next picture and return it."""
        self._idle.set()
        while self.readyState == "live" and self._picture is None:
            self._arrived.clear()
            await self._arrived.wait()
        picture, self._picture = self._picture, None
        if picture is None:  # stopped
            raise MediaStreamError
        self._idle.clear()
        return picture

    async def drain(self) -> None:
        """Drop the picture that the encoder has not taken; wait until the one that it has taken is sent."""
        self._picture = None
        await self._idle.wait()  # the sender asks for the next picture once it has sent the last

    def stop(self) -> None:
        """End the track."""
        super().stop()
        self._picture = None
        self._arrived.set()
        self._idle.set()


class Camera:
    """Films a scenery for `track` and `audience`, from `roll` to `cut`. Runs on the loop's thread."""

    def __init__(
        self,
        scenery: Scenery,
        *,
        fps: int,
        stamped: bool,
        before_each: Callable[[], Awaitable[bool]],
        grain: Grain | None = None,
    ) -> None:
        self._scenery = scenery
        self._grain = grain
        self._period = 1 / fps
        self._stamped = stamped
        self._before_each = before_each
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._begins = True
        self.track: PictureTrack | None = None
        """Track that gets the pictures; if it is None, only `others` and the audience get them."""
        self.others: tuple[PictureTrack, ...] = ()
        """Further tracks that get the pictures."""
        self.audience: Audience | None = None
        """The spectators, or None. While there are any, they get every picture, even if no track has room."""
        self.viewer: Callable[[av.VideoFrame, float], None] | None = None
        """Called with each picture that is handed over, and its time (`time.monotonic`, in s). It must not block,
        and must copy the pictures that it keeps."""
        self.on_failure: Callable[[Exception], Awaitable[None]] | None = None
        """Called with the exception if the scenery fails to return a picture; filming then ends."""

    def roll(self) -> None:
        """Start filming."""
        self._task = asyncio.get_running_loop().create_task(self._film())

    def cut(self) -> asyncio.Task[None] | None:
        """Stop filming, and return the task that then ends; None if there is none, or if it is the current one.

        No picture is handed over once that task has ended.
        """
        task, self._task = self._task, None
        if task is None or task is asyncio.current_task():
            return None
        task.cancel()
        return task

    async def _film(self) -> None:
        began = time.monotonic()
        slot = 0
        while self._task is not None:
            due = began + slot * self._period
            try:
                picture = await self._painted(slot, due)
            except Exception as exc:
                if self.on_failure is None:
                    raise
                await self.on_failure(exc)
                return
            if await self._before_each():
                self._hand_over(picture, due)
            slot = max(slot + 1, int((time.monotonic() - began) / self._period))

    async def _painted(self, slot: int, due: float) -> av.VideoFrame:
        """Return the picture of ``slot`` at the moment when it is due."""
        version, moment = self._scenery.version, slot * self._period
        picture = await self._shot(moment, due)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if version != self._scenery.version:
            picture = await self._shot(moment, due)
        return picture

    async def _shot(self, moment: float, due: float) -> av.VideoFrame:
        picture = await self._scenery.picture(moment, due)
        return picture if self._grain is None else self._grain.over(picture, moment)

    def _hand_over(self, picture: av.VideoFrame, due: float) -> None:
        track = self.track if self.track is not None and self.track.has_room else None
        audience = self.audience if self.audience is not None and self.audience.is_watched else None
        others = [each for each in self.others if each.has_room]
        if track is None and audience is None and not others:
            return
        if self._stamped:
            draw_stamp(picture, self._number, int(time.monotonic() * 1000))
        self._number += 1
        if self.viewer is not None:
            self.viewer(picture, due)
        if audience is not None:
            audience.show(picture, due)
        for other in others:  # a copy, because each encoder writes into its picture
            other.show(av.VideoFrame.from_ndarray(picture.to_ndarray(), "yuv420p"), due)
        if track is not None:
            if self._begins:
                picture.pict_type = PictureType.I  # so that a recording can begin with it
                self._begins = False
            track.show(picture, due)
