"""Prompts that steer a running stream: scheduled, and typed by the user. One thread sends them all."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import attrs

from .._base.errors import OdysseyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..session import Session

__all__ = ["Steered", "Steering", "typed_lines"]

_READING_ENDS_S: Final = 2.0
_LINE_MOST_BYTES: Final = 8192
_BACKGROUND_S: Final = 0.5


@attrs.frozen(kw_only=True)
class Steered:
    """The outcome of one prompt."""

    at_s: float
    """Time of sending, in s from the first picture."""
    prompt: str
    """The prompt as given."""
    applied_prompt: str | None
    """The prompt as the service applied it; None if it did not."""
    error: OdysseyError | None
    """Why it was not applied; None if it was."""
    is_typed: bool
    """Whether it was typed."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        error = None if self.error is None else self.error.to_dict()
        return {**attrs.asdict(self, recurse=False), "error": error}


class Steering:
    """Sends prompts to ``session`` during a ``with``, from `begin` on.

    Args:
        session: a session with a stream.
        schedule: times in s from the first picture, each with its prompt.
        on_sent: called with the outcome of each prompt, on the thread that sends them.
        first: called on that thread before any prompt, as soon as the ``with`` begins.
    """

    def __init__(
        self,
        session: Session,
        schedule: Sequence[tuple[float, str]],
        on_sent: Callable[[Steered], object],
        first: Callable[[], object] | None = None,
    ) -> None:
        self._session = session
        self._due = sorted(schedule, key=lambda item: item[0])
        self._on_sent = on_sent
        self._first = first
        self._typed: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._begun_at: float | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="odyssey-steering", daemon=True)

    def begin(self, at: float) -> None:
        """Set the time of the first picture, in s of `time.monotonic`."""
        self._begun_at = at
        self._typed.put(None)  # only to wake the thread

    def type(self, line: str) -> None:
        """Send a line as soon as the stream runs."""
        self._typed.put(line)

    def __enter__(self) -> Steering:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._typed.put(None)
        self._thread.join(_READING_ENDS_S)  # an answer that takes longer is not awaited

    def _run(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads the reports: the main thread ends
            if self._first is not None:
                self._first()
            for prompt, is_typed in self._prompts():
                self._send(prompt, is_typed=is_typed)

    def _prompts(self) -> Iterator[tuple[str, bool]]:
        """Yield each prompt when it is due; at the end, all that were due before it, if this thread was late."""
        waiting: list[str] = []  # typed before the first picture
        while True:
            is_last = self._is_over
            begun_at = self._begun_at
            if begun_at is not None:
                yield from ((line, True) for line in waiting)
                waiting.clear()
                while self._due and self._due[0][0] <= time.monotonic() - begun_at:
                    yield self._due.pop(0)[1], False
            if is_last:
                return
            pause_s = None
            if begun_at is not None and self._due:
                pause_s = max(0.0, begun_at + self._due[0][0] - time.monotonic())
            with contextlib.suppress(queue.Empty):
                if (line := self._typed.get(timeout=pause_s)) is not None:
                    waiting.append(line)

    def _send(self, prompt: str, *, is_typed: bool) -> None:
        at_s = round(time.monotonic() - (self._begun_at or 0.0), 3)
        applied, error = None, None
        try:
            applied = self._session.interact(prompt)
        except OdysseyError as exc:
            error = exc
        if self._is_over and error is not None:
            return  # the stream ended first
        self._on_sent(Steered(at_s=at_s, prompt=prompt, applied_prompt=applied, error=error, is_typed=is_typed))


@contextlib.contextmanager
def typed_lines(take: Callable[[str], object]) -> Iterator[None]:
    """Call ``take``, on a thread of its own, with each line from stdin that is not blank, stripped.

    A background process of a terminal is not stopped for reading: it waits until it is in the foreground again.
    """
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # there is no stdin
        yield
        return
    with _unstopped():
        # The thread is left behind at the end: nothing ends a read. It holds no lock of `sys.stdin`.
        threading.Thread(target=_read, args=(descriptor, take), name="odyssey-typing", daemon=True).start()
        yield


@contextlib.contextmanager
def _unstopped() -> Iterator[None]:
    if not hasattr(signal, "SIGTTIN") or threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTTIN, earlier)


def _read(descriptor: int, take: Callable[[str], object]) -> None:
    rest = b""
    while True:
        try:
            chunk = os.read(descriptor, _LINE_MOST_BYTES)
        except OSError:
            if not os.isatty(descriptor):
                return
            time.sleep(_BACKGROUND_S)
            continue
        if not chunk:
            chunk, is_over = (b"\n" if rest else b""), True  # the last line may have no end
        else:
            is_over = False
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if text := line.decode(errors="replace").strip():
                take(text)
        if is_over:
            return
        rest = rest[-_LINE_MOST_BYTES:]
