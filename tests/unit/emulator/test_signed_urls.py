"""Signed addresses of artifacts."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from odyssey_proto.emulator._http.signed_urls import ExpiredError, UrlSigner, WrongSignatureError

SIGNER: Final = UrlSigner(b"secret")


def query_of(path: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(SIGNER.sign(path, expires=1_700_000_000)).query))


@pytest.mark.parametrize("path", ["/a.mp4", "/\u00fc.mp4", "\ud800"], ids=["plain", "not ASCII", "no Unicode"])
def test_an_address_is_valid_until_it_expires(path: str) -> None:
    SIGNER.check(path, query_of(path), now=1_699_999_999)
    with pytest.raises(ExpiredError):
        SIGNER.check(path, query_of(path), now=1_700_000_000)


@pytest.mark.parametrize(
    "change",
    [
        {"Expires": "1700000001"},
        {"Expires": "01700000000"},
        {"Expires": "\u0661"},
        {"Expires": ""},
        {"Signature": "0" * 64},
        {"Signature": "\ud800"},
    ],
    ids=["later", "a zero too many", "a digit that is not ASCII", "no time", "wrong", "no Unicode"],
)
def test_any_other_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(WrongSignatureError):
        SIGNER.check("/a.mp4", query_of("/a.mp4") | change, now=1.0)
    with pytest.raises(WrongSignatureError):
        SIGNER.check("\ud800", query_of("/a.mp4") | change, now=1.0)
