"""Signed addresses: HMAC-SHA256 over the path and an expiry time.

This module only signs and checks addresses; it does not know their targets.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ExpiredError", "UrlSigner", "WrongSignatureError"]


class WrongSignatureError(ValueError):
    """The address was not signed with this secret, or has been changed."""


class ExpiredError(ValueError):
    """The address was valid until ``expires``, in s since 1970."""

    def __init__(self, expires: int) -> None:
        super().__init__(expires)
        self.expires = expires


class UrlSigner:
    """Signs paths with ``secret``. A signer with the same secret accepts them, even after a restart."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, path: str, *, expires: int) -> str:
        """Return ``path`` with a query that makes it valid until ``expires``, in s since 1970.

        >>> UrlSigner(b"secret").sign("/a.mp4", expires=1700000000)[:27]
        '/a.mp4?Expires=1700000000&S'
        """
        return path + "?" + urlencode({"Expires": expires, "Signature": self._signature(path, expires)})

    def check(self, path: str, query: Mapping[str, str], *, now: float) -> None:
        """Check ``path`` and its ``query`` at the time ``now``, in s since 1970.

        Raises:
            WrongSignatureError: the signature is missing or wrong.
            ExpiredError: the signature is right, but the address has expired.
        """
        given = query.get("Expires", "")
        if not (given.isascii() and given.isdigit() and len(given) < 16):
            raise WrongSignatureError
        expires = int(given)
        signature = query.get("Signature", "").encode("utf-8", "replace")
        if given != str(expires) or not hmac.compare_digest(signature, self._signature(path, expires).encode()):
            raise WrongSignatureError
        if now >= expires:
            raise ExpiredError(expires)

    def _signature(self, path: str, expires: int) -> str:
        return hmac.new(
            self._secret, f"{path}\n{expires}".encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()
