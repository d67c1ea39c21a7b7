"""`SessionStats`: what has been measured of a session, as users get it."""

from __future__ import annotations

import attrs

from .._base.public_path import publish
from .._base.record import Record

__all__ = ["SessionStats"]


@attrs.frozen(kw_only=True)
class SessionStats(Record):
    """What has been measured of a session (`Session.stats`).

    Counts go on after rejoining, and stay after the end.
    """

    age_s: float
    """s since `Odyssey.connect` was called, until the session's end."""
    reconnects: int
    """How often video came back through another connection."""
    frames_received: int
    """Frames of streams that arrived and were decoded, each once."""
    frames_delivered: int
    """Frames handed to iterators, ``on_video_frame`` and recordings; each of these counts."""
    frames_dropped: int
    """Frames that one of them missed because it was slower than the stream."""
    frames_lost: int
    """Frames that the network lost, in whole or in part, while the connection held; by their timestamps."""
    frames_held: int
    """Frames that came and were held back: what they refer to was lost, and no keyframe had come yet; or that this
    machine was too slow to decode."""
    gaps: int
    """Pauses of 1 s or more within a stream, and losses of the connection: one `GapEvent` each, when it ended."""
    gap_s: float
    """s that they lasted, all together; one that still lasts included."""
    fps: float
    """Frames per s, over the last 2 s."""
    width: int | None
    """Width of the newest frame in px; None before the first."""
    height: int | None
    """Height of the newest frame in px; None before the first."""
    codec: str | None
    """``H264`` or ``VP8``; None before the first frame."""
    packets_received: int
    """RTP packets of video that arrived."""
    packets_lost: int
    """RTP packets of video that did not, not even when they were sent again."""
    bytes_received: int
    """Bytes of encoded video that arrived."""
    bitrate_bps: float
    """Encoded video in bit/s, over the last 2 s."""
    jitter_ms: float | None
    """How unevenly frames arrive, in ms (RFC 3550, 6.4.1); None before the second one."""
    round_trip_ms: float | None
    """To the streamer and back, in ms, as the control channel measured it; the time that the streamer takes to
    acknowledge is in it. None before something was sent there."""
    decode_ms: float | None
    """ms from the last packet of a frame to its picture, on average; None before the first."""
    convert_ms: float | None
    """ms to convert a frame, as by `VideoFrame.data`, on average; None where none was converted."""
    latency_ms: float | None
    """ms from the streamer's encoder to the decoded picture here, for the newest frame. Known only of an emulator
    on this machine, whose pictures tell the time; None otherwise, and while there is no stream."""


publish("odyssey_proto", SessionStats)
