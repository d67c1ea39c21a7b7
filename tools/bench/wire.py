"""Two machines on one: network namespaces, joined by a wire that loses, delays and reorders packets.

The kernels of many machines have no `netem`, so a small C program carries the packets between two TUN devices; it
is compiled with gcc when it is needed. This needs root. Packets of both directions are impaired alike, requests
and retransmissions included, by a random number generator with a seed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CLIENT", "SERVICE", "Weather", "Wire", "missing"]

SERVICE: Final = "10.89.0.1"
"""Address of the first machine."""
CLIENT: Final = "10.89.0.2"
"""Address of the second machine."""

_SOURCE: Final = Path(__file__).with_name("wire.c")
_UNSHARE: Final = ("unshare", "--net")
_PATIENCE_S: Final = 30

# In the namespace: create the device, pass its descriptor, and keep the namespace until standard input ends.
_PLUG: Final = """
import fcntl, os, socket, struct, subprocess, sys
line, address = sys.argv[1:]
device = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(device, 0x400454CA, struct.pack("16sH", b"wire", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
for command in (
    f"addr add {address}/24 dev wire",
    "link set wire up txqueuelen 2000",
    "link set lo up",
    "route add default dev wire",  # Chromium offers the address that it would reach others from
):
    subprocess.run(["ip", *command.split()], check=True)
with socket.socket(fileno=int(line)) as outside:
    socket.send_fds(outside, [b"x"], [device])
os.close(device)
sys.stdin.read()
"""


def missing() -> str:
    """Return a text with the prerequisites that this machine lacks for such a wire; empty if none."""
    lacking = [name for name in ("gcc", "ip", "nsenter", "unshare") if not shutil.which(name)]
    if sys.platform != "linux" or lacking:
        return f"needs Linux with {', '.join(lacking) or 'namespaces'}"
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return "needs root and /dev/net/tun"
    return ""


@attrs.frozen(kw_only=True)
class Weather:
    """The impairments of packets, in both directions alike."""

    loss: float = 0.0
    """Share of the packets that are lost, from 0 to 1."""
    bursts: float = 0.0
    """Share of the packets that are lost 3 to 10 in a row, from 0 to 1."""
    delay_ms: float = 0.0
    """The delay of each packet: half of the round trip."""
    jitter_ms: float = 0.0
    """The largest deviation of a packet from that delay."""
    rate: float = 0.0
    """Bits per s; 0 for no limit."""
    queue_s: float = 0.2
    """How long packets may queue because of the rate, in s; others are lost."""
    outage_from_s: float = 0.0
    """The beginning of an outage, in s from the beginning of this weather."""
    outage_s: float = 0.0
    """The length of the outage, in s; 0 for none."""


class Wire:
    """The two machines and the wire between them, during the ``with``."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._plugs: list[subprocess.Popen[bytes]] = []
        self._carrier: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        program = Path(self._folder.name) / "wire"
        subprocess.run(["gcc", "-O2", "-o", str(program), str(_SOURCE)], check=True)
        devices = [self._plug(address) for address in (SERVICE, CLIENT)]
        self._carrier = subprocess.Popen(
            [str(program), *map(str, devices)],
            pass_fds=devices,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for device in devices:
            os.close(device)
        self.set(Weather())
        return self

    def _plug(self, address: str) -> int:
        here, there = socket.socketpair()
        with here, there:
            here.settimeout(_PATIENCE_S)
            call = [*_UNSHARE, sys.executable, "-c", _PLUG, str(there.fileno()), address]
            self._plugs.append(subprocess.Popen(call, pass_fds=(there.fileno(),), stdin=subprocess.PIPE))
            _, (device,), _, _ = socket.recv_fds(here, 1, 1)
        os.set_blocking(device, False)
        return device

    def __exit__(self, *_: object) -> None:
        if self._carrier is not None:
            self._carrier.communicate(timeout=_PATIENCE_S)
        for plug in self._plugs:
            plug.communicate(timeout=_PATIENCE_S)
        self._folder.cleanup()

    def start(self, address: str, call: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a process on the machine with ``address``."""
        plug = self._plugs[(SERVICE, CLIENT).index(address)]
        enter = ["nsenter", f"--net=/proc/{plug.pid}/ns/net", *call]
        return subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)

    def set(self, weather: Weather, seed: int = 1) -> None:
        """Change the weather; packets already under way arrive as they would have."""
        self._say(" ".join(str(float(value)) for value in (*attrs.astuple(weather), seed)))

    def lost(self) -> tuple[int, int]:
        """Return how many packets were lost since the last `set`, from the first machine and from the second."""
        self._say("")
        assert self._carrier is not None
        assert self._carrier.stdout is not None
        counts = [int(count) for count in self._carrier.stdout.readline().split()]
        return counts[1] + counts[2], counts[4] + counts[5]

    def _say(self, line: str) -> None:
        assert self._carrier is not None
        assert self._carrier.stdin is not None
        self._carrier.stdin.write(line + "\n")
        self._carrier.stdin.flush()
