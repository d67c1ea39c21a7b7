"""An emulator that sends a tape in a loop, so that painting and encoding do not disturb measurements.

    python -m tools.bench.projector TAPE LOGS CODEC FPS [LOSS [DEAD_STUN_PORT]]

prints the emulator's line of JSON and serves until it is killed. Each stream has a log in the folder LOGS, named
by its prompt. LOSS is the share of the packets of video that are not sent. DEAD_STUN_PORT is the local port of a
STUN server that does not answer, which clients are to use.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final, cast

import av
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import is_rtcp

from odyssey_proto.emulator._server import Emulator
from odyssey_proto.emulator._stream.camera import Camera
from tools.bench.tape import Log, Tape

_STREAMERS: Final = 40  # earlier sessions may not have ended yet


class _Nothing:
    """Stands in for a world whose pictures are on a tape."""

    def start(self, *_: Any) -> None:
        """Accept the prompt, whose text the stream keeps."""

    interact = start

    def picture(self, _: float) -> None:
        """Return nothing, as nobody looks."""


class _TapeCamera(Camera):
    """Passes on encoded pictures instead of painted ones. Skips none, because each refers to the one before."""

    def __init__(self, scenery: Any, *, tape: Tape, logs: Path, fps: int, **_: Any) -> None:
        super().__init__(scenery, fps=fps, stamped=False, before_each=_always)
        self._tape = tape
        self._log = Log(logs / scenery.applied_prompt, new=True)

    async def _film(self) -> None:
        began = time.monotonic()
        for number in itertools.count():
            due = began + number * self._period
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            while self.track is None or not self.track.has_room:
                await asyncio.sleep(0.001)
            self._log.note(number)
            packet: Any = av.Packet(self._tape.pictures[number % len(self._tape.pictures)])
            self.track.show(packet, due)


async def _always() -> bool:
    return True


def _lose(share: float) -> None:
    """Make this process drop a share of the packets of video."""
    draw = random.Random(0)  # noqa: S311  # the same losses each time
    send = RTCDtlsTransport._send_rtp

    async def send_most(self: Any, data: bytes) -> None:
        if is_rtcp(data) or draw.random() >= share:
            await send(self, data)

    RTCDtlsTransport._send_rtp = send_most  # type: ignore[method-assign]


def _main(tape: str, logs: str, codec: str, fps: str, loss: str = "0", dead_stun_port: str | None = None) -> None:
    film = Tape.load(Path(tape))
    if float(loss):
        _lose(float(loss))

    def camera(scenery: Any, **arguments: Any) -> Camera:
        return _TapeCamera(scenery, **{**arguments, "tape": film, "logs": Path(logs), "fps": int(fps)})

    servers = None if dead_stun_port is None else [{"urls": f"stun:127.0.0.1:{dead_stun_port}"}]
    with Emulator(
        world=_Nothing,
        camera=camera,
        codec=cast("Any", codec),
        record=False,
        ice_servers=servers,
        streamers=_STREAMERS,
        concurrent_sessions=_STREAMERS,
    ) as emulator:
        print(json.dumps({"api_url": emulator.api_url, "api_key": emulator.api_key}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    _main(*sys.argv[1:])
