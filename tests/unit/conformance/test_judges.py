"""The checks of live scenarios, on made-up traffic: each finds what is wrong, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from odyssey_proto._model.traffic import Exchange, Message
from odyssey_proto.conformance._judges import CHECKS
from odyssey_proto.conformance._record import TrafficRecord
from odyssey_proto.conformance._scenarios import SCENARIOS

ROUTES = {
    "request": ("POST", "/sessions/request"),
    "config": ("GET", "/signaling/config"),
    "handshake": ("GET", "/signaling/client/{session_id}"),
    "artifact": ("GET", "/artifacts/{name}"),
    "ping": ("GET", "/ping/{region}"),
}


def message(kind: str, place: Any = "signaling", *, from_client: bool = True, **more: Any) -> Message:
    text = json.dumps({"type": kind, **more})
    return Message(place=place, from_client=from_client, text=text, user_agent="test/1")


def call(name: str, status: int = 200, path: str = "", body: bytes | None = None, **headers: str) -> Exchange:
    method, route = ROUTES[name]
    return Exchange(
        method=method,
        route=route,
        path=path or route,
        query=(),
        request_headers=headers,
        request_body=body,
        status=status,
        headers={},
        body=None,
    )


OFFER = message("offer", from_client=False, sdp="v=0\r\na=max-message-size:65536\r\n")
START = message("interactive_stream_start", "clientToStreamer", prompt="x", portrait=True)
UPDATE = message("update", "clientToStreamer", prompt="Night")
ANSWERED = message("update_acknowledged", "streamerToClient", from_client=False, prompt="Night falls")
KEEPALIVE = message("keepalive")
GOODBYE = message("client_disconnecting")


@pytest.mark.parametrize(
    ("check", "arguments", "entries", "wrong"),
    [
        ("keepalives", {"at_least": 2}, [(0, OFFER), (10, KEEPALIVE), (20.5, KEEPALIVE)], ""),
        ("keepalives", {"at_least": 2}, [(0, OFFER), (10, KEEPALIVE)], "there were 1 keepalives"),
        (
            "keepalives",
            {"at_least": 2},
            [(0, OFFER), (15, KEEPALIVE), (25, KEEPALIVE)],
            "the first keepalive came 15.0",
        ),
        (
            "keepalives",
            {"at_least": 2},
            [(0, OFFER), (2, KEEPALIVE), (4, KEEPALIVE)],
            "2.0 s passed between two keepalives",
        ),
        (
            "keepalives",
            {"at_least": 2},
            [(0, OFFER), (9, KEEPALIVE), (29, KEEPALIVE)],
            "20.0 s passed between two keepalives",
        ),
        ("goodbye", {}, [(0, START), (1, GOODBYE)], ""),
        ("goodbye", {}, [(0, START)], "without client_disconnecting"),
        ("goodbye", {}, [(0, GOODBYE), (1, KEEPALIVE)], "keepalive came after client_disconnecting"),
        ("one_session", {}, [(0, call("request", 503)), (1, call("request"))], ""),
        ("one_session", {}, [(0, call("request")), (1, call("request"))], "2 sessions were granted"),
        (
            "one_session",
            {},
            [(0, call("request")), (1, call("handshake", path="/a")), (2, call("handshake", path="/b"))],
            "handshakes for 2 sessions",
        ),
        ("asks_again", {"times": 2}, [(0, call("request", 503)), (1, call("request"))], ""),
        (
            "asks_again",
            {"times": 3},
            [(0, call("request", 503)), (1, call("request"))],
            "asked 2 times; 3 were needed",
        ),
        ("asks_again", {"times": 2}, [(0, call("request", 503)), (0.1, call("request"))], "0.1 s passed between"),
        ("requests", {"call": "POST /sessions/request", "times": 1}, [(0, call("request"))], ""),
        (
            "requests",
            {"call": "POST /sessions/request", "times": 0},
            [(0, call("request"))],
            "was sent 1 times, not 0",
        ),
        ("waits", {"call": "POST /sessions/request", "at_least_s": 1}, [(0, call("request", 429))], ""),
        (
            "waits",
            {"call": "POST /sessions/request", "at_least_s": 1},
            [(0, call("request", 429)), (0.95, call("request"))],
            "",
        ),
        (
            "waits",
            {"call": "POST /sessions/request", "at_least_s": 1},
            [(0, call("request", 429)), (0.4, call("request"))],
            "was sent again after 0.4 s, and the service asked for 1 s",
        ),
        ("answered", {"call": "POST /sessions/request", "at_least": 1}, [(0, call("request"))], ""),
        (
            "answered",
            {"call": "POST /sessions/request", "at_least": 1},
            [(0, call("request", 307))],
            "succeeded 0",
        ),
        ("handshakes", {"at_least": 2}, [(0, call("handshake", 404)), (1, call("handshake", 101))], ""),
        ("handshakes", {"at_least": 2}, [(0, call("handshake", 404))], "1 handshakes were seen, not 2"),
        ("config_before_each_handshake", {}, [(0, call("config")), (1, call("handshake", 101))], ""),
        (
            "config_before_each_handshake",
            {},
            [(0, call("config", 302)), (1, call("handshake", 101))],
            "0 times before",
        ),
        (
            "pings_before_session",
            {},
            [
                (0, call("ping", path="/ping/us")),
                (1, call("request", body=b'{"region_latencies": {"us": 7, "eu": 9999}}')),
            ],
            "",
        ),
        (
            "pings_before_session",
            {},
            [(0, call("request", body=b'{"region_latencies": {"us": 7}}'))],
            "reported for us",
        ),
        ("pings_before_session", {}, [(0, call("request", body=b"no JSON"))], ""),
        ("pings_before_session", {}, [(0, call("request", body=b"[]"))], ""),
        ("pings_before_session", {}, [(0, call("request", body=b'{"region_latencies": ["us"]}'))], ""),
        ("stream_requests", {"start": 1, "update": 1}, [(0, START), (1, UPDATE)], ""),
        (
            "stream_requests",
            {"start": 1},
            [(0, START), (1, START)],
            "interactive_stream_start was sent 2 times, not 1",
        ),
        (
            "stream_requests",
            {"start": 1, "end": 1},
            [(0, START)],
            "interactive_stream_end was sent 0 times, not 1",
        ),
        (
            "no_token_elsewhere",
            {"host": "localhost"},
            [(0, call("request", Host="127.0.0.1:1", Authorization="x"))],
            "",
        ),
        ("no_token_elsewhere", {"host": "localhost"}, [(0, call("request", Host="localhost:1"))], ""),
        (
            "no_token_elsewhere",
            {"host": "localhost"},
            [(0, call("request", Host="localhost:1", Authorization="x"))],
            "the bearer token went to another origin",
        ),
        ("start_says", {"field": "portrait", "value": True}, [(0, START)], ""),
        (
            "start_says",
            {"field": "portrait", "value": False},
            [(0, START)],
            "portrait is true in the start, not false",
        ),
        ("start_says", {"field": "portrait", "value": False}, [], "no interactive_stream_start came"),
        ("start_has_image", {}, [(0, START)], "no interactive_stream_start came over signaling"),
        (
            "start_has_image",
            {},
            [(0, message("interactive_stream_start", input_image_base64="data:image/png;base64,"))],
            "",
        ),
        (
            "start_has_image",
            {},
            [(0, message("interactive_stream_start", input_image_base64="aGk="))],
            "not the data URL",
        ),
        ("start_fits", {}, [(0, OFFER), (1, START)], ""),
        (
            "start_fits",
            {},
            [(0, OFFER), (1, message("interactive_stream_start", "clientToStreamer", prompt="x" * 70_000))],
            "whose limit is 65536",
        ),
        ("no_start", {}, [(0, OFFER)], ""),
        ("no_start", {}, [(0, START)], "an interactive_stream_start was sent"),
        ("artifacts_without_token", {}, [(0, call("artifact"))], ""),
        ("artifacts_without_token", {}, [], "no artifact was requested"),
        ("artifacts_without_token", {}, [(0, call("artifact", Authorization="x"))], "with a bearer token"),
    ],
)
def test_a_check_finds_what_is_wrong(
    check: str, arguments: dict[str, Any], entries: list[Any], wrong: str
) -> None:
    found = CHECKS[check](TrafficRecord(entries), **arguments)
    assert wrong in found
    assert bool(found) == bool(wrong)


def test_every_check_is_used() -> None:
    assert {check.name for scenario in SCENARIOS for check in scenario.checks} == CHECKS.keys()


def test_answers_belong_to_updates_in_their_order() -> None:
    other = message("update", "clientToStreamer", prompt="forbidden")
    refused = message("interactive_stream_error", "streamerToClient", from_client=False, reason="moderation")
    record = TrafficRecord([(0, other), (1, UPDATE), (2, refused), (3, ANSWERED)])
    assert (record.acknowledged("Night"), record.acknowledged("forbidden")) == (["Night falls"], [])


def test_what_was_not_answered_before_a_new_connection_is_not_answered_later() -> None:
    lost = message("update", "clientToStreamer", prompt="lost")
    record = TrafficRecord([(0, lost), (1, OFFER), (2, UPDATE), (3, ANSWERED)])
    assert (record.acknowledged("Night"), record.acknowledged("lost")) == (["Night falls"], [])


def test_what_is_no_message_is_not_looked_at() -> None:
    odd = Message(place="signaling", from_client=True, text="<html>", user_agent="")
    a_list = Message(place="signaling", from_client=True, text="[]", user_agent="")
    record = TrafficRecord([(0, odd), (1, a_list), (2, KEEPALIVE)])
    assert record.sent("keepalive") == [(2, {"type": "keepalive"})]
