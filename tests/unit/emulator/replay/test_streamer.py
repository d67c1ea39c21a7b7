"""The times at which a replay shows its pictures."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from odyssey_proto.emulator._replay.streamer import ReplayStreamer
from odyssey_proto.emulator._replay.tape import Picture


@pytest.mark.parametrize("pace", [1.0, 50.0])
def test_each_picture_is_later_than_the_one_before_whatever_the_clock_of_the_service_says(pace: float) -> None:
    streamer = cast("Any", SimpleNamespace(_media_zero=None, _shown_at=0.0, _pace=pace))
    choices = random.Random(1)
    before = 0.0
    for number in range(2000):
        ticks = choices.choice([0, number * 4500, number * 4500 + 15_000, -(2**50), 2**50])
        picture = Picture(0.0, number, "vp8", ticks, False, cast("Any", None))
        at = ReplayStreamer._moment(streamer, picture)
        assert round(at * 90_000) > round(before * 90_000)
        before = at
