"""Recordings of a live session, from a hub without a network: queue, thread, timing, and failures."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Final

import av
import pytest

from odyssey_proto import LiveRecording
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import OdysseyConfigError, OdysseyConnectionError
from odyssey_proto._live import live_recording as recording_module
from odyssey_proto._video import stamp
from odyssey_proto._video.frame_hub import FrameHub
from tests.support.pictures import picture, publish
from tests.support.processes import eventually
from tests.support.systems import NEEDS_DEV_FULL, NEEDS_FORK, NEEDS_LIMITS, NEEDS_SYMLINKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GENEROUS_S: Final = 30.0


def read(path: Path) -> list[tuple[int, int]]:
    """Return the time in ms and the stamped number of each frame of a file."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            stamped = stamp.read(frame.to_ndarray(format="gray"))
            assert stamped is not None
            found.append((round(float(frame.time or 0) * 1000), stamped.frame_number))
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "video.mp4"


@pytest.fixture
def hub() -> Iterator[FrameHub]:
    hub = FrameHub()
    hub.begin()
    yield hub
    hub.close()
    recording_module.join_all(Deadline(GENEROUS_S, MonotonicClock()))


class Encoder:
    """Blocks a recorder until ``may_go_on`` is set."""

    def __init__(self, recording: LiveRecording) -> None:
        self.at_work, self.may_go_on = threading.Event(), threading.Event()
        write = recording._recorder.write

        def wait(*args: object) -> None:
            self.at_work.set()
            self.may_go_on.wait(GENEROUS_S)
            write(*args)  # type: ignore[arg-type]  # passed on unchanged

        recording._recorder.write = wait  # type: ignore[method-assign]


def test_everything_that_comes_is_written_with_its_time(hub: FrameHub, path: Path) -> None:
    with LiveRecording(path, hub) as recording:
        publish(hub, range(10))
    assert read(path) == [(50 * number, number) for number in range(10)]
    assert (recording.frames, recording.dropped, recording.path) == (10, 0, path)
    assert not recording.is_recording


def test_what_comes_after_its_end_is_not_written(hub: FrameHub, path: Path) -> None:
    with LiveRecording(path, hub):
        publish(hub, range(5))
    publish(hub, range(5, 10), first_ms=250)
    assert len(read(path)) == 5


def test_a_gap_in_the_stream_is_a_gap_in_the_file(hub: FrameHub, path: Path) -> None:
    with LiveRecording(path, hub):
        publish(hub, range(3))
        hub.pause()
        publish(hub, range(3, 6), first_ms=0, at=107.1)  # another connection, which counts from 0
    assert [at for at, _ in read(path)] == [0, 50, 100, 7100, 7150, 7200]


@pytest.mark.parametrize("first_ms", [0, 5_000, 47_721_858])
def test_one_stream_comes_after_the_other_at_the_time_it_arrived(first_ms: int, hub: FrameHub, path: Path) -> None:
    with LiveRecording(path, hub) as recording:
        publish(hub, range(3), first_ms=1000)
        hub.end()
        assert recording.is_recording
        hub.begin()
        publish(hub, range(3), first_ms=first_ms, at=102.0)
    assert read(path) == [(0, 0), (50, 1), (100, 2), (2000, 0), (2050, 1), (2100, 2)]


def test_it_ends_with_the_session_and_can_still_be_closed(hub: FrameHub, path: Path) -> None:
    recording = LiveRecording(path, hub)
    publish(hub, range(3))
    hub.close(OdysseyConnectionError("lost"))
    eventually(lambda: not recording._thread.is_alive())
    assert not recording.is_recording
    assert len(read(path)) == 3
    recording.close()
    recording.close()


def test_a_recording_of_a_session_that_is_over_has_no_file(hub: FrameHub, path: Path) -> None:
    hub.close()
    recording = LiveRecording(path, hub)
    recording.close()
    assert recording.frames == 0
    assert not path.exists()


def test_without_a_frame_there_is_no_file_and_an_old_one_stays(hub: FrameHub, path: Path) -> None:
    path.write_text("old")
    with LiveRecording(path, hub):
        assert path.read_text() == "old"
    assert path.read_text() == "old"


def test_an_encoder_that_is_behind_holds_up_nobody_and_misses_nothing(hub: FrameHub, path: Path) -> None:
    recording = LiveRecording(path, hub)
    encoder = Encoder(recording)
    others = hub.subscribe("error", 200)
    publish(hub, range(recording_module.QUEUE_SIZE))
    assert len(others) == recording_module.QUEUE_SIZE
    encoder.may_go_on.set()
    recording.close()
    assert (recording.frames, recording.dropped) == (recording_module.QUEUE_SIZE, 0)


def test_a_recording_that_is_5_s_behind_drops_frames_and_counts_them(
    hub: FrameHub, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = LiveRecording(path, hub)
    encoder = Encoder(recording)
    publish(hub, range(1))
    assert encoder.at_work.wait(GENEROUS_S)
    publish(hub, range(1, 1 + recording_module.QUEUE_SIZE + 7), first_ms=50, at=100.05)
    encoder.may_go_on.set()
    recording.close()
    assert (recording.frames, recording.dropped) == (1 + recording_module.QUEUE_SIZE, 7)
    assert hub.counts.dropped == 7
    assert caplog.messages == ["the recording video.mp4 misses frames: encoding is too slow"]


def test_two_recordings_at_once_write_the_same(hub: FrameHub, tmp_path: Path) -> None:
    with LiveRecording(tmp_path / "a.mp4", hub), LiveRecording(str(tmp_path / "b.mp4"), hub):
        publish(hub, range(5))
    assert read(tmp_path / "a.mp4") == read(tmp_path / "b.mp4")


@NEEDS_SYMLINKS
def test_a_file_that_another_recording_writes_is_refused_until_that_has_ended(
    hub: FrameHub, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.mp4").symlink_to(path)
    with LiveRecording(path, hub):
        publish(hub, range(3))
        for same in (path, tmp_path / "link.mp4"):
            with pytest.raises(OdysseyConfigError, match=r"Another recording is writing"):
                LiveRecording(same, hub)
    assert [number for _, number in read(path)] == [0, 1, 2]
    with LiveRecording(path, hub):
        publish(hub, range(7, 9))
    assert [number for _, number in read(path)] == [7, 8]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no names with a colon")
def test_a_relative_path_is_resolved_when_the_recording_begins(
    hub: FrameHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with LiveRecording("pipe:1.mp4", hub) as recording:  # a name that FFmpeg would mistake for an address
        monkeypatch.chdir("/")
        publish(hub, range(2))
    assert recording.path == tmp_path / "pipe:1.mp4"
    assert len(read(recording.path)) == 2


@pytest.mark.parametrize("where", ["nowhere/video.mp4", "."])
def test_a_path_that_cannot_be_written_is_refused_at_once(hub: FrameHub, tmp_path: Path, where: str) -> None:
    threads = {*threading.enumerate()}
    with pytest.raises(OSError, match="directory"):
        LiveRecording(tmp_path / where, hub)
    assert {*threading.enumerate()} <= threads


def test_what_is_not_a_path_is_refused(hub: FrameHub) -> None:
    with pytest.raises(TypeError):
        LiveRecording(7, hub)  # type: ignore[arg-type]  # the wrong type is the point


@NEEDS_DEV_FULL
def test_close_reports_a_full_disk_each_time(hub: FrameHub) -> None:
    recording = LiveRecording("/dev/full", hub)
    publish(hub, range(3))
    for _ in range(2):
        with pytest.raises(OSError, match=r"No space left on device: '/dev/full'") as caught:
            recording.close()
        assert type(caught.value) is OSError
    assert not recording.is_recording


@NEEDS_DEV_FULL
def test_a_disk_that_is_full_does_not_hide_what_went_wrong_first(hub: FrameHub) -> None:
    def record() -> None:
        with LiveRecording("/dev/full", hub):
            publish(hub, range(3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        record()
    assert caught.value.__notes__ == [
        "The recording failed as well: [Errno 28] No space left on device: '/dev/full'"
    ]


LIMITED: Final = """
import resource, sys, threading
from fractions import Fraction
import av, numpy
from odyssey_proto import LiveRecording
from odyssey_proto._video.frame_hub import FrameHub

path, limit, frames_before = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
hub = FrameHub()
hub.begin()
recording = LiveRecording(path, hub)
random = numpy.random.default_rng(0)
for number in range(90):
    while number == frames_before and recording.frames < number:
        threading.Event().wait(0.01)
    if number == frames_before:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if limit < 10:
            break
    frame = av.VideoFrame.from_ndarray(random.integers(0, 256, (96, 640), numpy.uint8), format="yuv420p")
    frame.pts, frame.time_base = number * 4500, Fraction(1, 90_000)
    hub.publish(frame, 100 + number / 20)
try:
    recording.close()
except OSError as error:
    print(type(error).__name__, error.strerror, error.filename == path)
"""


@NEEDS_LIMITS
@pytest.mark.parametrize(("limit", "after"), [(1_000_000, 0), (0, 3)], ids=["in the middle", "at the end"])
def test_a_disk_that_becomes_full_is_reported(limit: int, after: int, path: Path) -> None:
    arguments = [sys.executable, "-c", LIMITED, str(path), str(limit), str(after)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "OSError File too large True\n"
    assert done.stderr == ""
    if limit:
        with av.open(str(path)) as container:  # the part before the limit can be played
            assert next(container.decode(video=0)).width == 640


def test_a_stream_of_another_size_goes_into_the_same_file(hub: FrameHub, path: Path) -> None:
    with LiveRecording(path, hub) as recording:
        publish(hub, range(3))
        hub.end()
        hub.begin()
        hub.publish(picture(0, 0, 64, 640), 101.0)
        hub.publish(picture(1, 50, 64, 640), 101.05)
    assert recording.frames == 5
    with av.open(str(path)) as container:
        found = [
            (frame.width, frame.height, round((frame.time or 0) * 1000)) for frame in container.decode(video=0)
        ]
    assert found == [(640, 64, at_ms) for at_ms in (0, 50, 100, 1000, 1050)]


@pytest.mark.parametrize("size", [(640, 352), (1280, 704), (2560, 1408), (3840, 2112)])
def test_what_waits_for_the_encoder_is_bounded_in_frames_and_in_bytes(
    size: tuple[int, int], hub: FrameHub, path: Path
) -> None:
    width, height = size
    most = min(recording_module.QUEUE_SIZE, recording_module.RECORDING_QUEUE_BYTES * 2 // (width * height * 3))
    recording = LiveRecording(path, hub)
    encoder = Encoder(recording)
    shown = picture(0, 0, *size)
    hub.publish(shown, 100.0)
    assert encoder.at_work.wait(GENEROUS_S)
    for number in range(1, recording_module.QUEUE_SIZE + 10):
        hub.publish(shown, 100.0 + number / 20)  # the same each time: different ones in 4K would take over 1 GB
    waiting = len(recording._queue._frames)
    recording._queue.give_up()
    encoder.may_go_on.set()
    recording.close()
    assert waiting == most
    assert recording.dropped == recording_module.QUEUE_SIZE + 9 - most


def test_one_frame_waits_however_large_it_is(hub: FrameHub, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "RECORDING_QUEUE_BYTES", 1000)
    with LiveRecording(path, hub) as recording:
        for number in range(3):
            publish(hub, range(number, number + 1), first_ms=50 * number, at=100 + number / 20)
            eventually(lambda number=number: recording.frames == number + 1)  # type: ignore[misc]  # mypy#12557
    assert (recording.frames, recording.dropped) == (3, 0)


def test_a_frame_that_waits_keeps_no_conversion_of_others_alive(hub: FrameHub, path: Path) -> None:
    recording = LiveRecording(path, hub)
    encoder = Encoder(recording)
    frames = hub.subscribe("drop_oldest", 4)
    publish(hub, range(2))
    assert encoder.at_work.wait(GENEROUS_S)
    converted = []
    for _ in range(2):
        shown = frames.get(Deadline(GENEROUS_S, MonotonicClock()))
        assert shown is not None
        converted.append(weakref.ref(shown.data))
        del shown
    publish(hub, range(2, 3), first_ms=100, at=100.1)  # the hub itself keeps only the newest frame
    assert [reference() for reference in converted] == [None, None]
    encoder.may_go_on.set()
    recording.close()


@pytest.mark.parametrize(
    "name", ["cat.gif", "cat.MKV", "cat.webm", "cat.mov", "cat.mp4.avi", "cat.jpg", ".mp4.ts"]
)
def test_a_name_that_promises_another_kind_of_file_is_refused(name: str, hub: FrameHub, tmp_path: Path) -> None:
    with pytest.raises(OdysseyConfigError, match=rf"MP4 files, and {name} promises another kind") as caught:
        LiveRecording(tmp_path / name, hub)
    assert caught.value.code == "invalid_argument"
    assert list(tmp_path.iterdir()) == []
    LiveRecording(tmp_path / "cat.mp4", hub).close()


@pytest.mark.parametrize("name", ["cat.mp4", "cat.MP4", "cat.m4v", "cat", "cat.2026-11-28", "cat.mp4.part", "gif"])
def test_a_name_that_promises_nothing_else_is_taken(name: str, hub: FrameHub, tmp_path: Path) -> None:
    with LiveRecording(tmp_path / name, hub):
        publish(hub, range(2))
    assert len(read(tmp_path / name)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_what_cannot_be_an_mp4_is_refused_at_once(hub: FrameHub, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(OSError, match="Illegal seek"):  # opening the pipe would wait for a reader
        LiveRecording(tmp_path / "pipe.mp4", hub)
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        LiveRecording(tmp_path / "circle", hub)
    with pytest.raises(OdysseyConfigError, match="not a valid path"):
        LiveRecording("a\0b.mp4", hub)


@NEEDS_DEV_FULL
def test_an_error_that_nobody_asks_for_is_logged(hub: FrameHub, caplog: pytest.LogCaptureFixture) -> None:
    recording = LiveRecording("/dev/full", hub)
    publish(hub, range(3))
    hub.close()
    eventually(lambda: not recording._thread.is_alive())
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "No space left" in caplog.text


@NEEDS_FORK
def test_a_forked_child_leaves_the_file_to_its_parent(hub: FrameHub, path: Path) -> None:
    with LiveRecording(path, hub) as recording:
        publish(hub, range(3))
        child = os.fork()
        if not child:
            recording.close()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        publish(hub, range(3, 6), first_ms=150, at=100.15)
    assert [number for _, number in read(path)] == [0, 1, 2, 3, 4, 5]


def test_what_a_killed_process_leaves_can_be_played(path: Path) -> None:
    code = f"""
import os, threading
from odyssey_proto import LiveRecording
from odyssey_proto._video.frame_hub import FrameHub
from tests.support.pictures import publish
hub = FrameHub()
hub.begin()
recording = LiveRecording({str(path)!r}, hub)
publish(hub, range(100))
while recording.frames < 100:
    threading.Event().wait(0.01)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    found = read(path)
    assert len(found) >= 40
    assert found == [(50 * number, number) for number in range(len(found))]
