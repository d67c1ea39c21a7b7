"""A sloppy emulator on the wire: all kinds happen, a seed repeats them, and requests are still read strictly."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import zlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import attrs
import pytest

from odyssey_proto._model.traffic import Exchange
from odyssey_proto.conformance._contract import contract
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._faults.sloppiness import KINDS, Sloppiness
from odyssey_proto.emulator._traffic import watching
from tests.support.plain_client import PATIENCE_S

if TYPE_CHECKING:
    from odyssey_proto._model.traffic import Seen
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator

LOGGER: Final = "odyssey_proto.emulator.sloppiness"
CALLS: Final = 150
CONFIG: Final = "/signaling/config"
UPGRADE: Final = {
    "Connection": "close, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@attrs.frozen
class Raw:
    """An answer as it came, and the statuses of the interim answers (1xx) before it."""

    before: list[int]
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The content, read tolerantly."""
        body = self.body
        for label in reversed(self.headers.get("content-encoding", "").lower().split(",")):
            if label.strip() in ("gzip", "x-gzip"):
                body = gzip.decompress(body)
            elif label.strip() == "deflate":
                body = zlib.decompress(body, 15 if body[0] & 15 == 8 else -15)
        return json.loads(body.decode("utf-8-sig"))


def ask(url: str, method: str = "GET", content: Any = None, **headers: str) -> Raw:
    """Make one call, and follow no redirect."""
    parts = urlsplit(url)
    body = b"" if content is None else json.dumps(content).encode()
    all_headers = {"Host": parts.netloc, "Connection": "close", "Content-Length": str(len(body)), **headers}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in all_headers.items())]
    with socket.create_connection((parts.hostname, parts.port), PATIENCE_S) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        with connection.makefile("rb") as file:
            received = file.read()
    before = []
    while True:
        head, _, received = received.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        status = int(first.split()[1])
        if status >= 200:
            break
        before.append(status)
    found = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    return Raw(before, status, found, _unchunked(received) if "transfer-encoding" in found else received)


def _unchunked(rest: bytes) -> bytes:
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not int(size, 16):
            return body
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]


def follow(url: str, *how: Any, **headers: str) -> Raw:
    """Make one call, and follow its redirects."""
    for _ in range(3):
        answer = ask(url, *how, **headers)
        if answer.status not in (301, 302, 303, 307, 308):
            return answer
        url = urljoin(url, answer.headers["location"])
    raise AssertionError("it is redirected again and again")


def names_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the kinds that were logged."""
    texts = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    return [name for text in texts for name in text.partition(": ")[2].split("; ")]


@pytest.fixture
def sloppy(make_emulator: MakeEmulator, caplog: pytest.LogCaptureFixture) -> Emulator:
    caplog.set_level(logging.DEBUG, LOGGER)
    return make_emulator(sloppy=5, ice_servers=[{"urls": "stun:127.0.0.1:9"}])


def test_every_kind_happens(sloppy: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Every kind but those in ``elsewhere``, which need other answers than those of these calls."""
    key = {"api_key": sloppy.api_key}
    token = follow(f"{sloppy.api_url}/auth/token", "POST", key).data["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    for number in range(CALLS):
        follow(sloppy.api_url + CONFIG)
        follow(f"{sloppy.api_url}/config")
        follow(f"{sloppy.api_url}/auth/token", "POST", key)
        follow(f"{sloppy.api_url}/simulation-jobs", **bearer)
        ask(f"{sloppy.api_url}/signaling/client/{number}?token=x", **UPGRADE)
    forms = Sloppiness(5)
    for _ in range(CALLS):
        forms.forms(
            "signaling", '{"type":"ice_candidate","candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}'
        )
    elsewhere = {
        "capabilities without images, in other words",
        "an answer to a cancel without optional fields",
        "a usage error without its envelope",
        "a usage error by its code",
        "the address of signaling with http, or with a slash",
        "another form of the Location",
    }
    assert set(KINDS) - set(names_in(caplog)) == elsewhere


def test_a_session_and_its_limit_are_granted_and_refused_in_other_words(
    make_emulator: MakeEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    emulator = make_emulator(sloppy=6, image_to_video=False, concurrent_sessions=20, streamers=20)
    token = follow(f"{emulator.api_url}/auth/token", "POST", {"api_key": emulator.api_key}).data["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    answers = [follow(f"{emulator.api_url}/sessions/request", "POST", {}, **bearer) for _ in range(60)]
    assert [answer.status for answer in answers] == [200] * 20 + [429] * 40
    assert {
        "capabilities without images, in other words",
        "a usage error without its envelope",
        "a usage error by its code",
        "the address of signaling with http, or with a slash",
    } <= set(names_in(caplog))
    for answer in answers[20:]:
        found = answer.data.get("detail", answer.data)
        assert (found.get("error") or found.get("code")) == "CONCURRENT_LIMIT_REACHED"
        assert found["message"]
        assert found["details"] == {"active_count": 20, "limit": 20}


def test_a_job_is_cancelled_in_few_words(make_emulator: MakeEmulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    emulator = make_emulator(sloppy=7, simulation_workers=0)
    token = follow(f"{emulator.api_url}/auth/token", "POST", {"api_key": emulator.api_key}).data["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    script = [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}, {"timestamp_ms": 500, "end": {}}]
    for _ in range(20):
        made = follow(
            f"{emulator.api_url}/simulation-jobs", "POST", {"portrait": True, "script": script}, **bearer
        )
        gone = follow(f"{emulator.api_url}/simulation-jobs/{made.data['job_id']}", "DELETE", **bearer)
        assert (gone.data["job_id"], gone.data["status"]) == (made.data["job_id"], "cancelled")
    assert "an answer to a cancel without optional fields" in names_in(caplog)


def test_the_same_seed_makes_the_same_choices(
    make_emulator: MakeEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)

    def choices(seed: int) -> list[str]:
        caplog.clear()
        emulator = make_emulator(sloppy=seed)
        for _ in range(30):
            ask(emulator.api_url + CONFIG)
        return names_in(caplog)

    assert choices(3) == choices(3) != choices(4)


def test_other_emulators_send_what_they_always_sent(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(ice_servers=[{"urls": "stun:127.0.0.1:9"}])
    assert emulator.config.sloppy is None
    for _ in range(20):
        answer = ask(emulator.api_url + CONFIG)
        assert (answer.before, answer.status) == ([], 200)
        assert answer.body == b'{"iceServers": [{"urls": "stun:127.0.0.1:9"}]}'
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert "content-encoding" not in answer.headers
    assert ask(f"{emulator.api_url}/moved{CONFIG}").status == 404


def test_what_it_says_stays_the_same(sloppy: Emulator) -> None:
    for _ in range(CALLS):
        servers = [server for server in follow(sloppy.api_url + CONFIG).data["iceServers"] if server.get("urls")]
        assert [server["urls"] for server in servers] in (["stun:127.0.0.1:9"], [["stun:127.0.0.1:9"]])


@pytest.mark.parametrize("content", [{"api_key": 5}, {"api_key": None}, {}, [], {"api_key": "x"}], ids=str)
def test_requests_are_read_as_strictly_as_ever(sloppy: Emulator, content: Any) -> None:
    answers = [follow(f"{sloppy.api_url}/auth/token", "POST", content) for _ in range(20)]
    assert [answer.status for answer in answers] == [422] * 20
    assert all(answer.data["detail"] for answer in answers)


def test_a_refused_first_handshake_is_all_that_a_client_has_to_try_again(sloppy: Emulator) -> None:
    first, later = [], []
    for number in range(CALLS):
        url = f"{sloppy.api_url}/signaling/client/s{number}?token=x"
        first.append(follow(url, **UPGRADE).status)
        later.append(follow(url, **UPGRADE).status)
    assert set(first) == {404, 403}
    assert set(later) == {403}


def test_what_a_fault_writes_is_sent_as_it_is(sloppy: Emulator) -> None:
    sloppy.faults.add(Fault(step=f"GET {CONFIG}", action="answer", status=418, body={"a": 1}, times=None))
    for _ in range(50):
        answer = follow(sloppy.api_url + CONFIG)
        assert (answer.status, answer.body) == (418, b'{"a": 1}')


def test_a_fault_happens_once_for_a_call_that_is_redirected(sloppy: Emulator) -> None:
    sloppy.faults.add(Fault(step=f"GET {CONFIG}", action="answer", status=418, times=50))
    assert [follow(sloppy.api_url + CONFIG).status for _ in range(50)] == [418] * 50
    assert sloppy.faults.pending == []


def test_the_fault_script_is_answered_in_plain_words(sloppy: Emulator) -> None:
    for _ in range(50):
        answer = ask(f"{sloppy.api_url}/_emulator/faults")
        assert (answer.before, answer.status, answer.body) == ([], 200, b"[]")


def test_the_witness_judges_what_was_not_changed_and_every_request(sloppy: Emulator) -> None:
    seen: list[Seen] = []
    with watching(seen.append):
        for _ in range(CALLS):
            ask(sloppy.api_url + CONFIG)
    exchanges = [one for one in seen if isinstance(one, Exchange)]
    assert {one.injected for one in exchanges} == {True, False}
    assert {one.route for one in exchanges} == {CONFIG}
    assert [found for one in exchanges for found in contract(()).violations(one)] == []
    ours = next(one for one in exchanges if one.injected)
    ours = attrs.evolve(ours, request_headers={"User-Agent": "odyssey-proto/1.0", "Authorization": "Bearer x"})
    assert [found.what for found in contract().violations(ours)] == [
        "it carries a bearer token, which is not for this call"
    ]
