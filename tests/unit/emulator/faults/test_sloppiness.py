"""Sloppiness: what each kind makes of an answer or a message, and that a seed repeats the choices."""

from __future__ import annotations

import functools
import gzip
import json
import random
import zlib
from typing import Any

import odyssey_models as models
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from odyssey_proto.emulator._faults.sloppiness import KINDS, Sloppiness
from odyssey_proto.emulator._faults.sloppy_http import ANSWERS, EARLY, Answer, SloppyCall
from odyssey_proto.emulator._faults.sloppy_json import CONTENT, MESSAGES, TEXT, Draft, Kind, Part, Sending, parts

SEEDS = 400
TABLE: dict[str, Kind[Any]] = {kind.name: kind for kind in (*CONTENT, *TEXT, *MESSAGES, *EARLY, *ANSWERS)}

JOBS = {"jobs": [], "total": 0, "limit": 20, "offset": 0}
STARTED = {"type": "stream_started", "stream_id": "s"}
CANDIDATE = {
    "type": "ice_candidate",
    "candidate": "candidate:1 1 udp 1 ::1 9 typ host",
    "sdpMid": "0",
    "sdpMLineIndex": 0,
}
USAGE = {"error": "CONCURRENT_LIMIT_REACHED", "message": "One", "action": "Close it", "details": {"limit": 1}}


def outcomes(name: str, part: Part) -> list[dict[str, Any]]:
    """Return all that the kind ``name`` makes of an object under many seeds; nothing if it does not apply."""
    found = []
    for seed in range(SEEDS):
        data = json.loads(json.dumps(part.data))
        if TABLE[name].change(random.Random(seed), Part(part.where, part.cls, data)) and data not in found:
            found.append(data)
    return found


CONTENTS: list[tuple[str, Part, list[dict[str, Any]]]] = [
    (
        "a row without an id",
        Part("GET /simulation-jobs", models.SimulationJobsList, JOBS),
        [
            {**JOBS, "jobs": [row]}
            for row in ({}, {"job_id": None}, {"note": "reserved"}, {"job_id": {}}, None, 7, "…")
        ],
    ),
    (
        "a row without an id",
        Part("GET /config", models.SignalingConfig, {"iceServers": []}),
        [{"iceServers": [row]} for row in ({}, {"urls": None}, {"note": "reserved"}, {"urls": []})],
    ),
    (
        "a row without an id",
        Part("GET /regions", models.RegionsResponse, {"regions": [{"id": "a", "ping_url": "http://a"}]}),
        [
            {"regions": rows}
            for row in ({}, {"id": None}, {"note": "reserved"}, {"id": {}}, None, 7, "…")
            for rows in ([row, {"id": "a", "ping_url": "http://a"}], [{"id": "a", "ping_url": "http://a"}, row])
        ],
    ),
    (
        "null for a default",
        Part("POST /auth/token", models.TokenResponse, {"access_token": "t", "expires_in": 3600}),
        [{"access_token": "t", "expires_in": None}],
    ),
    (
        "null for a default",
        Part("…", models.SimulationStream, {"stream_id": "s", "script_index": 0, "video_url": None}),
        [{"stream_id": "s", "script_index": None, "video_url": None}],
    ),
    (
        "a default left out",
        Part("POST /sessions/token", models.SessionTokenResponse, {"session_token": "t", "expires_in": 600}),
        [{"session_token": "t"}],
    ),
    (
        "a default left out",
        Part(
            "streamerToClient",
            models.InteractiveStreamError,
            {"type": "…", "reason": "unknown", "message": "Stop"},
        ),
        [{"type": "…", "message": "Stop"}],
    ),
    (
        "a default left out",
        Part("signaling", models.SignalingError, {"type": "error", "reason": "unknown"}),
        [{"type": "error"}],
    ),
    (
        "null for absent fields",
        Part("GET /config", models.IceServer, {"urls": "stun:a"}),
        [{"urls": "stun:a", "url": None, "username": None, "credential": None}],
    ),
    (
        "capabilities without images, in other words",
        Part("POST /sessions/request", models.SessionResponse, {"capabilities": {"image_to_video": False}}),
        [
            {"capabilities": how}
            for how in (
                *(None, [], "none", {}),
                *({"image_to_video": "no"}, {"image_to_video": None}, {"image_to_video": {}}),
            )
        ],
    ),
    (
        "an answer to a cancel without optional fields",
        Part("…", models.CancelledSimulation, {"job_id": "j", "status": "cancelled", "priority": "normal"}),
        [{"job_id": "j", "status": "cancelled"}],
    ),
    ("a usage error without its envelope", Part("429", models.ErrorBody, {"detail": USAGE}), [USAGE]),
    (
        "a usage error by its code",
        Part("429", models.UsageErrorBody, USAGE),
        [{"code" if name == "error" else name: value for name, value in USAGE.items()}],
    ),
    (
        "addresses of an ICE server as a list, or alone",
        Part("GET /config", models.IceServer, {"urls": "stun:a"}),
        [{"urls": ["stun:a"]}],
    ),
    (
        "addresses of an ICE server as a list, or alone",
        Part("GET /config", models.IceServer, {"urls": ["stun:a"]}),
        [{"urls": "stun:a"}],
    ),
    (
        "addresses of an ICE server by their old name",
        Part("GET /config", models.IceServer, {"urls": ["stun:a", "stun:b"]}),
        [{"url": ["stun:a", "stun:b"]}],
    ),
    (
        "the address of signaling with http, or with a slash",
        Part("POST /sessions/request", models.SessionResponse, {"signalling_url": "wss://ws.example/ws"}),
        [{"signalling_url": "wss://ws.example/ws/"}, {"signalling_url": "https://ws.example/ws"}],
    ),
    (
        "a candidate without its prefix",
        Part("signaling", models.IceCandidate, CANDIDATE),
        [{**CANDIDATE, "candidate": "1 1 udp 1 ::1 9 typ host"}],
    ),
    (
        "a candidate that names its media section once",
        Part("signaling", models.IceCandidate, CANDIDATE),
        [
            {**CANDIDATE, "sdpMid": None},
            {**CANDIDATE, "sdpMLineIndex": None},
            {name: value for name, value in CANDIDATE.items() if name != "sdpMid"},
            {name: value for name, value in CANDIDATE.items() if name != "sdpMLineIndex"},
        ],
    ),
    ("an id as a number", Part("signaling", models.IceCandidate, CANDIDATE), [{**CANDIDATE, "sdpMid": 0}]),
    ("an id as a number", Part("…", models.Recording, {"stream_id": "20260101"}), [{"stream_id": 20260101}]),
    (
        "a lifetime with a fraction",
        Part("POST /auth/token", models.TokenResponse, {"access_token": "t", "expires_in": 60}),
        [{"access_token": "t", "expires_in": 60.7}],
    ),
    (
        "a whole number as a fraction",
        Part("…", models.Recording, {"stream_id": "s", "frame_count": 412, "duration_seconds": 20.6}),
        [{"stream_id": "s", "frame_count": 412.0, "duration_seconds": 20.6}],
    ),
    (
        "a number as text",
        Part("…", models.Recording, {"stream_id": "s", "frame_count": 412, "duration_seconds": 20.6}),
        [
            {"stream_id": "s", "frame_count": "412", "duration_seconds": 20.6},
            {"stream_id": "s", "frame_count": 412, "duration_seconds": "20.6"},
        ],
    ),
    ("keys in another order", Part("streamerToClient", models.StreamStarted, STARTED), [STARTED]),
]


@pytest.mark.parametrize(
    ("name", "part", "expected"), CONTENTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_kind_of_content_says_the_same_in_other_words(
    name: str, part: Part, expected: list[dict[str, Any]]
) -> None:
    found = outcomes(name, part)
    assert all(data in found for data in expected)
    assert all(data in expected for data in found)


def test_a_whole_number_is_written_as_a_fraction() -> None:
    part = Part("…", models.Recording, {"stream_id": "s", "frame_count": 412})
    assert [json.dumps(data) for data in outcomes("a whole number as a fraction", part)] == [
        '{"stream_id": "s", "frame_count": 412.0}'
    ]


def test_unknown_fields_come_beside_the_known_ones() -> None:
    found = outcomes("unknown fields", Part("streamerToClient", models.StreamStarted, STARTED))
    assert len(found) > 10
    assert all(STARTED.items() <= data.items() and data.keys() > STARTED.keys() for data in found)


def test_keys_come_in_another_order() -> None:
    data = dict(CANDIDATE)
    assert TABLE["keys in another order"].change(random.Random(1), Part("signaling", models.IceCandidate, data))
    assert [*data] != [*CANDIDATE]
    assert data == CANDIDATE


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a row without an id", Part("…", models.SimulationJobsList, {**JOBS, "limit": 0})),
        ("null for a default", Part("…", models.TokenResponse, {"access_token": "t", "expires_in": 60})),
        ("a default left out", Part("…", models.SimulationStream, {"stream_id": "s", "script_index": 1})),
        ("null for absent fields", Part("…", models.StreamEnded, {"type": "stream_ended"})),
        (
            "capabilities without images, in other words",
            Part("…", models.SessionResponse, {"capabilities": {"image_to_video": True}}),
        ),
        ("a usage error without its envelope", Part("403", models.ErrorBody, {"detail": USAGE})),
        ("a usage error without its envelope", Part("429", models.ErrorBody, {"detail": "Slow down"})),
        ("a usage error by its code", Part("429", models.UsageErrorBody, {**USAGE, "code": "OTHER"})),
        (
            "addresses of an ICE server as a list, or alone",
            Part("…", models.IceServer, {"urls": ["stun:a", "stun:b"]}),
        ),
        (
            "addresses of an ICE server by their old name",
            Part("GET /signaling/config", models.IceServer, {"urls": "stun:a"}),
        ),
        ("a candidate without its prefix", Part("…", models.IceCandidate, {**CANDIDATE, "candidate": ""})),
        (
            "a candidate that names its media section once",
            Part("…", models.IceCandidate, {**CANDIDATE, "sdpMid": None}),
        ),
        ("an id as a number", Part("…", models.Recording, {"stream_id": "007"})),
        ("an id as a number", Part("…", models.Recording, {"stream_id": "stream-1"})),
        ("a lifetime with a fraction", Part("…", models.TokenResponse, {"access_token": "t", "expires_in": "60"})),
        ("a number as text", Part("…", models.StreamStarted, STARTED)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_kind_that_would_change_the_meaning_is_not_used(name: str, part: Part) -> None:
    assert outcomes(name, part) == []


def test_all_objects_within_an_answer_are_looked_at() -> None:
    stream = {"stream_id": "s"}
    issue = {"loc": ["body"], "msg": "Field required", "type": "missing"}
    assert [part.cls for part in parts("…", models.SimulationJobDetail, {"streams": [stream, None]})] == [
        models.SimulationStream,
        models.SimulationJobDetail,
    ]
    assert [part.cls for part in parts("422", models.ErrorBody, {"detail": [issue]})] == [
        models.ValidationIssue,
        models.ErrorBody,
    ]
    assert [part.cls for part in parts("429", models.ErrorBody, {"detail": USAGE})] == [
        models.UsageErrorBody,
        models.ErrorBody,
    ]
    assert [part.cls for part in parts("404", models.ErrorBody, {"detail": {"other": "shape"}})] == [
        models.ErrorBody
    ]
    assert parts("…", models.Recording, None) == []


@pytest.mark.parametrize("name", [kind.name for kind in TEXT])
def test_another_text_has_the_same_content(name: str) -> None:
    data = {"type": "x", "prompt": 'Größe "3" \\ \n\u2028 \U0001f431', "more": [True, None, 1.5, {}]}
    texts = set()
    for seed in range(SEEDS):
        draft = Draft(data, json.dumps(data, ensure_ascii=False))
        assert TABLE[name].change(random.Random(seed), draft)
        assert {key: value for key, value in json.loads(draft.text).items() if key != "x_twice"} == data
        texts.add(draft.text)
    assert json.dumps(data, ensure_ascii=False) not in texts


def sent(name: str, message: dict[str, Any]) -> list[list[str | bytes]]:
    """Return what the kind ``name`` sends for a message, under many seeds."""
    found = []
    for seed in range(SEEDS):
        sending = Sending(message, [json.dumps(message)])
        if TABLE[name].change(random.Random(seed), sending):
            found.append(sending.sent)
    return found


def test_a_message_can_be_binary_with_and_without_a_byte_order_mark() -> None:
    text = json.dumps(STARTED).encode()
    assert {form for (form,) in sent("a binary message", STARTED)} == {text, b"\xef\xbb\xbf" + text}


def test_messages_of_unknown_types_come_before_and_after() -> None:
    found = sent("a message of an unknown type beside it", STARTED)
    assert {forms.index(json.dumps(STARTED)) for forms in found} == {0, 1}
    others = {form for forms in found for form in forms} - {json.dumps(STARTED)}
    assert len(others) > 3
    assert not {json.loads(other)["type"] for other in others} & {"offer", "error", "stream_started"}


def test_the_end_of_the_candidates_comes_again_after_a_candidate() -> None:
    assert {len(forms) for forms in sent("the end of the candidates, again and again", CANDIDATE)} == {2, 3}
    assert sent("the end of the candidates, again and again", STARTED) == []


# HTTP

BODY = json.dumps({"iceServers": []}).encode()


@functools.cache
def asked(method: str, path: str, accepted: str = "") -> web.Request:
    """Return a request. It is cached, because nothing changes it."""
    return make_mocked_request(method, path, headers={"Host": "here:1", "Accept-Encoding": accepted})


def answered(
    name: str,
    seed: int,
    where: str = "GET /config",
    status: int = 200,
    body: bytes = BODY,
    accepted: str = "gzip",
    **headers: str,
) -> Answer | None:
    """Return what the kind ``name`` makes of an answer; None if it does not apply."""
    request = asked("POST", "/live/s/whep", accepted)
    headers = {"Content-Type": "application/json", **headers}
    answer = Answer(where, request, web.Response(status=status, body=body, headers=headers), body)
    return answer if TABLE[name].change(random.Random(seed), answer) else None


def decoded(answer: Answer) -> bytes:
    """Return the body without its codings, which are undone from the last to the first."""
    body = answer.body
    for label in reversed(answer.response.headers.get("Content-Encoding", "").lower().split(",")):
        match label.strip():
            case "gzip" | "x-gzip":
                body = gzip.decompress(body)
            case "deflate":
                body = zlib.decompress(body, 15 if body[0] & 15 == 8 else -15)
    return body


CODINGS = ["gzip", "gzip of several members", "deflate", "two codings", "a coding that is none"]


@pytest.mark.parametrize("name", CODINGS)
def test_a_coded_body_is_the_same_once_it_is_decoded(name: str) -> None:
    labels = set()
    for seed in range(SEEDS):
        answer = answered(name, seed)
        assert answer is not None
        assert decoded(answer) == BODY
        labels.add(answer.response.headers["Content-Encoding"])
    assert (
        labels
        == {
            "gzip": {"gzip", "x-gzip", "GZIP", " gzip"},
            "gzip of several members": {"gzip"},
            "deflate": {"deflate"},
            "two codings": {"gzip, gzip", "deflate, gzip"},
            "a coding that is none": {"none", "UTF-8", "binary", "aws-chunked", "identity", ""},
        }[name]
    )


@pytest.mark.parametrize("name", CODINGS)
def test_a_body_that_is_coded_or_empty_or_wanted_as_it_is_is_left_alone(name: str) -> None:
    assert answered(name, 0, accepted="identity") is None
    assert answered(name, 0, **{"Content-Encoding": "br"}) is None
    assert answered(name, 0, body=b"") is None


def test_a_byte_order_mark_is_for_json_alone() -> None:
    answer = answered("a byte order mark", 0)
    assert answer is not None
    assert answer.body == b"\xef\xbb\xbf" + BODY
    assert answered("a byte order mark", 0, **{"Content-Type": "application/sdp"}) is None


def test_the_content_type_can_be_another_one_or_missing() -> None:
    found = {answered("an odd Content-Type", seed).response.headers["Content-Type"] for seed in range(SEEDS)}  # type: ignore[union-attr]  # it always applies
    assert len(found) == 6
    assert "application/json" not in found
    answer = answered("no Content-Type", 0)
    assert answer is not None
    assert answer.response.headers["Content-Type"] == ""


def test_the_status_of_a_config_alone_can_be_another_one() -> None:
    found = {answered("another status", seed).response.status for seed in range(SEEDS)}  # type: ignore[union-attr]  # ditto
    assert found == {201, 203, 404, 500, 503}
    assert answered("another status", 0, where="GET /regions") is None
    assert answered("another status", 0, status=403) is None


def test_the_location_of_a_spectator_can_be_relative() -> None:
    name, where = "another form of the Location", "POST /live/{stream_id}/whep"
    found = [answered(name, seed, where, 201, Location="/live/s/whep/r") for seed in range(SEEDS)]
    assert {answer.response.headers["Location"] for answer in found if answer} == {
        "whep/r",
        "../s/whep/r",
        "http://here:1/live/s/whep/r",
        "//here:1/live/s/whep/r",
    }
    assert answered(name, 0, where, 404) is None
    assert answered(name, 0, "POST /sessions/request", 201, Location="/live/s/whep/r") is None


def early(name: str, seed: int, method: str, path: str, where: str, *, first: bool = True) -> SloppyCall | None:
    call = SloppyCall(where, asked(method, path), first)
    return call if TABLE[name].change(random.Random(seed), call) else None


def redirects(method: str) -> set[tuple[int, str]]:
    found = [early("a redirect", seed, method, "/x/%C3%A4?a=%26", "…") for seed in range(SEEDS)]
    return {
        (call.instead.status, call.instead.headers["Location"])
        for call in found
        if call is not None and call.instead is not None
    }


def test_a_redirect_keeps_origin_path_and_query() -> None:
    places = {"/moved/x/%C3%A4?a=%26", "http://here:1/moved/x/%C3%A4?a=%26", "//here:1/moved/x/%C3%A4?a=%26"}
    assert redirects("GET") == {(status, place) for status in (301, 302, 303, 307, 308) for place in places}
    assert (
        redirects("POST") == redirects("DELETE") == {(status, place) for status in (307, 308) for place in places}
    )


def test_a_call_is_redirected_once() -> None:
    assert early("a redirect", 0, "GET", "/moved/regions", "GET /regions") is None


def test_only_a_first_handshake_is_refused() -> None:
    name, path, where = (
        "a first handshake that is refused",
        "/signaling/client/s",
        "GET /signaling/client/{session_id}",
    )
    call = early(name, 0, "GET", path, where)
    assert call is not None
    assert call.instead is not None
    assert call.instead.status == 404
    assert early(name, 0, "GET", path, where, first=False) is None
    assert early(name, 0, "GET", "/regions", "GET /regions") is None


# The whole


def test_without_a_seed_a_message_stays_as_it_is() -> None:
    text = json.dumps(STARTED)
    assert all(Sloppiness(None).forms("streamerToClient", text) == [text] for _ in range(SEEDS))


def test_the_same_seed_makes_the_same_choices() -> None:
    def forms(seed: int) -> list[list[str | bytes]]:
        sloppiness = Sloppiness(seed)
        return [sloppiness.forms("signaling", json.dumps(CANDIDATE)) for _ in range(50)]

    assert forms(1) == forms(1)
    assert forms(1) != forms(2)


def test_the_choices_of_one_place_do_not_depend_on_another() -> None:
    alone, beside = Sloppiness(1), Sloppiness(1)
    text = json.dumps(STARTED)
    for _ in range(50):
        beside.forms("signaling", json.dumps(CANDIDATE))
        assert alone.forms("streamerToClient", text) == beside.forms("streamerToClient", text)


def test_no_two_kinds_have_the_same_name() -> None:
    assert len(set(KINDS)) == len(KINDS) == len(TABLE)
