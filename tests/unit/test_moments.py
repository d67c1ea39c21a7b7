"""The table of all messages at all moments in ARCHITECTURE.md is complete, and true of the core."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto.core import effects, inputs
from tests.support.rig import LOST, Rig, only
from tools import moments

MOMENTS = {moment.name: moment for moment in moments.MOMENTS}

EXAMPLES = {
    "offer": wire.Offer(sdp="v=0"),
    "ice_candidate": wire.IceCandidate(candidate="", sdp_mid="0", sdp_mline_index=0),
    "error": wire.SignalingError(reason=wire.SignalingErrorReason("unknown")),
    "stream_started": wire.StreamStarted(stream_id="x"),
    "update_acknowledged": wire.UpdateAcknowledged(prompt="x"),
    "stream_ended": wire.StreamEnded(),
    "broadcast_ready": wire.BroadcastReady(),
    "interactive_stream_error": wire.InteractiveStreamError(
        reason=wire.StreamErrorReason("moderation"), message="no"
    ),
}


def brought_to(name: str) -> Rig:
    rig = Rig(initial_retry_delay_ms=0)
    match name:
        case "connecting":
            rig.to_linked()
        case "reconnecting":
            rig.to_streaming().give(inputs.LinkFailed(1, LOST))
            rig.later(0)
            rig.give(inputs.SignalingOpened(2))
        case "no stream":
            rig.to_connected()
        case "starting":
            rig.to_connected().start()
        case "streaming":
            rig.to_streaming()
        case "ending":
            rig.to_streaming().end()
    return rig


def test_each_message_of_the_service_is_there_with_what_the_official_clients_do() -> None:
    assert set(moments.MESSAGES) == set(moments.OFFICIAL) == {*EXAMPLES, "one that cannot be read"}


@pytest.mark.parametrize("name", MOMENTS)
def test_the_moments_are_those_of_the_core(name: str) -> None:
    rig, moment = brought_to(name), MOMENTS[name]
    assert rig.core.session is moment.session
    assert moment.stream in (None, rig.core.stream)


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("message", EXAMPLES)
def test_a_message_is_ignored_at_the_moments_of_which_the_table_says_so(message: str, name: str) -> None:
    rig = brought_to(name)
    outputs = rig.hear(EXAMPLES[message])
    says = moments.ours(message, MOMENTS[name])
    assert says
    if only(outputs, effects.Ignored):
        assert "ignore it" in says
    else:
        assert not says.startswith("ignore it")


@pytest.mark.parametrize("name", MOMENTS)
def test_a_message_that_cannot_be_read_is_never_ignored(name: str) -> None:
    outputs = brought_to(name).give(inputs.Unreadable(brought_to(name).link, MalformedMessageError("no")))
    assert not only(outputs, effects.Ignored)
    assert "ignore it" not in moments.ours("one that cannot be read", MOMENTS[name])


def test_each_cell_is_a_sentence() -> None:
    for line in moments.table().splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 4, line
        assert all(cells[2:]), line
