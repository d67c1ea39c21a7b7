"""Which ``Host`` and ``Origin`` may call an emulator, and what pages may read: raw requests over a socket."""

from __future__ import annotations

import json
import logging
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
import pytest

from tests.support.plain_client import PATIENCE_S, authorise

if TYPE_CHECKING:
    from odyssey_proto.emulator import Emulator
    from tests.conftest import MakeEmulator

HERE = "http://localhost:5173"
"""A page on another port of this machine."""
ELSEWHERE = "https://evil.example"

FACES = [
    "POST /auth/token",
    "GET /regions",
    "GET /ping/us-west",
    "POST /sessions/request",
    "POST /sessions/token",
    "POST /telemetry",
    "GET /config",
    "GET /signaling/config",
    "GET /signaling/client/x?token=y",
    "GET /recordings/x",
    "GET /stream-recordings",
    "POST /simulation-jobs",
    "DELETE /simulation-jobs/x",
    "GET /artifacts/x/video.mp4",
    "HEAD /artifacts/x/video.mp4",
    "POST /live/x/whep?token=y",
    "DELETE /live/x/whep/y",
    "GET /live/x/index.m3u8",
    "GET /live/x/1.ts",
    "GET /_emulator/traffic",
    "POST /_emulator/faults",
    "OPTIONS /regions",
    "GET /nothing",
]
CONTROL = [
    "GET /_emulator/traffic?secrets=true",
    "DELETE /_emulator/traffic",
    "GET /_emulator/faults",
    "POST /_emulator/faults",
    "DELETE /_emulator/faults",
    "OPTIONS /_emulator/faults",
    "GET /%5Femulator/faults",
]


@attrs.frozen
class Answer:
    """An answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def detail(self) -> Any:
        return json.loads(self.body)["detail"]


def ask(emulator: Emulator, call: str, *headers: str, version: str = "1.1", body: bytes = b"") -> Answer:
    """Send a call with only these header lines, ``Connection: close`` and ``Content-Length``."""
    address = urlsplit(emulator.api_url)
    lines = [f"{call} HTTP/{version}", *headers, "Connection: close", f"Content-Length: {len(body)}", "", ""]
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S) as connection:
        connection.sendall("\r\n".join(lines).encode() + body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, content = received.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    named = {name.lower(): text for name, _, text in (line.partition(": ") for line in rest)}
    return Answer(int(first.split()[1]), named, content)


def upgrade(emulator: Emulator, *headers: str) -> int:
    """Return the status of a WebSocket handshake with valid credentials of a session."""
    credentials = authorise(emulator.api_url, emulator.api_key)
    address = urlsplit(credentials.signalling_url)
    call = f"GET {address.path}/client/{credentials.session_id}?token={credentials.token} HTTP/1.1"
    socketry = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    socketry.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S) as connection:
        connection.sendall("\r\n".join([call, *socketry, *headers, "", ""]).encode())
        return int(connection.recv(65536).split()[1])


# The host


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8000",
        "localhost.",
        "localhost.:8000",
        "localhost:",
        "app.localhost:8000",
        "127.0.0.1:1",
        "127.9.9.9",
        "[::1]",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]:8000",
        "[::ffff:127.0.0.1]:8000",
    ],
)
def test_every_name_of_loopback_will_do(emulator: Emulator, host: str) -> None:
    assert ask(emulator, "GET /config", f"Host: {host}").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8000",
        "notlocalhost",
        "0.0.0.0:8000",
        "192.0.2.1",
        "169.254.169.254",
        "2130706433",
        "0x7f.1",
        "[2001:db8::1]:8000",
        "[::]",
        "[::ffff:192.0.2.1]",
    ],
)
def test_a_host_that_is_not_this_one_is_refused(emulator: Emulator, host: str) -> None:
    answer = ask(emulator, "GET /config", f"Host: {host}")
    assert answer.status == 403
    assert "--allow-host" in answer.detail
    assert "127.0.0.1" in answer.detail


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Host: "],
        ["Host: localhost", "Host: localhost"],
        ["Host: localhost", "Host: evil.example"],
        ["Host: localhost:x"],
        ["Host: localhost:99999"],
        ["Host: localhost:80:80"],
        ["Host: evil.example@localhost"],
        ["Host: localhost@evil.example"],
        ["Host: localhost/evil.example"],
        ["Host: localhost, evil.example"],
        ["Host: [::1"],
        ["Host: ::1"],
        ["Host: [localhost]"],
        ["Host: [::1%25lo]"],
        ["Host: localhost.."],
        ["Host: löcalhost"],
        ["Host: " + "a" * 300],
    ],
)
def test_a_host_that_cannot_be_read_is_refused(emulator: Emulator, headers: list[str]) -> None:
    assert ask(emulator, "GET /config", *headers).status == 400


def test_a_caller_of_http_1_0_need_not_name_it(emulator: Emulator) -> None:
    assert ask(emulator, "GET /config", version="1.0").status == 200
    assert ask(emulator, "GET /config", "Host: evil.example", version="1.0").status == 403


def test_a_whole_address_is_checked_like_the_host(emulator: Emulator) -> None:
    assert ask(emulator, f"GET {emulator.api_url}/config", "Host: localhost").status == 200
    assert ask(emulator, "GET http://evil.example/config", "Host: localhost").status == 403
    assert ask(emulator, f"GET {emulator.api_url}/config", "Host: evil.example").status == 403
    assert ask(emulator, "CONNECT evil.example:443", "Host: localhost").status in (400, 403)


@pytest.mark.parametrize("call", FACES)
def test_no_face_answers_another_host(emulator: Emulator, call: str) -> None:
    answer = ask(emulator, call, "Host: evil.example", "Access-Control-Request-Method: GET")
    assert (answer.status, answer.headers["server"]) == (403, "odyssey-emulator")
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_no_websocket_is_opened_for_another_host(emulator: Emulator) -> None:
    assert upgrade(emulator, "Host: evil.example") == 403


def test_other_hosts_can_be_allowed(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(allow_hosts=["Emulator.Test", "192.0.2.1", "[2001:db8::1]"])
    for host in ("emulator.test", "EMULATOR.TEST.:8000", "192.0.2.1:1", "[2001:DB8:0::1]:8000", "localhost"):
        assert ask(emulator, "GET /config", f"Host: {host}").status == 200
    for host in ("sub.emulator.test", "test", "192.0.2.2"):
        assert ask(emulator, "GET /config", f"Host: {host}").status == 403


def test_the_address_that_it_is_bound_to_is_its_own(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(host="0.0.0.0")
    assert ask(emulator, "GET /config", "Host: 0.0.0.0:8000").status == 200
    assert ask(emulator, "GET /config", "Host: evil.example").status == 403


# The page


@pytest.mark.parametrize(
    "origin",
    [
        HERE,
        "http://localhost",
        "https://LOCALHOST:8443",
        "http://localhost.:3000",
        "http://127.0.0.1:3000",
        "http://127.5.5.5",
        "http://[::1]:3000",
        "http://app.localhost:3000",
    ],
)
def test_a_page_of_this_machine_may_call_and_read(emulator: Emulator, origin: str) -> None:
    preflight = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"]
    answer = ask(emulator, "OPTIONS /auth/token", "Host: localhost", f"Origin: {origin}", *preflight)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    answer = ask(emulator, "GET /regions", "Host: localhost", f"Origin: {origin}")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, origin)
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        ELSEWHERE,
        "null",
        "",
        "http://localhost.evil.example",
        "http://localhost@evil.example",
        "http://evil.example@localhost",
        "http://localhost:3000/",
        "http://localhost:x",
        "http://localhost:99999",
        "http://192.0.2.1",
        "http://[2001:db8::1]",
        "ftp://localhost",
        "file://",
        "chrome-extension://localhost",
        "localhost",
        "//localhost",
        "http://localhost http://evil.example",
        "http://localhost, http://evil.example",
        "http://evil.example\\@localhost",
    ],
)
def test_a_page_of_elsewhere_is_refused(emulator: Emulator, origin: str) -> None:
    answer = ask(emulator, "POST /auth/token", "Host: localhost", f"Origin: {origin}")
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("call", FACES)
def test_no_face_answers_a_page_of_elsewhere(emulator: Emulator, call: str) -> None:
    headers = ["Host: localhost", f"Origin: {ELSEWHERE}", "Access-Control-Request-Method: GET"]
    assert ask(emulator, call, *headers).status == 403


def test_no_page_hides_behind_one_of_this_machine(emulator: Emulator) -> None:
    answer = ask(emulator, "GET /config", "Host: localhost", f"Origin: {HERE}", "Origin: null")
    assert answer.status in (400, 403)
    assert "access-control-allow-origin" not in answer.headers
    sites = ["Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"]
    assert ask(emulator, "GET /_emulator/traffic", "Host: localhost", *sites).status == 403


def test_a_websocket_is_opened_for_pages_of_this_machine_alone(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(concurrent_sessions=3)
    assert upgrade(emulator, "Host: localhost", f"Origin: {HERE}") == 101
    assert upgrade(emulator, "Host: localhost", f"Origin: {ELSEWHERE}") == 403
    assert upgrade(emulator, "Host: localhost", "Origin: null") == 403


def test_other_pages_can_be_allowed(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(allow_origins=["https://App.Example.org:443", "null", "tauri://localhost"])
    for origin in ("https://app.example.org", "null", "tauri://localhost", HERE):
        answer = ask(emulator, "GET /config", "Host: localhost", f"Origin: {origin}")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)
    for origin in ("http://app.example.org", "https://app.example.org:8443", "https://sub.app.example.org"):
        assert ask(emulator, "GET /config", "Host: localhost", f"Origin: {origin}").status == 403


def test_a_page_of_the_host_that_it_calls_may_do_so(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(allow_hosts=["emulator.test"])
    page = "Origin: http://emulator.test:3000"
    assert ask(emulator, "GET /config", "Host: emulator.test:8000", page).status == 200
    assert ask(emulator, "GET /config", "Host: localhost:8000", page).status == 403


# The emulator's own calls


@pytest.mark.parametrize("call", CONTROL)
@pytest.mark.parametrize("origin", [HERE, ELSEWHERE, "null", "http://127.0.0.1:1"])
def test_no_page_may_call_what_controls_the_emulator(make_emulator: MakeEmulator, call: str, origin: str) -> None:
    emulator = make_emulator(allow_origins=[ELSEWHERE], sloppy=1)
    host = "Host: " + urlsplit(emulator.api_url).netloc
    answer = ask(emulator, call, host, f"Origin: {origin}", "Access-Control-Request-Method: POST")
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    # A sloppy emulator redirects the service's calls to ``/moved``, which must not have the control calls.
    assert ask(emulator, call.replace("/", "/moved/", 1), host).status in (404, 405)


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200)])
def test_a_page_cannot_fetch_it_without_an_origin_either(emulator: Emulator, site: str, status: int) -> None:
    headers = ["Host: localhost", f"Sec-Fetch-Site: {site}"]
    assert ask(emulator, "GET /_emulator/traffic", *headers).status == status


def test_a_tool_may_call_it(emulator: Emulator) -> None:
    answer = ask(emulator, "GET /_emulator/faults", "Host: localhost")
    assert (answer.status, answer.body) == (200, b"[]")
    assert not [name for name in answer.headers if name.startswith("access-control-")]


# Bodies


@pytest.mark.parametrize(
    ("call", "origin", "status"),
    [
        ("POST /auth/token", HERE, 422),
        ("POST /auth/token", ELSEWHERE, 403),
        ("POST /_emulator/faults", HERE, 403),
        ("GET /config", HERE, 200),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_no_failure_of_the_emulator(
    emulator: Emulator, caplog: pytest.LogCaptureFixture, call: str, origin: str, status: int
) -> None:
    headers = ("Host: localhost", f"Origin: {origin}", "Content-Encoding: gzip")
    assert ask(emulator, call, *headers, body=b"not packed").status == status
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_what_controls_it_says_that_a_body_cannot_be_unpacked(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    call, headers = "POST /_emulator/faults", ("Host: localhost", "Content-Encoding: deflate")
    answer = ask(emulator, call, *headers, body=b"not packed")
    assert (answer.status, answer.detail) == (400, "The body cannot be read")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


# Reports


def test_a_refusal_is_reported_once_and_not_without_end(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        ask(emulator, "GET /config", "Host: evil.example")
    assert [record.name for record in caplog.records] == ["odyssey_proto.emulator.http"]
    assert "--allow-host evil.example" in caplog.records[0].getMessage()
    for number in range(50):
        ask(emulator, "GET /config", f"Host: evil{number}.example")
    assert len(caplog.records) == 20
