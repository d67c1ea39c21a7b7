"""The command of a client: all of its output arrives, and no process or thread is left, whatever it does."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from odyssey_proto import OdysseyConfigError
from odyssey_proto.conformance._command import LONGEST_LINE, RunningCommand, StoppedError
from tests.support.processes import eventually

WAIT_S = 20.0
LEAVES_A_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
"""


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


def lines_of(running: RunningCommand) -> list[bytes]:
    return list(iter(lambda: running.next_line(WAIT_S), None))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):  # it may end between the two calls
        return False
    return state != "Z"  # a zombie has ended, but its status has not been read


def test_lines_go_in_and_come_out_the_last_one_without_its_end() -> None:
    program = "import sys\nfor line in sys.stdin: print(line, end='')"
    with RunningCommand(python(program), [b"one\n", b"two\n", b"x" * 200_000]) as running:
        assert lines_of(running) == [b"one", b"two", b"x" * 200_000]
        assert running.end(WAIT_S) == ""


@pytest.mark.parametrize(
    ("program", "end"),
    [
        ("raise SystemExit(3)", "it ended with status 3"),
        ("import os; os.abort()", "it was ended by SIGABRT"),
        ("import os; os.kill(os.getpid(), 40)", "it was ended by signal 40"),
        ("import os, time; os.close(1); time.sleep(600)", "it closed its stdout, and did not end"),
    ],
)
def test_how_it_ended_is_reported(program: str, end: str) -> None:
    with RunningCommand(python(program), []) as running:
        assert running.next_line(WAIT_S) is None
        assert running.end(0.3 if "closed" in end else WAIT_S) == end


def test_a_long_line_is_cut_and_the_next_one_is_whole() -> None:
    program = f"print('x' * {3 * LONGEST_LINE}); print('next')"
    with RunningCommand(python(program), []) as running:
        first, second = lines_of(running)
    assert LONGEST_LINE < len(first) < 2 * LONGEST_LINE
    assert (first.strip(b"x"), second) == (b"", b"next")


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(600)",  # and does not read its stdin
        "import os\nwhile True: os.write(1, b'y\\n' * 30_000)",
        "import os\nwhile True: os.write(1, b'x' * 65_536)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    ],
)
def test_one_that_would_go_on_for_ever_is_ended_with_its_threads(program: str) -> None:
    before = set(threading.enumerate())
    with RunningCommand(python(program), [b"x" * 1_000_000 + b"\n"]) as running:
        pid = running._process.pid
    assert not is_running(pid)
    eventually(lambda: set(threading.enumerate()) <= before)


@pytest.mark.parametrize("goes_on", ["", "import time; time.sleep(600)"])
def test_what_it_has_started_ends_with_it_even_if_it_holds_the_pipes(goes_on: str) -> None:
    with RunningCommand(python(LEAVES_A_CHILD + goes_on), []) as running:
        child = int(running.next_line(WAIT_S) or b"")
        assert is_running(child)
        if not goes_on:
            assert running.next_line(WAIT_S) is None, "nothing more can come from the command itself"
    eventually(lambda: not is_running(child), within=WAIT_S)


def test_a_last_line_is_read_though_it_comes_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odyssey_proto.conformance._command._DRAINED_WITHIN_S", WAIT_S)  # to start another Python
    late = "import time; time.sleep(1); print('late')"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {late!r}])"
    with RunningCommand(python(program), []) as running:
        assert lines_of(running) == [b"late"]


def test_a_silent_one_is_waited_for_only_so_long() -> None:
    with RunningCommand(python("import time; time.sleep(600)"), []) as running, pytest.raises(TimeoutError):
        running.next_line(0.1)


def test_a_check_that_is_ended_does_not_wait() -> None:
    stop = threading.Event()
    with RunningCommand(python("import os, time; os.close(1); time.sleep(600)"), [], stop=stop) as running:
        assert running.next_line(WAIT_S) is None
        stop.set()
        with pytest.raises(StoppedError):
            running.end(WAIT_S)
    with (
        RunningCommand(python("import time; time.sleep(600)"), [], stop=stop) as running,
        pytest.raises(StoppedError),
    ):
        running.next_line(WAIT_S)


def test_its_environment_and_its_signals_are_its_own() -> None:
    program = "import os, signal; print(os.environ['WORD'], os.getsid(0) == os.getpid())"
    with RunningCommand(python(program), [], {**os.environ, "WORD": "hello"}) as running:
        assert running.next_line(WAIT_S) == b"hello True"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("command", ["/nonexistent/adapter", "/", "a\0b"])
def test_one_that_cannot_be_started_is_refused(command: str) -> None:
    with pytest.raises(OdysseyConfigError, match="cannot be started: "):
        RunningCommand((command,), [])


def test_each_thread_closes_its_pipe_even_if_it_ends_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odyssey_proto.conformance._command._JOIN_S", 0.0)
    with RunningCommand(python("import os\nwhile True: os.write(1, b'y\\n' * 30000)"), []) as running:
        assert running.next_line(WAIT_S) == b"y"
    eventually(lambda: not any(thread.is_alive() for thread in running._threads))
    assert running._process.stdin is not None
    assert running._process.stdout is not None
    assert (running._process.stdin.closed, running._process.stdout.closed) == (True, True)
