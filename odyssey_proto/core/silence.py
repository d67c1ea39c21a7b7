"""Checking that video arrives: when to look for it, request a keyframe, suspect the link, and give it up.

The times are in spec/behaviour.md#frames. The machines of streams and of spectators use this module, which knows
neither. A machine calls `Silence.expect` when frames should come, wakes at `Silence.next_look`, has the driver
look (`CheckVideo`), and passes the result to `Silence.judge`.

A sender that pauses still reports on its video every second or so (RFC 3550, 6.2), and over a bad network packets
arrive though no whole frame does: a new connection would be no better, so a link on which anything arrives is kept
for longer. One that loses packets of the video, as a congested link does, is kept as long as others arrive. If
nothing arrives, the network may be back within seconds, and video then continues at once over the same link.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

__all__ = ["KEYFRAME_AFTER_S", "PAUSE_LIMIT_S", "SILENCE_LIMIT_S", "SUSPECT_AFTER_S", "Silence", "Verdict"]

KEYFRAME_AFTER_S: Final = 1.0
"""The time without a frame after which a keyframe is requested, in s."""
SUSPECT_AFTER_S: Final = 2.0
"""The time without any packet after which the link is suspected, in s: longer than a sender's report interval."""
SILENCE_LIMIT_S: Final = 6.0
"""The time without a frame after which the link is given up if nothing else arrives either, in s."""
PAUSE_LIMIT_S: Final = 10.0
"""The same while anything else arrives over the link, unless the settings say otherwise."""
_ALIVE_S: Final = 1.4  # less than from the keyframe request to the limit: earlier packets do not count


class Verdict(Enum):
    """The action that the silence so far calls for."""

    WAIT = "wait"
    ASK_FOR_KEYFRAME = "ask for a keyframe"
    LOST = "give up the link"


class Silence:
    """The time without a frame. All times are in s of the caller's clock.

    >>> silence = Silence()
    >>> silence.begin(now=100.0, limit_s=20.0)
    >>> silence.judge(newest=100.4, now=101.0), silence.next_look(now=101.0)
    (<Verdict.WAIT: 'wait'>, 101.4)
    >>> silence.judge(newest=100.4, now=101.4), silence.next_look(now=101.4)
    (<Verdict.ASK_FOR_KEYFRAME: 'ask for a keyframe'>, 102.4)
    >>> silence.judge(newest=100.4, now=106.4), silence.gone_for(now=106.4)
    (<Verdict.LOST: 'give up the link'>, 6.0)

    Args:
        pause_limit_s: how long to keep a link over which anything but frames arrives, in s.
    """

    def __init__(self, pause_limit_s: float = PAUSE_LIMIT_S) -> None:
        self._pause_limit_s = pause_limit_s
        self._silence_limit_s = min(SILENCE_LIMIT_S, pause_limit_s)
        self._heard_at = 0.0  # the newest frame, or when the wait for one began
        self._video_at = 0.0  # the newest frame, over all links
        self.had_video: bool = False
        """Whether any link has had a frame."""
        self.is_suspicious: bool = False
        """Whether nothing has come over the link for `SUSPECT_AFTER_S`, after a frame. Without a count of packets,
        that is not known."""
        self._limit_s = self._silence_limit_s
        self._keyframe_asked = False
        self._has_video = False  # whether the link has had a frame
        self._packets: int | None = None
        self._kept_at = 0.0  # when a look last found that the network loses frames
        self._lossy_at = 0.0  # the same, over all links
        self._alive_at = -PAUSE_LIMIT_S  # when a look last found more packets

    def begin(self, now: float, limit_s: float) -> None:
        """Expect the first frame of a stream within ``limit_s``."""
        self._video_at, self._lossy_at, self.had_video = now, now, False
        self.expect(now, limit_s)

    def expect(self, now: float, limit_s: float) -> None:
        """Expect the first frame of a link within ``limit_s``; those after it within `SILENCE_LIMIT_S`."""
        self._heard_at, self._limit_s, self._keyframe_asked = now, limit_s, False
        self._kept_at = now
        self._has_video, self._packets, self.is_suspicious = False, None, False

    def note_newest(self, at: float | None) -> None:
        """Note when the newest frame of a link came, in s; None if none came, or it is not known."""
        if at is not None:
            self._video_at, self.had_video = max(at, self._video_at), True

    def look_late(self, now: float, overslept_s: float) -> None:
        """Allow for a look that comes ``overslept_s`` late.

        This process was not running then, so the silence was not the sender's.
        """
        if overslept_s > KEYFRAME_AFTER_S:
            self._heard_at = self._kept_at = now

    def judge(
        self,
        newest: float | None,
        now: float,
        packets: int | None = None,
        *,
        has_moved: bool = False,
        is_lossy: bool = False,
    ) -> Verdict:
        """Judge the silence at ``now``.

        Args:
            newest: when the newest frame came, in s; None if none has come yet.
            now: the time, in s.
            packets: how many packets of any kind have come over the link; None if that is not known.
            has_moved: whether this machine would now send from another address than that of the link.
            is_lossy: whether packets of the video arrive, and others are lost on the way.
        """
        if is_lossy:
            self._kept_at = self._lossy_at = now
        is_silent = packets == self._packets
        if packets != self._packets:
            self._packets, self._alive_at = packets, now
        self.is_suspicious = now >= self._suspect_at
        if newest is not None and newest > self._heard_at:
            self._heard_at = self._kept_at = newest
            self.note_newest(newest)
            self._limit_s, self._keyframe_asked, self._has_video = self._silence_limit_s, False, True
            self.is_suspicious = False
        elif now - self._kept_at >= (self._pause_limit_s if self._only_pauses(now) else self._limit_s):
            return Verdict.LOST
        elif has_moved and is_silent and now - self._heard_at >= KEYFRAME_AFTER_S:
            return Verdict.LOST  # packets to the old address no longer arrive
        if self._keyframe_asked or now - self._heard_at < KEYFRAME_AFTER_S:
            return Verdict.WAIT
        self._keyframe_asked = True
        return Verdict.ASK_FOR_KEYFRAME

    def next_look(self, now: float) -> float:
        """Return when to look for frames again."""
        after = self._limit_s if self._keyframe_asked else KEYFRAME_AFTER_S
        times = (self._heard_at + after, self._kept_at + after, self._suspect_at, now + KEYFRAME_AFTER_S)
        return min(at for at in times if at > now)

    @property
    def _suspect_at(self) -> float:
        if not self._has_video or self._packets is None:
            return math.inf
        return max(self._heard_at, self._alive_at) + SUSPECT_AFTER_S

    @property
    def has_video(self) -> bool:
        """Whether the link has had a frame, as far as the looks have shown."""
        return self._has_video

    def silent_for(self, now: float) -> float:
        """Return how many s ago the newest frame came, or the wait for one began."""
        return now - max(self._heard_at, self._video_at)

    def note_sign(self, now: float) -> None:
        """Note that the other side has shown that it is alive: that counts like arriving packets."""
        self._alive_at = now

    def _only_pauses(self, now: float) -> bool:
        return self._has_video and self._packets is not None and now - self._alive_at < _ALIVE_S

    def gone_for(self, now: float) -> float:
        """Return how many s ago the newest frame of any link came."""
        return now - self._video_at

    def unexplained_for(self, now: float) -> float:
        """Return how many s ago a frame of any link last came, or losses last explained why none did."""
        return now - max(self._video_at, self._lossy_at)
