"""What callers send to an emulator, where no model of the protocol reads it."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from hypothesis import strategies as st

from odyssey_proto import OdysseyConfigError
from odyssey_proto.emulator._accounts.tokens import InvalidTokenError, TokenSigner
from odyssey_proto.emulator._faults.script import Fault, FaultScript
from odyssey_proto.emulator._http.artifact_server import _Held, _NoSuchRangeError
from odyssey_proto.emulator._http.signed_urls import ExpiredError, UrlSigner, WrongSignatureError
from tests.support.fuzzing import json_like, mutated_text, target

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
