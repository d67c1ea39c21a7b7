"""A server that has loaded a program, and forks itself for each run of it, for `loaded` and `preloaded`.

A run is a separate process with the streams of its caller. The caller sends the streams together with the length
of a message in ten characters, and then the message. It receives the process ID of the run, and later its exit
status, each on a line. The modules that the server has loaded must not have started a thread.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from typing import Final

__all__ = ["become", "next_run", "receive", "send"]

_LOOKS_EVERY_S: Final = 5.0
_HEAD: Final = 10
_MOST_BYTES: Final = 1 << 20


def send(sock: socket.socket, streams: list[int], message: bytes) -> None:
    """Send a server the streams of a run, and the message that says what to run."""
    socket.send_fds(sock, [b"%*d" % (_HEAD, len(message))], streams)
    sock.sendall(message)


def receive(sock: socket.socket) -> tuple[list[int], bytes]:
    """Return the streams of a run, and its message."""
    head, streams, *_ = socket.recv_fds(sock, _HEAD, 3)
    message = b""
    while len(message) < int(head):
        message += sock.recv(_MOST_BYTES)
    return streams, message


def next_run(path: str) -> socket.socket:
    """Listen at ``path``, and print ``ready``; fork for each caller, and return its connection in the child."""
    parent = os.getppid()
    gc.freeze()  # collecting garbage in a child would copy every page of the loaded modules
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
    """Fork, and return only in the child, which becomes the run, with ``streams`` as its first descriptors.

    The parent reports the number and the status of the run to the caller, and exits.
    """
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
