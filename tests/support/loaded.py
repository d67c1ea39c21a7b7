"""Emulators and scripts in separate processes that start at once: forked from one that has loaded everything.

Loading takes more than a second of CPU time, and hundreds of tests need such a process. Windows has no fork, so
these processes are not available there.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from tests.support.forking import become, next_run, receive, send

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["AVAILABLE", "Run", "run", "serve"]

AVAILABLE: Final = hasattr(os, "fork")
_ROOT: Final = Path(__file__).parents[2]
_START: Final = f"import sys; from {__name__} import serve; serve(*sys.argv[1:])"


class Run:
    """One process, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, sock: socket.socket, stdin: IO[str], stdout: IO[str]) -> None:
        self._answers = sock.makefile("r")
        self._sock = sock
        self._status: int | None = None
        self.stdin = stdin
        self.stdout = stdout
        self.pid = int(self._answers.readline())

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
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
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self._status = int(self._answers.readline())
            self._answers.close()
            self._sock.close()
        return self._status


def run(program: str, arguments: list[str], stderr: IO[str], namespaces: Sequence[str] = ()) -> Run:
    """Start a program in the environment and working directory of the caller; on Linux, also in ``namespaces``.

    An ``emulator`` runs as ``python tests/support/watched.py ARGUMENTS``, a ``script`` as ``python -c ARGUMENTS``.
    """
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(_server())
    (child_in, stdin), (stdout, child_out) = os.pipe(), os.pipe()
    message = json.dumps([program, arguments, dict(os.environ), str(Path.cwd()), [*namespaces]]).encode()
    send(sock, [child_in, child_out, stderr.fileno()], message)
    os.close(child_in)
    os.close(child_out)
    return Run(sock, os.fdopen(stdin, "w"), os.fdopen(stdout))


@functools.cache
def _server() -> str:
    """Return the path of the socket of this process's server."""
    folder = tempfile.TemporaryDirectory(prefix="loaded-")
    path = f"{folder.name}/socket"
    command = [sys.executable, "-c", _START, path]
    server = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    )

    def end() -> None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        folder.cleanup()

    atexit.register(end)
    with server.stdout or contextlib.nullcontext() as ready:
        assert ready is not None
        assert ready.readline() == b"ready\n"
    return path


def _load() -> None:
    """Load the modules that emulators and scripts need, without starting a thread."""
    importlib.import_module("tests.support.watched").load()
    package = importlib.import_module("odyssey_proto")
    for name in package.__all__:
        getattr(package, name)
    importlib.import_module("odyssey_proto._net.webrtc.peer")


def _run_emulator() -> None:
    importlib.import_module("tests.support.watched").main()


def _run_script() -> None:
    code = sys.argv.pop(1)
    variables = sys.modules["__main__"].__dict__  # the script is the main module
    for name in [name for name in variables if not name.startswith("__")]:
        del variables[name]
    exec(compile(code, "<string>", "exec"), variables)


def _enter(namespace: str) -> None:
    """Enter a namespace with this process, which ``nsenter`` cannot: it can only start a new program there."""
    with Path(namespace).open("rb") as found:
        if ctypes.CDLL(None, use_errno=True).setns(found.fileno(), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)


_PROGRAMS: Final[dict[str, Callable[[], None]]] = {"emulator": _run_emulator, "script": _run_script}


def serve(path: str) -> None:
    """Fork for each run that is requested at ``path``; return only in the process of a run, at its end."""
    _load()
    sock = next_run(path)
    streams, message = receive(sock)
    become(sock, streams)
    program: str
    arguments: list[str]
    environment: dict[str, str]
    namespaces: list[str]
    program, arguments, environment, folder, namespaces = json.loads(message)
    for namespace in namespaces:
        _enter(namespace)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["-c", *arguments]
    _PROGRAMS[program]()
