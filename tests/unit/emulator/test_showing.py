"""Traffic as data and as lines: what is shown, and what is masked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._model.traffic import Exchange, Message
from odyssey_proto.conformance._documents import documents
from odyssey_proto.emulator._showing import SECRET_FIELDS, as_data, as_line

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRETS = ("ody_secret_key", "eyJhbGciOi.eyJzZXNz.c2ln", "sig-secret", "opaque-secret", "ice-secret")


def call(**fields: Any) -> Exchange:
    usual: dict[str, Any] = {
        "method": "POST",
        "route": "/sessions/token",
        "path": "/sessions/token",
        "query": (("token", "opaque-secret"), ("limit", "5")),
        "request_headers": {"Authorization": "Bearer opaque-secret", "User-Agent": "x/1"},
        "request_body": json.dumps({"api_key": "ody_secret_key"}).encode(),
        "status": 200,
        "headers": {"Location": "https://x.example/whep/1?token=opaque-secret"},
        "body": json.dumps(
            {
                "session_token": "opaque-secret",
                "expires_in": 600,
                "video_url": "https://x.example/v.mp4?Expires=1&Signature=sig-secret",
                "iceServers": [{"urls": "turn:x", "username": "opaque-secret", "credential": "opaque-secret"}],
            }
        ).encode(),
    }
    return Exchange(**{**usual, **fields})


def message(content: Any, **fields: Any) -> Message:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    return Message(**{"place": "signaling", "from_client": False, "text": text, "user_agent": "x/1", **fields})


def secret_fields(node: Any) -> Iterator[str]:
    for name, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, dict) and value.get("x-secret"):
            yield name
        yield from secret_fields(value)


def test_the_fields_that_are_masked_are_those_that_the_schemas_call_secret() -> None:
    assert {name for schema in documents("schemas", ".yaml").values() for name in secret_fields(schema)} == {
        *SECRET_FIELDS
    }


@pytest.mark.parametrize(
    "seen",
    [
        call(),
        message({"type": "offer", "sdp": "v=0\r\na=ice-pwd:ice-secret\r\n"}),
        message({"type": "broadcast_ready", "spectator_token": "opaque-secret"}),
        message("broken {'api_key': 'ody_secret_key', eyJhbGciOi.eyJzZXNz.c2ln"),
    ],
    ids=["a call", "an offer", "a broadcast", "what is not JSON"],
)
def test_no_secret_is_shown_unless_it_is_asked_for(seen: Any) -> None:
    assert not [secret for secret in SECRETS if secret in f"{json.dumps(as_data(seen))} {as_line(seen)}"]
    assert [secret for secret in SECRETS if secret in json.dumps(as_data(seen, secrets=True))]


def test_a_call_is_shown_with_its_content_parsed() -> None:
    data = as_data(call())
    assert (data["kind"], data["status"], data["query"]) == ("call", 200, {"token": "…", "limit": "5"})
    assert data["request"] == {
        "headers": {"Authorization": "…", "User-Agent": "x/1"},
        "content": {"api_key": "…"},
    }
    assert data["answer"]["content"]["expires_in"] == 600
    assert data["answer"]["content"]["video_url"] == "https://x.example/v.mp4?…"


def test_arguments_and_paths_are_masked_and_none_is_lost() -> None:
    query = (("limit", "1"), ("limit", "2"), ("api_key", "a"), ("access_token", "b"), ("Signature", "c"))
    seen = call(path="/recordings/ody_secret_key", query=query)
    masked = {"limit": ["1", "2"], "api_key": "…", "access_token": "…", "Signature": "…"}
    assert (as_data(seen)["path"], as_data(seen)["query"]) == ("/recordings/ody_…", masked)
    assert as_line(seen) == "POST /recordings/ody_…: 200"
    shown = as_data(seen, secrets=True)
    assert (shown["path"], shown["query"]["api_key"]) == ("/recordings/ody_secret_key", "a")


def test_a_long_text_is_cut() -> None:
    shown = as_data(message({"type": "interactive_stream_start", "input_image_base64": "data:" + 10**6 * "x"}))
    assert len(json.dumps(shown)) < 5000
    assert shown["content"]["input_image_base64"].endswith("… (1000005 characters)")


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (call(), "POST /sessions/token: 200"),
        (call(status=None), "POST /sessions/token: no answer"),
        (call(status=404, body=b'{"detail": "Not Found"}'), 'POST /sessions/token: 404 "Not Found"'),
        (call(status=502, body=b"<html>", injected=True), "POST /sessions/token: 502, by a fault"),
        (message({"type": "offer"}), "signaling < offer, 17 bytes"),
        (message("{}", from_client=True), "signaling > not a message, 2 bytes"),
        (message(b"\xff", place="streamerToClient"), "streamerToClient < not a message, 1 bytes"),
    ],
)
def test_each_call_and_message_is_one_line(seen: Any, line: str) -> None:
    assert as_line(seen) == line


@pytest.mark.parametrize("levels", [600, 5000])
def test_what_is_nested_deeply_is_shown_without_its_depth(levels: int) -> None:
    text = '{"access_token": "opaque-secret", "detail": ' + "[" * levels + "]" * levels + "}"
    for seen in (message(text), call(request_body=text.encode(), body=text.encode(), status=400)):
        assert "opaque-secret" not in json.dumps(as_data(seen)) + as_line(seen)
