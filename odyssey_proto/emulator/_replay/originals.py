"""Sending pictures of a cassette as they were encoded, and re-encoding them if that is not possible.

A client that has lost packets, or has just reconnected, requests a keyframe, which the cassette may not have at
that point: from there to the next keyframe of the cassette, this machine encodes the pictures. If the client takes
another codec, this machine encodes all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import av
from aiortc.codecs.vpx import Vp8Encoder

from .._stream.h264 import StreamEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.frame import Frame

__all__ = ["Original", "Originals"]

_MOST: int = 16  # originals that are kept; usually one picture at a time waits for the encoder


@attrs.frozen(eq=False)
class Original:
    """An encoded picture from the cassette."""

    number: int
    """Its place among the pictures of the cassette: the next one refers to it."""
    codec: str
    is_key: bool
    data: bytes = attrs.field(repr=False)


class Originals:
    """The originals of the pictures that an encoder is about to get, by their timestamps."""

    def __init__(self) -> None:
        self._waiting: dict[int, Original] = {}

    def note(self, pts: int, original: Original) -> None:
        """Note the original of the picture with the timestamp ``pts``."""
        self._waiting[pts] = original
        while len(self._waiting) > _MOST:
            del self._waiting[next(iter(self._waiting))]

    def take(self, pts: int | None) -> Original | None:
        """Return the original of the picture with the timestamp ``pts``, and forget it; None if there is none."""
        return None if pts is None else self._waiting.pop(pts, None)

    def encoders(self) -> dict[str, Callable[[Callable[[av.Packet[Any]], None]], Any]]:
        """Return the function that makes the encoder of each codec, for one peer connection."""
        return {
            "video/H264": lambda on_packet: _H264(on_packet, self),
            "video/VP8": lambda _: _Vp8(self),
        }


class _Chain:
    """Decides whether an original may be sent: whether the receiver has the pictures that it refers to."""

    def __init__(self, originals: Originals, codec: str) -> None:
        self._originals = originals
        self._codec = codec
        self._latest: int | None = None
        """The number of the latest picture, if its original was sent; else None."""

    def next(self, frame: Frame, force_keyframe: bool) -> tuple[Original | None, bool]:
        """Return the original to send, or None, and whether ``frame`` is to be encoded as a keyframe instead."""
        original = self._originals.take(frame.pts)
        if original is not None and original.codec == self._codec:
            follows = self._latest is not None and original.number == self._latest + 1 and not force_keyframe
            if original.is_key or follows:
                self._latest = original.number
                return original, False
        begins, self._latest = self._latest is not None, None
        return None, begins or force_keyframe


class _H264(StreamEncoder):
    def __init__(self, on_packet: Callable[[av.Packet[Any]], None], originals: Originals) -> None:
        super().__init__(on_packet)
        self._chain = _Chain(originals, "h264")

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        original, whole = self._chain.next(frame, force_keyframe)
        return super().encode(frame, whole) if original is None else self.pack(_packet(frame, original))


class _Vp8(Vp8Encoder):
    def __init__(self, originals: Originals) -> None:
        super().__init__()
        self._chain = _Chain(originals, "vp8")

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        original, whole = self._chain.next(frame, force_keyframe)
        return super().encode(frame, whole) if original is None else self.pack(_packet(frame, original))


def _packet(frame: Frame, original: Original) -> av.Packet[Any]:
    packet: av.Packet[Any] = av.Packet(original.data)
    assert frame.time_base is not None
    packet.pts, packet.time_base = frame.pts, frame.time_base
    return packet
