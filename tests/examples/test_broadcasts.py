"""The documentation's examples about broadcasts, unchanged except for ``async`` and ``await``."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING

import cv2
import pytest

import odyssey_proto
from odyssey_proto import BroadcastInfo, Odyssey, SpectatorConnection, connect_to_stream
from tests.support.documentation import example_of
from tests.support.processes import PATIENCE_S, eventually
from tests.support.screen import Screen

if TYPE_CHECKING:
    from odyssey_proto import VideoFrame
    from odyssey_proto._live.handlers import DisconnectedCallback, VideoFrameCallback
    from odyssey_proto.emulator._server import Emulator

pytestmark = pytest.mark.usefixtures("_at_the_service")


@pytest.fixture
def service(emulator: Emulator) -> Emulator:
    """A separate emulator for the test, which shares no broadcasts with others."""
    return emulator


@pytest.fixture
def info(client: Odyssey) -> BroadcastInfo:
    """The addresses of the broadcast of `client`."""
    client.connect()
    client.start_stream("A floating alien temple", broadcast=True)
    found = client._live("watch").wait_for_broadcast(timeout=PATIENCE_S)
    assert isinstance(found, BroadcastInfo)
    return found


@example_of("sdk/javascript/types", "Example: Broadcast Streamer")
def test_a_broadcast_streamer(client: Odyssey, capsys: pytest.CaptureFixture[str]) -> None:
    ready = threading.Event()
    shared: list[BroadcastInfo] = []

    def on_broadcast_ready(info: BroadcastInfo) -> None:
        print("Share these with spectators:", info.webrtc_url, info.spectator_token)
        shared.append(info)
        ready.set()

    client.connect(on_broadcast_ready=on_broadcast_ready)

    client.start_stream(
        prompt="A floating alien temple",
        broadcast=True,
    )

    assert ready.wait(PATIENCE_S)
    assert shared[0].hls_url is not None
    *_, webrtc_url, spectator_token = capsys.readouterr().out.split()
    with connect_to_stream(webrtc_url, spectator_token) as spectator:
        assert next(spectator.frames(timeout=PATIENCE_S)).data.shape == (1280, 704, 3)


@example_of("sdk/javascript/types", "Example: Broadcast Spectator")
def test_a_broadcast_spectator(client: Odyssey, info: BroadcastInfo, capsys: pytest.CaptureFixture[str]) -> None:
    spectator = connect_to_stream(
        info.webrtc_url,
        info.spectator_token,
        on_disconnected=lambda: print("Broadcast ended"),
    )

    frames = spectator.frames(timeout=PATIENCE_S)
    assert next(frames).width == 704
    client.end_stream()
    assert sum(1 for _ in frames) < 100  # until the broadcast has ended
    spectator.wait(timeout=PATIENCE_S)
    spectator.disconnect()
    assert capsys.readouterr().out == "Broadcast ended\n"


@example_of("sdk/python/client", "connect_to_stream()")
def test_connect_to_stream(info: BroadcastInfo, capsys: pytest.CaptureFixture[str]) -> None:
    webrtc_url, spectator_token = info.webrtc_url, info.spectator_token

    from odyssey_proto import connect_to_stream

    spectator = connect_to_stream(
        webrtc_url,
        spectator_token,
    )

    print("Connected to broadcast")

    assert capsys.readouterr().out == "Connected to broadcast\n"
    assert spectator.is_connected
    spectator.disconnect()
    with pytest.raises(ValueError):  # noqa: PT011 - what the page says: "If spectator token is invalid (401)"
        connect_to_stream(webrtc_url, "another")
    with pytest.raises(ConnectionError):  # "If stream not found (404) or connection fails"
        connect_to_stream(f"{webrtc_url}-another", spectator_token)


@example_of("sdk/python/types", "SpectatorConnection")
def test_a_spectator_connection(info: BroadcastInfo) -> None:
    screen = Screen()

    def handle_frame(frame: VideoFrame) -> None:
        screen.imshow("Broadcast", cv2.cvtColor(frame.data, cv2.COLOR_RGB2BGR))
        screen.waitKey(1)

    connection = connect_to_stream(
        webrtc_url=info.webrtc_url,
        spectator_token=info.spectator_token,
        on_video_frame=handle_frame,
    )
    assert connection.is_connected is True
    assert connection.peer_connection is not None
    eventually(lambda: len(screen.shown) >= 2)

    # Later
    connection.disconnect()

    assert screen.shown[0].shape == (1280, 704, 3)
    assert connection.is_connected is False


def documented(
    webrtc_url: str,
    spectator_token: str,
    on_video_frame: VideoFrameCallback | None = None,
    on_disconnected: DisconnectedCallback | None = None,
    debug: bool = False,
) -> SpectatorConnection:
    """The documented signature of `connect_to_stream`."""
    raise NotImplementedError


@example_of("sdk/python/client", "connect_to_stream(): signature")
def test_connect_to_stream_has_the_documented_signature() -> None:
    expected, ours = inspect.signature(documented), inspect.signature(odyssey_proto.connect_to_stream)
    shown = [(of.name, of.kind, of.default) for of in ours.parameters.values()]
    count = len(expected.parameters)
    assert shown[:count] == [(of.name, of.kind, of.default) for of in expected.parameters.values()]
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for _, kind, _ in shown[count:])
    assert ours.return_annotation == expected.return_annotation
