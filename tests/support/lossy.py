"""A video sent over a simulated link, without sockets and without waiting, so that a test can try many links.

The sender keeps its packets for a second, retransmits one on request (not twice within a round trip), and makes a
keyframe on request. The link may lose, delay and reorder packets in either direction, limit their rate, and fail
for a while. The receiver is the library's: `Recovery` and `MarkerJitterBuffer`, put together as in a peer.
"""

from __future__ import annotations

import collections
import heapq
import itertools
import random
from typing import Any, Final

import attrs

from odyssey_proto._net.webrtc.jitter import MarkerJitterBuffer
from odyssey_proto._net.webrtc.recovery import Recovery
from odyssey_proto._video.meters import VideoTotals
from odyssey_proto.emulator._stream.rate_control import RateController
from odyssey_proto.emulator._stream.transport_cc import REFERENCE_S, Report
from tests.support.rtp import INTER, KEYFRAME

__all__ = ["FRAME_S", "Link", "Shown", "show"]

FRAME_S: Final = 0.05
"""From one frame to the next."""
_HISTORY_S: Final = 1.0
_QUEUE_S: Final = 0.2
_PACKET_BITS: Final = 8 * 1250
_REPORTS_S: Final = 0.1  # from one report of the receiver to the next
_AGAIN_S: Final = 0.5  # the period over which retransmissions are limited to the bit rate
_HASTE: Final = 2.5  # how many times faster than the bit rate packets leave
_RESERVE_S: Final = 0.15  # by how much a keyframe is larger than other frames, in s of the bit rate


@attrs.frozen(kw_only=True)
class Link:
    """The impairments of packets, in both directions alike, except `rate`."""

    round_trip_s: float = 0.05
    loss: float = 0.0
    """Share of the packets that are lost one by one, from 0 to 1."""
    bursts: float = 0.0
    """Approximate share of the packets that are lost in bursts of 3 to 10 in a row."""
    jitter_s: float = 0.0
    """The most by which a packet is earlier or later than usual, in s."""
    rate: float = 0.0
    """On the way to the receiver, in packets per s; 0 for no limit. At most 0.2 s of packets queue."""
    outages: tuple[tuple[float, float], ...] = ()
    """The beginning and the end of each outage, in s."""


@attrs.define
class Shown:
    """The frames shown, and their cost."""

    sent: int = 0
    """Frames sent."""
    shown: list[tuple[int, float]] = attrs.field(factory=list)
    """The number of each frame shown, and its age in s."""
    packets: int = 0
    """Packets sent for the first time."""
    lost: int = 0
    """Of those, how many did not arrive; with ``follows``, retransmissions that did not arrive count too."""
    again: int = 0
    """Packets sent again."""
    requested: int = 0
    """Sequence numbers in all requests for packets."""
    keyframes: int = 0
    """Requests for a keyframe."""
    corrupt: int = 0
    """Frames that differ from those sent, or refer to one that was not shown."""

    @property
    def share(self) -> float:
        """The share of the frames that were shown."""
        return len(self.shown) / self.sent

    def longest_freeze_s(self) -> float:
        """Return the longest time in which no frame was shown, counted from the first one sent, in s."""
        at = [0.0, *(number * FRAME_S + age for number, age in self.shown), self.sent * FRAME_S]
        return max((after - before for before, after in itertools.pairwise(at)), default=0.0)


class _Packet:
    __slots__ = ("_data", "again", "marker", "payload", "payload_type", "sequence_number", "ssrc", "timestamp")


class _Simulation:
    def __init__(self, link: Link, sizes: list[int], seed: int, *, complete: bool, tells_again: bool) -> None:
        self.link, self.random, self.found = link, random.Random(seed), Shown()
        self.time = 0.0
        self.events: list[tuple[float, int, Any, Any]] = []
        self.count = 0
        self.busy_until = [0.0, 0.0]
        self.burst = [0, 0]
        # The sender
        self.number = self.random.randrange(65536)
        self.history: dict[int, tuple[float, float, _Packet]] = {}
        self.key_wanted = True
        self.keys: set[int] = set()
        self.whole: list[bytes] = []
        self.tells_again = tells_again
        self.controller: RateController | None = None
        self.owed = 0.0  # packets by which a keyframe was larger than others
        self.leaves_at = 0.0
        self.count_of_all = 0  # packets that have left
        self.lately: collections.deque[float] = collections.deque()  # when packets were sent again
        # The receiver
        self.recovery = Recovery(wants_all=lambda: complete)
        self.buffer = MarkerJitterBuffer(self, VideoTotals(self), self.recovery, lambda: complete)
        self.buffer.releases_all = True
        self.timer_at: float | None = None
        self.last = -1
        self.came: dict[int, float] = {}  # arrival by transport-wide number, since the last report
        for frame, size in enumerate(sizes):
            self.at(frame * FRAME_S, self.send_frame, (frame, size))
        self.found.sent = len(sizes)

    def now(self) -> float:
        """The clock of the sender and of the receiver."""
        return self.time

    def at(self, when: float, what: Any, of: Any) -> None:
        self.count += 1
        heapq.heappush(self.events, (when, self.count, what, of))

    def run(self, until: float) -> Shown:
        while self.events and self.events[0][0] <= until:
            self.time, _, what, of = heapq.heappop(self.events)
            what(of)
        self.found.requested = self.recovery.requested
        return self.found

    # --- the link; way 0 leads to the receiver, way 1 to the sender

    def travel(self, way: int, what: Any, of: Any) -> bool:
        link, now, rng = self.link, self.time, self.random
        if self.burst[way]:
            self.burst[way] -= 1
            return False
        if any(begin <= now < end for begin, end in link.outages):
            return False
        if link.loss and rng.random() < link.loss:
            return False
        if link.bursts and rng.random() < link.bursts / 6.5:
            self.burst[way] = rng.randint(2, 9)
            return False
        if link.rate and way == 0:
            begin = max(now, self.busy_until[0])
            if begin - now > _QUEUE_S:
                return False
            now = self.busy_until[0] = begin + 1 / link.rate
        delay = link.round_trip_s / 2
        if link.jitter_s:
            delay = max(0.0, delay + rng.uniform(-link.jitter_s, link.jitter_s))
        self.at(now + delay, what, of)
        return True

    # --- the sender

    def follow(self, bits_per_s: int) -> None:
        """Make the sender follow the receiver's reports, up to ``bits_per_s``; it begins with half."""
        self.controller = RateController(bits_per_s, self.now)
        self.at(_REPORTS_S, self.report, None)

    def report(self, _: None) -> None:
        assert self.controller is not None
        if self.came:
            first, last, reference = min(self.came), max(self.came), int(min(self.came.values()) / REFERENCE_S)
            came = (self.came.get(number) for number in range(first, last + 1))
            arrivals = tuple(None if at is None else at - reference * REFERENCE_S for at in came)
            self.travel(1, self.controller.take_report, Report(first % 65536, reference, arrivals))
            self.came.clear()
        self.at(self.time + _REPORTS_S, self.report, None)

    def size_now(self, size: int, *, key: bool) -> int:
        if self.controller is None:
            return size * (3 if key else 1)
        per_s = self.controller.bits_per_s / _PACKET_BITS
        usual = per_s * FRAME_S * self.random.uniform(0.7, 1.3)
        if key:
            self.owed += per_s * _RESERVE_S
            return round(usual + per_s * _RESERVE_S)
        saved = min(self.owed, usual / 2)
        self.owed -= saved
        return max(1, round(usual - saved))

    def leave(self, packet: _Packet, *, again: bool) -> bool:
        if self.controller is None:
            return self.travel(0, self.receive, packet)
        self.leaves_at = max(self.time, self.leaves_at) + _PACKET_BITS / (_HASTE * self.controller.bits_per_s)
        self.at(self.time if again else self.leaves_at, self.leave_numbered, packet)
        return True

    def leave_numbered(self, packet: _Packet) -> None:
        assert self.controller is not None
        self.count_of_all += 1
        self.controller.number(_PACKET_BITS // 8)
        self.found.lost += not self.travel(0, self.receive_numbered, (self.count_of_all - 1, packet))

    def may_send_again(self) -> bool:
        if self.controller is None:
            return True
        while self.lately and self.time - self.lately[0] > _AGAIN_S:
            self.lately.popleft()
        if (len(self.lately) + 1) * _PACKET_BITS > _AGAIN_S * self.controller.bits_per_s:
            return False
        self.lately.append(self.time)
        return True

    def send_frame(self, order: tuple[int, int]) -> None:
        frame, size = order
        key, self.key_wanted = self.key_wanted, False
        if key:
            self.keys.add(frame)
        size = self.size_now(size, key=key)
        whole = []
        for part in range(size):
            packet = _Packet()
            packet.sequence_number = self.number
            packet.timestamp = frame * 4500
            packet.marker = int(part == size - 1)
            packet.ssrc, packet.payload_type, packet.payload, packet.again = 7, 97, b"", False
            packet._data = b"%d.%d;" % (frame, part)
            if not part:
                packet._data = (KEYFRAME if key else INTER) + packet._data
            whole.append(packet._data)
            self.number = (self.number + 1) % 65536
            self.history[packet.sequence_number] = self.time, -1.0, packet
            self.found.packets += 1
            self.found.lost += not self.leave(packet, again=False)
        self.whole.append(b"".join(whole))

    def hear(self, numbers: list[int]) -> None:
        for number in numbers:
            sent_at, again_at, packet = self.history.get(number, (-9.0, 0.0, None))
            if packet is None or self.time - sent_at > _HISTORY_S or self.time - again_at < self.link.round_trip_s:
                continue
            if not self.may_send_again():
                continue
            self.history[number] = sent_at, self.time, packet
            copy = _Packet()
            for name in _Packet.__slots__:
                setattr(copy, name, getattr(packet, name))
            copy.again = self.tells_again
            self.found.again += 1
            self.leave(copy, again=True)

    def hear_keyframe_wanted(self, _: None) -> None:
        self.key_wanted = True

    # --- the receiver, as a peer puts it together

    def receive_numbered(self, came: tuple[int, Any]) -> None:
        number, packet = came
        self.came[number] = self.time
        self.receive(packet)

    def receive(self, packet: Any) -> None:
        number, timestamp, marked = packet.sequence_number, packet.timestamp, bool(packet.marker)
        if self.recovery.take(number, self.time, timestamp=timestamp, again=packet.again, marked=marked):
            self.buffer.note_outage()
        self.look(None)
        asks, frame = self.buffer.add(packet)
        if asks:
            self.ask()
        if frame is not None:
            for each in (frame, *frame.followers):
                self.show(each)

    def look(self, _: None) -> None:
        recovery = self.recovery
        if self.timer_at is not None and self.time >= self.timer_at:
            self.timer_at = None
            if self.buffer.asks(self.time):
                self.ask()
        if numbers := recovery.due(self.time):
            self.travel(1, self.hear, numbers)
        if recovery.next_at is not None and (self.timer_at is None or recovery.next_at < self.timer_at):
            self.timer_at = max(self.time + 0.002, recovery.next_at)
            self.at(self.timer_at, self.look, None)

    def ask(self) -> None:
        self.found.keyframes += 1
        self.travel(1, self.hear_keyframe_wanted, None)

    def show(self, frame: Any) -> None:
        place = frame.timestamp // 4500
        good = frame.data == self.whole[place] and (place in self.keys or self.last == place - 1)
        self.found.corrupt += not good or place <= self.last
        self.last = place
        self.found.shown.append((place, self.time - place * FRAME_S))


def show(
    link: Link,
    sizes: list[int],
    seed: int,
    *,
    complete: bool = False,
    tells_again: bool = True,
    after: float = 2.0,
    follows: int = 0,
) -> Shown:
    """Send frames of ``sizes`` packets at 20 fps; return the frames shown until ``after`` s after the last.

    Args:
        link: the link.
        sizes: the number of packets of each frame; keyframes have three times as many.
        seed: decides the fate of each packet.
        complete: whether all frames are wanted, even after an outage.
        tells_again: whether retransmissions can be distinguished from other packets.
        after: how long to continue without further frames, in s.
        follows: the highest bit rate of a sender that follows the receiver's reports on the link, in bits per s;
            it begins with half, and only the number of ``sizes`` counts. 0 for a sender that ignores reports.
    """
    simulation = _Simulation(link, sizes, seed, complete=complete, tells_again=tells_again)
    if follows:
        simulation.follow(follows)
    return simulation.run(len(sizes) * FRAME_S + after)
