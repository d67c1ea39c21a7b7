"""The network layer shows the calls and messages of a client exactly as the emulator sees them."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import OdysseyNotFoundError
from odyssey_proto._model.traffic import Exchange, Message
from odyssey_proto._net import observation
from odyssey_proto.conformance._calls import path_of
from odyssey_proto.emulator import Fault, watching
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from odyssey_proto import Odyssey
    from odyssey_proto._model.traffic import Seen
    from tests.conftest import MakeClient, MakeEmulator


def calls(seen: list[Seen]) -> collections.Counter[Any]:
    return collections.Counter(
        (one.method, path_of(one.route), one.status, one.query, one.request_body, one.body)
        for one in seen
        if isinstance(one, Exchange) and path_of(one.route) not in ("/", "/client/{session_id}")
    )


def messages(seen: list[Seen]) -> collections.Counter[Any]:
    return collections.Counter(
        (one.place, one.from_client, one.text, one.user_agent) for one in seen if isinstance(one, Message)
    )


def test_a_client_shows_what_the_emulator_sees(make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    emulator = make_emulator(sloppy=None)
    client = make_client(emulator)
    ours: list[Seen] = []
    theirs: list[Seen] = []
    with observation.watching(ours.append), watching(theirs.append):
        with client.connect(timeout=PATIENCE_S) as session:
            session.start_stream("A cat", timeout=PATIENCE_S)
            session.interact("It sleeps", timeout=PATIENCE_S)
            session.end_stream(timeout=PATIENCE_S)
        with pytest.raises(OdysseyNotFoundError):
            client.get_recording("unknown")
        # The goodbye arrives at the other end a little later.
        eventually(lambda: messages(theirs) == messages(ours))
    assert calls(ours) == calls(theirs)
    assert sum(messages(ours).values()) >= 9
    assert {one.status for one in ours if isinstance(one, Exchange)} == {101, 200, 404}


def test_a_redirect_is_shown_with_the_answer_that_follows(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(sloppy=None)
    client = make_client(emulator)
    there = f"{emulator.api_url}/stream-recordings?limit=5"
    emulator.faults.add(
        Fault(step="GET /stream-recordings", action="answer", status=307, headers={"Location": there})
    )
    ours: list[Seen] = []
    with observation.watching(ours.append):
        client.list_stream_recordings()
    lists = [one for one in ours if isinstance(one, Exchange) and one.route == "/stream-recordings"]
    assert [(one.status, one.query, one.body is None) for one in lists] == [
        (307, (), True),
        (200, (("limit", "5"),), False),
    ]


def test_nothing_is_shown_while_nobody_watches(client: Odyssey) -> None:
    ours: list[Seen] = []
    with observation.watching(ours.append):
        pass
    client.list_stream_recordings()
    assert ours == []
