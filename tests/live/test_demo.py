"""The files and output of the demo, compared with the pictures in its own file."""

from __future__ import annotations

import bisect
import itertools
import json
import signal
import statistics
from typing import TYPE_CHECKING, Any, Final

import attrs
import av
import numpy as np
import pytest
from PIL import Image

from odyssey_proto._video import stamp
from tests.support.processes import command, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.xdist_group("demo")  # one run for all

SECONDS: Final = 10
FRAME_MS: Final = 50


@attrs.frozen
class Film:
    """The result of a demo."""

    summary: dict[str, Any]
    pictures: list[NDArray[np.uint8]]
    """In colour, a quarter of the size."""
    times_ms: list[float]
    stamps: list[stamp.Stamp | None]
    sizes: set[tuple[int, int]]


def watch(path: Path, summary: dict[str, Any]) -> Film:
    film = Film(summary, [], [], [], set())
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            film.sizes.add((frame.width, frame.height))
            film.times_ms.append(float(frame.time or 0) * 1000)
            film.stamps.append(stamp.read(frame.to_ndarray(format="gray")))
            film.pictures.append(frame.to_ndarray(format="rgb24")[::4, ::4])
    return film


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("demo")
    with command("demo", "--json", "--seconds", str(SECONDS), "--out", str(folder)) as process:
        assert process.ended(60) == 0, process.stderr
        (line,) = process.rest()
        assert process.stderr == ""
    return watch(folder / "demo.mp4", json.loads(line))


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the difference of two pictures, in levels of 255, without the stamp."""
    return float(np.abs(one[8:].astype(np.int16) - other[8:]).mean())


def test_the_frames_are_of_1280_by_704(film: Film) -> None:
    assert film.sizes == {(1280, 704)}
    assert (film.summary["frames"], film.summary["width"], film.summary["height"]) == (
        len(film.pictures),
        1280,
        704,
    )
    assert len(film.pictures) > 20  # on a busy machine; `tests/measured` has one that is not


def test_the_file_plays_as_long_as_it_was_streamed(film: Film) -> None:
    length_ms = film.times_ms[-1] - film.times_ms[0]
    assert length_ms == pytest.approx(SECONDS * 1000, abs=1000)
    assert film.summary["seconds"] == pytest.approx(length_ms / 1000, abs=1)
    assert film.summary["fps"] == pytest.approx(film.summary["frames"] / film.summary["seconds"], rel=0.02)


def test_frames_are_shown_at_the_distance_at_which_they_were_painted(film: Film) -> None:
    marks = [mark for mark in film.stamps if mark is not None]
    assert len(marks) == len(film.stamps)
    shown, painted = np.array(film.times_ms), np.array([mark.time_ms for mark in marks])
    assert np.abs(np.median(np.diff(shown) - np.diff(painted))) < FRAME_MS / 2
    # A busy machine paints some pictures late, but not all of one half.
    first, second = (half.min() for half in np.array_split(painted - shown, 2))
    assert second == pytest.approx(first, abs=FRAME_MS)


def test_stamps_in_the_file_tell_the_losses_that_the_summary_tells(film: Film) -> None:
    numbers = [mark.frame_number for mark in film.stamps if mark is not None]
    assert all(earlier < later for earlier, later in itertools.pairwise(numbers))
    assert film.summary["unstamped"] == 0
    assert film.summary["lost"] == numbers[-1] - numbers[0] + 1 - len(numbers)
    assert 0 <= film.summary["dropped"] <= film.summary["lost"]


def test_latencies_are_plausible_and_in_order(film: Film) -> None:
    median, p95, longest = (film.summary[f"latency_ms_{which}"] for which in ("median", "p95", "max"))
    assert 0 < median <= p95 <= longest
    assert film.summary["connect_s"] > 0
    assert film.summary["first_frame_s"] > 0


def test_every_interaction_changes_the_picture(film: Film) -> None:
    changes = map(difference, film.pictures, film.pictures[1:])
    # The camera changes less in half a second. A busy machine shows fewer pictures in that time.
    later = [bisect.bisect(film.times_ms, time_ms + 500) - 1 for time_ms in film.times_ms]
    usual = statistics.median(
        difference(film.pictures[one], film.pictures[other]) for one, other in enumerate(later) if other > one
    )
    jumps_ms = [film.times_ms[number] for number, change in enumerate(changes, 1) if change > 3 * usual]
    interactions = film.summary["interactions"]
    assert len(jumps_ms) == len(interactions) == 2
    for interaction, jump_ms in zip(interactions, jumps_ms, strict=True):
        assert interaction["applied_prompt"].startswith(interaction["prompt"])
        assert jump_ms > 1000 * interaction["at_s"] - FRAME_MS


def test_the_contact_sheet_has_twelve_different_pictures(film: Film) -> None:
    with Image.open(film.summary["contact_sheet"]) as sheet:
        assert (sheet.format, sheet.mode, sheet.size) == ("PNG", "RGB", (4 * 328 + 8, 3 * 204 + 8))
        pictures = [
            np.asarray(sheet.crop((left, top, left + 320, top + 176)))
            for top in range(8, 3 * 204, 204)
            for left in range(8, 4 * 328, 328)
        ]
    assert len(pictures) == 12
    assert all(picture.std() > 10 for picture in pictures)
    assert all(difference(one, other) > 0.5 for one, other in itertools.combinations(pictures, 2))


def test_another_seed_is_another_world(film: Film, tmp_path: Path) -> None:
    with command("demo", "--json", "--seconds", "1", "--seed", "7", "--out", str(tmp_path)) as process:
        assert process.ended() == 0, process.stderr
        other = watch(tmp_path / "demo.mp4", json.loads(process.line()))
    assert difference(film.pictures[0], other.pictures[0]) > 5


@pytest.mark.parametrize(
    ("options", "number"), [((), signal.SIGINT), (("--json",), signal.SIGTERM), ((), signal.SIGHUP)]
)
def test_an_interrupt_leaves_what_was_recorded_so_far(
    tmp_path: Path, options: tuple[str, ...], number: signal.Signals
) -> None:
    video = tmp_path / "demo.mp4"
    with command("demo", "--seconds", "600", "--out", str(tmp_path), *options) as process:
        eventually(lambda: video.exists() and video.stat().st_size > 100_000)
        process.signal(number)
        assert process.ended() == 130
        assert process.stderr == "odyssey-proto: interrupted\n"
        assert process.rest() == []
    film = watch(video, {})
    assert len(film.pictures) > 10
    assert None not in film.stamps
