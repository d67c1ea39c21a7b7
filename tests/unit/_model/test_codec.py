"""Reading and writing the models: new fields and values are tolerated, faults reported clearly."""

from __future__ import annotations

import json
from typing import Any

import odyssey_models as wire
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._model import codec


@pytest.fixture(scope="module", autouse=True)
def nothing_is_read_yet() -> None:
    """Make the converter again here: coverage counts only what this file runs, not what ran before it."""
    codec._converter.cache_clear()
    codec._classes_by_tag.cache_clear()


READERS = [
    codec.signaling_from_server,
    codec.signaling_from_client,
    codec.channel_from_streamer,
    codec.channel_from_client,
]


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (codec.signaling_from_server, wire.Offer(sdp="v=0")),
        (codec.signaling_from_server, wire.SignalingError(reason=wire.SignalingErrorReason("unknown"))),
        (codec.signaling_from_client, wire.Keepalive()),
        (codec.signaling_from_client, wire.IceCandidate(candidate="", sdp_mid=None, sdp_mline_index=0)),
        (codec.channel_from_streamer, wire.StreamStarted(stream_id="s", applied_prompt="ü")),
        (codec.channel_from_client, wire.Update(prompt="a cat 🐈")),
    ],
)
def test_a_message_survives_the_way_out_and_back(read: Any, message: Any) -> None:
    assert read(codec.encode(message)) == message
    assert read(codec.encode(message).encode()) == message


def test_writing_uses_the_names_of_the_wire_and_leaves_out_what_is_none() -> None:
    assert json.loads(codec.encode(wire.IceCandidate(candidate="c", sdp_mid="0", sdp_mline_index=1))) == {
        "type": "ice_candidate",
        "candidate": "c",
        "sdpMid": "0",
        "sdpMLineIndex": 1,
    }
    assert codec.to_dict(wire.StreamStarted(stream_id="s")) == {"type": "stream_started", "stream_id": "s"}


def test_writing_shows_null_where_the_protocol_always_shows_the_key() -> None:
    assert codec.to_dict(wire.IceCandidate(candidate="")) == {
        "type": "ice_candidate",
        "candidate": "",
        "sdpMid": None,
        "sdpMLineIndex": None,
    }


def test_a_message_of_an_unknown_type_is_kept_whole_and_does_not_print_its_content() -> None:
    message = codec.signaling_from_server('{"type": "party", "token": "SECRET"}')
    assert message == codec.UnknownMessage(type="party", raw={"type": "party", "token": "SECRET"})
    assert "SECRET" not in repr(message)


def test_an_unknown_enum_value_is_kept() -> None:
    message = codec.signaling_from_server('{"type": "error", "reason": "brand_new"}')
    assert isinstance(message, wire.SignalingError)
    assert message.reason == "brand_new"
    assert json.loads(codec.encode(message)) == {"type": "error", "reason": "brand_new"}


def test_a_known_enum_value_is_the_member() -> None:
    message = codec.signaling_from_server('{"type": "error", "reason": "streamer_disconnected"}')
    assert isinstance(message, wire.SignalingError)
    assert message.reason is wire.SignalingErrorReason.STREAMER_DISCONNECTED


def test_a_problem_of_an_unexpected_kind_does_not_repeat_the_value() -> None:
    assert codec._problem(ValueError("SECRET"), wire.Offer) == "it is not a valid Offer"


def test_unknown_fields_are_dropped() -> None:
    assert codec.channel_from_streamer('{"type": "stream_ended", "more": 1}') == wire.StreamEnded()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("{", "Expecting property name"),
        ("[]", "an object with a string `type` was expected"),
        ('{"type": 3}', "an object with a string `type` was expected"),
        ('{"type": "a", "x": NaN}', "NaN is not JSON"),
        ('{"type": "a", "type": "b"}', "a key appears twice in one object"),
        (b"\xff\xfe", "it is not UTF-8 JSON"),
        ("[" * 100_000, "it is not UTF-8 JSON"),
    ],
)
def test_what_is_no_message_is_malformed(read: Any, text: str | bytes, problem: str) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        read(text)
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    ("cls", "text", "problem"),
    [
        (wire.Offer, '{"type": "offer"}', "required field 'sdp' is missing @ $.sdp"),
        (wire.Offer, '{"type": "offer", "sdp": 3}', "str was expected, not int @ $.sdp"),
        (wire.Offer, '{"type": "answer", "sdp": "x"}', "another constant was expected @ $.type"),
        (wire.Offer, "[]", "an object was expected, not list"),
        (wire.StreamerCapabilities, '{"image_to_video": 1}', "bool was expected, not int @ $.image_to_video"),
        (wire.Recording, '{"stream_id": "s", "frame_count": true}', "int was expected, not bool @ $.frame_count"),
        (wire.Recording, '{"stream_id": "s", "duration_seconds": "x"}', "float was expected, not str"),
        (wire.ErrorBody, '{"detail": 3}', "no alternative fits int @ $.detail"),
        (wire.SignalingError, '{"type": "error", "reason": []}', "str was expected, not list @ $.reason"),
        (wire.SessionRequest, '{"region_latencies": 3}', "an object was expected, not int"),
        (wire.RegionsResponse, '{"regions": {}}', "a list was expected, not dict @ $.regions"),
        (wire.RegionsResponse, '{"regions": [3]}', "an object was expected, not int @ $.regions[0]"),
    ],
)
def test_a_wrong_shape_says_where_and_what(cls: type[Any], text: str, problem: str) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        codec.decode(cls, text)
    assert problem in str(refusal.value)
    assert refusal.value.problems


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        codec.decode(wire.IceCandidate, '{"type": "ice_candidate", "candidate": 1, "sdpMid": 2}')
    assert len(refusal.value.problems) == 2


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (wire.TokenResponse, '{"access_token": ["SECRET"]}'),
        (wire.SignalingError, '{"type": "error", "reason": ["SECRET"]}'),
        (wire.ErrorBody, '{"detail": [{"SECRET": 1}]}'),
        (wire.SessionRequest, '{"region_latencies": {"eu": "SECRET"}}'),
        (wire.TokenResponse, "SECRET"),
    ],
)
def test_an_error_never_repeats_the_data(cls: type[Any], text: str) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        codec.decode(cls, text)
    chain: BaseException | None = refusal.value
    while chain is not None:
        assert "SECRET" not in f"{chain!r}{chain}"
        chain = chain.__cause__


def test_an_integer_is_a_number() -> None:
    recording = codec.decode(wire.Recording, '{"stream_id": "s", "duration_seconds": 3}')
    assert recording.duration_seconds == 3.0


def test_a_number_without_a_fraction_is_an_integer() -> None:
    frames = codec.decode(wire.Recording, '{"stream_id": "s", "frame_count": 3.0}').frame_count
    assert (frames, type(frames)) == (3, int)


@pytest.mark.parametrize("number", ["3.5", "1e999"])
def test_a_number_with_a_fraction_or_without_end_is_no_integer(number: str) -> None:
    with pytest.raises(MalformedMessageError, match="int was expected, not float"):
        codec.decode(wire.Recording, f'{{"stream_id": "s", "frame_count": {number}}}')


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"detail": "no"}', str),
        ('{"detail": [{"loc": ["body", 0], "msg": "m", "type": "t"}]}', list),
        ('{"detail": {"error": "RATE_LIMITED", "message": "m", "action": "a"}}', wire.UsageErrorBody),
    ],
)
def test_a_union_takes_what_fits(text: str, kind: type[Any]) -> None:
    assert isinstance(codec.decode(wire.ErrorBody, text).detail, kind)


def test_a_value_that_may_be_null_is_none_when_it_is_missing() -> None:
    assert (
        codec.decode(wire.SessionResponse, '{"session_id": "s", "signalling_url": "ws://h"}').capabilities is None
    )


def test_parsed_data_is_read_like_text() -> None:
    assert codec.from_dict(wire.Offer, {"type": "offer", "sdp": "v=0"}) == wire.Offer(sdp="v=0")
