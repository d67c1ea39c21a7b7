"""The secrets that are removed before a cassette is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._base.limits import CASSETTE_SECRETS_MOST
from odyssey_proto._model.cassette_secrets import _SECRET_FIELDS, MASK, Scrubber
from odyssey_proto.conformance._documents import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\nc=IN IP4 192.0.2.7\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret-password\r\n"
    "a=fingerprint:sha-256 AA:BB\r\na=candidate:1 1 udp 1 192.0.2.7 5000 typ host\r\na=rtpmap:99 H264/90000\r\n"
)


def secret_fields(node: Any) -> Iterator[str]:
    for name, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, dict) and value.get("x-secret"):
            yield name
        yield from secret_fields(value)


def scrubbed(data: Any) -> Any:
    return json.loads(Scrubber().text(json.dumps(data)))


def test_what_the_schemas_call_secret_is_masked() -> None:
    known = {name for schema in documents("schemas", ".yaml").values() for name in secret_fields(schema)}
    assert known <= _SECRET_FIELDS
    assert scrubbed({name: ["secret-one", "secret-two"] for name in known}) == {name: [MASK] * 2 for name in known}


def test_prompts_pictures_and_ids_stay() -> None:
    message = {
        "type": "interactive_stream_start",
        "prompt": "Why? A cat: größe",
        "input_image_base64": "data:image/png;base64,eyJa.eyJb.c",
        "stream_id": "stream-7",
        "portrait": True,
        "n": [1, None, 2.5],
    }
    assert scrubbed(message) == message


def test_a_description_keeps_its_codecs_and_no_address() -> None:
    sdp = scrubbed({"type": "offer", "sdp": SDP})["sdp"]
    assert "a=rtpmap:99 H264/90000\r\n" in sdp
    assert not any(word in sdp for word in ("192.0.2.7", "abcd", "secret-password", "AA:BB"))
    assert scrubbed({"candidate": "candidate:1 1 udp 1 192.0.2.7 5000 typ host"}) == {"candidate": MASK}
    assert scrubbed({"candidate": ""}) == {"candidate": ""}
    assert scrubbed({"usernameFragment": "abcd"}) == {"usernameFragment": MASK}


def test_what_was_secret_once_is_masked_everywhere() -> None:
    scrubber = Scrubber("known-from-the-start")
    scrubber.text('{"session_token": "opaque+secret"}')
    text = scrubber.text('{"prompt": "opaque+secret opaque%2Bsecret known-from-the-start"}').decode()
    assert json.loads(text)["prompt"] == f"{MASK} {MASK} {MASK}"
    assert scrubber.path("/clients/opaque+secret") == f"/clients/{MASK}"


@pytest.mark.parametrize("text", ["not JSON: ody_live_secret", b"\xff bearer abc.def", "[" * 5000])
def test_what_is_not_json_is_masked_by_its_form(text: str | bytes) -> None:
    found = Scrubber().text(text).decode()
    assert "secret" not in found
    assert "abc.def" not in found


def test_addresses_keep_what_chooses_rows() -> None:
    query = (("limit", "5"), ("token", "secret"), ("Signature", "secret"))
    assert Scrubber().query(query) == {"limit": "5", "token": MASK, "Signature": MASK}
    headers = {"Content-Type": "application/json", "Set-Cookie": "a=b", "Retry-After": "3"}
    assert Scrubber().headers(headers) == {"content-type": "application/json", "retry-after": "3"}


ODD = {
    "a byte order mark": '\ufeff{"username": "hidden-word"}',
    "a number of thousands of digits": '{"username": "hidden-word", "n": 1' + "0" * 5000 + "}",
    "deep": '{"username": "hidden-word", "x": ' + "[" * 700 + "]" * 700 + "}",
    "deeper than any parser goes": '{"username": "hidden-word", "x": ' + "[" * 5000 + "]" * 5000 + "}",
    "cut off": '{"username": "hidden-word", "x": [',
    "cut off within": '{"x": 1, "username": "hidden-word',
    "with something behind it": '{"username" : "hidden-word"} x',
    "with more lists than are read": '{"username": "hidden-word", "x": [' + "[]," * 100_000 + "0]}",
    "a list that is cut off": '{"username": ["hidden-word", "hidden-word"], x',
    "an object in its place": '{"credential": {"mac_key": "hidden-word"}}',
    "no UTF-8": b'{"username": "hidden-word\xff"}',
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_a_secret_is_masked_in_whatever_a_reader_takes(text: str | bytes) -> None:
    found = Scrubber().text(text)
    assert b"hidden-word" not in found
    assert MASK.encode() in found


def test_a_number_in_the_place_of_a_secret_is_masked() -> None:
    assert scrubbed({"access_token": 123456789012, "expires_in": 60}) == {"access_token": MASK, "expires_in": 60}


def test_a_secret_is_masked_before_the_field_that_says_so() -> None:
    shown = scrubbed({"detail": "for opaque-secret", "opaque-secret": 1, "session_token": "opaque-secret"})
    assert shown == {"detail": f"for {MASK}", MASK: 1, "session_token": MASK}


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\x0b", "\u2028"])
def test_a_line_of_a_description_ends_where_any_reader_sees_an_end(end: str) -> None:
    sdp = end.join(("v=0", "a=ice-pwd:hidden-word", "a=rtpmap:99 H264/90000", ""))
    assert scrubbed({"sdp": sdp}) == {"sdp": sdp.replace("hidden-word", MASK)}


def test_the_latest_secrets_are_remembered_and_those_known_before_are_never_forgotten() -> None:
    scrubber = Scrubber("known-from-the-start")
    for number in range(CASSETTE_SECRETS_MOST + 1):
        scrubber.remember(f"secret-{number:03}")
    text = scrubber.text('["known-from-the-start", "secret-000", "secret-001"]').decode()
    assert json.loads(text) == [MASK, "secret-000", MASK]


def test_a_flood_of_secrets_is_masked() -> None:
    # One pattern for all secrets so far, compiled again for each new one, would take hours.
    fields = ", ".join(f'{{"username": "secret-{number:06}"}}' for number in range(50_000))
    assert b"secret-" not in Scrubber().text(f"[{fields}]")


def test_what_is_kept_of_a_head_is_short() -> None:
    scrubber = Scrubber()
    assert len(scrubber.query(tuple((f"name{number}", "x") for number in range(5000)))) == 100
    assert [len(text) for text in scrubber.headers({"Content-Type": "x" * 100_000}).values()] == [200]
    assert len(scrubber.query((("status", "x" * 100_000),))["status"]) == 200
