"""The clients that `streaming` compares, as a script: each run has a fresh interpreter.

    python -m tools.bench.clients ORDER

``ORDER`` is an `Order` as JSON. The client watches the stream and prints one line of JSON, a list with a `Watch`
for each session. The plain client is what a reader of the protocol and of aiortc's documentation would write:
requests, aiohttp, each frame converted on arrival, an unbounded queue. The floor has no network: PyAV decodes and
converts the same video at the same rate.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import re
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

_BEGAN = time.monotonic()
_KEY: Final = "ody_bench"


@attrs.frozen(kw_only=True)
class Order:
    """The task of a client."""

    client: str
    """``ours``, ``plain`` or ``floor``."""
    url: str = ""
    """URL of the emulator; not used by the floor."""
    tape: str = ""
    """Path of the tape that the emulator sends; for the floor."""
    length: int = 1
    """Number of pictures on the tape."""
    logs: str = ""
    """Folder of the logs."""
    fps: int = 20
    """Pictures per second of the tape."""
    seconds: float = 0.0
    """Time to watch from the first frame on, in s."""
    settling: float = 1.0
    """Time from the first frame to the start of the measurement, in s."""
    connects: int = 1
    """Number of connects; the last one watches, the others only wait for a frame."""
    sessions: int = 1
    """Number of concurrent sessions; ours only."""
    pause: float = 0.0
    """Time that the consumer spends on each frame, in s."""
    policy: str = "drop_oldest"
    """Policy of the frame queue; ours only."""
    stop: float = 0.0
    """Time in each second for which something holds the GIL, in s, as some extensions do."""


@attrs.define(kw_only=True)
class Watch:
    """Measurements of one stream by a client."""

    first_s: float = 0.0
    """Time from the call of `connect`, or the start of Python, to the first frame, in s."""
    latencies_ms: list[float] = attrs.field(factory=list)
    """Time from the sending of each encoded picture until it is an RGB array, in ms; after the settling."""
    missed: int = 0
    """Frames that were sent but not seen after the settling."""
    seconds: float = 0.0
    """Time from the settling to the end, in s."""
    frames: int = 0
    """Frames in that time."""
    cpu_ms: float = 0.0
    """CPU time of the process in that time, in ms."""
    cpu_ms_by_thread: dict[str, float] = attrs.field(factory=dict)
    """The same by thread, in ms, without the threads that a decoder starts by itself."""
    rss_mb: float = 0.0
    """Memory of the process at the end, in MB."""
    grown_mb: float = 0.0
    """Growth of that memory since the settling, in MB."""
    dropped_packets: int = 0
    """Packets that the system dropped because this process did not read its sockets in time."""


class _Watching:
    def __init__(self, order: Order, began_at: float, seconds: float) -> None:
        self.found = Watch()
        self.name = uuid.uuid4().hex  # name of the log
        self._order = order
        self._began_at = began_at
        self._seconds = seconds
        self._number = 0
        self._settled: tuple[float, int, float, float, dict[str, float]] | None = None
        self._seen = 0
        self._stopped = 0
        self._log: Any = None

    def saw(self, picture: Any) -> bool:
        """Note an RGB picture; return whether to continue."""
        now = time.monotonic()
        found = self.found
        self._seen += 1
        if self._log is None:
            found.first_s = now - self._began_at
        self._note(picture, now)
        since = now - self._began_at - found.first_s
        if self._settled is None and self._seconds:
            if since >= self._order.settling:
                found.missed, found.latencies_ms = 0, []
                self._settled = now, self._seen, time.process_time(), _rss_mb(), _by_thread()
            return True
        if since < self._seconds:
            if self._order.stop and since > self._stopped + 1:
                self._stopped += 1
                ctypes.PyDLL(None).usleep(int(self._order.stop * 1e6))  # unlike CDLL, it holds the GIL
            return True
        if self._settled is not None:
            began, seen, cpu, rss, by_thread = self._settled
            found.seconds, found.frames = now - began, self._seen - seen
            found.cpu_ms = (time.process_time() - cpu) * 1000
            found.cpu_ms_by_thread = {name: value - by_thread.get(name, 0) for name, value in _by_thread().items()}
            found.rss_mb = _rss_mb()
            found.grown_mb = found.rss_mb - rss
            found.dropped_packets = _dropped_packets()
        return False

    def _note(self, picture: Any, now: float) -> None:
        from tools.bench.tape import Log, number_of

        place = number_of(picture)
        if self._log is None:
            self._log = Log(Path(self._order.logs) / self.name)
            self._number = place
        else:
            ahead = (place - self._number) % self._order.length
            self._number += ahead
            self.found.missed += ahead - 1
        self.found.latencies_ms.append((now - self._log.moment(self._number)) * 1000)


def _watch(order: Order, one: Callable[[_Watching], None]) -> list[Watch]:
    """Call ``one`` for each connect of the order, and return the measurements."""
    found = []
    for number in range(order.connects):
        last = number == order.connects - 1
        watching = _Watching(order, time.monotonic() if number else _BEGAN, order.seconds if last else 0.0)
        one(watching)
        found.append(watching.found)
    return found


def ours(order: Order) -> list[Watch]:
    """Watch with this library."""
    from odyssey_proto import Odyssey

    def watch(client: Odyssey, watching: _Watching) -> None:
        with client.connect() as session:
            session.start_stream(watching.name, portrait=False, bypass_prompt_expansion=True)
            for frame in session.frames(policy=order.policy):  # type: ignore[arg-type]  # one of the policies
                if not watching.saw(frame.data):
                    break
                if order.pause:
                    time.sleep(order.pause)

    if order.sessions == 1:
        with Odyssey(_KEY, api_url=order.url) as client:
            return _watch(order, lambda watching: watch(client, watching))
    side_by_side = [_Watching(order, _BEGAN, order.seconds) for _ in range(order.sessions)]

    def one(watching: _Watching) -> None:
        with Odyssey(_KEY, api_url=order.url) as client:
            watch(client, watching)

    threads = [threading.Thread(target=one, args=(watching,)) for watching in side_by_side]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [watching.found for watching in side_by_side]


def plain(order: Order) -> list[Watch]:
    """Watch with stock aiortc."""
    import asyncio

    async def every() -> list[Watch]:
        found = []
        for number in range(order.connects):
            last = number == order.connects - 1
            watching = _Watching(order, time.monotonic() if number else _BEGAN, order.seconds if last else 0.0)
            await _plain_once(order, watching)
            found.append(watching.found)
        return found

    return asyncio.run(every())


async def _plain_once(order: Order, watching: _Watching) -> None:
    import asyncio

    import aiohttp
    import requests
    from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
    from aiortc.sdp import candidate_from_sdp

    def post(path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        answer = requests.post(order.url + path, json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    bearer = {"Authorization": f"Bearer {post('/auth/token', {'api_key': _KEY}, {})['access_token']}"}
    session = post("/sessions/request", {}, bearer)
    token = post("/sessions/token", {"session_id": session["session_id"]}, bearer)["session_token"]
    signaling = session["signalling_url"]
    servers = requests.get(signaling.replace("ws", "http", 1) + "/config", timeout=30).json()["iceServers"]

    pc = RTCPeerConnection(RTCConfiguration([RTCIceServer(urls=server["urls"]) for server in servers]))
    pictures: asyncio.Queue[Any] = asyncio.Queue()
    tasks = []

    @pc.on("track")
    def on_track(track: Any) -> None:
        async def read() -> None:
            while True:
                pictures.put_nowait((await track.recv()).to_ndarray(format="rgb24"))

        tasks.append(asyncio.ensure_future(read()))

    @pc.on("datachannel")
    def on_datachannel(channel: Any) -> None:
        if channel.label == "clientToStreamer":
            start = {
                "type": "interactive_stream_start",
                "prompt": watching.name,
                "portrait": False,
                "broadcast": False,
                "bypass_vlm_expansion": True,
            }
            channel.send(json.dumps(start))

    async def listen(socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            content = json.loads(message.data)
            if content["type"] == "offer":
                await pc.setRemoteDescription(RTCSessionDescription(content["sdp"], "offer"))
                await pc.setLocalDescription(await pc.createAnswer())
                await socket.send_json({"type": "answer", "sdp": pc.localDescription.sdp})
            elif content["type"] == "ice_candidate":
                candidate = candidate_from_sdp(content["candidate"].removeprefix("candidate:"))
                candidate.sdpMid, candidate.sdpMLineIndex = content["sdpMid"], content["sdpMLineIndex"]
                await pc.addIceCandidate(candidate)

    async def keep_alive(socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await asyncio.sleep(10)
            await socket.send_json({"type": "keepalive"})

    url = f"{signaling}/client/{session['session_id']}?token={token}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        tasks.append(asyncio.ensure_future(listen(socket)))
        tasks.append(asyncio.ensure_future(keep_alive(socket)))
        while watching.saw(await pictures.get()):
            if order.pause:
                await asyncio.sleep(order.pause)
        await socket.send_json({"type": "client_disconnecting"})
        await socket.close()
    await pc.close()
    for task in tasks:
        task.cancel()


def floor(order: Order) -> list[Watch]:
    """Only decode and convert."""
    import av
    from av.video.reformatter import VideoReformatter

    from tools.bench.tape import Log, Tape

    tape = Tape.load(Path(order.tape)).pictures
    codec = av.CodecContext.create("h264" if tape[0].startswith(b"\0\0") else "vp8", "r")
    reformatter = VideoReformatter()
    began = time.monotonic()
    watching = _Watching(order, began, order.seconds)
    log = Log(Path(order.logs) / watching.name, new=True)
    number = 0
    while True:
        time.sleep(max(0.0, began + number / order.fps - time.monotonic()))
        log.note(number)
        packet: Any = av.Packet(tape[number % len(tape)])
        for frame in codec.decode(packet):
            picture = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
            if not watching.saw(picture):
                return [watching.found]
        number += 1


def _by_thread() -> dict[str, float]:
    found: dict[str, float] = {}
    for thread in threading.enumerate():
        path = Path(f"/proc/self/task/{thread.native_id}/schedstat")
        with contextlib.suppress(OSError):  # the thread has ended, or this is not Linux
            found[thread.name] = int(path.read_text(encoding="ascii").split()[0]) / 1e6
    return found


def _rss_mb() -> float:
    status = Path("/proc/self/status")
    if not status.exists():  # macOS
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def _dropped_packets() -> int:
    """Return the drops that Linux counts for the UDP sockets of this process; 0 on other systems."""
    if not Path("/proc/self/fd").exists():
        return 0
    sockets = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    lines = [
        line.split()
        for name in ("udp", "udp6")
        for line in Path(f"/proc/self/net/{name}").read_text(encoding="ascii").splitlines()[1:]
    ]
    return sum(int(fields[12]) for fields in lines if fields[9] in sockets)


_CLIENTS: Final[dict[str, Callable[[Order], list[Watch]]]] = {"ours": ours, "plain": plain, "floor": floor}

if __name__ == "__main__":
    ordered = Order(**json.loads(sys.argv[1]))
    print(json.dumps([attrs.asdict(watch) for watch in _CLIENTS[ordered.client](ordered)]))
