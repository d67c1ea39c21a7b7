"""A command whose program is loaded once, and forked for each run: for commands that are run dozens of times.

Each run is a separate process with the arguments, working directory, streams and environment of its caller. An
interrupt of the caller is passed on to the run, and the caller exits with its status: only the time for loading
Python and the libraries is saved. The program must start no thread while it loads.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Final

from tests.support.forking import become, next_run, receive

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["preloaded"]

_ENDS_WITHIN_S: Final = 30.0
_LIBRARIES: Final = ("aiohttp", "aiortc", "av", "odyssey_proto._net.webrtc.peer")

_RUN: Final = """
import json, os, signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until there is a run to pass it on to
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
call = json.dumps([dict(os.environ), os.getcwd(), sys.argv[2:]]).encode()
socket.send_fds(sock, [b"%10d" % len(call)], [0, 1, 2])
sock.sendall(call)
os.close(0), os.close(1)
answers = sock.makefile("rb")
number = int(answers.readline() or b"0")
while True:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        status = int(answers.readline() or b"1")
        break
    except KeyboardInterrupt:
        os.kill(number, signal.SIGINT)
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@contextlib.contextmanager
def preloaded(module: str) -> Iterator[tuple[str, ...]]:
    """Load a program, ``python -m module``, and yield a command that runs it (on Windows, without a fork)."""
    if not hasattr(os, "fork"):
        yield sys.executable, "-m", module
        return
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        arguments = [sys.executable, "-m", __name__, path, module]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, start_new_session=True) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == b"ready\n"
                yield sys.executable, "-I", "-S", "-c", _RUN, path
            finally:
                os.killpg(server.pid, signal.SIGKILL)  # and every run that has not ended


def _serve(path: str, module: str) -> None:
    for name in (*_LIBRARIES, module):
        importlib.import_module(name)
    del sys.modules[module]  # each run executes it, as its main module
    sock = next_run(path)
    streams, call = receive(sock)
    become(sock, streams)
    environment, folder, arguments = json.loads(call)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
