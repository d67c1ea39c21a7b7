"""The protocol as its driver sees it: inputs that are taken, refused and ignored, and its snapshot."""

from __future__ import annotations

from typing import Any

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors
from odyssey_proto._model import events
from odyssey_proto._model.events import ConnectionStatus
from odyssey_proto._model.signaling_url import SIGNALING_MESSAGE_LIMIT
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.session_machine import SessionState
from odyssey_proto.core.silence import SILENCE_LIMIT_S
from odyssey_proto.core.stream_machine import StreamState
from tests.support.rig import CAT, LOST, REFUSED, SESSION, Rig, failures, joined, only, seen


def test_a_fresh_session_is_disconnected_and_waits_for_nothing() -> None:
    core = Rig().core
    assert (core.status, core.next_due, core.outputs(), core.is_over) == (
        ConnectionStatus.DISCONNECTED,
        None,
        [],
        False,
    )


def test_capabilities_are_those_of_the_session() -> None:
    rig = Rig().to_queueing()
    able = wire.StreamerCapabilities(image_to_video=True)
    rig.give(
        inputs.SessionGranted(wire.SessionResponse(session_id="s", signalling_url="ws://h", capabilities=able))
    )
    assert rig.core.capabilities == able


def test_a_second_connect_is_refused_and_changes_nothing() -> None:
    rig = Rig().to_connecting()
    with pytest.raises(errors.OdysseyConnectionError, match="Cannot connect: this session is connecting"):
        rig.give(inputs.Connect(9))
    assert (rig.core.session, rig.core.outputs()) == (SessionState.CONNECTING, [])


def test_late_reports_of_a_link_that_was_given_up_are_ignored() -> None:
    rig = Rig().to_linked()
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.give(inputs.VideoReceived(1)) == [effects.Ignored("VideoReceived of a link that was given up")]


def test_an_abandoned_held_call_is_not_made() -> None:
    rig = Rig().to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.interact("nobody waits")
    rig.give(inputs.Abandon(2))
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert only(outputs, effects.SendChannel) == []


def test_messages_beyond_every_limit_are_refused_before_anything_is_sent() -> None:
    rig = Rig().to_connected(size=1000)
    with pytest.raises(errors.OdysseyStreamError, match="67108865 bytes, and the limit is 67108864"):
        rig.give(inputs.Start(1, CAT, SIGNALING_MESSAGE_LIMIT + 1))
    rig.start()
    rig.hear(wire.StreamStarted(stream_id="st-1"))
    with pytest.raises(errors.OdysseyStreamError, match="1001 bytes, and the limit is 1000"):
        rig.give(inputs.Interact(9, wire.Update(prompt="long"), 1001))
    assert rig.core.outputs() == []


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (inputs.Start(1, CAT, 60), "start stream"),
        (inputs.Interact(1, wire.Update(prompt="x"), 40), "interact"),
        (inputs.End(1), "end stream"),
    ],
)
@pytest.mark.parametrize(
    ("stage", "status"),
    [("fresh", "disconnected"), ("to_connecting", "connecting"), ("left", "disconnected"), ("failed", "failed")],
)
def test_stream_commands_need_a_connection(command: inputs.Input, what: str, stage: str, status: str) -> None:
    rig = Rig()
    match stage:
        case "to_connecting":
            rig.to_connecting()
        case "left":
            rig.to_connected().give(inputs.Disconnect())
        case "failed":
            rig.to_queueing().give(inputs.StepFailed(REFUSED))
    before = rig.state
    with pytest.raises(errors.OdysseyStreamError, match=f"^Cannot {what}: client is {status}"):
        rig.give(command)
    assert (rig.state, rig.core.outputs()) == (before, [])


@pytest.mark.parametrize(
    ("stage", "command", "why"),
    [
        ("none", "interact", "no stream is active"),
        ("starting", "start", "still starting"),
        ("starting", "interact", "still starting"),
        ("streaming", "start", "a stream is active already"),
        ("ending", "start", "still ending"),
        ("ending", "interact", "still ending"),
    ],
)
def test_stream_commands_at_the_wrong_moment_raise_and_change_nothing(stage: str, command: str, why: str) -> None:
    rig = Rig().to_connected()
    if stage != "none":
        rig.start()
    if stage in ("streaming", "ending"):
        rig.hear(wire.StreamStarted(stream_id="st-1"))
    if stage == "ending":
        rig.end()
    before = rig.state
    with pytest.raises(errors.OdysseyStreamError, match=why):
        rig.interact("x") if command == "interact" else getattr(rig, command)()
    assert (rig.state, rig.core.outputs()) == (before, [])


def test_an_abandoned_connect_is_answered_to_nobody() -> None:
    rig = Rig().to_connecting()
    rig.give(inputs.Abandon(0))
    assert failures(rig.give(inputs.Disconnect())) == {}


def test_the_stream_of_an_abandoned_start_is_ended() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.give(inputs.Abandon(1))
    outputs = rig.hear(wire.StreamStarted(stream_id="st-1"))
    assert (only(outputs, effects.Succeed), rig.core.stream) == ([], StreamState.ENDING)
    assert only(outputs, effects.SendChannel) == [effects.SendChannel(1, wire.InteractiveStreamEnd())]


def test_an_abandoned_end_still_ends() -> None:
    rig = Rig().to_streaming()
    rig.end()
    rig.give(inputs.Abandon(2))
    assert only(rig.hear(wire.StreamEnded()), effects.Succeed) == []
    assert rig.core.stream is StreamState.NONE


@pytest.mark.parametrize(
    "message",
    [wire.UpdateAcknowledged(prompt="x"), wire.StreamEnded(), wire.BroadcastReady()],
    ids=lambda message: message.type,
)
def test_answers_that_nobody_asked_for_are_ignored(message: Any) -> None:
    rig = Rig().to_connected()
    (ignored,) = rig.hear(message)
    assert isinstance(ignored, effects.Ignored)
    assert message.type in ignored.what
    assert rig.state == (SessionState.CONNECTED, StreamState.NONE)


def test_a_moment_that_means_nothing_any_more_is_ignored() -> None:
    rig = Rig().to_linked()
    rig.core._agenda.wake_at(inputs.Due.ASK_AGAIN, rig.now)
    assert rig.later(0) == [effects.Ignored("ask for a streamer again in connecting, stream none")]


def test_everything_ends_when_the_connection_fails_in_mid_stream() -> None:
    rig = Rig(reconnect=False).to_streaming()
    rig.interact("one")
    outputs = rig.give(inputs.LinkFailed(1, LOST))
    assert list(failures(outputs)) == [2]
    assert only(outputs, events.StreamEnded) == [events.StreamEnded(error=LOST, at=100.0)]
    assert only(outputs, events.StatusChanged)[-1].status is ConnectionStatus.FAILED


def test_a_stream_without_frames_is_rejoined_on_another_link() -> None:
    rig = Rig().to_streaming()
    rig.later(1.0)
    seen(rig, rig.now)
    last = rig.now
    outputs = []
    while not outputs or rig.core.session is SessionState.CONNECTED:
        assert rig.core.next_due is not None
        rig.later(rig.core.next_due - rig.now)
        outputs = seen(rig, last)
    assert rig.now - last == SILENCE_LIMIT_S
    assert effects.PauseFrames() in outputs
    assert effects.CloseLink(1) in outputs
    assert [event.error.code for event in only(outputs, events.ErrorOccurred)] == ["video_stalled"]
    assert rig.state == (SessionState.RECONNECTING, StreamState.STREAMING)


def test_a_broadcast_is_reported_and_known_until_the_stream_ends() -> None:
    rig = Rig().to_streaming()
    info = events.BroadcastInfo("http://host/live/1", "secret", "http://host/live/1.m3u8")
    ready = wire.BroadcastReady(
        webrtc_url=info.webrtc_url, spectator_token=info.spectator_token, broadcast_url=info.hls_url
    )
    assert rig.hear(ready) == [events.BroadcastReady(info=info, at=100.0)]
    assert rig.core.broadcast == info
    rig.hear(wire.StreamEnded())
    assert rig.core.broadcast is None


def test_nobody_joins_twice() -> None:
    with pytest.raises(errors.OdysseyConnectionError, match=r"^Cannot connect: "):
        joined().give(inputs.Join(1, SESSION, "token", 60.0))


def test_the_progress_says_why_the_previous_attempt_failed() -> None:
    rig = Rig().to_linked()
    assert rig.core.progress == "waiting for the offer"
    rig.give(inputs.LinkFailed(rig.link, LOST))
    assert rig.core.progress == "waiting to try again; the previous attempt: the line is dead"
    rig.later(1.0)
    assert rig.core.progress == "opening the signaling connection; the previous attempt: the line is dead"
    rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert rig.core.progress == "connected"


@pytest.mark.parametrize("size", [16384, 50])
def test_what_was_measured_is_what_is_sent(size: int) -> None:
    rig = Rig().to_connected(size=size)
    start = rig.give(inputs.Start(1, CAT, 60, "the start"))
    (sent,) = only(start, effects.SendChannel if size > 60 else effects.SendSignaling)
    assert sent.text == "the start"
    rig.hear(wire.StreamStarted(stream_id="st-1"))
    (sent,) = only(rig.give(inputs.Interact(2, wire.Update(prompt="x"), 40, "the update")), effects.SendChannel)
    assert sent.text == "the update"


def test_it_says_how_things_stand() -> None:
    rig = Rig().to_streaming()
    core = rig.core
    assert (core.status, core.doing, core.progress) == (ConnectionStatus.CONNECTED, "connected", "connected")
    assert (core.session_id, core.stream_id, core.applied_prompt) == ("s-1", "st-1", "A fine cat")
    assert (core.capabilities, core.broadcast, core.error) == (
        wire.StreamerCapabilities(image_to_video=False),
        None,
        None,
    )


@pytest.mark.parametrize(("end", "code"), [(inputs.Disconnect(), "disconnected"), (inputs.Broken(LOST), "lost")])
@pytest.mark.parametrize("command", [inputs.Connect(1), inputs.Join(1, SESSION, "token", 60.0)])
def test_a_connect_that_comes_after_the_end_says_why_it_is_over(
    end: inputs.Input, code: str, command: inputs.Input
) -> None:
    rig = Rig()
    rig.give(end)
    with pytest.raises(errors.OdysseyConnectionError) as refused:
        rig.give(command)
    assert refused.value.code == code
