"""The search for a path: candidates that come early, and why there is no path."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto._net.webrtc.offer import Offer
from odyssey_proto._net.webrtc.path_search import PathSearch, RemoteCandidates
from tests.support.offers import CHANNEL, HEAD, VIDEO

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\n"
RELAY = "a=candidate:2 1 udp 16777215 192.0.2.9 5000 typ relay raddr 0.0.0.0 rport 9\r\n"
NO_TURN = "no TURN server is known"


def search(*, relay_only: bool = False) -> PathSearch:
    return PathSearch(relay_only=relay_only, on_late=lambda *_: None)


def candidate(number: int) -> wire.IceCandidate:
    text = f"candidate:{number} 1 udp 2130706431 192.0.2.{number} 5000 typ host"
    return wire.IceCandidate(candidate=text, sdp_mid="0", sdp_mline_index=0)


@pytest.mark.parametrize(
    ("description", "kinds"), [(HOST, "host"), (HOST + RELAY + HOST, "host, relay"), (RELAY, "relay")]
)
def test_a_path_that_was_not_found_names_what_was_tried(description: str, kinds: str) -> None:
    found = search()
    found.check(description)
    text = f"No network path to the streamer was found ({kinds} candidates were tried); {NO_TURN}"
    assert found.failure() == (text, True)


@pytest.mark.parametrize(
    ("relay_only", "description", "code", "recoverable"),
    [(False, "v=0\r\n", "no_candidates", True), (True, HOST, "no_relay", False)],
)
def test_without_a_candidate_that_may_be_used_there_is_no_path(
    relay_only: bool, description: str, code: str, recoverable: bool
) -> None:
    with pytest.raises(OdysseyConnectionError) as told:
        search(relay_only=relay_only).check(description)
    assert (told.value.code, told.value.recoverable) == (code, recoverable)


def test_the_same_servers_are_asked_once() -> None:
    async def ask() -> tuple[object, ...]:
        found = search()
        given = (wire.IceServer(urls=["stun:127.0.0.1:9", "http://127.0.0.1"]),)
        await found.ask(given)
        asked = found.servers
        await found.ask(given)
        await found.servers.release()
        return found.servers is asked, [str(url) for url in found.urls], len(found.notes)

    assert asyncio.run(ask()) == (True, ["stun:127.0.0.1:9"], 1)


def test_candidates_that_come_before_the_offer_are_kept_for_it() -> None:
    used: list[Any] = []
    note: Callable[[Any, Any], None] = lambda found, offer: used.append((found, offer))  # noqa: E731
    remote = RemoteCandidates(note)
    remote.take(candidate(1))
    assert used == []
    offer = Offer.read(HEAD + VIDEO + HOST + CHANNEL)
    remote.take_offer(offer)
    remote.take(candidate(2))
    assert [found for found, of in used if of is offer] == [*offer.candidates, candidate(1), candidate(2)]
