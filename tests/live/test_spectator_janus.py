"""Watching a third-party WHEP server: Janus with janus-whep-server.

It answers with ``setup:actpass``, its own payload types and without our audio section, and its mountpoint
does not send a keyframe when somebody joins.
"""

from __future__ import annotations

import contextlib
import fractions
import json
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from odyssey_proto import OdysseyConnectionError, SpectatorTokenError, connect_to_stream
from odyssey_proto._video import stamp
from tests.support.ports import port_for_later
from tests.support.processes import PATIENCE_S, Process, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

RIG = Path(__file__).with_name("janus")
LIBRARIES = sorted(Path("/usr/lib").glob("*/janus/plugins"))
TOKEN = "secret-spectator-token"
CODECS = {
    "h264": ("libx264", {"tune": "zerolatency", "profile": "baseline", "preset": "ultrafast"}),
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "threads": "1"}),
}


def missing() -> str:
    """Return what this machine lacks for Janus with a WHEP server."""
    if not shutil.which("janus") or not LIBRARIES:
        return "janus is not installed"
    if not shutil.which("node"):
        return "node is not installed"
    if not (RIG / "node_modules").is_dir():
        return "janus-whep-server is not installed: npm ci --prefix tests/live/janus"
    return ""


pytestmark = [pytest.mark.janus, pytest.mark.skipif(bool(missing()), reason=missing() or "it is there")]


def configure(folder: Path, codec: str, api_port: int, rtp_port: int) -> None:
    library = LIBRARIES[0].parent
    fmtp = "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1" if codec == "h264" else ""
    kept = {"plugins": "libjanus_streaming.so", "transports": "libjanus_websockets.so"}
    disabled = {
        kind: ",".join(path.name for path in (library / kind).glob("*.so") if path.name != name)
        for kind, name in kept.items()
    }
    (folder / "janus.jcfg").write_text(
        f'general: {{ plugins_folder = "{library}/plugins"\n transports_folder = "{library}/transports" }}\n'
        + "".join(f'{kind}: {{ disable = "{names}" }}\n' for kind, names in disabled.items())
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ ws = true\n ws_port = {api_port}\n ws_ip = "127.0.0.1" }}\n'
    )
    (folder / "janus.plugin.streaming.jcfg").write_text(
        'stream: { type = "rtp"\n id = 1\n media = ( { type = "video", mid = "v", pt = 96, '
        f'port = {rtp_port}, codec = "{codec}"' + (f', fmtp = "{fmtp}"' if fmtp else "") + " } )\n}\n"
    )


class Sender:
    """Sends a stamped stream over plain RTP, with a keyframe every second."""

    def __init__(self, codec: str, port: int) -> None:
        self._codec, self._options = CODECS[codec]
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtp-sender")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        address = f"rtp://127.0.0.1:{self._port}"
        with av.open(address, "w", format="rtp", options={"payload_type": "96"}) as container:
            stream: Any = container.add_stream(self._codec, rate=20, options=self._options)
            stream.width, stream.height, stream.pix_fmt = 1280, 704, "yuv420p"
            stream.codec_context.gop_size = 20
            number = 0
            while not self._stop.wait(0.05):
                picture = av.VideoFrame.from_ndarray(np.full((1056, 1280), 100, np.uint8), "yuv420p")
                stamp.draw(picture, number, 0)
                picture.pts, picture.time_base = number, fractions.Fraction(1, 20)
                container.mux(stream.encode(picture))
                number += 1


class Rig:
    """The running servers."""

    def __init__(self, node: Process, port: int) -> None:
        self._node = node
        self.webrtc_url = f"http://127.0.0.1:{port}/live/stream"

    def call(self) -> list[str]:
        """Wait for the WHEP server's next report: the method and path of a call, or, at the start, its port."""
        while not (line := self._node.line()).startswith('["'):
            pass
        return list(json.loads(line))


@contextlib.contextmanager
def rig(folder: Path, codec: str) -> Iterator[Rig]:
    api_port, rtp_port = port_for_later(), port_for_later(socket.SOCK_DGRAM)
    configure(folder, codec, api_port, rtp_port)
    with (
        (folder / "janus.log").open("w") as log,
        subprocess.Popen(["janus", "-F", str(folder)], stdout=log, stderr=log, stdin=subprocess.DEVNULL) as janus,
    ):
        try:
            eventually(lambda: _listens(api_port))
            with (
                Sender(codec, rtp_port),
                Process(["node", str(RIG / "server.mjs"), f"ws://127.0.0.1:{api_port}", TOKEN]) as node,
            ):
                servers = Rig(node, 0)
                kind, port = servers.call()
                assert kind == "listening"
                yield Rig(node, int(port))
        finally:
            janus.kill()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.parametrize("codec", CODECS)
def test_it_is_watched_from_offer_to_goodbye(nothing_left: None, tmp_path: Path, codec: str) -> None:
    with rig(tmp_path, codec) as servers:
        with connect_to_stream(servers.webrtc_url, TOKEN, timeout=PATIENCE_S) as spectator:
            frames = spectator.frames(timeout=PATIENCE_S)
            read = [stamp.read(next(frames).data) for _ in range(40)]
            assert servers.call() == ["POST", "/stream/whep"]
        method, path = servers.call()
        assert method == "DELETE"
        assert path.startswith("/resource/")
    numbers = [one.frame_number for one in read if one is not None]
    assert len(numbers) == 40
    assert numbers == sorted(set(numbers))


def test_a_refusal_by_janus_is_reported(nothing_left: None, tmp_path: Path) -> None:
    with rig(tmp_path, "h264") as servers:
        with pytest.raises(SpectatorTokenError):
            connect_to_stream(servers.webrtc_url, "another-token")
        with pytest.raises(OdysseyConnectionError, match="No such stream"):
            connect_to_stream(servers.webrtc_url.replace("/stream", "/other"), TOKEN)
