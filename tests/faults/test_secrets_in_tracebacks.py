"""Secrets in what error reporters collect: texts, attributes and local variables along all causes of an error.

pytest's ``--showlocals``, Sentry and the like format tracebacks with the local variables of every frame.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import traceback
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from odyssey_proto import (
    AdvancedConfig,
    BroadcastInfo,
    ClientConfig,
    ClientCredentials,
    Odyssey,
    OdysseyConfigError,
    OdysseyError,
    OdysseyUsageError,
    connect_to_stream,
)
from tests.support.leaks import nothing_left
from tests.support.processes import PATIENCE_S, growing_timeouts
from tests.support.servers import Connection, HttpServer, Request, Server, answer, json_answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY: Final = "ody_marked+key/1"
ACCESS: Final = "marked-access+token/2"
SESSION: Final = "eyJtYXJrZWQiOiJzZXNzaW9uIn0.eyJzZXNzaW9uX2lkIjogInMtMSJ9.marked-session"
SPECTATOR: Final = "marked-spectator+token/3"
TURN: Final = "marked-turn+password/4"
PASSWORD: Final = "marked@proxy/password#5"
SIGNATURE: Final = "marked-signature+6"
SECRETS: Final = (KEY, ACCESS, SESSION, SPECTATOR, TURN, PASSWORD, SIGNATURE)


@pytest.fixture(scope="module", autouse=True)
def _left() -> Iterator[None]:
    """Check at the end: giving a session back takes a second or two, during which the next tests run."""
    with nothing_left():
        yield


def words(*secrets: str) -> str:
    """Return a text in which a server repeats the secrets that it was sent."""
    return " ".join(text for secret in secrets for text in (f"<{secret}>", quote(secret, safe=""), f"x={secret}"))


QUICK: Final = AdvancedConfig(max_retries=0, queue_timeout_s=0)
SHORT_S: Final = 0.3
"""The first timeout of calls that retry until it is over, or get no whole answer; see `ENDLESS`."""


def forms_of(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    for before in ("", "u", "us", "user:"):  # in base64, a text looks different at each of three offsets
        coded = base64.b64encode((before + secret).encode()).decode().rstrip("=")
        yield coded[-(-len(before) * 4 // 3) : -1]


FORMS: Final = re.compile("|".join(re.escape(form) for secret in SECRETS for form in forms_of(secret)))


def leaks(text: str) -> list[str]:
    return FORMS.findall(text)


def all_of(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop()
        if id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [each for each in (link.__cause__, link.__context__) if each is not None]
            waiting += [each for each in (*link.args, *vars(link).values()) if isinstance(each, BaseException)]


def shown(error: BaseException) -> Iterator[str]:
    """Yield all that a reporter may show of an error, except local variables of this file: they are the user's."""
    for link in all_of(error):
        yield f"{link!r} {link} {getattr(link, '__notes__', '')} {vars(link)}"
        if hasattr(link, "to_dict"):
            yield json.dumps(link.to_dict(), default=repr)
        for frame in traceback.TracebackException.from_exception(link, capture_locals=True).stack:
            if frame.filename != __file__:
                yield f"{frame.filename}:{frame.lineno} {frame.name} {frame.locals}"


def failure_of(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as exc:  # noqa: BLE001 - it is looked at
        return exc
    raise AssertionError("it did not fail")


def on_another_thread(call: Callable[[], object]) -> BaseException:
    caught: list[BaseException] = []
    thread = threading.Thread(target=lambda: caught.append(failure_of(call)))
    thread.start()
    thread.join()
    return caught[0]


def noting(grown: list[bool], count: Callable[[], int], call: Callable[[], object]) -> Callable[[], object]:
    """Return a function that makes the call, and adds to ``grown`` whether ``count`` grew meanwhile."""

    def noted() -> object:
        before = count()
        try:
            return call()
        finally:
            grown.append(count() > before)

    return noted


def check(call: Callable[[], object], *, on_both: bool = True) -> list[BaseException]:
    """Return the errors of ``call`` on the main thread and on another one, and check that they show no secret.

    The main thread hands its work to a thread of the library, and any other thread does its own. If not
    ``on_both``, only the main thread calls.
    """
    errors = [failure_of(call)]
    if on_both:
        errors.append(on_another_thread(call))
    for error in errors:
        for text in shown(error):
            assert not leaks(text), (leaks(text), text)
    return errors


def test_a_secret_is_found_in_every_form() -> None:
    for secret in SECRETS:
        for text in (secret, quote(secret, safe=""), base64.b64encode(f"user:{secret}".encode()).decode()):
            assert leaks(f"<{text}>"), text


def client_of(url: str, **options: Any) -> Odyssey:
    return Odyssey(KEY, api_url=url, advanced=QUICK, **{"timeout": PATIENCE_S, **options})


# --- settings

SETTINGS: Final[dict[str, Callable[[], object]]] = {
    "another codec": lambda: Odyssey(KEY, codec="av1"),  # type: ignore[arg-type]
    "an address with a password": lambda: Odyssey(KEY, api_url=f"https://user:{PASSWORD}@x.example"),
    "a setting of a config": lambda: ClientConfig(KEY, timeout=-1),
    "a key with a blank": lambda: Odyssey(f"{KEY} {ACCESS}").get_recording("st-1"),
    "an ICE server": lambda: Odyssey(KEY, ice_servers=[{"urls": "turn:", "username": "u", "credential": TURN}]),
    "credentials": lambda: ClientCredentials("", SESSION, 600),
    "credentials as data": lambda: ClientCredentials.from_dict({"session_token": SESSION, "expires_in": []}),
    "no address of a broadcast": lambda: connect_to_stream(f"ftp://x.example/?sig={SIGNATURE}", SPECTATOR),
    "no playlist": lambda: connect_to_stream("http://x.example", SPECTATOR, hls_url=f"ftp://x/?sig={SIGNATURE}"),
    "a timeout": lambda: connect_to_stream(f"http://x.example/?sig={SIGNATURE}", SPECTATOR, timeout=-1),
    "an argument of another type": lambda: Odyssey(KEY).connect_with_credentials({"token": SESSION}),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", SETTINGS)
def test_a_setting_that_cannot_be_used(what: str) -> None:
    check(SETTINGS[what])


# --- REST, signaling, WHEP, HLS


def hang(connection: Connection, _: Request) -> None:
    connection.hang()


def reset(connection: Connection, _: Request) -> None:
    connection.reset()


def replies(said: str) -> dict[str, Any]:
    refusal = json_answer({"detail": said})[17:]
    return {
        **{str(status): f"HTTP/1.1 {status} {said}\r\n".encode() + refusal for status in (400, 401, 403, 404)},
        "500": answer(said.encode(), f"500 {said}", X_Request_Id=said),
        "validation": json_answer({"detail": [{"msg": said, "loc": ["body", said], "type": said}]}, "422 X"),
        "no JSON": answer(said.encode()),
        "another JSON": json_answer(
            {said: said, "access_token": [said], "session_token": [said], "video_url": [1]}
        ),
        "no HTTP": lambda connection, _: connection.send(f"{said}\r\n\r\n".encode()),
        "a redirect": answer(
            status="302 Found", Location=f"https://other.example/{quote(said)}?token={quote(said)}"
        ),
        "a reset": reset,
        "silence": hang,
        "too little": answer(b"{", length=100),
    }


REPLIES: Final = tuple(replies(""))


def connect(client: Odyssey, _: str, timeout_s: float) -> object:
    return client.connect(timeout=timeout_s)


CALLS: Final[dict[str, tuple[str, tuple[str, ...], Callable[[Odyssey, str, float], object]]]] = {
    "the key": ("POST /auth/token", (KEY,), lambda client, *_: client.get_recording("st-1")),
    "a recording": ("GET /recordings/st-1", (KEY, ACCESS), lambda client, *_: client.get_recording("st-1")),
    "a page": ("GET /stream-recordings", (KEY, ACCESS), lambda client, *_: next(client.iter_stream_recordings())),
    "a session": ("POST /sessions/request", (KEY, ACCESS), connect),
    "its token": ("POST /sessions/token", (KEY, ACCESS), connect),
    "the handshake": ("GET /client/s-1", (SESSION,), connect),
    "credentials": (
        "GET /client/s-1",
        (SESSION,),
        lambda client, url, timeout_s: client.connect_with_credentials(
            ClientCredentials(url, SESSION, 600), timeout=timeout_s
        ),
    ),
    "minting": (
        "POST /sessions/token",
        (KEY, ACCESS),
        lambda client, _, timeout_s: client.create_client_credentials(timeout=timeout_s),
    ),
    "WHEP": (
        "POST /live/whep",
        (SPECTATOR, SIGNATURE),
        lambda client, url, timeout_s: client.watch(
            BroadcastInfo(f"{url}/live?sig={SIGNATURE}", SPECTATOR), timeout=timeout_s
        ),
    ),
    "HLS": (
        "GET /list.m3u8",
        (SIGNATURE,),
        lambda client, url, timeout_s: client.watch(
            BroadcastInfo(f"{url}/none?sig={SIGNATURE}", SPECTATOR, f"{url}/list.m3u8?sig={SIGNATURE}"),
            timeout=timeout_s,
        ),
    ),
}


def service(route: str, reply: Any) -> HttpServer:
    server = HttpServer({route: reply})
    known = {
        "POST /auth/token": json_answer({"access_token": ACCESS, "expires_in": 3600}),
        "POST /sessions/token": json_answer({"session_token": SESSION, "expires_in": 600}),
        "GET /config": json_answer(
            {"iceServers": [{"urls": "stun:127.0.0.1:9", "username": "u", "credential": TURN}]}
        ),
    }
    server.routes.update({name: known[name] for name in known if name != route})
    return server


FEW: Final = ("403", "500", "no JSON", "no HTTP", "a redirect")
"""The replies for calls that consist of many requests."""
ENDLESS: Final = ("silence", "too little")
"""The replies with which a call takes all of its time, as HLS does with any reply."""
PAIRS: Final = [
    (where, reply)
    for where in CALLS
    for reply in REPLIES
    if (reply in FEW or where in ("the key", "a recording", "a page", "WHEP"))
    and not (where in ("a recording", "a page") and reply == "another JSON")  # which is read without an error
]


@pytest.mark.parametrize(("where", "reply"), PAIRS)
def test_a_failure_on_the_network(where: str, reply: str) -> None:
    route, told, call = CALLS[where]
    on_both = reply == "403" or where == "the key"  # covers every call once, and every reply once

    def is_reached(timeout_s: float) -> bool:
        said = replies(words(*told))[reply]
        reached: list[bool] = []
        with service(route, said) as server, client_of(server.url, timeout=timeout_s) as client:
            calling = noting(
                reached, lambda: len(server.received(route)), lambda: call(client, server.url, timeout_s)
            )
            assert all(isinstance(error, OdysseyError) for error in check(calling, on_both=on_both))
        return all(reached)

    if where != "HLS" and reply not in ENDLESS:
        assert is_reached(PATIENCE_S)
    else:  # a busy machine needs longer to ask
        assert any(map(is_reached, growing_timeouts(SHORT_S)))


def test_the_errors_that_handlers_and_events_report() -> None:
    seen: list[BaseException] = []
    with service("GET /client/s-1", replies(words(SESSION))["403"]) as server, client_of(server.url) as client:
        # The connect is refused at once; within a shorter timeout, a busy machine might not get that far.
        check(lambda: client.connect(timeout=30, on_error=lambda error, _: seen.append(error)))
    assert seen
    assert not [leak for error in seen for text in shown(error) for leak in leaks(text)]


def test_the_page_and_the_figures_of_a_limit() -> None:
    page = f"https://x.example/plans?token={SESSION}"
    body = {
        "error": "MONTHLY_LIMIT_REACHED",
        "message": words(KEY),
        "action": words(ACCESS),
        "action_url": page,
        "details": {"limit_hours": 7, KEY: [words(ACCESS), {"url": page}]},
    }
    limit = json_answer({"detail": body}, "403 Forbidden")
    with service("GET /recordings/st-1", limit) as server, client_of(server.url) as client:
        error, _ = check(lambda: client.get_recording("st-1"))
    assert isinstance(error, OdysseyUsageError)
    assert (error.action_url, error.details["limit_hours"]) == ("https://x.example/plans?…", 7)


def test_a_bug_shows_where_it_is_but_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr("odyssey_proto._net.http_exchange.as_sent", broken)
    with service("", b"") as server, client_of(server.url) as client:
        error, _ = check(lambda: client.get_recording("st-1"))
    assert "_send" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]


# --- downloads

FILES: Final[dict[str, Any]] = {
    **{
        name: replies(words(SIGNATURE))[name] for name in ("403", "404", "500", "no HTTP", "a redirect", "a reset")
    },
    "a page": answer(f"<html>{words(SIGNATURE)}</html>".encode()),
    "another range": answer(b"x" * 100, "206 Partial Content"),
}


@pytest.mark.parametrize("reply", FILES)
def test_a_download(reply: str, tmp_path: Path) -> None:
    with service("GET /file", FILES[reply]) as server, client_of(server.url) as client:
        recording = {"stream_id": "st-1", "video_url": f"{server.url}/file?sig={SIGNATURE}"}
        server.routes["GET /recordings/st-1"] = json_answer(recording)
        reached: list[bool] = []
        calling = noting(
            reached,
            lambda: len(server.received("GET /file")),
            lambda: client.download_recording("st-1", tmp_path, timeout=PATIENCE_S),
        )
        check(calling, on_both=reply in ("403", "a page"))
        assert all(reached)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "st-1.mp4.part").mkdir()
    with service("GET /file", answer(b"x" * 9)) as server, client_of(server.url) as client:
        recording = {"stream_id": "st-1", "video_url": f"{server.url}/file?sig={SIGNATURE}"}
        server.routes["GET /recordings/st-1"] = json_answer(recording)
        for error in check(lambda: client.download_recording("st-1", tmp_path)):
            assert isinstance(error, OdysseyConfigError)


def test_a_callback_that_fails_keeps_the_variables_of_the_user() -> None:
    def fail(job: object) -> None:
        mine = 7
        raise ValueError(mine)

    running = json_answer({"job_id": "j-1", "status": "processing"})
    with service("GET /simulation-jobs/j-1", running) as server, client_of(server.url) as client:
        for error in check(lambda: client.wait_for_simulation("j-1", on_update=fail)):
            last = traceback.TracebackException.from_exception(error, capture_locals=True).stack[-1]
            assert last.locals is not None
            assert last.locals["mine"] == "7"


# --- proxies and certificates


def passwords(port: int) -> dict[str, str]:
    return {
        "escaped": f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:{port}",
        "as it is": f"http://user:{PASSWORD}@127.0.0.1:{port}",
        "with a slash": f"http://user:{PASSWORD.replace('@', '').replace('#', '')}@127.0.0.1:{port}",
        "with a port": f"http://user:12/{PASSWORD}@127.0.0.1:{port}",
        "SOCKS": f"socks5h://user:{quote(PASSWORD, safe='')}@127.0.0.1:{port}",
    }


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("written", passwords(0))
@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway", "not HTTP"])
def test_a_proxy(scheme: str, written: str, status: str, no_proxy: pytest.MonkeyPatch) -> None:
    def refuse(connection: Connection) -> None:
        if written != "SOCKS":
            connection.read_request()
        connection.send(answer(words(SESSION).encode(), status))

    with Server(refuse) as proxy:
        no_proxy.setenv(f"{scheme}_proxy", passwords(proxy.port)[written])
        with client_of(f"{scheme}://service.example") as client:
            credentials = ClientCredentials(f"{scheme}://service.example", SESSION, 600)
            on_both = written in ("escaped", "SOCKS")
            reached: list[bool] = []
            calls: list[Callable[[], object]] = [
                lambda: client.get_recording("st-1"),
                lambda: client.connect_with_credentials(credentials, timeout=PATIENCE_S),
            ]
            for call in calls:
                check(noting(reached, lambda: proxy.accepted, call), on_both=on_both)
        assert all(reached) or not on_both  # a password that is not escaped spoils the address


@pytest.mark.parametrize("bundle", ["", "missing.pem", "damaged.pem"])
def test_a_certificate(bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "damaged.pem").write_text(f"{words(KEY)}\n")
    if bundle:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / bundle))
    certificate = self_signed(tmp_path)
    with HttpServer({}, tls=certificate.server) as server, client_of(server.url) as client:
        check(lambda: client.get_recording("st-1"))
        check(
            lambda: client.connect_with_credentials(
                ClientCredentials(server.url, SESSION, 600), timeout=PATIENCE_S
            ),
        )
