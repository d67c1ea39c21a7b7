"""MP4 files: their frames, sizes and times."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from odyssey_proto import VideoFrame
from odyssey_proto._base.errors import OdysseyConfigError
from odyssey_proto._video.mp4 import Mp4Writer

if TYPE_CHECKING:
    from pathlib import Path


def frame(timestamp_ms: int, grey: int = 128, width: int = 320, height: int = 176) -> VideoFrame:
    picture = np.full((height, width, 3), grey, np.uint8)
    return VideoFrame.from_ndarray(picture, timestamp_ms=timestamp_ms)


def read(path: Path) -> list[tuple[int, int]]:
    """Return the time in ms and the mean brightness of each frame of a file."""
    with av.open(str(path)) as container:
        return [
            (round(float(found.time or 0) * 1000), round(float(found.to_ndarray(format="gray").mean())))
            for found in container.decode(video=0)
        ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "video.mp4"


def recorded(path: Path, *frames: VideoFrame) -> list[tuple[int, int]]:
    with Mp4Writer(path) as recorder:
        for each in frames:
            recorder.write(each)
    return read(path)


def test_frames_come_out_in_order_and_as_bright_as_they_were(path: Path) -> None:
    found = recorded(path, frame(0, 40), frame(50, 120), frame(100, 200))
    assert [round(brightness, -1) for _, brightness in found] == [40, 120, 200]


def test_times_are_those_of_the_frames_so_that_a_gap_stays_a_gap(path: Path) -> None:
    found = recorded(path, frame(0), frame(50), frame(97), frame(2000), frame(2050))
    assert [time for time, _ in found] == [0, 50, 97, 2000, 2050]


def test_a_file_begins_with_its_first_frame_whenever_that_was(path: Path) -> None:
    assert [time for time, _ in recorded(path, frame(86_400_000), frame(86_400_050))] == [0, 50]


def test_a_frame_that_is_not_later_than_the_last_comes_1_ms_after_it(path: Path) -> None:
    found = recorded(path, frame(1000), frame(1000), frame(900), frame(1001), frame(1050))
    assert [time for time, _ in found] == [0, 1, 2, 3, 50]


@pytest.mark.parametrize(("width", "height"), [(1280, 704), (704, 1280), (854, 480), (16, 16)])
def test_the_first_frame_decides_the_size(path: Path, width: int, height: int) -> None:
    recorded(path, frame(0, width=width, height=height), frame(50, width=width, height=height))
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.codec_context.name) == (width, height, "h264")


def test_a_frame_of_another_size_is_fitted_into_that_of_the_first(path: Path) -> None:
    found = recorded(path, frame(0, 200), frame(50, 200, width=176, height=320), frame(100, 200, 160, 88))
    assert [(time, round(brightness, -1)) for time, brightness in found] == [(0, 200), (50, 60), (100, 200)]


def test_an_odd_size_becomes_even(path: Path) -> None:
    recorded(path, frame(0, width=321, height=175))
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == (320, 174)


def test_without_a_frame_there_is_no_file_and_an_old_one_stays(path: Path) -> None:
    path.write_text("old")
    with Mp4Writer(path) as recorder:
        pass
    assert recorder.frames == 0
    assert path.read_text() == "old"


def test_the_first_frame_replaces_an_old_file(path: Path) -> None:
    path.write_text("old")
    assert len(recorded(path, frame(0))) == 1


def test_it_can_be_closed_twice(path: Path) -> None:
    recorder = Mp4Writer(str(path))
    recorder.write(frame(0))
    recorder.close()
    recorder.close()
    assert len(read(path)) == 1


def test_a_closed_one_takes_no_more(path: Path) -> None:
    recorder = Mp4Writer(path)
    recorder.close()
    with pytest.raises(OdysseyConfigError, match="closed"):
        recorder.write(frame(0))
    assert not path.exists()


def test_the_file_is_finished_when_the_block_ends_with_an_error(path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), Mp4Writer(path) as recorder:
        recorder.write(frame(0))
        recorder.write(frame(50))
        raise KeyboardInterrupt
    assert len(read(path)) == 2


def test_one_whose_first_frame_fails_can_be_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Mp4Writer, "_fitted", fail)
    with pytest.raises(MemoryError), Mp4Writer(path) as recorder:
        recorder.write(frame(0))
    assert recorder.frames == 0


@pytest.mark.parametrize("where", ["nowhere/video.mp4", "."])
def test_a_path_that_cannot_be_written_is_an_os_error_at_the_first_frame(tmp_path: Path, where: str) -> None:
    with Mp4Writer(tmp_path / where) as recorder, pytest.raises(OSError, match=r"directory"):
        recorder.write(frame(0))
