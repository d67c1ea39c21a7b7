"""A link that is down for a while: frames resume by themselves, none is garbage, and the gap is reported."""

from __future__ import annotations

import itertools
import operator
import threading
import time
from typing import TYPE_CHECKING, Final

import attrs
import pytest

from odyssey_proto.core.silence import SILENCE_LIMIT_S
from tests.support.network import Network, Weather, missing
from tests.support.processes import eventually
from tests.support.watching import SMALL, Watched, watch

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.netns, pytest.mark.skipif(bool(missing()), reason=missing())]

OUTAGES_S: Final = (3.0, 15.0, 25.0)
"""How long the link is down, in s; the service keeps a session for 40 s. A busy machine adds a second or two, so
the first is far shorter than `SILENCE_LIMIT_S`."""
BACK_WITHIN_S: Final = 12.0
"""Far longer than rejoining takes, including the backoff that TCP has reached by then."""
CLOSES_WITHIN_S: Final = 20.0
"""`tests/measured` measures the promised 2 s; here, only a hang fails."""
FRAME_S: Final = 0.05


@attrs.frozen
class Outage:
    """The results of one outage."""

    seconds: float
    ended_at: float
    next_frame_at: float
    statuses: list[str]
    told: dict[str, float]
    """The data of the `GapEvent`."""
    missed: int
    """Number of painted frames that never arrived, by the stamps."""


@attrs.define
class Findings:
    """The results of both sessions of this module; see `findings`."""

    outages: list[Outage] = attrs.field(factory=list)
    survivor: Watched | None = None
    given_up: Watched | None = None


def suffer(watched: Watched, network: Network, seconds: float) -> Outage:
    """Take the link down for a while, and return the results."""
    statuses, before = len(watched.statuses), len(watched.frames)
    known = len(watched.events_of("GapEvent"))
    with network.without_link():
        threading.Event().wait(seconds)
    ended_at = time.monotonic()

    def is_back() -> bool:
        return any(seen.at > ended_at + FRAME_S for seen in watched.frames[before:])

    eventually(is_back, within=60)
    watched.watch_for(40)
    watched.event_after(known, "GapEvent")
    # A busy machine may make other gaps, which are shorter.
    told = max(watched.events_of("GapEvent")[known:], key=operator.itemgetter("seconds"))
    # The gap is found by the numbers, not by the times: a busy script may read the last frames from before the
    # outage only when the link is back. Frames that the script was too slow for have an index: they arrived.
    missed, first = max(
        (
            ((after.number or 0) - (earlier.number or 0) - (after.index - earlier.index), after)
            for earlier, after in itertools.pairwise(watched.frames[before - 1 :])
        ),
        key=operator.itemgetter(0),
    )
    return Outage(
        seconds=seconds,
        ended_at=ended_at,
        next_frame_at=first.at,
        statuses=[status for _, status in watched.statuses[statuses:]],
        told=told,
        missed=missed,
    )


@pytest.fixture(scope="module")
def findings() -> Iterator[Findings]:
    """Two sessions side by side: one suffers one outage after the other, the other loses its link for good."""
    found = Findings()
    with Network(seed=1) as network, Network(seed=2) as dead_network:
        found.given_up = watch(dead_network, size=SMALL)
        dead_network.weather = Weather(down=True)
        found.survivor = watch(network, size=SMALL)
        for seconds in OUTAGES_S:
            found.outages.append(suffer(found.survivor, network, seconds))
        found.given_up.wait_for_its_end(60)
        yield found


@pytest.fixture(params=OUTAGES_S, ids=[f"{seconds:g} s" for seconds in OUTAGES_S])
def outage(request: pytest.FixtureRequest, findings: Findings) -> Outage:
    return next(outage for outage in findings.outages if outage.seconds == request.param)


def test_the_same_iterator_goes_on_after_an_outage(outage: Outage) -> None:
    assert outage.next_frame_at - outage.ended_at < BACK_WITHIN_S


def test_a_link_that_is_back_soon_goes_on_and_otherwise_the_handlers_see_that_it_reconnects(
    outage: Outage,
) -> None:
    if outage.told["seconds"] < SILENCE_LIMIT_S:
        assert outage.statuses == []
    elif outage.seconds >= SILENCE_LIMIT_S:  # otherwise, a busy machine has made the outage longer
        assert outage.statuses == ["reconnecting", "connected"]


def test_the_gap_is_reported_with_its_length(outage: Outage) -> None:
    assert outage.seconds - 1 < outage.told["seconds"] < outage.seconds + BACK_WITHIN_S
    # A busy machine does not paint every frame in time.
    assert 0 < outage.missed <= outage.told["frames_missed"] + 5
    assert outage.told["frames_missed"] == pytest.approx(outage.told["seconds"] / FRAME_S, abs=2)


def test_no_garbage_is_delivered_around_outages(findings: Findings) -> None:
    assert findings.survivor is not None
    assert findings.survivor.garbage() == []
    assert findings.survivor.error is None


def test_a_link_that_stays_down_ends_with_a_clear_error(findings: Findings) -> None:
    given_up = findings.given_up
    assert given_up is not None
    assert given_up.error is not None
    _, kind, text, code = given_up.error
    assert (kind, code) == ("OdysseyConnectionError", "connection_lost")
    assert text.startswith("Connection lost; not back within 40 s of the last keepalive")
    assert "\n" not in text
    assert [status for _, status in given_up.statuses][-2:] == ["reconnecting", "failed"]


@pytest.mark.parametrize("status", ["connected", "reconnecting"])
def test_a_client_is_closed_in_time_while_the_link_is_down(status: str) -> None:
    with Network() as network:
        watched = watch(network, size=SMALL)
        network.weather = Weather(down=True)
        eventually(lambda: watched.statuses[-1][1] == status)
        watched.close()
        watched.wait_for_its_end(within=30)
    assert watched.closing_took is not None
    assert watched.closing_took < CLOSES_WITHIN_S
    assert watched.error is None
    assert watched.statuses[-1][1] == "disconnected"


def test_what_was_given_up_is_closed_at_once(findings: Findings) -> None:
    assert findings.given_up is not None
    assert findings.given_up.closing_took is not None
    assert findings.given_up.closing_took < CLOSES_WITHIN_S
