"""Every REST answer of the emulator, seen with plain requests."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.plain_client import PATIENCE_S, authorise, bearer, request_session, session_token

if TYPE_CHECKING:
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator
    from tests.support.clocks import HandClock

PAGE = "http://localhost:5173"
"""The origin of a page on another port of this machine."""


def call(method: str, url: str, **options: Any) -> requests.Response:
    return requests.request(method, url, timeout=PATIENCE_S, **options)


def post(emulator: Emulator, path: str, content: Any = None, **options: Any) -> requests.Response:
    return call("POST", emulator.api_url + path, json=content, **options)


def get(emulator: Emulator, path: str, **options: Any) -> requests.Response:
    return call("GET", emulator.api_url + path, **options)


def headers_of(emulator: Emulator, key: str | None = None) -> dict[str, str]:
    return bearer(emulator.api_url, key or emulator.api_key)


# Token exchange


def test_a_key_becomes_a_token_with_its_lifetime(emulator: Emulator) -> None:
    answer = post(emulator, "/auth/token", {"api_key": emulator.api_key})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["expires_in"] == 3600
    assert answer.json()["access_token"]


def test_any_key_of_the_form_will_do(emulator: Emulator) -> None:
    assert post(emulator, "/auth/token", {"api_key": "ody_whatever"}).status_code == 200


@pytest.mark.parametrize(("key", "status"), [("ody_invalid_1", 401), ("ody_suspended_1", 403)])
def test_a_key_that_is_refused_is_answered_with_the_reason(emulator: Emulator, key: str, status: int) -> None:
    answer = post(emulator, "/auth/token", {"api_key": key})
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)
    assert key not in answer.text


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"api_key": "live_1"}, ["body", "api_key"]),
        ({"api_key": ""}, ["body"]),
        ({"api_key": 7}, ["body", "api_key"]),
        ({}, ["body", "api_key"]),
        ([], ["body"]),
    ],
    ids=str,
)
def test_a_malformed_request_is_answered_with_the_place_of_the_error(
    emulator: Emulator, content: Any, where: list[str]
) -> None:
    answer = post(emulator, "/auth/token", content)
    assert answer.status_code == 422
    (issue,) = answer.json()["detail"]
    assert issue["loc"] == where
    assert issue["msg"]
    assert issue["type"]


def test_a_body_that_is_no_json_is_malformed_too(emulator: Emulator) -> None:
    answer = call("POST", emulator.api_url + "/auth/token", data=b"{")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body"]


# Bearer


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/regions"), ("POST", "/sessions/request"), ("POST", "/sessions/token")]
)
@pytest.mark.parametrize("header", [None, "Bearer garbled", "Basic b2R5", "Bearer "])
def test_a_call_without_a_valid_token_is_refused(
    emulator: Emulator, method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = call(method, emulator.api_url + path, headers=headers, json={})
    assert answer.status_code == 401
    assert isinstance(answer.json()["detail"], str)


def test_a_token_that_has_expired_is_refused(make_emulator: MakeEmulator, clock: HandClock) -> None:
    emulator = make_emulator(clock=clock, token_ttl_s=100)
    headers = headers_of(emulator)
    assert get(emulator, "/regions", headers=headers).status_code == 200
    clock.time += 100
    assert get(emulator, "/regions", headers=headers).status_code == 401


def test_a_token_of_another_emulator_is_refused(make_emulator: MakeEmulator) -> None:
    assert get(make_emulator(), "/regions", headers=headers_of(make_emulator())).status_code == 401


# Regions


def test_regions_have_addresses_that_answer(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(regions={"here": 0, "there": 0})
    regions = get(emulator, "/regions", headers=headers_of(emulator)).json()["regions"]
    assert [region["id"] for region in regions] == ["here", "there"]
    for region in regions:
        assert 200 <= call("GET", region["ping_url"]).status_code < 300


def test_a_region_that_is_far_away_takes_its_time(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(regions={"far": 0.3})
    (region,) = get(emulator, "/regions", headers=headers_of(emulator)).json()["regions"]
    assert call("GET", region["ping_url"]).elapsed.total_seconds() >= 0.3


def test_an_unknown_region_does_not_answer_pings(emulator: Emulator) -> None:
    assert get(emulator, "/ping/nowhere").status_code == 404


# Sessions


def test_a_session_is_returned_with_all_that_a_client_needs(emulator: Emulator) -> None:
    session = request_session(emulator.api_url, headers_of(emulator))
    assert session["session_id"]
    assert session["capabilities"] == {"image_to_video": True}
    assert {"streamer_id", "model", "region"} <= session.keys()
    url = session["signalling_url"]
    assert url.startswith("ws://")
    assert not url.endswith("/")


def test_a_streamer_without_image_to_video_says_so(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(image_to_video=False)
    assert request_session(emulator.api_url, headers_of(emulator))["capabilities"] == {"image_to_video": False}


def test_the_session_is_in_the_nearest_region(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(regions={"here": 0, "there": 0})
    latencies = {"region_latencies": {"here": 9999, "there": 3}}
    assert post(emulator, "/sessions/request", latencies, headers=headers_of(emulator)).json()["region"] == "there"


@pytest.mark.parametrize("body", [None, b"", b"{}", b'{"region_latencies": null}'])
def test_latencies_need_not_be_sent(make_emulator: MakeEmulator, body: bytes | None) -> None:
    emulator = make_emulator()
    answer = call("POST", emulator.api_url + "/sessions/request", data=body, headers=headers_of(emulator))
    assert answer.status_code == 200


@pytest.mark.parametrize("latency", ["fast", -1, 2.5])
def test_latencies_that_are_no_numbers_of_ms_are_malformed(emulator: Emulator, latency: Any) -> None:
    wrong = {"region_latencies": {"here": latency}}
    answer = post(emulator, "/sessions/request", wrong, headers=headers_of(emulator))
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"]


def test_a_latency_may_be_written_as_a_float(emulator: Emulator) -> None:
    latencies = {"region_latencies": {"us-west": 24.0}}
    assert post(emulator, "/sessions/request", latencies, headers=headers_of(emulator)).ok


def test_addresses_use_the_host_name_that_the_client_used(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(allow_hosts=["emulator.example"])
    headers = {**headers_of(emulator), "Host": "emulator.example:8080"}
    session = request_session(emulator.api_url, headers)
    assert session["signalling_url"] == "ws://emulator.example:8080/signaling"
    (region, *_) = get(emulator, "/regions", headers=headers).json()["regions"]
    assert region["ping_url"].startswith("http://emulator.example:8080/")


def test_a_client_that_names_no_host_gets_the_address_that_it_reached(emulator: Emulator) -> None:
    port = urlsplit(emulator.api_url).port
    authorization = headers_of(emulator)["Authorization"]
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"GET /regions HTTP/1.0\r\nAuthorization: {authorization}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert f"http://127.0.0.1:{port}/ping/".encode() in answer


def test_a_second_session_of_one_key_is_a_usage_error(emulator: Emulator) -> None:
    headers = headers_of(emulator)
    request_session(emulator.api_url, headers)
    answer = post(emulator, "/sessions/request", {}, headers=headers)
    assert answer.status_code == 429
    usage = answer.json()["detail"]
    assert usage["error"] == "CONCURRENT_LIMIT_REACHED"
    assert usage["details"] == {"active_count": 1, "limit": 1}
    assert usage["message"]
    assert usage["action"]


def test_more_sessions_at_once_can_be_allowed(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(concurrent_sessions=3)
    headers = headers_of(emulator)
    assert len({request_session(emulator.api_url, headers)["session_id"] for _ in range(3)}) == 3


def test_no_streamer_free_is_503(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(streamers=1)
    request_session(emulator.api_url, headers_of(emulator, "ody_first"))
    answer = post(emulator, "/sessions/request", {}, headers=headers_of(emulator, "ody_second"))
    assert answer.status_code == 503
    assert answer.json()["detail"]


def test_a_session_without_keepalives_blocks_its_key_for_forty_seconds(
    make_emulator: MakeEmulator, clock: HandClock
) -> None:
    emulator = make_emulator(clock=clock)
    headers = headers_of(emulator)
    request_session(emulator.api_url, headers)
    clock.time += 39
    assert post(emulator, "/sessions/request", {}, headers=headers).status_code == 429
    clock.time += 1
    assert post(emulator, "/sessions/request", {}, headers=headers).status_code == 200


def test_too_many_calls_are_a_usage_error_with_the_time_to_wait(
    make_emulator: MakeEmulator, clock: HandClock
) -> None:
    emulator = make_emulator(rate_limit=2, clock=clock)  # a clock whose minute does not end meanwhile
    headers = headers_of(emulator)
    answers = [get(emulator, "/regions", headers=headers) for _ in range(4)]
    last = answers[-1]
    assert last.status_code == 429
    assert last.json()["detail"]["error"] == "RATE_LIMITED"
    assert int(last.headers["Retry-After"]) == last.json()["detail"]["details"]["retry_after_seconds"]


# Session tokens


def test_a_session_token_is_a_jwt_that_names_its_session(emulator: Emulator) -> None:
    headers = headers_of(emulator)
    session = request_session(emulator.api_url, headers)
    answer = post(emulator, "/sessions/token", {"session_id": session["session_id"]}, headers=headers)
    assert answer.json()["expires_in"] == 600
    head, payload, _ = (part + "=" * (-len(part) % 4) for part in answer.json()["session_token"].split("."))
    assert json.loads(base64.urlsafe_b64decode(head)) == {"alg": "HS256", "typ": "JWT"}
    claims = json.loads(base64.urlsafe_b64decode(payload))
    assert claims["session_id"] == session["session_id"]
    assert claims["exp"] - claims["iat"] == pytest.approx(600, abs=2)


def test_a_session_may_have_several_tokens(emulator: Emulator) -> None:
    headers = headers_of(emulator)
    session_id = request_session(emulator.api_url, headers)["session_id"]
    assert len({session_token(emulator.api_url, headers, session_id) for _ in range(2)}) == 2


def test_a_token_for_no_session_is_404(emulator: Emulator) -> None:
    answer = post(emulator, "/sessions/token", {"session_id": "nothing"}, headers=headers_of(emulator))
    assert answer.status_code == 404
    assert isinstance(answer.json()["detail"], str)


def test_a_token_for_the_session_of_another_key_is_404(emulator: Emulator) -> None:
    session = request_session(emulator.api_url, headers_of(emulator, "ody_one"))
    asked = {"session_id": session["session_id"]}
    answer = post(emulator, "/sessions/token", asked, headers=headers_of(emulator, "ody_two"))
    assert answer.status_code == 404


# ICE servers and telemetry


def config_of(emulator: Emulator) -> dict[str, Any]:
    credentials = authorise(emulator.api_url, emulator.api_key)
    answer = call("GET", credentials.signalling_url.replace("ws://", "http://", 1) + "/config")
    assert answer.headers["Content-Type"].startswith("application/json")
    return dict(answer.json())


def test_the_ice_server_in_the_config_answers(emulator: Emulator) -> None:
    (server,) = config_of(emulator)["iceServers"]
    scheme, host, port = server["urls"].split(":")
    assert scheme == "stun"
    transaction = bytes(range(12))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(PATIENCE_S)
        udp.sendto(b"no stun", (host, int(port)))
        udp.sendto(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + transaction, (host, int(port)))
        answer, _ = udp.recvfrom(1500)
        assert answer[:2] == b"\x01\x01"
        assert answer[8:20] == transaction
        seen_port = int.from_bytes(answer[answer.index(b"\x00\x20\x00\x08") + 6 :][:2], "big") ^ 0x2112
        assert seen_port == udp.getsockname()[1]


def test_other_ice_servers_can_be_set(make_emulator: MakeEmulator) -> None:
    servers = [{"urls": ["turn:127.0.0.1:3478"], "username": "u", "credential": "c"}]
    assert config_of(make_emulator(ice_servers=servers)) == {"iceServers": servers}


def test_the_list_of_ice_servers_can_be_empty(make_emulator: MakeEmulator) -> None:
    assert config_of(make_emulator(ice_servers=[])) == {"iceServers": []}


def test_telemetry_is_accepted_without_a_token(emulator: Emulator) -> None:
    assert post(emulator, "/telemetry", {"events": [{"event": "session_connecting"}]}).ok


# Around every answer


def answers(emulator: Emulator, **headers: str) -> list[requests.Response]:
    upgrade, preflight = (
        {"Upgrade": "websocket", "Connection": "Upgrade"},
        {"Access-Control-Request-Method": "GET"},
    )
    return [
        post(emulator, "/auth/token", {"api_key": emulator.api_key}, headers=headers),
        post(emulator, "/auth/token", {}, headers=headers),
        get(emulator, "/regions", headers=headers),
        get(emulator, "/nothing", headers=headers),
        get(emulator, "/auth/token", headers=headers),
        get(emulator, "/signaling/config", headers=headers),
        get(emulator, "/signaling/client/x?token=y", headers={**upgrade, **headers}),
        call("OPTIONS", emulator.api_url + "/regions", headers={**preflight, **headers}),
    ]


def test_every_answer_says_what_it_comes_from(emulator: Emulator) -> None:
    assert {answer.headers["Server"] for answer in answers(emulator)} == {"odyssey-emulator"}


def test_every_answer_has_an_id_of_its_own(emulator: Emulator) -> None:
    found = answers(emulator)
    assert len({answer.headers["x-request-id"] for answer in found}) == len(found)


def test_every_answer_may_be_read_by_a_page_of_another_origin(emulator: Emulator) -> None:
    for answer in answers(emulator, Origin=PAGE):
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Location" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/token"),
        ("POST", "/sessions/request"),
        ("GET", "/regions"),
        ("DELETE", "/simulation-jobs/x"),
    ],
)
def test_a_preflight_allows_what_the_clients_send(emulator: Emulator, method: str, path: str) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = call("OPTIONS", emulator.api_url + path, headers=headers)
    assert answer.ok
    assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/auth/token", 405, "Method Not Allowed"),
        ("DELETE", "/regions", 405, "Method Not Allowed"),
        ("PUT", "/sessions/request", 405, "Method Not Allowed"),
    ],
)
def test_what_does_not_exist_is_answered_in_the_same_shape(
    emulator: Emulator, method: str, path: str, status: int, detail: str
) -> None:
    answer = call(method, emulator.api_url + path)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})


def test_no_answer_holds_the_key(emulator: Emulator) -> None:
    for answer in answers(emulator):
        assert emulator.api_key not in answer.text


def test_a_signaling_address_without_a_websocket_says_what_it_wants(emulator: Emulator) -> None:
    credentials = authorise(emulator.api_url, emulator.api_key)
    answer = get(emulator, f"/signaling/client/{credentials.session_id}?token={credentials.token}")
    assert answer.status_code == 426
    assert answer.json()["detail"]


def test_many_callers_at_once_are_served(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(streamers=100)
    found: list[str] = []

    def run(number: int) -> None:
        found.append(request_session(emulator.api_url, headers_of(emulator, f"ody_{number}"))["session_id"])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(set(found)) == 20


def test_the_address_is_a_plain_one_of_this_machine(emulator: Emulator) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", emulator.api_url)
    assert urlsplit(emulator.api_url).port
