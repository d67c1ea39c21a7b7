"""`SessionStats` of a live session, and the figures that the core judges its link by.

Both come from the counters of the network side and of the hub; nothing is counted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._model.stats import SessionStats
from ..core.deadlines import FRAME_INTERVAL_S
from ..core.inputs import LinkFigures

if TYPE_CHECKING:
    from .._video.frame import VideoFrame
    from .._video.frame_hub import FrameHub
    from .._video.meters import VideoTotals

__all__ = ["link_figures", "session_stats"]

_OLDEST_STAMP_MS: Final = 10_000  # a stamp that claims to be older is not a stamp


def session_stats(hub: FrameHub, totals: VideoTotals, *, age_s: float) -> SessionStats:
    """Return the statistics of hub and network so far, without waiting."""
    now = totals.clock.now()
    counts, latest = hub.counts, hub.latest
    gaps, gap_s = hub.gaps(now)
    freezes, freeze_s, longest_freeze_s = hub.freezes.so_far(now)
    width, height = hub.size or (None, None)
    return SessionStats(
        age_s=age_s,
        reconnects=max(0, totals.connections - 1),
        frames_received=counts.received,
        frames_delivered=counts.delivered,
        frames_dropped=counts.dropped,
        frames_lost=totals.frames_lost,
        frames_held=totals.frames_held + totals.frames_too_late,
        gaps=gaps,
        gap_s=gap_s,
        freezes=freezes,
        freeze_s=freeze_s,
        longest_freeze_s=longest_freeze_s,
        fps=hub.rate.per_second(now),
        width=width,
        height=height,
        codec=totals.codec,
        packets_received=totals.packets,
        packets_lost=totals.packets_lost,
        packets_requested=totals.requested,
        packets_repaired=totals.repaired,
        packets_repeated=totals.in_vain,
        keyframes_requested=totals.keyframes_requested,
        bytes_received=totals.payload_bytes,
        bitrate_bps=totals.bits.per_second(now),
        target_delay_ms=_ms(hub.target_delay_s),
        bandwidth_bps=totals.bandwidth_bps,
        jitter_ms=_ms(totals.jitter_s),
        round_trip_ms=_ms(totals.round_trip_s),
        repair_ms=_ms(totals.repair_s),
        decode_ms=totals.decoding.ms,
        convert_ms=hub.converting.ms,
        latency_ms=None if latest is None or not totals.is_local else _latency_ms(latest),
    )


def link_figures(totals: VideoTotals) -> LinkFigures:
    """Return the figures of all links so far."""
    return LinkFigures(
        expected=totals.packets - totals.in_vain + totals.packets_lost,
        lost=totals.packets_lost + totals.repaired,
        held_up_s=totals.held_up_s + (totals.frames_lost + totals.frames_held) * FRAME_INTERVAL_S,
        round_trip_s=totals.path_s,
        round_trip_at=totals.path_at,
        packet_at=totals.packet_at,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _latency_ms(frame: VideoFrame) -> float | None:
    from .._video import stamp

    found = stamp.read(frame.to_ndarray("gray"))
    if found is None or frame._ready_at is None:
        return None
    latency = stamp.latency_ms(found, frame._ready_at)
    # A dark picture reads as a stamp of zeros; only the clock of this machine gives such a low age.
    return latency if latency <= _OLDEST_STAMP_MS else None
