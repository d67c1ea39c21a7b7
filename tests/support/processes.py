"""Scripts in separate processes, as users run them.

Most are forked from a process that has loaded the library, and from then on run as with ``python -c``. Only a
separate process can be interrupted, reach its end or be killed. A script has a ``client`` of the emulator that the
test names; ``say`` sends values to the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from odyssey_proto import AdvancedConfig, Odyssey, OdysseyError
from tests.support import loaded

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "LOADING_S",
    "PATIENCE_S",
    "PATIENT",
    "Process",
    "command",
    "emulator_process",
    "eventually",
    "growing_timeouts",
    "is_waited_for",
    "loaded_command",
    "loaded_python",
    "python",
    "script",
    "script_arguments",
    "sessions_are_free",
    "unread_command",
]

_WATCHED = Path(__file__).with_name("watched.py")

PATIENCE_S = 30.0
"""The time after which something that should happen at once counts as a hang."""

LOADING_S = 3 * PATIENCE_S
"""The same for a process that loads everything itself, which takes 10 s or more on a busy machine."""

_SHOWN = 10_000
"""Number of characters to show from the end of a process's standard error if a test fails."""

PATIENT = """
import odyssey_proto.client
from odyssey_proto._live import driver, live_connection
odyssey_proto.client._CLOSE_S = driver.LEAVE_S = live_connection.LEAVE_S = 20.0
"""
"""The beginning of a script whose end waits until the session is given back. On a busy machine, this may take
longer than the promised time, and giving the session back may need another connection."""

_COMMAND = "import sys; from odyssey_proto.cli import main; sys.exit(main())"

_PRELUDE = """
import json, sys, threading, time
from odyssey_proto import *

def say(*what):
    print(json.dumps(what), flush=True)

def first_frames(session, count=5):
    frames = session.frames(timeout=10)
    for _ in range(count):
        next(frames)
    return frames

client = Odyssey(sys.argv[2], api_url=sys.argv[1], **json.loads(sys.argv[3]))
"""


class Process:
    """A process and its output; killed at the end of the ``with`` if it still runs.

    It inherits the descriptors of ``keep``.
    """

    _patience_s = LOADING_S

    def __init__(
        self, arguments: Sequence[str], *, keep: Sequence[int] = (), objections: Path | None = None
    ) -> None:
        self._objections = objections
        # Closed in `__exit__`; the output of a killed process may end in the middle of a character.
        self._stderr: IO[str] = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._popen = self._start(arguments, keep)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _start(self, arguments: Sequence[str], keep: Sequence[int]) -> subprocess.Popen[str] | loaded.Run:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            pass_fds=keep,
        )

    def line(self, within: float | None = None) -> str:
        """Return the next line that it prints."""
        within = self._patience_s if within is None else within
        try:
            line = self._lines.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"nothing was printed within {within} s; stderr: {self.stderr}") from None
        assert line is not None, f"it ended before the line; stderr: {self.stderr}"
        return line

    def next_line(self) -> str | None:
        """Wait for the next line that it prints; None at its end."""
        return self._lines.get()

    def said(self, within: float | None = None) -> list[Any]:
        """Return the values of the script's next ``say``."""
        told: list[Any] = json.loads(self.line(within))
        return told

    def rest(self) -> list[str]:
        """Return the unread lines that it prints until its end."""
        return list(iter(self._lines.get, None))

    def tell(self, text: str = "") -> None:
        """Write a line to its standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(f"{text}\n")
        self._popen.stdin.flush()

    def signal(self, number: signal.Signals) -> float:
        """Send a signal and return the time."""
        self._popen.send_signal(number)
        return time.monotonic()

    def ended(self, within: float | None = None) -> int:
        """Wait for its end and return its exit status, negative for a signal."""
        within = self._patience_s if within is None else within
        try:
            return self._popen.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {within} s; stderr: {self.stderr}") from None

    @property
    def stderr(self) -> str:
        """Its standard error output so far."""
        self._stderr.seek(0)
        return self._stderr.read()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.wait()
        self._reader.join()
        print(self.stderr[-_SHOWN:], end="", file=sys.stderr)  # pytest shows it if the test fails
        for pipe in (self._popen.stdin, self._popen.stdout, self._stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        if self._objections is not None:
            broken = self._objections.read_text("utf-8")
            self._objections.unlink()
            assert not broken, f"the contract was broken:\n{broken}"


class _Loaded(Process):
    """A program that is forked from a process that has loaded it (`loaded`); its name is the first argument."""

    _patience_s = PATIENCE_S

    def __init__(
        self, arguments: Sequence[str], *, objections: Path | None = None, namespaces: Sequence[str] = ()
    ) -> None:
        self._namespaces = namespaces
        super().__init__(arguments, objections=objections)

    def _start(self, arguments: Sequence[str], keep: Sequence[int]) -> loaded.Run:
        program, *others = arguments
        return loaded.run(program, others, self._stderr, self._namespaces)


def python(*arguments: str) -> Process:
    """Start Python."""
    return Process([sys.executable, *arguments])


def loaded_python(code: str, *arguments: str, namespaces: Sequence[str] = ()) -> Process:
    """Start a ``python -c`` that has loaded the library already; on Linux, also in other namespaces."""
    if not loaded.AVAILABLE:
        return python("-c", code, *arguments)
    return _Loaded(["script", code, *arguments], namespaces=namespaces)


def command(*arguments: str) -> Process:
    """Start the command ``odyssey-proto``."""
    return python("-m", "odyssey_proto", *arguments)


def loaded_command(*arguments: str) -> Process:
    """Start the command ``odyssey-proto`` in a process that has loaded the library and the emulator already."""
    return loaded_python(_COMMAND, *arguments)


def unread_command(*arguments: str) -> Process:
    """Start the same command with a pipe as its stdout whose reading end is closed."""
    left = "import os; reader, writer = os.pipe(); os.dup2(writer, 1); os.close(reader); os.close(writer)\n"
    return loaded_python(left + _COMMAND, *arguments)


def script(
    code: str,
    api_url: str,
    *,
    key: str = "ody_test",
    fresh: bool = False,
    namespaces: Sequence[str] = (),
    **options: Any,
) -> Process:
    """Start a script.

    Args:
        code: without the lines that make its ``client``.
        api_url: of the emulator.
        key: of the client.
        fresh: whether a new Python loads everything, for tests of how it begins and ends; this takes half a second
            of CPU time.
        namespaces: the files of the Linux namespaces in which it runs, unless it is fresh.
        options: other arguments of its client.
    """
    arguments = script_arguments(code, api_url, key=key, **options)
    if fresh:
        return Process(arguments)
    _, _, *others = arguments
    return loaded_python(*others, namespaces=namespaces)


def script_arguments(code: str, api_url: str, *, key: str = "ody_test", **options: Any) -> list[str]:
    """Return the command that `script` runs."""
    return [sys.executable, "-c", _PRELUDE + textwrap.dedent(code), api_url, key, json.dumps(options)]


@contextlib.contextmanager
def emulator_process(namespaces: Sequence[str] = (), **settings: Any) -> Iterator[tuple[Process, str]]:
    """Run an emulator in a separate process, which can be stopped and killed; yield it and its URL.

    On Linux, it may run in other namespaces, which are given by their files.

    It does not record, and its pictures are small, unless ``settings`` say otherwise. Its traffic is checked
    against ``spec/`` (`odyssey_proto.conformance`).
    """
    descriptor, report = tempfile.mkstemp(suffix=".txt")
    os.close(descriptor)
    settings = {"record": False, "size": (512, 64), **settings}
    arguments = [report, json.dumps(settings)]
    objections = Path(report)
    with (
        _Loaded(["emulator", *arguments], objections=objections, namespaces=namespaces)
        if loaded.AVAILABLE
        else Process([sys.executable, str(_WATCHED), *arguments], objections=objections)
    ) as emulator:
        yield emulator, json.loads(emulator.line())["api_url"]


def growing_timeouts(first_s: float) -> Iterator[float]:
    """Yield longer and longer timeouts, in s: a busy machine needs longer to reach the step that is tested."""
    timeout_s = first_s
    while timeout_s < PATIENCE_S:
        yield timeout_s
        timeout_s *= 2


def is_waited_for(thing: Any) -> bool:
    """Return whether a thread waits for ``thing``, an event or a condition."""
    return len(getattr(thing, "_cond", thing)._waiters) > 0


def eventually(condition: Callable[[], object], within: float = PATIENCE_S) -> None:
    """Wait until ``condition`` holds."""
    gives_up_at, pause = time.monotonic() + within, threading.Event()
    while not condition():
        assert time.monotonic() < gives_up_at, f"it did not come true within {within} s"
        pause.wait(0.01)


def sessions_are_free(api_url: str, key: str = "ody_test") -> bool:
    """Return whether a new session is granted at once: the key may have only one, so no session is left over."""
    # With this library's client, because `requests` alone cannot read the messages of a sloppy emulator.
    with Odyssey(key, api_url=api_url, advanced=AdvancedConfig(queue_timeout_s=0)) as client:
        try:
            client.create_client_credentials(timeout=PATIENCE_S)
        except OdysseyError:
            return False
    return True
