"""Frames, their queues and the hub, on real decoded pictures and without a network."""

import builtins
import gc
import signal
import subprocess
import sys
import threading
from typing import Any, cast

import av
import numpy as np
import pytest

from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import (
    MissingExtraError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
)
from odyssey_proto._video.colours import BT601, Colours
from odyssey_proto._video.frame import VideoFrame
from odyssey_proto._video.frame_hub import PAUSE_S, FrameHub
from odyssey_proto._video.frame_queue import FrameCounts, FrameQueue
from tests.support.clocks import Time
from tests.support.pictures import decoded
from tests.support.systems import NEEDS_SIGNALS

GENEROUS = 30.0  # s; a hang fails, a slow machine does not


def within(timeout: float | None = GENEROUS) -> Deadline:
    return Deadline(timeout, MonotonicClock())


AT_ONCE = 0.0


def streaming() -> FrameHub:
    hub = FrameHub()
    hub.begin()
    return hub


def received(frame: av.VideoFrame) -> VideoFrame:
    hub = streaming()
    hub.publish(frame, now=12.5)
    assert hub.latest is not None
    return hub.latest


def numbered(index: int) -> VideoFrame:
    return VideoFrame.from_ndarray(np.zeros((2, 2, 3), np.uint8), index=index)


def take_all(queue: FrameQueue) -> list[int]:
    taken = []
    while (frame := queue.get(within())) is not None:
        taken.append(frame.index)
    return taken


class TestVideoFrame:
    def test_has_its_size_time_index_and_arrival_without_a_conversion(self) -> None:
        frame = received(decoded(64, 48, pts=4500))
        assert (frame.width, frame.height, frame.timestamp_ms) == (64, 48, 50)
        assert (frame.index, frame.dropped_before, frame.received_at) == (0, 0, 12.5)

    def test_has_time_zero_where_the_decoder_knew_none(self) -> None:
        assert received(decoded(pts=None)).timestamp_ms == 0

    def test_has_time_zero_where_the_time_has_no_unit(self) -> None:
        picture = decoded(pts=None)
        picture.pts = 4500
        assert received(picture).timestamp_ms == 0

    @pytest.mark.parametrize("width", [2, 64, 642, 854, 1280, 1284])
    def test_data_is_what_a_plain_conversion_gives_and_contiguous_at_every_width(self, width: int) -> None:
        picture = decoded(width, 48)
        data = received(picture).data
        assert data.shape == (48, width, 3)
        assert data.dtype == np.uint8
        assert data.flags.c_contiguous
        assert data.flags.writeable
        assert np.array_equal(data, picture.to_ndarray(format="rgb24"))

    def test_data_is_converted_once(self) -> None:
        frame = received(decoded())
        assert frame.data is frame.data

    def test_data_is_one_array_for_threads_that_ask_at_once(self) -> None:
        frame = received(decoded(1280, 704))
        together = threading.Barrier(8)
        seen: list[int] = []

        def look() -> None:
            together.wait(GENEROUS)
            seen.append(id(frame.data))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GENEROUS)
        assert len(seen) == 8
        assert len(set(seen)) == 1

    def test_many_threads_convert_many_formats_of_one_frame_alike(self) -> None:
        frame = received(decoded(854, 480))
        expected = {name: frame.to_ndarray(name) for name in ("rgb24", "bgra", "yuv420p")}
        wrong: list[str] = []

        def convert(name: str) -> None:
            wrong.extend(name for _ in range(20) if not np.array_equal(frame.to_ndarray(name), expected[name]))

        threads = [threading.Thread(target=convert, args=(name,)) for name in expected for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GENEROUS)
        assert wrong == []

    @pytest.mark.parametrize("width", [642, 854, 1280])
    @pytest.mark.parametrize(
        ("name", "red_green_blue"),
        [("bgr24", (2, 1, 0)), ("rgba", (0, 1, 2)), ("bgra", (2, 1, 0)), ("argb", (1, 2, 3)), ("abgr", (3, 2, 1))],
    )
    def test_every_colour_format_shows_the_same_picture(
        self, name: str, red_green_blue: tuple[int, ...], width: int
    ) -> None:
        frame = received(decoded(width, 48))
        assert np.array_equal(frame.to_ndarray(name)[:, :, red_green_blue], frame.data)

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("rgb24", (48, 854, 3)),
            ("bgr24", (48, 854, 3)),
            ("rgba", (48, 854, 4)),
            ("bgra", (48, 854, 4)),
            ("argb", (48, 854, 4)),
            ("abgr", (48, 854, 4)),
            ("gray", (48, 854)),
            ("yuv420p", (72, 854)),
            ("nv12", (72, 854)),
        ],
    )
    def test_to_ndarray_gives_each_format_contiguous_and_writable(self, name: str, shape: tuple[int, ...]) -> None:
        array = received(decoded(854, 48)).to_ndarray(name)
        assert (array.shape, array.dtype) == (shape, np.uint8)
        assert array.flags.c_contiguous
        assert array.flags.writeable

    @pytest.mark.parametrize("width", [640, 854, 1280])
    def test_colours_are_those_of_bt601_with_limited_range(self, width: int) -> None:
        # Both decoders leave the matrix unspecified. Blocks of 8x8 px make the chroma upsampling irrelevant.
        rng = np.random.default_rng(601)
        blocks = np.stack(
            [
                rng.integers(low, high, (8, -(-width // 8)), endpoint=True)
                for low, high in ((16, 235), (16, 240), (16, 240))
            ]
        )
        y, cb, cr = blocks.repeat(8, axis=1).repeat(8, axis=2)[:, :, :width].astype(np.uint8)
        picture = av.VideoFrame(width, 64, "yuv420p")
        for plane, values in zip(picture.planes, (y, cb[::2, ::2], cr[::2, ::2]), strict=True):
            pixels = np.frombuffer(cast("Any", plane), np.uint8).reshape(plane.height, plane.line_size)
            pixels[:, : plane.width] = values
        luma, blue, red = (y - 16.0) / 219, (cb - 128.0) / 224, (cr - 128.0) / 224
        exact = np.stack(
            [
                luma + 1.402 * red,
                luma - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587,
                luma + 1.772 * blue,
            ],
            axis=2,
        )
        away = np.abs(received(picture).data - (255 * exact).clip(0, 255))
        rows, columns = (np.isin(np.arange(size) % 8, (2, 3, 4, 5)) for size in (64, width))
        inner = away[rows][:, columns]
        assert inner.max() <= 3
        assert inner.mean() <= 1.2

    def test_gray_is_the_luma_as_sent(self) -> None:
        picture = decoded(854, 48)
        luma = picture.to_ndarray(format="yuv420p")[:48]
        assert np.array_equal(received(picture).to_ndarray("gray"), luma)

    @pytest.mark.parametrize(("width", "height"), [(1280, 704), (854, 48), (33, 17)])
    def test_planes_are_what_was_decoded_and_not_copied(self, width: int, height: int) -> None:
        picture = decoded(width, height)
        frame = received(picture)
        luma, *chroma = frame.planes
        assert [plane.shape for plane in frame.planes] == [
            (height, width),
            *[(-(-height // 2), -(-width // 2))] * 2,
        ]
        assert np.array_equal(luma, frame.to_ndarray("gray"))
        for ours, plane in zip((luma, *chroma), picture.planes, strict=True):
            rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
            assert np.array_equal(ours, rows[:, : plane.width])
            assert ours.__array_interface__["data"] == (plane.buffer_ptr, True)

    def test_planes_outlive_their_frame_and_cannot_be_written_to(self) -> None:
        frame = received(decoded())
        expected = [plane.copy() for plane in frame.planes]
        planes = frame.planes
        del frame
        gc.collect()
        more = [received(decoded()).data for _ in range(20)]  # these would reuse the memory if it were free
        assert all(np.array_equal(*pair) for pair in zip(planes, expected, strict=True))
        assert len(more) == 20
        with pytest.raises(ValueError, match="read-only"):
            planes[0][0, 0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            planes[0].flags.writeable = True

    def test_planes_of_an_rgb_picture_are_converted(self) -> None:
        luma, blue, red = VideoFrame.from_ndarray(np.full((6, 4, 3), 255, np.uint8)).planes
        assert luma.shape == (6, 4)
        assert luma.min() > 230
        assert [blue.tolist(), red.tolist()] == [[[128, 128]] * 3] * 2

    def test_gray_of_an_rgb_picture_is_converted(self) -> None:
        white = VideoFrame.from_ndarray(np.full((4, 4, 3), 255, np.uint8))
        assert white.to_ndarray("gray").shape == (4, 4)
        assert white.to_ndarray("gray").min() > 200

    def test_alpha_is_opaque(self) -> None:
        frame = VideoFrame.from_ndarray(np.full((2, 2, 3), (10, 20, 30), np.uint8))
        assert frame.to_ndarray("rgba")[0, 0].tolist() == [10, 20, 30, 255]
        assert frame.to_ndarray("abgr")[0, 0].tolist() == [255, 30, 20, 10]

    @pytest.mark.parametrize("name", ["rgb24", "gray", "yuv420p"])
    @pytest.mark.parametrize("source", ["yuv420p", "rgb24", "gray"])
    def test_drawing_on_an_array_changes_no_other_picture(self, name: str, source: str) -> None:
        picture = decoded().reformat(format=source)
        before = picture.to_ndarray(format="rgb24").copy()
        frame = received(picture)
        frame.to_ndarray(name)[:] = 7
        frame.data[:] = 9
        assert np.array_equal(frame.to_ndarray("rgb24"), before)
        assert np.array_equal(picture.to_ndarray(format="rgb24"), before)

    def test_to_ndarray_gives_a_new_array_each_time(self) -> None:
        frame = received(decoded())
        assert frame.to_ndarray() is not frame.to_ndarray()

    def test_an_unknown_format_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(OdysseyConfigError, match=r"unknown pixel format 'rgb'.*bgr24.*rgb24.*yuv420p"):
            received(decoded()).to_ndarray("rgb")

    @pytest.mark.parametrize("name", ["yuv420p", "nv12"])
    @pytest.mark.parametrize("size", [(3, 2), (2, 3)])
    def test_a_format_that_this_size_cannot_have_is_refused(self, name: str, size: tuple[int, int]) -> None:
        frame = VideoFrame.from_ndarray(np.zeros((*size, 3), np.uint8))
        with pytest.raises(OdysseyConfigError, match="needs an even width and height"):
            frame.to_ndarray(name)

    def test_to_image_is_an_rgb_image_of_its_own(self) -> None:
        frame = received(decoded(854, 48))
        image = frame.to_image()
        assert (image.mode, image.size) == ("RGB", (854, 48))
        assert np.array_equal(np.asarray(image), frame.data)

    def test_to_image_without_pillow_says_how_to_install_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def absent(name: str, *args: object, **kwargs: object) -> object:
            if name.partition(".")[0] == "PIL":
                raise ImportError(name)
            return real(name, *args, **kwargs)  # type: ignore[arg-type]  # passed through as they came

        monkeypatch.setattr(builtins, "__import__", absent)
        with pytest.raises(MissingExtraError, match="pip install pillow"):
            received(decoded()).to_image()

    def test_is_immutable_hashable_and_equal_only_to_itself(self) -> None:
        frame, other = numbered(1), numbered(1)
        with pytest.raises(AttributeError):
            frame.index = 2  # type: ignore[misc]  # that it cannot be set is what is tested
        assert frame == frame
        assert frame != other
        assert len({frame, other}) == 2

    def test_repr_shows_which_frame_it_is(self) -> None:
        assert repr(received(decoded(64, 48, pts=4500))) == "<VideoFrame 0: 64x48 at 50 ms>"


class TestFromNdarray:
    def test_keeps_the_pixels_and_the_given_values(self) -> None:
        array = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
        frame = VideoFrame.from_ndarray(array, timestamp_ms=850, index=17, received_at=3.5)
        assert np.array_equal(frame.data, array)
        assert (frame.timestamp_ms, frame.index, frame.received_at) == (850, 17, 3.5)

    def test_copies_the_array(self) -> None:
        array = np.zeros((4, 4, 3), np.uint8)
        frame = VideoFrame.from_ndarray(array)
        array[:] = 255
        assert frame.data.max() == 0

    def test_takes_an_array_that_is_not_contiguous(self) -> None:
        array = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)[::2, ::2]
        assert np.array_equal(VideoFrame.from_ndarray(array).data, array)

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros((4, 4), np.uint8),
            np.zeros((4, 4, 4), np.uint8),
            np.zeros((4, 4, 3), np.float32),
            np.zeros((0, 4, 3), np.uint8),
        ],
        ids=["gray", "four channels", "floats", "empty"],
    )
    def test_refuses_what_is_no_rgb_picture(self, array: np.ndarray) -> None:
        with pytest.raises(OdysseyConfigError, match=r"uint8 array of shape \(H, W, 3\)"):
            VideoFrame.from_ndarray(array)


class TestFrameQueue:
    def test_hands_out_frames_in_their_order(self) -> None:
        queue = FrameQueue("drop_oldest", 4)
        frames = [numbered(index) for index in range(3)]
        for frame in frames:
            queue.put(frame)
        assert len(queue) == 3
        assert [queue.get(within()) for _ in range(3)] == frames

    def test_drop_oldest_keeps_the_newest_and_counts_what_was_missed(self) -> None:
        queue = FrameQueue("drop_oldest", 2)
        for index in range(5):
            queue.put(numbered(index))
        first, second = queue.get(within()), queue.get(within())
        assert first is not None
        assert second is not None
        assert [(first.index, first.dropped_before), (second.index, second.dropped_before)] == [(3, 3), (4, 0)]

    def test_latest_keeps_one_whatever_the_size(self) -> None:
        queue = FrameQueue("latest", 4)
        for index in range(5):
            queue.put(numbered(index))
        queue.close()
        frame = queue.get(within())
        assert frame is not None
        assert (frame.index, frame.dropped_before) == (4, 4)
        assert queue.get(within()) is None

    def test_error_delivers_what_came_before_the_overflow_then_raises(self) -> None:
        queue = FrameQueue("error", 2)
        for index in range(4):
            queue.put(numbered(index))
        taken = [queue.get(within()), queue.get(within())]
        assert [frame.index for frame in taken if frame] == [0, 1]
        with pytest.raises(OdysseyStreamError, match="2 were already waiting") as caught:
            queue.get(within())
        assert caught.value.code == "frame_overflow"

    def test_error_is_lossless_for_a_reader_that_keeps_up(self) -> None:
        queue = FrameQueue("error", 1)
        for index in range(10):
            queue.put(numbered(index))
            frame = queue.get(within())
            assert frame is not None
            assert (frame.index, frame.dropped_before) == (index, 0)

    def test_counts_what_came_what_went_and_what_was_lost(self) -> None:
        queue = FrameQueue("drop_oldest", 2)
        for index in range(5):
            queue.put(numbered(index))
        queue.get(within())
        assert queue.counts == FrameCounts(received=5, delivered=1, dropped=3)
        assert len(queue) == 1

    def test_a_frame_that_is_about_to_come_counts_as_received_only(self) -> None:
        queue = FrameQueue()
        queue.put(numbered(0))
        queue._counts.received += 1  # as if the producer were about to add the next frame
        queue.get(within())
        assert queue.counts == FrameCounts(received=2, delivered=1, dropped=0)

    def test_an_overflow_counts_the_frame_that_was_lost(self) -> None:
        queue = FrameQueue("error", 1)
        for index in range(3):
            queue.put(numbered(index))
        assert queue.counts == FrameCounts(received=2, delivered=0, dropped=1)

    def test_counts_are_a_snapshot(self) -> None:
        queue = FrameQueue()
        before = queue.counts
        queue.put(numbered(0))
        assert before == FrameCounts()

    def test_drains_after_a_clean_end_then_gives_none_each_time(self) -> None:
        queue = FrameQueue()
        queue.put(numbered(0))
        queue.close()
        assert queue.closed
        assert take_all(queue) == [0]
        assert queue.get(within()) is None

    def test_drains_after_a_break_then_raises_each_time(self) -> None:
        queue = FrameQueue()
        queue.put(numbered(0))
        queue.close(OdysseyConnectionError("lost"))
        assert queue.get(within()) is not None
        for _ in range(2):
            with pytest.raises(OdysseyConnectionError, match="lost"):
                queue.get(within())

    def test_takes_nothing_after_its_end(self) -> None:
        queue = FrameQueue()
        queue.close()
        queue.put(numbered(0))
        assert queue.get(within()) is None
        assert queue.counts.received == 0

    def test_its_first_end_counts(self) -> None:
        queue = FrameQueue()
        queue.close()
        queue.close(OdysseyConnectionError("later"))
        assert queue.get(within()) is None

    def test_an_empty_queue_times_out_and_stays_usable(self) -> None:
        queue = FrameQueue()
        with pytest.raises(OdysseyStreamTimeoutError, match=r"within 0 s") as caught:
            queue.get(within(AT_ONCE))
        assert isinstance(caught.value, TimeoutError)
        queue.put(numbered(3))
        assert queue.get(within(AT_ONCE)) is not None

    def test_a_waiting_reader_wakes_for_a_frame(self) -> None:
        queue = FrameQueue()
        threading.Thread(target=queue.put, args=(numbered(8),)).start()
        frame = queue.get(within(None))
        assert frame is not None
        assert frame.index == 8

    def test_a_waiting_reader_wakes_for_the_end(self) -> None:
        queue = FrameQueue()
        threading.Thread(target=queue.close).start()
        assert queue.get(within(None)) is None

    def test_all_waiting_readers_wake_for_the_end(self) -> None:
        queue = FrameQueue()
        ends: list[object] = []
        threads = [threading.Thread(target=lambda: ends.append(queue.get(within()))) for _ in range(4)]
        for thread in threads:
            thread.start()
        queue.close()
        for thread in threads:
            thread.join(GENEROUS)
        assert ends == [None] * 4

    def test_readers_of_one_queue_share_its_frames(self) -> None:
        queue = FrameQueue("error", 200)
        taken: list[int] = []
        threads = [threading.Thread(target=lambda: taken.extend(take_all(queue))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for index in range(200):
            queue.put(numbered(index))
        queue.close()
        for thread in threads:
            thread.join(GENEROUS)
        assert sorted(taken) == list(range(200))

    @NEEDS_SIGNALS
    def test_ctrl_c_reaches_a_reader_that_waits(self) -> None:
        main = threading.main_thread().ident
        assert main is not None

        class InterruptingClock(MonotonicClock):
            asked = 0

            def now(self) -> float:
                self.asked += 1
                if self.asked == 2:  # first for the deadline, then for the reader about to wait
                    threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGINT)).start()
                return super().now()

        queue = FrameQueue()
        deadline = Deadline(GENEROUS, InterruptingClock())
        with pytest.raises(KeyboardInterrupt):
            queue.get(deadline)
        queue.put(numbered(1))
        assert queue.get(within(AT_ONCE)) is not None

    @pytest.mark.parametrize("policy", ["newest", "", None])
    def test_refuses_an_unknown_policy(self, policy: object) -> None:
        with pytest.raises(OdysseyConfigError, match="latest, drop_oldest, error"):
            FrameQueue(policy)  # type: ignore[arg-type]  # what is tested

    @pytest.mark.parametrize("size", [0, -1])
    def test_refuses_a_size_below_one(self, size: int) -> None:
        with pytest.raises(OdysseyConfigError, match="at least 1"):
            FrameQueue("drop_oldest", size)

    @pytest.mark.parametrize("size", [True, 1.5, "4", None])
    def test_refuses_a_size_that_is_no_int(self, size: object) -> None:
        with pytest.raises(TypeError, match="must be an int"):
            FrameQueue("drop_oldest", size)  # type: ignore[arg-type]  # what is tested


class TestFrameHub:
    def test_gives_every_subscriber_every_frame_from_then_on(self) -> None:
        hub = streaming()
        early = hub.subscribe("error", 10)
        hub.publish(decoded(), now=0.0)
        late = hub.subscribe("error", 10)
        hub.publish(decoded(), now=0.05)
        hub.end()
        assert take_all(early) == [0, 1]
        assert take_all(late) == [1]

    def test_gives_a_subscriber_who_wants_them_smoothed_the_same_frames(self) -> None:
        hub = streaming()
        live, smooth = hub.subscribe("error", 10), hub.subscribe("error", 10, "smooth")
        for number in range(3):
            hub.publish(decoded(pts=number * 4500), now=number * 0.05)
        hub.end()
        assert take_all(live) == take_all(smooth) == [0, 1, 2]

    def test_receivers_share_one_conversion_and_have_their_own_drop_counts(self) -> None:
        hub = streaming()
        patient, hasty = hub.subscribe("error", 10), hub.subscribe("latest")
        for _ in range(3):
            hub.publish(decoded(), now=0.0)
        hub.end()
        newest = hasty.get(within())
        assert newest is not None
        assert newest.dropped_before == 2
        while (frame := patient.get(within())) is not None:
            assert frame.dropped_before == 0
            last = frame
        assert last.index == newest.index == 2
        assert last.data is newest.data

    def test_a_slow_receiver_costs_the_others_nothing(self) -> None:
        hub = streaming()
        slow, quick = hub.subscribe("error", 1), hub.subscribe("error", 10)
        for _ in range(5):
            hub.publish(decoded(), now=0.0)
        hub.end()
        assert take_all(quick) == [0, 1, 2, 3, 4]
        with pytest.raises(OdysseyStreamError, match="1 were already waiting"):
            take_all(slow)

    def test_the_latest_frame_needs_no_subscriber_and_goes_with_its_stream(self) -> None:
        hub = FrameHub()
        assert hub.latest is None
        hub.begin()
        hub.publish(decoded(), now=1.0)
        hub.publish(decoded(), now=2.0)
        assert hub.latest is not None
        assert (hub.latest.index, hub.latest.received_at) == (1, 2.0)
        hub.end()
        assert hub.latest is None

    def test_beginning_a_stream_that_has_begun_changes_nothing(self) -> None:
        hub = streaming()
        hub.publish(decoded(), now=1.0)
        hub.begin()
        hub.publish(decoded(), now=2.0)
        assert hub.latest is not None
        assert hub.latest.index == 1

    def test_a_late_frame_of_the_stream_before_reaches_nobody(self) -> None:
        hub = FrameHub()
        queue = hub.subscribe("error", 10)
        hub.begin(10.0)
        hub.publish(decoded(), now=9.9)
        hub.publish(decoded(), now=10.1)
        hub.end()
        assert [frame.received_at for frame in iter(lambda: queue.get(within()), None)] == [10.1]

    def test_video_outside_a_stream_reaches_nobody(self) -> None:
        hub = FrameHub()
        queue = hub.subscribe("error", 10)
        hub.publish(decoded(), now=0.0)
        hub.begin()
        hub.publish(decoded(), now=0.1)
        hub.end()
        hub.publish(decoded(), now=0.2)
        frame = queue.get(within())
        assert frame is not None
        assert (frame.index, frame.received_at) == (0, 0.1)
        assert queue.get(within()) is None

    def test_an_end_with_an_error_reaches_every_receiver(self) -> None:
        hub = streaming()
        queues = [hub.subscribe(), hub.subscribe("latest")]
        hub.end(OdysseyConnectionError("lost"))
        for queue in queues:
            with pytest.raises(OdysseyConnectionError, match="lost"):
                queue.get(within())

    def test_counts_frames_of_the_next_stream_from_zero(self) -> None:
        hub = streaming()
        hub.publish(decoded(), now=0.0)
        hub.end()
        queue = hub.subscribe()
        hub.begin()
        hub.publish(decoded(), now=1.0)
        frame = queue.get(within())
        assert frame is not None
        assert frame.index == 0

    def test_a_subscriber_of_an_ended_stream_gets_nothing_of_the_next(self) -> None:
        hub = streaming()
        queue = hub.subscribe()
        hub.end()
        hub.begin()
        hub.publish(decoded(), now=0.0)
        assert queue.get(within()) is None

    @pytest.mark.parametrize("error", [None, OdysseyConnectionError("lost")])
    def test_who_subscribes_after_the_close_gets_its_end(self, error: OdysseyConnectionError | None) -> None:
        hub = streaming()
        hub.close(error)
        hub.close(OdysseyConnectionError("later"))
        hub.begin()
        hub.publish(decoded(), now=0.0)
        queue = hub.subscribe()
        if error is None:
            assert queue.get(within()) is None
        else:
            with pytest.raises(OdysseyConnectionError, match="lost"):
                queue.get(within())
        assert hub.latest is None

    def test_adds_up_what_its_receivers_took_and_missed_also_when_they_are_gone(self) -> None:
        hub = streaming()
        kept, dropped = hub.subscribe("drop_oldest", 2), hub.subscribe("latest")
        for _ in range(3):
            hub.publish(decoded(), now=0.0)
        kept.get(within())
        dropped.get(within())
        before = hub.counts
        del dropped
        gc.collect()
        assert before == hub.counts == FrameCounts(received=3, delivered=2, dropped=3)

    def test_forgets_receivers_that_nobody_holds(self) -> None:
        hub = streaming()
        for _ in range(3):
            hub.subscribe()
        gc.collect()
        hub.publish(decoded(), now=0.0)
        hub.end()
        assert hub.counts == FrameCounts(received=1)

    def test_refuses_what_a_queue_refuses(self) -> None:
        with pytest.raises(OdysseyConfigError):
            FrameHub().subscribe("newest")  # type: ignore[arg-type]  # what is tested


def test_importing_frames_loads_no_heavy_module() -> None:
    script = "import sys, odyssey_proto._video.frame; print(*{'aiortc', 'av', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


class Inbox:
    """A receiver that is not a queue."""

    def __init__(self) -> None:
        self.frames: list[VideoFrame] = []
        self.ended = 0

    def put(self, frame: VideoFrame) -> None:
        self.frames.append(frame)

    def close(self, _: BaseException | None) -> None:
        self.ended += 1


def test_any_receiver_can_be_attached_and_is_notified_of_the_end() -> None:
    hub, inbox = FrameHub(), Inbox()
    hub.attach(inbox, FrameCounts())
    hub.begin()
    hub.publish(decoded(), now=0.0)
    hub.end()
    assert ([frame.index for frame in inbox.frames], inbox.ended) == ([0], 1)
    hub.close()
    late = Inbox()
    hub.attach(late, FrameCounts())
    assert late.ended == 1


def test_all_frames_are_wanted_while_nobody_else_takes_frames_than_who_wants_all() -> None:
    hub, recording, viewer = FrameHub(), Inbox(), Inbox()
    assert not hub.wants_all
    hub.attach(recording, FrameCounts(), wants_all=True)
    assert hub.wants_all
    hub.attach(viewer, FrameCounts())
    assert not hub.wants_all
    del viewer
    assert hub.wants_all
    del recording
    assert not hub.wants_all


def test_it_knows_when_the_newest_frame_of_the_stream_came() -> None:
    hub = FrameHub()
    hub.begin(0.0)
    assert hub.last_at is None
    hub.publish(decoded(), now=1.0)
    assert hub.last_at == 1.0
    hub.end()
    assert hub.last_at is None


def test_a_pause_is_reported_with_its_length_after_the_frame_that_ends_it() -> None:
    inbox = Inbox()
    told: list[tuple[float, int]] = []
    hub = FrameHub(on_resume=lambda seconds: told.append((seconds, len(inbox.frames))))
    hub.attach(inbox, FrameCounts())
    hub.begin(0.0)
    for now in (0.0, 0.05, 0.05 + PAUSE_S, 1.2):
        hub.publish(decoded(), now=now)
    assert told == [(PAUSE_S, 3)]


def test_an_announced_pause_is_reported_however_short_and_time_goes_on() -> None:
    told: list[float] = []
    hub, inbox = FrameHub(on_resume=told.append), Inbox()
    hub.attach(inbox, FrameCounts())
    hub.begin(0.0)
    hub.publish(decoded(pts=9000), now=10.0)
    hub.pause()
    hub.publish(decoded(pts=13500), now=10.05)  # of the connection that was given up
    hub.publish(decoded(pts=0), 10.5, hub.source)
    hub.publish(decoded(pts=4500), 10.55, hub.source)
    assert told == [0.5]
    assert [frame.timestamp_ms for frame in inbox.frames] == [100, 600, 650]


@pytest.mark.parametrize(
    ("pauses", "error", "count"),
    [(False, None, 0), (True, None, 1), (False, OdysseyConnectionError("lost", code="peer_lost"), 1)],
    ids=["a stream that was ended", "a link that was lost before that", "a stream that broke off"],
)
def test_a_picture_that_stands_at_the_end_is_a_freeze_if_there_should_be_more(
    pauses: bool, error: OdysseyConnectionError | None, count: int
) -> None:
    time = Time(100.0)
    hub = FrameHub(clock=time)
    hub.begin(100.0)
    for number in range(3):
        time.at = 100 + number * 0.05
        hub.publish(decoded(pts=number * 4500), time.at)
    if pauses:
        hub.pause()
    time.at = 102.1
    hub.end(error)
    time.at = 110.0
    hub.close(error)
    assert hub.freezes.so_far(120.0) == (count, *2 * [pytest.approx(2.0 * count)])


def test_a_pause_before_the_first_frame_is_none() -> None:
    told: list[float] = []
    hub = FrameHub(on_resume=told.append)
    hub.begin(0.0)
    hub.pause()
    hub.publish(decoded(), 10.0, hub.source)
    hub.end()
    hub.begin(10.0)
    hub.publish(decoded(), 20.0, hub.source)
    assert told == []


def test_a_recorder_gets_the_picture_without_its_conversion() -> None:
    frame = received(decoded(64, 48))
    array = frame.data
    kept = frame._picture.unconverted()
    assert VideoFrame._of(kept).data is not array
    assert np.array_equal(VideoFrame._of(kept).data, array)
    assert kept.nbytes == 64 * 48 * 3 // 2
    assert kept.colours == frame._picture.colours == BT601


def test_colours_are_not_read_while_another_thread_converts_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = received(decoded(64, 48))._picture
    took: list[bool] = []

    def take_the_lock() -> None:
        took.append(picture._lock.acquire(blocking=False))

    def look(_: Any) -> Colours:
        other = threading.Thread(target=take_the_lock)
        other.start()
        other.join()
        return BT601

    monkeypatch.setattr(Colours, "of", look)
    assert picture.colours == BT601
    assert took == [False]


@pytest.mark.parametrize("size", [(64, 48), (128, 32)])
def test_a_picture_is_drawn_in_a_size_and_in_colours(size: tuple[int, int]) -> None:
    picture = received(decoded(64, 48))._picture
    drawn = picture.drawn(*size, BT601)
    assert (drawn.width, drawn.height, drawn.format.name) == (*size, "yuv420p")
    assert drawn is not picture._frame


def test_lists_of_unequal_length_are_no_picture() -> None:
    with pytest.raises(OdysseyConfigError, match=r"^a frame needs a uint8 array of shape"):
        VideoFrame.from_ndarray([[1], [1, 2]])  # type: ignore[arg-type]  # that is the point


def test_pauses_are_counted_and_added_up_also_one_that_still_lasts() -> None:
    hub = streaming()
    assert hub.gaps(0.0) == (0, 0.0)
    for now in (0.0, 0.05, 2.05):
        hub.publish(decoded(), now=now)
    assert hub.gaps(2.1) == (1, pytest.approx(2.0))
    assert hub.gaps(5.05) == (2, pytest.approx(5.0))
    hub.pause()
    assert hub.gaps(2.1) == (2, pytest.approx(2.05))


def test_time_goes_on_over_links_that_fail_and_into_the_next_stream() -> None:
    hub = streaming()
    inbox = Inbox()
    hub.attach(inbox, FrameCounts())
    hub.publish(decoded(), now=10.0, source=hub.source)
    for now in (12.0, 14.0):  # two links, each of which brings one frame and fails
        hub.pause()
        hub.publish(decoded(), now=now, source=hub.source)
    hub.pause()
    hub.end()
    hub.begin(15.0)
    hub.publish(decoded(), now=15.5, source=hub.source)
    times = [frame.timestamp_ms for frame in inbox.frames]
    assert [time - times[0] for time in times] == [0, 2000, 4000, 5500]


def test_a_hub_says_whether_it_is_closed() -> None:
    hub = FrameHub()
    assert not hub.closed
    hub.close()
    assert hub.closed


def test_a_frame_knows_when_its_hub_had_it() -> None:
    hub = FrameHub(clock=MonotonicClock())
    hub.begin()
    inbox = Inbox()
    hub.attach(inbox, FrameCounts())
    before = MonotonicClock().now()
    hub.publish(decoded(), now=before)
    assert inbox.frames[0]._ready_at is not None
    assert inbox.frames[0]._ready_at >= before


def test_what_an_object_raises_that_is_asked_for_its_array_is_raised() -> None:
    class Broken:
        def __array__(self, *_: object, **__: object) -> Any:
            raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        VideoFrame.from_ndarray(cast("Any", Broken()))
