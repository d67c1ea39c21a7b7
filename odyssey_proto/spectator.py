"""Watching a broadcast: over WebRTC, or over HLS if WebRTC does not work.

A spectator needs no API key and no session, only the address and the token of a `BroadcastInfo`. By default, a
lost broadcast is reconnected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from odyssey_models import IceServer

from ._base import arguments, errands, errors, greenlets, logs
from ._base.clock import Deadline, MonotonicClock
from ._base.limits import PICTURE_MOST_PX
from ._base.public_path import publish
from ._base.secrets import Secret
from ._live import commands
from ._live.broadcast_access import Place
from ._live.handlers import DisconnectedCallback, OdysseyEventHandlers, VideoFrameCallback
from ._live.live_connection import LiveConnection
from ._model.config import AdvancedConfig, ClientConfig, IcePolicy
from ._model.events import BroadcastInfo

if TYPE_CHECKING:
    from ._base.weak_set import ConcurrentWeakSet

__all__ = ["SpectatorConnection", "connect_to_stream", "watch"]


@errands.undisturbed
def connect_to_stream(
    webrtc_url: str,
    spectator_token: str,
    on_video_frame: VideoFrameCallback | None = None,
    on_disconnected: DisconnectedCallback | None = None,
    debug: bool = False,
    *,
    hls_url: str | None = None,
    reconnect: bool = True,
    ice_servers: Iterable[IceServer | Mapping[str, Any]] | None = None,
    ice_policy: IcePolicy = "all",
    timeout: float | None = 30.0,
    max_pixels: int = PICTURE_MOST_PX,
) -> SpectatorConnection:
    """Watch a broadcast over WebRTC (Python client reference, "connect_to_stream()").

    Handlers are called one after the other on their own thread, and may call any method.

    Args:
        webrtc_url: `BroadcastInfo.webrtc_url`.
        spectator_token: `BroadcastInfo.spectator_token`.
        on_video_frame: called with each frame; a slow handler gets the newest frame and misses those in between.
        on_disconnected: called once, when the broadcast has ended, was lost, or was disconnected.
        debug: log to stderr, without secrets.
        hls_url: `BroadcastInfo.hls_url`, the fallback if WebRTC does not work.
        reconnect: after a loss, try to reconnect for up to 40 s.
        ice_servers, ice_policy: as for `Odyssey`; ``None`` takes the servers that the broadcast's host offers.
        timeout: time in which the broadcast must be connected, in s; ``None``: no limit for the whole call.
        max_pixels: the largest width × height of a picture, in px; as `AdvancedConfig.max_pixels`.

    Raises:
        TypeError: an argument of the wrong type.
        SpectatorTokenError: the token was refused (a `ValueError` too).
        OdysseyConfigError: an address or a setting is not valid (a `ValueError` too).
        OdysseyConnectionError: the stream does not exist or cannot be reached (a `ConnectionError` too); ``code``
            says which.

    Example:
        >>> with connect_to_stream(info.webrtc_url, info.spectator_token) as spectator:  # doctest: +SKIP
        ...     for frame in spectator.frames():
        ...         show(frame.data)
    """
    _check_text("webrtc_url", webrtc_url)
    _check_text("spectator_token", spectator_token)
    spectator_token = Secret(spectator_token)
    if arguments.flag("debug", debug):
        logs.to_stderr()
    # Checked like a client's settings, but without a key: a broadcast needs none.
    config = ClientConfig(
        api_key="",
        reconnect=reconnect,
        ice_servers=ice_servers,
        ice_policy=ice_policy,
        advanced=AdvancedConfig(max_pixels=max_pixels),
    )
    return watch(
        BroadcastInfo(webrtc_url, spectator_token, hls_url),
        config,
        on_video_frame,
        on_disconnected,
        timeout=timeout,
    )


def watch(
    info: BroadcastInfo,
    config: ClientConfig | None = None,
    on_video_frame: VideoFrameCallback | None = None,
    on_disconnected: DisconnectedCallback | None = None,
    *,
    timeout: float | None = 40.0,
    among: ConcurrentWeakSet[SpectatorConnection] | None = None,
) -> SpectatorConnection:
    """Watch a broadcast with the settings of a client; the public call is `Odyssey.watch`."""
    if not isinstance(info, BroadcastInfo):
        raise TypeError(f"info must be a BroadcastInfo, not {type(info).__name__}")
    _check_text("webrtc_url", info.webrtc_url)
    _check_text("spectator_token", info.spectator_token)
    if info.hls_url is not None:
        _check_text("hls_url", info.hls_url)
    handlers = OdysseyEventHandlers(on_video_frame=on_video_frame, on_disconnected=on_disconnected)
    arguments.timeout("timeout", timeout)
    config = config or ClientConfig(api_key="")
    place = Place(
        webrtc_url=info.webrtc_url,
        spectator_token=info.spectator_token,
        hls_url=info.hls_url,
        ice_servers=config.ice_servers,
        ice_policy=config.ice_policy,
        max_pixels=config.advanced.max_pixels,
    )
    greenlets.refuse("watch()")
    errands.check()  # importing may have taken a while
    clock = MonotonicClock()
    deadline = Deadline(timeout, clock)
    wanted = None if on_video_frame is None and on_disconnected is None else handlers
    driver = commands.spectator_driver(place, config.advanced, clock, wanted, reconnect=config.reconnect)
    spectator = SpectatorConnection(driver, has_handlers=wanted is not None)
    if among is not None:
        among.add(spectator)
    errands.if_abandoned(spectator.disconnect)
    commands.watch(driver, deadline)
    return spectator


class SpectatorConnection(LiveConnection):
    """A connection to a broadcast (Python types reference, "SpectatorConnection").

    Use it in a ``with``, or call `disconnect`. All methods may be called from any thread. A connection without
    handlers disconnects when it is garbage-collected. A lost connection is restored over WebRTC, or over HLS if
    its address is known.
    """

    _INSTEAD = "pass its BroadcastInfo, and watch that there"

    @property
    def peer_connection(self) -> object | None:
        """aiortc's ``RTCPeerConnection``, for statistics; None over HLS, during a loss and after the end.

        It belongs to this object's event loop: no other thread may call its methods.
        """
        return getattr(self._driver.link(), "peer_connection", None) if self.is_connected else None

    def __repr__(self) -> str:
        return f"<SpectatorConnection {self.status}>"


def _check_text(name: str, value: object) -> None:
    text = arguments.text(name, value)
    if not text.strip() or not text.isprintable():
        raise errors.OdysseyConfigError(f"{name} must not be empty or contain control characters")


publish("odyssey_proto", SpectatorConnection, connect_to_stream)
