"""A link that loses and reorders packets, or is down for a moment: no garbage, and no reason to rejoin."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import Any, Final

import attrs
import pytest

from odyssey_proto.core.silence import SILENCE_LIMIT_S
from tests.support.network import Network, Weather, missing
from tests.support.processes import eventually
from tests.support.watching import Watched, watch

pytestmark = [
    pytest.mark.measures,
    pytest.mark.netns,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

CODECS: Final = ("h264", "vp8")

WEATHERS: Final = (
    Weather(loss=0.02),
    Weather(loss=0.1),
    Weather(late=0.2),
    Weather(loss=0.02, repeats=False),
)

BLACKOUTS: Final = {
    "1 s": (1.0, Weather()),
    "1 s, lost for good": (1.0, Weather(repeats=False)),
}
"""How long the link is down, in s, and its weather afterwards. Video counts as lost after `SILENCE_LIMIT_S`."""

FRAMES: Final = 60


@attrs.define
class Findings:
    """The results of a session with one codec."""

    watched: Watched
    gaps: dict[str, dict[str, Any]] = attrs.field(factory=dict)


def go_through_all(codec: str) -> Findings:
    with Network() as network:
        found = Findings(watch(network, codec))
        for name, (seconds, weather) in BLACKOUTS.items():
            network.weather, known = weather, len(found.watched.events_of("GapEvent"))
            with network.without_link():
                threading.Event().wait(seconds)
            found.gaps[name] = found.watched.event_after(known, "GapEvent")
            found.watched.watch_for(FRAMES)
        for weather in WEATHERS:
            network.weather, before = weather, network.lost
            if weather.loss:  # a stream has so few packets that, by chance, the first 100 may all arrive
                eventually(lambda before=before: network.lost > before)
            found.watched.watch_for(FRAMES)
        network.weather = Weather()
        found.watched.watch_for(FRAMES)
        return found


@pytest.fixture(scope="module")
def both() -> dict[str, Findings]:
    with concurrent.futures.ThreadPoolExecutor(len(CODECS)) as executor:
        return dict(zip(CODECS, executor.map(go_through_all, CODECS), strict=True))


@pytest.fixture(params=CODECS)
def findings(request: pytest.FixtureRequest, both: dict[str, Findings]) -> Findings:
    return both[request.param]


def test_no_garbage_is_delivered(findings: Findings) -> None:
    assert findings.watched.garbage() == []


def test_it_is_no_reason_to_rejoin(findings: Findings) -> None:
    assert "reconnecting" not in [status for _, status in findings.watched.statuses]
    assert findings.watched.error is None


@pytest.mark.parametrize("name", BLACKOUTS)
def test_a_short_blackout_is_reported_as_a_gap_of_its_length(name: str, findings: Findings) -> None:
    seconds, _ = BLACKOUTS[name]
    assert seconds - 0.2 < findings.gaps[name]["seconds"] < SILENCE_LIMIT_S
