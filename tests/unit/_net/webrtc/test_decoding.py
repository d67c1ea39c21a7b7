"""The queue that decodes: aiortc's thread asks for encoded frames and gets only the end."""

from __future__ import annotations

import functools
import queue
import threading
from typing import Any

import attrs
import av
import pytest
from aiortc import RTCRtpReceiver

from odyssey_proto._net.webrtc import decoding
from odyssey_proto._net.webrtc.decoding import DecodingQueue
from odyssey_proto._net.webrtc.jitter import ArrivedFrame, MarkerJitterBuffer
from odyssey_proto._video.meters import VideoTotals
from tests.support.clocks import Time
from tests.support.rtp import Transport, packets

STEP = 4500  # of the RTP clock: 50 ms


@attrs.frozen
class Codec:
    """The parts of aiortc's class that matter here."""

    mimeType: str  # noqa: N815 - aiortc's name


H264, VP8 = Codec("video/H264"), Codec("video/VP8")
ENCODERS = {H264: "libx264", VP8: "libvpx"}


def encoded(codec: Codec, count: int, *, width: int = 320) -> list[bytes]:
    """Return ``count`` encoded pictures; the first is a keyframe."""
    return [*_encoded(codec, count, width)]


@functools.cache
def _encoded(codec: Codec, count: int, width: int) -> list[bytes]:
    context: Any = av.CodecContext.create(ENCODERS[codec], "w")
    context.width, context.height, context.pix_fmt, context.time_base = width, 192, "yuv420p", decoding._TICK_S
    context.options = {"tune": "zerolatency"} if codec is H264 else {"deadline": "realtime", "lag-in-frames": "0"}
    context.thread_count = 1  # the threads of libvpx would wait for each other without sleeping
    found = []
    for number in range(count):
        picture = av.VideoFrame(width, 192, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes([40 + 8 * (number % 20)]) * plane.buffer_size)
        picture.pts = number * STEP
        found += [bytes(packet) for packet in context.encode(picture)]
    assert len(found) == count
    return found


@attrs.define
class Rig:
    """A decoding queue, and its results."""

    time: Time = attrs.field(factory=Time)
    frames: list[tuple[av.VideoFrame, float]] = attrs.field(factory=list)
    threads: set[threading.Thread] = attrs.field(factory=set)
    behind: int = 0
    failed: threading.Event = attrs.field(factory=threading.Event)
    totals: VideoTotals = attrs.field(init=False)
    queue: DecodingQueue = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.totals = VideoTotals(self.time)
        self.queue = DecodingQueue(self.take, self.fall_behind, self.failed, self.totals)

    def fall_behind(self) -> None:
        self.behind += 1

    def take(self, frame: av.VideoFrame, arrived_at: float) -> None:
        self.frames.append((frame, arrived_at))
        self.threads.add(threading.current_thread())

    def put(self, codec: Codec, pictures: list[bytes], first: int = 0) -> None:
        """Add frames whose first packets arrived at 1 s, 2 s, …, and whose last packets arrived 0.5 s later."""
        for number, picture in enumerate(pictures, first):
            self.queue.put((codec, ArrivedFrame(picture, 0, number + 1.0, number + 1.5, number * STEP)))

    def run(self) -> None:
        """Decode, as aiortc's thread does."""
        self.queue.put(None)
        self.queue.get()

    def decode(self, codec: Codec, pictures: list[bytes], first: int = 0) -> None:
        self.put(codec, pictures, first)
        self.run()


@pytest.mark.parametrize("codec", [H264, VP8])
def test_frames_are_handed_on_by_who_decodes_with_their_arrival(codec: Codec) -> None:
    rig = Rig(time=Time(10.0))
    rig.decode(codec, encoded(codec, 5))
    assert [frame.pts for frame, _ in rig.frames] == [0, 4500, 9000, 13500, 18000]
    assert [arrived_at for _, arrived_at in rig.frames] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert {(frame.width, frame.height, frame.time_base) for frame, _ in rig.frames} == {
        (320, 192, decoding._TICK_S)
    }
    luma = [int(frame.to_ndarray()[96, 160]) for frame, _ in rig.frames]
    assert luma == pytest.approx([40, 48, 56, 64, 72], abs=3)
    assert rig.threads == {threading.current_thread()}
    assert rig.totals.decoding.ms == pytest.approx(sum(8.5 - n for n in range(5)) / 5 * 1000)
    assert not rig.failed.is_set()


@pytest.mark.parametrize(
    ("whole_at", "sent_s", "held_up_s"),
    [
        ((1.0, 1.05, 1.1), (0.0, 0.05, 0.1), 0.0),
        ((1.0, 1.05, 1.24), (0.0, 0.05, 0.1), 0.0),  # 0.14 s late: no freeze
        ((1.0, 1.05, 1.5), (0.0, 0.05, 0.1), 0.4),
        ((1.0, 1.05, 4.05), (0.0, 0.05, 3.05), 0.0),  # the sender paused
        ((1.0, 1.3, 1.6), (0.0, 0.05, 0.1), 0.5),
        ((1.0, 1.05, 9.0), (50.0, 50.05, 0.0), 0.0),  # the sender's clock was set back
    ],
)
def test_for_how_long_the_network_held_frames_up_is_counted(
    whole_at: tuple[float, ...], sent_s: tuple[float, ...], held_up_s: float
) -> None:
    rig = Rig()
    for picture, at, sent in zip(encoded(VP8, 3), whole_at, sent_s, strict=True):
        rig.queue.put((VP8, ArrivedFrame(picture, 0, at, at, round(sent * 90_000))))
    rig.run()
    assert len(rig.frames) == 3
    assert rig.totals.held_up_s == pytest.approx(held_up_s)


def test_the_codec_and_the_size_may_change() -> None:
    rig = Rig()
    rig.decode(H264, encoded(H264, 2))
    rig.decode(VP8, encoded(VP8, 2), first=2)
    rig.decode(VP8, encoded(VP8, 2, width=640), first=4)
    assert [frame.width for frame, _ in rig.frames] == [320, 320, 320, 320, 640, 640]


@pytest.mark.parametrize("codec", [H264, VP8])
def test_a_frame_that_cannot_be_decoded_is_reported_and_skipped(
    codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    pictures = encoded(codec, 3)
    pictures[1] = b"\x00\x00\x00\x01\x65\xff" if codec is H264 else b"\x01\x00"
    rig.decode(codec, pictures)
    assert [frame.pts for frame, _ in rig.frames][:1] == [0]
    assert 4500 not in [frame.pts for frame, _ in rig.frames]
    assert rig.failed.is_set()
    assert "a frame could not be decoded" in caplog.text


def test_frames_that_cannot_be_decoded_are_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(time=Time(10.0))
    for seconds, frames in ((0.0, 5), (0.5, 3), (1.0, 2)):
        rig.time.at = 10.0 + seconds
        rig.decode(VP8, [b"\x01\x00"] * frames)
    told = [text for text in caplog.messages if text.startswith("a frame could not be decoded: ")]
    assert ["more" in text for text in told] == [False, True]
    assert told[1].endswith(" (and 7 more)")


@pytest.mark.parametrize("codec", [H264, VP8])
def test_an_empty_frame_is_not_the_end(codec: Codec) -> None:
    first, *others = encoded(codec, 4)
    rig = Rig()
    rig.decode(codec, [first, b"", *others])
    assert len(rig.frames) == 4
    assert not rig.failed.is_set()


def test_what_never_comes_out_is_forgotten() -> None:
    rig = Rig(time=Time(0.0))
    inside: list[int] = []
    rig.queue._on_frame = lambda *_: inside.append(len(rig.queue._inside))
    first, last = encoded(H264, 2)
    rig.decode(H264, [first, *[b"\x00\x00\x00\x01\x0c\xff"] * 100, last])  # 100 frames of nothing but filler
    assert inside == [0, decoding._INSIDE - 1]


@pytest.mark.parametrize(("waiting", "late"), [(20, 1.0), (19, 60.0), (21, 0.9)])
def test_what_waits_too_long_is_left_out_up_to_the_next_keyframe(waiting: int, late: float) -> None:
    is_behind = waiting >= 20 and late >= 1
    rig = Rig()
    first = encoded(VP8, waiting)
    rig.put(VP8, first)
    rig.time.at = 1.5 + late  # how late the first frame is
    rig.run()
    assert rig.behind == is_behind
    assert len(rig.frames) == (0 if is_behind else waiting)
    assert rig.totals.frames_too_late == (waiting if is_behind else 0)


def test_after_what_was_left_out_it_goes_on_and_ends() -> None:
    rig = Rig()
    rig.time.at = 100.0
    rig.put(VP8, encoded(VP8, 30))
    later = encoded(VP8, 2)

    def fall_behind() -> None:
        rig.behind += 1
        rig.time.at = 0.0
        rig.put(VP8, later, first=30)
        rig.queue.put(None)

    rig.queue._on_behind = fall_behind
    rig.queue.get()
    assert rig.behind == 1
    assert [frame.pts for frame, _ in rig.frames] == [30 * STEP, 31 * STEP]


@pytest.mark.parametrize("codec", [H264, VP8])
def test_what_comes_before_the_keyframe_is_left_out_too(codec: Codec) -> None:
    pictures = encoded(codec, 33)
    rig = Rig()
    rig.time.at = 100.0
    rig.put(codec, pictures[:30])

    def fall_behind() -> None:  # the loop's thread had passed these on before it was asked to stop
        rig.time.at = 0.0
        rig.put(codec, [*pictures[30:], *encoded(codec, 2)], first=30)
        rig.queue.put(None)

    rig.queue._on_behind = fall_behind
    rig.queue.get()
    assert [frame.pts for frame, _ in rig.frames] == [33 * STEP, 34 * STEP]
    assert rig.totals.frames_too_late == 33


def test_nothing_is_kept_after_the_end() -> None:
    rig = Rig()
    rig.decode(H264, [*encoded(H264, 2), b"\x00\x00\x00\x01\x0c\xff"])
    assert rig.queue._decoder is None
    assert not rig.queue._inside


def test_what_waits_when_it_is_given_up_is_not_decoded() -> None:
    rig = Rig()

    def take(frame: av.VideoFrame, arrived_at: float) -> None:
        rig.take(frame, arrived_at)
        rig.queue.give_up()

    rig.queue._on_frame = take
    rig.decode(VP8, encoded(VP8, 10))
    assert len(rig.frames) == 1


def test_the_buffer_asks_for_the_keyframe_to_go_on_at() -> None:
    buffer = MarkerJitterBuffer(Time())
    arriving = packets([1] * 6, keyframes=(0, 4))
    shown = [buffer.add(packet) for packet in arriving[:2]]
    buffer.wait_for_keyframe()
    shown += [buffer.add(packet) for packet in arriving[2:]]
    assert [frame is not None for _, frame in shown] == [True, True, False, False, True, True]
    assert [asks for asks, _ in shown] == [False, False, True, False, False, False]


def test_it_is_given_to_a_receiver_of_the_known_shape() -> None:
    receiver: Any = RTCRtpReceiver("video", Transport())
    rig = Rig()
    given = decoding.install(receiver, MarkerJitterBuffer(rig.time), rig.take, rig.totals)
    assert given is receiver._RTCRtpReceiver__decoder_queue is not None
    given.put((VP8, ArrivedFrame(encoded(VP8, 1)[0], 0, 1.0, 1.5, 0)))
    given.put((VP8, ArrivedFrame(b"\x01\x00", 0, 1.0, 1.5, STEP)))
    given.put(None)
    given.get()
    assert len(rig.frames) == 1
    assert receiver._RTCRtpReceiver__decoder_error.is_set(), "aiortc asks for a keyframe then"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("queue", queue.LifoQueue()), ("error", None), ("thread", threading.current_thread())],
)
def test_a_receiver_of_another_shape_decodes_in_its_own_way(attribute: str, value: object) -> None:
    receiver: Any = RTCRtpReceiver("video", Transport())
    setattr(receiver, f"_RTCRtpReceiver__decoder_{attribute}", value)
    before = receiver._RTCRtpReceiver__decoder_queue
    rig = Rig()
    assert decoding.install(receiver, MarkerJitterBuffer(rig.time), rig.take, rig.totals) is None
    assert receiver._RTCRtpReceiver__decoder_queue is before


@pytest.mark.parametrize("codec", [H264, VP8])
def test_a_picture_that_is_too_large_is_not_decoded_nor_is_anything_after_it(codec: Codec) -> None:
    sizes: list[tuple[int, int]] = []
    frames: list[Any] = []
    decoder = DecodingQueue(
        lambda frame, _: frames.append(frame),
        lambda: None,
        threading.Event(),
        VideoTotals(Time()),
        max_pixels=320 * 192,
        on_oversize=lambda width, height: sizes.append((width, height)),
    )
    for number, data in enumerate([*encoded(codec, 2), *encoded(codec, 2, width=640), *encoded(codec, 2)]):
        decoder.put((codec, ArrivedFrame(data, number * STEP, 0.0, 0.0, number * STEP)))
    decoder.put(None)
    decoder.get()
    assert sizes == [(640, 192)]
    assert [frame.width for frame in frames] == [320] * len(frames)


def test_the_decoder_has_the_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "coded_size", lambda *_: None)  # as for a frame whose size we cannot read
    failed = threading.Event()
    frames: list[Any] = []
    decoder = DecodingQueue(
        lambda frame, _: frames.append(frame), lambda: None, failed, VideoTotals(Time()), max_pixels=1000
    )
    decoder.put((VP8, ArrivedFrame(encoded(VP8, 1)[0], 0, 0.0, 0.0, 0)))
    decoder.put(None)
    decoder.get()
    assert (failed.is_set(), frames) == (True, [])


def test_what_nobody_takes_is_not_decoded() -> None:
    receiver: Any = RTCRtpReceiver("audio", Transport())
    decoding.discard(receiver)
    tasks = vars(receiver)[decoding._QUEUE]
    tasks.put((VP8, "a frame"))
    tasks.put(None)
    assert tasks.get() is None
    decoding.discard(receiver)
    assert vars(receiver)[decoding._QUEUE] is tasks
