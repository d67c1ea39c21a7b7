"""A world during one stream: the calls to it, and the pictures shown while it has none.

All calls of one performance come from one thread, which may be any. Waiting is the job of `stage`.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .._worlds.images import read_image
from .._worlds.scene import LONGEST_PROMPT
from .pictures import Frame, copy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import av

    from .protocol import World

__all__ = ["FAILURES", "Performance", "WorldError"]

log = logging.getLogger("odyssey_proto.emulator.worlds")

FAILURES: Final = 10
"""Number of pictures that must fail in a row for the stream to end."""
_LONGEST_TEXT: Final = 300


class WorldError(Exception):
    """A world failed. The text is for people, the reason for an ``interactive_stream_error``."""

    def __init__(self, text: str, reason: str = "world_failed") -> None:
        super().__init__(text)
        self.reason = reason


class Performance:
    """One stream of a world that ``make`` returns, from its start until `close`.

    The other arguments are those of `odyssey_proto.emulator._worlds.PaintedWorld`.

    Raises:
        ValueError: the image cannot be read.
        WorldError: the world failed.
    """

    def __init__(
        self,
        make: Callable[[], World],
        *,
        seed: int,
        prompt: str,
        portrait: bool,
        image: str | None = None,
        expand: bool = True,
        size: tuple[int, int],
    ) -> None:
        width, height = size
        self.size = (height, width) if portrait else (width, height)
        self._world: World | None = None
        self._frame = Frame(self.size)
        self._expand = expand
        self._failures = 0
        self._logged = False
        backdrop = None if image is None else np.array(read_image(image, self.size))
        try:
            self._world = make()
            self.applied_prompt = self._applied(self._world.start(prompt, backdrop, self.size, seed), prompt)
            # Requested here, so that a world that fails at once fails the start, and there is a picture to show.
            self._newest = self._fitted(self._world.picture(0.0)) or self._frame.black()
        except BaseException as exc:  # see `_expect_failure`
            _expect_failure(exc)
            log.exception("the world failed at its start")
            self.close()
            raise WorldError(f"The world failed at its start: {_described(exc)}") from exc
        self._is_new = True

    def change(self, prompt: str) -> str:
        """Apply ``prompt``, and return it as applied.

        Raises:
            WorldError: the world failed.
        """
        try:
            self.applied_prompt = self._applied(self._playing.interact(prompt), prompt)
        except BaseException as exc:  # see `_expect_failure`
            _expect_failure(exc)
            log.exception("the world failed at a prompt")
            raise WorldError(f"The world failed at this prompt: {_described(exc)}") from exc
        return self.applied_prompt

    def picture(self, moment: float) -> av.VideoFrame:
        """Return the world ``moment`` s after its start, as a yuv420p frame that the caller may change.

        Raises:
            WorldError: it has failed ten times in a row.
        """
        if moment > 0 and (following := self._next(moment)) is not None:
            self._newest, self._is_new = following, True
        shown = self._newest if self._is_new else copy_of(self._newest)
        self._is_new = False
        return shown

    def close(self) -> None:
        """Close the world, if it has a method for that."""
        close = getattr(self._world, "close", None)
        if callable(close):
            try:
                close()
            except BaseException as exc:  # see `_expect_failure`
                _expect_failure(exc)
                log.exception("the world failed at its end")

    @property
    def _playing(self) -> World:
        assert self._world is not None
        return self._world

    def _next(self, moment: float) -> av.VideoFrame | None:
        try:
            found = self._fitted(self._playing.picture(moment))
        except BaseException as exc:  # see `_expect_failure`
            _expect_failure(exc)
            self._failures += 1
            if not self._logged:
                self._logged = True
                log.exception(
                    "the world failed at a picture; the last one is shown, and no other failure is logged"
                )
            if self._failures >= FAILURES:
                raise WorldError(f"The world failed at {FAILURES} pictures in a row: {_described(exc)}") from exc
            return None
        self._failures = 0
        return found

    def _fitted(self, picture: Any) -> av.VideoFrame | None:
        return None if picture is None else self._frame.hold(picture)

    def _applied(self, returned: object, prompt: str) -> str:
        if returned is not None and not isinstance(returned, str):
            raise TypeError(f"the applied prompt must be text or None, not {type(returned).__name__}")
        applied = returned if returned is not None and self._expand else prompt
        return applied[:LONGEST_PROMPT]


def _expect_failure(exc: BaseException) -> None:
    """Raise ``exc`` again if it is Ctrl-C, which only a main thread gets, as in a process that films a script.

    Anything else is a failure of the world, even an exception that ends a program (`SystemExit`), a task or a
    test.
    """
    if isinstance(exc, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        raise exc


def _described(exc: BaseException) -> str:
    """Return the kind and the text of ``exc`` in one line."""
    text = " ".join("".join(char if char.isprintable() else " " for char in str(exc)).split())
    return f"{type(exc).__name__}: {text}"[:_LONGEST_TEXT].removesuffix(": ")
