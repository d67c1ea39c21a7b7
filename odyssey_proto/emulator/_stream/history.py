"""The packets that a sender has sent lately, so that it can retransmit lost ones as streamers do.

aiortc keeps 128 packets, a third of a second at 4 Mbit/s, and retransmits a packet as often as it is requested.
This module keeps a second of them, and retransmits none twice within a round trip: a packet requested again so
soon is still under way, and would only displace others. In a stream of a given rate, retransmissions are limited
to that rate.
"""

from __future__ import annotations

import collections
import math
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCRtpSender

__all__ = ["SentPackets", "keep_sent"]

_KEPT_S: Final = 1.0
_COUNTED_FOR_S: Final = 0.5
"""Time over which retransmissions are counted, in s."""
_HISTORY: Final = "_RTCRtpSender__rtp_history"  # aiortc has no public API for these
_RETRANSMIT: Final = "_retransmit"
_ROUND_TRIP: Final = "_RTCRtpSender__rtt"
_ROUND_TRIP_S: Final = 0.01  # until it is measured


class SentPackets(dict[int, Any]):
    """The packets of one sender. Replaces aiortc's history, which is a dict by sequence number modulo 128."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._sent: dict[int, tuple[float, Any]] = {}  # by number, the oldest first
        self._again: dict[int, float] = {}  # when a packet was last retransmitted
        self._wanted = -1
        self._lately: collections.deque[tuple[float, int]] = collections.deque()  # retransmissions: when, bits
        self.most_again: Callable[[], float] = lambda: math.inf
        """Returns how many bits per s may be retransmitted: on a slow link, more would displace new packets."""
        self.sending_again = False
        """Whether the packet that is being sent was sent before."""
        self.on_sending: Callable[[Any], None] = lambda _: None
        """Called with each new packet before it is serialised."""

    def __setitem__(self, place: int, packet: Any) -> None:
        """Keep a packet that is being sent."""
        self.on_sending(packet)
        now = self._now()
        self._sent.pop(packet.sequence_number, None)
        self._again.pop(packet.sequence_number, None)
        self._sent[packet.sequence_number] = now, packet
        while now - self._sent[oldest := next(iter(self._sent))][0] > _KEPT_S:
            del self._sent[oldest]
            self._again.pop(oldest, None)

    def get(self, _: int, default: Any = None) -> Any:
        """Return the packet that `may_send` allowed last."""
        return self._sent.get(self._wanted, (0.0, default))[1]

    def may_send(self, number: int, round_trip_s: float) -> bool:
        """Return whether to retransmit packet ``number``; if so, it counts as retransmitted."""
        now = self._now()
        if number not in self._sent or now - self._again.get(number, float("-inf")) < round_trip_s:
            return False
        bits = 8 * len(self._sent[number][1].payload)
        while self._lately and now - self._lately[0][0] > _COUNTED_FOR_S:
            self._lately.popleft()
        if sum(each for _, each in self._lately) + bits > _COUNTED_FOR_S * self.most_again():
            return False
        self._lately.append((now, bits))
        self._wanted, self._again[number] = number, now
        return True


def keep_sent(sender: RTCRtpSender, guess_s: Callable[[], float | None] = lambda: None) -> SentPackets:
    """Make ``sender``, which has sent nothing yet, keep its packets for a second, and return them.

    Until the first report, which takes a second or two, the round trip is what ``guess_s`` returns, in s, or a
    default if that is None.
    """
    sent = SentPackets()
    send_again: Any = sender._retransmit

    async def once_a_round_trip(number: int) -> None:
        round_trip_s = getattr(sender, _ROUND_TRIP) or guess_s() or _ROUND_TRIP_S
        if sent.may_send(number, round_trip_s):
            sent.sending_again = True  # a pacer that takes the packet does so at once
            try:
                await send_again(number)
            finally:
                sent.sending_again = False

    setattr(sender, _HISTORY, sent)
    setattr(sender, _RETRANSMIT, once_a_round_trip)
    return sent
