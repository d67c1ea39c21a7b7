"""The addresses of a broadcast, and the answers to an offer."""

from __future__ import annotations

import contextlib
import gzip

import pytest

from odyssey_proto import OdysseyConfigError
from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._net import whep
from odyssey_proto._net.http_exchange import HttpClient
from odyssey_proto._net.whep import WhepEndpoint
from tests.support.servers import HttpServer, answer


@pytest.mark.parametrize(
    ("url", "post", "config"),
    [
        (
            "http://localhost:8889/live/s",
            "http://localhost:8889/live/s/whep?token=t",
            "http://localhost:8889/config",
        ),
        ("https://live.example/s/", "https://live.example/s/whep?token=t", "https://live.example/config"),
        ("https://live.example", "https://live.example/whep?token=t", "https://live.example/config"),
        ("https://live.example/s?region=eu#x", "https://live.example/s/whep?region=eu&token=t", None),
        (" https://[::1]:1/s ", "https://[::1]:1/s/whep?token=t", "https://[::1]:1/config"),
    ],
)
def test_addresses_are_made_of_the_broadcasts(url: str, post: str, config: str | None) -> None:
    endpoint = WhepEndpoint.of(url)
    assert endpoint.whep_url("t") == post
    assert config is None or endpoint.config_url == config


def test_a_token_is_quoted() -> None:
    assert WhepEndpoint.of("https://x/s").whep_url("a b&c=d/ü").endswith("/whep?token=a%20b%26c%3Dd%2F%C3%BC")


@pytest.mark.parametrize(
    "url", ["", "s", "ftp://x/s", "https://", "https://x:0/", "https://x:y/", "https://[/", "ws://x/s"]
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(OdysseyConfigError):
        WhepEndpoint.of(url)


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"\xef\xbb\xbfv=0\r\n", "201 Created"),
        answer(gzip.compress(b"v=0\r\n"), "201 Created", Content_Encoding="gzip"),
        answer(b"v=0\r\n", "201 Created", Content_Encoding="gzip"),
        answer(b"v=0\r\n", "201 Created", Content_Encoding="UTF-8", Content_Type="text/plain"),
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"v=0\r\n", "201 Created"),
        answer(b"\r\n v=0\r\n", "201 Created"),
        answer(b"v=0\r\n", "200 OK"),
    ],
    ids=["a BOM", "gzip", "labelled gzip", "odd labels", "announced", "an empty line before it", "200"],
)
def test_an_answer_to_an_offer_is_read_however_it_is_packed(reply: bytes) -> None:
    clock = MonotonicClock()
    with HttpServer({"POST /s/whep": reply}) as server, contextlib.closing(HttpClient(clock)) as http:
        endpoint = WhepEndpoint.of(server.url + "/s")
        admission = whep.admit(http, endpoint, "token", "v=0", Deadline(30, clock), Abort())
    assert (admission.answer, admission.resource) == ("v=0\r\n", None)


@pytest.mark.parametrize(
    ("location", "resource"),
    [
        ("/live/s/whep/1", "https://x/live/s/whep/1"),
        ("whep/1", "https://x/live/s/whep/1"),
        ("https://x/r/1?q", "https://x/r/1?q"),
        ("?1", "https://x/live/s/whep?1"),
        ("HTTPS://X:443/r/1#here", "https://X:443/r/1"),
        ("/r/\xc3\xbc 1", "https://x/r/%C3%BC%201"),  # UTF-8, as http.client reads it
        ("https://elsewhere/r/1", None),
        ("http://x/r/1", None),
        ("//elsewhere/r", None),
        ("https://[/", None),
        ("", None),
        (None, None),
    ],
)
def test_the_resource_is_on_the_same_server(location: str | None, resource: str | None) -> None:
    assert whep.resource("https://x/live/s/whep?token=t", location) == resource
