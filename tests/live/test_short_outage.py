"""A link that carries nothing for a moment: what is shown afterwards, and what is requested again."""

from __future__ import annotations

import threading
import time
from typing import Final

import pytest

from tests.support.network import Network, missing
from tests.support.processes import eventually
from tests.support.watching import SMALL, watch

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

OUTAGE_S: Final = 0.6
"""Longer than single losses, and shorter than the time for which the sender keeps packets."""
LONGEST_S: Final = 0.8
"""After a longer outage, the sender may no longer have all packets."""


@pytest.mark.parametrize("recovery", ["latest", "complete"])
def test_after_a_short_outage_video_goes_on_with_what_is_sent_now_or_with_all_of_it(recovery: str) -> None:
    with Network() as network:
        watched = watch(network, recovery=recovery, size=SMALL)
        began = time.monotonic()
        before = network.lost
        with network.without_link():
            threading.Event().wait(OUTAGE_S)
            if recovery == "latest":  # so that pictures are lost: a busy machine may paint none in that time
                eventually(lambda: network.lost - before >= 10)
        lasted_s = time.monotonic() - began  # longer on a busy machine
        watched.watch_for(60)
        watched.close()
        watched.wait_for_its_end(within=30)
    numbers = [seen.number for seen in watched.frames if seen.number is not None]
    # By the indices: frames that the script was too slow for have come, too.
    came = watched.frames[-1].index - watched.frames[0].index
    left_out = numbers[-1] - numbers[0] - came
    assert [status for _, status in watched.statuses if status == "reconnecting"] == []
    assert numbers == sorted(numbers)
    if recovery == "latest":
        assert left_out > 0  # no larger number: a busy emulator paints fewer pictures than usual
    elif lasted_s < LONGEST_S:
        assert left_out == 0
