"""The two ends of the wire in `feedback`, as a script.

    python -m tools.bench.rate_clients streamer FEEDBACK MOST
    python -m tools.bench.rate_clients CLIENT

The streamer is a page in Chromium, which sends up to ``MOST`` bits per s; ``FEEDBACK`` is ``transport-cc`` or
``remb``. It prints its offer, reads the answer, and prints the page's sending figures twice a second, until its
input ends. ``CLIENT`` is ``ours``, ``plain`` (aiortc) or ``chromium``. It reads the offer, prints its answer and,
when its input ends, the moments of its frames.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from tools.bench.chromium import Browser

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []


def _say(**content: Any) -> None:
    print(json.dumps(content), flush=True)


def streamer(feedback: str, most: str) -> None:
    """Send from a page in Chromium."""
    with Browser("streamer.html", {"feedback": feedback, "most": most}) as page:
        _say(**page.hear())
        page.send(json.loads(sys.stdin.readline()))
        threading.Thread(target=_relay, args=(page,), daemon=True).start()
        sys.stdin.read()


def _relay(page: Browser) -> None:
    while True:
        _say(**{**page.hear(), "at": time.monotonic()})


def ours() -> None:
    """Watch with the peer connection of this library."""
    from odyssey_proto._base.clock import MonotonicClock
    from odyssey_proto._base.event_loop import BackgroundLoop
    from odyssey_proto._net.webrtc.peer import Peer
    from odyssey_proto._video.meters import VideoTotals

    class Listener:
        def on_frame(self, *_: Any) -> None:
            moments.append(time.monotonic())

        def __getattr__(self, _: str) -> Any:
            return lambda *_: None

    moments: list[float] = []
    loop, clock = BackgroundLoop(), MonotonicClock()
    totals = VideoTotals(clock)
    loop.start()
    listener: Any = Listener()
    peer = Peer(loop, listener, clock, totals=totals)
    _say(answer=peer.answer(json.loads(sys.stdin.readline())["offer"]).result())
    sys.stdin.read()
    _say(moments=moments, requested=totals.keyframes_requested, estimate=totals.bandwidth_bps)
    peer.close().result()
    loop.stop()


def plain() -> None:
    """Watch with stock aiortc."""
    asyncio.run(_plain())


async def _plain() -> None:
    from aiortc import MediaStreamError, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

    moments: list[float] = []
    tasks = []
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    @pc.on("track")
    def on_track(track: Any) -> None:
        async def read() -> None:
            try:
                while True:
                    await track.recv()
                    moments.append(time.monotonic())
            except MediaStreamError:
                pass

        tasks.append(asyncio.ensure_future(read()))

    await pc.setRemoteDescription(RTCSessionDescription(json.loads(sys.stdin.readline())["offer"], "offer"))
    await pc.setLocalDescription(await pc.createAnswer())
    _say(answer=pc.localDescription.sdp)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    _say(moments=moments)
    await pc.close()


def chromium() -> None:
    """Watch in Chromium."""
    with Browser("watcher.html", {}) as page:
        page.send(json.loads(sys.stdin.readline()))
        _say(**page.hear())
        sys.stdin.read()
        page.send({"end": True})
        _say(**page.hear())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that a browser ends too
    roles: dict[str, Callable[..., None]] = {
        "streamer": streamer,
        "ours": ours,
        "plain": plain,
        "chromium": chromium,
    }
    roles[sys.argv[1]](*sys.argv[2:])
