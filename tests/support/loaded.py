"""Emulators in processes of their own that start at once: forked from one that has loaded everything.

Loading takes a second of a core, and hundreds of tests need such an emulator. Not on Windows, which has no fork.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Final

from tests.support import watched
from tests.support.forking import become, next_run

__all__ = ["AVAILABLE", "Run", "run"]

AVAILABLE: Final = hasattr(os, "fork")
_MOST_BYTES: Final = 1 << 16


class Run:
    """One emulator, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, sock: socket.socket, stdin: IO[str], stdout: IO[str]) -> None:
        self._answers = sock.makefile("r")
        self._sock = sock
        self._status: int | None = None
        self.stdin = stdin
        self.stdout = stdout
        self.pid = int(self._answers.readline())

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            if self._status is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status, negative for a signal."""
        if self._status is None:
            if not select.select([self._sock], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("emulator", timeout or 0)
            self._status = int(self._answers.readline())
            self._answers.close()
            self._sock.close()
        return self._status


def run(arguments: list[str], stderr: IO[str]) -> Run:
    """Start ``python tests/support/watched.py ARGUMENTS``."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(_server())
    (child_in, stdin), (stdout, child_out) = os.pipe(), os.pipe()
    socket.send_fds(sock, [json.dumps(arguments).encode()], [child_in, child_out, stderr.fileno()])
    os.close(child_in)
    os.close(child_out)
    return Run(sock, os.fdopen(stdin, "w"), os.fdopen(stdout))


@functools.cache
def _server() -> str:
    """Return the path of the socket of this process's server."""
    folder = tempfile.TemporaryDirectory(prefix="loaded-")
    path = f"{folder.name}/socket"
    command = [sys.executable, "-m", __name__, path]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)

    def end() -> None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        folder.cleanup()

    atexit.register(end)
    with server.stdout or contextlib.nullcontext() as ready:
        assert ready is not None
        assert ready.readline() == b"ready\n"
    return path


def _serve(path: str) -> None:
    watched.load()
    sock = next_run(path)
    arguments, streams, *_ = socket.recv_fds(sock, _MOST_BYTES, 3)
    become(sock, streams)
    sys.argv = [str(Path(watched.__file__)), *json.loads(arguments)]
    watched.main()


if __name__ == "__main__":
    _serve(sys.argv[1])
