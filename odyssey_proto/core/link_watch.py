"""Distinguishing a sender that pauses from a bad network, to report `VideoPaused` or `LinkQualityChanged`.

`odyssey_proto.core.silence` decides when to look for frames, when to ask for a keyframe and when to give the link
up; this module derives the users' events from the same looks. The machines of sessions and of spectators use it.

If no frames come but packets of video still do, the network is bad. If neither comes, the other side is asked for
a sign of life, a request that any ICE agent answers at once: if it answers, the sender only pauses; if not, the
network is silent. The rules are in spec/behaviour.md#quality-of-the-link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._model.events import VideoPaused
from .effects import AskForSignOfLife
from .link_quality import LEAST_PACKETS, LEFT_AT, LOSS_AT, ROUND_TRIP_AT_S, QualityJudge
from .silence import KEYFRAME_AFTER_S, SUSPECT_AFTER_S

if TYPE_CHECKING:
    from .inputs import LinkFigures, SignOfLife, VideoSeen
    from .machine import Agenda
    from .silence import Silence, Verdict

__all__ = ["MEASURED_FOR_S", "LinkWatch"]

MEASURED_FOR_S: Final = 10.0
"""The age at which a long round trip is measured again, in s."""

# How long after the newest packet of video the sender counts as sending: less than after the newest frame, to
# which that packet may belong.
_STILL_SENDS_S: Final = 0.7
_OVERSLEPT_S: Final = 0.25  # a look that comes this late shows that this machine was busy


class LinkWatch:
    """The results of the looks at a link, apart from whether to keep it. All times are in s of the caller's clock.

    Args:
        silence: the time without a frame.
        agenda: has the time, and takes requests and reports.
    """

    def __init__(self, silence: Silence, agenda: Agenda) -> None:
        self._silence = silence
        self._agenda = agenda
        self._quality = QualityJudge()
        self._is_asked = False  # since the last frame, for a sign of life
        self._is_paused = False  # whether a pause was reported since the last frame
        self._frame_at: float | None = None  # the newest frame
        self._before: LinkFigures | None = None  # at the first look since then
        self._begins_at: float | None = None  # when packets of the first frame were first seen

    def renew(self) -> None:
        """Expect the frames of another stream or link."""
        self._is_asked = self._is_paused = False
        self._frame_at = self._before = self._begins_at = None
        self._quality.restart()

    def judge(self, item: VideoSeen) -> Verdict:
        """Return the verdict on the silence at a look."""
        now = self._agenda.now
        return self._silence.judge(
            item.at, now, item.packets, has_moved=item.has_moved, is_lossy=self._is_lossy(item, now)
        )

    def _is_lossy(self, item: VideoSeen, now: float) -> bool:
        """Return whether packets of the video arrive, and enough are lost to explain why no frame comes."""
        figures, before = item.figures, self._before
        if figures is None:
            return False
        if before is None or item.at != self._frame_at:
            self._frame_at, self._before = item.at, figures
            return False
        arrives = figures.packet_at is not None and now - figures.packet_at < SUSPECT_AFTER_S
        expected, lost = figures.expected - before.expected, figures.lost - before.lost
        return arrives and expected >= LEAST_PACKETS and lost >= LOSS_AT[0] * expected

    def look(self, item: VideoSeen) -> None:
        """Use a look after which the link is kept: ask for a sign of life, or report a change."""
        figures, now = item.figures, self._agenda.now
        if figures is None:
            return
        arrives = figures.packet_at is not None and now - figures.packet_at < _STILL_SENDS_S
        if not self._silence.has_video and not arrives:
            return  # the video has not begun
        if self._agenda.overslept > _OVERSLEPT_S:
            self._quality.restart()  # late packets may have waited on this machine
        silent_s = self._silence.silent_for(now)
        if not self._silence.has_video:
            self._begins_at = now if self._begins_at is None else self._begins_at
            silent_s = now - self._begins_at
        if silent_s < KEYFRAME_AFTER_S:
            self._is_asked = self._is_paused = False
            silent_s = 0.0  # if it is a freeze, it is counted when it is over
            if _must_measure(figures, now):
                self._agenda.put(AskForSignOfLife(item.link))  # the next look brings its measurement
        elif not arrives:
            self._agenda.put(AskForSignOfLife(item.link))
            was_asked, self._is_asked = self._is_asked, True
            if self._is_paused or not was_asked:
                return
        change = self._quality.take(figures, now, silent_s)
        if change is not None:
            self._agenda.put(change)

    def hear(self, _: SignOfLife) -> None:
        """Note that the other side is alive, and report a pause if that is new."""
        now = self._agenda.now
        silent_s = self._silence.silent_for(now)
        if not self._is_asked or silent_s < KEYFRAME_AFTER_S:
            return  # video has resumed already
        self._silence.note_sign(now)
        self._quality.restart()  # a pause of the sender is not a freeze
        if not self._is_paused:
            self._is_paused = True
            self._agenda.put(VideoPaused(seconds=silent_s, at=now))


def _must_measure(figures: LinkFigures, now: float) -> bool:
    """Return whether the last measured round trip was long, and is out of date: it may be short again."""
    seconds, at = figures.round_trip_s, figures.round_trip_at
    if seconds is None or at is None:
        return False
    return seconds >= ROUND_TRIP_AT_S[0] * LEFT_AT and now - at >= MEASURED_FOR_S
