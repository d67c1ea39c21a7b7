# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The tables of the channels: which messages each side sends on them, by their tags.

A reader ignores a message whose tag is not in the table: it comes from a newer service.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .channel import (
    BroadcastReady,
    InteractiveStreamEnd,
    InteractiveStreamError,
    InteractiveStreamStart,
    StreamEnded,
    StreamStarted,
    Update,
    UpdateAcknowledged,
)
from .signaling import (
    Answer,
    ClientDisconnecting,
    IceCandidate,
    Keepalive,
    Offer,
    SignalingError,
)

__all__ = ["CLIENT_TO_STREAMER", "SIGNALING_FROM_CLIENT", "SIGNALING_FROM_SERVER", "STREAMER_TO_CLIENT"]


CLIENT_TO_STREAMER: Final[Mapping[str, type[InteractiveStreamStart | Update | InteractiveStreamEnd]]] = (
    MappingProxyType(
        {
            "interactive_stream_start": InteractiveStreamStart,
            "update": Update,
            "interactive_stream_end": InteractiveStreamEnd,
        }
    )
)
"""What clients send on `clientToStreamer`."""

SIGNALING_FROM_SERVER: Final[Mapping[str, type[Offer | IceCandidate | SignalingError]]] = MappingProxyType(
    {
        "offer": Offer,
        "ice_candidate": IceCandidate,
        "error": SignalingError,
    }
)
"""What the service sends to clients on `signaling`."""

SIGNALING_FROM_CLIENT: Final[
    Mapping[str, type[Answer | IceCandidate | Keepalive | ClientDisconnecting | InteractiveStreamStart]]
] = MappingProxyType(
    {
        "answer": Answer,
        "ice_candidate": IceCandidate,
        "keepalive": Keepalive,
        "client_disconnecting": ClientDisconnecting,
        "interactive_stream_start": InteractiveStreamStart,
    }
)
"""What clients send on `signaling`."""

STREAMER_TO_CLIENT: Final[
    Mapping[
        str, type[StreamStarted | UpdateAcknowledged | StreamEnded | BroadcastReady | InteractiveStreamError]
    ]
] = MappingProxyType(
    {
        "stream_started": StreamStarted,
        "update_acknowledged": UpdateAcknowledged,
        "stream_ended": StreamEnded,
        "broadcast_ready": BroadcastReady,
        "interactive_stream_error": InteractiveStreamError,
    }
)
"""What the service sends to clients on `streamerToClient`."""
