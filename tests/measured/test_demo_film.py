"""The film, the pace and the output of the demo, compared with the pictures in its own file.

On a busy machine, the pictures of a demo come late, and some of its last scene come only after its end.
"""

from __future__ import annotations

import bisect
import itertools
import json
import statistics
from typing import Final

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from odyssey_proto._video import stamp
from tests.support.films import Film, difference, watch
from tests.support.processes import command

pytestmark = pytest.mark.measures

SECONDS: Final = 10
FRAME_MS: Final = 50

FEWEST: Final = 60
"""Number of frames that a slow, busy machine paints in `SECONDS`; an idle machine paints 200."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("demo")
    with command("demo", "--json", "--seconds", str(SECONDS), "--out", str(folder)) as process:
        assert process.ended(60) == 0, process.stderr
        (line,) = process.rest()
        assert process.stderr == ""
    return watch(folder / "demo.mp4", json.loads(line))


def test_most_frames_that_were_painted_are_shown(film: Film) -> None:
    assert film.summary["frames"] >= FEWEST
    assert film.summary["lost"] <= 0.25 * film.summary["frames"]
    assert film.summary["latency_ms_max"] < 5000


def test_the_frames_are_of_1280_by_704(film: Film) -> None:
    assert film.sizes == {(1280, 704)}
    assert (film.summary["frames"], film.summary["width"], film.summary["height"]) == (
        len(film.pictures),
        1280,
        704,
    )


def test_the_file_plays_as_long_as_it_was_streamed(film: Film) -> None:
    length_ms = film.times_ms[-1] - film.times_ms[0]
    longest_ms = max(later - earlier for earlier, later in itertools.pairwise(film.times_ms))
    assert length_ms == pytest.approx(SECONDS * 1000, abs=1000 + longest_ms)
    assert film.summary["seconds"] == pytest.approx(length_ms / 1000, abs=1)
    assert film.summary["fps"] == pytest.approx(film.summary["frames"] / film.summary["seconds"], rel=0.02)


def test_frames_are_shown_at_the_distance_at_which_they_were_painted(film: Film) -> None:
    marks = [mark for mark in film.stamps if mark is not None]
    assert len(marks) == len(film.stamps)
    shown, painted = np.array(film.times_ms), np.array([mark.time_ms for mark in marks])
    assert np.abs(np.median(np.diff(shown) - np.diff(painted))) < FRAME_MS / 2
    # A busy machine paints some pictures late, but not all of either half.
    first, second = (half.min() for half in np.array_split(painted - shown, 2))
    assert second == pytest.approx(first, abs=FRAME_MS)


def test_stamps_in_the_file_show_the_losses_that_the_summary_reports(film: Film) -> None:
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
    # The camera changes less in half a second, which may be the distance between two pictures on a busy machine.
    later = [bisect.bisect(film.times_ms, time_ms + 500) - 1 for time_ms in film.times_ms]
    usual = statistics.median(
        difference(film.pictures[one], film.pictures[other]) for one, other in enumerate(later) if other > one
    )
    jumps_ms = [film.times_ms[number] for number, change in enumerate(changes, 1) if change > 3 * usual]
    interactions = film.summary["interactions"]
    assert len(interactions) == 2
    assert all(interaction["applied_prompt"].startswith(interaction["prompt"]) for interaction in interactions)
    # On a busy machine, a prompt that is acknowledged near the end of the film may be painted too late for it.
    in_time_ms = film.times_ms[-1] - film.summary["latency_ms_max"] - 1500
    in_time = bisect.bisect(film.times_ms, in_time_ms)
    due = [interaction for interaction in interactions if interaction["first_frame"] < in_time]
    assert len(due) <= len(jumps_ms) <= len(interactions)
    for interaction, jump_ms in zip(interactions, jumps_ms, strict=False):
        assert jump_ms > 1000 * interaction["at_s"] - FRAME_MS


def test_the_contact_sheet_shows_twelve_moments_in_order(film: Film) -> None:
    with Image.open(film.summary["contact_sheet"]) as sheet:
        assert (sheet.format, sheet.mode, sheet.size) == ("PNG", "RGB", (4 * 328 + 8, 3 * 204 + 8))
        pictures = [
            sheet.crop((left, top, left + 320, top + 176))
            for top in range(8, 3 * 204, 204)
            for left in range(8, 4 * 328, 328)
        ]
    enlarged = (picture.convert("L").resize((1280, 704), Resampling.NEAREST) for picture in pictures)
    marks = [mark for mark in map(stamp.read, map(np.asarray, enlarged)) if mark is not None]
    assert len(marks) == len(pictures) == 12
    assert all(earlier.frame_number < later.frame_number for earlier, later in itertools.pairwise(marks))
    assert marks[0] == film.stamps[0]
    assert marks[-1].time_ms - marks[0].time_ms > SECONDS * 1000 / 2
    seen = [np.asarray(picture) for picture in pictures]
    assert all(picture.std() > 10 for picture in seen)
    # A busy machine delivers some frames together: between two that were painted together, hardly anything moves.
    for (one, before), (other, after) in itertools.combinations(zip(marks, seen, strict=True), 2):
        assert other.time_ms - one.time_ms < 500 or difference(before, after) > 0.5
