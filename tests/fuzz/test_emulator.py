"""Input from callers that an emulator reads by itself, without a model of the protocol."""

from __future__ import annotations

import json
import struct
import time
from typing import Any, Final

from hypothesis import strategies as st

from odyssey_proto import OdysseyConfigError
from odyssey_proto.emulator._accounts.tokens import InvalidTokenError, TokenSigner
from odyssey_proto.emulator._faults.script import Fault, FaultScript
from odyssey_proto.emulator._http.artifact_server import _Held, _NoSuchRangeError
from odyssey_proto.emulator._http.signed_urls import ExpiredError, UrlSigner, WrongSignatureError
from odyssey_proto.emulator._stream.rate_control import LEAST_BITS_PER_S, RateController
from odyssey_proto.emulator._stream.transport_cc import reports
from tests.support.fuzzing import json_like, mutated, mutated_text, target

FIELDS: Final = {
    "step": st.sampled_from(["ping", "GET /regions", "media", "keepalive"]) | json_like(2),
    "action": st.sampled_from(["answer", "send", "delay", "close", "stop"]) | json_like(2),
}
MORE: Final = (
    "times",
    "after",
    "after_bytes",
    "status",
    "body",
    "headers",
    "seconds",
    "code",
    "reason",
    "text",
    "x",
)


@target(
    st.fixed_dictionaries(FIELDS, optional={name: json_like(4) for name in MORE}) | json_like(),
    refuses=(OdysseyConfigError,),
)
def test_a_fault(data: Any) -> None:
    script = FaultScript()
    script.load(data)
    for fault in script.pending:
        fault.body_bytes()
        assert Fault.from_dict(json.loads(json.dumps(fault.to_dict()))) == fault
        for text in (fault.text, fault.reason, *fault.headers.values()):
            text.encode()


FEEDBACK: Final = [
    struct.pack("!BBHLLHHLHBB", 0x8F, 205, 5, 1, 2, 65_534, 2, 7 << 8, 0x2002, 4, 40),
    struct.pack("!BBHLLHHLHBh3x", 0x8F, 205, 6, 1, 2, 0, 3, 0, 0b11_01_00_10_00_00_00_00, 4, 8),
    struct.pack("!BBHLL", 0x81, 206, 2, 1, 2),
]


def test_what_is_mutated_can_be_read() -> None:
    assert [len(reports(data)) for data in FEEDBACK] == [1, 1, 0]


@target(mutated(FEEDBACK), refuses=())
def test_what_a_receiver_reports_of_its_link(data: bytes) -> None:
    controller = RateController(6_000_000)
    for _ in range(100):
        controller.number(1200)
    for report in reports(data):
        controller.take_report(report)
    assert LEAST_BITS_PER_S <= controller.bits_per_s <= 6_000_000


SIGNER: Final = TokenSigner()
TOKEN: Final = SIGNER.sign({"exp": time.time() + 10**6})


@target(mutated_text([TOKEN, "a.b.c"], (".", "=", "e30")), refuses=(InvalidTokenError,))
def test_a_token(token: str) -> None:
    assert SIGNER.claims(token, now=0.0)
    assert token == TOKEN, "no other token is genuine"


URLS: Final = UrlSigner(b"secret")
_PATH, _, _QUERY = URLS.sign("/a.mp4", expires=1_700_000_000).partition("?")
SIGNED: Final = dict(part.split("=") for part in _QUERY.split("&"))


@target(
    mutated_text([_PATH]),
    mutated_text([SIGNED["Expires"]]),
    mutated_text([SIGNED["Signature"]]),
    refuses=(WrongSignatureError, ExpiredError),
)
def test_a_signed_address(path: str, expires: str, signature: str) -> None:
    URLS.check(path, {"Expires": expires, "Signature": signature}, now=1.0)
    assert (path, expires, signature) == (_PATH, SIGNED["Expires"], SIGNED["Signature"])


@target(
    mutated_text(["bytes=0-9", "bytes=-5", "bytes=5-", ""], ("bytes=", "-", ",")),
    st.none() | st.sampled_from(['"a"', "b"]),
    refuses=(_NoSuchRangeError,),
)
def test_a_range(asked: str, only_if: str | None) -> None:
    span = _Held(size=100, etag='"a"', modified="now", content_type="video/mp4").span(asked, only_if)
    assert span is None or 0 <= span[0] < span[1] <= 100
