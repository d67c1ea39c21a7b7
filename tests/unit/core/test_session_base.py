"""The building blocks of a session's actions: its status, its links, and its end."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors
from odyssey_proto._model import events
from odyssey_proto._model.events import ConnectionStatus
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.deadlines import KEEPALIVE_INTERVAL_S, REJOIN_DEADLINE_S, SESSION_KEPT_S
from tests.support.rig import GOODBYE_LINK, LOST, Rig, failures, joined, only


def test_a_status_is_reported_when_it_changes_and_the_end_last() -> None:
    rig = Rig()
    told = rig.give(inputs.Connect(0), inputs.Authenticated())
    assert [event.status.value for event in only(told, events.StatusChanged)] == ["authenticating", "connecting"]
    outputs = rig.give(inputs.Disconnect())
    assert outputs[-2] == events.StatusChanged(  # before the answer to the connect
        status=ConnectionStatus.DISCONNECTED, message="The client disconnected", at=rig.now
    )


def test_what_a_session_waits_for_is_said_once() -> None:
    rig = Rig(queue_timeout_s=3).to_queueing()
    full = inputs.StreamerUnavailable(errors.OdysseyConnectionError("No streamers available", status=503))
    assert [event.message for event in only(rig.give(full), events.StatusChanged)] == ["Waiting for a streamer"]
    rig.later(1.0)
    assert only(rig.give(full), events.StatusChanged) == []


def test_the_progress_names_the_failure_before() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_connecting()
    assert rig.core.progress == "opening the signaling connection"
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.core.progress == "waiting to try again; the previous attempt: the line is dead"


def test_a_link_that_is_rejoined_has_less_time_and_every_word_keeps_the_session() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    assert only(rig.later(0), effects.OpenLink)[0].timeout == REJOIN_DEADLINE_S
    rig.now += 1.0
    rig.give(inputs.SignalingOpened(2))
    assert rig.core._agenda._due[inputs.Due.GIVE_UP] == rig.now + SESSION_KEPT_S
    assert rig.core._agenda._due[inputs.Due.KEEPALIVE] == rig.now + KEEPALIVE_INTERVAL_S


def test_a_wait_is_as_long_as_the_server_says() -> None:
    rig = Rig(initial_retry_delay_ms=100).to_connecting()
    busy = errors.OdysseyConnectionError("busy", status=503, recoverable=True, retry_after=4.0)
    rig.give(inputs.LinkFailed(1, busy))
    assert rig.core.next_due == rig.now + 4.0


def test_held_messages_and_gaps_are_reported_before_the_end() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(0)
    rig.give(inputs.SignalingOpened(2), inputs.VideoResumed(2.0))
    rig.hear(wire.BroadcastReady(webrtc_url="https://host/live", spectator_token="token"))
    kinds = [type(output) for output in rig.give(inputs.Disconnect())]
    assert kinds.index(events.BroadcastReady) < kinds.index(events.StreamEnded)
    assert kinds.index(events.GapEvent) < kinds.index(events.StreamEnded)


@pytest.mark.parametrize("signaling_lost", [True, False])
def test_a_failure_answers_the_connect_and_gives_the_session_back(signaling_lost: bool) -> None:
    rig = Rig(max_retries=0).to_linked()
    outputs = rig.give(inputs.LinkFailed(1, LOST, signaling_lost=signaling_lost))
    assert list(failures(outputs)) == [0]
    goodbye = effects.SendSignaling(1, wire.ClientDisconnecting())
    assert (goodbye in outputs, GOODBYE_LINK in outputs) == (not signaling_lost, signaling_lost)


def test_a_link_that_is_stuck_is_closed_at_the_end() -> None:
    rig = Rig().to_connecting()
    assert only(rig.give(inputs.Disconnect()), effects.CloseLink | effects.OpenLink) == [
        effects.CloseLink(1),
        GOODBYE_LINK,
    ]


def test_leaving_after_a_failure_does_not_stop_the_goodbye() -> None:
    rig = Rig(max_retries=0, initial_retry_delay_ms=10).to_connecting()
    assert GOODBYE_LINK in rig.give(inputs.LinkFailed(1, LOST))
    rig.give(inputs.LinkFailed(2, LOST))
    assert rig.give(inputs.Disconnect()) == []
    assert [link.with_video for link in only(rig.later(0.01), effects.OpenLink)] == [False]
    assert effects.SendSignaling(3, wire.ClientDisconnecting()) in rig.give(inputs.SignalingOpened(3))


def test_without_a_token_that_is_valid_there_is_no_goodbye() -> None:
    rig = joined()
    rig.now += 60.0
    assert only(rig.give(inputs.Disconnect()), effects.OpenLink) == []


def test_a_broken_driver_opens_no_link() -> None:
    rig = Rig().to_connecting()
    outputs = rig.give(inputs.Broken(LOST))
    assert (only(outputs, effects.OpenLink), rig.core.error) == ([], LOST)


@pytest.mark.parametrize(("suspected_for_s", "left_s"), [(0.25, 0.75), (4.0, 0.0)])
def test_the_pause_before_the_next_link_begins_with_the_suspicion(suspected_for_s: float, left_s: float) -> None:
    rig = Rig(initial_retry_delay_ms=1000).to_connected()
    rig.core._connection.spare.suspect(None)
    rig.now += suspected_for_s
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.core._agenda._due[inputs.Due.REJOIN] == rig.now + left_s
    rig.later(left_s)
    rig.give(inputs.LinkFailed(2, LOST))
    assert rig.core._agenda._due[inputs.Due.REJOIN] > rig.now + 1.0, "the next pause is a whole one"


def test_a_server_that_asks_for_a_pause_gets_it_from_now_on() -> None:
    rig = Rig(initial_retry_delay_ms=1000).to_connected()
    rig.core._connection.spare.suspect(None)
    rig.now += 4.0
    busy = errors.OdysseyConnectionError("busy", status=503, recoverable=True, retry_after=3.0)
    rig.give(inputs.LinkFailed(1, busy))
    assert rig.core._agenda._due[inputs.Due.REJOIN] == rig.now + 3.0


def test_what_is_prepared_is_discarded_at_the_end() -> None:
    rig = Rig().to_connected()
    rig.core._connection.spare.suspect(lambda: rig.core._connection.plan(5.0))
    outputs = rig.give(inputs.Disconnect())
    assert only(outputs, effects.DiscardLink) == [effects.DiscardLink(2)]
    assert (only(outputs, effects.OpenLink), rig.core.next_due) == ([], None)
