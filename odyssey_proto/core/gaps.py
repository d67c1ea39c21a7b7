"""The gaps in the video of one connection: each is reported once, and none too early.

A gap begins with the loss of a link that had brought frames, or with a pause of the sender, which only the driver
sees. It ends with the `VideoResumed` of the driver, or with the stream. The rules are in
spec/behaviour.md#order-of-reports; the machines of sessions and of spectators decide which of them applies when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._model.events import GapEvent
from .deadlines import FRAME_INTERVAL_S
from .effects import PauseFrames

if TYPE_CHECKING:
    from .inputs import VideoResumed
    from .machine import Agenda
    from .silence import Silence

__all__ = ["Gaps"]


class Gaps:
    """The gaps of one connection, over all its links.

    Args:
        agenda: takes the events.
        silence: knows when the newest frame came, and learns it from the reports.
    """

    def __init__(self, agenda: Agenda, silence: Silence) -> None:
        self._agenda = agenda
        self._silence = silence
        self._held: list[float] = []  # in s; to be reported once connected
        self._lasts = False  # whether a link that had brought frames was lost, and none has come since

    def begin(self, video_at: float | None) -> None:
        """Expect the next frame over the next link: this one is lost.

        Args:
            video_at: when the newest frame came, in s; None if none came, or it is not known.
        """
        self._silence.note_newest(video_at)
        self._lasts = self._silence.had_video
        self._agenda.put(PauseFrames())

    def hold(self, item: VideoResumed) -> None:
        """Keep a gap for `report_held`."""
        self._note_video()
        self._held.append(item.seconds)

    def report(self, item: VideoResumed) -> None:
        """Report a gap that is over."""
        self._note_video()
        self._put(item.seconds)

    def report_held(self) -> None:
        """Report the gaps that were held, in their order."""
        held, self._held = self._held, []
        for seconds in held:
            self._put(seconds)

    def report_last(self) -> None:
        """Report the remaining gaps at the end of the video: those that were held, and one that lasts."""
        self.report_held()
        if self._lasts:
            self._put(self._silence.gone_for(self._agenda.now))

    def forget(self) -> None:
        """Forget the gaps that were not reported: the stream is over, or has never begun."""
        self._held, self._lasts = [], False

    def _note_video(self) -> None:
        self._lasts = False
        self._silence.note_newest(self._agenda.now)  # the link may be lost before anybody looks

    def _put(self, seconds: float) -> None:
        missed = max(0, round(seconds / FRAME_INTERVAL_S) - 1)
        self._agenda.put(GapEvent(seconds=seconds, frames_missed=missed, at=self._agenda.now))
