"""Signing and checking tokens: JWTs (RFC 7519) with HS256 and no other algorithm.

The secret is random. No key is read from anywhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["InvalidTokenError", "TokenSigner"]


class InvalidTokenError(ValueError):
    """The token is malformed, has a foreign signature, or has expired."""


class TokenSigner:
    """Signs tokens with its own random secret, and accepts only those."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a token with ``claims``."""
        signed = _encode({"alg": "HS256", "typ": "JWT"}) + "." + _encode(claims)
        return signed + "." + _base64(self._signature(signed))

    def claims(self, token: str, *, now: float) -> dict[str, Any]:
        """Return the claims of ``token``.

        Raises:
            InvalidTokenError: this signer did not sign it, or ``now`` (s since 1970) is not before its ``exp``.
        """
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        try:
            genuine = hmac.compare_digest(_unbase64(signature), self._signature(signed))
            if not genuine or json.loads(_unbase64(header)).get("alg") != "HS256":
                raise InvalidTokenError("not a token of this emulator")
            claims: dict[str, Any] = json.loads(_unbase64(payload))
        except (binascii.Error, UnicodeError, ValueError) as exc:
            raise InvalidTokenError("not a token of this emulator") from exc
        if now >= claims["exp"]:
            raise InvalidTokenError("the token has expired")
        return claims

    def _signature(self, signed: str) -> bytes:
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).digest()


def _encode(part: Mapping[str, Any]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
