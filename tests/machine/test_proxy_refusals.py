"""Proxies that refuse, are dead, or are not proxies: one error names them, for REST and signaling alike."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, TypeAlias

import pytest

from odyssey_proto import Odyssey, OdysseyConnectionError
from odyssey_proto._net.proxies import proxy_for
from odyssey_proto._net.signaling import SignalingConnection
from tests.support.apis import until
from tests.support.ports import refusing_port
from tests.support.servers import Connection, Server, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from odyssey_proto import OdysseyError

    Attempt: TypeAlias = Callable[[], OdysseyError]

HOST = "service.invalid"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def behind(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Make a proxy the only way out."""
    monkeypatch.setenv("HTTP_PROXY", address)
    monkeypatch.setenv("HTTPS_PROXY", address)
    monkeypatch.setenv("http_proxy", address)


def rest(scheme: str) -> OdysseyError:
    with Odyssey("ody_key", api_url=f"{scheme}://{HOST}") as client:
        with pytest.raises(OdysseyConnectionError) as caught:
            client.list_stream_recordings(timeout=20)
        return caught.value


def connecting() -> OdysseyError:
    with Odyssey("ody_key", api_url=f"https://{HOST}") as client:
        with pytest.raises(OdysseyConnectionError) as caught:
            client.connect(timeout=20)
        return caught.value


def signaling(scheme: str) -> OdysseyError:
    with pytest.raises(OdysseyConnectionError) as caught:
        SignalingConnection.open(
            f"{scheme}://{HOST}", "s-1", "t", until(20), on_message=lambda _: None, on_closed=lambda _: None
        )
    return caught.value


every_way = pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(lambda: rest("http"), id="REST"),
        pytest.param(lambda: rest("https"), id="REST over TLS"),
        pytest.param(connecting, id="connect"),
        pytest.param(lambda: signaling("ws"), id="signaling"),
        pytest.param(lambda: signaling("wss"), id="signaling over TLS"),
    ],
)


@every_way
def test_a_proxy_that_refuses_the_password_is_asked_once(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def script(connection: Connection) -> None:
        refused.append(connection.read_request())
        connection.send(answer(status="407 Proxy Authentication Required"))

    with Server(script) as proxy:
        behind(monkeypatch, proxy.url.replace("//", "//user:proxy-secret@"))
        error = attempt()
        assert f"the proxy 127.0.0.1:{proxy.port} requires a user and a password, or refused" in str(error)
    assert (error.code, error.recoverable) == ("proxy", False)
    assert "secret" not in str(error)
    assert len(refused) == 1  # accounts are locked after a few wrong passwords


def not_http(connection: Connection) -> None:
    connection.read_request()
    connection.send(b"SSH-2.0-OpenSSH_9.6\r\n")


def hangs_up(connection: Connection) -> None:
    connection.read_request()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_signaling_behind_a_dead_proxy_names_the_proxy(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing_port() as port:
        behind(monkeypatch, f"http://127.0.0.1:{port}")
        error = signaling(scheme)
    assert str(error).startswith(f"WebSocket /client: the proxy 127.0.0.1:{port} refuses connections")
    assert HOST not in str(error)


@pytest.mark.parametrize("attempt", [lambda: signaling("ws"), lambda: signaling("wss"), lambda: rest("https")])
@pytest.mark.parametrize(
    ("script", "code", "text"),
    [
        (not_http, "malformed", "the answer of the proxy {} is not valid HTTP"),
        (hangs_up, "connection_lost", "{} closed"),
    ],
)
def test_what_is_not_a_proxy_is_named_as_the_proxy(
    attempt: Attempt, script: Callable[[Connection], None], code: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(script) as proxy:
        behind(monkeypatch, proxy.url)
        error = attempt()
        assert text.format(f"127.0.0.1:{proxy.port}") in str(error)
    assert error.code == code
    assert HOST not in str(error)


def test_a_proxy_whose_name_is_not_found_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    behind(monkeypatch, "http://no-proxy.invalid:3128")
    assert "the proxy no-proxy.invalid:3128 cannot be found" in str(signaling("wss"))
    assert "the proxy no-proxy.invalid:3128 cannot be found" in str(rest("https"))


@every_way
def test_a_proxy_setting_that_cannot_be_read_is_named_without_its_password(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind(monkeypatch, "http://user:pass#secret@proxy.example:3128")
    error = attempt()
    assert (error.code, error.recoverable) == ("proxy", False)
    assert "_PROXY must be like http://host:3128" in str(error).replace("http_proxy", "HTTP_PROXY")
    assert "secret" not in str(error)


def test_a_proxy_that_knows_no_way_to_the_service_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def script(connection: Connection) -> None:
        asked.append(connection.read_request())
        connection.send(answer(status="503 Service Unavailable"))

    with Server(script) as proxy:
        behind(monkeypatch, proxy.url)
        error = rest("https")
        assert f"the proxy 127.0.0.1:{proxy.port} does not reach {HOST} (503 Service Unavailable)" in str(error)
    assert (error.code, error.recoverable) == ("unreachable", True)
    assert len(asked) == 3


@pytest.mark.parametrize("attempt", [lambda: rest("http"), lambda: rest("https"), lambda: signaling("wss")])
def test_a_password_is_sent_in_utf8(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def script(connection: Connection) -> None:
        sent.append(connection.read_request().headers["proxy-authorization"])
        connection.send(answer(status="407 Proxy Authentication Required"))

    with Server(script) as proxy:
        behind(monkeypatch, proxy.url.replace("//", "//user:pä%E2%82%AC@"))
        attempt()
    assert set(sent) == {f"Basic {base64.b64encode('user:pä€'.encode()).decode()}"}


@every_way
@pytest.mark.parametrize(
    ("challenge", "named"),
    [
        ("NTLM", "asks for NTLM ("),
        ("Negotiate, NTLM", "asks for Negotiate (Kerberos) or NTLM ("),
        ('Digest realm="proxy", nonce="4711", qop="auth"', "asks for Digest ("),
        ('Digest realm="a", Basic realm="b"', "requires a user and a password, or refused"),
    ],
)
def test_the_error_names_the_authentication_that_the_proxy_asks_for(
    attempt: Attempt, challenge: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(answer(status="407 Proxy Authentication Required", Proxy_Authenticate=challenge))

    with Server(script) as proxy:
        behind(monkeypatch, proxy.url.replace("//", "//user:proxy-secret@"))
        error = attempt()
        assert f"the proxy 127.0.0.1:{proxy.port} {named}" in str(error)
    assert (error.code, error.recoverable) == ("proxy", False)


@pytest.mark.parametrize("attempt", [lambda: signaling("ws"), lambda: signaling("wss"), lambda: rest("https")])
def test_a_connection_that_breaks_behind_a_proxy_names_both(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

    with Server(script) as proxy:
        behind(monkeypatch, proxy.url)
        assert f"{HOST} (through the proxy 127.0.0.1:{proxy.port}) closed the connection" in str(attempt())


def list_at(url: str) -> None:
    with Odyssey("ody_key", api_url=url) as client:
        client.list_stream_recordings(timeout=20)


def signal_at(url: str) -> None:
    SignalingConnection.open(url, "s-1", "t", until(20), on_message=lambda _: None, on_closed=lambda _: None)


@pytest.mark.parametrize(("attempt", "scheme"), [(list_at, "https"), (signal_at, "wss"), (signal_at, "ws")])
def test_a_host_with_letters_of_its_language_is_asked_for_as_it_travels(
    attempt: Callable[[str], None], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def script(connection: Connection) -> None:
        asked.append(connection.read_request().target)
        connection.send(answer(status="403 Forbidden"))

    with Server(script) as proxy:
        behind(monkeypatch, proxy.url)
        with pytest.raises(OdysseyConnectionError, match="does not connect to"):
            attempt(f"{scheme}://bücher.invalid:8443")
    assert asked == ["xn--bcher-kva.invalid:8443"]


@pytest.mark.parametrize(
    ("url", "value"),
    [
        (f"http://{HOST}", HOST),
        (f"http://{HOST}", ".invalid"),
        (f"http://{HOST}", "*.invalid"),
        (f"http://{HOST}", "SERVICE.INVALID"),
        (f"http://{HOST}", f"other.example {HOST}"),
        (f"http://{HOST}", f" other.example , {HOST} "),
        (f"http://{HOST}:8080", f"{HOST}:8080"),
        ("http://192.0.2.7", "192.0.2.0/24"),
        ("http://[2001:db8::7]", "2001:db8::7"),
        ("http://[2001:db8::7]", "[2001:db8::7]"),
        ("http://[2001:db8::7]", "2001:db8::/32"),
        (f"http://{HOST}", "*"),
    ],
)
def test_a_host_that_is_excepted_in_any_usual_form_is_not_reached_through_the_proxy(
    url: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", value)
    assert proxy_for(url) is None


@pytest.mark.parametrize(
    ("url", "value"),
    [
        (f"http://{HOST}", "vice.invalid"),
        (f"http://{HOST}", "*.service.invalid"),
        (f"http://{HOST}:8080", f"{HOST}:81"),
        ("http://192.0.2.7", "192.0.3.0/24"),
        ("http://[2001:db8::7]", "2001:db9::/32"),
        ("http://192.0.2.7", "2001:db8::/32"),
    ],
)
def test_no_other_host_is_excepted(url: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    behind(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", value)
    assert proxy_for(url) is not None
