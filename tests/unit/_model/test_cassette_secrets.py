"""What is taken out before a cassette is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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
