"""Addresses that carry their own permission: signed with HMAC-SHA256, valid until a moment that they name.

It only says whether an address is good; what lies behind it is not known here.
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
    """The address was not made here, or has been changed."""


class ExpiredError(ValueError):
    """The address was good until ``expires`` (s since 1970)."""

    def __init__(self, expires: int) -> None:
        super().__init__(expires)
        self.expires = expires


class UrlSigner:
    """Signs paths with ``secret``; the same secret accepts them again after a restart."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, path: str, *, expires: int) -> str:
        """Return ``path`` with the query that opens it until ``expires``, s since 1970.

        >>> UrlSigner(b"secret").sign("/a.mp4", expires=1700000000)[:27]
        '/a.mp4?Expires=1700000000&S'
        """
        return path + "?" + urlencode({"Expires": expires, "Signature": self._signature(path, expires)})

    def check(self, path: str, query: Mapping[str, str], *, now: float) -> None:
        """Accept ``path`` with its ``query`` at ``now``, s since 1970.

        Raises:
            WrongSignatureError: it is not ours.
            ExpiredError: it is, but too late.
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
        return hmac.new(self._secret, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()
