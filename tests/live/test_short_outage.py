"""A link that carries nothing for a moment: what is shown afterwards, and what is requested again."""

from __future__ import annotations

import threading
from typing import Final

import pytest

from tests.support.network import Network, missing
from tests.support.watching import SMALL, watch

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

OUTAGE_S: Final = 0.6
"""Longer than single losses, and shorter than the sender keeps packets."""


@pytest.mark.parametrize("recovery", ["latest", "complete"])
def test_after_a_short_outage_video_goes_on_with_what_is_sent_now_or_with_all_of_it(recovery: str) -> None:
    with Network() as network:
        watched = watch(network, recovery=recovery, size=SMALL)
        with network.without_link():
            threading.Event().wait(OUTAGE_S)
        watched.watch_for(60)
        watched.close()
        watched.wait_for_its_end(within=30)
    numbers = [seen.number for seen in watched.frames if seen.number is not None]
    # Frames that the script was too slow for have come, too.
    came = watched.frames[-1].index - watched.frames[0].index
    left_out = numbers[-1] - numbers[0] - came
    assert [status for _, status in watched.statuses if status == "reconnecting"] == []
    assert numbers == sorted(numbers)
    if recovery == "complete":
        assert left_out == 0
    else:
        assert left_out >= OUTAGE_S * 20 / 2
