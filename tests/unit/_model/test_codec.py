"""Reading and writing the models: text, messages and requests. Tolerance is tested in `test_reading`."""

from __future__ import annotations

import json
from typing import Any, Final

import odyssey_models as wire
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._base.limits import JSON_MOST_CONTAINERS
from odyssey_proto._base.secrets import redacted
from odyssey_proto._model import codec
from odyssey_proto._model.nesting import shallow


@pytest.fixture(scope="module", autouse=True)
def nothing_is_read_yet() -> None:
    """Discard the converter of earlier tests: the coverage of this file counts only what runs in it."""
    codec._converter.cache_clear()


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
        ('{"type": "b", "type": 3}', "appears twice in one object"),
        (b"\xff\xfe", "it is not UTF-8 JSON"),
        ("[" * 100_000, "it is nested too deeply"),
        (b'"\xff' + b"[" * 100_000, "it is not UTF-8 JSON"),
        ("[" * 100_000 + "]" * 100_000, ""),
    ],
)
def test_what_is_no_message_is_malformed(read: Any, text: str | bytes, problem: str) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        read(text)
    assert problem in str(refusal.value)
    assert refusal.value.message_type is None


@pytest.mark.parametrize("read", [codec.signaling_from_server, codec.channel_from_streamer])
def test_of_two_types_the_last_is_known(read: Any) -> None:
    with pytest.raises(MalformedMessageError, match="appears twice") as refusal:
        read('{"type": "stream_started", "type": "stream_ended"}')
    assert refusal.value.message_type == "stream_ended"


DEEP: Final = "[" * 50_000 + '"]}"' + "]" * 50_000


@pytest.mark.parametrize("text", [f'{{"more": {DEEP}, "type": "stream_started", "stream_id": "st-1"}}'])
@pytest.mark.parametrize("damage", ["", "\udcff"])
def test_unknown_fields_may_be_nested_deeply(text: str, damage: str) -> None:
    sent = text.replace("]}", "]}" + damage).encode(errors="surrogateescape")
    assert codec.channel_from_streamer(sent) == wire.StreamStarted(stream_id="st-1")
    with pytest.raises(MalformedMessageError, match=r"nested too deeply|not UTF-8"):
        codec.channel_from_client(sent)


@pytest.mark.parametrize("read", [codec.signaling_from_client, codec.channel_from_client])
@pytest.mark.parametrize("text", ['{"type": "a", "x": NaN}', '{"type": "a", "x": 1, "x": 1}'])
def test_what_json_does_not_have_is_refused_in_what_a_client_sends(read: Any, text: str) -> None:
    with pytest.raises(MalformedMessageError, match=r"is not JSON|appears twice"):
        read(text)


@pytest.mark.parametrize("read", [codec.signaling_from_server, codec.channel_from_streamer])
@pytest.mark.parametrize(
    "text",
    [
        '{"type": "a", "x": NaN}',
        '{"type": "a", "x": 1, "x": 1}',
        b'{"type": "a", "x": ["caf\xe9", 1], "y": {"z": "ok"}}',
        f'{{"type": "a", "x": {"9" * 5000}}}',
        '\ufeff{"type": "a"}',
        b'\xef\xbb\xbf{"type": "a"}',
    ],
)
def test_it_is_tolerated_in_what_the_service_sends(read: Any, text: str | bytes) -> None:
    assert read(text).type == "a"


@pytest.mark.parametrize("read", READERS)
def test_a_byte_order_mark_is_ignored(read: Any) -> None:
    assert read('\ufeff{"type": "a"}') == read(b'\xef\xbb\xbf{"type": "a"}')


def test_a_message_that_is_not_utf_8_is_read_without_what_is_not() -> None:
    message = codec.channel_from_streamer(
        b'{"type": "stream_started", "stream_id": "s", "applied_prompt": "caf\xe9"}'
    )
    assert message == wire.StreamStarted(stream_id="s")


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (codec.signaling_from_server, '{"type": "offer"}', "offer"),
        (codec.signaling_from_server, '{"type": "ice_candidate", "candidate": []}', "ice_candidate"),
        (codec.signaling_from_client, '{"type": "answer", "sdp": 3}', "answer"),
        (codec.channel_from_client, '{"type": "update"}', "update"),
    ],
)
def test_a_known_message_that_cannot_be_read_is_refused_with_its_type(read: Any, text: str, expected: str) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        read(text)
    assert refusal.value.message_type == expected


@pytest.mark.parametrize(
    ("cls", "text", "problem"),
    [
        (wire.Answer, '{"type": "answer"}', "required field 'sdp' is missing @ $.sdp"),
        (wire.Answer, '{"type": "answer", "sdp": 3}', "str was expected, not int @ $.sdp"),
        (wire.Answer, '{"type": "offer", "sdp": "x"}', "another constant was expected @ $.type"),
        (wire.Answer, "[]", "an object was expected, not list"),
        (wire.SimulationRequest, '{"portrait": 1, "script_url": "u"}', "bool was expected, not int @ $.portrait"),
        (wire.SimulationRequest, '{"portrait": true}', "it is not a valid value"),
        (wire.SessionRequest, '{"region_latencies": {"us": true}}', "int was expected, not bool"),
        (wire.SessionRequest, '{"region_latencies": {"us": 3.5}}', "int was expected, not float"),
        (wire.SessionRequest, '{"region_latencies": {"us": 1e999}}', "int was expected, not float"),
        (wire.SessionRequest, '{"region_latencies": {"us": "24"}}', "int was expected, not str"),
        (wire.SessionRequest, '{"region_latencies": 3}', "an object was expected, not int"),
        (wire.SessionRequest, '{"region_latencies": {"us": NaN}}', "NaN is not JSON"),
        (wire.SessionRequest, b'{"region_latencies": {"\xe9": 1}}', "it is not UTF-8 JSON"),
        (wire.TelemetryRequest, '{"events": {}}', "a list was expected, not dict @ $.events"),
        (wire.TelemetryRequest, '{"events": [3]}', "an object was expected, not int @ $.events[0]"),
        (wire.ErrorBody, '{"detail": 3}', "no alternative fits int @ $.detail"),
    ],
)
def test_a_request_of_another_shape_is_refused_with_where_and_what(
    cls: type[Any], text: str | bytes, problem: str
) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        codec.decode_request(cls, text)
    assert problem in str(refusal.value)
    assert refusal.value.problems


def test_a_request_is_read_with_whole_numbers_in_either_form_and_in_bytes() -> None:
    request = codec.decode_request(
        wire.SessionRequest, b'\xef\xbb\xbf{"region_latencies": {"us": 24.0}, "new": 1}'
    )
    assert request == wire.SessionRequest(region_latencies={"us": 24})
    assert isinstance((request.region_latencies or {})["us"], int)


def test_an_enum_in_a_request_stays_open() -> None:
    event = (
        '{"sdk_version": "1", "sdk_platform": "p", "platform_info": "L", "event": "new", '
        '"connect_duration_ms": 3.0}'
    )
    read = codec.decode_request(wire.TelemetryEvent, event)
    assert (read.event, read.connect_duration_ms) == ("new", 3)


@pytest.mark.parametrize("read", [codec.decode, codec.decode_request])
def test_all_problems_are_reported_at_once(read: Any) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        read(wire.SessionResponse, '{"session_id": [], "signalling_url": {}}')
    assert len(refusal.value.problems) == 2


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (wire.TokenResponse, '{"access_token": ["SECRET"]}'),
        (wire.Answer, '{"type": "SECRET"}'),
        (wire.SessionRequest, '{"region_latencies": {"eu": "SECRET"}}'),
        (wire.TokenResponse, "SECRET"),
    ],
)
@pytest.mark.parametrize("read", [codec.decode, codec.decode_request])
def test_an_error_never_repeats_the_data(read: Any, cls: type[Any], text: str) -> None:
    try:
        assert "SECRET" not in repr(read(cls, text))
    except MalformedMessageError as exc:
        assert "SECRET" not in f"{exc!r}{exc}{exc.problems}"  # noqa: PT017  # some are read without an error
        assert (exc.__cause__, exc.__suppress_context__) == (None, True)  # noqa: PT017


def test_what_the_caller_knows_completes_an_answer() -> None:
    known = {"stream_id": "s-1"}
    assert codec.decode(wire.Recording, "{}", known) == wire.Recording(stream_id="s-1")
    assert codec.decode(wire.Recording, '{"stream_id": "other"}', known) == wire.Recording(stream_id="other")
    for text in ("[]", "7"):
        with pytest.raises(MalformedMessageError, match="an object was expected"):
            codec.decode(wire.Recording, text, known)


@pytest.mark.parametrize(
    ("text", "session_id"),
    [
        ('{"session_id": "s"}', "s"),
        ('{"session_id": 42, "signalling_url": []}', "42"),
        ('{"session_id": ["s"]}', None),
        ('{"session_id": "s", "session_id": "t"}', None),
        ('{"session_id": ""}', None),
        ("{}", None),
        ("[]", None),
    ],
)
def test_an_unreadable_answer_still_names_its_session(text: str, session_id: str | None) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        codec.decode(wire.SessionResponse, text)
    assert refusal.value.session_id == session_id


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


def test_a_message_of_too_many_objects_is_not_parsed() -> None:
    with pytest.raises(MalformedMessageError, match=f"more than {JSON_MOST_CONTAINERS} objects and lists"):
        codec.signaling_from_server('{"type": "answer", "x": [' + "[]," * JSON_MOST_CONTAINERS + "[]]}")


@pytest.mark.parametrize("levels", [100, 101, 600, 5000])
def test_what_is_parsed_is_no_deeper_than_its_readers_bear(levels: int) -> None:
    # Some readers need several stack frames for each level, and the parser needs one.
    assert redacted(codec.parsed("[" * levels + "]" * levels)) == json.loads(shallow("[" * levels + "]" * levels))
    assert json.dumps(codec.parsed("[" * levels + "]" * levels)).count("[") == min(levels, 100)


def test_a_deep_text_with_a_string_that_has_no_end_is_refused_at_once() -> None:
    # If each quotation mark in the string began another string, this would take hours. Python 3.13 parses as far
    # as the string.
    with pytest.raises(MalformedMessageError, match=r"nested too deeply|Unterminated string"):
        codec.signaling_from_server("[" * 5000 + '"' + '\\"' * 1_000_000)


def test_half_of_a_surrogate_pair_is_written_as_a_question_mark() -> None:
    body = codec.decode(wire.ErrorBody, b'{"detail": {"Z\xc3\xbcrich \x80": 1}}')
    text = codec.encode(body)
    assert text.encode() == b'{"detail":{"Z\xc3\xbcrich ?":1}}'
    assert codec.encode(codec.decode(wire.ErrorBody, text.encode())) == text
