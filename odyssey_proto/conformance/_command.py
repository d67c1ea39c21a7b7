"""The command of a client while it runs: lines go in, lines come out, and no process is left afterwards.

The meaning of the lines is not known here. The command is not trusted: it may print without end, never read, close
its pipes, or leave processes behind that hold them.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Final, Self

from .._base.errors import OdysseyConfigError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LONGEST_LINE", "LOOK_EVERY_S", "RunningCommand", "StoppedError"]

LONGEST_LINE: Final = 8 * 2**20
"""The most bytes of a line; of a longer one, only the beginning is returned."""

_CHUNK: Final = 64 * 1024
_LINES_AHEAD: Final = 1000  # a command that prints without end waits, instead of filling the memory
LOOK_EVERY_S: Final = 0.1
_DRAINED_WITHIN_S: Final = 3.0
"""How long to wait for the last lines after a command's end: the reading thread may have to wait for a CPU."""
_JOIN_S: Final = 1.0


class StoppedError(Exception):
    """The check is being ended from outside."""


class RunningCommand:
    """One run of a command, with everything that it starts. Its stderr is that of this process.

    Args:
        command: the program and its arguments.
        lines: its input; its stdin is closed afterwards.
        environment: its environment; None for this process's own.
        stop: once it is set, `next_line` raises `StoppedError`.

    Raises:
        OdysseyConfigError: the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        lines: Iterable[bytes],
        environment: Mapping[str, str] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        try:
            # Only a session of its own can be ended as a whole.
            self._process = subprocess.Popen(  # noqa: S603  # the user's own command
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            why = (exc.strerror if isinstance(exc, OSError) else None) or exc
            raise OdysseyConfigError(f"{command[0]} cannot be started: {why}") from exc
        self._stop = stop or threading.Event()
        self._lines: queue.Queue[bytes | None] = queue.Queue(_LINES_AHEAD)
        self._is_over = False  # no more lines are taken
        self._threads = [
            threading.Thread(target=target, args=arguments, name="conformance-pipe", daemon=True)
            for target, arguments in ((self._write, (lines,)), (self._read, ()))
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over = True
        self._kill()
        self._process.wait()
        until = time.monotonic() + _JOIN_S
        # A process that has left the session may still hold a pipe: its thread then runs on, and closes it later.
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def next_line(self, timeout_s: float) -> bytes | None:
        """Return the next line that the command prints; None if no more can come.

        Raises:
            TimeoutError: none came within ``timeout_s`` s.
            StoppedError: the check is being ended.
        """
        until = time.monotonic() + timeout_s
        has_ended = False
        while True:
            with contextlib.suppress(queue.Empty):
                return self._lines.get(timeout=LOOK_EVERY_S)
            if self._stop.is_set():
                raise StoppedError
            if not has_ended and self._process.poll() is not None:
                has_ended, until = True, time.monotonic() + _DRAINED_WITHIN_S
            if time.monotonic() > until:
                if has_ended:  # a process left behind holds the stdout, but the command itself prints nothing more
                    return None
                raise TimeoutError

    def end(self, timeout_s: float) -> str:
        """Return an empty text if the command ends with status 0 within ``timeout_s`` s, else how it ended.

        Raises:
            StoppedError: the check is being ended.
        """
        until = time.monotonic() + timeout_s
        while (status := self._process.poll()) is None:
            if self._stop.is_set():
                raise StoppedError
            if time.monotonic() > until:
                return "it closed its stdout, and did not end"
            time.sleep(LOOK_EVERY_S / 10)
        if status >= 0:
            return f"it ended with status {status}" if status else ""
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-status).name}"
        return f"it was ended by signal {-status}"

    def _kill(self) -> None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left of it
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def _write(self, lines: Iterable[bytes]) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError), stdin:  # it no longer reads
            for line in lines:
                left = memoryview(line)
                while left:
                    left = left[stdin.write(left) :]

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            self._hand_over_lines(stdout)

    def _hand_over_lines(self, stdout: IO[bytes]) -> None:
        line, is_cut = bytearray(), False
        while chunk := stdout.read(_CHUNK):
            first, *others = chunk.split(b"\n")
            line += first
            for other in others:
                if not is_cut:
                    self._hand_over(bytes(line))
                line, is_cut = bytearray(other), False
            if len(line) > LONGEST_LINE:
                if not is_cut:
                    self._hand_over(bytes(line))
                line, is_cut = bytearray(), True
        if line and not is_cut:
            self._hand_over(bytes(line))
        self._hand_over(None)

    def _hand_over(self, line: bytes | None) -> None:
        """Queue a line, or None for the end, once there is room; do nothing once no more lines are taken."""
        while not self._is_over:
            with contextlib.suppress(queue.Full):
                self._lines.put(line, timeout=LOOK_EVERY_S)
                return
