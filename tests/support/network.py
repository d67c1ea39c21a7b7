"""A network of two machines that loses, delays and reorders packets, or carries none, as a test sets it.

Each machine is a network namespace with a TUN device; a thread of the test carries the IP
packets between the devices. The network stacks are those of the system: TCP retransmits and backs off, and a link
that is down sends no reset and no "unreachable". It needs no `netem`, and no root if user namespaces
are allowed.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from tests.support.processes import PATIENCE_S, Process, emulator_process, script

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CLIENT", "Network", "Weather", "missing"]

SERVICE: Final = "10.88.0.1"
"""Address of the first machine."""
CLIENT: Final = "10.88.0.2"
"""Address of the second."""

_PORT: Final = 8080
_MTU: Final = 1500
_UDP: Final = 17
_RTP_TYPE: Final = 29
"""Offset of the RTP payload type in an IP packet."""
_REPEATED: Final = (98, 100, 102)
"""The payload types that the emulator's aiortc offers for retransmission (RFC 4588) of its 97, 99 and 101."""
_UNSHARE: Final = ("unshare", "--map-root-user", "--net")

# In the namespace: make the device, pass its descriptor to the test, and keep the machine until the test ends.
_PLUG: Final = """
import fcntl, os, socket, struct, subprocess, sys
line, address = sys.argv[1:]
device = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(device, 0x400454CA, struct.pack("16sH", b"wire", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
for command in (f"addr add {address}/24 dev wire", "link set wire up", "link set lo up"):
    subprocess.run(["ip", *command.split()], check=True)
with socket.socket(fileno=int(line)) as test:
    socket.send_fds(test, [b"x"], [device])
os.close(device)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def missing() -> str:
    """Return the prerequisites that this machine lacks for such a network; empty if none."""
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return "needs Linux with unshare and ip"
    probe = "ip tuntap add dev probe mode tun && ip link set probe up"
    tried = subprocess.run([*_UNSHARE, "sh", "-c", probe], capture_output=True, text=True, check=False)
    return f"no TUN device in a network namespace: {tried.stderr.strip()}" if tried.returncode else ""


@attrs.frozen(kw_only=True)
class Weather:
    """The impairments of packets on their way."""

    down: bool = False
    """No packet arrives, and no error is reported."""
    loss: float = 0.0
    """Share of UDP packets that are lost, from 0 to 1. Losses would only slow TCP down."""
    late: float = 0.0
    """Share of UDP packets that others overtake, from 0 to 1."""
    late_by_s: float = 0.03
    """The delay of those packets, in s."""
    repeats: bool = True
    """Whether retransmitted video packets arrive. If not, lost packets stay lost."""


class Network:
    """The two machines and the wire between them, during the ``with``. Made for one test."""

    def __init__(self, seed: int = 1) -> None:
        self.weather = Weather()
        """The current weather; may be replaced at any time."""
        self.carried = 0
        """Number of packets that arrived."""
        self.lost = 0
        """Number of packets that did not."""
        self._random = random.Random(seed)
        self._devices: list[int] = []
        self._stop, self._stopped = os.pipe()
        self.running = contextlib.ExitStack()
        """The processes on both machines; closing it ends them."""
        self._wire = threading.Thread(target=self._carry, name="wire", daemon=True)

    def run(self, code: str, **settings: Any) -> Process:
        """Connect the machines; return a script that was started on the second, with an emulator on the first."""
        here, there = self._boot(SERVICE), self._boot(CLIENT)
        self._wire.start()
        _, url = self.running.enter_context(emulator_process(here, host=SERVICE, port=_PORT, **settings))
        return self.running.enter_context(script(code, url, namespaces=there))

    @contextlib.contextmanager
    def without_link(self) -> Iterator[None]:
        """Carry nothing during the block."""
        before, self.weather = self.weather, Weather(down=True)
        try:
            yield
        finally:
            self.weather = before

    def _boot(self, address: str) -> list[str]:
        here, there = socket.socketpair()
        with here, there:
            here.settimeout(PATIENCE_S)
            plug = [*_UNSHARE, sys.executable, "-c", _PLUG, str(there.fileno()), address]
            process = self.running.enter_context(Process(plug, keep=(there.fileno(),)))
            _, devices, _, _ = socket.recv_fds(here, 1, 1)
        assert devices, f"no network: {process.stderr}"
        os.set_blocking(devices[0], False)
        self._devices += devices
        number = process.line()
        return [f"/proc/{number}/ns/{kind}" for kind in ("user", "net")]

    # --- the wire

    def _carry(self) -> None:
        order = itertools.count()
        travelling: list[tuple[float, int, int, bytes]] = []
        while True:
            wait = max(0.0, travelling[0][0] - time.monotonic()) if travelling else None
            ready, _, _ = select.select([*self._devices, self._stop], [], [], wait)
            if self._stop in ready:
                return
            for device in ready:
                for packet in _packets(device):
                    arrives = self._arrival(packet)
                    if arrives is None:
                        self.lost += 1
                    else:
                        other = self._devices[1 - self._devices.index(device)]
                        heapq.heappush(travelling, (arrives, next(order), other, packet))
            while travelling and travelling[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(travelling)
                with contextlib.suppress(OSError):  # the machine is gone
                    os.write(device, packet)
                self.carried += 1

    def _arrival(self, packet: bytes) -> float | None:
        weather, now = self.weather, time.monotonic()
        if weather.down:
            return None
        if packet[0] >> 4 != 4 or packet[9] != _UDP:
            return now
        if self._random.random() < weather.loss or (not weather.repeats and packet[_RTP_TYPE] & 127 in _REPEATED):
            return None
        return now + (weather.late_by_s if self._random.random() < weather.late else 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stopped, struct.pack("B", 0))
        if self._wire.is_alive():
            self._wire.join(PATIENCE_S)
        try:
            self.running.close()
        finally:
            for descriptor in (*self._devices, self._stop, self._stopped):
                os.close(descriptor)


def _packets(device: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # no more packets for now, or the machine is gone
        for _ in range(64):
            yield os.read(device, _MTU + 4)
