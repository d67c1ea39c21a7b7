"""The checks of a service that behaves oddly, is behind a proxy, or is not there."""

from __future__ import annotations

import contextlib
import email.utils
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import OdysseyAuthError, OdysseyConnectionError
from odyssey_proto._doctor.service import AGENT, Patient
from odyssey_proto._net.webrtc.candidates import FALLBACK_SERVERS
from tests.support.apis import REGION_LIMITS, give_time
from tests.support.servers import HttpServer, answer, json_answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto._doctor.finding import CheckResult

KEY: Final = "ody_secret_4711"
LIMIT_S: Final = 30.0
REFUSED: Final = json_answer({"detail": "Not authenticated"}, "401 Unauthorized")


@pytest.fixture(autouse=True)
def _regions_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow enough time to list and to ping the regions, even on a busy machine."""
    give_time(monkeypatch, 10.0, REGION_LIMITS)


@contextlib.contextmanager
def patient(url: str, key: str | None = KEY) -> Iterator[Patient]:
    with contextlib.closing(Patient(key, url)) as made:
        yield made


def api(**headers: str) -> HttpServer:
    """Return a service whose API requires a token, as the real one does."""
    return HttpServer({"GET /regions": json_answer({"detail": "x"}, "401 Unauthorized", **headers)})


def date(seconds_from_now: float) -> str:
    return email.utils.formatdate(time.time() + seconds_from_now, usegmt=True)


# --- the API and the clock


def test_an_api_that_wants_a_token_is_there() -> None:
    with api() as server, patient(server.url) as one:
        found = one.check_api(LIMIT_S)
        assert one.is_reached
    assert (found.outcome, found.details) == ("ok", {"url": server.url, "status": 401})
    (request,) = server.requests
    assert request.headers["user-agent"] == AGENT
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(b"<h1>Welcome</h1>", Content_Type="text/html"), "answers 200, but not as the API does"),
        (json_answer({"detail": "Not Found"}, "404 Not Found"), "answers 404, but not as the API does"),
        (json_answer({}, "503 Service Unavailable"), "answers 503: the service has trouble"),
    ],
)
def test_something_else_at_its_address_is_not_the_api(reply: bytes, words: str) -> None:
    with HttpServer({"GET /regions": reply}) as server, patient(server.url) as one:
        found = one.check_api(LIMIT_S)
        assert not one.is_reached
        assert one.check_key(LIMIT_S).outcome == "skipped"
    assert found.outcome == "failed"
    assert words in found.text
    assert found.advice


@pytest.mark.parametrize(
    ("off_s", "outcome", "words"),
    [
        (0, "ok", "agrees"),
        (-90, "warning", "this machine's clock is 0:01:"),
        (-90, "warning", "ahead of the service's"),
        (3 * 86_400, "failed", "behind the service's"),
    ],
)
def test_a_clock_that_is_wrong_is_noticed(off_s: float, outcome: str, words: str) -> None:
    with api(Date=date(off_s)) as server, patient(server.url) as one:
        one.check_api(LIMIT_S)
        found = one.check_clock()
    assert found.outcome == outcome
    assert words in found.text
    assert ("timedatectl" in found.advice) == (outcome != "ok")
    assert found.details["off_s"] == pytest.approx(-off_s, abs=20)


@pytest.mark.parametrize(
    "said", ["yesterday", "", f"Mon, 01 Jan {10**20} 00:00:00 GMT", f"Mon, 01 Jan 2026 00:00:00 +{10**20}", None]
)
def test_a_clock_that_cannot_be_compared_is_shown(said: str | None) -> None:
    with api(Date=said or "") as server, patient(server.url) as one:
        if said is not None:
            one.check_api(LIMIT_S)
        found = one.check_clock()
    assert found.outcome == "skipped"
    assert time.strftime("%Y-%m-%d", time.gmtime()) in found.text


def test_a_certificate_that_is_not_trusted_is_reported(tmp_path: Path) -> None:
    with HttpServer(tls=self_signed(tmp_path).server) as server, patient(server.url) as one:
        with pytest.raises(OdysseyConnectionError) as raised:
            one.check_api(LIMIT_S)
        assert one.is_reached is False
    assert raised.value.code == "untrusted_certificate"


# --- proxies


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_proxy_is_named_without_its_password(no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pa55word@10.0.0.1:3128")
    with patient("https://api.example") as one:
        found = one.check_proxy()
        assert one.through_proxy == "10.0.0.1:3128"
    assert found.text == "http://10.0.0.1:3128 (HTTPS_PROXY); video does not go through it"
    with patient("http://127.0.0.1:9") as one:
        assert one.check_proxy().text == "none for this service"


def test_a_proxy_that_cannot_be_used_is_reported(no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pa55#word@10.0.0.1")
    with patient("https://api.example") as one:
        found = one.check_proxy()
    assert (found.outcome, found.code) == ("failed", "proxy")
    assert "pa55" not in str(found.to_dict())


def test_a_proxy_that_refuses_is_what_failed(no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer({"GET http://api.example/regions": answer(b"", "403 Forbidden")}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with patient("http://api.example") as one:
            one.check_proxy()
            found = one.check_api(LIMIT_S)
    assert found.outcome == "failed"
    assert f"through the proxy 127.0.0.1:{proxy.port}" in found.text


def test_a_proxy_that_wants_a_password_is_what_failed(no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer({"GET http://api.example/regions": answer(b"", "407 Proxy Authentication Required")}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:pa55word@127.0.0.1:{proxy.port}")
        with patient("http://api.example") as one, pytest.raises(OdysseyConnectionError) as raised:
            one.check_api(LIMIT_S)
    assert raised.value.code == "proxy"
    assert "pa55" not in str(raised.value)


# --- the key and the regions


@pytest.mark.parametrize(("key", "code"), [(None, "missing_api_key"), ("two words", "malformed_api_key")])
def test_a_key_that_cannot_be_one_is_refused_before_it_is_sent(
    key: str | None, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    with api() as server, patient(server.url, key) as one:
        one.check_api(LIMIT_S)
        with pytest.raises(OdysseyAuthError) as raised:
            one.check_key(LIMIT_S)
    assert raised.value.code == code
    assert len(server.requests) == 1


def region(name: str, url: str) -> dict[str, str]:
    return {"id": name, "ping_url": url}


def regions_of(reply: Any) -> CheckResult:
    with HttpServer() as server:
        server.routes["GET /regions"] = [
            REFUSED,
            reply if isinstance(reply, bytes) else json_answer({"regions": reply(server.url)}),
        ]
        server.routes["GET /lost"] = answer(b"", "404 Not Found")
        with patient(server.url) as one:
            assert one.check_regions(LIMIT_S).outcome == "skipped"
            one.check_api(LIMIT_S)
            assert one.check_key(LIMIT_S).text == "accepted"
            return one.check_regions(LIMIT_S)


def test_the_latency_of_each_region_is_reported() -> None:
    found = regions_of(lambda url: [region("lost", f"{url}/lost"), region("here", f"{url}/ping")])
    assert found.outcome == "warning"
    assert found.details["latencies_ms"].keys() == {"here", "lost"}
    assert found.details["latencies_ms"]["lost"] is None
    assert found.text.startswith("here ")
    assert found.text.endswith(", lost does not answer")


def test_regions_that_all_answer_are_fine() -> None:
    assert regions_of(lambda url: [region("here", f"{url}/ping")]).outcome == "ok"


def test_no_regions_are_a_warning() -> None:
    assert regions_of(json_answer({"regions": []})).outcome == "warning"


# --- a session


def test_nothing_of_a_session_is_known_without_a_key() -> None:
    with patient("http://127.0.0.1:9") as one:
        assert one.check_session(LIMIT_S).outcome == "skipped"
        assert "public STUN servers" in one.check_ice_servers(LIMIT_S).text  # type: ignore[union-attr]
        signaling, connection = one.check_connection(LIMIT_S)  # type: ignore[misc]
        assert (signaling.outcome, connection.outcome) == ("skipped", "skipped")
        assert one.ice_servers == FALLBACK_SERVERS
        assert one.is_connected is None


@pytest.mark.parametrize(
    ("reply", "outcome", "code"),
    [
        (
            json_answer(
                {"code": "CONCURRENT_LIMIT_REACHED", "message": "Too many", "action": "End one"},
                "429 Too Many Requests",
            ),
            "warning",
            "CONCURRENT_LIMIT_REACHED",
        ),
        (json_answer({"detail": "no"}, "403 Forbidden"), "failed", "forbidden"),
    ],
)
def test_an_account_that_is_busy_is_no_failure(reply: bytes, outcome: str, code: str) -> None:
    with HttpServer({"POST /sessions/request": reply}) as server, patient(server.url) as one:
        one.check_api(LIMIT_S)
        one.check_key(LIMIT_S)
        found = one.check_session(LIMIT_S)
    assert (found.outcome, found.code) == (outcome, code)
    assert found.advice


TOKEN: Final = "e30.eyJzZXNzaW9uX2lkIjogInMtMSJ9.x"


@contextlib.contextmanager
def granted(config: bytes) -> Iterator[Patient]:
    """Yield a patient with a session; its service answers requests for the ICE servers with ``config``."""
    routes = {"POST /sessions/token": json_answer({"session_token": TOKEN}), "GET /config": config}
    with HttpServer(routes) as server, patient(server.url) as one:
        one.check_api(LIMIT_S)
        one.check_key(LIMIT_S)
        assert one.check_session(LIMIT_S).outcome == "ok"
        assert {TOKEN, KEY} <= set(one.secrets)
        yield one


def servers_of(config: bytes) -> tuple[CheckResult, Patient]:
    with granted(config) as one:
        found = one.check_ice_servers(LIMIT_S)
        assert not isinstance(found, Sequence)
        return found, one


def test_a_service_without_signaling_is_reported() -> None:
    with granted(json_answer({"iceServers": []})) as one:
        signaling, connection = one.check_connection(LIMIT_S)  # type: ignore[misc]
        assert one.is_connected is False
    assert (signaling.outcome, signaling.error.status) == ("failed", 404)
    assert connection.outcome == "skipped"


def test_ice_servers_are_named_and_their_passwords_are_secrets() -> None:
    server = {"urls": ["turn:t.example", "stun:s.example:1"], "username": "user-4711", "credential": "word-4711"}
    found, one = servers_of(json_answer({"iceServers": [server]}))
    assert (found.outcome, found.text) == ("ok", "the service names turn:t.example:3478, stun:s.example:1")
    assert {"user-4711", "word-4711"} <= set(one.secrets)


def test_ice_servers_that_cannot_be_used_are_named() -> None:
    found, _ = servers_of(json_answer({"iceServers": [{"urls": ["stuns:s.example"]}]}))
    assert found.outcome == "warning"
    assert found.text == "the service names none; stuns:s.example:5349 is not supported"


def test_without_ice_servers_public_ones_are_asked() -> None:
    found, one = servers_of(json_answer({"detail": "x"}, "404 Not Found"))
    assert found.outcome == "warning"
    assert "public STUN servers are used instead" in found.text
    assert one.ice_servers == FALLBACK_SERVERS
