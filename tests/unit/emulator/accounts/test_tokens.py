"""Tokens: ours are accepted until they expire, and no others."""

from __future__ import annotations

import base64
import json

import pytest

from odyssey_proto.emulator._accounts.tokens import InvalidTokenError, TokenSigner


def payload(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_a_token_is_a_jwt_whose_payload_anyone_can_read() -> None:
    token = TokenSigner().sign({"session_id": "s1", "exp": 100})
    assert token.count(".") == 2
    assert payload(token) == {"session_id": "s1", "exp": 100}


def test_what_was_signed_is_accepted() -> None:
    signer = TokenSigner()
    assert signer.claims(signer.sign({"a": "é", "exp": 100}), now=99.9) == {"a": "é", "exp": 100}


def test_a_token_ends_at_its_time() -> None:
    signer = TokenSigner()
    with pytest.raises(InvalidTokenError, match="expired"):
        signer.claims(signer.sign({"exp": 100}), now=100)


def test_a_token_of_another_signer_is_refused() -> None:
    with pytest.raises(InvalidTokenError):
        TokenSigner().claims(TokenSigner().sign({"exp": 100}), now=0)


def test_another_payload_under_the_same_signature_is_refused() -> None:
    signer = TokenSigner()
    header, _, signature = signer.sign({"exp": 100}).split(".")
    with pytest.raises(InvalidTokenError):
        signer.claims(f"{header}.{encoded({'exp': 10**9})}.{signature}", now=0)


def test_a_token_that_claims_to_need_no_signature_is_refused() -> None:
    with pytest.raises(InvalidTokenError):
        TokenSigner().claims(f"{encoded({'alg': 'none'})}.{encoded({'exp': 100})}.", now=0)


@pytest.mark.parametrize(
    "garbled", ["", ".", "..", "a.b", "a.b.c", "é.é.é", "####.####.####", "x" * 5000, "a.b.c.d"]
)
def test_a_garbled_token_is_refused(garbled: str) -> None:
    with pytest.raises(InvalidTokenError):
        TokenSigner().claims(garbled, now=0)


def test_every_character_counts() -> None:
    signer = TokenSigner()
    token = signer.sign({"exp": 100})
    for position in range(len(token)):
        other = "A" if token[position] != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        if (
            changed.split(".")[2:]
            and changed.split(".")[2][:-1] == token.split(".")[2][:-1]
            and position == len(token) - 1
        ):
            continue  # the last character of a signature has unused bits
        with pytest.raises(InvalidTokenError):
            signer.claims(changed, now=0)
