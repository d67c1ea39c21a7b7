"""One stream, watched to its end: pictures go to the outputs, and events are reported.

This module knows neither who made the stream nor how it is steered; `_stream` and `_watch` do.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from .. import ConnectionStatus, GapEvent, StatusChanged
from .._base.errors import OdysseyError
from . import _output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from .. import Event
    from .._video.frame import VideoFrame
    from ..session import Session
    from ..spectator import SpectatorConnection
    from ._outputs import Outputs, Sink
    from ._page import Page

__all__ = ["Ending", "Viewing"]

_QUEUE_SIZE: Final = 100  # frames that may wait for outputs that are slow for a moment


@attrs.define(eq=False, kw_only=True)
class Ending:
    """The end and the result of a stream."""

    why: str = "ended"
    """``length``: the wanted length was reached; ``ended``: by the service; ``interrupted``; ``error``."""
    error: OdysseyError | None = None
    frames: int = 0
    """Pictures that the outputs took."""
    dropped: int = 0
    """Pictures that came, but were left out because an output was too slow."""
    first_at: float = 0.0
    last_at: float = 0.0
    width: int = 0
    height: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        data = attrs.asdict(self, recurse=False, filter=attrs.filters.exclude("first_at", "last_at"))
        error = None if self.error is None else self.error.to_dict()
        return {**data, "seconds": round(self.last_at - self.first_at, 3), "error": error}

    def __str__(self) -> str:
        if not self.frames:
            return "no picture arrived"
        left_out = f", {self.dropped} left out" if self.dropped else ""
        seconds = self.last_at - self.first_at
        return f"{self.frames} frames of {self.width}x{self.height} in {seconds:.1f} s{left_out}"


def _nothing(_step: str, _share: float | None) -> None:
    pass


def _ignore(_at: float) -> None:
    pass


class Viewing:
    """The outputs of one stream, from before it begins. Use it in a ``with``.

    Args:
        outputs: where pictures go.
        is_typed_into: whether the user types while it runs; a moving bar would be in the way then.
    """

    def __init__(self, outputs: Outputs, *, is_typed_into: bool = False) -> None:
        self._outputs = outputs
        self._is_typed_into = is_typed_into
        self._open = contextlib.ExitStack()
        self._display = contextlib.ExitStack()
        self._show: Callable[[str, float | None], None] = _nothing
        self._sinks: list[Sink] = []
        self._page: Page | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            self._sinks, self._page = opened.enter_context(self._outputs.opened())
            if not self._outputs.as_json:
                self._show = self._display.enter_context(_output.progress())
            opened.push(self._display)
            self._open = opened.pop_all()
        if self._page is not None:
            self.emit({"type": "page", "url": self._page.url}, f"live picture: {self._page.url}")
            if self._outputs.opens_browser:
                self._page.open_browser()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def step(self, text: str) -> None:
        """Show the current step, if progress is shown."""
        self._show(text, None)

    def emit(self, data: dict[str, Any], text: str) -> None:
        """Report what happened: as JSON, or as a line for people."""
        if self._outputs.as_json:
            _output.print_json(data)
        else:
            _output.note(text)

    def caption(self, text: str) -> None:
        """Show a line below the picture of the page, if there is one."""
        if self._page is not None:
            self._page.say(text)

    def watch(
        self,
        live: Session | SpectatorConnection,
        start: Callable[[], object],
        on_start: Callable[[], object],
        on_first: Callable[[float], object] = _ignore,
    ) -> Ending:
        """Start a stream and take its pictures until its end, or for the wanted length; return how it ended.

        Args:
            live: a session, or a spectator.
            start: starts the stream; its exceptions pass through.
            on_start: called once it has started. From then on, Ctrl-C is an end like any other.
            on_first: called with the time of the first picture, in s of `time.monotonic`.

        Raises:
            OSError: an output cannot be written.
            OdysseyError: the stream could not be started.
        """
        ending = Ending()
        recording = None
        with contextlib.ExitStack() as until_the_end:
            frames = live.frames(queue_size=_QUEUE_SIZE)
            if self._outputs.out is not None:
                recording = until_the_end.enter_context(live.record(self._outputs.out))
            happening = live.events()
            start()
            try:
                on_start()
                threading.Thread(
                    target=self._report_losses, args=(happening,), name="odyssey-losses", daemon=True
                ).start()
                self.step("waiting for the first picture")
                self._take(frames, ending, on_first)
            except KeyboardInterrupt:
                ending.why = "interrupted"
            except OdysseyError as error:
                ending.why, ending.error = "error", error
        if recording is not None:
            ending.frames, ending.dropped = recording.frames, recording.dropped
        return ending

    def _report_losses(self, happening: Iterator[Event]) -> None:
        """Report each loss of the connection, and each pause of the video, until the connection ends."""
        with contextlib.suppress(BrokenPipeError):  # the reader is gone; the other thread ends for that reason
            for event in happening:
                match event:
                    case StatusChanged(status=ConnectionStatus.RECONNECTING):
                        self.emit({"type": "lost"}, "the connection was lost; reconnecting")
                    case GapEvent(seconds=seconds) if not self._is_over:
                        data = {"type": "gap", "seconds": round(seconds, 3), "frames_missed": event.frames_missed}
                        self.emit(data, f"the video resumes after {seconds:.1f} s")

    def _take(self, frames: Iterator[VideoFrame], ending: Ending, on_first: Callable[[float], object]) -> None:
        length_s = self._outputs.seconds
        for frame in frames:
            if not ending.frames:
                ending.first_at = frame.received_at
                on_first(ending.first_at)
                if self._is_typed_into:
                    self._display.close()
                    self._show = _nothing
            elapsed_s = frame.received_at - ending.first_at
            if length_s is not None and elapsed_s >= length_s:
                ending.why = "length"
                return
            ending.frames += 1
            ending.dropped += frame.dropped_before
            ending.last_at = frame.received_at
            ending.width, ending.height = frame.width, frame.height
            for sink in self._sinks:
                sink.put(frame)
            self._show("streaming", None if length_s is None else elapsed_s / length_s)

    def report(self, ending: Ending, more: dict[str, Any]) -> None:
        """Print the result of the stream, with ``more`` in the JSON; then raise the error that ended it, if any.

        Raises:
            OdysseyError: the error that ended it.
            KeyboardInterrupt: it was interrupted although its length was given.
        """
        self._is_over = True
        self._display.close()
        outputs = self._outputs
        if ending.why == "ended" and outputs.seconds is not None and not outputs.as_json:
            _output.note("the service has ended the stream")
        written = outputs.out if ending.frames else None
        if outputs.as_json:
            _output.print_json(
                {"type": "result", **more, **ending.to_dict(), "file": None if written is None else str(written)}
            )
        else:
            where = "" if written is None else f"{written}: "
            # stdout is for results that a program may want; with --raw -, for the pictures.
            (_output.note if outputs.raw_is_stdout else print)(where + str(ending))
        if ending.error is not None:
            raise ending.error
        if ending.why == "interrupted" and outputs.seconds is not None:
            raise KeyboardInterrupt
