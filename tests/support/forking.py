"""A server that has loaded a program, and forks itself for each run of it, for `loaded` and `preloaded`.

A run is a process of its own, with the streams of its caller. The caller sends them with the length of a message
in ten digits, and then the message. It gets the number of the run, and then its status, each on a line. What the
server has loaded must not have started a thread.
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
    """Send a server the streams of a run, and what it is to do."""
    socket.send_fds(sock, [b"%*d" % (_HEAD, len(message))], streams)
    sock.sendall(message)


def receive(sock: socket.socket) -> tuple[list[int], bytes]:
    """Return the streams of a run, and what it is to do."""
    head, streams, *_ = socket.recv_fds(sock, _HEAD, 3)
    message = b""
    while len(message) < int(head):
        message += sock.recv(_MOST_BYTES)
    return streams, message


def next_run(path: str) -> socket.socket:
    """Listen at ``path``, and say ``ready``; in a child for each caller, return the connection to it."""
    parent = os.getppid()
    gc.freeze()  # collecting garbage would copy every page of what is loaded
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
