"""Credentials: to a dict and back, their session, their expiry, and a `repr` without their token."""

from __future__ import annotations

import base64
import copy
import datetime
import json
import pickle
from typing import Any

import attrs
import pytest

from odyssey_proto import (
    AdvancedConfig,
    ClientCredentials,
    MalformedMessageError,
    Odyssey,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    StreamerCapabilities,
)
from tests.support.servers import HttpServer, answer, json_answer


def part(data: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def token(**claims: Any) -> str:
    return f"{part({'alg': 'HS256'})}.{part(claims)}.c2lnbmF0dXJl"


GOOD = token(session_id="s-1")


def made(**changes: Any) -> ClientCredentials:
    return ClientCredentials(
        **{"signaling_url": "wss://x.example", "session_token": GOOD, "expires_in": 600, **changes}
    )


def test_they_are_the_same_after_a_dict_and_its_json() -> None:
    credentials = made(capabilities=StreamerCapabilities(image_to_video=True))
    data = json.loads(json.dumps(credentials.to_dict()))
    assert data == {
        "signaling_url": "wss://x.example",
        "session_token": GOOD,
        "expires_in": 600,
        "capabilities": {"image_to_video": True},
        "session_id": "s-1",
    }
    assert ClientCredentials.from_dict(data) == credentials


def test_the_session_is_the_tokens_whatever_the_dict_says() -> None:
    assert ClientCredentials.from_dict({**made().to_dict(), "session_id": "another"}).session_id == "s-1"
    with pytest.raises(TypeError):
        made(session_id="another")


def test_capabilities_may_be_missing_and_new_keys_may_come() -> None:
    data = {"signaling_url": "wss://x.example", "session_token": GOOD, "expires_in": 600, "new": 1}
    assert ClientCredentials.from_dict(data) == made()


def test_positions_are_those_of_the_documentation() -> None:
    assert ClientCredentials("wss://x.example", GOOD, 600, None) == made()
    assert StreamerCapabilities(True).image_to_video


def test_they_do_not_show_the_token() -> None:
    assert GOOD not in repr(made())
    assert GOOD not in str(made())


def test_they_are_frozen_and_can_be_copied() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made().session_id = "another"  # type: ignore[misc]  # that it cannot be set is the point
    assert copy.copy(made()) == pickle.loads(pickle.dumps(made())) == made()


def test_the_token_says_when_it_ends() -> None:
    credentials = made(session_token=token(session_id="s-1", exp=1_000_000_000))
    assert credentials.expires_at == datetime.datetime(2001, 9, 9, 1, 46, 40, tzinfo=datetime.UTC)
    assert credentials.is_expired
    assert not made(session_token=token(session_id="s-1", exp=4_000_000_000)).is_expired


@pytest.mark.parametrize("end", [None, "soon", True, 1e300, -1e300])
def test_where_it_does_not_the_lifetime_counts_from_here(end: Any) -> None:
    before = datetime.datetime.now(datetime.UTC)
    credentials = made(session_token=token(session_id="s-1", exp=end), expires_in=600)
    assert datetime.timedelta(seconds=590) < credentials.expires_at - before < datetime.timedelta(seconds=660)
    assert made(session_token=token(session_id="s-1", exp=end), expires_in=0).is_expired
    assert not made(expires_in=10**18).is_expired


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "no token",
        "a.b",
        "a.b.c.d",
        f"a.{part([])}.c",
        f"a.{part('text')}.c",
        f"a.{part({})}.c",
        f"a.{part({'session_id': True})}.c",
        f"a.{part({'session_id': [7]})}.c",
        f"a.{part({'session_id': ' '})}.c",
        f"a.{part({'session_id': 's' + chr(0)})}.c",
        "a.!!!!.c",
        "a.é.c",
        "a.////.c",
        f"a.{base64.urlsafe_b64encode(bytes([255, 254])).decode()}.c",
        f"a.{'W' * 20_000}.c",
        GOOD + "\n",
        7,
        None,
    ],
)
def test_a_token_that_is_none_is_refused_without_being_shown(wrong: Any) -> None:
    with pytest.raises(OdysseyConfigError) as caught:
        made(session_token=wrong)
    assert caught.value.code == "invalid_credentials"
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"signaling_url": "wss://x.example", "session_token": GOOD},
        {**made().to_dict(), "signaling_url": 7},
        {**made().to_dict(), "signaling_url": ""},
        {**made().to_dict(), "signaling_url": None},
        {**made().to_dict(), "signaling_url": ["wss://x.example"]},
        {**made().to_dict(), "expires_in": "soon"},
        {**made().to_dict(), "expires_in": float("nan")},
        {**made().to_dict(), "expires_in": []},
    ],
)
def test_a_dict_that_does_not_fit(data: Any) -> None:
    with pytest.raises(OdysseyConfigError):
        ClientCredentials.from_dict(data)


class Address:
    def __str__(self) -> str:
        return "wss://x.example"


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"signaling_url": Address()}, "signaling_url", "wss://x.example"),
        ({"expires_in": "600"}, "expires_in", 600),
        ({"expires_in": " 60 "}, "expires_in", 60),
        ({"expires_in": "600.7"}, "expires_in", 600),
        ({"expires_in": 600.7}, "expires_in", 600),
        ({"expires_in": True}, "expires_in", 1),
        ({"expires_in": -1}, "expires_in", 0),
        ({"expires_in": None}, "expires_in", 600),
        ({"capabilities": []}, "capabilities", None),
        ({"capabilities": "image_to_video"}, "capabilities", None),
        ({"capabilities": {}}, "capabilities", StreamerCapabilities(False)),
        ({"capabilities": {"image_to_video": "yes"}}, "capabilities", StreamerCapabilities(False)),
        ({"capabilities": {"image_to_video": 1}}, "capabilities", StreamerCapabilities(False)),
        ({"capabilities": {"image_to_video": None}}, "capabilities", StreamerCapabilities(False)),
        ({"session_token": token(session_id=7)}, "session_id", "7"),
    ],
)
def test_a_dict_is_read_as_the_official_client_reads_it(changes: dict[str, Any], name: str, expected: Any) -> None:
    assert getattr(ClientCredentials.from_dict({**made().to_dict(), **changes}), name) == expected


def test_capabilities_that_are_none() -> None:
    with pytest.raises(OdysseyConfigError):
        made(capabilities={"image_to_video": True})


# --- minting


def test_they_are_minted_with_the_session_that_was_given() -> None:
    granted = {"session_id": "s-1", "signalling_url": "wss://x.example", "capabilities": {"image_to_video": True}}
    with HttpServer() as server, Odyssey("ody_key", api_url=server.url) as client:
        server.routes["POST /sessions/request"] = json_answer(granted)
        server.routes["POST /sessions/token"] = json_answer({"session_token": GOOD})
        credentials = client.create_client_credentials()
    assert credentials == made(capabilities=StreamerCapabilities(True))


def test_a_streamer_is_queued_for() -> None:
    busy = answer(status="503 Service Unavailable")
    granted = json_answer({"session_id": "s-1", "signalling_url": "wss://x.example"})
    with HttpServer() as server, Odyssey("ody_key", api_url=server.url) as client:
        server.routes["POST /sessions/request"] = [busy, granted]
        server.routes["POST /sessions/token"] = json_answer({"session_token": GOOD})
        assert client.create_client_credentials(timeout=60).session_id == "s-1"


def test_nobody_queues_who_does_not_want_to() -> None:
    advanced = AdvancedConfig(queue_timeout_s=0)
    with HttpServer() as server, Odyssey("ody_key", api_url=server.url, advanced=advanced) as client:
        server.routes["POST /sessions/request"] = answer(status="503 Service Unavailable")
        with pytest.raises(OdysseyConnectionError, match="No streamers available"):
            client.create_client_credentials()
        assert len(server.received("POST /sessions/request")) == 1


def test_the_queue_has_an_end() -> None:
    advanced = AdvancedConfig(queue_timeout_s=0.5)
    with HttpServer() as server, Odyssey("ody_key", api_url=server.url, advanced=advanced) as client:
        server.routes["POST /sessions/request"] = answer(status="503 Service Unavailable")
        with pytest.raises(OdysseyConnectionTimeoutError, match="Timed out waiting for a streamer") as caught:
            client.create_client_credentials()
    assert (caught.value.status, caught.value.recoverable) == (503, True)


def test_a_service_that_gives_no_jwt_breaks_the_protocol() -> None:
    with (
        HttpServer() as server,
        Odyssey("ody_key", api_url=server.url) as client,
        pytest.raises(MalformedMessageError) as caught,
    ):
        client.create_client_credentials()
    assert "st-secret" not in str(caught.value)
    assert caught.value.session_id == "s-1"
