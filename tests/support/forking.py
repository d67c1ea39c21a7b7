"""A server that has loaded a program, and forks itself for each run of it, for `loaded` and `preloaded`.

A run is a process of its own, with the streams of its caller. The caller gets its number, and then its status,
each on a line. What the server has loaded must not have started a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import Final

__all__ = ["become", "next_run"]

_LOOKS_EVERY_S: Final = 5.0


def next_run(path: str) -> socket.socket:
    """Listen at ``path``, and say ``ready``; in a child for each caller, return the connection to it."""
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(100)
        listener.settimeout(_LOOKS_EVERY_S)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that wait for the runs
        os.write(1, b"ready\n")
        while True:
            try:
                sock, _ = listener.accept()
            except TimeoutError:
                if os.getppid() != parent:  # the tests were killed
                    os.killpg(0, signal.SIGKILL)
                continue
            if not os.fork():
                break
            sock.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sock.setblocking(True)
    return sock


def become(sock: socket.socket, streams: list[int]) -> None:
    """Return in the process of the run, whose first descriptors are ``streams``; the caller is notified."""
    if child := os.fork():
        for stream in (*streams, 0, 1, 2):
            os.close(stream)
        with contextlib.suppress(OSError):
            sock.sendall(b"%d\n" % child)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with contextlib.suppress(OSError):
            sock.sendall(b"%d\n" % status)
        os._exit(0)
    sock.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
