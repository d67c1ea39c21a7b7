"""The record of how a session began: it is short, in order, and has each message once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from odyssey_proto._live.beginning import Beginning
from odyssey_proto._model.traffic import Message, Seen


def message(kind: str, place: Any = "signaling", *, text: str = "", **fields: Any) -> Message:
    text = text or json.dumps({"type": kind, **fields})
    return Message(place=place, from_client=False, text=text, user_agent="")


def kept_by(beginning: Beginning) -> list[Seen]:
    found: list[Seen] = []
    beginning.follow(found.append)
    beginning.leave(found.append)
    return found


def test_the_newest_link_and_the_newest_stream_are_kept() -> None:
    beginning = Beginning()
    first = [message("offer"), message("interactive_stream_start", "clientToStreamer"), message("keepalive")]
    then = [
        message("offer", sdp="2"),
        message("interactive_stream_start", prompt="2"),
        message("stream_started", "streamerToClient"),
    ]
    for seen in (*first, *then):
        beginning.saw(seen)
    assert kept_by(beginning) == then


def test_a_follower_sees_each_message_once_and_may_leave_when_it_is_called() -> None:
    beginning, found = Beginning(), list[Seen]()
    beginning.saw(message("offer"))

    def follow(seen: Seen) -> None:
        found.append(seen)
        if len(found) == 2:
            beginning.leave(follow)

    beginning.follow(follow)
    for number in range(3):
        beginning.saw(message("answer", sdp=str(number)))
    assert found == [message("offer"), message("answer", sdp="0")]


@pytest.mark.parametrize(
    "text", ["x", "x" * 1000, "[" * 100_000, "{}," * 300_000], ids=["1", "1000", "deep", "many"]
)
def test_a_flood_is_kept_in_part(text: str) -> None:
    beginning = Beginning()
    for _ in range(10_000 if len(text) < 2000 else 20):
        beginning.saw(message("", text=text))
    assert sum(len(seen.text) + 256 for seen in kept_by(beginning) if isinstance(seen, Message)) <= 2**20
