"""Our parts in a video receiver of aiortc: requests for lost packets, reports, the jitter buffer, the decoder.

Each part is left to aiortc if aiortc's internals differ from those known here. This module neither creates the
receiver nor knows what the frames are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import decoding, feedback, intake, jitter, repair
from .recovery import Recovery
from .unreadable import refuse_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    import av
    from aiortc import RTCPeerConnection, RTCRtpReceiver

    from ..._video.meters import VideoTotals
    from ..tap import Tap

__all__ = ["Receiving"]


class Receiving:
    """Our parts in ``receiver``, which has received nothing yet. Runs on the loop's thread.

    Args:
        receiver: aiortc's receiver of the video.
        totals: counts packets, frames and requests.
        on_frame: called on the decoding thread with each frame and the arrival time of its first packet, in s.
        round_trip: returns a round trip measured by other means, in s, or None.
        wants_all: returns whether every frame is wanted, however late, rather than the latest. Any thread.
        spawn: starts a task that ends with the connection.
        max_pixels: the largest width × height of a picture, in px.
        on_oversize: called at most once, on the decoding thread, with the width and height of a larger picture.
        tap: shows the encoded frames.
    """

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        totals: VideoTotals,
        *,
        on_frame: Callable[[av.VideoFrame, float], None],
        round_trip: Callable[[], float | None],
        wants_all: Callable[[], bool],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        max_pixels: int,
        on_oversize: Callable[[int, int], None],
        tap: Tap | None = None,
    ) -> None:
        self._receiver: Any = receiver
        self._totals = totals
        self._spawn = spawn
        self._requester: repair.Requester | None = None
        self._decoding: decoding.DecodingQueue | None = None
        self._feedback: feedback.Feedback | None = None
        self._intake: intake.Intake | None = None
        recovery, clock = Recovery(round_trip, wants_all), totals.clock
        buffer = self._buffer = jitter.install(receiver, clock, totals, recovery, wants_all)
        if buffer is not None:
            self._requester = repair.install(receiver, buffer, recovery, clock, totals, spawn)
            self._feedback = feedback.install(receiver, recovery, clock, totals, spawn)
            self._decoding = decoding.install(
                receiver, buffer, on_frame, totals, max_pixels=max_pixels, on_oversize=on_oversize, tap=tap
            )

    @property
    def payload_type(self) -> int | None:
        """The payload type of the newest packet; None before the first, or if aiortc keeps its own buffer."""
        return None if self._buffer is None else self._buffer.payload_type

    def agree(self, pc: RTCPeerConnection, offered: Mapping[str, feedback.Terms]) -> None:
        """Accept reports on each packet if the sender ``offered`` them; call this once aiortc knows the offer."""
        refuse_unreadable(self._receiver)
        if self._feedback is not None:
            feedback.agree(pc, self._receiver, offered)

    def start(self) -> None:
        """Use the fast path for packets; call this once the connection is established."""
        refuse_unreadable(self._receiver)
        if self._intake is None and self._buffer is not None and self._requester is not None:
            self._intake = intake.install(self._receiver, self._requester, self._buffer, self._spawn)

    def ask_for_keyframe(self) -> None:
        """Ask the sender for a keyframe, unless no packet has come."""
        if self._buffer is not None and self._buffer.ssrc is not None:
            self._totals.keyframes_requested += 1
            self._spawn(self._receiver._send_rtcp_pli(self._buffer.ssrc))

    def give_up(self) -> None:
        """Take, decode and request nothing more."""
        if self._intake is not None:
            self._intake.stop()
        if self._decoding is not None:
            self._decoding.give_up()
        if self._requester is not None:
            self._requester.stop()
        if self._feedback is not None:
            self._feedback.stop()
