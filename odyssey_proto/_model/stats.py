"""`SessionStats`: the public statistics of a session. Data only."""

from __future__ import annotations

import attrs

from .._base.public_path import publish
from .._base.record import Record

__all__ = ["SessionStats"]


@attrs.frozen(kw_only=True)
class SessionStats(Record):
    """Statistics of a session (`Session.stats`).

    Counters continue after rejoining and are kept after the end.
    """

    age_s: float
    """Time from the call of `Odyssey.connect` until now or the session's end, in s."""
    reconnects: int
    """How often video resumed through a new connection."""
    frames_received: int
    """Frames that arrived and were decoded, each counted once."""
    frames_delivered: int
    """Frames passed to iterators, ``on_video_frame`` and recordings, counted per receiver."""
    frames_dropped: int
    """Frames that a receiver missed because it was slower than the stream, counted per receiver."""
    frames_lost: int
    """Frames that the network lost, in whole or in part, while connected; counted by timestamps."""
    frames_held: int
    """Frames that arrived but were held back, because they depended on lost frames and no keyframe had come yet,
    or because this machine was too slow to decode them."""
    gaps: int
    """Pauses of 1 s or more within a stream and losses of the connection; each gives a `GapEvent` as it ends.
    Once a stream has ended, only its gaps with such an event count."""
    gap_s: float
    """Total duration of these gaps in s, including a current one."""
    freezes: int
    """Freezes: how often a picture stood still for over 150 ms longer than the interval of the frames, whatever
    the reason (the network, a pause of the streamer, this machine). Pauses between streams do not count. Frames
    count as they arrive: readers with ``pace="smooth"`` see fewer freezes."""
    freeze_s: float
    """Total duration of the freezes in s, each from one frame to the next, including a current one."""
    longest_freeze_s: float
    """Duration of the longest freeze in s; 0 without one."""
    fps: float
    """Frames per s, over the last 2 s."""
    width: int | None
    """Width of the newest frame in px; None before the first."""
    height: int | None
    """Height of the newest frame in px; None before the first."""
    codec: str | None
    """``H264`` or ``VP8``; None before the first frame, and over HLS."""
    packets_received: int
    """RTP packets of video that arrived."""
    packets_lost: int
    """RTP packets of video that never arrived, not even when resent."""
    packets_requested: int
    """Lost RTP packets of video that were requested again, each counted as often as it was requested."""
    packets_repaired: int
    """Lost RTP packets of video that were retransmitted on request."""
    packets_repeated: int
    """RTP packets of video that had already arrived, or were no longer needed."""
    keyframes_requested: int
    """How often a keyframe was requested."""
    bytes_received: int
    """Bytes of encoded video that arrived."""
    bitrate_bps: float
    """Encoded video in bit/s, over the last 2 s."""
    target_delay_ms: float | None
    """How long ``frames(pace="smooth")`` delays the fastest frames, in ms; None without such a reader."""
    bandwidth_bps: float | None
    """Estimated bandwidth of the path from the streamer, in bit/s, as far as the packets show it: a stream that
    needs less does not show all of it. None over HLS, and before enough packets have come."""
    jitter_ms: float | None
    """Variation of the arrival times of frames, in ms (RFC 3550, 6.4.1); None before the second frame."""
    round_trip_ms: float | None
    """Round trip to the streamer in ms, measured on the control channel, including the streamer's time to
    acknowledge. None before anything has been sent there."""
    repair_ms: float | None
    """Time from the request for a lost packet to its arrival, in ms; None before one has come."""
    decode_ms: float | None
    """Average time from the last packet of a frame to its decoded picture, in ms; None before the first."""
    convert_ms: float | None
    """Average time to convert a frame, as in `VideoFrame.data`, in ms; None before the first conversion."""
    latency_ms: float | None
    """Time from the streamer's encoder to the decoded picture here, in ms, for the newest frame. Known only with
    an emulator on this machine, which stamps its pictures; None otherwise, and if no stream is running."""


publish("odyssey_proto", SessionStats)
